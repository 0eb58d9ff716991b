"""Graphs and files made elsewhere → Program: `from_onnx` for QDQ and float ONNX graphs, `from_tflite` for .tflite."""

from edgekit.lowering.onnx import from_onnx
from edgekit.lowering.tflite import from_tflite

__all__ = ["from_onnx", "from_tflite"]
