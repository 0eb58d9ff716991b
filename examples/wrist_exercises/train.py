"""Trains the network on five people and writes weights.npz: about a minute on one core.

    python train.py

A new wrist wears the watch a little turned, moves faster or slower, and farther or less far. So does every training
window: it is cut anywhere, stretched in time, turned in space, scaled and shaken at random.
"""

from __future__ import annotations

import time
from pathlib import Path

import dataset
import numpy as np
import torch
from dataset import WINDOW
from network import WristNet
from torch import Tensor, nn

WEIGHTS = Path(__file__).with_name("weights.npz")
STEPS, BATCH, LEARNING_RATE = 600, 128, 4e-3
TURN_DEG, SPEED, SCALE, NOISE = 30.0, 0.2, 0.1, 0.02  # of the augmentation


class Cutter:
    """Random training windows of some recordings, each different from every other."""

    def __init__(self, recordings: list[dataset.Recording], seed: int) -> None:
        self.random = torch.Generator().manual_seed(seed)
        self.samples = torch.from_numpy(np.concatenate([r.samples / dataset.STEPS for r in recordings]))
        self.lengths = torch.tensor([len(r.samples) for r in recordings])
        self.starts = self.lengths.cumsum(0) - self.lengths
        self.exercises = torch.tensor([r.exercise for r in recordings])

    def batch(self, count: int) -> tuple[Tensor, Tensor]:
        """Windows (count, 6, 150) and their exercises."""
        which = torch.multinomial(self.lengths.float(), count, replacement=True, generator=self.random)
        speed = (SPEED * (2 * self.uniform(count) - 1)).exp()
        windows = self.stretched(which, speed) @ self.turns(count)
        windows[..., 3:] *= speed[:, None, None]  # what is done faster turns faster
        windows *= 1 + SCALE * self.normal(count, 1, 6)
        windows += NOISE * self.normal(count, WINDOW, 6)
        windows -= windows.mean(dim=1, keepdim=True)
        return windows.transpose(1, 2), self.exercises[which]

    def stretched(self, which: Tensor, speed: Tensor) -> Tensor:
        """Windows (count, 150, 6) from anywhere in recordings `which`, interpolated."""
        last = self.lengths[which] - 2
        span = torch.minimum((WINDOW - 1) * speed, last)
        begin = (last - span) * self.uniform(len(which))
        at = begin[:, None] + span[:, None] * torch.linspace(0, 1, WINDOW)
        left = at.long()
        weight = (at - left)[..., None]
        left = left + self.starts[which][:, None]
        return self.samples[left] * (1 - weight) + self.samples[left + 1] * weight

    def turns(self, count: int) -> Tensor:
        """Rotations (count, 6, 6) around random axes: the same of acceleration and turning rate."""
        x, y, z = (np.deg2rad(TURN_DEG) * self.normal(3, count)).unbind()
        zero = torch.zeros(count)
        skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).reshape(-1, 3, 3)
        return torch.kron(torch.eye(2)[None], torch.linalg.matrix_exp(skew))

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.random)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.random)


def train(subjects: tuple[int, ...] = dataset.TRAIN, steps: int = STEPS) -> WristNet:
    """A network trained on some people; the same one every time."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # the layers are so small that several threads mostly wait for each other
    net, cutter = WristNet(), Cutter(dataset.of(subjects), seed=0)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    for step in range(steps):
        windows, exercises = cutter.batch(BATCH)
        loss = nn.functional.cross_entropy(net(windows), exercises, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % 100 == 0:
            print(f"step {step + 1}/{steps}: loss {loss.item():.3f}", flush=True)
    return net.eval()


def accuracy(net: WristNet, subjects: tuple[int, ...]) -> float:
    """Share of the windows of some people that are recognised."""
    windows, exercises = dataset.windows(dataset.of(subjects))
    with torch.no_grad():
        scores = net(torch.from_numpy(dataset.prepared(windows).transpose(0, 2, 1)))
    return float((scores.argmax(1).numpy() == exercises).mean())


def save(net: WristNet) -> None:
    """Weights as plain arrays: no pickle to trust."""
    np.savez_compressed(WEIGHTS, **{name: value.numpy() for name, value in net.state_dict().items()})


def trained() -> WristNet:
    """The network with the weights of weights.npz; trains and writes them where the file is missing."""
    if not WEIGHTS.is_file():
        print("training on five people ...", flush=True)
        started = time.monotonic()
        save(train())
        print(f"trained in {time.monotonic() - started:.0f} s", flush=True)
    net = WristNet()
    with np.load(WEIGHTS) as arrays:
        net.load_state_dict({name: torch.from_numpy(arrays[name]) for name in arrays.files})
    return net.eval()


if __name__ == "__main__":
    WEIGHTS.unlink(missing_ok=True)
    print(f"accuracy on the windows of five other people: {accuracy(trained(), dataset.TEST):.1%}")
