# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Train the small SegFormer on a folder of images and label PNGs.

DATA/train and DATA/val each hold images/NAME.{png,jpg} and labels/NAME.png (one channel:
class id, 255 = ignored). Run the same command again to go on from the last checkpoint.
"""

import argparse
import copy
import os
import queue
import threading
import time
from typing import Any, Dict, Iterator, List, Tuple

if __name__ == '__main__':
    # Before the imports below, since one that fails is told in a sentence.
    from installed import check_installed
    check_installed(('cv2', 'numpy', 'onnx', 'onnxruntime', 'PIL', 'torch', 'tqdm', 'yaml'))

from dataset import augmented
from dataset import class_shares
from dataset import load
from evaluate import mean_iou
from evaluate import measure
from network import SegFormer
from network import Widths
from networks import awake_classes
from networks import open_former
import numpy as np
import torch
from torch import distributed
from torch import multiprocessing
from torch.nn import functional
from tqdm import tqdm

_WARM_UP = 150


def prefetched(batches: Iterator[Any], depth: int = 2) -> Iterator[Any]:
    """Prepare batches in a thread, so that the cores never wait."""
    box: 'queue.Queue[Any]' = queue.Queue(depth)

    def fill() -> None:
        for batch in batches:
            box.put(batch)
    threading.Thread(target=fill, daemon=True).start()
    while True:
        yield box.get()


def started(model: str, classes: List[int]) -> SegFormer:
    """
    Return the network that a run begins with: new, or with the weights of an ONNX file.

    :param model: name or path of a model of this topology; empty for a new network
    :param classes: ids that the outputs stand for
    :raises SystemExit: the file never learnt one of the classes
    """
    if not model:
        return SegFormer(len(classes), Widths())
    former = open_former(model)
    unknown = sorted(set(classes) - set(awake_classes(former.network)))
    if unknown or not isinstance(former.network, SegFormer):
        raise SystemExit(f'cannot go on from {model}: it has to be a SegFormer as an ONNX file '
                         f'that knows the classes of the data, and of these it never learnt '
                         f'{unknown}; train without --start')
    network = former.network
    rows = network.classify
    network.classify = torch.nn.Conv2d(rows.in_channels, len(classes), 1)
    with torch.no_grad():
        network.classify.weight.copy_(rows.weight[classes])
        network.classify.bias.copy_(rows.bias[classes])
    return network


def keep_statistics(network: torch.nn.Module) -> None:
    """Let normalisations of a network in training use what they know, not a few pictures."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()


class Training:
    """
    The state of a run, on disk and in memory; one process of several with equal weights.

    :param options: the command line
    :param rank: number of this process; 0 measures and saves
    """

    def __init__(self, options: argparse.Namespace, rank: int) -> None:
        self.options = options
        self.rank = rank
        torch.manual_seed(options.seed)
        self.train = load(os.path.join(options.data, 'train'),
                          (options.keep_width, options.keep_height))
        shares = class_shares(self.train.labels)
        self.classes: List[int] = [int(c) for c in np.nonzero(shares)[0]]
        self.network = started(options.start, self.classes)
        self.network.to(memory_format=torch.channels_last)
        self.average: Dict[str, torch.Tensor] = {
            name: value.detach().clone() for name, value in self.network.state_dict().items()}
        plain = [p for p in self.network.parameters() if p.ndim < 2]
        decayed = [p for p in self.network.parameters() if p.ndim >= 2]
        self.optimizer = torch.optim.AdamW([{'params': decayed, 'weight_decay': 0.02},
                                            {'params': plain, 'weight_decay': 0.0}],
                                           lr=options.lr)
        self.step = 0
        self.elapsed = 0.0
        self.best = -1.0
        # Rare classes count more in mIoU than in pixels.
        weight = (shares[self.classes] + 1e-4) ** -options.balance
        weight = np.clip(weight / weight.mean(), 0.5, 2.5)
        self.weight = torch.tensor(weight, dtype=torch.float32)
        self.lookup = torch.full((256,), -100, dtype=torch.long)
        for index, class_id in enumerate(self.classes):
            self.lookup[class_id] = index
        path = os.path.join(options.out, 'checkpoint.pt')
        if os.path.exists(path):
            self._resume(path)

    def _resume(self, path: str) -> None:
        state = torch.load(path, weights_only=False)
        self.network.load_state_dict(state['network'])
        self.optimizer.load_state_dict(state['optimizer'])
        self.average = state['average']
        self.step, self.elapsed, self.best = state['step'], state['elapsed'], state['best']
        print(f'going on from step {self.step}', flush=True)

    def progress(self) -> float:
        """Return the share of the run that is done, 0..1."""
        if self.options.minutes:
            return min(1.0, self.elapsed / (60.0 * self.options.minutes))
        return min(1.0, self.step / float(self.options.steps))

    def save(self, name: str) -> None:
        """Write the state; a crash leaves the old file."""
        path = os.path.join(self.options.out, name)
        torch.save({'network': self.network.state_dict(), 'average': self.average,
                    'optimizer': self.optimizer.state_dict(), 'step': self.step,
                    'elapsed': self.elapsed, 'best': self.best, 'classes': self.classes,
                    'size_wh': (self.options.width, self.options.height)}, path + '.part')
        os.replace(path + '.part', path)

    def _agree(self, loss: float, seconds: float) -> float:
        """Average gradients, loss and time over the processes; return the loss."""
        parameters = list(self.network.parameters())
        count = distributed.get_world_size()
        vector = torch.cat([p.grad.reshape(-1) for p in parameters]
                           + [torch.tensor([loss, seconds])])
        distributed.all_reduce(vector)
        vector /= count
        start = 0
        for p in parameters:
            p.grad.copy_(vector[start:start + p.numel()].view_as(p.grad))
            start += p.numel()
        self.elapsed += float(vector[start + 1])
        return float(vector[start])

    def one_step(self, images: np.ndarray, labels: np.ndarray, start: float) -> float:
        """Learn from one batch that was asked for at ``start``; return the mean loss."""
        rate = 0.5 * (1 + np.cos(np.pi * self.progress())) * 0.99 + 0.01
        rate *= min(1.0, (self.step + 1) / float(_WARM_UP))
        for group in self.optimizer.param_groups:
            group['lr'] = self.options.lr * rate
        x = torch.from_numpy(images).to(memory_format=torch.channels_last)
        y = self.lookup[torch.from_numpy(labels).long()]
        with torch.autocast('cpu', torch.bfloat16, enabled=self.options.bfloat16):
            logits = self.network(x)
        logits = functional.interpolate(logits.float(), size=y.shape[1:], mode='bilinear',
                                        align_corners=False)
        loss = functional.cross_entropy(logits, y, weight=self.weight)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        mean_loss = self._agree(float(loss.detach()), time.time() - start)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        if self.rank == 0:
            keep = min(0.998, (1.0 + self.step) / (10.0 + self.step))
            with torch.no_grad():
                for name, value in self.network.state_dict().items():
                    if value.dtype.is_floating_point:
                        self.average[name].mul_(keep).add_(value, alpha=1 - keep)
                    else:
                        self.average[name].copy_(value)
        return mean_loss

    def check(self, images: int) -> float:
        """Measure the averaged weights on held-out images; save them, and the best apart."""
        self.save('checkpoint.pt')
        network = copy.deepcopy(self.network)
        network.load_state_dict(self.average)
        table = measure(network.eval(), self.classes, os.path.join(self.options.data, 'val'),
                        (self.options.width, self.options.height), images)
        score, _ = mean_iou(table)
        if score > self.best:
            self.best = score
            self.save('best.pt')
        return score

    def size_wh(self) -> Tuple[int, int]:
        """Return the size to train at now: three quarters in the first part of a run."""
        if self.progress() < self.options.small_part:
            return self.options.width * 3 // 4, self.options.height * 3 // 4
        return self.options.width, self.options.height


def worker(rank: int, options: argparse.Namespace) -> None:
    """Train as one of several processes."""
    torch.set_num_threads(options.threads)
    distributed.init_process_group('gloo', 'file://' + options.meeting, rank=rank,
                                   world_size=options.processes)
    run = Training(options, rank)
    each = options.batch // options.processes
    if rank == 0:
        parameters = sum(p.numel() for p in run.network.parameters())
        print(f'{len(run.train.images)} images, {len(run.classes)} classes, '
              f'{parameters} parameters', flush=True)
    bar = tqdm(total=100.0, initial=100 * run.progress(), mininterval=20.0, disable=rank > 0,
               bar_format='{percentage:5.1f}%|{bar:20}| {elapsed} {postfix}')
    size_wh = (0, 0)
    smooth = 0.0
    checked = run.elapsed
    while run.progress() < 1.0:
        if run.size_wh() != size_wh:
            size_wh = run.size_wh()
            random = np.random.RandomState([options.seed, run.step, rank])
            batches = prefetched(augmented(run.train, size_wh, each, random))
        run.network.train()
        if options.start:
            keep_statistics(run.network)
        start = time.time()
        images, labels = next(batches)
        loss = run.one_step(images, labels, start)
        smooth = loss if not smooth else 0.98 * smooth + 0.02 * loss
        bar.set_postfix_str(
            f'step {run.step} loss {smooth:.3f} '
            f'{options.batch * run.step / run.elapsed:.1f} images/s best {run.best:.3f}',
            refresh=False)
        bar.update(100 * run.progress() - bar.n)
        if rank == 0 and run.elapsed - checked > 60.0 * options.check_every:
            checked = run.elapsed
            score = run.check(options.check_images)
            print(f'step {run.step} {run.elapsed / 60:.1f} min loss {smooth:.4f} mIoU {score:.4f}',
                  flush=True)
    if rank == 0:
        print(f'final mIoU {run.check(0):.4f} after step {run.step}', flush=True)
    distributed.barrier()
    distributed.destroy_process_group()


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', required=True)
    parser.add_argument('--out', required=True)
    parser.add_argument('--start', default='', metavar='MODEL',
                        help='name or ONNX file of the network to train further')
    parser.add_argument('--steps', type=int, default=9000)
    parser.add_argument('--minutes', type=float, default=0.0,
                        help='train this long instead of a number of steps')
    parser.add_argument('--batch', type=int, default=16, help='of all processes together')
    parser.add_argument('--lr', type=float, default=1.5e-3)
    parser.add_argument('--width', type=int, default=256, help='of the network input')
    parser.add_argument('--height', type=int, default=192)
    parser.add_argument('--small-part', type=float, default=0.45,
                        help='share of the run at three quarters of the size')
    parser.add_argument('--balance', type=float, default=0.2,
                        help='0: all pixels count alike; 1: all classes do')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--processes', type=int, default=2)
    parser.add_argument('--threads', type=int, default=1, help='of each process')
    parser.add_argument('--check-every', type=float, default=8.0, help='minutes')
    parser.add_argument('--check-images', type=int, default=80)
    parser.add_argument('--keep-width', type=int, default=384)
    parser.add_argument('--keep-height', type=int, default=288)
    parser.add_argument('--bfloat16', action='store_true')
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    options.meeting = os.path.abspath(os.path.join(options.out, 'meeting'))
    if os.path.exists(options.meeting):
        os.remove(options.meeting)
    multiprocessing.spawn(worker, (options,), options.processes)


if __name__ == '__main__':
    main()
