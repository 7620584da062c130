# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Robust least squares for the mount of a camera, with its uncertainty.

Unknown are height, pitch, roll, yaw, the time by which odometry is late, and for each pair of
images what odometry is off by between them. The last are held near zero by how well odometry is
trusted; without them its error would be taken for that of a hundred independent points.
"""

from typing import Any, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from segformer_ros.calibration import ground_motion
from segformer_ros.calibration.trajectory import import_scipy
from segformer_ros.calibration.trajectory import Trajectory
from segformer_ros.common import arrays
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.geometry.camera_poses import Mount

NAMES = ('height', 'pitch', 'roll', 'yaw', 'delay')
"""What is solved for; height as its share, angles in radians, delay in seconds."""
_SHARED = len(NAMES)
_OWN = 3
# Steps of numeric derivatives: share of the height, radians, seconds.
_STEPS = np.array([1e-5, 1e-6, 1e-6, 1e-6, 2e-3])
_OWN_STEPS = np.array([1e-6, 1e-6, 1e-7])
_PLACE_STEP = 1e-6
# Weak knowledge that keeps what a drive does not determine at its start: a half of the height, 20
# degrees, and a delay of 0.1 s.
PRIOR = np.array([0.5, 0.35, 0.35, 0.35, 0.1])
"""Standard deviations about the start; what is found no better than this is not found."""
# Residuals beyond so many standard deviations pull no harder than these.
_LOSS_SCALE = 2.0
# Standard deviation of a tracked corner, pixels: a good one, and a hopeless one.
_PIXELS = (0.08, 3.0)
_GATE = 5.0
_ROUNDS = 4
_DRAWS = 400


class OdometryNoise(NamedTuple):
    """
    How well odometry is trusted between two images, standard deviations.

    ``share`` of the way and of the turn; ``metres`` and ``radians`` that come on top.
    """

    share: float = 0.02
    metres: float = 0.001
    radians: float = 0.0005


USUAL_NOISE = OdometryNoise()


class Observations(NamedTuple):
    """
    Corners that were followed in one camera.

    ``first`` and ``second`` (N, 2) pixels, ``pair`` (N,) which pair of images each belongs to;
    ``stamps`` (P, 2) seconds of these images.
    """

    first: arrays.Float64
    second: arrays.Float64
    pair: arrays.Index
    stamps: arrays.Float64


class Solution(NamedTuple):
    """
    A mount, and how sure it is.

    ``mount`` and ``delay`` (seconds by which poses are late: an image of stamp t shows what
    odometry tells for t + delay). ``deviations`` by :data:`NAMES`: standard deviations, height
    as its share. ``jacobian`` and ``bootstrap`` are the two estimates that these are the larger
    of. ``residuals`` (N, 2) pixels, ``kept`` (N,) those within the gate; ``pixel`` is the
    standard deviation of a corner. ``by_place`` (5, 2): by how much each of :data:`NAMES` changes
    for a metre of x and of y.
    """

    mount: Mount
    delay: float
    deviations: arrays.Float64
    jacobian: arrays.Float64
    bootstrap: arrays.Float64
    residuals: arrays.Float64
    kept: arrays.Bool
    pixel: float
    by_place: arrays.Float64


class _Estimates(NamedTuple):
    """What the normal equations say, see :class:`Solution`."""

    jacobian: arrays.Float64
    bootstrap: arrays.Float64
    by_place: arrays.Float64


class _Problem:
    """Residuals and derivatives in units of their standard deviations."""

    def __init__(self, camera: CameraModel, seen: Observations, trajectory: Trajectory,
                 start: Mount, noise: OdometryNoise, most_delay: float) -> None:
        self.camera, self.seen, self.trajectory, self.start = camera, seen, trajectory, start
        self.rays = camera.unproject(seen.first[:, 0], seen.first[:, 1])
        self.pairs = len(seen.stamps)
        self.most_delay = most_delay
        self.sigma = 1.0
        self._motion_of: Optional[float] = None
        self._motion: arrays.Float64 = np.zeros((0, 4, 4))
        motion = self.motion(0.0)
        way = np.linalg.norm(motion[:, :2, 3], axis=1)
        turned = np.abs(np.arctan2(motion[:, 1, 0], motion[:, 0, 0]))
        along = noise.share * way + noise.metres
        self.trust: arrays.Float64 = np.stack(
            [along, along, noise.share * turned + noise.radians], axis=1)

    def motion(self, delay: float) -> arrays.Float64:
        """Return the ground frame at the first image in that at the second, (P, 4, 4)."""
        if delay == self._motion_of:
            return self._motion
        stamps = self.seen.stamps + delay
        first, second = self.trajectory.at(stamps[:, 0]), self.trajectory.at(stamps[:, 1])
        turn = np.swapaxes(second[:, :3, :3], 1, 2)
        result = np.zeros_like(first)
        result[:, :3, :3] = turn @ first[:, :3, :3]
        result[:, :3, 3] = np.einsum('pij,pj->pi', turn, first[:, :3, 3] - second[:, :3, 3])
        result[:, 3, 3] = 1.0
        self._motion_of, self._motion = delay, result
        return result

    def mount(self, shared: arrays.Float64) -> Mount:
        return self.start._replace(
            height=self.start.height * float(np.exp(shared[0])), pitch=float(shared[1]),
            roll=float(shared[2]), yaw=float(shared[3]))

    def errors(self, shared: arrays.Float64, own: arrays.Float64) -> arrays.Float64:
        """Return what is seen minus what is predicted, (N, 2) pixels."""
        pair = self.seen.pair
        return self.seen.second - ground_motion.predict(
            self.camera, self.rays, self.mount(shared).matrix(),
            self.motion(float(shared[4]))[pair], own[pair])

    def by_place(self, unknown: arrays.Float64) -> arrays.Float64:
        """Return the derivatives of :meth:`errors` by x and y, (N, 2, 2)."""
        shared, own = self.split(unknown)
        start, columns = self.start, []
        for name in ('x', 'y'):
            sides = []
            for step in (_PLACE_STEP, -_PLACE_STEP):
                self.start = start._replace(**{name: getattr(start, name) + step})
                sides.append(self.errors(shared, own))
            self.start = start
            columns.append((sides[0] - sides[1]) / (2.0 * _PLACE_STEP))
        return np.stack(columns, axis=2)

    def split(self, unknown: arrays.Float64) -> Tuple[arrays.Float64, arrays.Float64]:
        return unknown[:_SHARED], unknown[_SHARED:].reshape(-1, _OWN) * self.trust

    def initial(self) -> arrays.Float64:
        start = [0.0, self.start.pitch, self.start.roll, self.start.yaw, 0.0]
        return np.concatenate([start, np.zeros(_OWN * self.pairs)])

    def residuals(self, unknown: arrays.Float64, used: arrays.Index) -> arrays.Float64:
        errors = self.errors(*self.split(unknown))[used] / self.sigma
        prior = (unknown[:_SHARED] - self.initial()[:_SHARED]) / PRIOR
        return np.concatenate([errors.ravel(), prior, unknown[_SHARED:]])

    def derivatives(self, unknown: arrays.Float64
                    ) -> Tuple[arrays.Float64, arrays.Float64]:
        """Return those of :meth:`errors`, (N, 2, 5), and by the own unknowns, (N, 2, 3)."""
        shared, own = self.split(unknown)
        by_shared = []
        for index, step in enumerate(_STEPS):
            ahead, back = shared.copy(), shared.copy()
            ahead[index] += step
            back[index] -= step
            by_shared.append((self.errors(ahead, own) - self.errors(back, own)) / (2.0 * step))
        by_own = []
        for index, step in enumerate(_OWN_STEPS):
            change = np.zeros(_OWN)
            change[index] = step
            by_own.append((self.errors(shared, own + change) - self.errors(shared, own - change))
                          / (2.0 * step) * self.trust[self.seen.pair, index][:, None])
        return np.stack(by_shared, axis=2), np.stack(by_own, axis=2)

    def jacobian(self, unknown: arrays.Float64, used: arrays.Index) -> Any:
        """Return the derivatives of :meth:`residuals`, a sparse matrix."""
        by_shared, by_own = self.derivatives(unknown)
        rows = np.arange(2 * len(used))
        own = _SHARED + _OWN * np.repeat(self.seen.pair[used], 2)
        row = [np.repeat(rows, _SHARED), np.repeat(rows, _OWN),
               len(rows) + np.arange(len(unknown))]
        column = [np.tile(np.arange(_SHARED), len(rows)),
                  (own[:, None] + np.arange(_OWN)).ravel(), np.arange(len(unknown))]
        value = [by_shared[used].ravel() / self.sigma, by_own[used].ravel() / self.sigma,
                 np.concatenate([1.0 / PRIOR, np.ones(_OWN * self.pairs)])]
        return import_scipy().sparse.csr_matrix(
            (np.concatenate(value), (np.concatenate(row), np.concatenate(column))),
            shape=(len(rows) + len(unknown), len(unknown)))


def solve(camera: CameraModel, seen: Observations, trajectory: Trajectory, start: Mount,
          noise: OdometryNoise = USUAL_NOISE, most_delay: float = 0.2,
          estimate_delay: bool = True) -> Solution:
    """
    Return the mount under which the ground moves as odometry says.

    :param start: where the search begins; its x and y are kept
    :param noise: of the odometry
    :param most_delay: seconds that image and odometry may be apart
    :param estimate_delay: False takes both stamps as they are
    :raises ConfigurationError: scipy is not installed
    :raises TransformError: odometry does not reach ``most_delay`` beyond the images
    """
    optimize = import_scipy().optimize
    problem = _Problem(camera, seen, trajectory, start, noise, most_delay)
    unknown = problem.initial()
    half_turn = np.pi / 2.0
    bound = np.concatenate([[1.5, half_turn, half_turn, np.pi,
                             most_delay if estimate_delay else 1e-9],
                            np.full(_OWN * problem.pairs, 50.0)])
    # Within the bounds by a little, as the solver wants it.
    low, high = -bound, bound
    kept = np.ones(len(seen.pair), np.bool_)
    for _ in range(_ROUNDS):
        used = np.flatnonzero(kept)
        found = optimize.least_squares(
            problem.residuals, np.clip(unknown, low + 1e-12, high - 1e-12),
            jac=problem.jacobian, args=(used,), bounds=(low, high), x_scale='jac',
            # Dense decompositions would take a second each where other work shares the cores.
            tr_solver='lsmr',
            loss='soft_l1', f_scale=_LOSS_SCALE, max_nfev=30, xtol=1e-7, ftol=1e-7)
        unknown = found.x
        errors = problem.errors(*problem.split(unknown))
        size = np.abs(errors).max(axis=1)
        before = problem.sigma
        problem.sigma = float(np.clip(1.4826 * np.median(np.abs(errors[kept])), *_PIXELS))
        gate = _GATE * problem.sigma
        kept = size < max(gate, np.quantile(size, 0.3))
        if abs(problem.sigma - before) < 0.05 * before:
            break
    shared, _ = problem.split(unknown)
    said = _estimates(problem, unknown, errors, kept, estimate_delay)
    return Solution(problem.mount(shared), float(shared[4]),
                    np.maximum(said.jacobian, said.bootstrap), said.jacobian, said.bootstrap,
                    errors, kept, problem.sigma, said.by_place)


def _estimates(problem: _Problem, unknown: arrays.Float64, errors: arrays.Float64,
               kept: arrays.Bool, with_delay: bool) -> _Estimates:
    """
    Return standard deviations by the Jacobian, and by a bootstrap over the pairs of images.

    Each pair's own unknowns are eliminated from its normal equations, which leaves a matrix and
    a vector for each pair; a draw of pairs is one Gauss-Newton step with the sums of theirs.
    What x and y do to the residuals is solved for in the same way.
    """
    by_shared, by_own = problem.derivatives(unknown)
    of_place = problem.by_place(unknown)
    residuals = errors / problem.sigma
    weights = kept[:, None] / np.sqrt(1.0 + (residuals / _LOSS_SCALE) ** 2)
    own = unknown[_SHARED:].reshape(-1, _OWN)
    matrices = np.zeros((problem.pairs, _SHARED, _SHARED))
    vectors = np.zeros((problem.pairs, _SHARED))
    place = np.zeros((_SHARED, 2))
    for pair in range(problem.pairs):
        of_pair = problem.seen.pair == pair
        a = by_shared[of_pair].reshape(-1, _SHARED) / problem.sigma
        b = by_own[of_pair].reshape(-1, _OWN) / problem.sigma
        w = weights[of_pair].ravel()[:, None]
        r = residuals[of_pair].ravel()
        c = of_place[of_pair].reshape(-1, 2) / problem.sigma
        inner = np.linalg.inv((b * w).T.dot(b) + np.eye(_OWN))
        cross = (a * w).T.dot(b)
        matrices[pair] = (a * w).T.dot(a) - cross.dot(inner).dot(cross.T)
        vectors[pair] = (a * w).T.dot(r) - cross.dot(inner).dot((b * w).T.dot(r) + own[pair])
        place -= (a * w).T.dot(c) - cross.dot(inner).dot((b * w).T.dot(c))
    active = np.arange(_SHARED if with_delay else _SHARED - 1)
    prior = np.diag(1.0 / PRIOR ** 2)
    jacobian = np.zeros(_SHARED)
    select = np.ix_(active, active)
    whole = (matrices.sum(axis=0) + prior)[select]
    jacobian[active] = np.sqrt(np.diag(np.linalg.inv(whole)))
    by_place = np.zeros((_SHARED, 2))
    by_place[active] = np.linalg.solve(whole, place[active])
    random = np.random.RandomState(0)
    steps = []
    for _ in range(_DRAWS):
        count = np.bincount(random.randint(problem.pairs, size=problem.pairs),
                            minlength=problem.pairs)
        matrix = np.tensordot(count, matrices, axes=1) + prior
        steps.append(np.linalg.solve(matrix[select], count.dot(vectors)[active]))
    bootstrap = np.zeros(_SHARED)
    bootstrap[active] = 1.4826 * np.median(np.abs(steps), axis=0)
    return _Estimates(jacobian, bootstrap, by_place)


def quantities(solution: Solution) -> Sequence[Tuple[str, float, float]]:
    """Return name, value and standard deviation: metres, degrees and seconds."""
    degrees = float(np.degrees(1.0))
    mount, off = solution.mount, solution.deviations
    rows: Any = [('height', mount.height, mount.height * off[0])]
    for index, name in enumerate(NAMES[1:4]):
        rows.append((name, getattr(mount, name) * degrees, off[index + 1] * degrees))
    rows.append(('delay', solution.delay, off[4]))
    return [(name, float(value), float(deviation)) for name, value, deviation in rows]
