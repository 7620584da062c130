# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The transform tree: chains, times, interpolation, and what it says when it cannot answer."""

import tracemalloc
from types import SimpleNamespace

import cv2
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.errors import TransformError
from segformer_ros.costmap.geometry import transform_buffer
from segformer_ros.costmap.geometry.transform_buffer import LONGEST_NAME
from segformer_ros.costmap.geometry.transform_buffer import MOST_CHAIN
from segformer_ros.costmap.geometry.transform_buffer import MOST_FRAMES
from segformer_ros.costmap.geometry.transform_buffer import MOST_STAMPS
from segformer_ros.costmap.geometry.transform_buffer import MOST_WANTED
from segformer_ros.costmap.geometry.transform_buffer import TransformBuffer

STAMP = 1700000000.0
NO_TURN = (0.0, 0.0, 0.0, 1.0)


def yaw(angle):
    return (0.0, 0.0, np.sin(angle / 2), np.cos(angle / 2))


def tree():
    """Build odom -> base (moving) -> mast (static) -> camera (static)."""
    buffer = TransformBuffer()
    for step in range(11):
        buffer.insert('odom', 'base', STAMP + 0.1 * step, (0.1 * step, 0.0, 0.0),
                      yaw(0.05 * step))
    buffer.insert('base', 'mast', 0.0, (0.2, 0.0, 0.8), NO_TURN, static=True)
    buffer.insert('mast', 'camera', 0.0, (0.0, 0.1, 0.0), yaw(np.pi / 2), static=True)
    return buffer


def matrix(x, y, z, angle):
    result = np.eye(4)
    result[:3, :3] = cv2.Rodrigues(np.array([0.0, 0.0, angle]))[0]
    result[:3, 3] = x, y, z
    return result


@pytest.mark.smoke
@pytest.mark.parametrize('at', [0.0, 0.1, 0.05, 0.73, 1.0])
def test_a_chain_is_the_product_of_its_edges_at_that_time(at):
    expected = (matrix(at, 0, 0, 0.5 * at).dot(matrix(0.2, 0, 0.8, 0))
                .dot(matrix(0, 0.1, 0, np.pi / 2)))
    buffer = tree()
    np.testing.assert_allclose(buffer.lookup('odom', 'camera', STAMP + at), expected, atol=1e-6)
    np.testing.assert_allclose(buffer.lookup('camera', 'odom', STAMP + at),
                               np.linalg.inv(expected), atol=1e-6)


def test_siblings_meet_at_their_common_ancestor():
    buffer = tree()
    buffer.insert('base', 'lidar', 0.0, (0.0, 0.0, 0.3), NO_TURN, static=True)
    np.testing.assert_allclose(buffer.lookup('lidar', 'camera', STAMP)[:3, 3], [0.2, 0.1, 0.5],
                               atol=1e-12)
    # Static edges alone hold at any time, even where odom's are long gone.
    np.testing.assert_allclose(buffer.lookup('lidar', 'camera', 5.0)[:3, 3], [0.2, 0.1, 0.5],
                               atol=1e-12)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-1.0, 1.0), min_size=8, max_size=8), st.floats(0.0, 1.0))
def test_interpolation_equals_scipy(numbers, share):
    rotation = pytest.importorskip('scipy.spatial.transform',
                                   reason='scipy is not installed for this Python')
    first, second = np.array(numbers[:4]), np.array(numbers[4:])
    lengths = np.linalg.norm(first), np.linalg.norm(second)
    if min(lengths) < 0.2 or abs(first.dot(second)) < 1e-3 * lengths[0] * lengths[1]:
        return
    buffer = TransformBuffer()
    buffer.insert('a', 'b', 10.0, (1.0, 2.0, 3.0), first)
    buffer.insert('a', 'b', 11.0, (3.0, 2.0, -1.0), second)
    found = buffer.lookup('a', 'b', 10.0 + share)
    expected = rotation.Slerp([10.0, 11.0], rotation.Rotation.from_quat(
        np.stack([first, second])))([10.0 + share]).as_matrix()[0]
    np.testing.assert_allclose(found[:3, :3], expected, atol=1e-6)
    np.testing.assert_allclose(found[:3, 3], [1 + 2 * share, 2.0, 3 - 4 * share], atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.permutations(list(range(8))), st.floats(0.0, 0.7))
def test_the_order_of_arrival_does_not_matter(order, at):
    buffer = TransformBuffer()
    for step in order:
        buffer.insert('odom', 'base', STAMP + 0.1 * step, (float(step), 0.0, 0.0), NO_TURN)
    found = buffer.lookup('odom', 'base', STAMP + at)[0, 3]
    assert found == pytest.approx(10.0 * at, abs=1e-4)


def test_nothing_is_extrapolated():
    buffer = tree()
    with pytest.raises(TransformError, match='0.050 s after the newest one'):
        buffer.lookup('odom', 'camera', STAMP + 1.05)
    with pytest.raises(TransformError, match='0.200 s before the oldest one.*check the clocks'):
        buffer.lookup('odom', 'camera', STAMP - 0.2)


def test_what_is_older_than_the_cache_is_dropped():
    buffer = TransformBuffer(cache_time=10.0)
    for second in range(16):
        buffer.insert('odom', 'base', STAMP + second, (float(second), 0.0, 0.0), NO_TURN)
    assert [buffer.lookup('odom', 'base', STAMP + at)[0, 3] for at in (5, 15)] == [5.0, 15.0]
    with pytest.raises(TransformError, match='0.001 s before the oldest'):
        buffer.lookup('odom', 'base', STAMP + 4.999)
    with pytest.raises(TransformError, match='before the oldest'):
        buffer.lookup('odom', 'base', STAMP + 4.0)


def test_without_a_time_the_newest_common_one_counts():
    buffer = tree()
    buffer.insert('map', 'odom', STAMP + 0.5, (100.0, 0.0, 0.0), NO_TURN)
    assert buffer.lookup('map', 'base')[0, 3] == pytest.approx(100.5)
    assert buffer.lookup('mast', 'camera')[1, 3] == pytest.approx(0.1)


def test_a_repeated_stamp_replaces_the_earlier_one():
    buffer = TransformBuffer()
    buffer.insert('a', 'b', 1.0, (1.0, 0.0, 0.0), NO_TURN)
    buffer.insert('a', 'b', 1.0, (2.0, 0.0, 0.0), NO_TURN)
    assert buffer.lookup('a', 'b', 1.0)[0, 3] == 2.0


def test_unknown_and_unconnected_frames_are_named():
    buffer = tree()
    buffer.insert('world', 'other', 0.0, (0.0, 0.0, 0.0), NO_TURN, static=True)
    with pytest.raises(TransformError, match="Unknown frame: got 'cam'.*camera"):
        buffer.lookup('odom', 'cam', STAMP)
    with pytest.raises(TransformError, match="not connected.*'odom'.*'world'"):
        buffer.lookup('odom', 'other', STAMP)
    with pytest.raises(TransformError, match='none yet'):
        TransformBuffer().lookup('odom', 'base', STAMP)


def test_a_loop_is_told_and_does_not_hang():
    buffer = TransformBuffer()
    buffer.insert('a', 'b', 0.0, (0.0, 0.0, 0.0), NO_TURN, static=True)
    buffer.insert('b', 'a', 0.0, (0.0, 0.0, 0.0), NO_TURN, static=True)
    buffer.insert('c', 'd', 0.0, (0.0, 0.0, 0.0), NO_TURN, static=True)
    with pytest.raises(TransformError, match='form a loop'):
        buffer.lookup('a', 'd', 1.0)


def test_a_child_with_a_new_parent_loses_its_old_history():
    buffer = tree()
    buffer.insert('map', 'base', STAMP + 2.0, (7.0, 0.0, 0.0), NO_TURN)
    assert buffer.lookup('map', 'base', STAMP + 2.0)[0, 3] == 7.0
    with pytest.raises(TransformError):
        buffer.lookup('odom', 'base', STAMP + 0.5)


def test_clear_keeps_static_transforms():
    buffer = tree()
    buffer.clear()
    assert buffer.lookup('base', 'camera', STAMP)[2, 3] == pytest.approx(0.8)
    with pytest.raises(TransformError):
        buffer.lookup('odom', 'base', STAMP)


def test_slashes_of_ros_1_bags_are_dropped():
    buffer = TransformBuffer()
    buffer.insert('/odom', '/base', 1.0, (1.0, 0.0, 0.0), NO_TURN)
    assert buffer.lookup('odom', '/base', 1.0)[0, 3] == 1.0


@pytest.mark.parametrize('arguments, words', [
    (('', 'b', 1.0, (0, 0, 0), NO_TURN), 'without two frames'),
    (('a', 'a', 1.0, (0, 0, 0), NO_TURN), 'without two frames'),
    (('a', 'b', 1.0, (0, float('nan'), 0), NO_TURN), 'not finite'),
    (('a', 'b', float('inf'), (0, 0, 0), NO_TURN), 'not finite'),
    (('a', 'b', 1.0, (0, 0, 0), (0, 0, 0, 0)), 'not a quaternion')])
def test_broken_transforms_are_refused(arguments, words):
    buffer = TransformBuffer()
    with pytest.raises(InvalidInputError, match=words):
        buffer.insert(*arguments)
    with pytest.raises(TransformError):
        buffer.lookup('a', 'b', 1.0)


def invent(buffer, count, static=False):
    for number in range(count):
        buffer.insert('odom', f'frame_{number}', STAMP, (0, 0, 0), NO_TURN, static)


def test_who_invents_ancestors_fills_no_memory():
    buffer = tree()
    buffer.lookup('odom', 'camera', STAMP + 0.5)
    child = 'odom'
    for number in range(MOST_FRAMES + 500):
        buffer.insert(f'above_{number}', child, STAMP, (0, 0, 0), NO_TURN)
        child = f'above_{number}'
    kept = sum(f'above_{number}' in buffer for number in range(MOST_FRAMES + 500))
    assert kept <= MOST_FRAMES
    buffer.lookup('odom', 'camera', STAMP + 0.5)


@pytest.mark.parametrize('static', [False, True])
def test_who_invents_frames_fills_no_memory_and_locks_nobody_out(static):
    buffer = tree()
    buffer.lookup('odom', 'camera', STAMP + 0.5)
    invent(buffer, 3 * MOST_FRAMES, static)
    kept = sum(f'frame_{number}' in buffer for number in range(3 * MOST_FRAMES))
    assert MOST_FRAMES // 2 < kept < MOST_FRAMES
    # What is asked for has stayed, with its history; what is new is taken.
    np.testing.assert_allclose(buffer.lookup('odom', 'base', STAMP + 0.5)[0, 3], 0.5)
    buffer.lookup('odom', 'camera', STAMP + 0.5)
    buffer.insert('base', 'arm', STAMP, (0, 0, 0), NO_TURN)
    buffer.lookup('base', 'arm', STAMP)


@pytest.mark.parametrize('strangers, left', [(1, 0), (2, 1), (3, 2), (4, 3), (5, 3), (8, 6)])
def test_a_quarter_of_what_nobody_asks_for_makes_way_rounded_up(monkeypatch, strangers, left):
    # Rounded down, a single stranger would never go, and the next frame would be one too many.
    buffer = tree()
    buffer.lookup('odom', 'camera', STAMP)
    monkeypatch.setattr(transform_buffer, 'MOST_FRAMES', 3 + strangers)
    invent(buffer, strangers)
    buffer.insert('odom', 'newest', STAMP, (0, 0, 0), NO_TURN)
    # The newest of them stay.
    assert [number for number in range(strangers) if f'frame_{number}' in buffer] == list(
        range(strangers - left, strangers))
    assert all(frame in buffer for frame in ('base', 'mast', 'camera', 'newest'))


@pytest.mark.parametrize('now, left', [(102.0, 6), (102.001, 4)])
def test_what_came_within_the_cache_time_is_not_what_goes_at_once(monkeypatch, now, left):
    clock = SimpleNamespace(monotonic=lambda: 100.0)
    monkeypatch.setattr(transform_buffer, 'time', clock)
    monkeypatch.setattr(transform_buffer, 'MOST_FRAMES', 8)
    buffer = TransformBuffer(cache_time=2.0)
    invent(buffer, 4)
    clock.monotonic = lambda: 101.0
    for number in range(4):
        buffer.insert('odom', f'later_{number}', STAMP, (0, 0, 0), NO_TURN)
    clock.monotonic = lambda: now
    buffer.insert('odom', 'newest', STAMP, (0, 0, 0), NO_TURN)
    assert all(f'later_{number}' in buffer for number in range(4)) and 'newest' in buffer
    # A quarter of the eight, or all four that have not come for longer.
    assert 4 + sum(f'frame_{number}' in buffer for number in range(4)) == left


@pytest.mark.parametrize('static', [False, True])
def test_the_mount_stays_though_a_stranger_asks_for_more_frames_than_are_remembered(static):
    # Images name the frame that is asked for: a stranger's images name ever new ones. A static
    # transform comes once, so that it would be lost until the next start.
    buffer = tree()
    buffer.insert('base', 'mount', STAMP, (0, 0, 1), NO_TURN, static=True)
    buffer.insert('odom', 'base', STAMP, (0, 0, 0), NO_TURN)
    buffer.lookup('odom', 'mount', STAMP)
    for number in range(2 * MOST_WANTED):
        with pytest.raises(TransformError):
            buffer.lookup('other', f'asked_{number}', STAMP)
    invent(buffer, 3 * MOST_FRAMES, static)
    # The robot goes on to say where it is.
    buffer.insert('odom', 'base', STAMP, (0, 0, 0), NO_TURN)
    np.testing.assert_allclose(buffer.lookup('odom', 'mount', STAMP)[:3, 3], (0, 0, 1))


@pytest.mark.parametrize('links, is_known', [(MOST_CHAIN, True), (MOST_CHAIN + 1, False)])
def test_chains_longer_than_any_robot_s_are_not_followed(links, is_known):
    buffer = TransformBuffer()
    for number in range(links):
        buffer.insert(f'link_{number}', f'link_{number + 1}', STAMP, (1, 0, 0), NO_TURN)
    if is_known:
        assert buffer.lookup('link_0', f'link_{links}', STAMP)[0, 3] == pytest.approx(links)
    else:
        with pytest.raises(TransformError, match='not connected'):
            buffer.lookup('link_0', f'link_{links}', STAMP)


def test_one_frame_keeps_a_bounded_history():
    buffer = TransformBuffer()
    for number in range(MOST_STAMPS + 100):
        buffer.insert('odom', 'base', STAMP + 1e-4 * number, (0, 0, 0), NO_TURN)
    buffer.lookup('odom', 'base', STAMP + 1e-4 * 100)
    with pytest.raises(TransformError):
        buffer.lookup('odom', 'base', STAMP + 1e-4 * 99)


def test_names_longer_than_ros_has_are_refused():
    buffer = TransformBuffer()
    buffer.insert('odom', 'b' * LONGEST_NAME, STAMP, (0, 0, 0), NO_TURN)
    for parent, child in (('odom', 'c' * (LONGEST_NAME + 1)), ('p' * (LONGEST_NAME + 1), 'c')):
        with pytest.raises(InvalidInputError, match='too long'):
            buffer.insert(parent, child, STAMP, (0, 0, 0), NO_TURN)


def test_long_names_that_are_asked_for_are_not_remembered():
    # Images name the frame that is asked for.
    buffer = tree()
    tracemalloc.start()
    try:
        for number in range(2 * MOST_WANTED):
            with pytest.raises(TransformError, match='Unknown frame'):
                buffer.lookup('odom', f'{number}_' + 'x' * 100000, STAMP)
        assert tracemalloc.get_traced_memory()[0] < 1000000
    finally:
        tracemalloc.stop()


def test_error_that_lists_what_is_known_is_short():
    buffer = TransformBuffer()
    invent(buffer, 1000)
    with pytest.raises(TransformError) as caught:
        buffer.lookup('odom', 'x' * 10 ** 6, STAMP)
    assert len(str(caught.value)) < 3000


def test_a_loop_is_over_once_the_wrong_transform_has_not_come_for_the_cache_time():
    poses = TransformBuffer(cache_time=2.0)
    turn = (0.0, 0.0, 0.0, 1.0)
    poses.insert('odom', 'base_link', 0.0, (1.0, 0.0, 0.0), turn)
    poses.insert('base_link', 'odom', 0.0, (-1.0, 0.0, 0.0), turn)
    for stamp in (1.0, 2.0):
        poses.insert('odom', 'base_link', stamp, (1.0, 0.0, 0.0), turn)
        with pytest.raises(TransformError, match='loop'):
            poses.lookup('odom', 'base_link', stamp)
    poses.insert('odom', 'base_link', 2.5, (3.0, 0.0, 0.0), turn)
    assert poses.lookup('odom', 'base_link', 2.5)[0, 3] == 3.0
