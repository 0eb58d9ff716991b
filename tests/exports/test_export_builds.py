"""Exported libraries, built as their users build them: CMake, Arduino (C++), every Cortex-M core, clang; and run here.

Zephyr and ESP-IDF cannot be had from the package index: their CMakeLists.txt run with stand-ins for the functions that
their documents describe, which shows that the files fit together, not that those build systems take them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from exported import STRICT, classifier, library_of, put, ran, random_program

from edgekit.building.compiler import build
from edgekit.building.cortex_m import PORT, compiler, memory_script
from edgekit.building.placement import layout
from edgekit.device.cortex_m import QEMU, command
from edgekit.exports import Library, export, files_of
from edgekit.ops.arithmetic import Add
from edgekit.ops.joining import Split
from edgekit.ops.normalising import Softmax
from edgekit.ops.quantization import Quantize
from edgekit.ops.recurrent import Svdf
from edgekit.ops.reduction import ArgMax
from edgekit.ops.slicing import Gather
from edgekit.resources import runtime_dir
from edgekit.target import load_target

NAME = "wake_word"
CORES = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55")
FLAGS = f"-DCMAKE_C_FLAGS={' '.join(STRICT[1:])}"

needs_cmake = pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")
needs_arm = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="gcc-arm-none-eabi is not installed")


@pytest.fixture(scope="module")
def library() -> Library:
    return library_of(classifier("Wake Word"))


def sources_of_cmake(folder: Path) -> list[Path]:
    """What its CMakeLists.txt lists."""
    lists = (folder / "CMakeLists.txt").read_text(encoding="utf-8")
    return [folder / path for path in re.findall(r"^ +(src/\w+\.c)$", lists, re.MULTILINE)]


def selftest_here(folder: Path, name: str, *, flags: tuple[str, ...] = ()) -> int:
    """What NAME_selftest() gives, built without CMake from the files that CMake would compile."""
    main = folder / "result.c"
    main.write_text(
        f'#include <stdio.h>\n#include "{name}_selftest.h"\n'
        f'int main(void) {{ printf("%d\\n", {name}_selftest()); return 0; }}\n'
    )
    program = folder / "result"
    command = ["cc", "-O1", "-g", *STRICT, *flags, f"-I{folder / 'src'}", main, *sources_of_cmake(folder), "-lm"]
    ran([*command, "-o", program])
    return int(ran([program]))


# --- the self-test


def test_the_selftest_passes_under_sanitizers(tmp_path, library):
    export(library, "cmake", tmp_path / "lib")
    checked = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    assert selftest_here(tmp_path / "lib", NAME, flags=checked) == 0


@pytest.mark.parametrize(("sample", "place"), [(0, 0), (0, 3), (1, 2)])
def test_the_selftest_names_the_first_wrong_byte(tmp_path, library, sample, place):
    samples = list(library.samples)
    wrong = samples[sample].outputs[0].copy()
    wrong.reshape(-1)[place] ^= 1
    samples[sample] = replace(samples[sample], outputs=(wrong,))
    export(replace(library, samples=tuple(samples)), "cmake", tmp_path / "lib")
    assert selftest_here(tmp_path / "lib", NAME) == sample * 4 + place + 1


@pytest.mark.parametrize(
    ("cls", "kind"),
    [(Add, "s8"), (Split, "s8"), (ArgMax, "s8"), (Gather, "s8"), (Svdf, "s8"), (Softmax, "f32"), (Quantize, "s8")],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_other_interfaces(tmp_path, cls, kind):
    """Several inputs, several outputs, indices, states, floats."""
    made = library_of(random_program(cls, kind, "one_op"))
    export(made, "cmake", tmp_path / "lib")
    assert selftest_here(tmp_path / "lib", "one_op", flags=("-fwrapv",)) == 0
    ran(["cc", *STRICT, f"-I{tmp_path / 'lib' / 'src'}", "-fsyntax-only", tmp_path / "lib" / "example" / "main.c"])


# --- CMake


@needs_cmake
def test_cmake_builds_tests_installs_and_is_found(tmp_path, library):
    export(library, "cmake", tmp_path / "lib")
    ran(["cmake", "-B", "build", FLAGS], tmp_path / "lib")
    ran(["cmake", "--build", "build"], tmp_path / "lib")
    assert "100% tests passed" in ran(["ctest", "--test-dir", "build"], tmp_path / "lib")
    ran(["cmake", "--install", "build", "--prefix", tmp_path / "installed"], tmp_path / "lib")
    app = put(
        tmp_path / "app",
        {
            "CMakeLists.txt": "cmake_minimum_required(VERSION 3.13)\nproject(app C)\n"
            f"find_package({NAME} CONFIG REQUIRED)\nadd_executable(app main.c)\n"
            f"target_link_libraries(app PRIVATE edgekit::{NAME})\n",
            "main.c": f'#include "{NAME}_selftest.h"\nint main(void) {{ return {NAME}_selftest(); }}\n',
        },
    )
    ran(["cmake", "-B", "build", f"-DCMAKE_PREFIX_PATH={tmp_path / 'installed'}"], app)
    ran(["cmake", "--build", "build"], app)
    ran([app / "build" / "app"])


@needs_cmake
@pytest.mark.parametrize("name", ["test", "m", "install", "all"])
def test_names_that_cmake_keeps_for_itself(tmp_path, name):
    export(library_of(classifier(name)), "cmake", tmp_path)
    ran(["cmake", "-B", "build"], tmp_path)
    ran(["cmake", "--build", "build"], tmp_path)
    assert "100% tests passed" in ran(["ctest", "--test-dir", "build"], tmp_path)


@needs_cmake
def test_two_models_in_one_cmake_build_from_cpp(tmp_path, library):
    """Both call the same kernels; one of them as an older edgekit had them, with other parameters."""
    export(library, "cmake", tmp_path / "one")
    export(library_of(classifier("other", seed=1)), "cmake", tmp_path / "two")
    header = tmp_path / "two" / "src" / "ek_weighted.h"
    header.write_text(header.read_text().replace("  int32_t rows, depth, units", "  int32_t older, rows, depth, units"))
    assert "int32_t older" in header.read_text()
    app = put(
        tmp_path,
        {
            "CMakeLists.txt": "cmake_minimum_required(VERSION 3.13)\nproject(app C CXX)\n"
            "add_subdirectory(one)\nadd_subdirectory(two)\nadd_executable(app main.cpp)\n"
            f"target_link_libraries(app PRIVATE edgekit::{NAME} edgekit::other)\n",
            "main.cpp": f'#include "{NAME}_selftest.h"\n#include "other_selftest.h"\n'
            f"int main() {{ return {NAME}_selftest() || other_selftest(); }}\n",
        },
    )
    ran(["cmake", "-B", "build", FLAGS], app)
    ran(["cmake", "--build", "build"], app)
    ran([app / "build" / "app"])


def test_two_models_link_as_objects(tmp_path, library):
    """Without archives, as Zephyr and some Arduino cores link: every symbol of both is there at once."""
    export(library, "cmake", tmp_path / "one")
    export(library_of(classifier("other", seed=1)), "cmake", tmp_path / "two")
    main = tmp_path / "main.c"
    main.write_text(
        f'#include "{NAME}_selftest.h"\n#include "other_selftest.h"\n'
        f"int main(void) {{ return {NAME}_selftest() || other_selftest(); }}\n"
    )
    sources = [*sources_of_cmake(tmp_path / "one"), *sources_of_cmake(tmp_path / "two")]
    includes = [f"-I{tmp_path / 'one' / 'src'}", f"-I{tmp_path / 'two' / 'src'}"]
    ran(["cc", *STRICT, *includes, main, *sources, "-lm", "-o", tmp_path / "app"])
    ran([tmp_path / "app"])


# --- microcontrollers


@needs_arm
@pytest.mark.parametrize("core", CORES)
def test_compiles_for_every_core(tmp_path, library, core):
    export(library, "cmake", tmp_path)
    for source in [*sources_of_cmake(tmp_path), tmp_path / "example" / "main.c"]:
        command = ["arm-none-eabi-gcc", f"-mcpu={core}", "-mthumb", "-O2", *STRICT, f"-I{tmp_path / 'src'}"]
        ran([*command, "-c", source, "-o", tmp_path / "object.o"])


def test_compiles_with_clang_and_no_c_library(tmp_path, library):
    pytest.importorskip("ziglang")
    export(library, "cmake", tmp_path)
    for source in sources_of_cmake(tmp_path):
        command = [sys.executable, "-m", "ziglang", "cc", "-target", "thumb-freestanding-eabi", "-mcpu=cortex_m4"]
        ran([*command, "-O2", *STRICT, "-c", source, "-o", tmp_path / "object.o"])


@needs_arm
def test_a_program_without_the_selftest_does_not_carry_it(tmp_path, library):
    export(library, "cmake", tmp_path)
    main = tmp_path / "main.c"
    main.write_text(f'#include "{NAME}.h"\n{NAME}_arena arena;\nint main(void) {{ return {NAME}_invoke(&arena); }}\n')
    objects = []
    for source in [main, *sources_of_cmake(tmp_path)]:
        objects.append(tmp_path / f"{source.stem}.o")
        command = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-Os", "-ffunction-sections", "-fdata-sections"]
        ran([*command, f"-I{tmp_path / 'src'}", "-c", source, "-o", objects[-1]])
    link = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-nostartfiles", "-Wl,--gc-sections,-e,main"]
    ran([*link, *objects, "-o", tmp_path / "app.elf"])
    symbols = ran(["arm-none-eabi-nm", tmp_path / "app.elf"])
    assert f"{NAME}_invoke" in symbols
    assert "selftest" not in symbols and "sample0" not in symbols and f"{NAME}_model" not in symbols


@needs_arm
@pytest.mark.skipif(shutil.which(QEMU) is None, reason="qemu-system-arm is not installed")
@pytest.mark.parametrize("name", ["mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505", "mps3-an547"])
def test_the_selftest_passes_on_emulated_cores(tmp_path, library, name):
    """M3, M4, M7, M33, M55. The firmware ends with what main() returns."""
    target = load_target(name)
    sources = {path: text for path, text in files_of(library, "cmake").items() if path.startswith("src/")}
    port = runtime_dir() / "c" / "ports" / PORT
    sources |= {f"port/{file}": (port / file).read_text() for file in ("startup.c", "semihosting.h", "link.ld")}
    sources["port/memory.ld"] = memory_script(layout(target, library.arena_bytes, 4096), 0)
    sources["main.c"] = (
        f'#include "{NAME}_selftest.h"\n'
        f'static {NAME}_arena arena __attribute__((section(".bss.arena")));\n'
        f"int main(void) {{ return {NAME}_selftest_in(&arena); }}\n"
    )
    firmware = build(sources, compiler(target.clusters[0].core), "selftest.elf")
    ran(command(target, firmware), tmp_path)


# --- Arduino, PlatformIO, Zephyr, ESP-IDF

ARDUINO_H = """#include <stdio.h>
static struct {
  void begin(long) {}
  operator bool() const { return true; }
  void print(const char *text) { printf("%s", text); }
  void print(long number) { printf("%ld", number); }
  void println(const char *text) { printf("%s\\n", text); }
  void println(int number) { printf("%d\\n", number); }
  void println(unsigned long number) { printf("%lu\\n", number); }
} Serial;
static unsigned long millis() { return 0; }
static unsigned long micros() { return 0; }
static void delay(unsigned long) {}
"""


def test_the_arduino_sketch_runs_as_cpp(tmp_path, library):
    """As Arduino builds it: every source of src/ by its ending, src/ alone in the search path, the sketch as C++."""
    export(library, "arduino", tmp_path / "lib")
    sketch = (tmp_path / "lib/examples/SelfTest/SelfTest.ino").read_text()
    main = put(tmp_path, {"sketch.cpp": ARDUINO_H + sketch + "int main() { setup(); loop(); }\n"}) / "sketch.cpp"
    objects = []
    for source in sorted((tmp_path / "lib" / "src").rglob("*.c")):
        objects.append(tmp_path / f"{source.stem}.o")
        ran(["cc", "-c", *STRICT, source, "-o", objects[-1]])
    ran(["c++", "-Wall", "-Wextra", "-Werror", f"-I{tmp_path / 'lib' / 'src'}", main, *objects, "-o", tmp_path / "app"])
    assert f"{NAME}: self-test passed\nfirst output " in ran([tmp_path / "app"])


def test_the_platformio_example_runs(tmp_path, library):
    """As PlatformIO's library builder does: all of src/ into an archive."""
    export(library, "platformio", tmp_path)
    sources = sorted((tmp_path / "src").rglob("*.c"))
    main = tmp_path / "examples/selftest/src/main.c"
    ran(["cc", *STRICT, f"-I{tmp_path / 'src'}", main, *sources, "-lm", "-o", tmp_path / "app"])
    assert f"{NAME}: self-test passed" in ran([tmp_path / "app"])


ZEPHYR = """cmake_minimum_required(VERSION 3.20)
project(app C)
set(CONFIG_EDGEKIT_WAKE_WORD y)
add_library(app OBJECT ${SAMPLE}/src/main.c)
function(zephyr_include_directories folder)
  include_directories(${folder})
  target_include_directories(app PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/${folder})
endfunction()
macro(zephyr_library_named name)
  set(ZEPHYR_CURRENT_LIBRARY ${name})
  add_library(${name} STATIC "")
endmacro()
function(zephyr_library_sources)
  target_sources(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGV})
endfunction()
add_subdirectory(${MODULE} module)
add_executable(zephyr)
target_link_libraries(zephyr PRIVATE app edgekit_wake_word)
"""
ESP_IDF = """cmake_minimum_required(VERSION 3.16)
project(app C)
function(idf_component_register)
  cmake_parse_arguments(given "" "" "SRCS;INCLUDE_DIRS" ${ARGV})
  add_library(component STATIC ${given_SRCS})
  target_include_directories(component PUBLIC ${given_INCLUDE_DIRS})
endfunction()
add_subdirectory(${MODULE} module)
add_executable(esp ${SAMPLE}/main/main.c start.c)
target_link_libraries(esp PRIVATE component)
"""


@needs_cmake
def test_the_zephyr_module_fits_together(tmp_path, library):
    export(library, "zephyr", tmp_path / "lib")
    put(tmp_path, {"CMakeLists.txt": ZEPHYR})
    given = [f"-DMODULE={tmp_path / 'lib'}", f"-DSAMPLE={tmp_path / 'lib/samples/selftest'}"]
    ran(["cmake", "-B", "build", FLAGS, *given], tmp_path)
    ran(["cmake", "--build", "build"], tmp_path)
    assert f"{NAME}: self-test passed" in ran([tmp_path / "build/zephyr"])


@needs_cmake
def test_the_esp_idf_component_fits_together(tmp_path, library):
    export(library, "esp-idf", tmp_path / "lib")
    start = "void app_main(void);\nint main(void) { app_main(); return 0; }\n"
    put(tmp_path, {"CMakeLists.txt": ESP_IDF, "start.c": start})
    given = [f"-DMODULE={tmp_path / 'lib'}", f"-DSAMPLE={tmp_path / 'lib/examples/selftest'}"]
    ran(["cmake", "-B", "build", "-DCMAKE_C_FLAGS=-Wall -Wextra -Werror", *given], tmp_path)
    ran(["cmake", "--build", "build"], tmp_path)
    assert f"{NAME}: self-test passed" in ran([tmp_path / "build/esp"])


def test_every_kind_lists_the_same_sources(library):
    """CMake, Zephyr and ESP-IDF name their sources; nothing of src/ is forgotten."""
    for kind in ("cmake", "zephyr", "esp-idf"):
        files = files_of(library, kind)
        listed = re.findall(r"src/\w+\.c\b", files["CMakeLists.txt"])
        assert sorted(listed) == sorted(path for path in files if path.startswith("src/") and path.endswith(".c"))


def test_no_compiler_is_started(library, monkeypatch):
    """files_of is pure."""

    def refuse(*arguments, **options):
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert files_of(library, "cmake")
