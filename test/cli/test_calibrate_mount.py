# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command calibrate_mount on recordings of simulated drives."""

import math
import os
import re
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
from segformer_ros.calibration.ground_motion import mount_of
from segformer_ros.calibration.pictures import MOSAIC_GAP
from segformer_ros.cli import calibrate_mount
from segformer_ros.common import resources
from segformer_ros.costmap.geometry import transforms
from segformer_ros.costmap.geometry.camera_poses import Mount
from support import mount_drives
import yaml

pytest.importorskip('scipy', reason='scipy is not installed for this Python')
pytest.importorskip('rosbags')

TRUE = Mount(0.8, math.radians(22.0), math.radians(1.0), math.radians(-2.0), 0.2, 0.05)
TOLD = Mount(0.86, math.radians(19.0), 0.0, 0.0, 0.2, 0.05)


@pytest.fixture(scope='module')
def drive():
    """Return a drive of 14 small images in a room."""
    return mount_drives.simulate('indoor', 3, TRUE, 'plumb_bob', frames=14, step=0.16,
                                 noise=0.005, size=(320, 240))


@pytest.fixture(scope='module')
def bag(drive, tmp_path_factory):
    """Return the path of its recording, with odometry as transforms."""
    path = tmp_path_factory.mktemp('bag') / 'drive'
    mount_drives.write_drive(path, drive, TOLD)
    return str(path)


@pytest.fixture(scope='module')
def result(bag, tmp_path_factory):
    """Return exit status, folder and what was printed, of one run."""
    folder = tmp_path_factory.mktemp('mount')
    done = subprocess.run([sys.executable, '-m', 'segformer_ros.cli.calibrate_mount', bag, '-o',
                           str(folder)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, timeout=120, check=False)
    return done.returncode, folder, done.stdout


def read_parameters(folder, camera='front'):
    with open(str(folder / (camera + '_image_raw.yaml'))) as stream:
        return yaml.safe_load(stream)['segformer']['ros__parameters']


def test_parameters_are_the_true_mount_and_not_the_transform(result):
    status, folder, said = result
    assert status == 0, said
    found = read_parameters(folder)
    assert found['mount.height'] == pytest.approx(TRUE.height, rel=0.02)
    for name, most in (('pitch', 0.2), ('roll', 0.3), ('yaw', 0.7)):
        assert found['mount.' + name] == pytest.approx(getattr(TRUE, name),
                                                       abs=math.radians(most)), name
    assert found['mount.x'] == TRUE.x and found['mount.y'] == TRUE.y
    assert re.search(r'height +0\.(79|80|81)\d +0\.0\d\d m +0\.860 +0\.860', said)


def test_transform_and_urdf_place_the_housing_so_that_the_camera_is_right(result):
    _, folder, _ = result
    text = (folder / 'front_image_raw.txt').read_text()
    numbers = {name: float(value) for name, value in re.findall(
        r'--(x|y|z|roll|pitch|yaw) (-?[0-9.]+)', text)}
    assert '--frame-id base_link --child-frame-id front_housing' in text
    origin = re.search(r'<origin xyz="(.*)" rpy="(.*)"/>', text)
    assert [float(number) for number in ' '.join(origin.groups()).split()] == [
        numbers[name] for name in ('x', 'y', 'z', 'roll', 'pitch', 'yaw')]
    # By scipy's own angles, through base_link 0.1 m up and the driver's optical frame.
    from scipy.spatial.transform import Rotation
    housing = np.eye(4)
    housing[:3, :3] = Rotation.from_euler(
        'xyz', [numbers[name] for name in ('roll', 'pitch', 'yaw')]).as_matrix()
    housing[:3, 3] = [numbers['x'], numbers['y'], numbers['z'] + 0.1]
    optical = transforms.BODY_FROM_OPTICAL.copy()
    optical[:3, 3] = 0.02, 0.03, 0.0
    found, parameters = mount_of(housing.dot(optical)), read_parameters(folder)
    for name in ('height', 'pitch', 'roll', 'yaw', 'x', 'y'):
        assert getattr(found, name) == pytest.approx(parameters['mount.' + name], abs=2e-4), name


def test_pictures_show_a_sharper_ground_after_than_before(result):
    _, folder, _ = result
    mosaic = cv2.imread(str(folder / 'front_image_raw_ground.png'))
    half = (mosaic.shape[1] - MOSAIC_GAP) // 2
    parts = [part[26:] for part in (mosaic[:, :half], mosaic[:, half + MOSAIC_GAP:])]
    seen = np.all([np.abs(part - part[0, 0].astype(float)).max(axis=2) > 0 for part in parts],
                  axis=0).astype(np.uint8)
    inner = cv2.erode(seen, np.ones((15, 15))) > 0
    assert inner.sum() > 5000
    sharpness = [cv2.Laplacian(cv2.cvtColor(part, cv2.COLOR_BGR2GRAY), cv2.CV_64F)[inner].var()
                 for part in parts]
    assert sharpness[1] > 1.2 * sharpness[0]
    residuals = cv2.imread(str(folder / 'front_image_raw_residuals.png'))
    assert residuals.shape == (240 + 26, 320, 3)
    # Green where tracks were used.
    assert ((residuals[..., 1] > 180) & (residuals[..., 2] < 120)).sum() > 50


def test_odometry_messages_serve_as_transforms_do(drive, tmp_path, capsys):
    mount_drives.write_drive(tmp_path / 'bag', drive, TOLD, with_odometry=True)
    status = calibrate_mount.main([str(tmp_path / 'bag'), '-o', str(tmp_path / 'out'),
                                   '--odometry', mount_drives.ODOMETRY])
    assert status == 0, capsys.readouterr().out
    found = read_parameters(tmp_path / 'out')
    assert found['mount.pitch'] == pytest.approx(TRUE.pitch, abs=math.radians(0.2))
    assert found['mount.height'] == pytest.approx(TRUE.height, rel=0.02)


def test_several_cameras_are_calibrated_in_one_call(drive, tmp_path, capsys):
    mount_drives.write_drive(tmp_path / 'bag', drive, TOLD, cameras=('front', 'rear'))
    arguments = [str(tmp_path / 'bag'), '-o', str(tmp_path / 'out'), '--frames', '8']
    assert calibrate_mount.main(arguments) == 1
    assert "Name them, or '*' for all" in capsys.readouterr().err
    assert calibrate_mount.main(arguments + ['--topic', '*']) in (0, calibrate_mount.INCOMPLETE)
    said = capsys.readouterr().out
    assert 'front_image_raw: 8 images' in said and 'rear_image_raw: 8 images' in said
    assert sorted(os.listdir(str(tmp_path / 'out'))) == sorted(
        camera + '_image_raw' + ending for camera in ('front', 'rear')
        for ending in ('.yaml', '.txt', '_residuals.png', '_ground.png'))
    names = ('height', 'pitch', 'roll', 'yaw', 'x', 'y')
    for camera in ('front', 'rear'):
        # Names that stand alone would be for all cameras.
        assert sorted(read_parameters(tmp_path / 'out', camera)) == sorted(
            camera + '.mount.' + name for name in names)
        text = (tmp_path / 'out' / (camera + '_image_raw.yaml')).read_text()
        assert text.startswith(f'# Of the camera {camera} of several: "cameras" of the node')


def test_a_place_that_nobody_told_is_said_and_counts_as_known_to_a_decimetre(
        drive, tmp_path, capsys):
    mount_drives.write_drive(tmp_path / 'bag', drive, None)
    arguments = [str(tmp_path / 'bag'), '-o', str(tmp_path / 'out'), '--height', '0.86',
                 '--pitch', '19']
    assert calibrate_mount.main(arguments) == calibrate_mount.INCOMPLETE
    said = capsys.readouterr().out
    assert 'No transform tells x and y of the lens' in said
    assert re.search(r'yaw +\? .*not determined', said)
    assert calibrate_mount.main(arguments + ['--x', '0.2', '--y', '0.05']) == 0
    said = capsys.readouterr().out
    assert 'No transform tells' not in said
    assert re.search(r'yaw +-[12]\.\d\d +0\.\d\d deg', said)


def test_labels_of_the_shipped_network_are_said_to_be_for_simulated_worlds(result):
    _, folder, said = result
    remark = 'Labels are of segformer_sim, which knows only simulated worlds: give --model'
    assert remark in said and remark in (folder / 'front_image_raw.txt').read_text()


def test_labels_of_another_network_need_no_warning(bag, tmp_path, capsys):
    network = tmp_path / 'own.onnx'
    shutil.copy(resources.find('models/segformer_sim.onnx'), str(network))
    with open(resources.find('config/models/segformer_sim.yaml')) as stream:
        specification = stream.read().replace('name: segformer_sim', 'name: own')
    network.with_suffix('.yaml').write_text(specification)
    assert calibrate_mount.main([bag, '-o', str(tmp_path / 'out'), '--model', str(network)]) == 0
    assert 'simulated worlds' not in capsys.readouterr().out


def test_a_truncated_image_is_left_out_and_counted(drive, tmp_path, capsys):
    images = [image if index != 5 else image[:3] for index, image in enumerate(drive.images)]
    mount_drives.write_drive(tmp_path / 'bag', drive._replace(images=images), TOLD)
    assert calibrate_mount.main([str(tmp_path / 'bag'), '-o', str(tmp_path / 'out')]) == 0
    said = capsys.readouterr().out
    assert 'front_image_raw: 13 images' in said
    assert '1 image was left out: Image data too short' in said


def test_images_that_are_all_truncated_are_an_error(drive, tmp_path, capsys):
    cut = drive._replace(images=[image[:3] for image in drive.images])
    mount_drives.write_drive(tmp_path / 'bag', cut, TOLD)
    assert calibrate_mount.main([str(tmp_path / 'bag'), '-o', str(tmp_path / 'out')]) == 1
    assert 'Image data too short' in capsys.readouterr().err


def test_odometry_that_is_there_as_messages_alone_is_hinted_at(drive, tmp_path, capsys):
    mount_drives.write_drive(tmp_path / 'bag', drive, TOLD, with_odometry=True)
    assert calibrate_mount.main([str(tmp_path / 'bag'), '-o', str(tmp_path / 'out')]) == 1
    said = capsys.readouterr().err
    assert 'No odometry of the drive' in said
    assert 'Give --odometry ' + mount_drives.ODOMETRY + '.' in said


def test_a_frame_of_the_images_without_a_transform_is_named(drive, tmp_path, capsys):
    mount_drives.write_drive(tmp_path / 'bag', drive, None)
    assert calibrate_mount.main([str(tmp_path / 'bag'), '-o', str(tmp_path / 'out')]) == 1
    assert "no transform to frame 'camera_optical_frame'" in capsys.readouterr().err


def test_a_robot_that_stands_still_is_told_so(drive, tmp_path, capsys):
    still = drive._replace(trajectory=drive.trajectory.__class__(
        drive.trajectory.stamps, [drive.trajectory.poses[0]] * len(drive.trajectory.stamps)))
    mount_drives.write_drive(tmp_path / 'bag', still, TOLD)
    status = calibrate_mount.main([str(tmp_path / 'bag'), '-o', str(tmp_path / 'out')])
    assert status == calibrate_mount.INCOMPLETE
    assert 'stands still' in capsys.readouterr().out
    assert os.listdir(str(tmp_path / 'out')) == []


@pytest.mark.parametrize(('extra', 'said'), [
    (['--topic', '/rear/image_raw'], 'No image topic of that name'),
    (['--odometry', '/nothing'], 'No odometry on its topic'),
    (['--odom-frame', 'map'], "unknown frame, 'map'"),
    (['--camera-info', '/rear/camera_info'], 'No CameraInfo for the images'),
    (['--model', 'nothing'], 'nothing'),
])
def test_wrong_names_are_refused_with_the_reason(bag, tmp_path, capsys, extra, said):
    assert calibrate_mount.main([bag, '-o', str(tmp_path)] + extra) == 1
    assert said in capsys.readouterr().err
