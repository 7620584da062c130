# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The class names as a message, where vision_msgs is installed."""

import sys

from segformer_ros.model.classes import load_class_table
from segformer_ros.ros.io.label_info import label_info_message
from segformer_ros.ros.io.label_info import label_info_type
from std_msgs.msg import Header


def test_label_info_lists_every_class_and_never_255():
    header = Header()
    header.stamp.sec, header.stamp.nanosec = 12, 345
    classes = load_class_table('ade20k')
    made = label_info_message(header.stamp, classes, 0.25)
    assert isinstance(made, label_info_type())
    assert [entry.class_id for entry in made.class_map] == list(range(150))
    assert [entry.class_name for entry in made.class_map] == list(classes.names)
    assert made.threshold == 0.25


def test_label_info_is_left_out_where_vision_msgs_is_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, 'vision_msgs.msg', None)
    assert label_info_type() is None


def test_label_info_is_left_out_where_vision_msgs_is_too_old_to_know_it(monkeypatch):
    import vision_msgs.msg
    monkeypatch.delattr(vision_msgs.msg, 'LabelInfo')
    assert label_info_type() is None
