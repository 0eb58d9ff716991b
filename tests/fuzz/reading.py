"""A file goes through everything that reads it, as `edgekit convert` and `edgekit show` do, and what was read is run.

Small programs only are run; each must answer the same when it is written as .tflite and read back.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_ir as ir

from edgekit.emitters import emit_tflite
from edgekit.emitters.onnx import to_onnx
from edgekit.errors import UnsupportedError
from edgekit.graph import load, save, untrusted
from edgekit.graph.decompose import for_int8
from edgekit.graph.quant_params import Range
from edgekit.graph.quantization import quantize
from edgekit.graph.simplify import check_quantized, simplify
from edgekit.interpreter import Interpreter
from edgekit.lowering import from_onnx, from_tflite
from edgekit.profiling.macs import count_macs
from edgekit.program import Program

RUN_LIMIT_MACS, RUN_LIMIT_BYTES = 20_000_000, 16 << 20
NOWHERE = Path("/nonexistent")

Stage = Callable[[str], None]


def read_tflite(content: bytes, stage: Stage) -> None:
    """.tflite → program → run, .tflite again, ONNX graph → as `read_graph`."""
    program = from_tflite(content, "net")
    stage("emitting")
    check(program)
    stage("to ONNX")
    graph = to_onnx(program)
    stage("graph")
    read_graph(load.static_shapes(graph, {}))


def read_onnx(content: bytes, stage: Stage) -> None:
    """.onnx → graph → simplified, quantized, lowered, run. `inspect` runs in a child when a user reads the file."""
    stage("inspecting")
    found = untrusted.inspect(content, NOWHERE, load.CAP_BYTES)
    stage("parsing")
    load.refuse(NOWHERE / "model.onnx", found)
    graph = load.parse(content)
    try:
        graph = load.static_shapes(graph, {})
    except UnsupportedError:
        free = [v for v in graph.graph.inputs if v.name not in graph.graph.initializers and v.shape is not None]
        sizes = {v.name or "": tuple(d if isinstance(d, int) and d > 0 else 2 for d in v.shape or ()) for v in free}
        graph = load.static_shapes(load.parse(content), sizes)
    stage("graph")
    read_graph(graph)


def read_graph(graph: ir.Model) -> None:
    """A graph with static shapes, float or QDQ, as conversion takes it: as it is, and quantized."""
    if load.is_quantized(graph):
        forms = [check_quantized(graph)]
    else:
        plain = simplify(graph)
        apart = for_int8(plain)
        values = [*apart.graph.inputs, *(v for node in apart.graph for v in node.outputs)]
        forms = [plain, quantize(apart, {v.name or "": Range(-1.0, 1.0) for v in values}).model]
    refused = None
    for form in forms:
        save.to_bytes(form)
        save.value_specs(form)
        count_macs(form)
        try:
            check(from_onnx(form, "net"))
        except UnsupportedError as e:
            refused = e
    if refused is not None:
        raise refused


def check(program: Program) -> None:
    """The program says what it is, is written, read back, and answers the same in both forms."""
    program.text()
    program.document()
    again = from_tflite(emit_tflite(program), "net")
    if program.macs > RUN_LIMIT_MACS or sum(t.bytes for t in program.tensors()) > RUN_LIMIT_BYTES:
        return
    inputs = some_inputs(program)
    first, second = Interpreter(program), Interpreter(again)
    for _ in range(2 if program.states else 1):
        truth, got = first.run(inputs), second.run(inputs)
        for name, array in truth.items():
            assert got[name].dtype == array.dtype and np.array_equal(
                got[name], array, equal_nan=array.dtype.kind == "f"
            )


def some_inputs(program: Program) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    made = {}
    for tensor in program.inputs:
        if tensor.dtype == "f32":
            made[tensor.name] = rng.standard_normal(tensor.shape).astype(np.float32)
        elif tensor.dtype == "b8":
            made[tensor.name] = rng.random(tensor.shape) < 0.5
        else:
            low, high = tensor.limits
            made[tensor.name] = rng.integers(low, high, tensor.shape, endpoint=True).astype(tensor.numpy_dtype)
    return made


READERS: dict[str, Callable[[bytes, Stage], None]] = {"tflite": read_tflite, "onnx": read_onnx}
