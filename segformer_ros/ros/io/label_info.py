# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The class names as a LabelInfo message, where vision_msgs is installed."""

from typing import Any, Optional, TYPE_CHECKING

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

if TYPE_CHECKING:
    from segformer_ros.model.classes import ClassTable

MISSING = ('label_info, because vision_msgs with LabelInfo is not installed (apt install '
           'ros-$ROS_DISTRO-vision-msgs)')


def label_info_type() -> Optional[Any]:
    """Return the message type, None where it is not installed."""
    try:
        from vision_msgs.msg import LabelInfo
    except ImportError:
        return None
    return LabelInfo


def label_info_message(stamp: Time, classes: 'ClassTable', threshold: float) -> Any:
    """
    Return the names of all classes; 255 means UNLABELED by definition and is never listed.

    :param threshold: confidence 0..1 below which pixels are unlabeled
    """
    from vision_msgs.msg import LabelInfo
    from vision_msgs.msg import VisionClass
    return LabelInfo(
        header=Header(stamp=stamp), threshold=float(threshold),
        class_map=[VisionClass(class_id=class_id, class_name=name)
                   for class_id, name in enumerate(classes.names)])
