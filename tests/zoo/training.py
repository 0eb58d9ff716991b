"""Trains a network of the zoo, the same way every time, and keeps its weights in .cache/zoo/.

python -m zoo.training          # in tests/: trains what is missing, prints the scores
"""

from __future__ import annotations

import hashlib
import inspect
import os
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from zoo import data, layers
from zoo import model as definition
from zoo.catalogue import ZOO
from zoo.model import ZooModel

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "zoo"
BATCH = 32


def trained(model: ZooModel) -> nn.Module:
    """The network with the weights of .cache/zoo/; trains and writes them where the file is missing."""
    path = weights_path(model)
    net = model.build()
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(f".{os.getpid()}.new")  # a second process may train at the same time
        torch.save(train(model).state_dict(), new)
        new.replace(path)
    net.load_state_dict(torch.load(path, weights_only=True))
    return net.eval()


def weights_path(model: ZooModel) -> Path:
    """Named by the code and the settings that the weights depend on."""
    modules = (inspect.getmodule(model.network), layers, data, definition, inspect.getmodule(train))
    code = "".join(inspect.getsource(module) for module in modules if module is not None)
    settings = f"{model.loss.__name__} {model.epochs} {model.learning_rate}"
    return CACHE / f"{model.name}-{hashlib.sha256((code + settings).encode()).hexdigest()[:12]}.pt"


def train(model: ZooModel) -> nn.Module:
    """A network trained on the training samples: Adam with one cycle of learning rates."""
    net, known = model.build().train(), model.data()
    x, y = torch.from_numpy(known.train_x), torch.from_numpy(known.train_y)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        batches = [b for _ in range(model.epochs) for b in torch.randperm(len(x)).split(BATCH) if len(b) == BATCH]
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, model.learning_rate, total_steps=len(batches))
    for batch in batches:
        optimizer.zero_grad()
        model.loss(net(x[batch]), y[batch]).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return net.eval()


def predict(net: nn.Module, x: np.ndarray) -> np.ndarray:
    """Outputs for all samples."""
    with torch.no_grad():
        return np.concatenate([net(batch).numpy() for batch in torch.from_numpy(x).split(100)])


def reached(model: ZooModel) -> float:
    """The trained network on the 500 test samples."""
    known = model.data()
    return model.score(predict(trained(model), known.test_x), known.test_y)


if __name__ == "__main__":
    for each in ZOO:
        started = time.monotonic()
        score = reached(each)
        count = sum(p.numel() for p in each.build().parameters())
        print(
            f"{each.name:13} {count:8,} parameters, score {score:.4f}, {time.monotonic() - started:.0f} s", flush=True
        )
