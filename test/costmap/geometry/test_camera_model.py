# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The camera model against OpenCV, against itself backwards, and against bad CameraInfo."""

import types

import cv2
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.costmap.geometry import distortion
from segformer_ros.costmap.geometry.camera_model import Calibration
from segformer_ros.costmap.geometry.camera_model import calibration_of
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.geometry.camera_model import is_rectified
from segformer_ros.costmap.geometry.camera_model import LONGEST_MODEL
from segformer_ros.costmap.geometry.camera_model import MOST_NUMBERS
from segformer_ros.costmap.geometry.camera_model import scaled_calibration
from segformer_ros.costmap.geometry.distortion import EquidistantDistortion
from segformer_ros.costmap.geometry.distortion import PolynomialDistortion

K = (500.0, 0.0, 310.0, 0.0, 510.0, 250.0, 0.0, 0.0, 1.0)
# Typical lenses: a mild webcam, a strong barrel, eight coefficients of a depth camera, a fisheye.
LENSES = {
    'mild': ('plumb_bob', (0.1, -0.2, 0.001, -0.002, 0.05)),
    'barrel': ('plumb_bob', (-0.32, 0.12, 0.0005, -0.0003, -0.02)),
    'rational': ('rational_polynomial',
                 (0.5, -2.6, 0.0005, -0.0002, 1.5, 0.4, -2.4, 1.4)),
    'prism': ('rational_polynomial',
              (0.1, 0.01, 0.001, 0.002, 0.0, 0.05, 0.0, 0.0, 0.002, -0.001, 0.003, 0.001)),
    'fisheye': ('equidistant', (-0.02, 0.01, -0.005, 0.001)),
    'none': ('none', ()),
    'unnamed': ('', ()),
}


def calibration(name, **changes):
    model, d = LENSES[name]
    return Calibration(640, 480, model, d, K)._replace(**changes)


@pytest.mark.smoke
@pytest.mark.parametrize('name', sorted(LENSES))
def test_pixels_of_points_equal_opencv(name):
    camera = CameraModel(calibration(name))
    random = np.random.RandomState(1)
    points = np.stack([random.uniform(-0.5, 0.5, 500), random.uniform(-0.4, 0.4, 500),
                       random.uniform(0.9, 3.0, 500)], axis=1)
    matrix, d = np.array(K).reshape(3, 3), np.array(LENSES[name][1])
    if name == 'fisheye':
        expected = cv2.fisheye.projectPoints(points[:, None], np.zeros(3), np.zeros(3), matrix,
                                             d)[0]
    else:
        expected = cv2.projectPoints(points, np.zeros(3), np.zeros(3), matrix,
                                     d if len(d) else None)[0]
    u, v = camera.project(*points.T)
    np.testing.assert_allclose(np.stack([u, v], axis=1), expected[:, 0], atol=1e-6)


@pytest.mark.parametrize('name', sorted(LENSES))
def test_rays_of_pixels_equal_opencv(name):
    camera = CameraModel(calibration(name))
    # The corners of a strong lens lie where OpenCV's own iteration does not converge.
    u, v = np.meshgrid(np.linspace(60, 580, 27), np.linspace(45, 435, 19))
    pixels = np.stack([u.reshape(-1), v.reshape(-1)], axis=1)[:, None]
    matrix, d = np.array(K).reshape(3, 3), np.array(LENSES[name][1])
    if name == 'fisheye':
        flat = cv2.fisheye.undistortPoints(pixels, matrix, d)
    else:
        flat = cv2.undistortPointsIter(
            pixels, matrix, d if len(d) else None, None, None,
            (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 500, 1e-12)) if hasattr(
                cv2, 'undistortPointsIter') else cv2.undistortPoints(
                    pixels, matrix, d if len(d) else None, None, None, None,
                    (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 500, 1e-12))
    expected = np.concatenate([flat[:, 0], np.ones((len(flat), 1))], axis=1)
    expected /= np.linalg.norm(expected, axis=1)[:, None]
    rays = camera.unproject(u, v).reshape(-1, 3)
    np.testing.assert_allclose(rays, expected, atol=2e-6)


@pytest.mark.parametrize('name', sorted(LENSES))
def test_every_pixel_comes_back_from_its_ray(name):
    camera = CameraModel(calibration(name))
    rays = camera.rays()
    assert rays.shape == (480, 640, 3) and rays.dtype == np.float32
    assert camera.rays() is rays and not rays.flags.writeable
    seen = np.isfinite(rays[..., 0])
    assert seen.mean() > 0.97
    np.testing.assert_allclose(np.linalg.norm(rays[seen], axis=1), 1.0, atol=1e-6)
    u, v = camera.project(*[rays[..., axis].astype(np.float64) for axis in range(3)])
    expected = np.meshgrid(np.arange(640), np.arange(480))
    for found, wanted in zip((u, v), expected):
        np.testing.assert_allclose(found[seen], wanted[seen], atol=2e-3)


@settings(deadline=None, max_examples=60)
@given(st.floats(-0.4, 0.4), st.floats(-0.2, 0.2), st.floats(-0.003, 0.003),
       st.floats(-0.003, 0.003), st.floats(-0.1, 0.1), st.floats(-0.6, 0.6),
       st.floats(-0.45, 0.45))
def test_any_lens_un_projects_what_it_projects(k1, k2, p1, p2, k3, x, y):
    lens = PolynomialDistortion((k1, k2, p1, p2, k3))
    if np.hypot(x, y) > 0.9 * lens.largest_tangent:
        return
    xd, yd = lens.distort(np.array([x]), np.array([y]), np.array([1.0]))
    ray = lens.undistort(xd, yd)[0]
    np.testing.assert_allclose(ray[:2] / ray[2], [x, y], atol=1e-6)


@settings(deadline=None, max_examples=60)
@given(st.floats(-0.1, 0.1), st.floats(-0.05, 0.05), st.floats(0.0, 1.5), st.floats(-3.1, 3.1))
def test_any_fisheye_un_projects_what_it_projects(k1, k2, angle, around):
    lens = EquidistantDistortion((k1, k2, 0.0, 0.0))
    if angle > 0.95 * lens.largest_angle:
        return
    ray = np.array([np.sin(angle) * np.cos(around), np.sin(angle) * np.sin(around),
                    np.cos(angle)])
    found = lens.undistort(*lens.distort(ray[:1], ray[1:2], ray[2:]))[0]
    np.testing.assert_allclose(found, ray, atol=1e-7)


def test_fisheye_sees_beyond_a_right_angle():
    camera = CameraModel(Calibration(640, 640, 'equidistant', (0.0,) * 4,
                                     (180.0, 0, 319.5, 0, 180.0, 319.5, 0, 0, 1)))
    rays = camera.rays()
    assert rays[320, 0, 2] < 0.0
    u, v = camera.project(np.array([0.0]), np.array([0.0]), np.array([-1.0]))
    assert u[0] > 640 or np.isnan(u[0])


def test_lens_is_cut_where_its_polynomial_turns_back():
    # r (1 - 0.3 r^2) grows up to r = 1 / sqrt(0.9) and then falls: without the cut a point far
    # to the side would land in the picture.
    lens = PolynomialDistortion((-0.3, 0.0, 0.0, 0.0))
    assert lens.largest_tangent == pytest.approx(1.0 / np.sqrt(0.9))
    x = np.array([1.05, 1.06, 1.5, 1.8])
    xd, yd = lens.distort(x, np.zeros(4), np.ones(4))
    assert np.isfinite(xd).tolist() == [True, False, False, False]
    camera = CameraModel(Calibration(640, 480, 'plumb_bob', (-0.3, 0.0, 0.0, 0.0, 0.0),
                                     (300.0, 0, 319.5, 0, 300.0, 239.5, 0, 0, 1)))
    rays = camera.rays()
    radius = np.hypot(*np.meshgrid(np.arange(640) - 319.5, np.arange(480) - 239.5)) / 300.0
    limit = lens.largest_tangent * (1.0 - 0.3 * lens.largest_tangent ** 2)
    np.testing.assert_array_equal(np.isnan(rays[..., 0]), radius > limit)


def test_points_behind_a_lens_are_not_seen():
    camera = CameraModel(calibration('none'))
    u, v = camera.project(np.array([0.0, 0.1]), np.array([0.0, 0.1]), np.array([-1.0, 0.0]))
    assert np.isnan(u).all() and np.isnan(v).all()


def test_float32_stays_float32():
    camera = CameraModel(calibration('mild', r=(1, 0, 0, 0, 1, 0, 0, 0, 1)))
    values = np.ones(3, np.float32)
    assert all(found.dtype == np.float32 for found in camera.project(values, values, values))


def test_rectified_image_uses_p_and_no_distortion():
    p = (400.0, 0, 300.0, -20.0, 0, 410.0, 200.0, 0, 0, 0, 1, 0)
    camera = CameraModel(calibration('barrel', p=p), rectified=True)
    u, v = camera.project(np.array([1.0]), np.array([2.0]), np.array([4.0]))
    assert (u[0], v[0]) == pytest.approx((400.0 * 0.25 + 300.0, 410.0 * 0.5 + 200.0))


def test_raw_rays_are_turned_into_the_rectified_frame():
    turn = cv2.Rodrigues(np.array([0.01, -0.02, 0.03]))[0]
    plain = CameraModel(calibration('mild'))
    stereo = CameraModel(calibration('mild', r=tuple(turn.reshape(-1))))
    np.testing.assert_allclose(stereo.unproject(100.0, 50.0),
                               turn.dot(plain.unproject(100.0, 50.0)), atol=1e-12)
    ray = stereo.unproject(100.0, 50.0)
    u, v = stereo.project(*[np.array([value]) for value in ray])
    assert (u[0], v[0]) == pytest.approx((100.0, 50.0), abs=1e-6)


@pytest.mark.parametrize('binning, roi, size_wh', [
    ((1, 1), (0, 0, 0, 0), (640, 480)), ((2, 2), (0, 0, 0, 0), (320, 240)),
    ((0, 0), (100, 60, 320, 240), (320, 240)), ((2, 2), (100, 60, 320, 240), (160, 120)),
    ((2, 1), (0, 0, 0, 0), (320, 480)), ((1, 1), (0, 0, 0, 0), (512, 384)),
    ((2, 2), (100, 60, 320, 240), (80, 60))])
def test_a_mask_pixel_looks_at_the_middle_of_the_sensor_pixels_it_covers(binning, roi, size_wh):
    full = CameraModel(calibration('mild'))
    part = CameraModel(calibration('mild', binning_x=binning[0], binning_y=binning[1],
                                   roi_x=roi[0], roi_y=roi[1], roi_width=roi[2],
                                   roi_height=roi[3]), mask_size_wh=size_wh)
    # One mask pixel covers this many sensor pixels, counted from the region's edge.
    wide, high = (roi[2] or 640) / size_wh[0], (roi[3] or 480) / size_wh[1]
    for u, v in ((0, 0), (3, 5), (size_wh[0] - 1, size_wh[1] - 1)):
        first_u, first_v = roi[0] + u * wide, roi[1] + v * high
        middle = full.unproject(first_u + 0.5 * wide - 0.5, first_v + 0.5 * high - 0.5)
        np.testing.assert_allclose(part.unproject(float(u), float(v)), middle, atol=1e-9)


def test_scaling_agrees_with_opencv_resizing():
    # A bright point far from pixel centres: where its centre of mass goes under INTER_AREA.
    image = np.zeros((480, 640), np.float32)
    image[200:204, 300:304] = 1.0
    small = cv2.resize(image, (320, 240), interpolation=cv2.INTER_AREA)
    v, u = np.array(np.nonzero(small)).mean(axis=1)
    full, half = CameraModel(calibration('none')), CameraModel(calibration('none'), (320, 240))
    np.testing.assert_allclose(half.unproject(u, v), full.unproject(301.5, 201.5), atol=1e-9)


@pytest.mark.parametrize('changes, words', [
    ({'k': (0.0,) * 9}, 'not calibrated: got K all zero'),
    ({'k': (-1.0,) + K[1:]}, 'fx -1'),
    ({'k': (float('nan'),) + K[1:]}, 'K of CameraInfo cannot be used'),
    ({'k': K[:8]}, 'K of CameraInfo has a wrong length'),
    ({'width': 0}, 'CameraInfo has no size: got 0 x 480'),
    ({'roi_x': 600, 'roi_width': 100, 'roi_height': 100}, 'Region of interest lies outside'),
    ({'binning_x': -1}, 'Impossible binning'),
    ({'distortion_model': 'plumb_bob', 'd': (0.1,)}, "coefficients for 'plumb_bob'.*got 1"),
    ({'distortion_model': 'equidistant', 'd': (0.1,) * 5}, "'equidistant'.*got 5; expected 4"),
    ({'distortion_model': 'plum_bob'},
     "Unknown distortion model.*'plum_bob'.*rational.*Did you mean 'plumb_bob'[?]"),
    ({'distortion_model': 'inverse_brown_conrady'},
     "model.*'inverse_brown_conrady'; expected [^?]*none[.] Cal"),
    ({'distortion_model': 'eqidistant', 'd': (0.0,) * 4}, "mean 'equidistant'"),
    ({'distortion_model': 'kanala_brandt', 'd': (0.0,) * 4}, "mean 'kannala_brandt'"),
    ({'distortion_model': 'omni', 'd': (0.0,) * 5}, "Unknown distortion model.*'omni'"),
    ({'distortion_model': 'thin_prism_fisheye', 'd': ()}, "Unknown.*'thin_prism_fisheye'"),
    ({'distortion_model': 'kannala_brandt8', 'd': (0.0,) * 8}, "Unknown.*'kannala_brandt8'"),
    ({'d': (float('inf'), 0, 0, 0, 0)}, 'not finite'),
    ({'d': (1e200, 1e150, 0, 0, 0)}, 'beyond any lens'),
    ({'d': (0, 0, 0, 0, -1e9)}, 'beyond any lens'),
    ({'d': (1e300, 0, 0, 0), 'distortion_model': 'equidistant'}, 'beyond any lens'),
    ({'distortion_model': 'rational_polynomial', 'd': (0.0,) * 12 + (0.1, 0.0)}, 'tilted sensor'),
    ({'r': (2.0, 0, 0, 0, 1, 0, 0, 0, 1)}, 'R of CameraInfo is not a rotation')])
def test_bad_camera_info_is_diagnosed_by_name(changes, words):
    with pytest.raises(InvalidInputError, match=words):
        CameraModel(calibration('mild', **changes))


def test_uncalibrated_rectified_camera_is_diagnosed():
    with pytest.raises(InvalidInputError, match='P all zero'):
        CameraModel(calibration('mild', p=(0.0,) * 12), rectified=True)


@pytest.mark.parametrize('size_wh, fits', [((640, 480), True), ((320, 240), True),
                                           ((512, 512), False), ((480, 640), False),
                                           ((213, 160), True), ((640, 400), False)])
def test_masks_of_another_shape_than_camera_info_are_refused(size_wh, fits):
    if fits:
        assert CameraModel(calibration('mild'), size_wh).size_wh == size_wh
    else:
        with pytest.raises(InvalidInputError, match='disagree about the size.*{} x {}'.format(
                *size_wh)):
            CameraModel(calibration('mild'), size_wh)


@pytest.mark.parametrize('topic, expected', [
    ('/camera/image_rect', True), ('/camera/image_rect_color', True),
    ('/camera/image_rect/compressed', True), ('image_rect', True),
    ('/camera/image_raw', False), ('/camera/image_raw/compressed', False),
    ('/camera/my_image_rect', False), ('/image_rect/image_raw', False), ('', False)])
def test_rectified_topics_are_known_by_their_last_name(topic, expected):
    assert is_rectified(topic) is expected


@pytest.mark.parametrize('spelling', [
    'PLUMB_BOB', 'plumb bob', 'Plumb-Bob', 'PlumbBob', 'radtan', 'rad_tan', 'radtan5',
    'radial-tangential', 'RadialTangential', 'Brown Conrady', 'BrownConrady', 'pinhole',
    'opencv', 'OPENCV'])
def test_usual_spellings_of_five_coefficients_are_opencvs_polynomial(spelling):
    d = LENSES['mild'][1]
    points = np.array([[0.3, -0.2, 1.0], [0.0, 0.1, 2.0], [-0.4, 0.3, 1.1]])
    expected = cv2.projectPoints(points, np.zeros(3), np.zeros(3),
                                 np.array(K).reshape(3, 3), np.array(d))[0][:, 0]
    for padding in range(10):
        camera = CameraModel(calibration('none', distortion_model=spelling,
                                         d=d + (0.0,) * padding))
        np.testing.assert_allclose(np.stack(camera.project(*points.T), axis=1), expected,
                                   atol=1e-6)


@pytest.mark.parametrize('model, name', [
    ('rational_polynomial', 'rational'), ('Rational Polynomial', 'rational'),
    ('RationalPolynomial', 'rational'), ('FULL_OPENCV', 'rational'), ('radtan8', 'rational'),
    ('opencv', 'rational'), ('pinhole', 'rational'), ('rational_polynomial', 'prism'),
    ('thin_prism', 'prism'), ('Thin-Prism', 'prism'), ('opencv', 'prism'),
    ('OPENCV', 'four'), ('radtan', 'four'), ('plumb_bob', 'four')])
def test_the_longer_and_the_shorter_polynomials_are_opencvs(model, name):
    d = LENSES['mild'][1][:4] if name == 'four' else LENSES[name][1]
    points = np.array([[0.3, -0.2, 1.0], [0.0, 0.1, 2.0], [-0.4, 0.3, 1.1]])
    expected = cv2.projectPoints(points, np.zeros(3), np.zeros(3),
                                 np.array(K).reshape(3, 3), np.array(d))[0][:, 0]
    camera = CameraModel(calibration('none', distortion_model=model, d=d))
    np.testing.assert_allclose(np.stack(camera.project(*points.T), axis=1), expected, atol=1e-6)


@pytest.mark.parametrize('spelling', [
    'fisheye', 'EQUIDISTANT', 'equi', 'Kannala-Brandt', 'KannalaBrandt', 'kannala_brandt4', 'kb4',
    'OPENCV_FISHEYE'])
@pytest.mark.parametrize('padding', [0, 1, 4, 10])
def test_usual_spellings_of_a_fisheye_are_opencvs_fisheye(spelling, padding):
    d = LENSES['fisheye'][1]
    points = np.array([[0.3, -0.2, 1.0], [1.0, 0.1, 0.5], [-0.4, 2.3, 1.1]])
    expected = cv2.fisheye.projectPoints(points[:, None], np.zeros(3), np.zeros(3),
                                         np.array(K).reshape(3, 3), np.array(d))[0][:, 0]
    camera = CameraModel(calibration('none', distortion_model=spelling,
                                     d=d + (0.0,) * padding))
    np.testing.assert_allclose(np.stack(camera.project(*points.T), axis=1), expected, atol=1e-6)


@pytest.mark.parametrize('model', ['pinhole', 'PINHOLE', 'plumb_bob', 'radtan', 'none', '',
                                   'rational_polynomial', 'opencv', 'thin_prism', 'rectified',
                                   'plum_bob', 'Inverse Brown Conrady'])
@pytest.mark.parametrize('zeros', [0, 1, 4, 5, 8, 14, 20])
def test_zeros_alone_are_no_distortion(model, zeros):
    camera = CameraModel(calibration('none', distortion_model=model, d=(0.0,) * zeros))
    u, v = camera.project(np.array([0.4]), np.array([-0.3]), np.array([1.0]))
    assert (u[0], v[0]) == (pytest.approx(510.0), pytest.approx(97.0))


def test_an_unknown_model_of_zeros_is_told_once(caplog, monkeypatch):
    monkeypatch.setattr(distortion, '_told', set())
    for _ in range(3):
        CameraModel(calibration('none', distortion_model='my_lens', d=(0.0,) * 5))
    CameraModel(calibration('none', distortion_model='plumb_bob', d=(0.0,) * 5))
    (line,) = caplog.messages
    assert line == ("Unknown distortion model 'my_lens' in CameraInfo is taken for none: its "
                    'coefficients are all zero.')
    for number in range(100):
        CameraModel(calibration('none', distortion_model=f'lens {number}', d=()))
    assert 5 < len(caplog.messages) < 20


def test_of_a_long_name_of_an_unknown_model_forty_characters_are_told(caplog, monkeypatch):
    monkeypatch.setattr(distortion, '_told', set())
    name = ''.join(chr(ord('a') + place % 26) for place in range(100))
    told = "'abcdefghijklmnopqrstuvwxyzabcdefghijklmn'"
    CameraModel(calibration('none', distortion_model=name, d=(0.0,) * 5))
    (line,) = caplog.messages
    assert f'model {told} in' in line
    with pytest.raises(InvalidInputError, match=f'got {told};'):
        CameraModel(calibration('none', distortion_model=name, d=(0.1,) * 5))


@pytest.mark.parametrize('model, d', [
    # Kalibr says pinhole for both radtan and equi, which have four coefficients each.
    ('pinhole', (0.1, 0.01, 0.001, 0.002)), ('plumb_bob', (0.1, 0.2, 0.0, 0.0, 0.0, 0.3)),
    ('equidistant', (0.1,) * 4 + (0.0, 0.1)), ('fisheye', ()), ('radtan', (0.1, 0.2))])
def test_coefficients_that_may_mean_two_things_are_refused(model, d):
    with pytest.raises(InvalidInputError, match=f'for {model!r}: got {len(d)}; expected'):
        CameraModel(calibration('none', distortion_model=model, d=d))


def test_spellings_of_a_model_make_one_kind_of_fault():
    kinds = set()
    for number in range(1, 50):
        with pytest.raises(InvalidInputError) as caught:
            CameraModel(calibration('none', distortion_model='Plumb' + '-' * number + 'BOB',
                                    d=(0.1,)))
        kinds.add(caught.value.problem)
    assert kinds == {"Wrong number of distortion coefficients for 'plumb_bob'"}


P = (480.0, 0.0, 300.0, -48.0, 0.0, 490.0, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0)


@pytest.mark.parametrize('rectified', [False, True])
@pytest.mark.parametrize('changes, mask_wh', [
    ({}, (640, 480)), ({}, (320, 240)), ({'binning_x': 2, 'binning_y': 2}, (320, 240)),
    ({'binning_x': 4, 'binning_y': 2}, (160, 240)),
    ({'roi_x': 40, 'roi_y': 30, 'roi_width': 400, 'roi_height': 300}, (400, 300)),
    ({'roi_x': 41, 'roi_y': 30, 'roi_width': 400, 'roi_height': 300, 'binning_x': 2,
      'binning_y': 2}, (200, 150)),
    ({'roi_x': 40, 'roi_y': 30, 'roi_width': 320, 'roi_height': 240}, (640, 480)),
    ({'roi_width': 640, 'roi_height': 480, 'binning_x': 1, 'binning_y': 1}, (640, 480))])
def test_scaled_calibration_sees_each_pixel_of_the_mask_where_the_sensor_saw_it(
        rectified, changes, mask_wh):
    full = calibration('mild', p=P, **changes)
    scaled = scaled_calibration(full, mask_wh)
    assert (scaled.width, scaled.height) == mask_wh
    whole = calibration('mild', p=P)
    # Through pixel edges of the whole sensor, by the words of sensor_msgs/CameraInfo.
    binning_x, binning_y = full.binning_x or 1, full.binning_y or 1
    across = (full.roi_width or 640) // binning_x * binning_x / mask_wh[0]
    down = (full.roi_height or 480) // binning_y * binning_y / mask_wh[1]
    for u, v in ((0.0, 0.0), (100.0, 80.0), (mask_wh[0] - 1.0, mask_wh[1] - 1.0)):
        on_sensor = ((u + 0.5) * across + full.roi_x - 0.5, (v + 0.5) * down + full.roi_y - 0.5)
        np.testing.assert_allclose(
            CameraModel(scaled, rectified=rectified).unproject(u, v),
            CameraModel(whole, rectified=rectified).unproject(*on_sensor), atol=1e-9)
    # The baseline of a stereo camera: P[3] is -fx times metres.
    assert scaled.p[3] / scaled.p[0] == pytest.approx(P[3] / P[0])
    assert (scaled.d, scaled.r) == (full.d, full.r)
    assert scaled.distortion_model == full.distortion_model


def test_scaled_calibration_of_an_uncalibrated_camera_stays_all_zero():
    scaled = scaled_calibration(calibration('mild', k=(0.0,) * 9, p=(0.0,) * 12), (320, 240))
    assert scaled.k == (0.0,) * 9 and scaled.p == (0.0,) * 12
    assert (scaled.width, scaled.height) == (320, 240)
    with pytest.raises(InvalidInputError, match='disagree about the size'):
        scaled_calibration(calibration('mild'), (320, 320))


@pytest.mark.parametrize('k, p', [((0.0,) * 9, P), (K, (0.0,) * 12), (K, ())])
def test_of_an_uncalibrated_matrix_the_other_is_scaled_all_the_same(k, p):
    scaled = scaled_calibration(calibration('mild', k=k, p=p), (320, 240))
    for found, values in ((scaled.k, k), (scaled.p, p)):
        if not any(values):
            assert found == values
            continue
        half = np.array(values).reshape(3, -1) * [[0.5], [0.5], [1.0]]
        # Sizes are converted between the edges of pixels: half a pixel is half as far away.
        half[:2, 2] = 0.5 * (np.array(values).reshape(3, -1)[:2, 2] + 0.5) - 0.5
        np.testing.assert_allclose(np.array(found).reshape(3, -1), half)


@pytest.mark.parametrize('changes, words', [
    ({'roi_x': 240, 'roi_width': 400, 'roi_height': 480}, None),
    ({'roi_x': 241, 'roi_width': 400, 'roi_height': 480}, 'Region of interest'),
    ({'roi_y': 180, 'roi_width': 640, 'roi_height': 300}, None),
    ({'roi_y': 181, 'roi_width': 640, 'roi_height': 300}, 'Region of interest'),
    ({'roi_x': -1, 'roi_width': 400}, 'Region of interest'),
    ({'roi_y': -1, 'roi_height': 300}, 'Region of interest'),
    ({'binning_x': 640, 'binning_y': 480}, None),
    ({'binning_x': 641}, 'Impossible binning'), ({'binning_y': 481}, 'Impossible binning'),
    ({'binning_y': -1}, 'Impossible binning'),
    ({'width': 1, 'height': 1}, None), ({'width': -1}, 'has no size'),
    ({'height': 0}, 'has no size'),
    ({'k': (500.0, 0, 310.0, 0, -510.0, 250.0, 0, 0, 1)}, 'fy -510'),
    ({'k': (500.0, 0, 310.0, 0, 0.0, 250.0, 0, 0, 1)}, 'fy 0'),
    ({'k': (500.0, 0, float('inf'), 0, 510.0, 250.0, 0, 0, 1)}, 'K of CameraInfo cannot'),
    ({'r': (1.0004, 0, 0, 0, 1, 0, 0, 0, 1)}, None),
    ({'r': (1.0006, 0, 0, 0, 1, 0, 0, 0, 1)}, 'not a rotation'),
    ({'r': (1.0, 0, 0, 0, 1, 0, 0, 0)}, 'not a rotation')])
def test_fields_of_camera_info_hold_up_to_their_bounds(changes, words):
    given = calibration('none', **changes)
    if words is None:
        CameraModel(given)
    else:
        with pytest.raises(InvalidInputError, match=words):
            CameraModel(given)


@pytest.mark.parametrize('mask_wh, fits', [
    # Of 640 x 480: a pixel of rounding in either direction.
    ((320, 240), True), ((321, 240), True), ((319, 240), True), ((322, 240), False),
    ((318, 240), False), ((320, 241), True), ((320, 242), False), ((0, 0), False),
    ((1, 1), True)])
def test_a_mask_has_the_shape_of_its_image_to_a_pixel(mask_wh, fits):
    given = calibration('none')
    if fits:
        assert CameraModel(given, mask_wh).size_wh == mask_wh
    else:
        with pytest.raises(InvalidInputError, match='disagree about the size'):
            CameraModel(given, mask_wh)


class Endless:
    """A field that must not be read to its end."""

    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __iter__(self):
        assert self.length <= MOST_NUMBERS
        return iter([0.0] * self.length)


@pytest.mark.parametrize('field', ['d', 'k', 'r', 'p'])
@pytest.mark.parametrize('length', [MOST_NUMBERS, MOST_NUMBERS + 1, 10 ** 6])
def test_a_field_of_a_million_numbers_is_refused_before_it_is_read(field, length):
    values = dict({'d': (), 'k': K, 'r': (), 'p': ()}, **{field: Endless(length)})
    info = types.SimpleNamespace(
        width=640, height=480, distortion_model='plumb_bob', binning_x=0, binning_y=0,
        roi=types.SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0), **values)
    if length <= MOST_NUMBERS:
        assert getattr(calibration_of(info), field) == (0.0,) * length
    else:
        with pytest.raises(InvalidInputError, match=f'{field.upper()} of CameraInfo'):
            calibration_of(info)


@pytest.mark.parametrize('length, is_taken', [
    (LONGEST_MODEL, True), (LONGEST_MODEL + 1, False), (3 * 10 ** 6, False)])
def test_a_name_of_a_model_of_megabytes_is_refused_before_it_is_compared(length, is_taken):
    info = types.SimpleNamespace(
        width=640, height=480, distortion_model='x' * length, d=(), k=K, r=(), p=(), binning_x=0,
        binning_y=0, roi=types.SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0))
    if is_taken:
        assert calibration_of(info).distortion_model == 'x' * length
        return
    with pytest.raises(InvalidInputError, match='distortion_model of CameraInfo') as caught:
        calibration_of(info)
    assert len(str(caught.value)) < 500
