"""Runs a model that edgekit deployed: on a Linux board, with NumPy and one of ONNX Runtime, LiteRT or tflite-runtime.

    from edgekit_runtime import Model

    m = Model("/home/pi/.edgekit/apps/fashion_mnist/current")
    y = m(x)                      # float32 in, float32 out, whatever type the model computes in

Nothing here imports edgekit; the package runs on Python 3.9 and later.
"""

from .description import LoadError
from .model import Model

__version__ = "0.1.0"
__all__ = ["LoadError", "Model"]
