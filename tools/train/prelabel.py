# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Write captured frames with the network's masks for CVAT or Label Studio, to be corrected."""

import argparse
import sys
from typing import List, Optional

from capture_folder import read_capture
import cvat
import label_studio
from segformer_ros.common.errors import SegformerRosError

CVAT, LABEL_STUDIO = 'cvat', 'label_studio'


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
        capture = read_capture(options.capture, options.reason)
        written = cvat.write(capture, options.out) if options.format == CVAT else \
            label_studio.write(capture, options.out, options.image_root)
    except (SegformerRosError, OSError) as error:
        print(f'prelabel: {error}', file=sys.stderr)
        return 1
    print(f'{len(capture.frames)} frames; written: ' + ', '.join(written))
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
