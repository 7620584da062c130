# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Run the node for a long time under random disturbances, and keep the books."""

import os
import random
import statistics
import threading
import time

from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image
from support import captured
from support import soak_robot
from support.ros_graph import NodeProcess
from support.ros_graph import private_domain
from support.ros_graph import wait_until
from support.segformer_peer import rgb_message
from support.segformer_peer import SegformerPeer
from support.soak_faults import FAULTS
from support.soak_faults import FRAMES
from support.soak_faults import SWITCHING
from support.striped_camera import striped_picture
from support.striped_camera import StripedCamera
from support.tiny_model import write_color_costs
from support.tiny_model import write_color_model

CAMERAS = ('front', 'rear')
RATE = 5.0
FAULT_EVERY = 5.0
"""Seconds between two disturbances, on average."""
SAMPLE_EVERY = 5.0
COUNTED = {'received': 'received', 'published': 'published',
           'dropped': 'dropped for newer ones', 'rejected': 'rejected input',
           'failed': 'failed'}
BACK_WITHIN = 15.0
"""Seconds without any mask that are too many even after the longest disturbance."""
CAPTURED_FRAMES, CAPTURED_MIB = 100, 1
CAPTURE = {'capture.enabled': 'true', 'capture.trickle_period': 0.1, 'capture.max_rate': 2.0,
           'capture.max_frames': CAPTURED_FRAMES, 'capture.max_mib': CAPTURED_MIB,
           'capture.min_free_mib': 0}
"""Full after a minute, so that frames make way for the rest of the run."""
TURN = 60.0
"""Seconds after which capture is switched on or off, so that both meet the same machine."""
PERCENTILES = (50, 90, 99, 100)


class Soak:
    """
    One long run.

    :param folder: for the model and the node's logs
    :param minutes: how long
    :param seed: of the disturbances
    :param capture: keep frames, in every other minute, or sixth of a shorter run
    """

    def __init__(self, folder, minutes, seed=1, capture=True):
        self.captures = os.path.join(folder, 'captures') if capture else None
        self._folder = folder
        self._minutes = minutes
        self.random = random.Random(seed)
        self.seed = seed
        self.complaints = []
        self.faults = []
        self.samples = []
        self.peer = None
        self.node = None
        self.robot = None
        self.cameras = {}
        self.oldest = 0.0
        """Seconds, the greatest age of a known cell that the node owned to."""
        self._diagnostics = {}
        self._inboxes = []
        self._captures = None
        """Whether frames are kept; None while that changes."""
        self._latencies = {True: [], False: []}

    def run(self):
        """Return the report."""
        parameters = dict(write_color_costs(self._folder), **soak_robot.PARAMETERS)
        parameters.update({'model': write_color_model(self._folder), 'threads': 1,
                           'cameras': '[{}]'.format(', '.join(CAMERAS))})
        if self.captures:
            parameters.update(CAPTURE, **{'capture.folder': self.captures})
        with private_domain() as domain, \
                NodeProcess(domain, self._folder, parameters) as node, \
                SegformerPeer(domain, CAMERAS[0]) as first, \
                SegformerPeer(domain, CAMERAS[1]) as second:
            self.peer, self.node = first, node
            self.peer.wait_for_state('active')
            self.peer.node.create_subscription(
                DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
            for name, peer in zip(CAMERAS, (first, second)):
                # Until nothing is lost for want of discovery.
                peer.mask_of(rgb_message(striped_picture([0, 1, 2, 3], 64, 48)))
                self.cameras[name] = StripedCamera(peer, f'/{name}/image', RATE)
                self.cameras[name].frame_id = f'camera_{next(FRAMES)}'
                self.cameras[name].wait_for_subscriber()
            for name, peer in zip(CAMERAS, (first, second)):
                peer.node.create_subscription(
                    Image, peer.output('mask'), self.cameras[name].judge, 50)
            self._wait_for_judges(first, second)
            self._inboxes = [first.masks, second.masks]
            self.robot = soak_robot.SoakRobot(second, self.cameras)
            wait_until(lambda: self.robot.counts['grids'], 'a grid')
            base = self._counts_now()
            for camera in self.cameras.values():
                camera.begin()
            self.robot.begin()
            self._disturb(node)
            for camera in self.cameras.values():
                camera.stop()
            time.sleep(1.0)
            self.robot.stop()
            end = self._counts_now()
            running = node.is_running()
            log = node.log()
        return self._report(base, end, running, log)

    def _wait_for_judges(self, *peers):
        for name, peer in zip(CAMERAS, peers):
            camera = self.cameras[name]

            def judged(peer=peer, camera=camera):
                peer.mask_of(rgb_message(striped_picture([0, 1, 2, 3], 64, 48)))
                return camera.counts['masks']
            wait_until(judged, 'a judged mask')

    def _disturb(self, node):
        started = time.monotonic()
        stop = threading.Event()
        sampler = threading.Thread(target=self._sample, args=(node, started, stop), daemon=True)
        sampler.start()
        deck = []
        turn = min(TURN, 10.0 * self._minutes)
        try:
            # The last seconds belong to the queues, so that the books can be closed.
            while time.monotonic() - started < 60.0 * self._minutes - 5.0:
                time.sleep(self.random.expovariate(1.0 / FAULT_EVERY))
                if self.captures:
                    self._keep_frames((time.monotonic() - started) // turn % 2 == 0)
                if not deck:
                    # Every disturbance once before any comes again.
                    deck = self.random.sample(FAULTS, len(FAULTS))
                fault = deck.pop()
                camera = self.random.choice(sorted(self.cameras))
                self.faults.append({'at': round(time.monotonic() - started, 2),
                                    'fault': fault.__name__, 'camera': camera})
                fault(self, self.cameras[camera])
            time.sleep(5.0)
        finally:
            stop.set()
            sampler.join()

    def _keep_frames(self, wanted):
        if self._captures is not wanted:
            self._captures = None
            refusal = self.peer.set_parameters(**{'capture.enabled': wanted})
            if refusal:
                self.complaints.append(refusal)
            self._captures = wanted

    def _sample(self, node, started, stop):
        cpu = node.cpu_seconds()
        captured = None
        while not stop.wait(SAMPLE_EVERY):
            if not node.is_running():
                self.complaints.append('the node ended')
                return
            now = time.monotonic()
            for inbox in self._inboxes:
                inbox.messages.clear()  # they are not needed any more, and would fill memory
            latencies = [each for camera in self.cameras.values()
                         for each in camera.take_latencies()]
            before_it, captured = captured, self._captures
            if captured is not None and captured is before_it:
                self._latencies[captured] += latencies
            before, cpu = cpu, node.cpu_seconds()
            self.samples.append({
                'at': round(now - started, 2), 'rss_mb': round(node.resident_mb(), 2),
                'threads': node.threads(), 'descriptors': node.descriptors(),
                'cpu': round((cpu - before) / SAMPLE_EVERY, 3), 'masks': len(latencies),
                'latency_ms': round(1e3 * statistics.median(latencies), 2) if latencies
                else None, 'known_cells': self.robot.known,
                'captured_mib': folder_mib(self.captures),
                'wrong': sum(camera.counts['wrong'] for camera in self.cameras.values())})

    def _on_diagnostics(self, message):
        for status in message.status:
            task = status.name.partition(': ')[2]
            values = {pair.key: pair.value for pair in status.values}
            if task == 'costmap':
                self.oldest = max(self.oldest, float(values.get('oldest known cell [s]', 0.0)))
            if task.startswith('camera '):
                self._diagnostics[task.partition(' ')[2]] = (time.monotonic(), {
                    key: int(values[name]) for key, name in COUNTED.items()})

    def _counts_now(self):
        asked = time.monotonic()
        wait_until(lambda: all(
            name in self._diagnostics and self._diagnostics[name][0] > asked + 1.1
            for name in CAMERAS), 'diagnostics')
        return {name: self._diagnostics[name][1] for name in CAMERAS}

    def _report(self, base, end, running, log):
        cameras = {}
        for name, camera in self.cameras.items():
            node = {key: end[name][key] - base[name][key] for key in COUNTED}
            cameras[name] = dict(
                camera.counts, node=node, worst_share_right=camera.worst,
                lost_by_node=node['received'] - node['published'] - node['dropped']
                - node['rejected'] - node['failed'],
                masks_lost_on_the_way=node['published'] - camera.counts['masks'],
                images_not_received=camera.counts['sent'] - node['received'])
        return {'minutes': self._minutes, 'seed': self.seed, 'cameras': cameras,
                'costmap': dict(self.robot.report(), oldest_cell_s=self.oldest),
                'faults': self.faults, 'samples': self.samples,
                'longest_silence_s': round(max(
                    camera.longest_gap for camera in self.cameras.values()), 2),
                'memory': memory_growth(self.samples), 'complaints': self.complaints,
                'capture': captured_report(self.captures, self.samples),
                'latency_ms': {name: percentiles(self._latencies[captures])
                               for name, captures in (('with capture', True),
                                                      ('without', False))},
                'tracebacks': log.count('Traceback'), 'running': running}


def folder_mib(folder):
    """Return the size of a folder that is being written, MiB."""
    total = 0
    for parent, _, names in os.walk(folder or ''):
        for name in names:
            try:
                total += os.path.getsize(os.path.join(parent, name))
            except FileNotFoundError:
                pass  # it made way
    return round(total / 2.0 ** 20, 3)


def captured_report(folder, samples):
    """Return what capture left behind, None without it."""
    if not folder:
        return None
    return {'frames': len(captured.check_whole(folder)),
            'largest_mib': max([each['captured_mib'] for each in samples] + [folder_mib(folder)])}


def percentiles(latencies):
    """Return the number of seconds and their percentiles in ms, rounded up to one that was."""
    ordered = sorted(latencies)
    found = {f'p{each}': round(1e3 * ordered[max(0, -(-each * len(ordered) // 100) - 1)], 1)
             for each in PERCENTILES} if ordered else {}
    return dict(masks=len(ordered), **found)


def memory_growth(samples):
    """
    Return the memory around minute five and at the end, in MB, and its growth.

    Each is the median of one minute, since a look at a picture comes and goes in seconds. A
    run of less than six minutes is compared with its second half minute.
    """
    last = samples[-1]['at']
    start = 270.0 if last > 360.0 else 30.0
    early = [each['rss_mb'] for each in samples if start <= each['at'] < start + 60.0]
    late = [each['rss_mb'] for each in samples if each['at'] > last - 60.0]
    if not early:
        return None
    before, after = statistics.median(early), statistics.median(late)
    return {'early_mb': before, 'late_mb': after, 'growth': round(after / before - 1.0, 5),
            'early_from_s': start}


def faults_of(report):
    """Return what is wrong with a run, as sentences; an empty list is a good run."""
    wrong = list(report['complaints'])
    if not report['running']:
        wrong.append('the node did not live to the end')
    if report['tracebacks']:
        wrong.append('{} tracebacks in the log'.format(report['tracebacks']))
    for name, camera in report['cameras'].items():
        for key in ('wrong', 'unknown', 'for spoiled', 'lost_by_node', 'masks_lost_on_the_way'):
            if camera[key]:
                wrong.append(f'{name}: {camera[key]} {key}')
        if camera['node']['failed']:
            wrong.append('{}: {} failed'.format(name, camera['node']['failed']))
        # Half of them: what lies in between was sent to a node that was switched off.
        if camera['right'] < 0.5 * camera['sent']:
            wrong.append('{}: {} right masks of {} images'.format(
                name, camera['right'], camera['sent']))
    kept = report['capture']
    if kept and not (0 < kept['frames'] <= CAPTURED_FRAMES
                     and kept['largest_mib'] < 1.1 * CAPTURED_MIB):
        wrong.append('captured: {frames} frames, {largest_mib} MiB'.format(**kept))
    wrong += soak_robot.faults_of(report['costmap'], len(report['cameras']) * sum(
        fault['fault'] in SWITCHING for fault in report['faults']))
    if report['longest_silence_s'] > BACK_WITHIN:
        wrong.append('no mask for {} s'.format(report['longest_silence_s']))
    return wrong
