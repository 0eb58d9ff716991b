"""Trains the network on Fashion-MNIST and writes weights.npz: under a minute on two cores.

python train.py
"""

from __future__ import annotations

import time
from pathlib import Path

import dataset
import numpy as np
import torch
from network import FashionNet
from torch import nn

WEIGHTS = Path(__file__).with_name("weights.npz")
EPOCHS, BATCH, LEARNING_RATE = 3, 64, 0.01


def train(samples: int = 30_000) -> FashionNet:
    """A network trained on the first `samples` pictures, with mirrored copies; the same one every time."""
    torch.manual_seed(0)
    net = FashionNet()
    x, y = torch.from_numpy(dataset.images("train", samples)), torch.from_numpy(dataset.labels("train", samples))
    steps = EPOCHS * (len(x) // BATCH)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    for epoch in range(EPOCHS):
        loss = run_epoch(net, x, y, optimizer, schedule)
        print(f"epoch {epoch + 1}/{EPOCHS}: loss {loss:.3f}", flush=True)
    return net.eval()


def run_epoch(net: FashionNet, x: torch.Tensor, y: torch.Tensor, optimizer, schedule) -> float:
    """One pass over the data in random order; returns the mean loss."""
    total = 0.0
    order = torch.randperm(len(x))
    batches = order[: len(x) // BATCH * BATCH].split(BATCH)
    for batch in batches:
        pictures = x[batch]
        mirrored = torch.rand(len(batch)) < 0.5
        pictures[mirrored] = pictures[mirrored].flip(3)
        loss = nn.functional.cross_entropy(net(pictures), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        total += loss.item()
    return total / len(batches)


def save(net: FashionNet) -> None:
    """Weights as plain arrays: no pickle to trust."""
    np.savez_compressed(WEIGHTS, **{name: value.numpy() for name, value in net.state_dict().items()})


def trained() -> FashionNet:
    """The network with the weights of weights.npz; trains and writes them where the file is missing."""
    if not WEIGHTS.is_file():
        print("training on Fashion-MNIST ...", flush=True)
        started = time.monotonic()
        save(train())
        print(f"trained in {time.monotonic() - started:.0f} s", flush=True)
    net = FashionNet()
    with np.load(WEIGHTS) as arrays:
        net.load_state_dict({name: torch.from_numpy(arrays[name]) for name in arrays.files})
    return net.eval()


if __name__ == "__main__":
    WEIGHTS.unlink(missing_ok=True)
    net = trained()
    with torch.no_grad():
        scores = net(torch.from_numpy(dataset.images("t10k")))
    right = (scores.argmax(1).numpy() == dataset.labels("t10k")).mean()
    print(f"accuracy on the 10,000 test pictures: {right:.2%}")
