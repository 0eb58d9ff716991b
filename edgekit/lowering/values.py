"""The values of an ONNX graph as tensors of a program that is being built: in which form each is at hand, and copies of
it in another order, another scale or another type, each made once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from edgekit.graph.operands import constant
from edgekit.graph.shapes import sizes
from edgekit.lowering.forms import Form, first_axis_kept
from edgekit.lowering.lookups import lookup_of
from edgekit.lowering.sinks import Sink
from edgekit.lowering.stored import Stored, numbers_of, params_of
from edgekit.ops.functions import Lookup
from edgekit.ops.orders import Shape, joinable, moves_only_units, reshaped
from edgekit.ops.quantization import Dequantize, Quantize
from edgekit.ops.reading import Order, Refusal, plain
from edgekit.ops.shape import Reshape, Transpose
from edgekit.program import Op, QuantParams, Tensor
from edgekit.program.tensor import DTYPE_OF, Array


@dataclass
class Values:
    """forms  by float value, or by the output of its QuantizeLinear
    made   reordered, requantized and dequantized copies
    fused  nodes that are part of another one's operation
    """

    names: set[str]
    ops: list[Op] = field(default_factory=list)
    forms: dict[ir.Value, Form] = field(default_factory=dict)
    made: dict[tuple[Tensor | ir.Value, object], Tensor] = field(default_factory=dict)
    fused: set[ir.Node] = field(default_factory=set)

    def known(self, value: ir.Value) -> bool:
        known = constant(value) is not None or value in self.forms or self.held(value) is not None
        return known or self.also_stored(value) is not None

    def also_stored(self, value: ir.Value) -> Form | None:
        """The integers of a float value that is quantized for some of its readers, and read as it is by others."""
        found = (self.forms.get(n.outputs[0]) for n in value.consumers() if n.op_type == "QuantizeLinear")
        return next((form for form in found if form is not None), None)

    def held(self, value: ir.Value) -> Form | None:
        """The stored integers that a float value stands for: it is dequantized, or quantized further on."""
        if value in self.forms and value.dtype is ir.DataType.FLOAT and self.forms[value].tensor.quant is not None:
            return self.forms[value]
        producer = value.producer()
        if producer is None or producer.op_type != "DequantizeLinear":
            return None
        source = producer.inputs[0]
        assert source is not None
        if source in self.forms:
            form = self.forms[source]
            stored = params_of(producer)
            return form if form.tensor.quant is not None else self._typed(source, stored)
        return self._constant_form(value) if constant(source) is not None else None

    def _typed(self, value: ir.Value, stored: Stored) -> Form:
        """Integers of the graph that a DequantizeLinear gives a scale: a table looked up; nothing else is."""
        found, plain_form = lookup_of(value), self.forms[value]
        source = None if found is None else self.forms.get(found[0])
        if found is None or source is None or source.tensor.quant is None:
            tensor = plain_form.tensor
            raise Refusal(f'the integers "{tensor.name}" ({tensor.dtype}) get their scale from a DequantizeLinear only')
        made = self.tensor(plain_name(value), source.tensor.shape, stored.dtype, stored.quant)
        name = value.producer().name if value.producer() is not None else ""  # type: ignore[union-attr]
        self.ops.append(
            Lookup(name=name or "", inputs=(source.tensor,), outputs=(made,), function="table", table=found[1])
        )
        self.forms[value] = Form(made, source.order, source.inner)
        return self.forms[value]

    def form_of(self, value: ir.Value) -> Form:
        """A value as it computes: float where it is dequantized."""
        held = self.held(value) or (None if value in self.forms else self.also_stored(value))
        if value in self.forms and held is None:
            return self.forms[value]
        if held is not None and not held.tensor.constant:
            key = (held.tensor, "real")
            if key not in self.made:
                made = self.tensor(value.name, held.tensor.shape, "f32", None)
                name = value.producer().name if value.producer() is not None else ""  # type: ignore[union-attr]
                self.ops.append(Dequantize(name=name or "", inputs=(held.tensor,), outputs=(made,)))
                self.made[key] = made
            return Form(self.made[key], held.order, held.inner)
        numbers = numbers_of(value)
        assert numbers is not None, f"{value.name} is not known yet"
        return Form(self.constant(value.name, numbers.real), plain(numbers.real.ndim))

    def _constant_form(self, value: ir.Value) -> Form:
        numbers = numbers_of(value)
        assert numbers is not None
        key = (value, "constant")
        if key not in self.made:
            self.made[key] = self.constant(value.name, numbers.stored, numbers.quant)
        return Form(self.made[key], plain(numbers.stored.ndim))

    def requantized(self, form: Form, wanted: Stored) -> Form:
        tensor = form.tensor
        if tensor.dtype == wanted.dtype and tensor.quant == wanted.quant:
            return form
        key = (tensor, wanted)
        if key not in self.made:
            made = self.tensor(f"{tensor.name}_requantized", tensor.shape, wanted.dtype, wanted.quant)
            self.ops.append(Quantize(name=made.name, inputs=(tensor,), outputs=(made,)))
            self.made[key] = made
        return Form(self.made[key], form.order, form.inner)

    def ordered(self, form: Form, order: Order) -> Tensor:
        """The tensor of a form with its axes in `order`; a transpose is appended where there is none yet."""
        if form.inner is not None:
            form = self.without_inner(form)
        if form.order == order:
            return form.tensor
        permutation = tuple(form.order.index(axis) for axis in order)
        shape = tuple(form.tensor.shape[axis] for axis in permutation)
        key = (form.tensor, permutation)
        if key not in self.made:
            self.made[key] = self._transposed(form.tensor, permutation, shape)
        return self.made[key]

    def _transposed(self, tensor: Tensor, permutation: Order, shape: Shape) -> Tensor:
        name = f"{tensor.name}_{'x'.join(map(str, permutation))}"
        if tensor.data is not None:
            quant = tensor.quant
            if quant is not None and quant.axis is not None:
                quant = QuantParams(quant.scales, quant.zero_points, permutation.index(quant.axis))
            return self.constant(name, np.ascontiguousarray(tensor.data.transpose(permutation)), quant)
        if moves_only_units(tensor.shape, permutation):
            return self.viewed(tensor, shape, name)
        made = self.tensor(name, shape, tensor.dtype, tensor.quant)
        self.ops.append(Transpose(name=made.name, inputs=(tensor,), outputs=(made,), order=permutation))
        return made

    def reshape(self, form: Form, wanted: Shape, name: str) -> Form:
        if form.shape == wanted:
            return form
        form = self.without_inner(form)
        known = reshaped(form.order, form.shape, wanted)
        if known is not None:
            shape, order = known
            return Form(self.viewed(form.tensor, shape, name), order)
        if first_axis_kept(form.order, form.shape, wanted):
            inner = (form.shape[1:], tuple(axis - 1 for axis in form.order[1:]))
            return Form(self.viewed(form.tensor, wanted, name), (0, 1), inner)
        order = joinable(form.order, form.shape, wanted)
        tensor = self.ordered(form, order)
        shape, order = reshaped(order, form.shape, wanted) or (wanted, plain(len(wanted)))
        return Form(self.viewed(tensor, shape, name), order)

    def viewed(self, tensor: Tensor, shape: Shape, name: str) -> Tensor:
        """The numbers of `tensor` under another shape."""
        if tensor.shape == shape:
            return tensor
        if tensor.data is not None:
            return self.constant(name, tensor.data.reshape(shape), _viewed_params(tensor.quant))
        made = self.tensor(name, shape, tensor.dtype, tensor.quant)
        self.ops.append(Reshape(name=made.name, inputs=(tensor,), outputs=(made,)))
        return made

    def without_inner(self, form: Form) -> Form:
        """The form with its last axis in the value's own order."""
        if form.inner is None:
            return form
        sizes_, order = form.inner
        first = form.tensor.shape[0]
        spread = self.viewed(form.tensor, (first, *(sizes_[axis] for axis in order)), f"{form.tensor.name}_spread")
        back = Form(spread, (0, *(axis + 1 for axis in order)))
        tensor = self.ordered(back, plain(len(back.order)))
        return Form(self.viewed(tensor, form.tensor.shape, f"{form.tensor.name}_plain"), plain(2))

    def answer(self, sink: Sink, form: Form) -> None:
        """Everybody who reads the value that ends in `sink` now finds it in this form."""
        for value in sink.values:
            self.forms[value] = form
        self.fused.update(sink.fused)

    def tensor(self, name: str | None, shape: Shape, dtype: str, quant: QuantParams | None) -> Tensor:
        return Tensor(self.unique(name), tuple(shape), dtype, quant)

    def constant(self, name: str | None, data: Array, quant: QuantParams | None = None) -> Tensor:
        if data.dtype == np.int64 and np.array_equal(data, data.astype(np.int32)):
            data = data.astype(np.int32)
        dtype = DTYPE_OF.get(np.dtype(data.dtype))
        if dtype is None:
            raise Refusal(f'constant "{name}" is {data.dtype}', f"allowed: {', '.join(DTYPE_OF.values())}")
        return Tensor(
            self.unique(name), tuple(data.shape), dtype, quant, np.ascontiguousarray(data).reshape(data.shape)
        )

    def unique(self, name: str | None) -> str:
        base = name or "tensor"
        made, i = base, 1
        while made in self.names:
            made, i = f"{base}_{i}", i + 1
        self.names.add(made)
        return made


def _viewed_params(quant: QuantParams | None) -> QuantParams | None:
    if quant is not None and quant.axis is not None:
        raise Refusal("a constant with one scale per channel is reshaped")
    return quant


def shape_of(value: ir.Value | None) -> Shape:
    """Its static shape; refused where it has none."""
    found = None if value is None else sizes(value)
    if found is None:
        raise Refusal(f'the shape of "{value.name if value is not None else ""}" is not known')
    if any(size < 0 for size in found):
        raise Refusal(f"its window is larger than its input: a size would be {min(found)}")
    return tuple(found)


def dtype_of(value: ir.Value) -> str:
    """Its type in a program: 64-bit integers are 32-bit ones, the only indices that small kernels take."""
    known = DTYPE_OF.get(np.dtype(value.dtype.numpy())) if value.dtype is not None else None
    if known is None:
        raise Refusal(f'"{value.name}" is of type {value.dtype}', f"allowed: {', '.join(DTYPE_OF.values())}")
    return "s32" if known == "s64" else known


def plain_name(value: ir.Value) -> str:
    """Its name without what quantizers append."""
    name = value.name or "value"
    for suffix in ("_dequantized", "_quantized", "_QuantizeLinear_Output", "_DequantizeLinear_Output"):
        name = name.removesuffix(suffix)
    return name
