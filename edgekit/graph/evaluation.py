"""Runs float and int8 graphs on this machine and judges them: accuracy, error per layer, golden data for the board.

On x86 CPUs without VNNI, ONNX Runtime's default int8 kernels saturate 16-bit sums and answer wrongly, so every int8
judgement here runs with session.x64quantprecision=1 and, where a graph does not load with it, with optimisations off.
What judged is always named. Nothing here is a measure of speed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from edgekit.artifacts import Golden
from edgekit.errors import ModelError
from edgekit.graph.calibration import CalibrationData
from edgekit.graph.masks import masks, unmasked
from edgekit.graph.operands import constant
from edgekit.graph.quant_params import Array
from edgekit.graph.quantization import DEQUANTIZED
from edgekit.graph.saturation import useful_ranges
from edgekit.graph.sessions import ModelSource, judging_session, observing_session, run

PARITY_TOLERANCE_LSB = 4.0  # 0 to 4 were measured between the optimised and the unoptimised run of correct int8 graphs
GOLDEN_MARGIN_LSB = 4.0  # architectures round differently: about 2 LSB were seen between x86-64 and aarch64
SPREAD_SAMPLES = 32  # on which the spread between two runs is measured
STEEP_MARGIN_LSB = 2.0  # before a steep function, where only that difference counts
FLOAT_TOLERANCE = 1e-4  # of an output's range, for float graphs


class SamplePredictor:
    """Runs single samples behind a function from any number of them to outputs: what `evaluate(predict)` is given.

    inputs   name → (shape, type) of the arrays that `run` takes
    outputs  names, in order
    run      outputs for one set of inputs with the model's exact shapes
    """

    def __init__(
        self,
        inputs: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]],
        outputs: Sequence[str],
        run_sample: Callable[[Mapping[str, Array]], tuple[Array, ...]],
        name: str,
    ) -> None:
        self._inputs, self.outputs, self.run, self.name = dict(inputs), tuple(outputs), run_sample, name

    def predict(self, x: Array | Mapping[str, Array]) -> Array | tuple[Array, ...]:
        """Outputs for any number of samples along the first axis, as the model's outputs with that first axis.

        x: one array for a model of one input, else arrays by input name; (n, *shape[1:]), n a multiple of the model's
        own first dimension. One output comes back as an array, several as a tuple. Raises ModelError.
        """
        arrays = self._by_name(x)
        answers = [self.run(batch) for batch in self._batches(arrays)]
        joined = tuple(np.concatenate([np.atleast_1d(a) for a in column]) for column in zip(*answers, strict=True))
        return joined[0] if len(joined) == 1 else joined

    def _by_name(self, x: Array | Mapping[str, Array]) -> dict[str, Array]:
        given = dict(x) if isinstance(x, Mapping) else {next(iter(self._inputs)): x}
        if set(given) != set(self._inputs):
            raise ModelError(f"predict got inputs {sorted(given)}: wanted {sorted(self._inputs)}")
        arrays = {name: np.asarray(_host(array), self._inputs[name][1]) for name, array in given.items()}
        for name, array in arrays.items():
            shape = self._inputs[name][0]
            if array.shape[1:] != shape[1:] or len(array) == 0 or len(array) % shape[0]:
                wanted = f"[n x {shape[0]}, {', '.join(map(str, shape[1:]))}]"
                raise ModelError(f'predict got shape {list(array.shape)} for input "{name}": wanted {wanted}')
        return arrays

    def _batches(self, arrays: Mapping[str, Array]) -> Iterator[dict[str, Array]]:
        sizes = {name: shape[0] for name, (shape, _) in self._inputs.items()}
        counts = {name: len(array) // sizes[name] for name, array in arrays.items()}
        if len(set(counts.values())) != 1:
            raise ModelError(f"predict got different numbers of samples: {counts}")
        for i in range(next(iter(counts.values()))):
            yield {n: np.ascontiguousarray(a[i * (k := sizes[n]) : (i + 1) * k]) for n, a in arrays.items()}


class Predictor(SamplePredictor):
    """A model file behind `predict`, run so that int8 is judged correctly on this CPU.

    name      what ran it, for the report: "onnxruntime 1.32.0, CPU, x64quantprecision=1"
    optimise  False switches all graph optimisations off (the QDQ graph exactly as written)
    """

    def __init__(self, model: ModelSource, *, optimise: bool = True) -> None:
        session, name = judging_session(model, optimise=optimise)
        inputs = {i.name: (tuple(i.shape), _numpy_type(i.type)) for i in session.get_inputs()}
        outputs = [o.name for o in session.get_outputs()]
        super().__init__(inputs, outputs, lambda sample: run(session, None, sample), name)


def layer_sqnr(
    float_model: ir.Model, qdq_model: ir.Model, data: CalibrationData, max_samples: int = 32
) -> Mapping[str, float]:
    """Signal to quantization noise in dB at the output of each layer, by node name; infinite where nothing differs.

    Errors of earlier layers are included: the first layer whose figure drops is the one to look at. An activation that
    was folded has the figure of the layer it was folded into. Both graphs run as written, without fused kernels.
    """
    exact, rounded = observing_session(float_model), observing_session(qdq_model)
    outputs = _layer_outputs(float_model, qdq_model)
    masked = {mask.sum_name for mask in masks(float_model)}  # "minus infinity" is no signal
    useful = useful_ranges(float_model)  # nor is what lies beyond the ends of a function
    signal = dict.fromkeys(outputs, 0.0)
    noise = dict.fromkeys(outputs, 0.0)
    wanted = sorted({f for f, _ in outputs.values()})
    got = sorted({q for _, q in outputs.values()})
    if not outputs:
        return {}  # a graph without float32 values; and no names would mean all outputs
    for i in range(min(data.samples, max_samples)):
        reference = dict(zip(wanted, run(exact, wanted, data.sample(i)), strict=True))
        stored = dict(zip(got, run(rounded, got, data.sample(i)), strict=True))
        for layer, (f, q) in outputs.items():
            counts = unmasked(reference[f]) if f in masked else ...
            ends = (useful[f].low, useful[f].high) if f in useful else (-np.inf, np.inf)
            truth, got_here = (np.clip(a[counts].astype(np.float64), *ends) for a in (reference[f], stored[q]))
            signal[layer] += float(np.square(truth).sum())
            noise[layer] += float(np.square(truth - got_here).sum())
    return {layer: _decibel(signal[layer], noise[layer]) for layer in outputs}


def parity(model: ModelSource, data: CalibrationData, max_samples: int = SPREAD_SAMPLES) -> float:
    """The largest difference, in LSB, between the optimised and the unoptimised run of one int8 file.

    An LSB is one of the output or, behind a steep function, what one LSB of that function's input can make of it. Above
    PARITY_TOLERANCE_LSB the runtime's optimisations change what the graph says. Float outputs count as 0.
    """
    steps = np.array([storage.step_of_output for storage in output_storage(model)])
    return round(float((_spread(model, data, max_samples) / steps).max(initial=0.0)), 3)


def golden(model: ModelSource, data: CalibrationData, count: int = 8) -> Golden:
    """What the board must answer for the first `count` samples, and how close.

    int8: twice the spread measured here between the optimised and the unoptimised run, plus 4 LSB of the output. Where
    the output is a steep function (Softmax, Sigmoid, Tanh) its own LSB understates what a step of its input does: then
    2 LSB of that input times the slope at the golden outputs, if that is more. A float output behind int8 layers has no
    LSB; 1/255 of its range stands for it. Float graphs: 1e-4 of the output's range.
    """
    predictor = Predictor(model)
    samples = [data.sample(i) for i in range(min(count, data.samples))]
    answers = [predictor.run(sample) for sample in samples]
    outputs = {name: np.stack([a[k] for a in answers]) for k, name in enumerate(predictor.outputs)}
    inputs = {name: np.stack([sample[name] for sample in samples]) for name in data.arrays}
    spread = _spread(model, data, max(count, SPREAD_SAMPLES))
    tolerance = {
        storage.name: 2 * float(spread[k]) + storage.margin(outputs[storage.name])
        for k, storage in enumerate(output_storage(model))
    }
    return Golden(inputs, outputs, tolerance)


@dataclass(frozen=True)
class OutputStorage:
    """How an output of a graph is held.

    scale        real value of one LSB where it is int8, else None
    int8         whether any layer of the graph is int8
    steep, step  the steep function that computes it, if any, and one LSB of that function's input
    """

    name: str
    scale: float | None
    int8: bool
    steep: str | None = None
    step: float = 0.0

    @property
    def step_of_output(self) -> float:
        """The real value that one LSB of rounding can change; infinite for float outputs."""
        if self.scale is None:
            return float("inf")
        return max(self.scale, self.step * STEEPEST[self.steep]) if self.steep else self.scale

    def margin(self, output: Array) -> float:
        """How far another architecture's rounding may bring this output from the golden one."""
        reach = max(float(np.ptp(output)), 1.0) if output.size else 1.0
        if not self.int8:
            return FLOAT_TOLERANCE * reach
        margin = GOLDEN_MARGIN_LSB * (self.scale if self.scale is not None else reach / 255)
        slope = float(SLOPES[self.steep](output.astype(np.float64)).max(initial=0.0)) if self.steep else 0.0
        return max(margin, STEEP_MARGIN_LSB * self.step * slope)


# steep function → its slope where it answers y: how much it changes when its inputs change by one (softmax: each in the
# direction that hurts most)
SLOPES: Mapping[str, Callable[[Array], Array]] = {
    "Softmax": lambda y: 2 * y * (1 - y),
    "Sigmoid": lambda y: y * (1 - y),
    "Tanh": lambda y: 1 - y * y,
}

STEEPEST = {"Softmax": 0.5, "Sigmoid": 0.25, "Tanh": 1.0}  # the largest of these slopes


def output_storage(model: ModelSource) -> tuple[OutputStorage, ...]:
    """How each output of an ONNX file is held."""
    graph = _parsed(model).graph
    int8 = any(node.op_type == "QuantizeLinear" for node in graph)
    return tuple(_storage(value, int8) for value in graph.outputs)


def _storage(value: ir.Value, int8: bool) -> OutputStorage:
    node = _computing_node(value)
    step = _scale(node.inputs[0]) if node is not None and node.op_type in SLOPES else None
    steep = node.op_type if node is not None and step is not None else None
    return OutputStorage(value.name or "", _scale(value), int8, steep, step or 0.0)


def _computing_node(value: ir.Value) -> ir.Node | None:
    """The node before Q and DQ, looking through those that only move data."""
    node = value.producer()
    while node is not None and node.op_type in ("DequantizeLinear", "QuantizeLinear", "Reshape", "Squeeze", "Flatten"):
        node = node.inputs[0].producer() if node.inputs[0] is not None else None
    return node


def _scale(value: ir.Value | None) -> float | None:
    producer = None if value is None else value.producer()
    if producer is None or producer.op_type != "DequantizeLinear":
        return None
    scales = constant(producer.inputs[1])
    return float(scales.item()) if scales is not None and scales.size == 1 else None


def _spread(model: ModelSource, data: CalibrationData, max_samples: int) -> Array:
    """Per output, the largest absolute difference between the optimised and the unoptimised run."""
    fast, plain = Predictor(model), Predictor(model, optimise=False)
    spread = np.zeros(len(fast.outputs))
    for i in range(min(data.samples, max_samples)):
        sample = data.sample(i)
        pairs = zip(fast.run(sample), plain.run(sample), strict=True)
        gaps = [np.abs(a.astype(np.float64) - b.astype(np.float64)).max(initial=0.0) for a, b in pairs]
        spread = np.maximum(spread, gaps)
    return spread


def _layer_outputs(float_model: ir.Model, qdq_model: ir.Model) -> dict[str, tuple[str, str]]:
    """Layer name → (value of the float graph, value of the QDQ graph) that hold the layer's output."""
    computed_by = {
        v.name: node.name for node in float_model.graph for v in node.outputs if v.dtype == ir.DataType.FLOAT
    }
    found = {}
    for node in qdq_model.graph:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            continue
        value = _after_storing(node.outputs[0])
        original = (value.name or "").removesuffix(DEQUANTIZED)
        if original in computed_by:
            names = {node.name, computed_by[original]}  # two where an activation was folded into this node
            found.update({name: (original, value.name or "") for name in names if name})
    return found


def _after_storing(value: ir.Value) -> ir.Value:
    """The dequantized form of a node's output, or the output itself where it is not stored as int8."""
    consumers = value.consumers()
    if len(consumers) == 1 and consumers[0].op_type == "QuantizeLinear":
        readers = consumers[0].outputs[0].consumers()
        return readers[0].outputs[0] if readers else value
    return value


def _decibel(signal: float, noise: float) -> float:
    if noise == 0.0:
        return float("inf")
    return 10 * float(np.log10(max(signal, np.finfo(np.float64).tiny) / noise))


def _parsed(model: ModelSource) -> ir.Model:
    proto = onnx.ModelProto.FromString(model) if isinstance(model, bytes) else onnx.load(str(model))
    return ir.serde.deserialize_model(proto)


def _host(array: Any) -> Any:
    return array.detach().cpu() if hasattr(array, "detach") else array  # a torch tensor, without importing torch


def _numpy_type(name: str) -> np.dtype[Any]:
    words = {"float": "float32", "double": "float64", "float16": "float16", "bool": "bool"}
    inner = name.removeprefix("tensor(").removesuffix(")")
    return np.dtype(words.get(inner, inner))
