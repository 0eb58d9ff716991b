"""Every export against the published rules of its ecosystem: files, names, fields of its metadata.

The rules are written down here from the documents that the modules of edgekit/exports name; neither arduino-lint nor
Zephyr nor ESP-IDF can be installed from the package index.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import yaml
from exported import classifier, library_of

from edgekit.errors import UsageError
from edgekit.exports import EXPORTS, Library, files_of
from edgekit.exports.arduino import library_name

LIBRARY = library_of(classifier("Wake Word"))
NAME = "wake_word"
EXAMPLES = {
    "cmake": "example/main.c",
    "arduino": "examples/SelfTest/SelfTest.ino",
    "platformio": "examples/selftest/src/main.c",
    "zephyr": "samples/selftest/src/main.c",
    "esp-idf": "examples/selftest/main/main.c",
}


@pytest.mark.parametrize("kind", EXPORTS)
def test_an_export_is_complete(kind):
    files = files_of(LIBRARY, kind)
    for name in (f"{NAME}.h", f"{NAME}.c", f"{NAME}_selftest.h", f"{NAME}_selftest.c", "edgekit.h", "ek_conv2d_s8.c"):
        assert f"src/{name}" in files
    assert "Apache License" in files["LICENSE"]
    assert f"{NAME}_selftest_in" in files[EXAMPLES[kind]]
    assert all(text.endswith("\n") for text in files.values())
    assert all("\t" not in path and " " not in path and path.isascii() for path in files)


@pytest.mark.parametrize("kind", EXPORTS)
def test_the_readme_says_what_one_needs(kind):
    text = files_of(LIBRARY, kind)["README.md"]
    for needed in (
        f"`WAKE_WORD_ARENA_BYTES` is {LIBRARY.arena_bytes}",
        f"`{NAME}_input` | `int8_t` | 1 x 6 x 5 x 2 | (stored - 3) * 0.5",
        f"`{NAME}_output` | `int8_t` | 1 x 4 | (stored - 5) * 9.0",
        f"ek_status {NAME}_invoke",
        "## Licence",
    ):
        assert needed in text, needed


@pytest.mark.parametrize("kind", EXPORTS)
def test_the_same_model_gives_the_same_bytes(kind):
    assert files_of(library_of(classifier("Wake Word")), kind) == files_of(LIBRARY, kind)


@pytest.mark.parametrize("kind", EXPORTS)
def test_kernels_are_private(kind):
    """No word of a kernel is shared with another model; what edgekit.h declares is."""
    files = files_of(LIBRARY, kind)
    public = set(re.findall(r"\bek_\w+", files["src/edgekit.h"]))
    for path, text in files.items():
        if path.startswith("src/"):
            code = re.sub(r"^#include.*$", "", text, flags=re.MULTILINE)
            assert set(re.findall(r"\bek_\w+", code)) <= public, path


def arduino_properties(library: Library) -> dict[str, str]:
    lines = files_of(library, "arduino")["library.properties"].splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_arduino_metadata():
    fields = arduino_properties(LIBRARY)
    for key in ("name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures"):
        assert fields[key], key  # all of them are required (arduino-lint LP00x)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _.\-]*", fields["name"]) and re.search("[A-Za-z]", fields["name"])
    assert len(fields["name"]) <= 63
    assert not fields["name"].lower().startswith("arduino") and not fields["maintainer"].lower().startswith("arduino")
    assert re.fullmatch(r"\d+\.\d+\.\d+", fields["version"])
    assert fields["category"] in (
        "Display", "Communication", "Signal Input/Output", "Sensors", "Device Control", "Timing", "Data Storage",
        "Data Processing", "Other",
    )  # fmt: skip
    assert fields["url"].startswith("https://")
    assert fields["architectures"] == "*"
    assert fields["dot_a_linkage"] in ("true", "false")
    assert not fields["paragraph"].startswith(fields["sentence"])


def test_arduino_layout():
    files = files_of(LIBRARY, "arduino")
    fields = arduino_properties(LIBRARY)
    assert f"src/{fields['name']}.h" in files  # the main header has the library's name
    assert all(f"src/{header}" in files for header in fields["includes"].split(","))
    assert not [path for path in files if "/" not in path and path.endswith((".c", ".h", ".cpp", ".ino"))]
    assert not [path for path in files if path.startswith("src/") and "/" in path.removeprefix("src/")]
    sketches = [path for path in files if path.endswith(".ino")]
    assert sketches and all(re.fullmatch(r"examples/(\w{1,63})/\1\.ino", path) for path in sketches)
    assert not [path for path in files if path.lower().startswith(("example/", "extra/", "source/"))]
    for line in files["keywords.txt"].splitlines():
        assert re.fullmatch(r"\w+\t(KEYWORD[123]|LITERAL[12])", line), line


def test_arduino_keeps_its_own_name():
    assert library_name("arduino_model") == "m_arduino_model"
    assert len(library_name("a" * 100)) == 63


def test_platformio_metadata():
    files = files_of(LIBRARY, "platformio")
    manifest = json.loads(files["library.json"])
    assert re.fullmatch(r"[^:;/,@<>]{1,100}", manifest["name"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", manifest["version"])
    assert 1 <= len(manifest["description"]) <= 1000
    assert all(re.fullmatch(r"[a-z\d\-_+. ]{1,50}", keyword) for keyword in manifest["keywords"])
    assert manifest["license"] == "Apache-2.0"
    for key in ("frameworks", "platforms"):
        assert all(re.fullmatch(r"[a-z\d\-_]+|\*", word) for word in manifest[key])
    for example in manifest["examples"]:
        assert re.fullmatch(r"[a-zA-Z\d\-_/. ]+", example["name"])
        assert all(f"{example['base']}/{name}" in files for name in example["files"])
    assert all(f"src/{header}" in files for header in manifest["headers"])
    assert manifest["build"]["srcDir"] == "src"


def test_zephyr_metadata():
    files = files_of(LIBRARY, "zephyr")
    module = yaml.safe_load(files["zephyr/module.yml"])
    assert set(module) <= {"name", "build", "tests", "samples", "boards", "blobs"}
    assert module["name"] == NAME
    assert set(module["build"]) <= {"cmake", "kconfig", "settings", "depends"}
    assert module["build"]["cmake"] == "." and "CMakeLists.txt" in files
    assert module["build"]["kconfig"] in files
    assert all(any(path.startswith(f"{folder}/") for path in files) for folder in module["samples"])
    assert files["Kconfig"].startswith("config EDGEKIT_WAKE_WORD\n\tbool ")
    assert "if(CONFIG_EDGEKIT_WAKE_WORD)" in files["CMakeLists.txt"]
    assert "CONFIG_EDGEKIT_WAKE_WORD=y" in files["samples/selftest/prj.conf"].splitlines()
    sample = yaml.safe_load(files["samples/selftest/sample.yaml"])
    assert sample["sample"]["name"] and all("." in name for name in sample["tests"])


def test_esp_idf_metadata():
    files = files_of(LIBRARY, "esp-idf")
    manifest = yaml.safe_load(files["idf_component.yml"])
    allowed = {"version", "maintainers", "description", "license", "tags", "targets", "url", "dependencies", "files"}
    assert set(manifest) <= allowed
    assert re.fullmatch(r"\d+\.\d+\.\d+", manifest["version"])
    assert manifest["license"] == "Apache-2.0"
    assert manifest["dependencies"] == {"idf": {"version": ">=4.4"}}
    example = yaml.safe_load(files["examples/selftest/main/idf_component.yml"])
    assert example["dependencies"][NAME]["override_path"] == "../../../"
    assert "idf_component_register(" in files["CMakeLists.txt"]


@pytest.mark.parametrize("name", ["math", "string", "time", "arduino"])
def test_names_of_headers_that_exist_are_refused(name):
    made = library_of(classifier(name))
    assert made.name == f"m_{name}"  # the emitter keeps off them
    with pytest.raises(UsageError, match="cannot be the name of a library"):
        replace(made, sources=replace(made.sources, name=name))


@pytest.mark.parametrize("version", ["1.0", "v1.0.0", "1.0.0-rc1", "01.0.0", "1.0.0\n", ""])
def test_versions_have_three_numbers(version):
    with pytest.raises(UsageError, match="version"):
        library_of(classifier("m"), version=version)


def test_an_unknown_kind_suggests_the_near_one():
    with pytest.raises(UsageError) as refused:
        files_of(LIBRARY, "adruino")
    assert refused.value.hint == 'did you mean "arduino"?'
