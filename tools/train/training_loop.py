# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Training further, in steps that can be stopped and gone on with."""

import argparse
import os
import time
from typing import List, Sequence, Tuple

from dataset import augmented
from dataset import Pairs
import numpy as np
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.model import spec as model_spec
import torch
from torch.nn import functional
from tqdm import tqdm
from train import keep_statistics
from train import prefetched

_WARM_UP = 20
# Larger networks are trained more gently.
_SMALL_PARAMETERS = 2000000
SMALL_RATE, LARGE_RATE = 6e-4, 6e-5


class Adapter(torch.nn.Module):
    """A network behind ImageNet's normalisation, whatever its own is."""

    def __init__(self, network: torch.nn.Module, spec: model_spec.ModelSpec) -> None:
        super().__init__()
        self.network = network
        ours = [torch.tensor(values) for values in (model_spec.IMAGENET_MEAN,
                                                    model_spec.IMAGENET_STD)]
        theirs = [torch.tensor(values) for values in (spec.mean, spec.std)]
        self.gain = (ours[1] / theirs[1]).reshape(1, 3, 1, 1)
        self.shift = ((ours[0] - theirs[0]) / theirs[1]).reshape(1, 3, 1, 1)
        self.is_bgr = spec.color_order == 'bgr'

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        pictures = pictures * self.gain + self.shift
        return self.network(pictures.flip(1) if self.is_bgr else pictures)


class Training:
    """
    A run that can be stopped and gone on with.

    :param network: changed in place; its averaged weights at the end
    :param spec: what it takes
    :param learnt: ids of the outputs that the loss compares
    :param options: the command line
    :param mark: tells this run from others: only one of the same is gone on with
    """

    def __init__(self, network: torch.nn.Module, spec: model_spec.ModelSpec,
                 learnt: Sequence[int], options: argparse.Namespace, mark: str) -> None:
        self.network = network
        self._mark = mark
        self.options = options
        self._adapter = Adapter(network, spec)
        self._learnt = torch.tensor(sorted(learnt))
        self._lookup = torch.full((256,), -100, dtype=torch.long)
        self._lookup[self._learnt] = torch.arange(len(learnt))
        parameters = list(network.parameters())
        self.rate = options.lr or (
            SMALL_RATE if sum(p.numel() for p in parameters) < _SMALL_PARAMETERS else LARGE_RATE)
        self._optimizer = torch.optim.AdamW(
            [{'params': [p for p in parameters if p.ndim >= 2], 'weight_decay': 0.02},
             {'params': [p for p in parameters if p.ndim < 2], 'weight_decay': 0.0}], lr=self.rate)
        self.average = {name: value.detach().clone()
                        for name, value in network.state_dict().items()}
        self.step = 0
        self.seconds = 0.0
        self.losses: List[float] = []
        self._path = os.path.join(options.out, 'checkpoint.pt')
        if os.path.exists(self._path):
            self._resume()

    def _resume(self) -> None:
        state = torch.load(self._path, weights_only=False)
        if state['steps'] != self.options.steps or state.get('mark') != self._mark:
            raise ConfigurationError(
                'Checkpoint is of another run', got=self._path,
                expected=f'{self.options.steps} steps, the same labels, network and options',
                remedy='Delete the folder, or choose another one.')
        self.network.load_state_dict(state['network'])
        self._optimizer.load_state_dict(state['optimizer'])
        self.average = state['average']
        self.step, self.seconds, self.losses = state['step'], state['seconds'], state['losses']
        print(f'going on from step {self.step}', flush=True)

    def save(self) -> None:
        """Write the state; a crash leaves the old file."""
        torch.save({'network': self.network.state_dict(), 'average': self.average,
                    'optimizer': self._optimizer.state_dict(), 'step': self.step,
                    'steps': self.options.steps, 'seconds': self.seconds,
                    'losses': self.losses, 'mark': self._mark}, self._path + '.part')
        os.replace(self._path + '.part', self._path)

    def one_step(self, images: np.ndarray, labels: np.ndarray) -> float:
        """Learn from one batch; return its loss."""
        rate = self.rate * (0.5 * (1 + np.cos(np.pi * self.step / self.options.steps)) * 0.98
                            + 0.02) * min(1.0, (self.step + 1) / _WARM_UP)
        for group in self._optimizer.param_groups:
            group['lr'] = rate
        wanted = self._lookup[torch.from_numpy(labels).long()]
        logits = self._adapter(torch.from_numpy(images))[:, self._learnt]
        logits = functional.interpolate(logits, size=wanted.shape[1:], mode='bilinear',
                                        align_corners=False)
        loss = functional.cross_entropy(logits, wanted)
        self._optimizer.zero_grad(set_to_none=True)
        # A batch without any label has no mean.
        if bool(torch.isfinite(loss)):
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            self._optimizer.step()
        self.step += 1
        keep = min(0.99, (1.0 + self.step) / (10.0 + self.step))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                if value.dtype.is_floating_point:
                    self.average[name].mul_(keep).add_(value, alpha=1 - keep)
        return float(loss.detach())

    def run(self, sets: Sequence[Tuple[Pairs, int]], size_wh: Tuple[int, int]) -> None:
        """
        Train until the last step or minute.

        :param sets: pictures, and how many of them go into each batch
        :param size_wh: of the network's input
        """
        random = np.random.RandomState([self.options.seed, self.step])
        streams = [prefetched(augmented(pairs, size_wh, count, random))
                   for pairs, count in sets if count]
        self.network.train()
        keep_statistics(self.network)
        bar = tqdm(total=self.options.steps, initial=self.step, desc='training', unit='step',
                   mininterval=2.0)
        saved = time.monotonic()
        while self.step < self.options.steps:
            if self.options.minutes and self.seconds > 60.0 * self.options.minutes:
                break
            start = time.monotonic()
            batches = [next(stream) for stream in streams]
            self.losses.append(self.one_step(*(np.concatenate(parts) for parts in zip(*batches))))
            self.seconds += time.monotonic() - start
            bar.set_postfix_str(f'loss {np.nanmean(self.losses[-20:]):.3f}', refresh=False)
            bar.update(1)
            if time.monotonic() - saved > self.options.save_every:
                saved = time.monotonic()
                self.save()
        bar.close()
        self.save()
        self.network.load_state_dict(self.average)
        self.network.eval()
