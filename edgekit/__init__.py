"""edgekit: take a trained model to a Raspberry Pi or a microcontroller.

    import edgekit

    edgekit.convert(module, (example,), calibration={"x": images}, out="build")
    edgekit.profile("build", target="rpi4")
    edgekit.deploy("build", target="rpi4", host="pi@raspberrypi.local")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgekit.pipeline import benchmark, convert, deploy, profile, status

__version__ = "0.1.0"
__all__ = ["__version__", "benchmark", "convert", "deploy", "profile", "status"]


def __getattr__(name: str) -> Any:
    """Import the pipeline (and with it ONNX and NumPy) only when one of its functions is asked for."""
    if name in __all__:
        from edgekit import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module 'edgekit' has no attribute {name!r}")
