"""export: PyTorch modules of many forms become graphs that answer the same; what cannot is refused in a line or two."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import onnx_ir as ir
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from edgekit.errors import ModelError, UnsupportedError, UsageError  # noqa: E402
from edgekit.graph.evaluation import Predictor  # noqa: E402
from edgekit.graph.export import Exported, export  # noqa: E402
from edgekit.graph.save import to_bytes, value_specs  # noqa: E402
from edgekit.graph.simplify import simplify  # noqa: E402
from edgekit.model import from_module  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


class Residual(torch.nn.Module):
    """Convolutions, trained-looking batch norms, a skip connection, dropout, a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.BatchNorm2d(8), torch.nn.ReLU())
        self.block = torch.nn.Sequential(
            torch.nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False), torch.nn.BatchNorm2d(8)
        )
        self.drop = torch.nn.Dropout(0.5)
        self.head = torch.nn.Linear(8, 4)
        self.norm = torch.nn.BatchNorm1d(4)
        for norm in (self.stem[1], self.block[1], self.norm):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)

    def forward(self, image):
        x = self.stem(image)
        x = torch.relu(x + self.block(x))
        return self.norm(self.head(self.drop(x.mean(dim=(2, 3)))))


class TwoInTwoOut(torch.nn.Module):
    def forward(self, left, right):
        return {"sum": left + right, "both": (left * 2, right[:, :1])}


def answers(exported: Exported | ir.Model, *inputs) -> list[np.ndarray]:
    model = exported.model if isinstance(exported, Exported) else exported
    names = [v.name for v in model.graph.inputs]
    return list(Predictor(to_bytes(model)).run({n: x.numpy() for n, x in zip(names, inputs, strict=True)}))


def spec(module, *inputs):
    return from_module(module, inputs, name="net")


def test_a_residual_network_with_batch_norm_and_dropout() -> None:
    module = Residual().eval()
    x = torch.randn(1, 3, 16, 16)
    exported = export(spec(module, x))
    assert 0 < exported.max_abs_error < 1e-4
    plain = simplify(exported.model)
    kinds = [n.op_type for n in plain.graph]
    assert "BatchNormalization" not in kinds and "Dropout" not in kinds and "Identity" not in kinds
    assert np.allclose(answers(plain, x)[0], module(x).detach().numpy(), atol=1e-4)
    inputs, outputs = value_specs(plain)
    assert (inputs[0].name, inputs[0].shape, outputs[0].shape) == ("image", (1, 3, 16, 16), (1, 4))
    names = {n.name for n in plain.graph}
    assert {"stem.0", "block.0", "head"} <= names, names
    assert b'File "' not in to_bytes(plain), "stack traces are left in the file"


def test_several_inputs_and_outputs_in_dicts_and_tuples() -> None:
    left, right = torch.randn(2, 3), torch.randn(2, 3)
    exported = export(spec(TwoInTwoOut(), left, right))
    got = answers(simplify(exported.model), left, right)
    assert [v.name for v in exported.model.graph.inputs] == ["left", "right"]
    for a, b in zip(got, [left + right, left * 2, right[:, :1]], strict=True):
        assert np.allclose(a, b.numpy())


class Odd(torch.nn.Module):
    """An input that nothing reads, one that is changed in place, one that is an output too, one value twice."""

    def forward(self, used, unused, changed):
        changed.add_(1)
        doubled = used * 2
        return {"z": doubled, "a": used - changed, "m": [doubled, used + 0]}


def test_odd_inputs_and_outputs_keep_their_order() -> None:
    inputs = tuple(torch.randn(1, 3) for _ in range(3))
    kept = [x.clone() for x in inputs]
    plain = simplify(export(spec(Odd(), *inputs)).model)
    assert all(torch.equal(a, b) for a, b in zip(inputs, kept, strict=True)), "the example inputs were changed"
    used, _, changed = kept
    wanted = [used * 2, used - changed - 1, used * 2, used]
    for a, b in zip(answers(plain, *kept), wanted, strict=True):
        assert np.allclose(a, b.numpy(), atol=1e-6)


def test_a_model_that_takes_only_positive_numbers() -> None:
    """The comparison with random inputs is left out where the model has no answer to them."""

    class Logarithm(torch.nn.Module):
        def forward(self, x):
            return torch.log(x)

    assert export(spec(Logarithm(), torch.ones(1, 64))).max_abs_error < 1e-6


def test_a_recurrent_network() -> None:
    class Recurrent(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = torch.nn.GRU(4, 8, batch_first=True)

        def forward(self, x):
            return self.gru(x)[0][:, -1]

    module, x = Recurrent().eval(), torch.randn(1, 6, 4)
    plain = simplify(export(spec(module, x)).model)
    assert "GRU" in [n.op_type for n in plain.graph]
    assert np.allclose(answers(plain, x)[0], module(x).detach().numpy(), atol=1e-5)


def test_integer_inputs_and_boolean_outputs() -> None:
    class Tokens(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(10, 4)

        def forward(self, tokens):
            return self.embedding(tokens), tokens > 3

    tokens = torch.tensor([[1, 5, 9]])
    exported = export(spec(Tokens(), tokens))
    assert answers(exported, tokens)[1].tolist() == [[False, True, True]]


@pytest.mark.parametrize("training", [True, False])
def test_the_module_keeps_its_mode(training: bool) -> None:
    module = Residual().train(training)
    module.block.train(not training)
    export(spec(module, torch.randn(1, 3, 8, 8)))
    assert (module.training, module.block.training, module.block[0].training) == (training, not training, not training)
    assert all(p.requires_grad and p.grad is None for p in module.parameters())


def test_what_the_model_prints_stays_off_stdout(capfd) -> None:
    class Talking(torch.nn.Module):
        def forward(self, x):
            print("shape", tuple(x.shape))
            return x * 2

    export(spec(Talking(), torch.zeros(1, 4)))
    assert capfd.readouterr().out == ""


def test_nothing_is_printed(capfd) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        export(spec(Residual().eval(), torch.randn(1, 3, 8, 8)))
    assert capfd.readouterr() == ("", "")
    assert not caught


# --- refusals


class Broken(torch.nn.Module):
    def forward(self, x):
        return x @ torch.zeros(77, 2)


class Branching(torch.nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x * 2
        return x - 1


class Nan(torch.nn.Module):
    def forward(self, x):
        return x / 0 * 0


class Noisy(torch.nn.Module):
    def forward(self, x):
        return x + torch.rand_like(x)


class Silent(torch.nn.Module):
    def forward(self, x):
        return None


REFUSED = [
    (Broken, ModelError, "77"),
    (Branching, UnsupportedError, "cannot be exported"),
    (Nan, ModelError, "NaN"),
    (Noisy, ModelError, "differs from PyTorch"),
    (Silent, ModelError, "without a tensor"),
]


@pytest.mark.parametrize(("module", "error", "text"), REFUSED, ids=lambda p: getattr(p, "__name__", ""))
def test_what_is_refused(module, error, text: str) -> None:
    with pytest.raises(error) as caught:
        export(spec(module(), torch.randn(1, 4)))
    assert text in caught.value.message
    assert caught.value.hint
    assert len(caught.value.message.splitlines()) <= 2 and len(caught.value.message) < 700


def test_the_line_of_the_model_that_fails_is_named() -> None:
    for module in (Broken(), Branching()):
        with pytest.raises((ModelError, UnsupportedError), match=r"test_export\.py:\d+"):
            export(spec(module, torch.randn(1, 4)))


def test_without_onnxscript_the_extra_is_named() -> None:
    """In a process of its own: here it may have been imported already."""
    code = (
        "import sys; sys.modules['onnxscript'] = None\n"
        "import torch\n"
        "from edgekit.errors import UsageError\n"
        "from edgekit.graph.export import export\n"
        "from edgekit.model import from_module\n"
        "try: export(from_module(torch.nn.Linear(2, 2), (torch.zeros(1, 2),), name='net'))\n"
        "except UsageError as e: print(e.message, '|', e.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("exporting needs onnxscript, which is not installed"), done.stdout + done.stderr
    assert "edgekit-sdk[torch]" in done.stdout


def test_what_is_no_module() -> None:
    with pytest.raises(UsageError, match="int"):
        from_module(3, (torch.zeros(1),), name="net")
