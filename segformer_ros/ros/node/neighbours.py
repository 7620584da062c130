# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What is wrong with other nodes of the graph, as far as it harms this one."""

from typing import Dict

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy

STATIC = '/tf_static'


class Neighbours:
    """
    Looks at the graph, and logs what is new.

    :param node: the one that is harmed
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._told: Dict[str, str] = {}
        self.trouble = ''
        """What is wrong now, for diagnostics."""

    def look(self, with_transforms: bool) -> None:
        """
        Look at the graph.

        :param with_transforms: whether it listens to transforms
        """
        found = {'name': self._same_name()}
        if with_transforms:
            found['static'] = self._volatile_static()
        for kind, text in found.items():
            if text and text != self._told.get(kind):
                self._node.get_logger().warning(text)
        self._told = found
        self.trouble = ' '.join(text for text in found.values() if text)

    def _same_name(self) -> str:
        own = self._node.get_name(), self._node.get_namespace()
        count = self._node.get_node_names_and_namespaces().count(own)
        return '' if count < 2 else (
            f'{count} nodes are named {self._node.get_fully_qualified_name()}: their topics, '
            'services and parameters mix. Give each a name or a namespace of its own '
            '(__node, __ns). One that was killed is counted for some 20 s.')

    def _volatile_static(self) -> str:
        topic = self._node.resolve_topic_name(STATIC)
        names = sorted({f'{each.node_namespace}/{each.node_name}'.replace('//', '/')
                        for each in self._node.get_publishers_info_by_topic(topic)
                        if each.qos_profile.durability == DurabilityPolicy.VOLATILE})
        return '' if not names else (
            f'{topic} is not latched by {", ".join(names)}: transforms that it sent before this '
            'node came are lost. Publish with durability transient_local, as '
            'static_transform_publisher does, or send them again and again.')
