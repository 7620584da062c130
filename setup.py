# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Installation of the package with colcon or pip."""

import os

from setuptools import find_packages
from setuptools import setup

PACKAGE_NAME = 'segformer_ros'
SHARE = os.path.join('share', PACKAGE_NAME)


def share_folder(folder):
    """Return the rows of ``data_files`` that install a folder below the share folder."""
    rows = []
    for parent, _, names in sorted(os.walk(folder)):
        files = [os.path.join(parent, name) for name in sorted(names)]
        # What an earlier version made beside a model is no part of the package.
        if files and os.path.basename(parent) != 'deployed':
            rows.append((os.path.join(SHARE, parent), files))
    return rows


def executables():
    """
    Return the row of ``data_files`` with what ``ros2 run`` starts.

    As entry points they would go to ``bin`` with pip: commands named demo or doctor on PATH.
    """
    folder = 'executables'
    return [(os.path.join('lib', PACKAGE_NAME),
             [os.path.join(folder, name) for name in sorted(os.listdir(folder))])]


setup(
    name=PACKAGE_NAME,
    version='0.1.0',
    packages=find_packages(include=[PACKAGE_NAME, PACKAGE_NAME + '.*']),
    package_data={PACKAGE_NAME: ['py.typed', 'segmentation/kernels.c',
                                 'costmap/projection/projection.c']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + PACKAGE_NAME]),
        (SHARE, ['package.xml']),
    ] + share_folder('config') + share_folder('launch') + share_folder('models') + executables(),
    # OpenCV is not among them: apt's and JetPack's are unknown to pip, which would add another.
    install_requires=['numpy', 'Pillow', 'PyYAML'],
    # colcon runs pytest if one of these two asks for it; Humble's knows tests_require alone.
    tests_require=['pytest'],
    extras_require={
        'test': ['pytest'],
        'opencv': ['opencv-python-headless'],
        'onnxruntime': ['onnxruntime', 'onnx'],
        'openvino': ['openvino'],
        'standalone': ['opencv-python-headless', 'onnxruntime', 'onnx'],
        'evaluation': ['rosbags', 'tqdm', 'Jinja2'],
        'calibration': ['scipy', 'rosbags'],
        'distributed': ['distributed'],
        'drive': ['scikit-image'],
        'video': ['av'],
        'hub': ['huggingface_hub'],
    },
    python_requires='>=3.6',
    zip_safe=False,
    author='segformer_ros maintainers',
    maintainer='segformer_ros maintainers',
    maintainer_email='segformer-ros@users.noreply.github.com',
    description='Semantic masks and a Nav2 costmap from ordinary cameras: '
                'SegFormer on TensorRT or onnxruntime.',
    license='Apache-2.0',
    entry_points={'console_scripts': ['segformer_ros = segformer_ros.cli.main:main']},
)
