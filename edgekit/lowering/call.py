"""One ONNX node as its operator sees it: the OnnxCall of edgekit.ops.reading, over the values of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from edgekit.graph.operands import constant
from edgekit.graph.tables import TableGroup
from edgekit.lowering.forms import Form
from edgekit.lowering.sinks import sink_of
from edgekit.lowering.stored import Stored, numbers_of, stored_constant
from edgekit.lowering.tables import table_of
from edgekit.lowering.values import Values, dtype_of, plain_name, shape_of
from edgekit.ops.fully_connected import bias_params
from edgekit.ops.orders import Shape, extended
from edgekit.ops.reading import Order, Refusal, plain
from edgekit.program import Activation, Op, QuantParams, Tensor
from edgekit.program.tensor import Array


class Call:
    """`opset` is that of the graph: some functions changed their meaning."""

    def __init__(self, values: Values, node: ir.Node, opset: int) -> None:
        self._values, self._node, self._opset = values, node, opset
        self.name, self.op_type = node.name or node.op_type, node.op_type
        self._sinks = [sink_of(node, k) for k in range(len(node.outputs))]
        self.integer = self._is_integer()
        self.activation = self._sinks[0].activation if self._sinks else Activation.NONE
        self._answers: dict[int, Form] = {}

    def _is_integer(self) -> bool:
        floats = [
            s for s, v in zip(self._sinks, self._node.outputs, strict=True)
            if v.dtype is ir.DataType.FLOAT and (v.uses() or v.is_graph_output())
        ]  # fmt: skip
        read = [v for v in self._node.inputs if v is not None and v.dtype is ir.DataType.FLOAT]
        stored = [constant(v) is not None or self._values.held(v) is not None for v in read]
        return all(s.stored is not None for s in floats) and all(stored) and bool(floats or read)

    def attribute(self, name: str, default: Any) -> Any:
        found = self._node.attributes.get(name)
        if found is None:
            return default
        value = found.value
        return value.decode() if isinstance(value, bytes) else value

    def has(self, i: int) -> bool:
        return i < len(self._node.inputs) and self._node.inputs[i] is not None

    def count(self) -> int:
        return len(self._node.inputs)

    def outputs(self) -> int:
        return sum(1 for v in self._node.outputs if v.uses() or v.is_graph_output())

    def used(self) -> list[int]:
        return [k for k, v in enumerate(self._node.outputs) if v.uses() or v.is_graph_output()]

    def output_count(self) -> int:
        return len(self._node.outputs)

    def shape(self, i: int) -> Shape:
        return shape_of(self._value(i))

    def output_shape(self, k: int = 0) -> Shape:
        return shape_of(self._node.outputs[k])

    def constant(self, i: int) -> Array | None:
        return constant(self._value(i)) if self.has(i) else None

    def numbers(self, i: int) -> list[int] | None:
        if not self.has(i):
            return None
        found = constant(self._value(i))
        if found is None:
            raise Refusal(f"its input {i} is computed at run time", "make it a constant in the model")
        return [int(n) for n in found.reshape(-1)]

    def real(self, i: int) -> Array | None:
        found = numbers_of(self._value(i)) if self.has(i) else None
        return None if found is None else found.real

    def order(self, i: int) -> Order:
        form = self._form(i)
        return form.order if form.inner is None else plain(len(form.order))

    def input(self, i: int, order: Order | None = None, *, quant: QuantParams | None = None) -> Tensor:
        form = self._form(i, quant)
        if quant is not None and form.tensor.quant != quant and form.tensor.dtype != "b8":
            form = self._requantized(form, quant)
        return self._values.ordered(form, order if order is not None else plain(len(form.order)))

    def aligned(self, *positions: int, quant: QuantParams | None = None) -> tuple[tuple[Tensor, ...], Order]:
        rank = max(len(self.shape(i)) for i in positions)
        leaders = [i for i in positions if len(self.shape(i)) == rank]
        leader = next((i for i in leaders if constant(self._value(i)) is None), None)
        order = self.order(leader) if leader is not None else plain(rank)
        return tuple(self._aligned(i, rank, order, quant) for i in positions), order

    def _aligned(self, i: int, rank: int, order: Order, quant: QuantParams | None) -> Tensor:
        shape = self.shape(i)
        if len(shape) == rank:
            return self.input(i, order, quant=quant)
        tensor = self._values.viewed(self.input(i, quant=quant), extended(shape, rank), f"{self.name}_input{i}")
        return self._values.ordered(Form(tensor, plain(rank)), order)

    def features(self, i: int) -> tuple[Tensor, Array | None]:
        form = self._form(i)
        if form.inner is not None:
            return form.tensor, form.feature_order()
        return self.input(i), None

    def weights(self, i: int) -> Tensor:
        value = self._value(i)
        numbers = numbers_of(value)
        if numbers is None:
            raise Refusal("its weights are computed at run time", "make them constants in the model")
        if not self.integer:
            return self._values.constant(f"{self.name}_weights", numbers.real)
        if numbers.quant is None:
            raise Refusal("its weights are float between integer values", "quantize its weights too")
        if any(numbers.quant.zero_points):
            raise Refusal("its weights have zero points", "quantize weights symmetrically (zero point 0)")
        return self._values.constant(f"{self.name}_weights", numbers.stored, numbers.quant)

    def bias(self, i: int, source: Tensor, weights: Tensor) -> Tensor | None:
        value = self._node.inputs[i] if self.has(i) else self._sinks[0].bias
        if value is None:
            return None
        numbers = numbers_of(value)
        if numbers is None:
            raise Refusal("its bias is computed at run time", "make it a constant in the model")
        flat = numbers.real.reshape(-1)
        name = f"{self.name}_bias"
        if not self.integer:
            return self._values.constant(name, self._per_output(flat))
        quant = bias_params(source, weights)
        assert quant is not None
        if numbers.quant is not None and numbers.stored.dtype == np.int32 and _equal_scales(numbers.quant, quant):
            return self._values.constant(name, self._per_output(numbers.stored.reshape(-1)), quant)
        steps = np.rint(self._per_output(flat).astype(np.float64) / np.asarray(quant.scales))
        return self._values.constant(name, np.clip(steps, -(2**31 - 1), 2**31 - 1).astype(np.int32), quant)

    def _per_output(self, flat: Array) -> Array:
        shape = self.output_shape()
        channels = shape[-1] if self.op_type in ("Gemm", "MatMul") else shape[1]
        if flat.size not in (1, channels):
            raise Refusal(f"its bias has {flat.size} numbers, wanted one for each of {channels} outputs")
        return np.broadcast_to(flat, (channels,))

    def output_quant(self, k: int = 0) -> QuantParams | None:
        stored = self._sinks[k].stored
        return stored.quant if stored is not None and self.integer else None

    def output(
        self, k: int = 0, order: Order | None = None, *, quant: QuantParams | None = None, dtype: str | None = None
    ) -> Tensor:
        value, sink = self._node.outputs[k], self._sinks[k]
        shape = shape_of(value)
        order = order if order is not None else plain(len(shape))
        held = tuple(shape[axis] for axis in order)
        stored = sink.stored if self.integer else None
        if value.dtype is not ir.DataType.FLOAT:
            tensor = self._values.tensor(value.name, held, dtype or dtype_of(value), None)
        elif stored is None:
            tensor = self._values.tensor(plain_name(sink.values[-1]), held, "f32", None)
        else:
            tensor = self._values.tensor(plain_name(sink.values[-1]), held, stored.dtype, quant or stored.quant)
        self._answers[k] = Form(tensor, order)
        return tensor

    def between(
        self, name: str, shape: Sequence[int], like: Tensor | None = None, *, quant: QuantParams | None = None
    ) -> Tensor:
        like = like or self._values.forms.get(self._node.inputs[0], self._form(0)).tensor  # type: ignore[arg-type]
        return self._values.tensor(name, tuple(shape), like.dtype, quant or like.quant)

    def stored(self, name: str, data: Array, quant: QuantParams | None = None) -> Tensor:
        return self._values.constant(name, data, quant)

    def through(self, *, quant: QuantParams | None = None) -> tuple[Tensor, Tensor]:
        form = self._form(0)
        made = self.output(0, form.order, quant=quant)
        self._answers[0] = Form(made, form.order, form.inner)
        return form.tensor, made

    def table(self) -> Array:
        sources = tuple(v for v in self._node.inputs if v is not None and constant(v) is None)
        group = TableGroup((self._node,), sources, self._node.outputs[0], self._opset)
        return table_of(group, self._form(0).tensor.quant, self.output_quant())

    def add(self, op: Op) -> None:
        self._values.ops.append(op)

    def finish(self) -> None:
        """Make the answers known, requantized where the graph stores other parameters than the operator gives."""
        for k, form in self._answers.items():
            sink = self._sinks[k]
            if not self.integer and not sink.fused:
                self._values.forms[self._node.outputs[k]] = form  # float readers beside a QuantizeLinear
            if sink.stored is not None and (form.tensor.quant is not None or form.tensor.dtype == "f32"):
                form = self._values.requantized(form, sink.stored)
            self._values.answer(sink, form)

    def _value(self, i: int) -> ir.Value:
        value = self._node.inputs[i]
        assert value is not None
        return value

    def _form(self, i: int, quant: QuantParams | None = None) -> Form:
        value = self._value(i)
        held = self._values.held(value) if self.integer else None
        if held is not None:
            return held
        numbers = numbers_of(value) if self.integer else None
        if numbers is not None and numbers.real.dtype == np.float32:
            stored, params = stored_constant(numbers.real, quant)  # a float constant between integers
            return Form(self._values.constant(value.name, stored, params), plain(stored.ndim))
        return self._values.form_of(value)

    def _requantized(self, form: Form, quant: QuantParams) -> Form:
        if form.tensor.data is not None and form.tensor.quant is not None:
            old = form.tensor.quant
            real = (form.tensor.data.astype(np.float32) - old.zero_point) * np.float32(old.scale)
            steps = np.rint(real / np.float32(quant.scale)) + quant.zero_point
            low, high = form.tensor.limits
            data = np.clip(steps, low, high).astype(form.tensor.numpy_dtype)
            return Form(self._values.constant(form.tensor.name, data, quant), form.order, form.inner)
        return self._values.requantized(form, Stored(form.tensor.dtype, quant))


def _equal_scales(a: QuantParams, b: QuantParams) -> bool:
    return len(a.scales) in (1, len(b.scales)) and bool(np.allclose(a.scales, b.scales, rtol=1e-5, atol=0.0))
