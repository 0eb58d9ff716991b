"""`edgekit report`: which documents of a build folder are taken, what is said of the others, and what is refused."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from edgekit.cli import main
from edgekit.errors import ModelError, UsageError
from edgekit.report.folder import SOURCES, read_documents, write_report

Documents = dict[str, dict[str, Any]]


@pytest.fixture
def folder(build: Path, tmp_path: Path) -> Path:
    """A build folder of its own, as convert wrote it."""
    return Path(shutil.copytree(build, tmp_path / "build"))


def fill(folder: Path, documents: Documents) -> None:
    for name, document in documents.items():
        (folder / SOURCES[name].file).write_text(json.dumps(document))


def test_what_convert_wrote_is_enough(folder: Path) -> None:
    report = write_report(folder)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert report.documents == ("convert",) and page.endswith("</html>\n") and "<h1>small</h1>" in page
    assert list(report.missing) == ["profile", "deploy", "redeploy", "bench", "status"]
    assert report.missing["bench"] == f"edgekit bench --json {folder}/bench.json"
    assert not list(folder.glob(".*")), "nothing half written is left"


def test_every_document_is_taken(folder: Path, documents: Documents, tmp_path: Path) -> None:
    fill(folder, documents)
    report = write_report(folder, tmp_path / "elsewhere.html")
    assert report.missing == {} and set(report.documents) == set(documents) == set(SOURCES)
    assert "Deployed again" in (tmp_path / "elsewhere.html").read_text(encoding="utf-8")
    assert not (folder / "report.html").exists()


def test_a_folder_that_no_convert_wrote(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is no build folder") as e:
        write_report(tmp_path)
    assert "edgekit convert" in e.value.hint


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "not JSON"),
        (b"\xff\x00\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1]", "no JSON object"),
        (b'{"schema": 2, "command": "profile"}', "not a document of `edgekit profile`, schema 1"),
        (b'{"schema": 1, "command": "bench"}', "not a document of `edgekit profile`, schema 1"),
        (b'{"schema": 1, "command": "profile", "error": {"code": 4}}', "profile failed when it was written"),
    ],
)
def test_a_file_that_is_no_document_is_named_with_what_makes_it(folder: Path, content: bytes, words: str) -> None:
    (folder / "profile.json").write_bytes(content)
    (folder / "bench.json").write_bytes(b"")
    with pytest.raises(ModelError) as e:
        write_report(folder)
    assert f"{folder / 'profile.json'}: {words}" in e.value.message and "bench.json: not JSON" in e.value.message
    assert "edgekit profile" in e.value.hint and not (folder / "report.html").exists()


def test_a_file_that_is_a_folder_or_far_too_large(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "profile.json").mkdir()
    with pytest.raises(ModelError, match="cannot be read"):
        read_documents(folder)
    monkeypatch.setattr("edgekit.report.folder.MAX_FILE_BYTES", 10)
    with pytest.raises(ModelError, match=r"report\.json: cannot be read: larger than"):
        read_documents(folder)


def test_a_place_that_cannot_be_written(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write"):
        write_report(folder, tmp_path / "missing" / "report.html")


def test_the_command(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(folder.parent)
    monkeypatch.setattr(sys, "argv", ["edgekit", "report"])
    with pytest.raises(SystemExit) as e:
        main()
    shown = capsys.readouterr().out
    assert e.value.code == 0 and "build/report.html" in shown
    assert "edgekit profile build --target" in shown and (folder / "report.html").exists()


def test_the_command_as_json(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["edgekit", "report", str(folder), "--out", str(folder / "r.html"), "--json", "-"])
    with pytest.raises(SystemExit) as e:
        main()
    document = json.loads(capsys.readouterr().out)
    assert e.value.code == 0 and (document["command"], document["documents"]) == ("report", ["convert"])
    assert document["file"] == str(folder / "r.html") and len(document["missing"]) == 5
    assert set(document["missing"][0]) == {"document", "make"}


def test_the_page_that_docs_describe_can_be_read_back(folder: Path, documents: Documents) -> None:
    """The Python of docs/report.md, run on a report."""
    fill(folder, documents)
    write_report(folder)
    docs = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")
    code = docs.split("```python\n")[1].split("```")[0]
    names: dict[str, Any] = {}
    exec(code.replace("build/report.html", str(folder / "report.html")), names)
    assert names["documents"] == documents


FIRMWARE = {
    "app": "small", "target": "mps2-an386", "device": "mps2-an386 in QEMU", "emulated": True, "trusted": False,
    "samples": 8, "golden": {"checked": True, "equal": True, "max_abs_error": 0, "tolerance": 0},
    "flash_bytes": 59_700, "ram_bytes": 14_624, "arena_bytes": 12_576, "stack_bytes": 276,
    "stack_reserved_bytes": 2048, "variables_bytes": 0, "memories": {"code": "code", "arena": "sram"},
    "instructions": {"min": 9_115_676, "max": 9_126_538, "exact": True}, "functions": [], "operators": [],
}  # fmt: skip


def test_a_deploy_to_an_emulated_microcontroller_is_its_benchmark(folder: Path) -> None:
    head = {"schema": 1, "edgekit": "0.1.0", "command": "deploy"}
    (folder / "deploy.json").write_text(json.dumps(head | {"benchmark": FIRMWARE}))
    assert read_documents(folder)["bench"] == FIRMWARE
    report = write_report(folder)
    assert report.documents == ("convert", "bench")
    page = (folder / "report.html").read_text(encoding="utf-8")
    for word in ("58.3 KiB", "9,115,676 to 9,126,538", "sizes and instructions are exact", "276 B"):
        assert word in page
    assert "planned only" not in page and "times of an emulated board" not in page
