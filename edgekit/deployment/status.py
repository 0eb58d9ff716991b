"""What edgekit has on a device, from the device alone; nothing is remembered on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgekit.deployment.probe import AppState, probe
from edgekit.device import Device


@dataclass(frozen=True)
class Status:
    """The result of `edgekit status`; `document()` is the `status` document of docs/json.md."""

    device: str
    emulated: bool
    apps: tuple[AppState, ...]
    store_bytes: int
    free_bytes: int

    def document(self) -> dict[str, Any]:
        return {
            "device": self.device,
            "emulated": self.emulated,
            "apps": [_app(app) for app in self.apps],
            "store_bytes": self.store_bytes,
            "free_bytes": self.free_bytes,
        }


def read_status(device: Device, *, root: str = "") -> Status:
    """Ask `device`; writes nothing there. Raises DeviceError or ConnectionFailed."""
    facts = probe(device, root=root, write=False)
    return Status(device.label, device.emulated, facts.apps, facts.store_bytes or 0, facts.free_bytes)


def _app(app: AppState) -> dict[str, Any]:
    releases = [{"id": r.id, "model": r.model, "bytes": r.bytes} for r in app.releases]
    return {"app": app.name, "current": app.current, "previous": app.previous, "trial": None, "releases": releases}
