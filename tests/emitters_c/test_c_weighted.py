"""Weighted sums, pooling and products of matrices as C: wide and odd geometry, extreme scales, zero points and biases,
int16 pooling, and what has no kernel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from c_cases import Case, answers, worst
from random_operators import flag, inputs_of, like, one, one_of, value, weighted, whole
from test_c_operators import allowed
from test_c_overlaps import channels, convolution, pooling

from edgekit.emitters.c import emit_c
from edgekit.errors import UnsupportedOpError
from edgekit.ops import AveragePool2D, BatchMatMul, Conv2D, DepthwiseConv2D, FullyConnected, MaxPool2D, TransposeConv
from edgekit.program import Activation, Op, Program, QuantParams, Tensor

CASES = 16
EXTREME_SCALES = (1e-7, 1e-3, 1.0, 1e3, 1e7)


def equal(programs: list[Program]) -> None:
    """In C as in the interpreter, for two samples of each."""
    cases: list[Case] = [(program, [inputs_of(program, seed) for seed in (1, 2)]) for program in programs]
    for case, got in zip(cases, answers(cases, "sanitized"), strict=True):
        assert worst(case, got) <= allowed(case), case[0].text()


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, 11])


@pytest.mark.parametrize("kind", ["s8", "f32"])
@pytest.mark.parametrize("cls", [Conv2D, DepthwiseConv2D])
def test_wide_convolutions(cls, kind):
    equal([convolution(cls, generator(seed), kind) for seed in range(CASES)])


@pytest.mark.parametrize("kind", ["s8", "f32"])
def test_one_channel_in_each_group(kind):
    """What a depthwise convolution is in other words."""
    programs = []
    for seed in range(4):
        rng, depth = generator(seed), whole(generator(seed), 2, 9)
        x = value(rng, "x", (2, 5, 4, depth), kind)
        y = value(rng, "y", (2, 3, 3, depth), kind)
        programs.append(one(Conv2D, weighted(rng, x, (depth, 3, 2, 1), 0), y, groups=depth))
    equal(programs)


@pytest.mark.parametrize("kind", ["s8", "f32"])
@pytest.mark.parametrize("cls", [Conv2D, DepthwiseConv2D])
def test_windows_that_see_only_padding(cls, kind):
    """Padding larger than the kernel, before and behind, dilated and with strides."""
    programs = []
    for seed in range(6):
        rng = generator(seed)
        depth, stride, dilation = channels(rng), whole(rng, 1, 3), whole(rng, 1, 2)
        pads = tuple((whole(rng, 2, 5), whole(rng, 2, 5)) for _ in range(2))
        out = tuple((3 + a + b - dilation - 1) // stride + 1 for a, b in pads)
        x, y = value(rng, "x", (1, 3, 3, depth), kind), value(rng, "y", (1, *out, depth), kind)
        shape, axis = ((depth, 2, 2, depth), 0) if cls is Conv2D else ((1, 2, 2, depth), 3)
        fields = {"stride": (stride, stride), "dilation": (dilation, dilation), "padding": pads}
        programs.append(one(cls, weighted(rng, x, shape, axis), y, **fields))
    equal(programs)


@pytest.mark.parametrize("kind", ["s8", "f32"])
def test_wide_transposed_convolutions(kind):
    """Strides above the kernel leave outputs that are only a bias."""
    programs = []
    for seed in range(8):
        rng = generator(seed)
        depth, filters, kernel, stride = channels(rng), channels(rng), whole(rng, 1, 3), whole(rng, 1, 4)
        out, crop = (3 - 1) * stride + kernel + whole(rng, 0, 1), whole(rng, 0, kernel - 1)
        x, y = value(rng, "x", (2, 3, 3, depth), kind), value(rng, "y", (2, out - crop, out - crop, filters), kind)
        operands = weighted(rng, x, (filters, kernel, kernel, depth), 0)
        programs.append(one(TransposeConv, operands, y, stride=(stride, stride), crop=(crop, crop)))
    equal(programs)


@pytest.mark.parametrize("units", [1, 3, 4, 15, 16, 17, 33])
def test_units_around_full_blocks(units):
    rng = generator(units)
    programs = []
    for kind in ("s8", "f32"):
        x = value(rng, "x", (3, 9), kind)
        programs.append(one(FullyConnected, weighted(rng, x, (units, 9), 0), value(rng, "y", (3, units), kind)))
    equal(programs)


def extreme(cls: type[Op], seed: int) -> Program:
    """Scales that saturate, that give nothing but the zero point, or that shift to the left; sums that wrap."""
    rng = generator(seed)
    x = Tensor("x", (1, 4, 4, 6), "s8", QuantParams.of(one_of(rng, EXTREME_SCALES), one_of(rng, (-128, 0, 127))))
    y = Tensor("y", (1, 4, 4, 6), "s8", QuantParams.of(one_of(rng, EXTREME_SCALES), one_of(rng, (-128, 0, 127))))
    shape, axis = {Conv2D: ((6, 1, 1, 6), 0), DepthwiseConv2D: ((1, 1, 1, 6), 3), FullyConnected: ((6, 6), 0)}[cls]
    count = 6 if flag(rng) else 1
    scales = QuantParams(
        tuple(float(np.float32(one_of(rng, EXTREME_SCALES))) for _ in range(count)),
        (0,) * count,
        axis if count > 1 else None,
    )
    w = Tensor("w", shape, "s8", scales, rng.integers(-128, 128, shape).astype(np.int8))
    bias = np.array([one_of(rng, (-(2**31), 2**31 - 1, 0, 2**31 - 900, 77, -5)) for _ in range(6)], np.int32)
    operands = (x, w, Tensor("b", (6,), "s32", None, bias))
    return one(cls, operands, y, activation=one_of(rng, list(Activation)))


@pytest.mark.parametrize("cls", [Conv2D, DepthwiseConv2D, FullyConnected])
def test_extreme_scales_and_biases(cls):
    equal([extreme(cls, seed) for seed in range(24)])


def test_bias_of_64_bits_wraps():
    rng = generator(3)
    x, y = value(rng, "x", (1, 7), "s8"), value(rng, "y", (1, 2), "s8")
    x, w = weighted(rng, x, (2, 7), 0)[:2]
    equal([one(FullyConnected, (x, w, Tensor("b", (2,), "s64", None, np.array([2**40 + 5, -(2**33)]))), y)])


@pytest.mark.parametrize("kind", ["s8", "f32"])
def test_products_of_matrices_with_extremes(kind):
    programs = []
    for seed in range(8):
        rng = generator(seed)
        rows, depth, columns = (whole(rng, 1, 9) for _ in range(3))
        a, b = value(rng, "a", (3, 1, rows, depth), kind), value(rng, "b", (2, depth, columns), kind)
        y = value(rng, "y", (3, 2, rows, columns), kind)
        if kind == "s8":
            y = replace(y, quant=QuantParams.of(one_of(rng, EXTREME_SCALES), one_of(rng, (-128, 127))))
        programs.append(one(BatchMatMul, (a, b), y))
    a = value(generator(9), "a", (2, 5, 5), kind)
    programs.append(one(BatchMatMul, (a, a), value(generator(9), "y", (2, 5, 5), kind), adj_y=True))
    equal(programs)


@pytest.mark.parametrize("cls", [MaxPool2D, AveragePool2D])
def test_pooling(cls):
    """Wide, in int16 and float too."""
    programs = [pooling(cls, generator(seed), one_of(generator(seed), ["s8", "f32"])) for seed in range(CASES)]
    for seed in range(8):
        rng = generator(seed)
        op = pooling(cls, rng, "s8").ops[0]
        quant = QuantParams.of(op.input.scale / 256, 0)
        x, y = (replace(t, dtype="s16", quant=quant) for t in (op.input, op.output))
        fields = {"kernel": op.kernel, "stride": op.stride, "padding": op.padding}
        programs.append(one(cls, x, y, activation=one_of(rng, list(Activation)), **fields))
    equal(programs)


def test_mean_of_halves():
    """Away from zero, on both sides."""
    x = Tensor("x", (1, 1, 4, 256), "s8", QuantParams.of(1.0))
    program = one(AveragePool2D, x, like(x, "y", (1, 1, 2, 256)), kernel=(1, 2), stride=(1, 2))
    equal([program])


def refusal(program: Program) -> str:
    with pytest.raises(UnsupportedOpError) as caught:
        emit_c(program)
    return str(caught.value)


def test_what_has_no_kernel_is_refused():
    quant = QuantParams.of(0.1)
    x, y = Tensor("x", (1, 140_000), "s8", quant), Tensor("y", (1, 1), "s8", quant)
    w = Tensor("w", (1, 140_000), "s8", quant, np.full((1, 140_000), 127, np.int8))
    assert "exceed 32 bits" in refusal(one(FullyConnected, (x, w), y))
    assert "from s8 to s16" in refusal(one(FullyConnected, (x, w), replace(y, dtype="s16")))
    assert "computed at run time" in refusal(one(FullyConnected, (x, replace(w, data=None)), y))
    a, b = Tensor("a", (1, 40_000), "s8", quant), Tensor("b", (40_000, 1), "s8", quant)
    assert "exceed 32 bits" in refusal(one(BatchMatMul, (a, b), y))
    p = Tensor("x", (1, 2, 2, 1), "s8", quant)
    program = one(MaxPool2D, p, like(p, "y", (1, 6, 6, 1)), kernel=(1, 1), padding=((2, 2), (2, 2)))
    assert "wholly in the padding" in refusal(program)
