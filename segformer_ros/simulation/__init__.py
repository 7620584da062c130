# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
A small rendered world with exact labels, depth and poses.

``World(kind, seed, textures)`` is what is where: kind ``'indoor'``, ``'outdoor'`` or
``'aerial'``, textures ``'held_out'`` or ``'train'``.
``Trajectory(world, speed, height, pitch)`` moves a robot along the world's route:
``base_pose(time)``, ``camera_pose(time)``, ``base_from_optical``.
``Renderer(rays, sensor).render(world, camera_to_world, time)`` gives a ``RenderedImage``
with ``image``, ``labels``, ``depth``, ``camera_to_world``, ``time``, ``rays`` and
``points()``. ``rays`` (H, W, 3) are directions in the optical frame, of any camera model;
``renderer.pinhole_rays`` returns those of an ideal one.
``ground_truth.ground_classes``, ``obstacle_classes`` and ``occupancy`` are the ground truth
of a costmap. ``textures.bank.CLASSES`` lists the ADE20K classes that occur.

Axes: world z up, ground at z = 0, metres, seconds; optical frame z forward, x right, y down.
The same arguments give the same bytes on one machine.
"""
