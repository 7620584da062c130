# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The document of one live replay, as JSON and as Markdown."""

import json
import math
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np
from segformer_ros.evaluation.metrics import performance
from segformer_ros.evaluation.replay import timing
from segformer_ros.evaluation.report import format
from segformer_ros.evaluation.report.markdown import escaped
from segformer_ros.evaluation.report.markdown import table
from segformer_ros.evaluation.run.records import compact_json

# Raised when a reader of older documents would be misled.
FORMAT = 1

# Latencies by the name that they have in the document, and for people.
LATENCIES = (('image_to_mask', 'image to mask'), ('stamp_to_mask', 'stamp to mask'),
             ('staleness', 'age of the newest mask'))

# Frames of the document: what each is.
FRAMES = (('in_recording', 'images in the recording'), ('masks', 'masks that came back'),
          ('superseded', 'made way for a newer image, counted by the node'),
          ('drops', 'drops: neither of both'),
          ('lost_before_node', 'of these: lost on the way to the node'),
          ('rejected', 'of these: rejected by the node'),
          ('failed', 'of these: failed in the node'),
          ('lost_in_node', 'of these: lost inside the node'),
          ('lost_after_node', 'of these: lost on the way back'))

# Short names of figures for bounds: where they stand in the document.
FIGURES: Dict[str, Tuple[str, ...]] = {name: ('frames', name) for name, _ in FRAMES}
FIGURES.update({'masks_per_second': ('masks_per_second',)})
FIGURES.update({f'{short}_{column}_ms': ('latency_ms', name, column)
                for short, name in (('latency', 'image_to_mask'),
                                    ('stamp_latency', 'stamp_to_mask'),
                                    ('staleness', 'staleness'))
                for column in performance.LATENCY_COLUMNS})


class NodeCounts(NamedTuple):
    """What the node's diagnostics counted of one camera during the replay."""

    received: int
    published: int
    superseded: int
    rejected: int
    failed: int


class Replay(NamedTuple):
    """
    One finished replay.

    ``images`` is their number in the recording. ``node`` are the diagnostics of its camera and
    backend at the end, by name. ``player`` says who played, at ``rate`` times the speed of life.
    """

    recording: str
    topic: str
    images: int
    rate: float
    player: str
    events: timing.ReplayEvents
    counts: NodeCounts
    node: Dict[str, Dict[str, str]]
    date: str


def replay_document(replay: Replay) -> Dict[str, Any]:
    """
    Return the figures of a replay as plain values.

    :raises InvalidInputError: masks came, but no clock was heard
    """
    masks = timing.mask_times(replay.events, replay.rate)
    known = [mask.image_to_mask for mask in masks if not math.isnan(mask.image_to_mask)]
    heard = [moment for _, moment in replay.events.masks]
    span = heard[-1] - heard[0] if heard else 0.0
    series = {'image_to_mask': np.array(known),
              'stamp_to_mask': np.array([mask.stamp_to_mask for mask in masks]),
              'staleness': timing.staleness(replay.events, replay.rate)}
    return {
        'format': FORMAT, 'kind': 'replay', 'recording': replay.recording,
        'topic': replay.topic, 'rate': replay.rate, 'player': replay.player,
        'date': replay.date, 'machine': performance.machine_description(), 'node': replay.node,
        'frames': _frames(replay, len(masks)),
        'masks_per_second': round((len(heard) - 1) / span, 2) if span > 0 else None,
        'latency_ms': {name: performance.summarize(values) if len(values) else None
                       for name, values in series.items()},
        'per_mask': [_mask(mask) for mask in masks],
    }


def write_replay(document: Dict[str, Any], json_path: str, markdown_path: str) -> None:
    """Write both files; one line of JSON for every mask."""
    with open(json_path, 'w', encoding='utf-8') as stream:
        stream.write('{\n')
        for key, value in document.items():
            if key != 'per_mask':
                stream.write(f'{json.dumps(key)}: {compact_json(value)},\n')
        stream.write('"per_mask": [\n{}\n]\n}}\n'.format(
            ',\n'.join(compact_json(entry) for entry in document['per_mask'])))
    with open(markdown_path, 'w', encoding='utf-8') as stream:
        stream.write(render_replay(document))


def render_replay(document: Dict[str, Any]) -> str:
    """Return the document as Markdown."""
    frames, backend = document['frames'], document['node'].get('backend', {})
    lines = [f"# Replay of {escaped(document['recording'])}", '',
             format.plural(frames['in_recording'], 'image')
             + ' of `{topic}` at rate {rate:g}, played by {player}.'.format(**document), '']
    if backend:
        lines += [escaped('{backend} {version} {precision} on {device}: {why}.'.format(**backend)),
                  '']
    lines += table(['images', 'count'], [[text, f'{frames[name]:,}'] for name, text in FRAMES])
    known = {text: document['latency_ms'][name] for name, text in LATENCIES
             if document['latency_ms'][name]}
    if known:
        lines += table(('ms',) + performance.LATENCY_COLUMNS,
                       format.latency_rows(known, list(known)))
    camera = document['node'].get('camera', {})
    stages = [[escaped(key), escaped(value)] for key, value in sorted(camera.items())
              if key.endswith('[ms]')]
    if stages:
        lines += ['The node itself, over its last frames:', ''] + table(['stage', ''], stages)
    rate = document['masks_per_second']
    lines.append(('unknown' if rate is None else f'{rate:g}') + (
        ' masks a second. {machine[processor]}, {machine[cores]} cores, {date}.'.format(
            **document)))
    return '\n'.join(lines) + '\n'


def _frames(replay: Replay, masks: int) -> Dict[str, int]:
    counts = replay.counts
    return {
        'in_recording': replay.images, 'masks': masks, 'superseded': counts.superseded,
        'drops': replay.images - masks - counts.superseded,
        'lost_before_node': replay.images - counts.received,
        'rejected': counts.rejected, 'failed': counts.failed,
        'lost_in_node': counts.received - counts.published - counts.superseded
        - counts.rejected - counts.failed,
        'lost_after_node': counts.published - masks}


def _mask(mask: timing.MaskTimes) -> List[Optional[float]]:
    """Return stamp (ns), and milliseconds from image and stamp to mask."""
    return [mask.stamp_ns] + [None if math.isnan(seconds) else round(1000.0 * seconds, 3)
                              for seconds in (mask.image_to_mask, mask.stamp_to_mask)]
