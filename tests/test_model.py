"""Sources: what a model file may say, and the message for each thing that is wrong with one."""

from __future__ import annotations

import hashlib
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import ModelError, UnsupportedError, UsageError
from edgekit.model import ModelSpec, ValueSpec, load_source

GOOD = """
import torch

def model():
    return torch.nn.Linear(4, 2)

def example_inputs():
    return (torch.zeros(1, 4),)
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes net.py in a folder of its own; sys.path is as before afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))

    def writing(text: str, name: str = "net.py") -> Path:
        path = tmp_path / "app" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    return writing


def needs_torch() -> None:
    pytest.importorskip("torch")


# --- files that are no model files


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("net.pt", ModelError, "pickle"),
        ("net.PTH", ModelError, "pickle"),
        ("net.pt2", ModelError, "run code"),
        ("net.pkl", ModelError, "run code"),
        ("net.h5", ModelError, "run code"),
        ("net.gguf", UnsupportedError, "language models"),
        ("net.docx", UsageError, ".docx"),
        ("net", UsageError, "without ending"),
    ],
)
def test_refused_by_their_ending_without_being_read(tmp_path: Path, name: str, error: type, text: str) -> None:
    path = tmp_path / name  # it does not even exist
    with pytest.raises(error) as caught:
        load_source(path)
    assert text in caught.value.message and caught.value.hint


@pytest.mark.torch
def test_an_allowed_pickle_runs_no_code(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    path = tmp_path / "net.pt"
    path.write_bytes(f"cos\nsystem\n(S'touch {tmp_path}/owned'\ntR.".encode())
    with pytest.raises(ModelError, match="holds more than weights"):
        load_source(path, allow_pickle=True)
    assert not (tmp_path / "owned").exists()


@pytest.mark.torch
def test_an_allowed_pickle_of_weights_says_what_it_holds(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save(torch.nn.Linear(3, 2).state_dict(), tmp_path / "net.pt")
    with pytest.raises(ModelError, match=r"2 tensors \(weight \[2, 3\], bias \[2\]\)") as caught:
        load_source(tmp_path / "net.pt", allow_pickle=True)
    assert "weights_only=True" in caught.value.hint


@pytest.mark.parametrize("name", ["nothing.py", "nothing.onnx"])
def test_missing_files(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="not there"):
        load_source(tmp_path / name)


def test_an_onnx_file_is_only_hashed_here(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"whatever")
    spec = load_source(path)
    assert spec == ModelSpec("net", "onnx", path, hashlib.sha256(b"whatever").hexdigest())


def test_value_specs_are_values() -> None:
    assert {ValueSpec("x", (1, 2), "float32"), ValueSpec("x", (1, 2), "float32")} == {ValueSpec("x", (1, 2), "float32")}


def test_without_torch_the_extra_is_named(write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UsageError, match="PyTorch") as caught:
        load_source(write(GOOD))
    assert "edgekit-sdk[torch]" in caught.value.hint


# --- model files


def test_a_model_file(write) -> None:
    needs_torch()
    spec = load_source(write(GOOD))
    assert (spec.name, spec.kind, spec.calibration, spec.evaluate) == ("net", "module", None, None)
    assert spec.example_inputs is not None and tuple(spec.example_inputs[0].shape) == (1, 4)
    assert spec.module(spec.example_inputs[0]).shape == (1, 2)


def test_model_py_is_named_after_its_folder(write) -> None:
    needs_torch()
    assert load_source(write(GOOD, "model.py")).name == "app"


def test_modules_beside_the_file_can_be_imported(write) -> None:
    needs_torch()
    write("WIDTH = 4", "my_layers_of_test_model.py")
    load_source(write("from my_layers_of_test_model import WIDTH\n" + GOOD))


def test_what_is_missing_and_what_is_there(write) -> None:
    needs_torch()
    with pytest.raises(ModelError) as caught:
        load_source(write("def modle(): pass"))
    assert "no model() and no example_inputs(); it has: modle" in caught.value.message
    assert "def example_inputs()" in caught.value.hint


def test_model_must_give_a_module(write) -> None:
    needs_torch()
    with pytest.raises(ModelError, match=r"net\.py: the model is a dict"):
        load_source(write(GOOD.replace("torch.nn.Linear(4, 2)", "{}")))


WRONG = {
    "import": (
        "import torch\nimport nothing_of_this_name\n" + GOOD,
        "net.py:2: cannot be imported: ModuleNotFoundError",
    ),
    "syntax": ("def model(:\n", "net.py:1: cannot be imported: SyntaxError"),
    "exit": ("import sys\nsys.exit(3)\n", "net.py:2: cannot be imported: SystemExit: 3"),
    "model": (GOOD.replace("torch.nn.Linear(4, 2)", "1 / 0"), "net.py:5: model() failed: ZeroDivisionError"),
    "inputs": (GOOD.replace("(torch.zeros(1, 4),)", "[][1]"), "net.py:8: example_inputs() failed: IndexError"),
    "generator": (
        GOOD + "\ndef calibration_data():\n    yield torch.zeros(4)\n    raise OSError('disk')\n",
        "net.py:12: calibration_data() failed: OSError: disk",
    ),
    "ragged": (
        GOOD + "\ndef calibration_data():\n    return [torch.zeros(4), torch.zeros(5)]\n",
        "calibration_data() failed: ValueError",
    ),
    "nothing": (GOOD + "\ndef calibration_data():\n    pass\n", "calibration_data() failed: TypeError"),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors_of_the_user_name_their_line(write, name: str) -> None:
    needs_torch()
    text, message = WRONG[name]
    with pytest.raises(ModelError) as caught:
        load_source(write(text))
    assert message in caught.value.message
    assert "EDGEKIT_DEBUG" in caught.value.hint


def test_errors_of_evaluate_name_their_line(write) -> None:
    needs_torch()
    spec = load_source(write(GOOD + "\ndef evaluate(predict):\n    return predict(1) / 0\n"))
    assert spec.evaluate is not None
    with pytest.raises(ModelError, match=r"net\.py:11: evaluate\(\) failed: ZeroDivisionError"):
        spec.evaluate(lambda x: x)


def test_an_error_of_edgekit_inside_evaluate_stays_what_it_is(write) -> None:
    needs_torch()
    spec = load_source(write(GOOD + "\ndef evaluate(predict):\n    return predict(1)\n"))

    def predict(_: object) -> float:
        raise UnsupportedError("too large", hint="smaller")

    assert spec.evaluate is not None
    with pytest.raises(UnsupportedError, match="too large"):
        spec.evaluate(predict)


def test_what_the_file_prints_stays_off_stdout(write, capsys: pytest.CaptureFixture[str]) -> None:
    needs_torch()
    load_source(
        write("print('importing')\n" + GOOD + "\ndef calibration_data():\n    print('a')\n    yield [0.0] * 4\n")
    )
    assert capsys.readouterr().out == ""


# --- calibration data

ROWS = np.arange(12, dtype=np.float32).reshape(3, 4)
FORMS = {
    "array": "np.arange(12, dtype=np.float32).reshape(3, 4)",
    "tensor": "torch.arange(12, dtype=torch.float32).reshape(3, 4).requires_grad_()",
    "list": "list(torch.arange(12, dtype=torch.float32).reshape(3, 4))",
    "generator": "(row for row in torch.arange(12, dtype=torch.float32).reshape(3, 4))",
    "tuples of one": "[(row,) for row in torch.arange(12, dtype=torch.float32).reshape(3, 4)]",
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_calibration_data(write, form: str) -> None:
    needs_torch()
    text = f"import numpy as np\n{GOOD}\ndef calibration_data():\n    return {FORMS[form]}\n"
    spec = load_source(write(text))
    assert isinstance(spec.calibration, np.ndarray)
    assert spec.calibration.dtype == np.float32 and np.array_equal(spec.calibration, ROWS)


@pytest.mark.parametrize("form", ["{'x': torch.zeros(3, 4)}", "[{'x': torch.zeros(4)} for _ in range(3)]"])
def test_calibration_data_by_name(write, form: str) -> None:
    needs_torch()
    spec = load_source(write(f"{GOOD}\ndef calibration_data():\n    return {form}\n"))
    assert isinstance(spec.calibration, dict)
    assert {name: array.shape for name, array in spec.calibration.items()} == {"x": (3, 4)}


def test_samples_of_several_inputs_need_names(write) -> None:
    needs_torch()
    with pytest.raises(ModelError, match="2 inputs without names") as caught:
        load_source(write(f"{GOOD}\ndef calibration_data():\n    return [(torch.zeros(4), torch.zeros(1))]\n"))
    assert "dict" in caught.value.hint
