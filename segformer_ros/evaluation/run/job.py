# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One evaluation as a value that can be sent to another process, and its work on one source."""

import itertools
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.evaluation.metrics import label_map as metrics_label_map
from segformer_ros.evaluation.run import bag_costmap
from segformer_ros.evaluation.run import runner as run_runner
from segformer_ros.evaluation.run.annotated_bag import AnnotatedBag
from segformer_ros.evaluation.run.network import Network
from segformer_ros.evaluation.run.network import NetworkChoice
from segformer_ros.evaluation.run.sinks import FrameSink
from segformer_ros.evaluation.run.sinks import MaskFolder
from segformer_ros.evaluation.sources.bag_source import RecordedSource
from segformer_ros.evaluation.sources.frames import Frame
from segformer_ros.evaluation.sources.frames import FrameSource
from segformer_ros.model.classes import ClassTable
from segformer_ros.model.spec import ModelSpec
from segformer_ros.segmentation.preprocessing import Preprocessor

# Real images for the self-check of a new engine.
SAMPLES = 4


class Job(NamedTuple):
    """
    What to do with each source.

    ``mapping`` is a name or path for ``load_label_map``, or ``same``. ``save_masks`` and
    ``write_bag`` are folders for what comes out. ``costmap`` asks for the grid of recordings.
    """

    network: NetworkChoice
    reference: Optional[NetworkChoice] = None
    mapping: str = metrics_label_map.SAME
    run: run_runner.RunSettings = run_runner.RunSettings()
    save_masks: Optional[str] = None
    write_bag: Optional[str] = None
    costmap: Optional[bag_costmap.CostmapOptions] = None


class Outcome(NamedTuple):
    """What one source came to, and which networks ran."""

    result: run_runner.SourceResult
    network: Dict[str, Any]
    reference: Optional[Dict[str, Any]]


class JobRunner:
    """
    Does a job on one source after another; its networks stay open from source to source.

    :param job: what is done here
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self._networks: Dict[NetworkChoice, Network] = {}

    def __enter__(self) -> 'JobRunner':
        """Open nothing yet: the first source may be needed to check a new engine."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the networks."""
        self.close()

    def close(self) -> None:
        """Close the networks; closing twice is allowed."""
        while self._networks:
            self._networks.popitem()[1].close()

    def run(self, source: FrameSource, records_path: str,
            on_frame: Callable[[], None] = lambda: None) -> Outcome:
        """
        Evaluate one source.

        :param source: where the frames come from
        :param records_path: file for a line of each frame
        :param on_frame: called after each frame
        """
        network = self._open(self.job.network, source)
        reference = self.job.reference and self._open(self.job.reference, source)
        label_map = find_label_map(self.job.mapping, network.classes)
        if reference and reference.classes.names != network.classes.names:
            raise ConfigurationError(
                'The two networks have different classes', got=reference.classes.name,
                expected=network.classes.name, remedy='Compare each with labels instead.')
        runner = run_runner.SourceRunner(network.segmenter, label_map, self.job.run,
                                         reference.segmenter if reference else None,
                                         make_sinks(self.job, source, network.classes))
        return Outcome(runner.run(source, records_path, on_frame), network.facts(),
                       reference.facts() if reference else None)

    def _open(self, choice: NetworkChoice, source: FrameSource) -> Network:
        if choice not in self._networks:
            self._networks[choice] = Network(
                choice, lambda spec: sample_inputs(source, spec, choice.settings.resize))
        return self._networks[choice]


def find_label_map(mapping: str, classes: ClassTable) -> metrics_label_map.LabelMap:
    """
    Return the mapping of a job.

    :param mapping: ``same``, or a name or path for ``load_label_map``
    :param classes: the network's
    :raises ConfigurationError: the mapping is wrong, or made for another network
    """
    if mapping == metrics_label_map.SAME:
        return metrics_label_map.identity_map(classes)
    label_map = metrics_label_map.load_label_map(mapping)
    if label_map.prediction.names != classes.names:
        raise ConfigurationError(f'Mapping {label_map.name!r} is for another network',
                                 got=f'a network of {classes.name!r}',
                                 expected=f'one of {label_map.prediction.name!r}')
    return label_map


def make_sinks(job: Job, source: FrameSource, classes: ClassTable) -> List[FrameSink]:
    """
    Return what takes the masks of a source further.

    :param job: says what is wanted
    :param source: of the frames; only recordings have a costmap and can be written again
    :param classes: the network's
    """
    sinks: List[FrameSink] = []
    if job.save_masks is not None:
        sinks.append(MaskFolder(
            job.save_masks, source.group,
            source.mask_groups() if isinstance(source, RecordedSource) else {}))
    if not isinstance(source, RecordedSource):
        return sinks
    # The costmap comes first: no recording is begun for a profile that cannot be used.
    costmap = job.costmap and bag_costmap.BagCostmap(
        job.costmap, source, classes)
    if job.write_bag is not None:
        bag = AnnotatedBag(job.write_bag, source, classes.palette())
        sinks.append(bag)
        if costmap:
            costmap.bag = bag
    return sinks + ([costmap] if costmap else [])


def sample_inputs(source: FrameSource, spec: ModelSpec, resize: str) -> Sequence[Dict[str, Any]]:
    """Return the network's input for the first frames of a source."""
    preprocessor = Preprocessor(spec, None)
    frames = (item for item in source.frames() if isinstance(item, Frame))
    return [{spec.input_name: preprocessor.run(frame.image, resize).copy()}
            for frame in itertools.islice(frames, SAMPLES)]
