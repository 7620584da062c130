# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Whole replays over real DDS: a recording, the player, the node, and what is measured."""

import json
import os
import subprocess
import sys

import numpy as np
from PIL import Image as PillowImage
import pytest
from segformer_ros.cli.evaluate import main as evaluate
from sensor_msgs.msg import Image
from support import bags
from support import stand_in_ros2
from support.ros_graph import NodeProcess
from support.ros_graph import Peer
from support.segformer_peer import SegformerPeer

pytest.importorskip('rosbags')

TIMEOUT = 240
IMAGES = 12


def replay(domain, folder, *arguments, path=''):
    """Run the command; return its exit status, what it printed, and the document."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, '-m', 'segformer_ros.cli.replay_evaluation'] + list(arguments)
        + ['--output', str(folder)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        universal_newlines=True, timeout=TIMEOUT,
        env=dict(os.environ, ROS_DOMAIN_ID=str(domain), PATH=path + os.environ['PATH'],
                 ROS_LOG_DIR=str(folder)))
    report = folder / 'replay.json'
    return done.returncode, done.stdout, \
        json.loads(report.read_text()) if report.exists() else None


def masks_in(folder):
    """Return masks by file name."""
    return {name: np.asarray(PillowImage.open(os.path.join(str(folder), name)))
            for name in sorted(os.listdir(str(folder)))}


def check_counts(document):
    """Check what must be true however busy the machine is; return the frames."""
    frames = document['frames']
    assert frames['in_recording'] == IMAGES
    assert frames['masks'] == len(document['per_mask']) > 0
    # A reliable topic and a node in good health lose nothing; the way in is best effort.
    for name in ('rejected', 'failed', 'lost_in_node', 'lost_after_node'):
        assert frames[name] == 0, frames
    assert frames['drops'] == frames['lost_before_node'] >= 0
    assert frames['masks'] + frames['superseded'] + frames['drops'] == IMAGES
    return frames


def test_recorded_street_is_replayed_and_measured(domain, tmp_path, shared, color_model):
    bag = shared('bags/camvid_mcap')
    # First, so that the graph that both run is prepared when the node starts.
    assert evaluate([bag, '--topic', '/camera/image_raw', '--model', color_model,
                     '--save-masks', str(tmp_path / 'offline'),
                     '--output', str(tmp_path / 'evaluation')]) == 0
    with Peer(domain) as peer:
        heard = peer.subscribe(Image, '/segformer/mask', 50)
        status, output, document = replay(
            domain, tmp_path / 'replay', bag, '--model', color_model, '--rate', '4',
            '--player', 'package', '--topic', '/camera/image_raw',
            '--save-masks', str(tmp_path / 'live'), '--fail-over', 'failed=0')
        assert status == 0, output
        frames = check_counts(document)
        stamps = [message.header.stamp.sec * 10 ** 9 + message.header.stamp.nanosec
                  for message in heard.messages]
    assert [entry[0] for entry in document['per_mask']] == stamps
    assert frames['masks'] == len(stamps)
    latency = document['latency_ms']
    for name in ('image_to_mask', 'stamp_to_mask', 'staleness'):
        assert 0 < latency[name]['p50'] <= latency[name]['p95'] <= latency[name]['max']
    # Images are a second apart, so the newest mask gets older than that before the next comes.
    assert latency['staleness']['max'] > 1000
    assert document['node']['backend']['backend'] == 'onnxruntime'
    assert document['player'] == 'bag_player of this package'
    assert '| stamp to mask |' in output
    # The masks are those of the evaluation without ROS, byte for byte.
    live = masks_in(tmp_path / 'live' / 'camvid_mcap')
    offline = masks_in(tmp_path / 'offline' / 'camvid_mcap')
    assert len(offline) == IMAGES
    assert len(live) == frames['masks']
    for name, mask in live.items():
        assert np.array_equal(mask, offline[name]), name


@pytest.mark.slow
def test_running_node_is_measured_with_ros2_bag_and_a_bound(domain, tmp_path, shared,
                                                            color_model):
    bag = shared('bags/camvid_sqlite3')
    bin_folder = tmp_path / 'bin'
    bin_folder.mkdir()
    stand_in_ros2.install(bin_folder)
    remaps = ['-r', 'image:=/camera/image_raw', '-r', 'camera_info:=/camera/camera_info']
    with NodeProcess(domain, tmp_path, {
            'model': color_model, 'use_sim_time': 'true', 'image_transport': 'compressed'},
            remaps), SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        for name in ('first', 'second'):
            # Twice: what the node has counted before does not count.
            status, output, document = replay(
                domain, tmp_path / name, bag, '--running', '--player', 'rosbag2',
                '--rate', '5', '--topic', '/camera/image_raw/compressed', '--fail-over',
                'stamp_latency_max_ms=0.001', path=str(bin_folder) + os.pathsep)
            assert status == 3, output
            assert 'FAILED: stamp_latency_max_ms is' in output
            check_counts(document)
            assert document['player'] == 'ros2 bag play'
        log = (tmp_path / 'second' / 'player.log').read_text()
        status, output, document = replay(
            domain, tmp_path / 'third', bag, '--running', '--topic', '/camera/image_raw',
            '--camera', 'front', '--patience', '5')
        assert (status, document) == (1, None)
        assert 'The node has no such camera: got active' in output
    assert f"stand-in for ros2 bag play: {{'bag_file': {bag!r}, 'storage': 'sqlite3'" in log


def test_node_that_does_not_start_is_told_with_its_words(domain, tmp_path, color_model):
    path = bags.write_bag(tmp_path / 'bag', 2)
    status, output, document = replay(domain, tmp_path / 'out', path, '--model', '/no/such.onnx')
    assert status == 1
    assert document is None
    assert 'does not get active' in output
    assert '/no/such.onnx' in output


def test_player_that_fails_is_told_with_its_words(domain, tmp_path, color_model):
    path = bags.write_bag(tmp_path / 'bag', 2)
    bin_folder = tmp_path / 'bin'
    bin_folder.mkdir()
    script = bin_folder / 'ros2'
    script.write_text('#!/bin/sh\necho "no such storage"\nexit 7\n')
    script.chmod(0o755)
    status, output, _ = replay(domain, tmp_path / 'out', path, '--model', color_model,
                               '--player', 'rosbag2', path=str(bin_folder) + os.pathsep)
    assert status == 1
    assert 'exit status 7' in output
    assert 'no such storage' in output


@pytest.mark.parametrize('arguments, text', [
    (['/no/bag'], 'Input not found'),
    (['BAG', '--player', 'rosbag2'], 'There is no ros2 command')])
def test_what_is_missing_is_told_before_anything_starts(tmp_path, monkeypatch, capsys, arguments,
                                                        text):
    from segformer_ros.cli.replay_evaluation import main
    path = bags.write_bag(tmp_path / 'bag', 1)
    monkeypatch.setenv('PATH', str(tmp_path))
    # The command sets these where they are not; the tests after this one keep theirs.
    for name in ('ROS_DOMAIN_ID', 'ROS_AUTOMATIC_DISCOVERY_RANGE'):
        monkeypatch.setenv(name, os.environ.get(name, ''))
    words = [path if word == 'BAG' else word for word in arguments]
    # As a launch file calls it.
    assert main(words + ['--output', str(tmp_path / 'out'), '--ros-args', '-r', 'a:=b']) == 1
    assert text in capsys.readouterr().err


@pytest.mark.parametrize('arguments, text', [
    (['--rate', '-1'], 'Impossible speed'), (['--param', 'threads'], 'Not a parameter'),
    (['--fail-over', 'mious=3'], 'Unknown figure'), (['--fail-under', 'drops'], 'NAME=NUMBER'),
    (['--fail-over', 'drops=x'], 'Not a number')])
def test_wrong_options_end_with_status_two(capsys, arguments, text):
    from segformer_ros.cli.replay_evaluation import main
    with pytest.raises(SystemExit) as ended:
        main(['/no/bag'] + arguments)
    assert ended.value.code == 2
    assert text in capsys.readouterr().err
