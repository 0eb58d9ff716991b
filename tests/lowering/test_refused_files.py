"""Files that are broken, foreign or old, through the real commands: right results, or one message and an exit code."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fuzz import tflite_seeds as seeds
from fuzz.tflite_seeds import Draft
from graph.hostile_models import network as onnx_network

from edgekit import cli
from edgekit.graph.evaluation import Predictor
from edgekit.lowering import from_tflite
from edgekit.tflite.flatbuffer import decode, encode

# --- files


def between(
    builtin: str, *, kind: str = "INT8", scale: float | None = 0.05, shape=(2, 3), custom: str = "", **more
) -> bytes:
    """x → ABS → an operator → y, all of one type."""
    draft = Draft()
    x, h, y = (draft.tensor(shape, kind, scale=scale, **more) for _ in range(3))
    draft.operator("ABS", [x], [h])
    draft.operator(builtin, [h], [y], custom=custom)
    return draft.content([x], [y])


def several_unsupported() -> bytes:
    draft = Draft()
    x, a, b, c = (draft.tensor((2, 3), "FLOAT32") for _ in range(4))
    draft.operator("RFFT2D", [x], [a])
    draft.operator("ABS", [a], [b])
    draft.operator("CUMSUM", [b], [c])
    return draft.content([x], [c])


def truncated() -> bytes:
    return seeds.network()[:-200]


def past_the_end() -> bytes:
    """Weights outside the FlatBuffer, of which the last were cut off."""
    return seeds.weights_outside()[:-100]


def offset_of_a_table() -> bytes:
    content = bytearray(seeds.network())
    content[:4] = (1 << 30).to_bytes(4, "little")
    return bytes(content)


def short_data() -> bytes:
    root = decode(seeds.network())
    buffer = max(root.buffers, key=lambda b: b.data.size)
    buffer.data = buffer.data[:-1]
    return encode(root)


def of_type(kind: str) -> bytes:
    """The network with its int8 activations, and not its weights, of another type."""
    from edgekit.tflite.schema import TensorType

    root = decode(seeds.network())
    for tensor in root.subgraphs[0].tensors:
        if not tensor.buffer and tensor.type == TensorType.INT8:
            tensor.type = TensorType[kind]
    return encode(root)


def stream() -> bytes:
    draft = Draft()
    x, y = draft.tensor((2, 3), scale=0.05), draft.tensor((2, 3), scale=0.05)
    handle, old = draft.tensor((), "RESOURCE"), draft.tensor((2, 3), scale=0.05)
    draft.operator("VAR_HANDLE", [], [handle], "VarHandleOptions", shared_name="state")
    draft.operator("READ_VARIABLE", [handle], [old], "ReadVariableOptions")
    draft.operator("ADD", [x, old], [y], "AddOptions")
    draft.operator("ASSIGN_VARIABLE", [handle, y], [], "AssignVariableOptions")
    return draft.content([x], [y])


def texts() -> bytes:
    draft = Draft()
    x, y = draft.tensor((2,), "STRING"), draft.tensor((2,), "STRING")
    draft.operator("RESHAPE", [x], [y], "ReshapeOptions", new_shape=np.array([2], np.int32))
    return draft.content([x], [y])


def onnx_of(opset: int) -> bytes:
    model = onnx_network(20 if opset > 20 else max(opset, 7))
    model.opset_import[0].version = opset
    return model.SerializeToString()


REFUSED: dict[str, tuple[Callable[[], bytes], int, tuple[str, ...]]] = {
    "unsupported.tflite": (several_unsupported, 4, ("2 operators", "0 (RFFT2D)", "2 (CUMSUM)", "hint: replace it")),
    "truncated.tflite": (truncated, 3, ("the TFLite file is broken", "hint: get the file again")),
    "empty.tflite": (lambda: b"", 3, ("the TFLite file is broken", "TFL3")),
    "other.tflite": (lambda: onnx_of(20), 3, ("the TFLite file is broken", "TFL3")),
    "past_the_end.tflite": (past_the_end, 3, ("ends at byte", "tensor")),
    "offset.tflite": (offset_of_a_table, 3, ("it points to byte 1073741824",)),
    "short_data.tflite": (short_data, 3, ("holds 179 bytes, its type and shape say 180",)),
    "int16.tflite": (lambda: of_type("INT16"), 4, ("CONV_2D", "int16", "hint: quantize the model to int8")),
    "uint8.tflite": (lambda: of_type("UINT8"), 4, ("CONV_2D", "uint8", "hint: quantize the model to int8")),
    "bfloat16.tflite": (
        lambda: between("NEG", kind="BFLOAT16", scale=None),
        4,
        ("is of type BFLOAT16", "hint: export the model with float32 or int8 inputs"),
    ),
    "densify.tflite": (seeds.sparse, 4, ("(DENSIFY): its weights are sparse", "hint: export the model with dense")),
    "sparse.tflite": (lambda: seeds.sparse(densified=False), 4, ("FULLY_CONNECTED", "is sparse")),
    "custom.tflite": (
        lambda: between("CUSTOM", custom="My\x1b[31mOp"),
        4,
        ('operator 1 (CUSTOM): custom operator "My?[31mOp"', "hint: export the model with TFLite's own operators"),
    ),
    "branches.tflite": (seeds.branches, 4, ("(IF): control flow has no static plan of memory", "hint: export")),
    "stream.tflite": (stream, 4, ("VAR_HANDLE", "READ_VARIABLE", "resource variables", "hint: export")),
    "texts.tflite": (texts, 4, ("is of type STRING",)),
    "opset6.onnx": (lambda: onnx_of(6), 4, ("opset 6", "7 to 25")),
    "opset26.onnx": (lambda: onnx_of(26), 4, ("opset 26", "7 to 25")),
    "truncated.onnx": (lambda: onnx_of(20)[:-30], 3, ("no readable ONNX file", "hint: get the file again")),
}


# --- commands


@pytest.fixture
def command(monkeypatch, capfd):
    """Runs the command line here: (exit code, what it said)."""

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["edgekit", *map(str, arguments)])
        before = signal.getsignal(signal.SIGINT)
        try:
            with pytest.raises(SystemExit) as ended:
                cli.main()
        finally:
            signal.signal(signal.SIGINT, before)
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), f"{out} {' '.join(err.split())}"

    return run


def saved(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


@pytest.mark.parametrize("name", REFUSED)
def test_convert_says_why_and_writes_nothing(tmp_path: Path, command, name: str) -> None:
    build, code, texts = REFUSED[name]
    out = tmp_path / "build"
    out.mkdir()
    (out / "mine.txt").write_text("stays")
    file = saved(tmp_path, name, build())
    got, said = command("convert", file, "--formats", "onnx,tflite", "--calibration", "random", "--out", out)
    assert got == code, said
    assert all(text in said for text in texts), said
    assert "Traceback" not in said and "internal error" not in said
    assert [p.name for p in out.iterdir()] == ["mine.txt"] and (out / "mine.txt").read_text() == "stays"


@pytest.mark.parametrize("name", REFUSED)
def test_show_says_the_same(tmp_path: Path, command, name: str) -> None:
    build, code, texts = REFUSED[name]
    got, said = command("show", saved(tmp_path, name, build()))
    assert got == code, said
    assert all(text in said for text in texts), said
    assert "Traceback" not in said


@pytest.mark.parametrize("name", ["past_the_end.tflite", "custom.tflite"])
def test_in_a_process_of_its_own(tmp_path: Path, name: str) -> None:
    build, code, texts = REFUSED[name]
    file = saved(tmp_path, name, build())
    arguments = ["convert", str(file), "--formats", "onnx,tflite", "--out", str(tmp_path / "build")]
    done = subprocess.run([sys.executable, "-m", "edgekit", *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == code and done.stdout == ""
    assert all(text in " ".join(done.stderr.split()) for text in texts), done.stderr
    assert "Traceback" not in done.stderr and done.stderr.isascii() and "\x1b" not in done.stderr
    assert not (tmp_path / "build").exists()


def test_missing_files_and_folders(tmp_path: Path, command) -> None:
    (tmp_path / "folder.tflite").mkdir()
    for name in ("missing.tflite", "folder.tflite", "missing.onnx"):
        for verb in (("convert", tmp_path / name, "--out", tmp_path / "build"), ("show", tmp_path / name)):
            code, said = command(*verb)
            assert code == 3 and name in said and "Traceback" not in said, said


# --- right results


def calibration(folder: Path, name: str, *shape: int) -> tuple[Path, np.ndarray]:
    x = np.random.default_rng(1).standard_normal((64, *shape)).astype(np.float32)
    np.savez(folder / "samples.npz", **{name: x})
    return folder / "samples.npz", x


@pytest.mark.parametrize("opset", [7, 23])
def test_old_and_new_opsets(tmp_path: Path, command, opset: int) -> None:
    model = onnx_network(min(opset, 20))
    model.opset_import[0].version = opset
    content = model.SerializeToString()
    samples, x = calibration(tmp_path, "x", 3, 8, 8)
    file, out = saved(tmp_path, "net.onnx", content), tmp_path / "build"
    code, said = command("convert", file, "--formats", "onnx,tflite", "--calibration", samples, "--out", out)
    assert code == 0, said
    assert {"model.onnx", "model.tflite"} <= {p.name for p in out.iterdir()}
    wanted = Predictor(content).predict(x)
    assert np.allclose(Predictor(out / "model.float.onnx").predict(x), wanted, atol=1e-4)
    assert np.abs(Predictor(out / "model.onnx").predict(x) - wanted).max() < 0.05 * np.abs(wanted).max()
    assert command("show", out)[0] == 0


def test_float16_weights(tmp_path: Path, command) -> None:
    """The float form is exact; int8 is made of it like of any float model."""
    samples, x = calibration(tmp_path, "t0", 6, 6, 4)
    file = saved(tmp_path, "half.tflite", seeds.network(weights="FLOAT16"))
    code, said = command("convert", file, "--formats", "onnx,tflite", "--calibration", samples, "--out", tmp_path / "b")
    assert code == 0, said
    wanted = on_litert(file.read_bytes(), x)
    assert np.allclose(Predictor(tmp_path / "b" / "model.float.onnx").predict(x), wanted, rtol=1e-4, atol=1e-3)
    got = Predictor(tmp_path / "b" / "model.onnx").predict(x)
    assert np.abs(got - wanted).max() < 0.05 * np.abs(wanted).max()
    assert "Conv2D" in command("show", file)[1]


def test_int4_weights(tmp_path: Path, command) -> None:
    """Two numbers a byte: the interpreter and the converted file answer as LiteRT does."""
    from edgekit.interpreter import run

    content = seeds.network(weights="INT4")
    x = np.random.default_rng(0).integers(-128, 128, (8, 1, 6, 6, 4)).astype(np.int8)
    program = from_tflite(content, "int4")
    got = np.stack([run(program, {program.inputs[0].name: s})[program.outputs[0].name] for s in x])
    wanted = on_litert(content, x)
    assert (
        np.abs(got.astype(int) - wanted.reshape(got.shape).astype(int)).max() <= 3
    )  # fully connected rounds otherwise
    file = saved(tmp_path, "int4.tflite", content)
    code, said = command("convert", file, "--formats", "onnx,tflite", "--out", tmp_path / "build")
    assert code == 0, said


@pytest.mark.parametrize("kind", ["INT16"])
def test_int16_where_the_operator_has_a_form(tmp_path: Path, command, kind: str) -> None:
    draft = Draft()
    x, y, z = (draft.tensor((2, 3), kind, scale=s) for s in (0.001, 0.002, 0.004))
    draft.operator("ADD", [x, y], [z], "AddOptions", pot_scale_int16=False)
    file = saved(tmp_path, "sum.tflite", draft.content([x, y], [z]))
    code, said = command("show", file, "--program")
    assert code == 0 and "s16" in said, said


def on_litert(content: bytes, x: np.ndarray) -> np.ndarray:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    running = Interpreter(model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    running.allocate_tensors()
    (given,), (made,) = running.get_input_details(), running.get_output_details()
    answers = []
    for sample in x:
        running.set_tensor(given["index"], sample.reshape(given["shape"]))
        running.invoke()
        answers.append(running.get_tensor(made["index"]))
    return np.concatenate(answers)
