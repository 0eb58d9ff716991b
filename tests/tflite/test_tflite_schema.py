"""The schema against the classes that it was generated from."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import re
from enum import IntEnum
from pathlib import Path

import pytest

from edgekit.tflite import schema

pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert (the extra tflite), which carries the public schema")

ROOT = Path(__file__).resolve().parents[2]
GENERATED_FROM = "2.3.0"


@pytest.fixture(scope="module")
def installed() -> dict[str, object]:
    """What the generator makes of the schema that is installed, as the names of a module."""
    path = ROOT / "tools" / "generate_tflite_schema.py"
    spec = importlib.util.spec_from_file_location("generate_tflite_schema", path)
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    names: dict[str, object] = {}
    exec(generator.schema(generator.generated_classes()), names)
    return names


def enums(names: dict[str, object]) -> dict[str, type[IntEnum]]:
    return {n: v for n, v in names.items() if isinstance(v, type) and issubclass(v, IntEnum) and v is not IntEnum}


def test_it_agrees_with_the_installed_one(installed) -> None:
    """Another version may add tables, members and fields at the end; what both know is equal."""
    ours, theirs = enums(vars(schema)), enums(installed)
    assert len(ours) >= 20
    for name in ours.keys() & theirs.keys():
        shared = ours[name].__members__.keys() & theirs[name].__members__.keys()
        assert shared and all(ours[name][m] == theirs[name][m] for m in shared), name
    for name in schema.TABLES.keys() & installed["TABLES"].keys():
        fields = list(zip(schema.TABLES[name], installed["TABLES"][name], strict=False))
        assert all(a == b for a, b in fields), name


def test_it_is_what_the_generator_writes(installed) -> None:
    version = importlib.metadata.version("ai-edge-litert")
    if version != GENERATED_FROM:
        pytest.skip(f"ai-edge-litert is {version}, the schema was generated from {GENERATED_FROM}")
    assert installed["TABLES"] == schema.TABLES
    assert {n: dict(e.__members__) for n, e in enums(vars(schema)).items()} == {
        n: dict(e.__members__) for n, e in enums(installed).items()
    }


def test_it_has_every_slot_that_the_generated_writer_has() -> None:
    """`StartObject(n)` of the generated classes counts the slots: a second way to the same number."""
    spec = importlib.util.find_spec("ai_edge_litert")
    text = (Path(spec.submodule_search_locations[0]) / "schema_py_generated.py").read_text(encoding="utf-8")
    counts = dict(re.findall(r"^def (\w+)Start\(builder\):\n    builder\.StartObject\((\d+)\)", text, re.MULTILINE))
    assert len(counts) >= 170
    wrong = {n: (len(f), counts[n]) for n, f in schema.TABLES.items() if n in counts and len(f) != int(counts[n])}
    if importlib.metadata.version("ai-edge-litert") == GENERATED_FROM:
        assert not wrong
        assert counts.keys() == schema.TABLES.keys()
    else:
        assert all(ours <= int(theirs) for ours, theirs in wrong.values()), wrong


def test_it_imports_only_enum() -> None:
    tree = ast.parse(Path(schema.__file__).read_text(encoding="utf-8"))
    imported = [ast.unparse(n) for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom))]
    assert imported == ["from enum import IntEnum"]


def test_it_carries_its_licence() -> None:
    head = Path(schema.__file__).read_text(encoding="utf-8")[:1500]
    assert "The TensorFlow Authors" in head and "Apache License, Version 2.0" in head
