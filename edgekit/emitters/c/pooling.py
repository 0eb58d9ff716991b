"""Rows of pooling: the largest value or the mean of each window. Refused: windows that see nothing of the input."""

from __future__ import annotations

from edgekit.emitters.c.call import Call, Fields, Lowered, Row
from edgekit.emitters.c.overlaps import windows
from edgekit.emitters.c.windows import window
from edgekit.ops.pooling import AveragePool2D, MaxPool2D, Pool2D
from edgekit.ops.reading import Refusal
from edgekit.program import Op

HEADER = "ek_pooling.h"


def max_pool_2d(op: MaxPool2D) -> Lowered:
    return _pool(op, "ek_max_pool2d")


def average_pool_2d(op: AveragePool2D) -> Lowered:
    return _pool(op, "ek_average_pool2d")


def _pool(op: Pool2D, kernel: str) -> Lowered:
    dtype = op.output.dtype
    if dtype not in ("s8", "s16", "f32") or op.input.dtype != dtype:
        raise Refusal(f"there is no kernel from {op.input.dtype} to {dtype}", "use int8, int16 or float32")
    _check_windows(op)
    before = op.padding[0][0], op.padding[1][0]
    low, high = op.activation.value if dtype == "f32" else op.activation.limits(op.output)
    params: Fields = {"window": window(op, op.kernel, op.stride, (1, 1), before), "low": low, "high": high}
    call = Call(
        f"{kernel}_{dtype}", HEADER, (op.input, op.output), params,
        "ek_pool2d_f32_params" if dtype == "f32" else "ek_pool2d_params", backward="window.backward",
    )  # fmt: skip
    over = windows(op.input, op.output, op.kernel, op.stride, (1, 1), op.padding, own_channel=True)
    return Lowered((call,), {(op.input, op.output): over})


def _check_windows(op: Pool2D) -> None:
    for axis, kernel, stride, (before, _) in zip((1, 2), op.kernel, op.stride, op.padding, strict=True):
        last = (op.output.shape[axis] - 1) * stride - before
        if before >= kernel or last >= op.input.shape[axis]:
            raise Refusal("one of its windows lies wholly in the padding", "use a padding smaller than the kernel")


ROWS: dict[type[Op], Row] = {MaxPool2D: max_pool_2d, AveragePool2D: average_pool_2d}
