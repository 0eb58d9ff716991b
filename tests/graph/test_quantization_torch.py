"""Networks as PyTorch exports them: wholly int8 where they should be, legal, close to float, no worse than a peer."""

from __future__ import annotations

import logging
import warnings

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from int8_nets import data, images, quantized, sqnr_db, to_bytes

from edgekit.graph.calibration import calibration_data, observe
from edgekit.graph.decompose import for_int8
from edgekit.graph.evaluation import Predictor, layer_sqnr, parity
from edgekit.graph.int8_spec import violations
from edgekit.graph.observers import OBSERVERS
from edgekit.graph.quantization import float_layers, quantize
from edgekit.graph.simplify import simplify

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

pytestmark = pytest.mark.torch
torch.set_num_threads(1)


class MobileBlock(nn.Module):
    """Hard activations, depthwise, squeeze and excite, SiLU, PReLU, padding, slicing."""

    def __init__(self):
        super().__init__()
        self.stem, self.deep = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.squeeze, self.excite = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1)
        self.prelu, self.head = nn.PReLU(8), nn.Linear(72, 6)

    def forward(self, x):
        x = F.hardswish(self.stem(x))
        y = F.relu6(self.deep(x))
        gate = F.hardsigmoid(self.excite(torch.relu(self.squeeze(F.adaptive_avg_pool2d(y, 1)))))
        x = self.prelu(x + y * gate) / 3.0
        x = F.avg_pool2d(F.pad(x, (1, 1, 1, 1)), 2, 2)[:, :, :6:2, :6:2]
        return torch.log_softmax(self.head(torch.flatten(F.silu(F.hardtanh(x)), 1)), -1)


class UNet(nn.Module):
    """Skip connections, transposed convolution, bilinear resize; two outputs."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 8, 3, padding=1, stride=2)
        self.up, self.c, self.d = nn.ConvTranspose2d(8, 4, 2, 2), nn.Conv2d(8, 4, 3, padding=1), nn.Conv2d(5, 1, 1)

    def forward(self, x):
        a = F.leaky_relu(self.a(x))
        b = torch.relu(self.b(a))
        c = torch.relu(self.c(torch.cat([a, self.up(b)], 1)))
        small = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bilinear")
        return torch.sigmoid(self.d(torch.cat([c, small], 1))), b


class Transformer(nn.Module):
    """Patches, a class token, one attention block."""

    def __init__(self):
        super().__init__()
        self.patches, self.norm = nn.Conv2d(1, 16, 4, 4), nn.LayerNorm(16)
        self.token, self.place = nn.Parameter(torch.randn(1, 1, 16)), nn.Parameter(torch.randn(1, 10, 16) * 0.1)
        self.qkv, self.out, self.head = nn.Linear(16, 48), nn.Linear(16, 16), nn.Linear(16, 5)
        self.wide, self.narrow = nn.Linear(16, 32), nn.Linear(32, 16)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token, x], 1) + self.place
        q, k, v = self.qkv(self.norm(x)).view(1, 10, 3, 2, 8).permute(2, 0, 3, 1, 4).unbind(0)
        seen = torch.softmax(q @ k.transpose(-1, -2) / 8**0.5, -1) @ v
        x = x + self.out(seen.transpose(1, 2).reshape(1, 10, 16))
        return self.head((x + self.narrow(F.gelu(self.wide(self.norm(x)))))[:, 0])


class Recurrent(nn.Module):
    """A convolution before and a linear layer after an LSTM."""

    def __init__(self):
        super().__init__()
        self.conv, self.lstm, self.head = (
            nn.Conv1d(12, 8, 3, padding=1),
            nn.LSTM(8, 8, batch_first=True),
            nn.Linear(8, 3),
        )

    def forward(self, x):
        x, _ = self.lstm(torch.relu(self.conv(x[:, 0])).transpose(1, 2))
        return self.head(x[:, -1])


class Shuffle(nn.Module):
    """Split, channel shuffle, maxima with a constant and with another value."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Conv2d(1, 8, 1), nn.Conv2d(4, 4, 3, padding=1), nn.Linear(8, 3)

    def forward(self, x):
        left, right = torch.chunk(torch.relu(self.a(x)), 2, 1)
        x = torch.cat([left, torch.relu(self.b(right))], 1)
        x = x.view(1, 2, 4, 12, 12).transpose(1, 2).reshape(1, 8, 12, 12)
        x = torch.maximum(x, torch.tensor(0.1))
        return self.head(torch.minimum(x, x * 2 - 1).amax((2, 3)))


class Classifier(nn.Module):
    """Residual, depthwise, concatenation of unlike branches, pooling; ends in logits or softmax."""

    def __init__(self, softmax=True):
        super().__init__()
        self.softmax = softmax
        self.stem, self.deep, self.point = (
            nn.Conv2d(1, 8, 3, padding=1),
            nn.Conv2d(8, 8, 3, padding=1, groups=8),
            nn.Conv2d(8, 8, 1),
        )
        self.left, self.right, self.head = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 3, padding=1), nn.Linear(16, 6)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = F.max_pool2d(torch.relu(self.point(F.relu6(self.deep(x))) + x), 2)
        x = torch.cat([torch.relu(self.left(x)), torch.tanh(self.right(x))], 1)
        logits = self.head(x.mean((2, 3)))
        return torch.softmax(logits, -1) if self.softmax else logits


def exported(module) -> ir.Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(module.eval(), (torch.zeros(1, 1, 12, 12),), dynamo=True, verbose=False)
        program.optimize()
    return program.model


def calibration(model, samples=None):
    name = model.graph.inputs[0].name
    return data(images() if samples is None else samples, name)


def outputs(model, samples):
    answer = Predictor(to_bytes(model)).predict(samples)
    return answer if isinstance(answer, tuple) else (answer,)


# module → least SQNR of the outputs in dB
NETS = {Classifier: 30, MobileBlock: 30, UNet: 30, Shuffle: 30, Transformer: 25, Recurrent: 30}


@pytest.mark.parametrize("module", NETS, ids=lambda m: m.__name__)
def test_network(module):
    torch.manual_seed(0)
    model = for_int8(simplify(exported(module())))
    samples = calibration(model)
    assert float_layers(model) == ()
    q = quantized(model, samples)
    assert violations(q.model) == ()
    assert all(layer.quantized for layer in q.layers)
    # steps that share weights do not load with x64quantprecision
    assert ("optimisations off" in Predictor(to_bytes(q.model)).name) == (module is Recurrent)
    assert parity(to_bytes(q.model), samples) <= 1
    unseen = images(seed=77)[:, 0]
    for truth, got in zip(outputs(model, unseen), outputs(q.model, unseen), strict=True):
        assert sqnr_db(truth, got) > NETS[module]
    assert min(layer_sqnr(model, q.model, samples).values()) > 20


def patterns(samples, seed):
    """Six smooth classes under noise, as (samples, 1, 12, 12) and their labels."""
    rng = np.random.default_rng(seed)
    coarse = np.random.default_rng(0).standard_normal((6, 1, 3, 3))
    labels = rng.integers(0, 6, samples)
    clean = np.kron(coarse, np.ones((4, 4)))[labels]
    return (clean + 1.6 * rng.standard_normal(clean.shape)).astype(np.float32), labels


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(0)
    module = Classifier(softmax=False)
    inputs, labels = (torch.from_numpy(a) for a in patterns(2048, 1))
    optimiser = torch.optim.Adam(module.parameters(), 5e-3)
    for _ in range(6):
        for i in range(0, 2048, 64):
            optimiser.zero_grad()
            F.cross_entropy(module(inputs[i : i + 64]), labels[i : i + 64]).backward()
            optimiser.step()
    model = exported(module)
    return model, calibration(model, patterns(128, 2)[0][:, None])


def stock(model, samples, folder):
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.samples = iter([samples.sample(i) for i in range(samples.samples)])

        def get_next(self):
            return next(self.samples, None)

    (folder / "float.onnx").write_bytes(to_bytes(model))
    logging.disable(logging.WARNING)
    int8 = QuantType.QInt8
    options = {"quant_format": QuantFormat.QDQ, "per_channel": True, "activation_type": int8, "weight_type": int8}
    quantize_static(folder / "float.onnx", folder / "int8.onnx", Reader(), **options)
    logging.disable(logging.NOTSET)
    return ir.from_proto(onnx.load(folder / "int8.onnx"))


def test_no_worse_than_the_stock_quantizer(trained, tmp_path):
    model, samples = trained
    inputs, labels = patterns(1000, 3)
    graphs = {"float": model, "ours": quantized(model, samples).model, "stock": stock(model, samples, tmp_path)}
    logits = {name: outputs(graph, inputs)[0] for name, graph in graphs.items()}
    accuracy = {name: float((answer.argmax(1) == labels).mean()) for name, answer in logits.items()}
    db = {name: sqnr_db(logits["float"], logits[name]) for name in ("ours", "stock")}
    print(f"accuracy {accuracy}, SQNR of the logits in dB {db}")
    assert accuracy["float"] > 0.8
    assert accuracy["ours"] >= accuracy["float"] - 0.01
    assert accuracy["ours"] >= accuracy["stock"] - 0.005
    assert db["ours"] >= db["stock"] - 1.0


@pytest.mark.parametrize("observer", OBSERVERS)
def test_every_observer_keeps_the_accuracy(trained, observer):
    model, samples = trained
    inputs, labels = patterns(500, 3)
    q = quantize(model, observe(model, samples, observer))
    truth, got = (float((outputs(m, inputs)[0].argmax(1) == labels).mean()) for m in (model, q.model))
    assert violations(q.model) == () and got >= truth - 0.02


def test_robust_observers_survive_an_outlier(trained):
    """One pixel of one sample 100 times too loud: minmax wastes its range on it, percentile and entropy do not."""
    model, clean = trained
    spoilt = clean.arrays[model.graph.inputs[0].name].copy()
    spoilt[5, 0, 0, 3, 3] = 400.0
    inputs = patterns(200, 3)[0]
    truth = outputs(model, inputs)[0]
    db = {}
    for observer in OBSERVERS:
        ranges = observe(model, calibration(model, spoilt), observer)
        db[observer] = sqnr_db(truth, outputs(quantize(model, ranges).model, inputs)[0])
    print(f"SQNR of the logits in dB after one outlier: {db}")
    assert db["percentile"] > db["minmax"] + 3 and db["entropy"] > db["minmax"] + 10
    assert db["mse"] > db["minmax"]  # by little: the outlier's own squared error is most of what it weighs


def test_calibration_takes_torch_tensors():
    from test_calibration import X

    checked = calibration_data(torch.ones(40, 3, 4, requires_grad=True), [X])
    assert checked.arrays["x"].shape == (40, 1, 3, 4)
