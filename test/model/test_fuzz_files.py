# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Whatever a file or message holds: it is read, or refused with an error of the package."""

import logging
import os

from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies
import pytest
from support import fuzz_targets

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
CORPUS = os.path.join(ROOT, 'tools', 'fuzz', 'corpus')
SEEDS = fuzz_targets.seeds(ROOT)
# What broke something once, and its relatives: nothing that changes bytes at random finds them.
YAML = [
    b'a: ' + b'[' * 3000, b'{a: ' * 2000, b'name: 2001-99-99', b'name: ' + b'1' * 6000,
    b'a: !!int x', b'a: !!float x', b'a: !!set 3', b'a: 2001-01-01T99:99:99Z',
    b'a: 2001-01-01T10:00:00+99:99', b'!!python/object/apply:os.system [x]', b'a: &x [*x]',
    b'<<: 3', b'a: "\\ud800"', b'a: \0', b'? [a]\n: b', b'yes: 1', b'a: 1\na: 2',
    b'a: !!set [x]', b'a: !!map [x]', b'!!map [[x, y]]']
JSON = [
    b'[' * 100000, b'{"id2label":' + b'[' * 5000, b'[]', b'null', b'{"image_mean":[NaN,1,1]}']
LABELS = [
    b'{"id2label": {"' + b'1' * 6000 + b'": "a"}}',
    f'{{"id2label": {{"{chr(0xb2)}": "a"}}}}'.encode(),
    b'{"id2label": {"999999999": "a"}}', b'{"id2label": {"-1": "a"}}']
BAGS = [
    b'rosbag2_bagfile_information: {relative_file_paths: [a.mcap], topics_with_message_count: '
    b'[{message_count: ' + count + b', topic_metadata: {name: a}}]}'
    for count in (b'.inf', b'.nan', b'a', b'[1]', b'-.inf')]
KNOWN = {'model_yaml': YAML, 'classes_yaml': YAML, 'costs_yaml': YAML,
         'mapping_yaml': YAML, 'graph_record': JSON, 'report_json': JSON,
         'bag_metadata': YAML + BAGS,
         'config_json': JSON + LABELS, 'preprocessor_json': JSON, 'engine_record': JSON,
         'self_mask': [b'a\0b', b'1e999 nan', b'0 0 1 1 1e300 -1e300']}


@pytest.fixture(autouse=True)
def quiet():
    """Keep the thousands of warnings about deleted records out of the report."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@strategies.composite
def changed(draw, seed):
    """Return a seed with some pieces cut out, put in or written over."""
    data = bytearray(seed)
    for _ in range(draw(strategies.integers(1, 5))):
        at = draw(strategies.integers(0, len(data)))
        length = draw(strategies.sampled_from([0, 0, 1, 2, 8, 64]))
        data[at:at + length] = draw(strategies.binary(max_size=10))
    return bytes(data)


@pytest.mark.once
@pytest.mark.parametrize('name', sorted(fuzz_targets.TARGETS))
def test_files_of_any_content_give_the_package_s_own_errors(name):
    @settings(deadline=None, max_examples=60, database=None,
              suppress_health_check=list(HealthCheck))
    @given(strategies.one_of([changed(seed) for seed in SEEDS[name]]
                             + [strategies.binary(max_size=200)]))
    def run(data):
        fuzz_targets.TARGETS[name](data)
    run()


@pytest.mark.parametrize('name', sorted(SEEDS))
def test_the_seeds_are_good_so_that_their_changes_get_somewhere(name):
    assert all(fuzz_targets.TARGETS[name](seed) for seed in SEEDS[name])


@pytest.mark.once
@pytest.mark.parametrize('name', sorted(KNOWN))
def test_what_broke_once_is_refused(name):
    for data in KNOWN[name]:
        assert not fuzz_targets.TARGETS[name](data), data[:60]


@pytest.mark.parametrize('name', sorted(fuzz_targets.TARGETS))
def test_kept_inputs_break_nothing(name):
    folder = os.path.join(CORPUS, name)
    for file_name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        with open(os.path.join(folder, file_name), 'rb') as stream:
            fuzz_targets.TARGETS[name](stream.read())
