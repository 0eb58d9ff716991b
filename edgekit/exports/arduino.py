"""A library → an Arduino library (format 1.5): library.properties, src/, examples/, keywords.txt.

Rules of the format: https://arduino.github.io/arduino-cli/latest/library-specification/ and arduino-lint's.
"""

from __future__ import annotations

from edgekit import __version__
from edgekit.exports.example import first_output, inference
from edgekit.exports.library import Library
from edgekit.exports.readme import readme
from edgekit.exports.sources import source_files

LONGEST_NAME = 63


def arduino(library: Library) -> dict[str, str]:
    """Text by path."""
    n = library.name
    return source_files(library) | {
        "library.properties": "".join(f"{key}={value}\n" for key, value in properties(library).items()),
        "keywords.txt": _keywords(library),
        "examples/SelfTest/SelfTest.ino": _sketch(library),
        "README.md": readme(library, _ADDING.format(name=n)),
    }


_ADDING = """
Copy this folder to the `libraries` folder of your sketchbook (or zip it and `arduino-cli lib install --zip-path` it),
then open File > Examples > {name} > SelfTest. Boards need a 32-bit core: SAMD, SAM, nRF52, RP2040, RP2350, STM32,
ESP32, Renesas, Teensy. Before you publish it, put your name and address into `library.properties`.
"""


def properties(library: Library) -> dict[str, str]:
    """Fields of library.properties."""
    return {
        "name": library_name(library.name),
        "version": library.version,
        "author": "edgekit",
        "maintainer": "edgekit",
        "sentence": f"The trained model {library.name} as C.",
        "paragraph": f"Made by edgekit {__version__}. {library.arena_bytes} bytes of RAM, no heap.",
        "category": "Data Processing",
        "url": "https://example.com/",
        "architectures": "*",
        "includes": f"{library.name}.h,{library.name}_selftest.h",
        "license": "Apache-2.0",
        "dot_a_linkage": "true",
    }


def library_name(name: str) -> str:
    """Only libraries of Arduino itself may begin with its name."""
    return (f"m_{name}" if name.startswith("arduino") else name)[:LONGEST_NAME]


def _keywords(library: Library) -> str:
    n = library.name
    functions = ["init", "invoke", "selftest", "selftest_in"]
    functions += [v.function for v in (*library.inputs, *library.outputs)]
    lines = [
        f"{n}_arena\tKEYWORD1",
        *(f"{n}_{f}\tKEYWORD2" for f in functions),
        f"{library.upper}_ARENA_BYTES\tLITERAL1",
    ]
    return "\n".join(lines) + "\n"


def _sketch(library: Library) -> str:
    n = library.name
    return f"""// Tests {n} on this board, then runs it once a second.
#include <{n}.h>
#include <{n}_selftest.h>

{inference(library)}
void setup() {{
  Serial.begin(115200);
  while (!Serial && millis() < 5000) {{
  }}
  const int wrong = {n}_selftest_in(&arena);
  if (wrong == 0) {{
    Serial.println("{n}: self-test passed");
  }} else {{
    Serial.print("{n}: self-test failed at ");
    Serial.println(wrong);
  }}
}}

void loop() {{
  const unsigned long start = micros();
  const ek_status status = infer();
  Serial.print(status == EK_OK ? "first output " : "failed ");
  Serial.print({first_output(library)});
  Serial.print(", microseconds ");
  Serial.println(micros() - start);
  delay(1000);
}}
"""
