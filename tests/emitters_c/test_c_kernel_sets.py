"""The seam for faster kernels: a set that packs weights in an order of its own, asks for scratch memory and replaces a
file of the reference set. Real kernels, made for the test, run under ASan and UBSan."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from c_cases import answers, worst
from random_operators import PROGRAMS, inputs_of

from edgekit.emitters.c import KERNEL_SETS, emit_c, kernel_sets, sources
from edgekit.emitters.c.call import Call, Lowered, table
from edgekit.emitters.c.kernel_sets import KernelSet
from edgekit.emitters.c.weighted import constant, requantize
from edgekit.ops.convolution import Conv2D
from edgekit.ops.fully_connected import FullyConnected
from edgekit.resources import runtime_dir

HEADER = """#ifndef EK_PACKED_H
#define EK_PACKED_H
#include "ek_weighted.h"
typedef struct {
  int32_t rows, depth, units;
  const int8_t *weights; /* [depth][units] */
  int32_t offset;
  ek_requantize requantize;
} ek_packed_s8_params;
ek_status ek_packed_s8(const ek_packed_s8_params *p, const int8_t *x, int8_t *y, void *scratch);
#endif
"""
KERNEL = """#include "ek_packed.h"
#include "ek_weighted_sums.h"
ek_status ek_packed_s8(const ek_packed_s8_params *p, const int8_t *x, int8_t *y, void *scratch) {
  int16_t *centred = scratch;
  for (int32_t row = 0; row < p->rows; ++row, x += p->depth) {
    for (int32_t i = 0; i < p->depth; ++i) centred[i] = (int16_t)(x[i] + p->offset);
    for (int32_t unit = 0; unit < p->units; ++unit) {
      int32_t sum = p->requantize.bias[unit];
      for (int32_t i = 0; i < p->depth; ++i) sum += centred[i] * p->weights[i * p->units + unit];
      ek_requantize_s8(&p->requantize, unit, &sum, 1, y++);
    }
  }
  return EK_OK;
}
"""


def packed(op: FullyConnected) -> Lowered:
    data = constant(op, 1)
    units, depth = data.shape
    params = {
        "rows": op.input.size // depth, "depth": depth, "units": units, "weights": table(data.T, "s8"),
        "offset": -op.input.zero_point, "requantize": requantize(op, units),
    }  # fmt: skip
    call = Call("ek_packed_s8", "ek_packed.h", (op.input, op.output), params, scratch_bytes=2 * depth)
    return Lowered((call,))


@pytest.fixture
def fast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a set whose folder lies over the reference one."""
    shutil.copytree(runtime_dir() / "c" / "kernels", tmp_path / "kernels")
    shutil.copytree(runtime_dir() / "c" / "include", tmp_path / "include")
    own = tmp_path / "kernels" / "fast"
    own.mkdir()
    (own / "ek_packed_s8.c").write_text(KERNEL)
    (own / "ek_conv2d_s8.c").write_text(
        "/* of the fast set */\n" + (tmp_path / "kernels" / "reference" / "ek_conv2d_s8.c").read_text()
    )
    (tmp_path / "include" / "ek_packed.h").write_text(HEADER)
    monkeypatch.setattr(kernel_sets, "kernels_dir", lambda: tmp_path / "kernels")
    monkeypatch.setattr(sources, "include_dir", lambda: tmp_path / "include")
    monkeypatch.setitem(KERNEL_SETS, "fast", KernelSet("fast", ("fast", "reference"), {FullyConnected: packed}))
    return "fast"


def cases_of(cls) -> list:
    programs = [PROGRAMS[cls](np.random.default_rng([seed, 5]), "s8") for seed in range(6)]
    return [(program, [inputs_of(program, seed)]) for seed, program in enumerate(programs)]


def test_a_row_of_its_own_packs_weights_and_gets_scratch(fast: str) -> None:
    cases = cases_of(FullyConnected)
    for case, got in zip(cases, answers(cases, "sanitized", emit=partial(emit_c, kernels=fast)), strict=True):
        assert worst(case, got) == 0
        model = emit_c(case[0], kernels=fast)
        (step,) = model.memory.problem.steps
        assert step.scratch is not None and step.scratch.bytes == 2 * case[0].ops[0].inputs[1].shape[1]
        begin = model.plan.offsets[step.scratch]
        assert begin % 8 == 0
        for buffer in (*step.reads, *step.writes):
            at = model.plan.offsets[buffer]
            assert at + buffer.bytes <= begin or begin + step.scratch.bytes <= at
        assert "ek_fully_connected_s8.c" not in model.sources.kernel_files


def test_a_file_replaces_the_one_of_its_name(fast: str) -> None:
    cases = cases_of(Conv2D)
    for case, got in zip(cases, answers(cases, "sanitized", emit=partial(emit_c, kernels=fast)), strict=True):
        assert worst(case, got) == 0
    files = emit_c(cases[0][0], kernels=fast).sources.kernel_files
    assert files["ek_conv2d_s8.c"].startswith("/* of the fast set */")
    assert not emit_c(cases[0][0]).sources.kernel_files["ek_conv2d_s8.c"].startswith("/* of the fast set */")
