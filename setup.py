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
        # What the package made on this machine beside a model is no part of the package.
        if files and os.path.basename(parent) != 'deployed':
            rows.append((os.path.join(SHARE, parent), files))
    return rows


COMMANDS = [
    'bag_player = segformer_ros.cli.bag_player:main',
    'benchmark = segformer_ros.cli.benchmark:main',
    'build_engine = segformer_ros.cli.build_engine:main',
    'demo = segformer_ros.cli.demo:main',
    'doctor = segformer_ros.cli.doctor:main',
    'evaluate = segformer_ros.cli.evaluate:main',
    'fetch_model = segformer_ros.cli.fetch_model:main',
    'inspect_model = segformer_ros.cli.inspect_model:main',
    'replay_evaluation = segformer_ros.cli.replay_evaluation:main',
    'segformer = segformer_ros.cli.segformer:main',
    'simulated_camera = segformer_ros.cli.simulated_camera:main',
]

setup(
    name=PACKAGE_NAME,
    version='0.1.0',
    packages=find_packages(include=[PACKAGE_NAME, PACKAGE_NAME + '.*']),
    package_data={PACKAGE_NAME: ['py.typed', 'segmentation/kernels.c']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + PACKAGE_NAME]),
        (SHARE, ['package.xml']),
    ] + share_folder('config') + share_folder('launch') + share_folder('models'),
    install_requires=['setuptools'],
    # colcon runs pytest if one of these two asks for it; Humble's knows tests_require alone.
    tests_require=['pytest'],
    extras_require={
        'test': ['pytest'],
        'onnxruntime': ['onnxruntime', 'numpy', 'opencv-python-headless', 'Pillow', 'PyYAML'],
        'evaluation': ['rosbags', 'tqdm', 'Jinja2'],
        'deployment': ['onnx', 'onnxconverter-common'],
    },
    python_requires='>=3.6',
    zip_safe=False,
    author='segformer_ros maintainers',
    maintainer='segformer_ros maintainers',
    maintainer_email='segformer-ros@users.noreply.github.com',
    description='Semantic masks and a Nav2 costmap from ordinary cameras: '
                'SegFormer on TensorRT or onnxruntime.',
    license='Apache-2.0',
    entry_points={'console_scripts': COMMANDS},
)
