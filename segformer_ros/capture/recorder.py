# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From a frame to a record in the folder, or to the reason why there is none."""

import math
import threading
import time
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

import cv2

from segformer_ros.capture import blur
from segformer_ros.capture import frame as frames
from segformer_ros.capture import judge as judges
from segformer_ros.capture import store as stores
from segformer_ros.common.digest import sha256_of
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.common.time import NANOSECONDS

STAMPS_KEPT = 1000
"""Frames of this session whose stamps are known, so that none is kept twice."""


class RecorderSettings(NamedTuple):
    """
    What may change between two frames.

    ``enabled``: keep frames without being asked. ``max_rate``: of these, a second, of all cameras
    together. ``blur``: names as :func:`segformer_ros.capture.blur.blurred_classes` takes them.
    """

    folder: str
    enabled: bool = False
    max_rate: float = 0.5
    blur: Tuple[str, ...] = ()
    limits: stores.Limits = stores.Limits()
    thresholds: judges.Thresholds = judges.Thresholds()


class FrameContext(NamedTuple):
    """CameraInfo and pose of a frame as the manifest holds them, None where they are not known."""

    camera_info: Optional[Dict[str, Any]] = None
    pose: Optional[Dict[str, Any]] = None


class RecorderState(NamedTuple):
    """
    What became of the frames, counted since the node started.

    ``trouble``: why nothing can be kept now, or nothing. ``frames`` and ``bytes`` are those of
    the folder, None while it is not open.
    """

    kept: Dict[str, int]
    held_back: int
    failed: int
    made_way: int
    trouble: str
    last: str
    frames: Optional[int]
    bytes: Optional[int]


class CaptureRecorder:
    """
    Keeps frames; :meth:`handle` is called by one thread.

    :param settings: of the next frame; may be replaced at any time
    :param surroundings: returns what is known about where a frame was taken; called for frames
        that are kept alone, and may wait for a pose
    """

    def __init__(self, settings: RecorderSettings,
                 surroundings: Callable[[frames.CandidateFrame], FrameContext]) -> None:
        self.settings = settings
        self._surroundings = surroundings
        self._judge = judges.CaptureJudge()
        self._store: Optional[stores.Store] = None
        self._store_key: Optional[Tuple[Any, ...]] = None
        self._digest: 'Tuple[Optional[frames.NetworkIdentity], str]' = (None, '')
        self._tried = -math.inf
        self._known: 'Dict[Tuple[str, str, int], str]' = {}
        self._lock = threading.Lock()
        self._state = RecorderState(dict.fromkeys(frames.REASONS, 0), 0, 0, 0, '', '', None, None)

    @property
    def state(self) -> RecorderState:
        """Return what became of the frames so far."""
        with self._lock:
            return self._state

    def handle(self, frame: frames.CandidateFrame) -> str:
        """
        Keep a frame if it is worth it.

        :return: the identity of its record; empty where it is not kept
        :raises SegformerRosError: it is worth it and cannot be kept; ``state`` says so too
        """
        settings = self.settings
        if not settings.enabled and not frame.asked:
            return ''
        now = time.monotonic()
        verdict = self._judge.judge(frame, settings.thresholds, now)
        if verdict is None:
            return ''
        # Some drivers do not stamp: of their frames none is known.
        known = self._known.get((settings.folder, frame.camera, frame.stamp_ns)) \
            if frame.stamp_ns else None
        if known is not None and (self._store is None or self._store.has(known)):
            return known  # its depth, or a service, comes after the same frame was kept
        if not frame.asked:
            if now - self._tried < 1.0 / settings.max_rate:
                self._count(held_back=1)
                return ''
            # Also where it fails: a full disk is no reason to encode each frame.
            self._tried = now
        try:
            identity = self._keep(frame, verdict, settings)
        except SegformerRosError as error:
            # The next try reads the folder anew: somebody may have cleaned up there.
            self.close()
            self._count(failed=1, trouble=str(error))
            raise
        self._judge.record_kept(frame, verdict, now)
        return identity

    def close(self) -> None:
        """Let another process have the folder."""
        if self._store is not None:
            self._store.close()
        self._store = self._store_key = None

    def record_fault(self, fault: str) -> None:
        """Count a frame that was not kept for a reason that nobody thought of."""
        self.close()
        self._count(failed=1, trouble=fault)

    def forget_trouble(self) -> None:
        """Say nothing of what failed under other settings; for any thread."""
        with self._lock:
            self._state = self._state._replace(trouble='')

    def _keep(self, frame: frames.CandidateFrame, verdict: judges.Verdict,
              settings: RecorderSettings) -> str:
        store = self._open_store(settings, frame.network)
        blurred = blur.blurred_classes(settings.blur, frame.network)
        found = self._surroundings(frame)
        identity = store.free_identity(identity_of(frame.stamp_ns, frame.camera))
        record = {
            'id': identity, 'stamp_ns': frame.stamp_ns, 'camera': frame.camera,
            'frame_id': frame.frame_id, 'reason': verdict.reason, 'score': verdict.score,
            'camera_info': found.camera_info, 'pose': found.pose,
            'model': {'name': frame.network.name, 'digest': self._digest_of(frame.network)},
            'classes': stores.CLASSES, 'blurred': list(blurred.names)}
        made_way = store.add(record, pictures_of(frame, blurred), settings.limits)
        if len(self._known) >= STAMPS_KEPT:
            self._known.clear()
        self._known[settings.folder, frame.camera, frame.stamp_ns] = identity
        self._count(reason=verdict.reason, made_way=made_way, trouble='', last=identity)
        return identity

    def _open_store(self, settings: RecorderSettings,
                    network: frames.NetworkIdentity) -> stores.Store:
        key = settings.folder, network.classes.names
        if self._store is None or key != self._store_key:
            self.close()
            self._store = stores.Store(settings.folder, network.classes.names)
            self._store_key = key
        return self._store

    def _digest_of(self, network: frames.NetworkIdentity) -> str:
        # A network that was trained further may have the name of the one before.
        if self._digest[0] is not network:
            try:
                self._digest = network, sha256_of(network.path)
            except OSError as error:
                raise ConfigurationError(
                    'Network cannot be read', got=f'{network.path}: {error.strerror}',
                    remedy='Put the file back.') from error
        return self._digest[1]

    def _count(self, reason: str = '', held_back: int = 0, failed: int = 0, made_way: int = 0,
               trouble: Optional[str] = None, last: str = '') -> None:
        store = self._store
        with self._lock:
            state = self._state
            kept = dict(state.kept)
            if reason:
                kept[reason] += 1
            self._state = RecorderState(
                kept, state.held_back + held_back, state.failed + failed,
                state.made_way + made_way, state.trouble if trouble is None else trouble,
                last or state.last, None if store is None else store.frames,
                None if store is None else store.size)


def identity_of(stamp_ns: int, camera: str) -> str:
    """Return the name of a frame, such as ``20261129T184700_123456789_front``; UTC."""
    seconds, rest = divmod(stamp_ns, NANOSECONDS)
    moment = time.strftime('%Y%m%dT%H%M%S', time.gmtime(seconds))
    return f'{moment}_{rest:09d}' + (f'_{camera}' if camera else '')


def pictures_of(frame: frames.CandidateFrame, blurred: blur.BlurredClasses) -> Dict[str, bytes]:
    """
    Return the PNG files of a frame by key of :data:`segformer_ros.capture.store.PARTS`.

    They stand upright, as the network saw the image.
    """
    image = blur.blur(frame.image, frame.mask, blurred) if blurred.ids else frame.image
    found = {'image': _png(cv2.cvtColor(frames.upright(image, frame.rotate), cv2.COLOR_RGB2BGR)),
             'mask': _png(frames.upright(frame.mask, frame.rotate))}
    if frame.confidence is not None:
        found['confidence'] = _png(frames.upright(frame.confidence, frame.rotate))
    return found


def _png(pixels: Any) -> bytes:
    # Level 1: half the time of level 3 for a tenth more bytes of a photo.
    done, encoded = cv2.imencode('.png', pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise stores.StoreError('Picture cannot be encoded', got=list(pixels.shape))
    return bytes(encoded)
