"""The virtual board that tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from edgekit.device import virtual
from edgekit.errors import DeviceError
from edgekit.target import load_target


@pytest.fixture(scope="session")
def board() -> Iterator[virtual.Board]:
    """A running virtual rpi4 with an empty card. Skipped where this machine cannot run one; in CI that is a failure."""
    name = f"test-{os.getpid()}"
    try:
        started = virtual.up(load_target("rpi4"), name=name)
    except DeviceError as e:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"{e.message}; {e.hint}")
    yield started
    virtual.remove(name)
