# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Write captured frames with the network's masks for CVAT or Label Studio, to be corrected."""

import argparse
import os
import sys
import tempfile
from typing import List, Optional

from capture_folder import read_capture
import cvat
import label_studio
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import SegformerRosError

CVAT, LABEL_STUDIO = 'cvat', 'label_studio'
SUFFIXES = {CVAT: '.zip', LABEL_STUDIO: '.json'}


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('capture', help='folder that ~/capture wrote')
    parser.add_argument('--format', choices=(CVAT, LABEL_STUDIO), default=CVAT)
    parser.add_argument('--out', required=True, help='zip file for CVAT, JSON for Label Studio')
    parser.add_argument('--reason', action='append',
                        help='frames with this reason alone; may be given again')
    parser.add_argument('--image-root', default='/data/local-files/?d=',
                        help='what Label Studio puts before images/ID.png to find a picture')
    options = parser.parse_args(arguments)
    try:
        check_out(options.out, options.format)
        capture = read_capture(options.capture, options.reason)
        folder = os.path.dirname(options.out)
        # Beside it first: what cannot be finished leaves nothing, and what was there before.
        with tempfile.TemporaryDirectory(prefix='.prelabel_', dir=folder or '.') as beside:
            path = os.path.join(beside, os.path.basename(options.out))
            made = cvat.write(capture, path) if options.format == CVAT else \
                label_studio.write(capture, path, options.image_root)
            written = [os.path.join(folder, os.path.basename(each)) for each in made]
            for source, target in zip(made, written):
                os.replace(source, target)
    except (SegformerRosError, OSError) as error:
        print(f'prelabel: {error}', file=sys.stderr)
        return 1
    print(f'{len(capture.frames)} frames; written: ' + ', '.join(written))
    return 0


def check_out(path: str, format_name: str) -> None:
    """
    Check that a file of a format can be written.

    :raises ConfigurationError: its folder is not there, or its ending is of another format
    """
    folder = os.path.dirname(path) or '.'
    if not os.path.isdir(folder):
        raise ConfigurationError('Folder of --out not found', got=folder,
                                 remedy=f'Make it first: mkdir -p {folder}')
    if not path.lower().endswith(SUFFIXES[format_name]):
        raise ConfigurationError(
            '--out does not fit --format', got=f'{path} for {format_name}',
            expected='a name that ends in ' + ', or '.join(
                f'{suffix} for {name}' for name, suffix in SUFFIXES.items()))


if __name__ == '__main__':
    raise SystemExit(main())
