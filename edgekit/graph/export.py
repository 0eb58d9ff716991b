"""torch.nn.Module → float onnx_ir.Model, with static shapes, compared with what PyTorch answers.

The exporter is torch's own (torch.export, then torch.onnx). What it cannot export is refused with its own reason, and a
graph that answers differently from the module is refused too.
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import re
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from edgekit.errors import ModelError, UnsupportedError, UsageError
from edgekit.model import TORCH_HINT, ModelSpec

OPSET = 20
EXPORTER_PACKAGES = ("onnxscript", "onnx", "onnx_ir")  # the extra brings the first
TOLERANCE = 1e-3  # of the range of an output; 1e-6 is usual


@dataclass(frozen=True)
class Exported:
    """The float graph and its largest absolute difference from the module's own output."""

    model: ir.Model
    max_abs_error: float
    opset: int


def export(spec: ModelSpec) -> Exported:
    """Export `spec.module` for the shapes of `spec.example_inputs`; the module's training mode is left as it was.

    Raises UnsupportedError (the exporter cannot), ModelError (the graph answers something else).
    """
    import torch

    module, inputs = spec.module, spec.example_inputs
    assert inputs is not None
    modes = {m: m.training for m in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            examples = [(inputs, _answers(spec, module, inputs))]  # a broken model is found before exporting
            other = _other_inputs(inputs)
            with contextlib.suppress(ModelError):  # random numbers may lie outside of what the model takes
                examples.append((other, _answers(spec, module, other)))
            model = _exported(spec, module, inputs)
            error = max(_difference(model, *example) for example in examples)
    finally:
        for child, training in modes.items():
            child.training = training
    return Exported(model, error, OPSET)


def _answers(spec: ModelSpec, module: Any, inputs: tuple[Any, ...]) -> list[np.ndarray]:
    """What PyTorch answers; ModelError where the model itself fails, or answers with NaN."""
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what the model prints
            answered = module(*copy.deepcopy(inputs))  # which it may change in place
        answers = [t.detach().cpu().numpy() for t in _tensors(answered)]
    except Exception as e:
        raise ModelError(
            f"{spec.name} fails on its example inputs: {type(e).__name__}: {_line(str(e))}{_place(e)}",
            hint="check that example_inputs are the arguments of forward(), in a tuple",
        ) from e
    if not answers:
        raise ModelError(f"{spec.name} answers without a tensor", hint="return a tensor, or a tuple or dict of them")
    if not all(np.isfinite(a).all() for a in answers):
        raise ModelError(f"{spec.name} answers with NaN or infinity", hint="check its weights and example inputs")
    return answers


def _place(error: Exception) -> str:
    """` (net.py:12)`: the last line outside of PyTorch that led to the error, if there is one."""
    frames = traceback.extract_tb(error.__traceback__)
    outside = [f for f in frames[1:] if "/torch/" not in f.filename]
    return f" ({outside[-1].filename}:{outside[-1].lineno})" if outside else ""


def _line(text: str) -> str:
    """The first line that says something, without colours."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return next((line.strip()[:300] for line in plain.splitlines() if line.strip()), "")


def _exported(spec: ModelSpec, module: Any, inputs: tuple[Any, ...]) -> ir.Model:
    import torch

    noise = io.StringIO()
    try:
        with _quiet(noise):
            program = torch.onnx.export(module, inputs, dynamo=True, opset_version=OPSET, verbose=False, optimize=True)
    except Exception as e:
        absent = (c for c in _causes(e) if isinstance(c, ModuleNotFoundError))
        missing = next((c for c in absent if (c.name or "").partition(".")[0] in EXPORTER_PACKAGES), None)
        if missing is not None:
            raise UsageError(f"exporting needs {missing.name}, which is not installed", hint=TORCH_HINT) from e
        hint = "change that part of the model (no control flow or shapes that depend on data), or export it yourself"
        raise UnsupportedError(f"{spec.name} cannot be exported: {_reason(e)}", hint=hint) from e
    model = program.model
    assert isinstance(model, ir.Model)
    return model


@contextlib.contextmanager
def _quiet(noise: io.StringIO) -> Iterator[None]:
    """The exporter talks on stdout, stderr, by warnings and by logging; none of it belongs in the user's terminal."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(noise), contextlib.redirect_stderr(noise):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _reason(error: Exception) -> str:
    """The innermost cause in one or two lines, with the user's line of code where the exporter names it."""
    causes = [c for c in _causes(error) if str(c).strip()]
    if not causes:
        return type(error).__name__
    inner = causes[-1]
    texts = "\n".join(str(c) for c in causes)
    lines = [m for m in re.findall(r'File "([^"]+)", line (\d+)', texts) if "/torch/" not in m[0]]
    place = f" ({lines[-1][0]}:{lines[-1][1]})" if lines else ""
    return f"{type(inner).__name__}: {_line(str(inner))}{place}"


def _other_inputs(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same shapes with other values: an example of zeros proves little."""
    import torch

    generator = torch.Generator().manual_seed(0)
    return tuple(
        torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
        if isinstance(x, torch.Tensor) and x.dtype in (torch.float32, torch.float64)
        else x
        for x in inputs
    )


def _difference(model: ir.Model, inputs: tuple[Any, ...], wanted: list[np.ndarray]) -> float:
    """Largest absolute difference over the outputs; ModelError when it is more than rounding."""
    from edgekit.graph.evaluation import Predictor
    from edgekit.graph.save import to_bytes

    given = [t.detach().cpu().numpy() for t in _tensors(inputs)]
    names = [v.name or "" for v in model.graph.inputs]
    if len(names) != len(given):
        raise ModelError(f"the exported graph has inputs {names}, the example has {len(given)} tensors")
    got = Predictor(to_bytes(model)).run(dict(zip(names, given, strict=True)))
    if [a.shape for a in got] != [a.shape for a in wanted]:
        shapes = f"{[list(a.shape) for a in got]} instead of {[list(a.shape) for a in wanted]}"
        raise ModelError(f"the exported graph answers in the shapes {shapes}", hint="return tensors only, each once")
    differences = [_largest(a, b) for a, b in zip(wanted, got, strict=True)]
    for value, reference, difference in zip(model.graph.outputs, wanted, differences, strict=True):
        reach = float(np.abs(reference.astype(np.float64)).max(initial=1e-6))
        if not difference <= TOLERANCE * reach:
            raise ModelError(
                f'output "{value.name}" of the exported graph differs from PyTorch by {difference:.3g}',
                hint="the model has randomness or state in its forward pass, or the exporter has a bug",
            )
    return max(differences, default=0.0)


def _largest(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max(initial=0.0))


def _tensors(value: Any) -> Sequence[Any]:
    """The tensors in nested tuples, lists and dicts, in order."""
    import torch

    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        return [t for v in value.values() for t in _tensors(v)]
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in _tensors(v)]
    return []
