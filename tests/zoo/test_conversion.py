"""The networks of the zoo → int8 TFLite: the same bytes in TFLite Micro, wholly int8, as accurate as float."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn", reason="scikit-learn has the digits")
pytest.importorskip("tflite_micro", reason="TFLite Micro has wheels for x86-64 only")

import edgekit  # noqa: E402
from edgekit.lowering import from_tflite  # noqa: E402
from edgekit.runtimes import open_runtime  # noqa: E402
from zoo.catalogue import ZOO  # noqa: E402
from zoo.model import ZooModel  # noqa: E402
from zoo.training import trained  # noqa: E402

pytestmark = pytest.mark.torch
# One of each kind: hard swish and gates, resize and concat, recurrent, attention, one axis.
SOON = ("mobilenet_v3", "unet", "gru", "vit", "cnn1d")
# Points of the score that int8 may lose.
LOSS = {"vit": 0.01, "lstm": 0.01, "gru": 0.01}
REFERENCE_LSB = 3  # LiteRT's reference kernels differ on fully connected layers


def convert(model: ZooModel, net: torch.nn.Module, out: Path, *, samples: int, judge: bool) -> edgekit.Conversion:
    known = model.data()

    def score(predict) -> float:
        return model.score(np.asarray(predict(known.test_x)), known.test_y)

    return edgekit.convert(
        net,
        (model.example(),),
        calibration=known.train_x[:samples],
        formats=("onnx", "tflite"),
        out=out,
        name=model.name,
        evaluate=score if judge else None,
    )


def check(made: edgekit.Conversion) -> None:
    assert made.tflite is not None and not made.tflite["absent"]
    assert made.tflite["largest_lsb"]["tflite-micro"] == 0
    assert made.tflite["largest_lsb"]["litert-reference"] <= REFERENCE_LSB
    assert [layer.name for layer in made.layers if not layer.quantized] == []
    program = from_tflite((made.out / "model.tflite").read_bytes(), made.name)
    assert {t.dtype for op in program.ops for t in op.outputs} <= {"s8", "s32"}  # s32: indices of tables


@pytest.mark.parametrize("name", SOON)
def test_untrained_networks_are_the_same_integers_everywhere(name: str, tmp_path: Path) -> None:
    model = next(m for m in ZOO if m.name == name)
    check(convert(model, model.build(), tmp_path, samples=32, judge=False))


@pytest.mark.slow
@pytest.mark.parametrize("model", ZOO, ids=lambda m: m.name)
def test_trained_networks_keep_their_accuracy(model: ZooModel, tmp_path: Path) -> None:
    made = convert(model, trained(model), tmp_path, samples=128, judge=True)
    check(made)
    accuracy, allowed = made.accuracy, LOSS.get(model.name, 0.005)
    print(f"\n{model.name}: float {accuracy.float32:.4f}, int8 {accuracy.int8:.4f}, TFLite {accuracy.tflite:.4f}")
    assert accuracy.float32 is not None and accuracy.int8 is not None and accuracy.tflite is not None
    assert accuracy.float32 - accuracy.int8 <= allowed
    assert accuracy.float32 - accuracy.tflite <= allowed
    assert accuracy.float32 - micro_score(model, tmp_path / "model.tflite") <= allowed


def micro_score(model: ZooModel, file: Path) -> float:
    """The score of TFLite Micro on the test samples."""
    session, known = open_runtime("tflite-micro", file.read_bytes()), model.data()
    (x,), (y,) = session.inputs, session.outputs
    program = from_tflite(file.read_bytes(), model.name)
    answers = []
    for sample in known.test_x:
        held = sample[None] if program.inputs[0].shape == sample[None].shape else np.moveaxis(sample, 0, -1)[None]
        stored = np.clip(np.rint(held / np.float32(x.scale)) + x.zero_point, -128, 127).astype(np.int8)
        real = (session.run({x.name: stored})[y.name].astype(np.float32) - y.zero_point) * np.float32(y.scale)
        answers.append(real if real.ndim < 4 else np.moveaxis(real, -1, 1))
    return model.score(np.concatenate(answers), known.test_y)
