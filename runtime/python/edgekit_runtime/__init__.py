"""Runs a model that edgekit deployed: on a Linux board, with NumPy and one of ONNX Runtime, LiteRT or tflite-runtime,
or with nothing else where it was deployed as a native library.

    from edgekit_runtime import Model

    m = Model("/home/pi/.edgekit/apps/fashion_mnist/current")
    y = m(x)                      # float32 in, float32 out, whatever type the model computes in

Nothing here imports edgekit; the package runs on Python 3.9 and later.
"""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["LoadError", "Model"]


def __getattr__(name: str):
    """Model and LoadError on first use: NumPy takes a second to import on a slow board, which load times must show."""
    if name == "Model":
        try:
            from edgekit_runtime.model import Model
        except ImportError:  # no NumPy on this board: native models run without
            from edgekit_runtime.native import Model

        return Model
    if name == "LoadError":
        from edgekit_runtime.description import LoadError

        return LoadError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
