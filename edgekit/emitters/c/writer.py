"""A planned Program → the text of NAME.h, NAME.c and NAME_model.c.

NAME.c holds the constants, one params struct for each call and invoke() with one call per line. Equal constants are
written once. Nothing depends on the clock, the machine or the order of a set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from edgekit import __version__
from edgekit.emitters.c import text
from edgekit.emitters.c.call import C_TYPES, ENUMS, Call, Fields, Lowered, Name, Operand, Table, Value
from edgekit.emitters.c.memory import Memory, constant_ends
from edgekit.planner import Plan
from edgekit.program import Op, Program, Tensor

ALIGNMENT = 8  # of the arena


@dataclass(frozen=True)
class Names:
    """Identifiers of one model: `kws`, `KWS`, and of its ends: `input`, of several `input_NAME`."""

    lower: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def upper(self) -> str:
        return self.lower.upper()

    @classmethod
    def of(cls, program: Program) -> Names:
        return cls(text.identifier(program.name), _ends("input", program.inputs), _ends("output", program.outputs))


def _ends(kind: str, tensors: tuple[Tensor, ...]) -> tuple[str, ...]:
    if len(tensors) == 1:
        return (kind,)
    return tuple(f"{kind}_{word}" for word in text.identifiers(t.name for t in tensors))


class Writer:
    """The files of one model; `texts()` gives them by name."""

    def __init__(
        self, program: Program, memory: Memory, lowered: Mapping[Op, Lowered], plan: Plan, *, keep_input: bool
    ) -> None:
        self.program, self.memory, self.lowered, self.plan = program, memory, lowered, plan
        self.keep_input = keep_input
        self.names = Names.of(program)
        self.arena_bytes = max(-(-plan.bytes // ALIGNMENT) * ALIGNMENT, ALIGNMENT)
        self._tables: dict[tuple[str, bytes], str] = {}
        self._arrays: list[str] = []

    def texts(self) -> dict[str, str]:
        name = self.names.lower
        return {f"{name}.h": self._header(), f"{name}.c": self._source(), f"{name}_model.c": self._model()}

    def _title(self, what: str) -> str:
        return f"/* {text.comment(self.program.name)}: {what}. Made by edgekit {__version__}: do not edit. */"

    @property
    def constant_bytes(self) -> int:
        """Of the tables that `texts` has written."""
        return sum(len(content) for _, content in self._tables)

    # --- NAME.h

    def _header(self) -> str:
        n = self.names
        lines = [
            self._title("a model as C99"),
            f"/* static {n.lower}_arena arena; call {n.lower}_init(&arena) once{self._resets()}; then, for each",
            f"   inference, write the inputs, call {n.lower}_invoke(&arena) and read the outputs. */",
            f"#ifndef {n.upper}_H",
            f"#define {n.upper}_H",
            "",
            '#include "edgekit.h"',
            "",
            "#ifdef __cplusplus",
            'extern "C" {',
            "#endif",
            "",
            f"#define {n.upper}_ARENA_BYTES {self.arena_bytes}",
            "",
            "/* All memory that the model writes to, inputs and outputs included. */",
            f"typedef union {{\n  uint64_t alignment;\n  uint8_t bytes[{n.upper}_ARENA_BYTES];\n}} {n.lower}_arena;",
            "",
            f"void {n.lower}_init({n.lower}_arena *arena);",
            f"ek_status {n.lower}_invoke({n.lower}_arena *arena);",
        ]
        for tensor, end in zip(self.program.inputs, n.inputs, strict=True):
            lines += self._end(tensor, end, "")
        for tensor, end in zip(self.program.outputs, n.outputs, strict=True):
            lines += self._end(tensor, end, "const ")
        lines += ["", "#ifdef __cplusplus", "}", "#endif", "#endif", ""]
        return "\n".join(lines)

    def _resets(self) -> str:
        return ", and to forget what it remembers" if self.program.states else ""

    def _end(self, tensor: Tensor, end: str, qualifier: str) -> Iterator[str]:
        """Macros and accessor of an input or output."""
        macro = f"{self.names.upper}_{end.upper()}"
        is_input = not qualifier
        fate = ""
        if is_input:
            fate = "; invoke() leaves it as it is" if self.keep_input else "; invoke() may overwrite it"
        yield ""
        yield f"/* {text.comment(str(tensor))}{fate} */"
        yield f"#define {macro}_SIZE {tensor.size}"
        if tensor.quant is not None and tensor.quant.per_tensor:
            yield f"/* real value = (stored - {macro}_ZERO_POINT) * {macro}_SCALE */"
            yield f"#define {macro}_SCALE {text.number(tensor.scale)}"
            yield f"#define {macro}_ZERO_POINT ({tensor.zero_point})"
        c_type, name = C_TYPES[tensor.dtype], self.names.lower
        yield f"{qualifier}{c_type} *{name}_{end}({qualifier}{name}_arena *arena);"
        if tensor.quant is not None and tensor.quant.per_tensor and tensor.dtype in ("s8", "u8", "s16"):
            yield from self._quantization(tensor, end, macro) if is_input else self._dequantization(tensor, end, macro)

    def _quantization(self, tensor: Tensor, end: str, macro: str) -> Iterator[str]:
        """The function that stores a real value."""
        c_type, (low, high) = C_TYPES[tensor.dtype], tensor.limits
        yield f"static inline {c_type} {self.names.lower}_quantize_{end}(float real) {{"
        yield f"  return ({c_type})ek_quantize(real, {macro}_SCALE, {macro}_ZERO_POINT, {low}, {high});"
        yield "}"

    def _dequantization(self, tensor: Tensor, end: str, macro: str) -> Iterator[str]:
        yield f"static inline float {self.names.lower}_dequantize_{end}({C_TYPES[tensor.dtype]} stored) {{"
        yield f"  return (float)(stored - {macro}_ZERO_POINT) * {macro}_SCALE;"
        yield "}"

    # --- NAME.c

    def _source(self) -> str:
        n = self.names
        body = [line for index in self.plan.order for line in self._calls(index)]
        body += [line for state in self.program.states for line in self._carry(state.after, state.before)]
        params = self._params_texts
        init = list(self._init_lines())
        headers = sorted({call.header for op in self.memory.ops for call in self.lowered[op].calls})
        parts = [
            f'{self._title("the calls of its kernels")}\n#include "{n.lower}.h"\n',
            *(["#include <string.h>\n"] if any("mem" in line[:3] for line in (*body, *init)) else []),
            *(["#include <math.h>\n"] if self._uses_math(params) else []),
            *(f'#include "{header}"\n' for header in headers),
            "\n",
            *self._arrays,
            "\n" if params else "",
            *params,
            "\nstatic void *at(uint8_t *arena, int32_t offset) { return arena + offset; }\n" if body or init else "",
            f"\nvoid {n.lower}_init({n.lower}_arena *arena) {{\n",
            "".join(f"  {line}\n" for line in init) or "  (void)arena;\n",
            "}\n",
            f"\nek_status {n.lower}_invoke({n.lower}_arena *arena) {{\n",
            *self._invoke_body(body),
            "}\n",
            *self._accessors(),
        ]
        return "".join(parts)

    def _invoke_body(self, body: list[str]) -> Iterator[str]:
        if not body:
            yield "  (void)arena;\n  return EK_OK;\n"
            return
        yield "  uint8_t *a = arena->bytes;\n"
        if self.memory.ops:
            yield "  ek_status status;\n"
        yield from (f"  {line}\n" for line in body)
        yield "  return EK_OK;\n"

    @property
    def _params_texts(self) -> list[str]:
        return [
            f"static const {_params_type(call)} {name} = {self._struct(call.params, self._backward(index, call))};\n"
            for index, op in enumerate(self.memory.ops)
            for call, name in zip(self.lowered[op].calls, self._params_names(index), strict=True)
            if call.params is not None
        ]

    def _params_names(self, index: int) -> list[str]:
        calls = self.lowered[self.memory.ops[index]].calls
        return [f"op{index}" if len(calls) == 1 else f"op{index}_{k}" for k in range(len(calls))]

    def _backward(self, index: int, call: Call) -> str:
        if index not in self.plan.backward:
            return ""
        assert call.backward, f"{call.kernel} cannot go backward"
        return call.backward

    def _calls(self, index: int) -> Iterator[str]:
        op = self.memory.ops[index]
        shapes = ", ".join(f"{t.dtype}{list(t.shape)}" for t in op.inputs if not t.constant)
        results = ", ".join(f"{t.dtype}{list(t.shape)}" for t in op.outputs)
        yield f"/* {index} {text.comment(op.name)}: {op.kind} {shapes} -> {results} */"
        for call, name in zip(self.lowered[op].calls, self._params_names(index), strict=True):
            arguments = [f"&{name}"] if call.params is not None else []
            arguments += [self._operand(operand) for operand in call.operands]
            if call.scratch_bytes:
                scratch = self.memory.problem.steps[index].scratch
                assert scratch is not None
                arguments.append(f"at(a, {self.plan.offsets[scratch]})")
            yield f"if ((status = {call.kernel}({', '.join(arguments)})) != EK_OK) return status;"

    def _operand(self, operand: Operand) -> str:
        if isinstance(operand, Tensor) and operand in self.memory.buffers and not operand.constant:
            return f"at(a, {self._offset(operand)})"
        return self._table(_constant(operand))

    def _offset(self, tensor: Tensor) -> int:
        return self.plan.offsets[self.memory.buffers[tensor]]

    def _carry(self, after: Tensor, before: Tensor) -> Iterator[str]:
        if after.bytes and self._offset(after) != self._offset(before):
            yield f"memcpy(at(a, {self._offset(before)}), at(a, {self._offset(after)}), {after.bytes}); /* state */"

    def _init_lines(self) -> Iterator[str]:
        initial = [(s.before, Table(np.ascontiguousarray(s.initial))) for s in self.program.states]
        initial += [(tensor, _constant(tensor)) for tensor in constant_ends(self.program)]
        for tensor, table in initial:
            where = f"at(arena->bytes, {self._offset(tensor)})"
            content = table.data.tobytes()
            if content and len(set(content)) == 1:
                yield f"memset({where}, {content[0]}, {len(content)});"
            elif content:
                yield f"memcpy({where}, {self._table(table)}, {len(content)});"

    def _accessors(self) -> Iterator[str]:
        ends = [(t, end, "") for t, end in zip(self.program.inputs, self.names.inputs, strict=True)]
        ends += [(t, end, "const ") for t, end in zip(self.program.outputs, self.names.outputs, strict=True)]
        name = self.names.lower
        for tensor, end, qualifier in ends:
            c_type = f"{qualifier}{C_TYPES[tensor.dtype]} *"
            cast = f"({c_type})({qualifier}void *)(arena->bytes + {self._offset(tensor)})"
            yield f"\n{c_type}{name}_{end}({qualifier}{name}_arena *arena) {{ return {cast}; }}\n"

    # --- values

    def _struct(self, params: Fields | None, backward: str) -> str:
        assert params is not None
        fields = {name: self._value(value) for name, value in params.items() if value is not None}
        head, _, rest = backward.partition(".")
        if rest:
            inner = params[head]
            assert isinstance(inner, Mapping)
            fields[head] = self._struct(inner, rest)
        elif head:
            fields[head] = "1"
        return text.initializer(fields)

    def _value(self, value: Value) -> str:
        if isinstance(value, Mapping):
            return self._struct(value, "")
        if isinstance(value, Name):
            return value.text
        if isinstance(value, (Tensor, Table)):
            return self._table(_constant(value))
        if isinstance(value, tuple):
            return "{" + ", ".join(text.integer(v) for v in value) + "}"
        if isinstance(value, (float, np.floating)):
            return text.number(float(value))
        assert value is not None
        return text.integer(int(value))

    def _table(self, table: Table) -> str:
        """The name of the array that holds it; equal ones are one."""
        key = table.dtype, table.data.tobytes()
        if key not in self._tables:
            self._tables[key] = f"table{len(self._tables)}"
            self._arrays.append(text.array(self._tables[key], table))
        return self._tables[key]

    def _uses_math(self, params: list[str]) -> bool:
        return any("INFINITY" in part or "NAN" in part for part in (*params, *self._arrays))

    # --- NAME_model.c

    def _model(self) -> str:
        n = self.names
        ends = [*zip(self.program.inputs, n.inputs, strict=True), *zip(self.program.outputs, n.outputs, strict=True)]
        shapes = [
            f"static const int32_t shape_{end}[{max(len(t.shape), 1)}] = {{{', '.join(map(str, t.shape)) or '0'}}};\n"
            for t, end in ends
        ]
        return "".join(
            [
                f"{self._title('what it is, for programs that run any model')}\n",
                f'#include "{n.lower}.h"\n\nextern const ek_model {n.lower}_model;\n\n',
                *shapes,
                *self._values("inputs", self.program.inputs, n.inputs),
                *self._values("outputs", self.program.outputs, n.outputs),
                f"\nstatic void init(void *arena) {{ {n.lower}_init(({n.lower}_arena *)arena); }}\n",
                f"static ek_status invoke(void *arena) {{ return {n.lower}_invoke(({n.lower}_arena *)arena); }}\n\n",
                f"const ek_model {n.lower}_model = {{\n  {text.string(self.program.name)}, {n.upper}_ARENA_BYTES, ",
                f"{len(n.inputs)}, {'inputs' if n.inputs else '0'}, ",
                f"{len(n.outputs)}, {'outputs' if n.outputs else '0'}, init, invoke,\n}};\n",
            ]
        )

    def _values(self, which: str, tensors: tuple[Tensor, ...], ends: tuple[str, ...]) -> Iterator[str]:
        if not tensors:
            return
        yield f"\nstatic const ek_value {which}[{len(tensors)}] = {{\n"
        for t, end in zip(tensors, ends, strict=True):
            scale, zero = (t.scale, t.zero_point) if t.quant is not None and t.quant.per_tensor else (0.0, 0)
            yield (
                f"  {{{text.string(t.name)}, {ENUMS[t.dtype]}, {len(t.shape)}, shape_{end}, {t.bytes}, "
                f"{self._offset(t)}, {text.number(scale)}, {zero}}},\n"
            )
        yield "};\n"


def _params_type(call: Call) -> str:
    return call.params_type or f"{call.kernel}_params"


def _constant(operand: Operand) -> Table:
    if isinstance(operand, Table):
        return operand
    assert operand.data is not None, f"{operand} is neither constant nor in the arena"
    return Table(np.ascontiguousarray(operand.data))
