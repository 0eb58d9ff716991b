"""One operator as a program of its own, run on every runtime that can: how the cases of tests/ops are compared.

`differences(program, inputs)` gives, for each runtime, the largest difference from the interpreter in steps of the
stored integers (in real values for float outputs).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter as LiteRt
from ai_edge_litert.interpreter import OpResolverType

from edgekit import interpreter
from edgekit.emitters import emit_tflite
from edgekit.lowering.tflite import from_tflite
from edgekit.ops.support import SUPPORT, runs
from edgekit.program import Op, Program, QuantParams, Tensor

tflite_micro = pytest.importorskip("tflite_micro", reason="TFLite Micro has wheels for x86-64 only")

Arrays = Mapping[str, np.ndarray]


def tensor(name: str, shape, scale: float | None = None, zero_point: int = 0, dtype: str = "s8", data=None) -> Tensor:
    quant = None if scale is None else QuantParams.of(scale, zero_point)
    return Tensor(name, tuple(shape), dtype, quant, data)


def program_of(*ops: Op) -> Program:
    """A program whose inputs are what no op makes and whose outputs are what no op reads."""
    made = {t for op in ops for t in op.outputs}
    read = {t for op in ops for t in op.inputs}
    inputs = tuple(dict.fromkeys(t for op in ops for t in op.inputs if t not in made and not t.constant))
    outputs = tuple(t for op in ops for t in op.outputs if t not in read)
    return Program("case", inputs, outputs, ops)


def random_inputs(program: Program, seed: int = 0) -> dict[str, np.ndarray]:
    """All integers of the type, equally likely; floats from a normal distribution."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for t in program.inputs:
        if t.dtype == "f32":
            arrays[t.name] = rng.standard_normal(t.shape).astype(np.float32)
        elif t.dtype == "b8":
            arrays[t.name] = rng.random(t.shape) < 0.5
        else:
            low, high = t.limits
            arrays[t.name] = rng.integers(low, high + 1, t.shape).astype(t.numpy_dtype)
    return arrays


def on_litert(content: bytes, program: Program, inputs: Arrays, *, reference: bool) -> dict[str, np.ndarray]:
    options = {"experimental_op_resolver_type": OpResolverType.BUILTIN_REF} if reference else {}
    running = LiteRt(model_content=content, **options)
    running.allocate_tensors()
    for detail, t in zip(running.get_input_details(), program.inputs, strict=True):
        running.set_tensor(detail["index"], inputs[t.name])
    running.invoke()
    return {
        t.name: running.get_tensor(d["index"])
        for d, t in zip(running.get_output_details(), program.outputs, strict=True)
    }


def on_tflite_micro(content: bytes, program: Program, inputs: Arrays) -> dict[str, np.ndarray]:
    running = tflite_micro.runtime.Interpreter.from_bytes(content, arena_size=4 << 20)
    for i, t in enumerate(program.inputs):
        running.set_input(inputs[t.name], i)
    running.invoke()
    return {t.name: running.get_output(i) for i, t in enumerate(program.outputs)}


RUNTIMES = {
    "tflite-micro": on_tflite_micro,
    "litert-reference": lambda content, program, inputs: on_litert(content, program, inputs, reference=True),
    "litert": lambda content, program, inputs: on_litert(content, program, inputs, reference=False),
}


def differences(program: Program, inputs: Arrays | None = None, *, without: tuple[str, ...] = ()) -> dict[str, float]:
    """Runtime → largest difference from the interpreter. `without`: runtimes that do not have the operator."""
    inputs = random_inputs(program) if inputs is None else inputs
    truth = interpreter.run(program, inputs)
    content = emit_tflite(program)
    found = {}
    for name, run in RUNTIMES.items():
        if name not in without:
            got = run(content, program, inputs)
            found[name] = max(largest_difference(truth[t.name], got[t.name]) for t in program.outputs)
    return found


def largest_difference(truth: np.ndarray, got: np.ndarray) -> float:
    assert got.shape == truth.shape and got.dtype == truth.dtype, (got.dtype, got.shape, truth.dtype, truth.shape)
    return float(np.abs(got.astype(np.float64) - truth.astype(np.float64)).max(initial=0.0))


def supported(program: Program, runtime: str) -> int:
    """By how many steps the table allows a runtime to differ on an int8 program."""
    bounds = (SUPPORT[type(op)].bound(runtime) for op in program.ops if op.output.quant is not None)
    return sum(bound for bound in bounds if isinstance(bound, int))


def check(program: Program, inputs: Arrays | None = None, *, without: tuple[str, ...] = (), **bounds: float) -> None:
    """Asserts that every runtime agrees within the bounds of edgekit/ops/support.py, or within those given (litert=1,
    litert_reference=2), and that the file read back is the same function."""
    inputs = random_inputs(program) if inputs is None else inputs
    without += tuple(name for name in RUNTIMES if not all(runs(op, name) for op in program.ops))
    for name, found in differences(program, inputs, without=without).items():
        assert found <= bounds.get(name.replace("-", "_"), supported(program, name)), (name, found)
    truth, again = interpreter.run(program, inputs), from_tflite(emit_tflite(program), "again")
    got = interpreter.run(again, inputs)
    assert max(largest_difference(truth[t.name], got[t.name]) for t in program.outputs) == 0
