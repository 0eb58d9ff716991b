"""Twelve small networks of the kinds that go to boards, trained on scikit-learn's digits, for tests and benchmarks.

`zoo.catalogue.ZOO` is the list, `zoo.training.trained` gives one with its weights, `zoo.exporting.exported` its float
ONNX file and calibration samples. What they make is kept in .cache/zoo/. Needs PyTorch and scikit-learn.
"""
