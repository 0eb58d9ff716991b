"""ONNX Runtime sessions on this machine: one that judges int8 correctly, one that shows every value inside a graph.

On x86 CPUs without VNNI, ONNX Runtime's default int8 kernels saturate 16-bit sums and answer wrongly. The judging
session therefore sets session.x64quantprecision=1; a graph that does not load with it runs with optimisations off.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx_ir as ir
import onnxruntime as ort

from edgekit.errors import ModelError
from edgekit.graph.quant_params import Array

X86 = ("x86_64", "amd64", "i686", "i386")

ModelSource = bytes | str | Path


def judging_session(model: ModelSource, *, optimise: bool = True) -> tuple[ort.InferenceSession, str]:
    """A session to judge int8 with, and its name for reports. `optimise` False runs the graph exactly as written."""
    runtime = f"onnxruntime {ort.__version__}, CPU"
    if optimise:
        precise = platform.machine().lower() in X86
        options = _options()
        if precise:
            options.add_session_config_entry("session.x64quantprecision", "1")
        try:
            return _session(model, options), f"{runtime}, x64quantprecision=1" if precise else runtime
        except ModelError:  # attention graphs do not load with it; a broken model fails again below
            pass
    return _session(model, _as_written()), f"{runtime}, optimisations off"


def observing_session(model: ir.Model) -> ort.InferenceSession:
    """A session that runs `model` as written and also outputs every float32 value computed inside."""
    copy = ir.serde.deserialize_model(ir.serde.serialize_model(model))
    known = {v.name for v in copy.graph.outputs}
    inner = [v for node in copy.graph for v in node.outputs if v.dtype == ir.DataType.FLOAT and v.name not in known]
    copy.graph.outputs.extend(inner)
    return _session(ir.serde.serialize_model(copy).SerializeToString(), _as_written())


def run(session: ort.InferenceSession, outputs: Sequence[str] | None, sample: Mapping[str, Array]) -> tuple[Array, ...]:
    """The named outputs (None: all) for one set of inputs. Raises ModelError where the model fails on them."""
    try:
        return tuple(session.run(outputs, dict(sample)))
    except Exception as e:  # onnxruntime's exceptions have no public base class
        raise ModelError(
            f"the model fails on an input: {e}",
            hint="check that the values are valid for it (indices, lengths, shapes)",
        ) from e


def _session(model: ModelSource, options: ort.SessionOptions) -> ort.InferenceSession:
    source = model if isinstance(model, bytes) else str(model)
    try:
        return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as e:  # onnxruntime's exceptions have no public base class
        raise ModelError(f"ONNX Runtime does not load the model: {e}") from e


def _as_written() -> ort.SessionOptions:
    options = _options()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return options


def _options() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # the same sums in the same order on every machine
    options.log_severity_level = 4  # what fails is raised; what it logs besides is not for users
    return options
