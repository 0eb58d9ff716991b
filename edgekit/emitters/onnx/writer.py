"""Which ONNX values hold the tensors of a program, and in which orders of axes.

A quantized tensor is a float value behind QuantizeLinear and DequantizeLinear, as edgekit's own quantizer writes it;
any other tensor is the value itself. Operators over space want their channels first; a Transpose appears only where a
tensor is not at hand in the order that is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common

from edgekit.emitters.onnx.nodes import DEQUANTIZED, QUANTIZED, Nodes
from edgekit.ops.orders import Shape, extended, moves_only_units, reshaped
from edgekit.ops.reading import Order, plain
from edgekit.program import Activation, Program, QuantParams, Tensor

OPSET = 20
WIDE_OPSET = 21  # the first whose QuantizeLinear makes int16
IR_VERSION = 10
CHANNELS_FIRST = (0, 3, 1, 2)  # the order of NHWC tensors in ONNX


@dataclass(frozen=True)
class Form:
    """One value that holds a tensor.

    real    what nodes read: float where the tensor is quantized
    order   axis of the value → axis of the tensor
    stored  the integers before DequantizeLinear
    """

    real: ir.Value
    order: Order
    stored: ir.Value | None = None


class Writer(Nodes):
    """Rows ask for the values of tensors, append nodes, and say which value answers for which tensor."""

    def __init__(self, program: Program) -> None:
        ends = (*program.inputs, *program.outputs, *(t for s in program.states for t in (s.before, s.after)))
        super().__init__(reserved={t.name for t in ends})
        self._name = program.name
        self._forms: dict[Tensor, list[Form]] = {}
        self._pairs: dict[ir.Value, tuple[ir.Value, str, QuantParams]] = {}  # by the output of DequantizeLinear
        self._begin = (*program.inputs, *(s.before for s in program.states))
        self._end = (*program.outputs, *(s.after for s in program.states))
        self._inputs = tuple(self._input(t) for t in self._begin)

    # --- what rows read

    def order(self, *tensors: Tensor) -> Order:
        """The order in which most of these tensors (of one rank) are at hand; constants are in any."""
        known = [form.order for t in tensors if not t.constant for form in self._forms[t]]
        return max(known, key=known.count, default=plain(len(tensors[0].shape)))

    def value(self, tensor: Tensor, order: Order | None = None) -> ir.Value:
        """What nodes read for a tensor, its axes in `order` (None: the tensor's own)."""
        return self._form(tensor, plain(len(tensor.shape)) if order is None else order).real

    def stored(self, tensor: Tensor, order: Order) -> ir.Value:
        """The numbers of a tensor as they are stored: the integers of a quantized one."""
        if tensor.data is not None:
            return self.initializer(tensor.data.transpose(order), f"{tensor.name}{QUANTIZED}")
        form = self._form(tensor, order)
        return form.real if form.stored is None else form.stored

    def aligned(self, *tensors: Tensor) -> tuple[tuple[ir.Value, ...], Order]:
        """Values that are broadcast against each other, those of the highest rank in one order; and that order."""
        rank = max(len(t.shape) for t in tensors)
        order = self.order(*(t for t in tensors if len(t.shape) == rank))
        return tuple(self.value(self._extended(t, rank), order) for t in tensors), order

    def viewed(self, tensor: Tensor, shape: Shape, name: str) -> tuple[ir.Value, Order]:
        """The numbers of a tensor under another shape, and the order in which they are at hand."""
        for form in self._at_hand(tensor):
            known = reshaped(form.order, tensor.shape, shape)
            if known is not None:
                break
        else:
            form, known = self._form(tensor, plain(len(tensor.shape))), (shape, plain(len(shape)))
        held, order = known
        if held == tuple(tensor.shape[axis] for axis in form.order):
            return form.real, order
        return self.reshape(form.real, held, name), order

    def reshape(self, value: ir.Value, shape: Sequence[int], name: str) -> ir.Value:
        """Append a Reshape; a size of 0 stands for itself."""
        words = {"allowzero": 1} if 0 in shape else {}
        return self.node("Reshape", value, self.numbers(shape), name=name, **words)

    # --- what rows make

    def answer(
        self, tensor: Tensor, value: ir.Value, order: Order | None = None, activation: Activation = Activation.NONE
    ) -> None:
        """`value`, clamped by `activation`, is what `tensor` holds, in `order`; it is quantized as the tensor is."""
        value = self._clamped(tensor, value, activation)
        name = f"{tensor.name}_float" if tensor in self._end else tensor.name
        form = self._held(tensor, value, plain(len(tensor.shape)) if order is None else order, name)
        self._forms.setdefault(tensor, []).append(form)

    def answer_stored(self, tensor: Tensor, value: ir.Value, order: Order) -> None:
        """`value` is what `tensor` stores, in `order`."""
        if tensor.quant is None:
            self.answer(tensor, value, order)
            return
        self._rename(value, f"{tensor.name}{QUANTIZED}")
        real = self._dequantize(value, tensor, f"{tensor.name}{DEQUANTIZED}")
        self._forms.setdefault(tensor, []).append(Form(real, order, value))

    def between(self, name: str, shape: Sequence[int], like: Tensor) -> Tensor:
        """A tensor between two nodes of one row, stored as `like` is."""
        return Tensor(name, tuple(shape), like.dtype, like.quant)

    def same(self, tensor: Tensor, source: Tensor, permutation: Order) -> None:
        """`tensor` is Transpose(source, permutation): the same values, seen in other orders."""
        for form in self._at_hand(source):
            self.answer(tensor, form.real, tuple(permutation.index(axis) for axis in form.order))

    def answer_real(self, tensor: Tensor, value: ir.Value, order: Order) -> None:
        """`value` stands for the real numbers of `tensor`, which is not quantized here."""
        self._rename(value, tensor.name)
        self._forms.setdefault(tensor, []).append(Form(value, order))

    def real_again(self, tensor: Tensor, source: Tensor) -> None:
        """The float tensor `tensor` is the dequantized `source`."""
        form = self._at_hand(source)[0]
        value = form.real if form.stored is None else self._dequantize(form.stored, source, tensor.name)
        self._forms[tensor] = [Form(value, form.order)]

    # --- the whole graph

    def model(self) -> ir.Model:
        """The graph, with the shapes of all values."""
        outputs: list[ir.Value] = []
        for tensor in self._end:
            outputs.append(self._output(tensor, outputs))
        wide = any(v.name == "zero_point_0_s16" for v in self.initializers.values())
        graph = ir.Graph(
            self._inputs,
            outputs,
            nodes=self.nodes,
            initializers=tuple(self.initializers.values()),
            opset_imports={"": WIDE_OPSET if wide else OPSET},
            name=self._name,
        )
        model = ir.Model(graph, ir_version=IR_VERSION, producer_name="edgekit")
        return common.ShapeInferencePass()(model).model

    def _input(self, tensor: Tensor) -> ir.Value:
        value = self.call(ir.Value(), tensor.name, exact=True)
        _describe(value, tensor)
        self._forms[tensor] = [self._held(tensor, value, plain(len(tensor.shape)), tensor.name)]
        return value

    def _output(self, tensor: Tensor, others: Sequence[ir.Value]) -> ir.Value:
        """The value of an output, in the tensor's own order and under its name."""
        form = self._form(tensor, plain(len(tensor.shape)))
        value = form.real
        if form.stored is not None and (tensor in self._begin or value in others):
            value = self._dequantize(form.stored, tensor, f"{tensor.name}_copy")
        elif value.producer() is None or value in others:
            value = self.node("Identity", value, name=f"{tensor.name}_copy")
        self.call(value, tensor.name, exact=True)
        _describe(value, tensor)
        return value

    # --- forms

    def _at_hand(self, tensor: Tensor) -> list[Form]:
        return [self._form(tensor, plain(len(tensor.shape)))] if tensor.constant else self._forms[tensor]

    def _form(self, tensor: Tensor, order: Order) -> Form:
        for form in self._forms.get(tensor, ()):
            if form.order == order:
                return form
        form = self._constant(tensor, order) if tensor.constant else self._turned(tensor, order)
        self._forms.setdefault(tensor, []).append(form)
        return form

    def _constant(self, tensor: Tensor, order: Order) -> Form:
        assert tensor.data is not None
        data, quant = tensor.data.transpose(order), tensor.quant
        if quant is None:
            return Form(self.initializer(data, tensor.name), order)
        if quant.axis is not None:
            quant = replace(quant, axis=order.index(quant.axis))
        return Form(self.dequantized(data, quant, tensor.name), order)

    def _turned(self, tensor: Tensor, order: Order) -> Form:
        """A tensor that is at hand in another order."""
        source = self._forms[tensor][0]
        permutation = tuple(source.order.index(axis) for axis in order)
        name = f"{tensor.name}_{''.join(map(str, order))}"
        if moves_only_units(tuple(tensor.shape[axis] for axis in source.order), permutation):
            value = self.reshape(source.real, [tensor.shape[axis] for axis in order], f"{name}_reshape")
        else:
            value = self.node("Transpose", source.real, name=f"{name}_transpose", perm=permutation)
        return self._held(tensor, value, order, name)

    def _extended(self, tensor: Tensor, rank: int) -> Tensor:
        """The tensor with leading axes of size 1."""
        shape = extended(tensor.shape, rank)
        if len(tensor.shape) == rank:
            return tensor
        if tensor.data is not None:
            assert tensor.quant is None or tensor.quant.axis is None
            return replace(tensor, shape=shape, data=tensor.data.reshape(shape))
        made = self.between(f"{tensor.name}_extended", shape, tensor)
        self.answer(made, *self.viewed(tensor, shape, f"{tensor.name}_extend"))
        return made

    # --- quantization

    def _held(self, tensor: Tensor, value: ir.Value, order: Order, name: str) -> Form:
        """The form of a tensor that holds `value`: quantized and dequantized as the tensor says."""
        if tensor.quant is None:
            self._rename(value, name)
            return Form(value, order)
        known = self._pairs.get(value)
        if known is not None and known[1:] == (tensor.dtype, tensor.quant):
            return Form(value, order, known[0])
        self._rename(value, name)
        stored = self.node("QuantizeLinear", value, *self._parameters(tensor), name=f"{name}_quantize")
        self.call(stored, f"{name}{QUANTIZED}")
        return Form(self._dequantize(stored, tensor, f"{name}{DEQUANTIZED}"), order, stored)

    def _rename(self, value: ir.Value, name: str) -> None:
        """The result of a node is called as the tensor that it holds."""
        if value in self._unnamed:
            self.call(value, name)

    def _dequantize(self, stored: ir.Value, tensor: Tensor, name: str) -> ir.Value:
        node_name = f"{name.removesuffix(DEQUANTIZED)}_dequantize"
        value = self.node("DequantizeLinear", stored, *self._parameters(tensor), name=node_name)
        assert tensor.quant is not None
        self._pairs[value] = (stored, tensor.dtype, tensor.quant)
        return self.call(value, name)

    def _parameters(self, tensor: Tensor) -> tuple[ir.Value, ir.Value]:
        """Scale and zero point as initializers, one of each number."""
        scale = np.asarray(tensor.scale, np.float32)
        zero = np.asarray(tensor.zero_point, tensor.numpy_dtype)
        kind = "" if tensor.dtype == "s8" else f"_{tensor.dtype}"
        return (
            self.constant(scale, f"scale_{scale.view(np.uint32).item():08x}"),
            self.constant(zero, f"zero_point_{tensor.zero_point}{kind}"),
        )

    def _clamped(self, tensor: Tensor, value: ir.Value, activation: Activation) -> ir.Value:
        """The activation as a node, where the limits of the stored integers do not clamp already."""
        if activation is Activation.NONE:
            return value
        if tensor.quant is not None and activation.limits(tensor) == tensor.limits:
            return value
        name = f"{tensor.name}_{activation.name.lower()}"
        if activation is Activation.RELU:
            return self.node("Relu", value, name=name)
        return self.node("Clip", value, *map(self.real, activation.value), name=name)


def _describe(value: ir.Value, tensor: Tensor) -> None:
    """Type and shape of an input or output: float where the tensor is quantized."""
    dtype = np.dtype(np.float32) if tensor.quant is not None else tensor.numpy_dtype
    value.type, value.shape = ir.TensorType(ir.DataType.from_numpy(dtype)), ir.Shape(tensor.shape)
