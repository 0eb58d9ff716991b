"""edgekit: take a trained model to a Raspberry Pi or a microcontroller.

`edgekit.convert` makes a build folder of a torch module or an ONNX file, `edgekit.profile` judges it against a kind of
board, `edgekit.deploy` brings it to one and measures it there. README.md shows each.
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
