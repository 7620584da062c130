# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Drives through the simulated worlds: the mount is known, odometry is not exact."""

import collections

import numpy as np
from segformer_ros.calibration.trajectory import Trajectory
from segformer_ros.costmap.cost_table import GROUND
from segformer_ros.costmap.cost_table import load_cost_table
from segformer_ros.costmap.geometry import transforms
from segformer_ros.costmap.geometry.camera_model import Calibration
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.model.classes import load_class_table
from segformer_ros.simulation.render.renderer import Renderer
from segformer_ros.simulation.world.trajectory import Trajectory as Route
from segformer_ros.simulation.world.world import World
from support import bags

# Focal length as a share of the width, model and coefficients.
LENSES = {
    'none': (0.65, 'plumb_bob', (0.0,) * 5),
    'plumb_bob': (0.65, 'plumb_bob', (-0.18, 0.05, 0.0005, -0.0003, 0.0)),
    'equidistant': (0.45, 'equidistant', (-0.02, 0.004, -0.001, 0.0)),
}
RATE = 10.0
# Poses of odometry for each image.
FINER = 5
START_S = float(bags.START_S)
IMAGE, INFO, ODOMETRY = '/front/image_raw', '/front/camera_info', '/wheel/odometry'

SimulatedDrive = collections.namedtuple(
    'SimulatedDrive', 'stamps images labels trajectory camera mount')


def camera_of(lens, width=640, height=480):
    """Return the camera model of a lens."""
    share, model, coefficients = LENSES[lens]
    focal = share * width
    return CameraModel(Calibration(
        width, height, model, coefficients,
        (focal, 0.0, 0.5 * (width - 1), 0.0, focal, 0.5 * (height - 1), 0.0, 0.0, 1.0)))


def noisy_poses(poses, noise, random):
    """
    Return poses as odometry tells them.

    Each step's length, its direction and its turn are off by the share of noise.
    """
    result = [poses[0]]
    for before, after in zip(poses[:-1], poses[1:]):
        step = transforms.inverse(before).dot(after)
        way = np.hypot(step[0, 3], step[1, 3])
        turned = np.arctan2(step[1, 0], step[0, 0])
        off = noise * random.standard_normal(3)
        result.append(result[-1].dot(transforms.planar_pose(
            step[0, 3] + way * off[0], step[1, 3] + way * off[1], turned * (1.0 + off[2]))))
    return np.array(result)


def ground_kinds():
    """Return (256,) whether a label is ground."""
    return load_cost_table('outdoor', load_class_table('ade20k')).kinds == GROUND


def simulate(kind, seed, mount, lens='none', frames=40, step=0.15, noise=0.02, size=(640, 480),
             pose_at=None, late=0.0, first=0.0):
    """
    Return a drive along a world's route, or another way.

    :param mount: ``camera_poses.Mount`` that is true
    :param step: metres between images
    :param noise: of the odometry, as a share of each step
    :param pose_at: gives world_from_base at a time in seconds, instead of the route
    :param late: seconds by which odometry's stamps lag behind the images'
    :param first: metres along the route where it begins
    """
    world = World(kind, seed)
    route = Route(world, speed=step * RATE)
    camera = camera_of(lens, *size)
    renderer = Renderer(camera.rays())
    # Odometry reaches beyond the images at both ends.
    fine = np.arange(-3 * FINER, (frames + 3) * FINER) / (RATE * FINER)
    if pose_at is None:
        def pose_at(time):
            return route.base_pose(first / route.speed + 3 / RATE + time)
    # Of single steps, so that those between two images are off by the share asked for.
    told = noisy_poses([pose_at(time) for time in fine], noise * np.sqrt(FINER),
                       np.random.RandomState([seed, 77]))
    trajectory = Trajectory(START_S + fine + late, told)
    images, labels, stamps = [], [], []
    for time in np.arange(frames) / RATE:
        rendered = renderer.render(world, pose_at(time).dot(mount.matrix()), float(time))
        images.append(rendered.image)
        labels.append(rendered.labels)
        stamps.append(START_S + float(time))
    return SimulatedDrive(stamps, images, labels, trajectory, camera, mount)


def write_drive(path, drive, told, with_odometry=False, cameras=('front',)):
    """
    Write a drive as a recording.

    The camera hangs on its housing, the housing on base_link, that above base_footprint.

    :param told: mount by the transforms; None leaves out those of the camera
    :param with_odometry: odometry as messages instead of transforms
    :param cameras: names; all of them show the same
    """
    base_link = transforms.pose_matrix((0.0, 0.0, 0.1), (0.0, 0.0, 0.0, 1.0))
    housing_from_optical = transforms.pose_matrix(
        (0.02, 0.03, 0.0), quaternion_of(transforms.BODY_FROM_OPTICAL))
    housing = None if told is None else transforms.inverse(base_link).dot(told.matrix()).dot(
        transforms.inverse(housing_from_optical))
    with bags.BagWriter(path) as bag:
        def entry(header, child, pose):
            return bag.make('geometry_msgs/TransformStamped', header=header, child_frame_id=child,
                            transform=bag.make('geometry_msgs/Transform',
                                               translation=vector(bag, 'Vector3', pose),
                                               rotation=turn(bag, pose)))
        fixed = [entry(bag.header(0, 'base_footprint'), 'base_link', base_link)]
        if told is not None:
            fixed += [entry(bag.header(0, 'base_link'), 'front_housing', housing),
                      entry(bag.header(0, 'front_housing'), 'camera_optical_frame',
                            housing_from_optical)]
        bag.write('/tf_static', bag.make('tf2_msgs/TFMessage', transforms=fixed), 0,
                  is_latched=True)
        calibration = drive.camera.calibration
        for number, pose in enumerate(drive.trajectory.poses):
            index = number - 3 * FINER
            step_ns = int(round(1e9 / (RATE * FINER)))
            header = bag.header(index, 'odom', step_ns)
            received = {'number': 0, 'delay_ns': max(0, index * step_ns)}
            if with_odometry:
                zero = bag.make('geometry_msgs/Vector3', x=0.0, y=0.0, z=0.0)
                bag.write(ODOMETRY, bag.make(
                    'nav_msgs/Odometry', header=header, child_frame_id='base_footprint',
                    pose=bag.make('geometry_msgs/PoseWithCovariance', pose=bag.make(
                        'geometry_msgs/Pose', position=vector(bag, 'Point', pose),
                        orientation=turn(bag, pose)), covariance=np.zeros(36)),
                    twist=bag.make('geometry_msgs/TwistWithCovariance', twist=bag.make(
                        'geometry_msgs/Twist', linear=zero, angular=zero),
                        covariance=np.zeros(36))), **received)
            else:
                bag.write('/tf', bag.make('tf2_msgs/TFMessage', transforms=[
                    entry(header, 'base_footprint', pose)]), **received)
        for number, image in enumerate(drive.images):
            header = bag.header(number, 'camera_optical_frame')
            info = bag.make(
                'sensor_msgs/CameraInfo', header=header, height=calibration.height,
                width=calibration.width, distortion_model=calibration.distortion_model,
                d=np.array(calibration.d), k=np.array(calibration.k), r=np.eye(3).ravel(),
                p=np.zeros(12), binning_x=0, binning_y=0, roi=bag.make(
                    'sensor_msgs/RegionOfInterest', x_offset=0, y_offset=0, height=0, width=0,
                    do_rectify=False))
            for camera in cameras:
                # Of images that are cut short, too.
                bag.image(number, image, IMAGE.replace('front', camera),
                          height=calibration.height)
                bag.write(INFO.replace('front', camera), info, number)


def vector(bag, kind, pose):
    """Return the place of a pose as a message of one kind."""
    x, y, z = (float(value) for value in pose[:3, 3])
    return bag.make('geometry_msgs/' + kind, x=x, y=y, z=z)


def turn(bag, pose):
    """Return the rotation of a pose as a message."""
    x, y, z, w = quaternion_of(pose)
    return bag.make('geometry_msgs/Quaternion', x=x, y=y, z=z, w=w)


def quaternion_of(pose):
    """Return x, y, z, w of a (4, 4) pose, by scipy."""
    from scipy.spatial.transform import Rotation
    # Older versions take no array that is read-only.
    return tuple(float(value) for value in Rotation.from_matrix(np.array(pose[:3, :3])).as_quat())
