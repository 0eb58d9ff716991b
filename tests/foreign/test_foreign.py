"""Models of others: each is converted with its quality on real inputs, or refused with an exact message.

Their wheels are fetched by `python -m foreign.wheels` in the folder tests; without them these tests are skipped.
docs/foreign-models.md has the figures.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgekit
from edgekit.errors import EdgekitError
from edgekit.interpreter import Interpreter
from edgekit.lowering import from_tflite
from foreign import inputs
from foreign.models import LIVEKIT, MODELS, PYOPEN, SILERO_VAD, Foreign
from foreign.quality import judge
from foreign.wheels import WHEELS, unpacked, wheel

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "foreign-models.md"
FLOAT_TOLERANCE = 2e-3  # of an output's range: float32 sums in another order, through 60 layers


def need(*requirements: str) -> None:
    missing = [r for r in requirements if wheel(r) is None]
    if missing:
        pytest.skip(f"not in .cache/foreign: {', '.join(missing)} (run python -m foreign.wheels in tests)")


def need_speech() -> None:
    if not inputs.SPEECH.is_dir():
        pytest.skip("no recordings: run make speech")


def cases(models: list[Foreign]) -> list:
    return [pytest.param(m, id=m.name, marks=() if m.small else pytest.mark.slow) for m in models]


@pytest.mark.parametrize("model", cases([m for m in MODELS if m.refused]))
def test_refused_with_an_exact_message(model: Foreign, tmp_path: Path) -> None:
    need(model.wheel)
    assert model.refused is not None
    code, text = model.refused
    with pytest.raises(EdgekitError) as caught:
        edgekit.convert(
            model.file, out=tmp_path / "b", calibration="random", formats=model.formats, shapes=model.shapes
        )
    assert caught.value.code == code and text in caught.value.message, caught.value.message
    assert caught.value.hint and not (tmp_path / "b").exists()


@pytest.mark.parametrize("model", cases([m for m in MODELS if not m.refused]))
def test_int8_is_as_near_as_promised(model: Foreign) -> None:
    need(model.wheel, LIVEKIT, SILERO_VAD, "scikit-image==0.25.2")
    need_speech()
    found = judge(model)
    assert set(found.figures) == {f"int8 {'ONNX' if f == 'onnx' else 'TFLite'}" for f in model.formats}
    for figures in found.figures.values():
        if model.useless:
            assert any("may be useless" in warning for warning in found.warnings)
        elif model.largest is not None:
            assert figures.largest is not None and figures.largest <= model.largest
        else:
            assert figures.cosine >= model.cosine
            assert figures.top_1 is None or figures.top_1 >= model.top_1
    assert all(reason for _, reason in found.kept)  # nothing stays float in silence
    if "tflite" in model.formats:
        assert found.largest_lsb.get("tflite-micro", 0) == 0


@pytest.mark.slow
@pytest.mark.parametrize("model", [m for m in MODELS if m.no_tflite], ids=lambda m: m.name)
def test_tflite_is_refused_with_an_exact_message(model: Foreign, tmp_path: Path) -> None:
    need(model.wheel)
    with pytest.raises(EdgekitError) as caught:
        edgekit.convert(
            model.file, out=tmp_path / "b", calibration="random", formats=["onnx", "tflite"], shapes=model.shapes
        )
    assert caught.value.code == 4 and model.no_tflite in caught.value.message


@pytest.mark.slow
@pytest.mark.parametrize("model", [m for m in MODELS if m.useless], ids=lambda m: m.name)
def test_float_is_exact_where_int8_is_useless(model: Foreign, tmp_path: Path) -> None:
    from edgekit.graph.evaluation import Predictor

    need(model.wheel, SILERO_VAD, "scikit-image==0.25.2")
    need_speech()
    edgekit.convert(model.file, out=tmp_path / "b", precision="float", shapes=model.shapes)
    if model.file.suffix == ".onnx":  # .tflite files are compared with LiteRT below
        assert model.real is not None
        sample = {name: array[0] if name in model.whole else array for name, array in model.real(1, 5).items()}
        files = (model.file, tmp_path / "b" / "model.float.onnx")
        for wanted, got in zip(*(Predictor(file).run(sample) for file in files), strict=True):
            assert np.allclose(wanted, got, rtol=1e-3, atol=1e-3)


FLOAT_FILES = [m for m in MODELS if m.path.endswith(".tflite") and not m.refused]


@pytest.mark.parametrize("model", cases(FLOAT_FILES))
def test_float_files_answer_as_in_litert(model: Foreign) -> None:
    """The program that was read, in NumPy, beside LiteRT on the file itself."""
    from ai_edge_litert.interpreter import Interpreter as LiteRt

    need(model.wheel, LIVEKIT, "scikit-image==0.25.2")
    need_speech()
    content = model.file.read_bytes()
    own, running = Interpreter(from_tflite(content, model.name)), LiteRt(model_content=content)
    running.allocate_tensors()
    assert model.real is not None
    for k in range(2):
        sample = {name: array[k : k + 1] for name, array in model.real(2, 3).items()}
        for given in running.get_input_details():
            running.set_tensor(given["index"], sample[given["name"]])
        running.invoke()
        got = own.run(sample)
        for made in running.get_output_details():
            wanted = running.get_tensor(made["index"])
            assert np.abs(got[made["name"]] - wanted).max() <= FLOAT_TOLERANCE * max(np.abs(wanted).max(), 1e-3)


def test_one_network_in_two_formats() -> None:
    """openWakeWord's embedding as .tflite and as .onnx: the same answers."""
    from edgekit.graph.evaluation import Predictor

    need(PYOPEN, LIVEKIT)
    need_speech()
    by_name = {m.name: m for m in MODELS}
    tflite = by_name["openWakeWord embedding (TFLite)"].file.read_bytes()
    spectra = inputs.spectrograms("x")(8, 4)["x"]
    program = from_tflite(tflite, "embedding")
    (given,), (made,) = program.inputs, program.outputs
    ours = np.concatenate([Interpreter(program).run({given.name: s[None]})[made.name] for s in spectra])
    theirs = Predictor(unpacked(LIVEKIT, *inputs.EMBEDDING)).run({"input_1": spectra})[0]
    difference = float(np.abs(ours - theirs).max())
    print(f"largest difference {difference:.2g} of {np.abs(theirs).max():.3g}")
    assert difference < 1e-3


def test_the_document_names_every_model() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert not [m.name for m in MODELS if f"| {m.name} |" not in text]
    assert not [w for w in WHEELS if w not in text]
