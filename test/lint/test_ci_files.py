# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What continuous integration and the commit hooks call is there, and is what the tests run."""

import os
import re

import pytest
import yaml

pytestmark = pytest.mark.linter

LINTERS = {'ruff', 'mypy', 'ament_flake8', 'ament_pep257', 'vermin', 'codespell'}


@pytest.fixture
def load(project_root):
    """Return a function that reads a text file of the checkout."""
    def read(*path):
        with open(os.path.join(project_root, *path), encoding='utf-8') as stream:
            return stream.read()
    return read


@pytest.fixture
def jobs(load):
    """Return the jobs of the workflow by name."""
    return yaml.safe_load(load('.github', 'workflows', 'ci.yaml'))['jobs']


def commands(job):
    """Return the lines that a job runs."""
    lines = [line.strip() for step in job['steps'] for line in step.get('run', '').split('\n')]
    return [line for line in lines if line and not line.startswith('#')]


def test_everything_runs_on_three_releases_of_ubuntu(jobs, project_root):
    job = jobs['tests']
    assert job['runs-on'] == '${{ matrix.os }}'
    assert job['strategy']['matrix']['os'] == ['ubuntu-22.04', 'ubuntu-24.04', 'ubuntu-26.04']
    assert commands(job) == ['.ci/run']
    assert os.access(os.path.join(project_root, '.ci', 'run'), os.X_OK)


def test_no_interpreter_that_is_installed_may_be_missing(jobs, load):
    steps = jobs['tests']['steps']
    installed = ' '.join(step.get('with', {}).get('python-version', '') for step in steps).split()
    assert '3.14' in installed
    (may_miss,) = [step['env']['MAY_MISS'] for step in steps if step.get('run') == '.ci/run']
    # Without a value of its own the Makefile's would count.
    assert may_miss.split() == ['core36']
    assert {'core' + version.replace('.', '') for version in installed} & set(may_miss.split()) \
        == set()
    assert re.search(r'^MAY_MISS \?= ', load('Makefile'), re.MULTILINE)


def test_package_is_built_and_tested_with_each_distribution_of_ros(jobs, load):
    job = jobs['colcon']
    assert job['strategy']['matrix']['distribution'] == ['humble', 'jazzy', 'kilted', 'lyrical']
    assert job['container'] == 'ros:${{ matrix.distribution }}-ros-base'
    lines = commands(job)
    for part in ('colcon build', 'colcon test', 'colcon test-result'):
        assert any(line.startswith(part + ' ') for line in lines), part
    name = re.search('<name>(.*)</name>', load('package.xml')).group(1)
    selected = re.findall(r'--packages-select (\S+)', '\n'.join(lines))
    assert selected == [name, name]
    # What rosdep is told to skip is a key of the package.
    for key in re.findall(r'--skip-keys (\S+)', '\n'.join(lines)):
        assert f'<exec_depend>{key}</exec_depend>' in load('package.xml')


def test_job_that_can_hang_has_an_end(jobs):
    assert [name for name, job in jobs.items() if 'timeout-minutes' not in job] == []


def test_hooks_call_the_linters_of_the_tests(load, project_root):
    hooks = {hook['id']: hook for repository in yaml.safe_load(load('.pre-commit-config.yaml'))[
        'repos'] for hook in repository['hooks']}
    assert set(hooks) == LINTERS | {'guards'}
    pinned = set(re.findall(r'^(?:ros-jazzy-)?([\w-]+)==', load('requirements', 'test.txt'),
                            re.MULTILINE))
    assert {name.replace('_', '-') for name in LINTERS} <= pinned
    tests = load('test', 'lint', 'test_linters.py')
    for name in LINTERS:
        assert name in tests and name in hooks[name]['entry'], name
    for flag in hooks['vermin']['entry'].split('main()"')[1].split():
        assert f"'{flag}'" in tests, flag
    named = re.findall(r'test/[\w/]+\.py', hooks['guards']['entry'])
    assert len(named) == 2
    assert all(os.path.isfile(os.path.join(project_root, path)) for path in named)
