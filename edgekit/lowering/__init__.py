"""Graphs and files made elsewhere → Program: `from_onnx` for QDQ and float ONNX graphs, `from_tflite` for .tflite."""

from edgekit.lowering.onnx import from_onnx

__all__ = ["from_onnx"]
