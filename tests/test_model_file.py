"""Model files run in their own folder and disturb nobody else; what they return becomes arrays."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import ModelError
from edgekit.model import load_source

pytest.importorskip("torch")

GOOD = """
import numpy as np
import torch

def model():
    return torch.nn.Linear(4, 2)

def example_inputs():
    return (torch.zeros(1, 4),)
"""


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(textwrap.dedent(text))
    return folder / name


def with_calibration(folder: Path, expression: str) -> Path:
    return write(folder, "net.py", f"{GOOD}\ndef calibration_data():\n    return {expression}\n")


# --- folders


def test_two_model_files_with_modules_of_the_same_name(tmp_path: Path) -> None:
    """Each sees its own `layers` and its own package `parts`, at import and later, whichever was loaded last."""
    evaluate = """
    from layers import WIDTH

    def evaluate(predict):
        import late
        import parts.inner
        return WIDTH + late.NUMBER + parts.inner.NUMBER
    """
    text = GOOD + textwrap.dedent(evaluate)
    specs = []
    for i in (1, 2):
        folder = tmp_path / f"app{i}"
        path = write(folder, "model.py", text)
        write(folder, "layers.py", f"WIDTH = {i}")
        write(folder, "late.py", f"NUMBER = {10 * i}")
        write(folder / "parts", "__init__.py", "")
        write(folder / "parts", "inner.py", f"NUMBER = {100 * i}")
        specs.append(load_source(path))
    answers = [spec.evaluate(None) for spec in (*specs, *specs) if spec.evaluate]
    assert answers == [111, 222, 111, 222]
    assert [spec.name for spec in specs] == ["app1", "app2"]


def test_the_import_path_is_as_before(tmp_path: Path) -> None:
    before = list(sys.path)
    spec = load_source(write(tmp_path, "net.py", GOOD + "\ndef evaluate(predict):\n    return 1\n"))
    assert spec.evaluate is not None and spec.evaluate(None) == 1
    with pytest.raises(ModelError):
        load_source(write(tmp_path, "wrong.py", "1 / 0"))
    assert sys.path == before


def test_an_edited_module_is_read_again(tmp_path: Path) -> None:
    text = GOOD.replace("torch.zeros(1, 4)", "torch.zeros(1, 4) + layers_edited.N") + "\nimport layers_edited\n"
    path = write(tmp_path, "net.py", text)
    for number in (1, 22):  # of another length: Python compares size and time of compiled files
        write(tmp_path, "layers_edited.py", f"N = {number}")
        spec = load_source(path)
        assert spec.example_inputs is not None and float(spec.example_inputs[0][0, 0]) == number


def test_modules_of_the_program_itself_stay(tmp_path: Path) -> None:
    write(tmp_path, "json.py", "raise RuntimeError('shadows the standard library')")
    import json

    load_source(write(tmp_path, "net.py", GOOD))
    assert sys.modules["json"] is json


def test_dataclasses_find_their_module(tmp_path: Path) -> None:
    """They look their class's module up in sys.modules."""
    head = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    body = "\n@dataclass\nclass Options:\n    width: int = 4\n\nOptions()\n"
    load_source(write(tmp_path, "net.py", head + GOOD + body))


def test_the_line_in_a_module_beside_the_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, "layers_that_fail.py", "def make():\n    raise ValueError('first\\n  second')\n")
    text = GOOD.replace("torch.nn.Linear(4, 2)", "layers_that_fail.make()") + "\nimport layers_that_fail\n"
    with pytest.raises(ModelError) as caught:
        load_source(write(tmp_path, "net.py", text))
    assert caught.value.message.endswith("layers_that_fail.py:2: model() failed: ValueError: first second")


# --- what the functions return


@pytest.mark.parametrize(
    ("inputs", "got"),
    [("()", "nothing"), ("'abc'", "str"), ("(np.zeros(4),)", "ndarray"), ("(1, 2)", "int, int"), ("None", "NoneType")],
)
def test_example_inputs_must_be_tensors(tmp_path: Path, inputs: str, got: str) -> None:
    with pytest.raises(ModelError, match=rf"net\.py: example_inputs hold {got}, wanted tensors") as caught:
        load_source(write(tmp_path, "net.py", GOOD.replace("(torch.zeros(1, 4),)", inputs)))
    assert "def example_inputs()" in caught.value.hint


@pytest.mark.parametrize("inputs", ["torch.zeros(1, 4)", "[torch.zeros(1, 4)]", "(torch.zeros(1, 4),)"])
def test_one_tensor_needs_no_tuple(tmp_path: Path, inputs: str) -> None:
    spec = load_source(write(tmp_path, "net.py", GOOD.replace("(torch.zeros(1, 4),)", inputs)))
    assert isinstance(spec.example_inputs, tuple) and len(spec.example_inputs) == 1


FORMS = {
    "list with a batch axis": "list(torch.arange(12.).reshape(3, 1, 4))",
    "batches of different sizes": "[torch.arange(8.).reshape(2, 4), torch.arange(8., 12.).reshape(1, 4)]",
    "a data loader": "torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.arange(12.).reshape(3, 4)), 2)",
    "lists of numbers": "[[0., 1, 2, 3], [4., 5, 6, 7], [8., 9, 10, 11]]",
    "arrays": "[np.arange(4.) + 4 * i for i in range(3)]",
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_calibration_data(tmp_path: Path, form: str) -> None:
    """All are accepted by the calibration itself, and are the same samples."""
    from edgekit.graph.calibration import calibration_data
    from edgekit.model import ValueSpec

    raw = load_source(with_calibration(tmp_path, FORMS[form])).calibration
    data = calibration_data(raw, (ValueSpec("x", (1, 4), "float32"),))
    assert np.array_equal(data.arrays["x"], np.arange(12, dtype=np.float32).reshape(3, 1, 4))


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ("[]", "no samples"),
        ("None", "gave NoneType"),
        ("'random'", "gave str"),
        ("7", "gave int"),
        ("[torch.zeros(4), torch.zeros(5)]", "same shape"),
        ("[{'x': torch.zeros(4)}, {'y': torch.zeros(4)}]", "KeyError"),
        ("[(torch.zeros(4), 3)]", "2 inputs without names"),
    ],
)
def test_calibration_data_that_is_none(tmp_path: Path, form: str, reason: str) -> None:
    with pytest.raises(ModelError, match=r"calibration_data\(\)") as caught:
        load_source(with_calibration(tmp_path, form))
    assert reason in caught.value.message and caught.value.hint


@pytest.mark.parametrize("figure", ["None", "[1, 2]", "'good'"])
def test_evaluate_must_give_one_number(tmp_path: Path, figure: str) -> None:
    spec = load_source(write(tmp_path, "net.py", f"{GOOD}\ndef evaluate(predict):\n    return {figure}\n"))
    assert spec.evaluate is not None
    with pytest.raises(ModelError, match="wanted one number"):
        spec.evaluate(None)


@pytest.mark.parametrize("figure", ["1", "0.5", "torch.tensor(0.25)", "np.float32(2)", "True"])
def test_numbers_of_every_kind(tmp_path: Path, figure: str) -> None:
    spec = load_source(write(tmp_path, "net.py", f"{GOOD}\ndef evaluate(predict):\n    return {figure}\n"))
    assert spec.evaluate is not None and isinstance(spec.evaluate(None), float)


def test_the_documented_example(tmp_path: Path) -> None:
    """The model file in docs/sources.md is a whole one."""
    document = (Path(__file__).resolve().parents[1] / "docs" / "sources.md").read_text(encoding="utf-8")
    example = document.split("```python\n")[1].split("```")[0]
    spec = load_source(write(tmp_path, "net.py", example))
    assert isinstance(spec.calibration, np.ndarray) and spec.calibration.shape == (128, 3, 16, 16)
    assert spec.module(*spec.example_inputs).shape == (1, 10)
    assert spec.evaluate is not None and spec.evaluate(lambda x: np.zeros((len(x), 10))) == 1.0
