#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Draw what config/segformer.rviz and config/foxglove_layout.json show: docs/images/views_*.png.

Neither program runs here, so these are no screenshots: simulated camera and node run as
processes, the topics that the files name are received over DDS, and drawn with the files' own
colours, frames and points of view.

usage: views_picture.py [SECONDS]
"""

import json
import os
import subprocess
import sys

import cv2
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import OccupancyGrid
import numpy as np
from PIL import Image as Picture
import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [ROOT]

from segformer_ros.costmap.geometry.transforms import pose_matrix  # noqa: E402, I100
from segformer_ros.ros.io import topics  # noqa: E402
from segformer_ros.ros.io.transforms import BufferedTransforms  # noqa: E402
from segformer_ros.ros.peers.standalone_node import StandaloneNode  # noqa: E402
from segformer_ros.segmentation.images.compressed import compressed_to_rgb  # noqa: E402
from segformer_ros.segmentation.images.decoding import image_to_rgb  # noqa: E402
from sensor_msgs.msg import CameraInfo  # noqa: E402
from sensor_msgs.msg import CompressedImage  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from sensor_msgs.msg import PointCloud2  # noqa: E402
from visualization_msgs.msg import Marker  # noqa: E402

NODE = '/segformer/'
TYPES = {kind.__name__: kind for kind in (
    OccupancyGrid, CameraInfo, CompressedImage, Image, PointCloud2, Marker)}
ROWS = {row.name: row for row in topics.OUTPUTS + topics.CLOUD_OUTPUTS + topics.GRID_OUTPUTS}
BACKGROUND, LINES, TEXT = (48, 48, 48), (92, 92, 92), (235, 235, 235)
AXES = ((255, 60, 60), (60, 220, 60), (90, 120, 255))
FRAMES = ('odom', 'base_link', 'camera_optical_frame')
FONT = cv2.FONT_HERSHEY_SIMPLEX


class Heard:
    """The newest message of each topic that a file names."""

    def __init__(self, node, names):
        self.messages = {}
        self.transforms = BufferedTransforms(node)
        for name in sorted(names):
            row = ROWS[name]
            node.create_subscription(
                TYPES[row.type_name.split('/')[-1]], NODE + name,
                lambda message, name=name: self.messages.__setitem__(name, message),
                row.profile())
        node.create_subscription(
            DiagnosticArray, topics.DIAGNOSTICS.name,
            lambda message: self.messages.setdefault('diagnostics', {}).update(
                (each.name, each) for each in message.status), 10)

    def pose(self, frame):
        """Return odom from a frame at the time of the newest costmap that has one."""
        stamp = self.messages['overlay'].header.stamp
        return self.transforms.lookup('odom', frame, stamp.sec * 10 ** 9 + stamp.nanosec)

    def points(self, name):
        """Return a cloud's points in odom, (N, 3)."""
        cloud = self.messages[name]
        data = np.frombuffer(bytes(cloud.data), np.uint8).reshape(-1, cloud.point_step)
        xyz = data[:, :12].copy().view('<f4').astype(float)
        stamp = cloud.header.stamp
        pose = self.transforms.lookup('odom', cloud.header.frame_id,
                                      stamp.sec * 10 ** 9 + stamp.nanosec)
        return xyz.dot(pose[:3, :3].T) + pose[:3, 3]


def costmap_colors(values):
    """Return RGBA of the scheme "costmap": free clear, blue to red, lethal violet."""
    palette = np.zeros((256, 4), np.uint8)
    share = np.linspace(0.0, 1.0, 98)
    palette[1:99] = np.stack([255 * share, 0 * share, 255 * (1 - share), 255 + 0 * share], 1)
    palette[99], palette[100] = (0, 255, 255, 255), (255, 0, 255, 255)
    palette[255] = (0x70, 0x89, 0x86, 255)
    return palette[values.view(np.uint8)]


class Canvas:
    """A picture on which places in odom are drawn; ``view`` is (3, 4) as of a camera."""

    def __init__(self, picture, view):
        self.picture = picture
        self._view = view

    def pixels(self, points):
        """Return where points lie in the picture, (N, 2), and which lie before the camera."""
        projected = np.c_[points, np.ones(len(points))].dot(self._view.T)
        depth = projected[:, 2:]
        safe = np.where(depth > 0.05, depth, 1.0)
        return projected[:, :2] / safe, depth[:, 0] > 0.05

    def dots(self, points, color, size):
        """Draw points as discs of a diameter in pixels."""
        for (x, y), seen in zip(*self.pixels(points)):
            if seen and abs(x) < 1e4 and abs(y) < 1e4:
                cv2.circle(self.picture, (int(x), int(y)), max(1, size // 2), color, -1,
                           cv2.LINE_AA)

    def line(self, start, end, color, width=1):
        """Draw a straight line, cut off behind the camera."""
        steps = np.linspace(start, end, 40)
        found, seen = self.pixels(steps)
        found = found[seen & (np.abs(found) < 1e4).all(axis=1)].astype(np.int32)
        cv2.polylines(self.picture, [found.reshape(-1, 1, 2)], False, color, width, cv2.LINE_AA)

    def text(self, place, text, lower):
        """Write at a place, some pixels lower where names would lie upon each other."""
        (found,), (seen,) = self.pixels(np.array([place]))
        if seen:
            corner = int(found[0]) + 6, int(found[1]) - 6 + lower
            cv2.putText(self.picture, text, corner, FONT, 0.42, TEXT, 1, cv2.LINE_AA)

    def costmap(self, message, alpha):
        """Lay a costmap over the picture."""
        info = message.info
        colors = costmap_colors(np.array(message.data, np.int8).reshape(info.height, info.width))
        # A homography of the plane: cells to odom, odom to pixels.
        plane = np.array([[info.resolution, 0, info.origin.position.x],
                          [0, info.resolution, info.origin.position.y], [0, 0, 0], [0, 0, 1.0]])
        plane[:2, 2] += 0.5 * info.resolution
        height, width = self.picture.shape[:2]
        warped = cv2.warpPerspective(colors, self._view.dot(plane), (width, height),
                                     flags=cv2.INTER_NEAREST)
        # Pixels above the horizon are images of what lies behind the camera.
        y, x = np.mgrid[:height, :width]
        row = np.linalg.inv(self._view.dot(plane))[2]
        ahead = (row[0] * x + row[1] * y + row[2] > 0.0)[..., np.newaxis]
        share = alpha * ahead * warped[..., 3:] / 255.0
        self.picture[:] = np.rint(self.picture * (1 - share) + warped[..., :3] * share)

    def grid(self, metres):
        """Draw lines one metre apart."""
        half = metres / 2
        for at in np.arange(-half, half + 0.5):
            self.line((at, -half, 0), (at, half, 0), LINES)
            self.line((-half, at, 0), (half, at, 0), LINES)

    def frames(self, heard, length):
        """Draw the axes and names of the frames."""
        for number, name in enumerate(FRAMES):
            pose = np.eye(4) if name == 'odom' else heard.pose(name)
            for axis, color in enumerate(AXES):
                self.line(pose[:3, 3], pose[:3, 3] + length * pose[:3, axis], color, 2)
            self.text(pose[:3, 3], name, 16 * number)

    def marker(self, heard, message):
        """Draw the landing disc, if there is one."""
        if message is None or message.action != Marker.ADD:
            return
        pose = pose_matrix(*components_of_pose(message.pose))
        turn = np.linspace(0.0, 2.0 * np.pi, 60)
        rim = np.stack([np.cos(turn) * message.scale.x / 2, np.sin(turn) * message.scale.y / 2,
                        0 * turn], 1).dot(pose[:3, :3].T) + pose[:3, 3]
        color = [int(255 * value) for value in (
            message.color.r, message.color.g, message.color.b)]
        for start, end in zip(rim, rim[1:]):
            self.line(start, end, color, 2)

    def frustum(self, heard, info, distance):
        """Draw what the camera sees as a pyramid."""
        pose = heard.pose(info.header.frame_id)
        corners = [pose[:3, :3].dot([(x - info.k[2]) / info.k[0] * distance,
                                     (y - info.k[5]) / info.k[4] * distance, distance])
                   + pose[:3, 3] for x, y in (
                       (0, 0), (info.width, 0), (info.width, info.height), (0, info.height))]
        for corner, following in zip(corners, corners[1:] + corners[:1]):
            self.line(pose[:3, 3], corner, (120, 200, 255))
            self.line(corner, following, (120, 200, 255))


def components_of_pose(pose):
    """Return translation and rotation of a Pose message as numbers."""
    position, turn = pose.position, pose.orientation
    return (position.x, position.y, position.z), (turn.x, turn.y, turn.z, turn.w)


def over_image(heard, picture, alpha, cells):
    """Return a picture with the scene over it, as the camera of its CameraInfo sees that."""
    info = heard.messages['camera_info']
    matrix = np.array(info.k).reshape(3, 3)
    camera_from_odom = np.linalg.inv(heard.pose(info.header.frame_id))
    canvas = Canvas(picture.copy(), matrix.dot(camera_from_odom[:3]))
    if cells:
        canvas.costmap(heard.messages['costmap'], alpha)
    return canvas


def top_down(base, size_wh, scale):
    """Return the view of TopDownOrtho: x to the right, y up, around the robot."""
    width, height = size_wh
    return np.array([[scale, 0, 0, width / 2 - scale * base[0, 3]],
                     [0, -scale, 0, height / 2 + scale * base[1, 3]], [0, 0, 0, 1.0]])


def orbit(state, size_wh):
    """Return the view of Foxglove's 3D panel: x ahead, from behind and above."""
    width, height = size_wh
    phi, distance = np.radians(state['phi']), state['distance']
    forward = np.array([np.sin(phi), 0.0, -np.cos(phi)])
    rotation = np.stack([[0.0, -1.0, 0.0], np.cross(forward, [0.0, -1.0, 0.0]), forward])
    eye = np.array(state['target']) - distance * forward
    focal = height / 2 / np.tan(np.radians(state['fovy']) / 2)
    matrix = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    return matrix.dot(np.c_[rotation, -rotation.dot(eye)])


def blank(size_wh):
    """Return an empty panel."""
    return np.full((size_wh[1], size_wh[0], 3), BACKGROUND, np.uint8)


def fitted(picture, size_wh):
    """Return a picture scaled into a panel."""
    panel = blank(size_wh)
    factor = min(size_wh[0] / picture.shape[1], size_wh[1] / picture.shape[0])
    width, height = (int(factor * side) for side in (picture.shape[1], picture.shape[0]))
    left, top = (size_wh[0] - width) // 2, (size_wh[1] - height) // 2
    panel[top:top + height, left:left + width] = cv2.resize(picture, (width, height))
    return panel


def titled(panel, text):
    """Return a panel with its name above."""
    bar = np.full((22, panel.shape[1], 3), (70, 70, 70), np.uint8)
    cv2.putText(bar, text, (6, 16), FONT, 0.45, TEXT, 1, cv2.LINE_AA)
    framed = np.vstack([bar, panel])
    framed[:, -2:] = framed[-2:] = 20
    return framed


def rgb(text):
    """Return the numbers of "255; 64; 64" or "#ff4040"."""
    return tuple(int(word) for word in text.split(';')) if ';' in text else tuple(
        int(text[at:at + 2], 16) for at in (1, 3, 5))


def draw_rviz(heard, config):
    """Return what the RViz file shows."""
    shown = {each['Name']: each for each in config['Displays'] if each['Enabled']}
    view = config['Views']['Current']
    main_wh, side_wh = (940, 700), (480, 360)
    base = heard.pose(view['Target Frame'])
    canvas = Canvas(blank(main_wh), top_down(base, main_wh, view['Scale']))
    canvas.grid(20)
    clouds = []
    for each in shown.values():
        kind = each['Class'].split('/')[1]
        if kind == 'Map':
            canvas.costmap(heard.messages['costmap'], each['Alpha'])
        elif kind == 'PointCloud2':
            clouds.append((heard.points(each['Topic']['Value'].split('/', 1)[1]),
                           rgb(each['Color']), int(each.get('Size (Pixels)', 3))))
    clouds.sort(key=lambda cloud: cloud[0][:, 2].mean() if len(cloud[0]) else 0.0)
    for cloud in clouds:
        canvas.dots(*cloud)
    canvas.marker(heard, heard.messages.get('landing_site/marker'))
    canvas.frames(heard, 0.5)
    overlay = image_to_rgb(heard.messages['overlay'])
    camera = over_image(heard, overlay, 0.5, True)
    for cloud in clouds:
        camera.dots(*cloud)
    return np.hstack([
        titled(canvas.picture, 'Displays in odom, top down around base_link'), np.vstack([
            titled(fitted(overlay, (side_wh[0], 339)), 'Overlay'),
            titled(fitted(camera.picture, (side_wh[0], 339)), 'Camera')])])


def draw_foxglove(heard, layout):
    """Return what the Foxglove layout shows."""
    panels = layout['configById']
    world = panels['3D!world']
    size_wh = (780, 700)
    canvas = Canvas(blank(size_wh), orbit(world['cameraState'], size_wh))
    canvas.grid(20)
    canvas.costmap(heard.messages['costmap'], 0.8)

    def clouds(panel, canvas):
        for name, settings in panel['topics'].items():
            if settings['visible'] and 'flatColor' in settings:
                canvas.dots(heard.points(name[len(NODE):]), rgb(settings['flatColor']),
                            settings['pointSize'])
    clouds(world, canvas)
    canvas.marker(heard, heard.messages.get('landing_site/marker'))
    canvas.frustum(heard, heard.messages['camera_info'], 1.0)
    canvas.frames(heard, 0.5)
    image = over_image(heard, compressed_to_rgb(heard.messages['overlay/compressed']), 0, False)
    clouds(panels['Image!overlay'], image)
    status = blank((320, 258))
    levels = ((60, 200, 60), (240, 180, 40), (240, 70, 70), (150, 150, 150))
    for row, each in enumerate(sorted(heard.messages['diagnostics'].values(),
                                      key=lambda each: each.name)):
        color = levels[min(each.level[0], 3)]
        cv2.putText(status, each.name, (8, 24 + 42 * row), FONT, 0.42, color, 1, cv2.LINE_AA)
        cv2.putText(status, each.message[:46], (8, 40 + 42 * row), FONT, 0.36, TEXT, 1,
                    cv2.LINE_AA)
    mask = compressed_to_rgb(heard.messages['color_mask/compressed'])
    return np.hstack([titled(canvas.picture, '3D in odom'), np.vstack([
        titled(fitted(image.picture, (640, 420)), 'Image: overlay with points'), np.hstack([
            titled(fitted(mask, (320, 258)), 'Image: color_mask'),
            titled(status, 'Diagnostics summary')])])])


def names_of(rviz, foxglove):
    """Return the outputs that both files name."""
    text = yaml.dump(rviz) + json.dumps(foxglove)
    return {name for name in ROWS if f'segformer/{name}\n' in text or f'segformer/{name}"' in text
            } | {'camera_info'}


def main():
    """Run both processes and draw."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    with open(os.path.join(ROOT, 'config', 'segformer.rviz'), encoding='utf-8') as stream:
        rviz = yaml.safe_load(stream)['Visualization Manager']
    with open(os.path.join(ROOT, 'config', 'foxglove_layout.json'), encoding='utf-8') as stream:
        foxglove = json.load(stream)
    children = [subprocess.Popen([sys.executable, '-m', f'segformer_ros.cli.{name}', '--ros-args',
                                  *arguments]) for name, arguments in (
        ('simulated_camera', ['-p', 'world:=indoor', '-p', 'seed:=11', '-p', 'rate:=3.0']),
        ('segformer', ['-p', 'model:=segformer_sim', '-p', 'image_topic:=image_raw',
                       '-p', 'landing.min_radius:=0.3', '-p', 'landing.clearance:=0.0']))]
    try:
        with StandaloneNode('views_picture') as peer:
            wanted = names_of(rviz, foxglove)
            heard = Heard(peer.node, wanted)
            needed = wanted - {'landing_site/marker'}
            if not peer.spin_until(lambda: needed <= set(heard.messages), 120.0):
                raise SystemExit(f'nothing came of {needed - set(heard.messages)}')
            peer.spin(seconds)
            # The disc comes and goes with the free ground in view.
            peer.spin_until(lambda: getattr(heard.messages.get('landing_site/marker'), 'action',
                                            None) == Marker.ADD, 60.0)
            pictures = {'rviz': draw_rviz(heard, rviz), 'foxglove': draw_foxglove(heard, foxglove)}
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.wait()
    for name, picture in pictures.items():
        path = os.path.join(ROOT, 'docs', 'images', f'views_{name}.png')
        Picture.fromarray(picture).quantize(256, Picture.Quantize.MAXCOVERAGE).save(
            path, optimize=True)
        print(path)


if __name__ == '__main__':
    main()
