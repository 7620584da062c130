# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A camera whose every picture is another one, and a judge of the masks of its pictures."""

import threading
import time

import numpy as np
from rclpy.qos import qos_profile_sensor_data
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from support.ros_graph import wait_until
from support.tiny_model import COLORS

STRIPES = 4
KEPT = 400
"""Pictures whose masks may still come; far more than lie in any queue."""
CHANNELS = {'rgb8': [0, 1, 2], 'bgr8': [2, 1, 0], 'rgba8': [0, 1, 2, 2]}


class StripedCamera:
    """
    Publishes pictures of four stripes whose colours say which picture it is.

    The network of ``tiny_model`` names the colours, so the truth of every mask is known, and
    the mask of one of the 255 other pictures would be noticed. What a mask says within the
    middle half of each stripe is compared: between stripes a network may say either.

    :param peer: a :class:`SegformerPeer` of that camera, whose masks are judged
    :param topic: of the images
    :param rate: pictures per second
    """

    def __init__(self, peer, topic, rate):
        self._node = peer.node
        self._topic = topic
        self.rate = rate
        self.size_wh = (64, 48)
        self.encoding = 'rgb8'
        self.frame_id = 'camera'
        self.paused = False
        self.shift_s = 0
        """Added to the stamp of the pictures."""
        self.spoil = None
        """Changes the next message so that it must be refused."""
        self.before_sending = None
        """Called with each message and the codes of its stripes before it goes out."""
        self.counts = {'sent': 0, 'spoiled': 0, 'masks': 0, 'right': 0, 'wrong': 0,
                       'unknown': 0, 'for spoiled': 0}
        self.worst = 1.0
        self.latencies = []
        self.longest_gap = 0.0
        self._last_mask = None
        self.newest_right = 0.0
        """When the picture was sent whose mask came right last (``time.monotonic``)."""
        self._number = 0
        self._sent = {}
        self._spoiled = set()
        self._lock = threading.Lock()
        self._publisher = None
        self._publisher_lock = threading.Lock()
        self.reconnect()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def begin(self):
        """Send and count from now on."""
        self.counts = dict.fromkeys(self.counts, 0)
        self.longest_gap, self._last_mask = 0.0, None
        self._thread.start()

    def stop(self):
        """Send no more."""
        self._stop.set()
        self._thread.join()

    def reconnect(self, reliable=False):
        """Make a new publisher, with another QoS if so wished."""
        with self._publisher_lock:
            if self._publisher is not None:
                self._node.destroy_publisher(self._publisher)
            self._publisher = self._node.create_publisher(
                Image, self._topic, QoSProfile(depth=2) if reliable else qos_profile_sensor_data)

    def disconnect(self):
        """Have no publisher for a while."""
        with self._publisher_lock:
            self._node.destroy_publisher(self._publisher)
            self._publisher = None

    def wait_for_subscriber(self):
        """Wait until the node takes the pictures."""
        wait_until(self._publisher.get_subscription_count, 'a subscriber of ' + self._topic)

    def judge(self, mask):
        """Compare a mask message with the picture of its stamp."""
        now = time.monotonic()
        key = (mask.header.stamp.sec, mask.header.stamp.nanosec)
        with self._lock:
            self.counts['masks'] += 1
            if self._last_mask is not None:
                self.longest_gap = max(self.longest_gap, now - self._last_mask)
            self._last_mask = now
            if key in self._spoiled:
                self.counts['for spoiled'] += 1
                return
            if key not in self._sent:
                self.counts['unknown'] += 1
                return
            codes, size_wh, frame_id, sent = self._sent.pop(key)
            share = share_right(mask, codes)
            right = share == 1.0 and (mask.width, mask.height) == size_wh and \
                mask.header.frame_id == frame_id
            self.counts['right' if right else 'wrong'] += 1
            self.worst = min(self.worst, share)
            self.latencies.append(now - sent)
            if right:
                self.newest_right = max(self.newest_right, sent)

    def unanswered_since(self, moment):
        """Return how many pictures that were sent after a moment have no mask."""
        with self._lock:
            return sum(sent > moment for _, _, _, sent in self._sent.values())

    def take_latencies(self):
        """Return the seconds from sending to mask since the last call."""
        with self._lock:
            found, self.latencies = self.latencies, []
        return found

    def _run(self):
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + 1.0 / self.rate, time.monotonic())
            if not self.paused:
                self._send()

    def _send(self):
        self._number += 1
        codes = [self._number >> 2 * stripe & 3 for stripe in range(STRIPES)]
        width, height = self.size_wh
        picture = striped_picture(codes, width, height)[:, :, CHANNELS[self.encoding]]
        message = Image(height=height, width=width, encoding=self.encoding,
                        step=width * picture.shape[2], data=picture.tobytes())
        stamp = self._node.get_clock().now().to_msg()
        stamp.sec += self.shift_s
        message.header.stamp = stamp
        message.header.frame_id = self.frame_id
        spoil, self.spoil = self.spoil, None
        key = (stamp.sec, stamp.nanosec)
        with self._lock:
            if spoil is None:
                self._sent[key] = (codes, (width, height), self.frame_id, time.monotonic())
            else:
                spoil(message)
                self._spoiled.add(key)
                self.counts['spoiled'] += 1
            while len(self._sent) > KEPT:
                del self._sent[next(iter(self._sent))]
        if self.before_sending is not None:
            self.before_sending(message, codes)
        with self._publisher_lock:
            if self._publisher is not None:
                self._publisher.publish(message)
                with self._lock:
                    self.counts['sent'] += 1


def striped_picture(codes, width, height):
    """Return (H, W, 3) RGB of vertical stripes, one for each code."""
    colors = np.array(list(COLORS.values()), np.uint8)
    columns = np.repeat(colors[codes], np.diff(edges(width)), axis=0)
    return np.ascontiguousarray(np.broadcast_to(columns, (height, width, 3)))


def share_right(mask, codes):
    """Return the share of the pixels in the stripes' middle that have the right class."""
    values = np.frombuffer(mask.data, np.uint8).reshape(mask.height, mask.step)
    at = edges(mask.width)
    right = total = 0
    for code, start, end in zip(codes, at[:-1], at[1:]):
        quarter = (end - start) // 4
        middle = values[:, start + quarter:end - quarter]
        right += int(np.count_nonzero(middle == code))
        total += middle.size
    return right / total


def edges(width):
    """Return where the stripes of a picture begin and end."""
    return [width * stripe // STRIPES for stripe in range(STRIPES + 1)]
