"""Hostile input by the thousand: mutated .tflite and .onnx files through everything that reads them."""
