# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Take out of a report what names its owner: machine, user, network, paths, serial numbers."""

import getpass
import os
import re
import socket
from typing import Any, List

from segformer_ros.model.weights import catalogue

LEFT_OUT = '<left out>'
OWN_NETWORK = 'own network'
# Names that images of systems come with, or that are words of the report; nobody's.
NOBODYS = ('root', 'localhost', 'ubuntu', 'debian', 'pi', 'raspberrypi', 'nvidia', 'jetson',
           'orin', 'nano', 'tegra', 'linux', 'user', 'admin', 'robot', 'cpu', 'gpu', 'ms', 'mib',
           'model', 'network', 'onnx', 'segformer')
# An absolute path, also behind = or a quote, or one from here or above; not the slash of a
# fraction or a unit. Then relative ones: of three names, or of two with a suffix, but not those
# of our pages, which messages name.
_PATH = re.compile(
    r'(?:(?<![\w.)])~?|(?<![\w.])\.{1,2})/[\w.+@~-]+(?:/[\w.+@~-]*)*'
    r'|(?<![\w.])(?:[\w.+@~-]+/){2,}[\w.+@~-]*'
    r'|(?<![\w.])(?!docs/\w+\.md\b)[\w.+@~-]+/[\w.+@~-]*\.[A-Za-z]\w*')
_AT = re.compile(r'[\w.+-]+@[\w.-]+')
# MAC addresses, UUIDs, IPv6 addresses.
_IDENTITY = re.compile(
    r'(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
    r'|(?<![\w:])(?:[0-9a-f]{1,4}:){3,7}:?[0-9a-f]{1,4}(?![\w:])'
    r'|(?<![\w:])[0-9a-f]{1,4}::(?:[0-9a-f]{1,4}:)*[0-9a-f]{1,4}(?![\w:])', re.IGNORECASE)
# A number behind a word that announces an identity.
_SERIAL = re.compile(
    r'(?<![a-z0-9])(serial|s/n|sn)(?:[ _-]?(?:numbers?|nos?|num|nr)(?![a-z]))?'
    r'(?:[ .]*[:=#][ ]*[\w-]+|[ .]+(?=[\w-]*\d)[\w-]+)(?:[./][\w-]+)*', re.IGNORECASE)
# Not behind a word that announces a version: TensorRT has four numbers.
_ADDRESS = re.compile(
    r'(?<![\w.-])(?<!tensorrt )(?<!version )(?<!release )(?<!driver )'
    r'(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w.]*\d)',
    re.IGNORECASE)
_VERSION = re.compile('version|tensorrt|cuda|driver|release', re.IGNORECASE)


class Scrubber:
    """
    Leaves names and identities out of texts.

    :param model: the network as the user named it; one that is not of the package is only said
        to be their own
    """

    def __init__(self, model: str = '') -> None:
        self._own = [] if is_known(model) else [
            re.compile(_as_word(text)) for text in _forms(model)]
        self._names = [re.compile(_as_word(name), re.IGNORECASE) for name in _names()]

    def scrubbed(self, value: Any) -> Any:
        """Return a value of JSON without what names somebody."""
        if isinstance(value, dict):
            return {self.scrubbed(key): self._text(each, bool(_VERSION.search(key)))
                    if isinstance(each, str) else self.scrubbed(each)
                    for key, each in value.items()}
        if isinstance(value, list):
            return [self.scrubbed(each) for each in value]
        return self._text(value, False) if isinstance(value, str) else value

    def _text(self, text: str, is_version: bool) -> str:
        for pattern in self._own:
            text = pattern.sub(OWN_NETWORK, text)
        text = _SERIAL.sub(lambda found: f'{found.group(1)} {LEFT_OUT}', text)
        text = _IDENTITY.sub(' ' + LEFT_OUT, _AT.sub(LEFT_OUT, _PATH.sub('<path>', text)))
        if not is_version:
            text = _ADDRESS.sub(LEFT_OUT, text)
        for pattern in self._names:
            text = pattern.sub(LEFT_OUT, text)
        return text


def network_name(model: str) -> str:
    """Return what the report calls the network that the user named."""
    return model if is_known(model) else OWN_NETWORK


def is_known(model: str) -> bool:
    """Return whether a network is one of the package's, whose name tells nothing of the user."""
    return not model or model.partition(':')[0] in catalogue.model_names()


def _forms(model: str) -> List[str]:
    """Return the texts by which messages may name a network, the longest first."""
    paths = {model, os.path.abspath(model), os.path.realpath(model), os.path.normpath(model)}
    found = set(paths)
    for path in paths:
        found.add(os.path.basename(path))
        found.add(os.path.splitext(os.path.basename(path))[0])
        found.add(os.path.dirname(path))
    # As messages have it that make white space one.
    found |= {' '.join(text.split()) for text in found}
    return sorted((text for text in found
                   if len(text) > 2 and text.lower() not in NOBODYS), key=len, reverse=True)


def _names() -> List[str]:
    host = socket.gethostname()
    # rosie.lab.acme.com: all of it, rosie, and lab.acme.com.
    short, _, domain = host.partition('.')
    names = [host, short, domain]
    try:
        names.append(getpass.getuser())
    except (KeyError, OSError):
        pass  # a user without an entry, as in some containers, has no name
    return sorted((name for name in set(names)
                   if len(name) > 1 and name.lower() not in NOBODYS), key=len, reverse=True)


def _as_word(text: str) -> str:
    # An underscore or a digit ends a name: rosie_arm, rosie2.
    return rf'(?<![A-Za-z]){re.escape(text)}(?![A-Za-z])'
