# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Models known by name: where their weights lie, their digests and their license."""

import os
import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional
from urllib.parse import quote

from segformer_ros.common import resources
from segformer_ros.common import strict_yaml
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import ModelError
from segformer_ros.model.classes import shipped_names

ENDPOINT_VARIABLE = 'HF_ENDPOINT'

_NAME = re.compile(r'[a-z0-9][a-z0-9_]{0,63}')
_REVISION = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]{0,63}')
# No leading dot in any part, hence neither '..' nor a hidden file; no absolute path.
PATH = re.compile(r'[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*')
_SHA256 = re.compile(r'[0-9a-f]{64}')
_SHA1 = re.compile(r'[0-9a-f]{40}')
_HTTPS = re.compile(r'https://[^\s]+')


class License(NamedTuple):
    """The terms of the weights: the license's own name, its text on the web, a summary."""

    name: str
    link: str
    summary: str


class About(NamedTuple):
    """
    What helps to choose a model.

    ``accuracy`` is the published figure, with its data and source. ``is_tried`` says whether these
    very weights were run with this package.
    """

    purpose: str
    accuracy: str
    is_tried: bool


class RemoteFile(NamedTuple):
    """
    One file that can be downloaded; at least one of the digests is given.

    ``git_blob_sha1`` is the SHA-1 of ``blob SIZE``, a zero byte and the content: the name
    under which git stores a file. ``size`` is in bytes, ``None`` where it is not published.
    """

    variant: str
    path: str
    size: Optional[int]
    sha256: Optional[str]
    git_blob_sha1: Optional[str]


class Download(NamedTuple):
    """The ``download`` block of a model's YAML."""

    model: str
    url: str
    endpoint: str
    revision: str
    default: str
    files: Dict[str, RemoteFile]
    license: License

    def file(self, variant: Optional[str] = None) -> RemoteFile:
        """
        Return one file, the default one without a variant.

        :raises ModelError: no such variant
        """
        wanted = self.default if variant is None else variant
        if wanted not in self.files:
            raise ModelError(f'Model {self.model} has no such variant', got=wanted,
                             expected=f"one of {', '.join(sorted(self.files))}")
        return self.files[wanted]

    def url_of(self, remote: RemoteFile, environ: Optional[Mapping[str, str]] = None) -> str:
        """Return the address of a file, on the mirror that ``HF_ENDPOINT`` names if it is set."""
        variables = os.environ if environ is None else environ
        endpoint = variables.get(ENDPOINT_VARIABLE, '') or self.endpoint
        return self.url.format(endpoint=endpoint.rstrip('/'), revision=quote(self.revision),
                               path=quote(remote.path))


def model_names() -> List[str]:
    """Return the names of all models that ship with a YAML, sorted."""
    return shipped_names('config/models')


def spec_path(name: str) -> str:
    """
    Return the path of a model's YAML.

    :raises ModelError: no model has that name
    """
    known = model_names()
    if name not in known:
        raise ModelError(
            'Unknown model', got=repr(name),
            expected=f"one of {', '.join(known)}, or the path of an .onnx file",
            remedy=strict_yaml.nearest_text(name, known))
    return resources.find(f'config/models/{name}.yaml')


def load_about(name: str) -> Optional[About]:
    """
    Read what a model is for and how good it is said to be; ``None`` where its YAML is silent.

    :raises ModelError: no model has that name
    :raises ConfigurationError: the YAML is wrong
    """
    path = spec_path(name)
    content = strict_yaml.read_mapping(path)
    if 'about' not in content:
        return None
    where = f'about of {path}'
    block = _mapping(content['about'], where)
    strict_yaml.check_keys(block, where, ['purpose', 'accuracy', 'tried'])
    return About(_text(block, 'purpose', where).strip(), _text(block, 'accuracy', where).strip(),
                 strict_yaml.value_of(block, 'tried', where, bool, 'true or false'))


def load_download(name: str) -> Optional[Download]:
    """
    Read how a model is downloaded; ``None`` for a model that ships with the package.

    :raises ModelError: no model has that name
    :raises ConfigurationError: the YAML is wrong
    """
    path = spec_path(name)
    content = strict_yaml.read_mapping(path)
    if 'download' not in content:
        return None
    return parse_download(name, content['download'], f'download of {path}')


def parse_download(name: str, block: Any, where: str) -> Download:
    """
    Check a ``download`` block, key by key.

    :param name: the model's name
    :param block: what the YAML holds under the key ``download``
    :param where: names the block in errors
    :raises ConfigurationError: a key is missing or unknown, or a value is not of its form
    """
    block = _mapping(block, where)
    strict_yaml.check_keys(
        block, where, ['url', 'endpoint', 'revision', 'default', 'files', 'license'])
    variants = _mapping(block['files'], f'files of {where}')
    result = Download(
        model=name, url=_text(block, 'url', where),
        endpoint=_text(block, 'endpoint', where, _HTTPS),
        revision=_text(block, 'revision', where, _REVISION),
        default=_text(block, 'default', where, _NAME),
        files={variant: _remote_file(variant, entry, f'file {variant} of {where}')
               for variant, entry in variants.items()},
        license=_license(block['license'], f'license of {where}'))
    if result.default not in result.files:
        raise ConfigurationError(
            f"Wrong value of 'default' in {where}", got=repr(result.default),
            expected=f"one of {', '.join(sorted(result.files))}")
    if sorted(re.findall('{(.*?)}', result.url)) != ['endpoint', 'path', 'revision']:
        raise ConfigurationError(
            f"Wrong value of 'url' in {where}", got=repr(result.url),
            expected='{endpoint}, {revision} and {path} in it, each once')
    return result


def _remote_file(variant: str, entry: Any, where: str) -> RemoteFile:
    entry = _mapping(entry, where)
    strict_yaml.check_keys(entry, where, ['path'], ['size', 'sha256', 'git_blob_sha1'])
    if not _NAME.fullmatch(variant):
        raise ConfigurationError(f'Wrong name of {where}', got=repr(variant),
                                 expected='lower case letters, digits and _')
    size = None
    if 'size' in entry:
        size = strict_yaml.value_of(entry, 'size', where, int, 'a number of bytes')
        if size <= 0:
            raise ConfigurationError(f"Wrong value of 'size' in {where}",
                                     got=size, expected='a number of bytes above 0')
    digests = [_text(entry, key, where, form) if key in entry else None
               for key, form in (('sha256', _SHA256), ('git_blob_sha1', _SHA1))]
    if digests == [None, None]:
        raise ConfigurationError(f'No digest in {where}', got=', '.join(entry),
                                 expected='sha256 or git_blob_sha1')
    return RemoteFile(variant, _text(entry, 'path', where, PATH), size, digests[0], digests[1])


def _license(entry: Any, where: str) -> License:
    entry = _mapping(entry, where)
    strict_yaml.check_keys(entry, where, ['name', 'link', 'summary'])
    return License(_text(entry, 'name', where), _text(entry, 'link', where, _HTTPS),
                   _text(entry, 'summary', where).strip())


def _mapping(value: Any, where: str) -> Dict[str, Any]:
    if not isinstance(value, dict) or not value:
        raise ConfigurationError(f'Wrong content of {where}', got=repr(value),
                                 expected='"key: value" lines')
    return value


def _text(entry: Dict[str, Any], key: str, where: str,
          form: 'Optional[re.Pattern[str]]' = None) -> str:
    text = str(strict_yaml.value_of(entry, key, where, str, 'text'))
    if not text.strip() or (form is not None and not form.fullmatch(text)):
        raise ConfigurationError(
            f'Wrong value of {key!r} in {where}', got=repr(text),
            expected='text' if form is None else f'text of the form {form.pattern}')
    return text
