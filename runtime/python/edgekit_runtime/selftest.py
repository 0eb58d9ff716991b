"""A loaded model and its golden data → how far its outputs are from the golden ones, and whether that is tolerable."""

from __future__ import annotations

import hashlib

import numpy as np

from edgekit_runtime.model import Model


def check(model: Model) -> dict:
    """Run every golden input. `ok` is false when an output is not finite or differs by more than its tolerance.

    An output without a tolerance in model.json is only checked for finite values. `output_sha256` is over the outputs
    in real values, sample by sample in the order of `model.outputs`, little endian. Raises LoadError when
    there is no golden data.
    """
    errors = {v.name: 0.0 for v in model.outputs}
    finite = dict.fromkeys(errors, True)
    digest = hashlib.sha256()
    samples = 0
    for inputs, expected in model.golden():
        samples += 1
        for name, output in outputs_by_name(model, inputs).items():
            digest.update(_little_endian(output))
            finite[name] = finite[name] and bool(np.isfinite(output).all())
            errors[name] = max(errors[name], _max_abs_error(output, expected[name]))
    outputs = [_verdict(v, errors[v.name], finite[v.name]) for v in model.outputs]
    worst = max(outputs, key=lambda o: (not o["ok"], o["max_abs_error"] / (o["tolerance"] or 1.0)))
    return {
        "ok": all(o["ok"] for o in outputs),
        "samples": samples,
        "outputs": outputs,
        "max_abs_error": worst["max_abs_error"],
        "tolerance": worst["tolerance"],
        "output_sha256": digest.hexdigest(),
    }


def mismatch(result: dict) -> str:
    """One line for people: which outputs of a failed `check` are wrong."""
    wrong = "; ".join(_complaint(o) for o in result["outputs"] if not o["ok"])
    return f"outputs differ from the golden ones: {wrong}"


def _complaint(output: dict) -> str:
    if not output["finite"]:
        return f"{output['name']} is not finite"
    return f"{output['name']} by {output['max_abs_error']:.6g}, tolerance {output['tolerance']:.6g}"


def outputs_by_name(model: Model, inputs: dict) -> dict:
    """Outputs of one run as a dict, whatever their number."""
    outputs = model(inputs)
    return dict(zip((v.name for v in model.outputs), (outputs,) if len(model.outputs) == 1 else outputs))


def _max_abs_error(output: np.ndarray, expected: np.ndarray) -> float:
    """Largest absolute difference; positions where both hold the same infinity or both NaN count as equal."""
    same = (output == expected) | ((output != output) & (expected != expected))
    if same.all():
        return 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        error = float(np.abs(output[~same].astype(np.float64) - expected[~same].astype(np.float64)).max())
    return error if error == error else float("inf")


def _verdict(value, error: float, finite: bool) -> dict:
    ok = finite and (value.tolerance is None or error <= value.tolerance)
    return {"name": value.name, "max_abs_error": error, "tolerance": value.tolerance, "finite": finite, "ok": ok}


def _little_endian(array: np.ndarray) -> bytes:
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
