# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The shipped network through the running node, on worlds and textures that it never saw."""

import pytest
from support.held_out_worlds import held_out_frames
from support.held_out_worlds import LabelTable
from support.ros_graph import NodeProcess
from support.ros_graph import private_domain
from support.segformer_peer import pixels
from support.segformer_peer import rgb_message
from support.segformer_peer import SegformerPeer


@pytest.fixture(scope='module')
def table(tmp_path_factory):
    """Return the labels that came back for 30 held-out pictures of a VGA camera."""
    table = LabelTable()
    with private_domain() as domain, \
            NodeProcess(domain, tmp_path_factory.mktemp('node'), {'model': 'segformer_sim'}), \
            SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        for frame in held_out_frames(30, (640, 480)):
            mask = peer.mask_of(rgb_message(frame.image))
            table.add(frame.labels, pixels(mask))
    assert table.occurring() >= 25
    print(
        f'shipped network: mIoU {table.mean_iou():.4f}, '
        f'pixel accuracy {table.pixel_accuracy():.4f}'
    )
    return table


@pytest.mark.slow
def test_shipped_network_is_above_0_75_on_held_out_worlds(table):
    # models/segformer_sim.md has the measured figures.
    assert table.mean_iou() > 0.75
