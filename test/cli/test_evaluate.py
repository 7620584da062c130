# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command evaluate: exit status, messages, files."""

import json
import os
import xml.etree.ElementTree

import numpy as np
import pytest

from segformer_ros.cli.evaluate import main
from support import bags
from support import tiny_model
from support.color_network import write_color_network

pytest.importorskip('rosbags')


class Case:
    """A recording with labels, and the arguments that evaluate it."""

    def __init__(self, folder):
        self.folder = folder
        self.network = ['--model', tiny_model.write_color_model(folder), '--threads', '1']
        self.bag = self.write('run', {})

    def write(self, name, wrong):
        """Write a recording whose labels have so many wrong rows, by frame."""
        path = os.path.join(str(self.folder), name)
        with bags.BagWriter(path) as bag:
            for number in range(4):
                stripes = np.tile(np.repeat(np.roll(np.arange(4), number), 16), (48, 1))
                palette = np.array(list(tiny_model.COLORS.values()), np.uint8)
                bag.image(number, palette[stripes])
                stripes[:wrong.get(number, 0)] = (stripes[:wrong.get(number, 0)] + 1) % 4
                if wrong.get(number) is not None or not wrong:
                    bag.image(number, stripes.astype(np.uint8), bags.LABELS, 'mono8',
                              delay_ns=10)
        return path

    def run(self, bag, output, *arguments):
        return main([bag, '--label-topic', bags.LABELS, '--output', str(output)]
                    + self.network + list(arguments))


@pytest.fixture(scope='module')
def case(tmp_path_factory):
    return Case(tmp_path_factory.mktemp('evaluate'))


def test_good_run_writes_three_reports_and_prints_one(case, tmp_path, capsys):
    assert case.run(case.bag, tmp_path / 'out') == 0
    assert sorted(os.listdir(str(tmp_path / 'out'))) == [
        'report.html', 'report.json', 'report.md']
    printed = capsys.readouterr()
    with open(str(tmp_path / 'out' / 'report.md')) as stream:
        assert stream.read() in printed.out
    assert '4 frames of 4 frames' in printed.err


def test_bounds_close_the_gate_with_a_sentence(case, tmp_path, capsys):
    assert case.run(case.bag, tmp_path, '--fail-under', 'miou=0.5') == 0
    assert case.run(case.bag, tmp_path, '--fail-under', 'miou=1.01', '--fail-under',
                    'iou:red=1.01', '--fail-over', 'left_out=-1') == 3
    told = capsys.readouterr().err
    assert told.count('FAILED: ') == 3
    assert 'FAILED: left_out is 0, above -1' in told


def test_strict_run_fails_where_frames_are_left_out(case, tmp_path, capsys):
    bag = case.write('gaps', {0: 0, 2: 0, 3: 0})
    assert case.run(bag, tmp_path) == 0
    assert case.run(bag, tmp_path, '--strict') == 3
    assert 'FAILED: 1 frames were left out' in capsys.readouterr().err


def test_run_of_which_all_frames_are_left_out_fails_and_a_strict_one_as_a_strict_one(
        case, tmp_path, capsys):
    bag = os.path.join(str(tmp_path), 'small_labels')
    with bags.BagWriter(bag) as writer:
        for number in range(2):
            writer.image(number, np.zeros((48, 64, 3), np.uint8))
            writer.image(number, np.zeros((24, 32), np.uint8), bags.LABELS, 'mono8', delay_ns=10)
    for arguments, status in (((), 1), (('--strict',), 3)):
        assert case.run(bag, tmp_path / 'out', *arguments) == status
        told = capsys.readouterr().err
        assert 'No frame could be evaluated: got 2 left out' in told
        assert ('FAILED: No frame' in told) == (status == 3)


def test_baseline_allows_what_it_allows(case, tmp_path, capsys):
    worse = case.write('worse/run', {0: 3, 1: 3, 2: 3, 3: 3})
    assert case.run(case.bag, tmp_path / 'before') == 0
    baseline = ['--baseline', str(tmp_path / 'before' / 'report.json')]
    assert case.run(worse, tmp_path / 'after', '--max-regression', '0.3', *baseline) == 0
    assert case.run(worse, tmp_path / 'after', '--max-regression', '0.01', *baseline) == 3
    printed = capsys.readouterr()
    assert '4 labelled frames in common' in printed.out
    assert 'FAILED: miou went from' in printed.err


def test_compare_reads_two_reports_and_evaluates_nothing(case, tmp_path, capsys):
    better = case.write('compare/run', {0: 1, 1: 1, 2: 1, 3: 1})
    worse = case.write('compare_worse/run', {0: 9, 1: 9, 2: 9, 3: 9})
    for bag, name in ((better, 'a'), (worse, 'b')):
        assert case.run(bag, tmp_path / name) == 0
    capsys.readouterr()
    reports = [str(tmp_path / 'a' / 'report.json'), str(tmp_path / 'b')]
    assert main(['--compare'] + reports) == 0
    printed = capsys.readouterr().out
    assert '| pixel accuracy | -0.16' in printed
    assert '| worse |' in printed
    assert main(['--compare', *reports, '--max-regression', 'accuracy=0.1']) == 3
    assert main(['--compare', *reversed(reports), '--max-regression', 'accuracy=0.1']) == 0


@pytest.mark.parametrize('arguments, message', [
    (['/no/such/bag'], 'Input not found'),
    (['BAG', '--topic', '/wrong'], r'No image topic of that name'),
    (['BAG', '--mapping', 'ade20k'], 'another network'),
    (['BAG', '--mapping', '/no/such.yaml'], '/no/such.yaml'),
    (['BAG', '--costmap', '/no/such.yaml'], '/no/such.yaml'),
    (['BAG', '--baseline', '/no/such.json'], '/no/such.json'),
    (['--compare', '/no/such.json', 'b'], '/no/such.json'),
    (['BAG', '--model', 'no_such_model'], 'no_such_model')])
def test_mistakes_end_with_a_message_and_status_one(case, tmp_path, capsys, arguments, message):
    names = {'BAG': case.bag, 'MODEL': case.network[1]}
    status = main(['--output', str(tmp_path)] + case.network
                  + [names.get(argument, argument) for argument in arguments])
    told = capsys.readouterr().err
    assert status == 1
    assert message in told
    assert 'Traceback' not in told


@pytest.mark.parametrize('arguments, message', [
    ([], 'Nothing to evaluate'),
    (['BAG', '--labels', 'a', '--reference-model', 'b'], 'More than one thing to compare with'),
    (['BAG', '--resize', 'nearest'], "Unknown setting of 'resize'"),
    (['BAG', '--postprocess', 'slow'], "Unknown setting of 'postprocess'"),
    (['BAG', '--threshold', '2'], 'threshold'), (['BAG', '--threshold', 'nan'], 'threshold'),
    (['BAG', '--fail-under', 'mIoU=1'], "Did you mean 'miou'"),
    (['BAG', '--fail-under', 'miou'], 'NAME=NUMBER'),
    (['BAG', '--fail-over', 'miou=x'], 'Not a number'),
    (['BAG', '--max-regression', 'x'], 'Not a number'),
    (['--compare', 'a', 'b', '--fail-under', 'miou'], 'NAME=NUMBER'),
    (['BAG', '--max-regression', '0.1'], 'No baseline'),
    (['BAG', '--mapping', 'ade20q'], "'ade20q'"),
    (['BAG', '--workers', '0'], 'Too few workers'),
    (['BAG', '--scheduler', 'tcp://x:1', '--write-bag', 'y'], 'does not work on a cluster'),
    (['BAG', '--reference-model', 'MODEL', '--reference-setting', 'speed=1'],
     'Unknown setting of the reference'),
    (['BAG', '--reference-model', 'MODEL', '--reference-setting', 'threshold=x'], 'not a number'),
    (['BAG', '--reference-model', 'MODEL', '--reference-setting', 'precision=fp4'], "'fp4'"),
    (['BAG', '--reference-model', 'MODEL', '--reference-setting', 'input_size=64'],
     'Wrong input size of the reference'),
    (['BAG', '--reference-setting', 'threshold=0.5'], 'without a second network'),
    (['BAG', '--reference-spec', 'a.yaml'], 'without a second network'),
    (['BAG', '--compare', 'a', 'b'], 'takes no recordings'),
    (['BAG', '--depth-topic', '/depth'], 'No costmap to compare'),
    (['BAG', '--costmap', 'indoor', '--depth-topic', '/depth', '--grid-topic', '/map'],
     'Two references for the costmap'),
    (['BAG', '--costmap', 'submarine'], 'submarine')])
def test_wrong_options_end_with_status_two(case, tmp_path, capsys, arguments, message):
    names = {'BAG': case.bag, 'MODEL': case.network[1]}
    with pytest.raises(SystemExit) as ended:
        main(['--output', str(tmp_path)] + case.network
             + [names.get(argument, argument) for argument in arguments])
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert told.startswith('usage: evaluate') and message in told
    assert os.listdir(str(tmp_path)) == []


def test_unknown_option_ends_with_status_two(capsys):
    with pytest.raises(SystemExit) as ended:
        main(['--no-such-option'])
    assert ended.value.code == 2


def test_second_network_with_another_setting_gives_agreement(case, tmp_path):
    assert main([case.bag, '--output', str(tmp_path)] + case.network + [
        '--reference-model', case.network[1], '--reference-setting', 'postprocess=fast']) == 0
    with open(str(tmp_path / 'report.json')) as stream:
        document = json.load(stream)
    assert document['against'] == 'reference'
    assert document['network']['postprocess'] == 'exact'
    assert document['reference']['postprocess'] == 'fast'


def test_masks_and_recording_are_written_beside_the_reports(case, tmp_path):
    assert case.run(case.bag, tmp_path / 'out', '--save-masks', str(tmp_path / 'masks'),
                    '--write-bag', str(tmp_path / 'bags')) == 0
    assert len(os.listdir(str(tmp_path / 'masks' / 'run'))) == 4
    assert sorted(os.listdir(str(tmp_path / 'bags' / 'run'))) == ['metadata.yaml', 'run.mcap']


def test_costmap_without_poses_is_told_and_its_bound_does_not_hold(case, tmp_path, capsys):
    profile = tmp_path / 'costs.yaml'
    profile.write_text('name: colors\ncosts: {red: 0, green: 40, blue: lethal, white: ignore}\n')
    # Two processes: what each has counted comes together.
    assert case.run(case.bag, tmp_path / 'out', '--costmap', str(profile), '--workers', '2',
                    '--fail-under', 'grid_agreement=0.5') == 3
    printed = capsys.readouterr()
    assert 'Costmap: 0 grids, compared with nothing. 4 frames without a grid; the first: ' in \
        printed.out
    assert 'Unknown frame' in printed.out
    assert 'FAILED: grid_agreement has no value' in printed.err


def test_help_tells_the_exit_status(capsys):
    with pytest.raises(SystemExit):
        main(['--help'])
    assert 'Exit status: 0 done; 1 could not' in ' '.join(capsys.readouterr().out.split())


@pytest.fixture
def open_case(tmp_path):
    """Return a recording and a network that runs at any size."""
    folder = tmp_path / 'open'
    folder.mkdir()
    write_color_network(folder / 'colors.onnx', dynamic=True)
    tiny_model.write_color_spec(str(folder), 'colors')
    case = Case(tmp_path)
    case.network = ['--model', str(folder / 'colors.onnx'), '--threads', '1']
    return case


def test_every_input_size_has_its_folder_and_one_table_compares_them(
        open_case, tmp_path, capsys):
    case = open_case
    out = tmp_path / 'out'
    assert case.run(case.bag, out, '--input-size', '64x64', '--input-size', '256x128') == 0
    with open(str(out / 'sizes.json')) as stream:
        rows = json.load(stream)
    assert [row['size_wh'] for row in rows] == [[64, 64], [256, 128]]
    assert all(0.0 < row['mean_iou'] <= 1.0 and row['cpu_ms'] > 0.0 for row in rows)
    # Stripes of 16 columns fall on whole cells of both grids; the finer one errs less at edges.
    assert rows[0]['ratio'] == 1.0
    for size, row in zip(('64x64', '256x128'), rows):
        with open(str(out / size / 'report.json')) as stream:
            report = json.load(stream)
        assert report['network']['input_size'] == size.replace('x', ' x ')
        assert report['figures']['mean_iou'] == row['mean_iou']
    page = (out / 'sizes.md').read_text()
    assert '| 64 x 64 |' in page and '| 256 x 128 |' in page
    plot = xml.etree.ElementTree.fromstring((out / 'sizes.svg').read_text())
    circles = plot.findall('{http://www.w3.org/2000/svg}circle')
    assert len(circles) == 2
    tops = sorted((float(each.get('cy')), row['mean_iou'])
                  for each, row in zip(sorted(circles, key=lambda one: float(one.get('cx'))),
                                       sorted(rows, key=lambda row: row['cpu_ms'])))
    assert [score for _, score in tops] == sorted((row['mean_iou'] for row in rows), reverse=True)


def test_size_that_a_fixed_network_cannot_have_is_told(case, tmp_path, capsys):
    assert case.run(case.bag, tmp_path, '--input-size', '96x64') == 1
    assert 'not a SegFormer' in capsys.readouterr().err


@pytest.mark.parametrize('setting, size', [
    ([], '64 x 64'), (['--reference-setting', 'input_size=128x64'], '128 x 64'),
    (['--reference-setting', 'postprocess=fast'], '64 x 64')])
def test_reference_of_the_same_network_keeps_its_own_size(open_case, tmp_path, setting, size):
    """So that the agreement says what the smaller input costs."""
    assert main([open_case.bag, '--output', str(tmp_path / 'out'), '--input-size', '40x40',
                 '--reference-model', open_case.network[1]] + open_case.network + setting) == 0
    with open(str(tmp_path / 'out' / 'report.json')) as stream:
        report = json.load(stream)
    assert report['network']['input_size'] == '40 x 40'
    assert report['reference']['input_size'] == size


def test_size_that_the_network_refuses_is_told_before_another_is_evaluated(
        open_case, tmp_path, capsys):
    assert open_case.run(open_case.bag, tmp_path / 'out', '--input-size', '64x64',
                         '--input-size', '66x64') == 1
    assert 'Wrong input size: got 66 x 64' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()
