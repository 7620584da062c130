# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Masks wait for their poses without keeping anybody up, and ticks go on."""

import threading
import time

import pytest
from segformer_ros.ros.costmap.thread import CostmapThread
from support.ros_graph import wait_until


class Stage:
    """Notes what the worker asks for; frames in ``late`` have no pose yet."""

    def __init__(self, cameras=('front', 'left'), rate=100.0, hold_time=30.0):
        self.attempts, self.done, self.ticks, self.late = [], [], [], set()
        self.entered, self.gate = threading.Event(), threading.Event()
        self.gate.set()
        self.worker = CostmapThread(cameras, self._attempt, lambda: self.ticks.append(
            time.monotonic()))
        self.worker.set_pace(rate, hold_time)
        self.worker.start()

    def _attempt(self, camera, job, is_last):
        self.entered.set()
        self.gate.wait(30.0)
        self.attempts.append((camera, job, is_last))
        if job in self.late and not is_last:
            return False
        self.done.append((camera, job))
        return True

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.gate.set()
        assert self.worker.stop(30.0)


@pytest.mark.smoke
def test_frames_are_done_in_the_order_of_their_poses_and_none_waits_for_another_camera():
    with Stage() as stage:
        stage.late = {'f1'}
        stage.worker.offer('front', 'f1')
        wait_until(lambda: stage.attempts, 'a first attempt')
        stage.worker.offer('left', 'l1')
        wait_until(lambda: ('left', 'l1') in stage.done, 'the other camera')
        assert ('front', 'f1') not in stage.done
        stage.late = set()
        wait_until(lambda: ('front', 'f1') in stage.done, 'the late pose')
        assert not any(is_last for _, _, is_last in stage.attempts)


def test_of_several_frames_that_come_meanwhile_the_newest_is_next():
    with Stage() as stage:
        stage.late = {'f1'}
        assert not stage.worker.offer('front', 'f1')
        wait_until(lambda: stage.attempts, 'a first attempt')
        assert not stage.worker.offer('front', 'f2')
        assert stage.worker.offer('front', 'f3')
        stage.late = set()
        wait_until(lambda: len(stage.done) == 2, 'two frames')
        assert stage.done == [('front', 'f1'), ('front', 'f3')]


def test_a_frame_is_given_up_at_its_deadline_and_told_so():
    with Stage(hold_time=0.5) as stage:
        stage.late = {'f1'}
        stage.worker.offer('front', 'f1')
        wait_until(lambda: stage.done, 'the deadline')
        assert [is_last for _, _, is_last in stage.attempts][-1]
        assert len(stage.attempts) > 1


def test_without_hold_time_the_first_attempt_is_the_last():
    with Stage(hold_time=0.0) as stage:
        stage.late = {'f1'}
        stage.worker.offer('front', 'f1')
        wait_until(lambda: stage.done, 'the attempt')
        assert stage.attempts == [('front', 'f1', True)]


def test_ticks_come_between_resume_and_pause_alone_and_while_frames_wait():
    with Stage() as stage:
        stage.late = {'f1'}
        stage.worker.offer('front', 'f1')
        wait_until(lambda: len(stage.attempts) > 2, 'attempts')
        assert stage.ticks == []
        stage.worker.resume()
        wait_until(lambda: len(stage.ticks) >= 10, 'ticks')
        stage.worker.pause()
        # One may be under way.
        count = len(stage.ticks)
        attempts = len(stage.attempts)
        wait_until(lambda: len(stage.attempts) > attempts + 20, 'attempts')
        assert len(stage.ticks) <= count + 1


@pytest.mark.parametrize('rate', [5.0, 20.0, 50.0])
def test_ticks_come_at_the_rate_that_was_asked_for(rate):
    with Stage(rate=100.0) as stage:
        stage.worker.set_pace(rate, 30.0)
        stage.worker.resume()
        wait_until(lambda: len(stage.ticks) >= 12, 'ticks')
        gaps = [after - before for before, after in zip(stage.ticks, stage.ticks[1:])]
        # What is late is not made up for, so that none comes early but after a late one; a busy
        # machine is late with some, not with half.
        assert 0.9 / rate < sorted(gaps)[len(gaps) // 2] < 1.5 / rate + 0.02


def test_ticks_are_never_made_up_for():
    with Stage(rate=20.0) as stage:
        stage.worker.resume()
        wait_until(lambda: len(stage.ticks) >= 2, 'ticks')
        stage.gate.clear()
        stage.entered.clear()
        stage.worker.offer('front', 'f1')
        assert stage.entered.wait(30.0)
        time.sleep(0.5)
        before = len(stage.ticks)
        released = time.monotonic()
        stage.gate.set()
        wait_until(lambda: len(stage.ticks) >= before + 4, 'ticks')
        # One that was taken before the frame, if any, the one that was due, and the next ones
        # at their pace: not ten at once.
        assert stage.ticks[before + 3] - released >= 0.09


def test_forgotten_frames_are_not_tried_again():
    with Stage() as stage:
        stage.late = {'f1'}
        stage.worker.offer('front', 'f1')
        wait_until(lambda: stage.attempts, 'an attempt')
        stage.worker.offer('front', 'f2')
        stage.worker.forget()
        stage.worker.offer('front', 'f3')
        wait_until(lambda: ('front', 'f3') in stage.done, 'the new frame')
        assert stage.done == [('front', 'f3')]


def test_stop_does_not_wait_for_frames_without_a_pose():
    with Stage() as stage:
        stage.late = {'f1'}
        stage.worker.offer('front', 'f1')
        wait_until(lambda: stage.attempts, 'an attempt')
        assert stage.worker.stop(30.0)
        assert stage.done == []
