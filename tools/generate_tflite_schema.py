"""The classes that flatc generated from TensorFlow's public schema become the tables of edgekit/tflite/schema.py.

    python tools/generate_tflite_schema.py            # writes edgekit/tflite/schema.py
    python tools/generate_tflite_schema.py --check    # says whether the file there is up to date

Reads the text of `ai_edge_litert/schema_py_generated.py` and runs none of it. Refuses a class or a field whose form it
does not know, so that a newer schema cannot lose anything silently.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "edgekit" / "tflite" / "schema.py"
# Where camel case forgets an underscore of the schema.
NAMES = {"builtin_options2": "builtin_options_2", "builtin_options2_type": "builtin_options_2_type"}
# `force_align` of the schema, which the generated Python does not hold.
ALIGNED = {("Buffer", "data"): 16, ("CustomQuantization", "custom"): 16}

HEADER = '''# The schema described here: Copyright 2017 The TensorFlow Authors. All Rights Reserved.
#
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with
# the License. You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on
# an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the
# specific language governing permissions and limitations under the License.
"""TensorFlow Lite's schema as tables. Written by tools/generate_tflite_schema.py; do not edit.

`TABLES` gives each table's fields in slot order, as `name: type = default`. A type is a scalar (int8 ... float64,
bool), `string`, the name of a table, a vector of one of these in brackets (`align n`: its data begin at a multiple of
n), or `union Name`: a member of that union, whose number is in the field before it. Without a default: 0, False, None
or empty. `-` is a slot that is no longer used.
"""

from enum import IntEnum
'''

CLASS = re.compile(r"^class (\w+)\(object\):\n(.*?)(?=^\S)", re.MULTILINE | re.DOTALL)
CONSTANT = re.compile(r"^    (\w+) = (-?\d+)$", re.MULTILINE)
ACCESSOR = re.compile(r"^    def (\w+)\(self(?:, j)?\):\n(.*?)(?=^    # |^    def |\Z)", re.MULTILINE | re.DOTALL)
# How each kind of field is read by the generated code, most particular first.
FORMS = (
    (r"_tab\.Vector\(o\).*_tab\.Get\(flatbuffers\.number_types\.(\w+)Flags", "[{scalar}]"),
    (r"_tab\.Vector\(o\).*obj = (\w+)\(\)", "[{0}]"),
    (r"_tab\.Union\(obj, o\)", "union"),
    (r"_tab\.Indirect\(o \+ self\._tab\.Pos\).*obj = (\w+)\(\)", "{0}"),
    (r"_tab\.String\(o \+ self\._tab\.Pos\)", "string"),
    (r"_tab\.Get\(flatbuffers\.number_types\.(\w+)Flags", "{scalar}"),
)
# Which union a field holds: the generated classes do not say, the schema does.
UNIONS = {
    "details": "QuantizationDetails",
    "array_segments": "SparseIndexVector",
    "array_indices": "SparseIndexVector",
    "builtin_options": "BuiltinOptions",
    "builtin_options_2": "BuiltinOptions2",
}


def main() -> None:
    text = formatted(schema(generated_classes()))
    if "--check" in sys.argv[1:]:
        sys.exit(0 if TARGET.read_text(encoding="utf-8") == text else f"{TARGET.name} is not what the schema says")
    TARGET.write_text(text, encoding="utf-8")


def generated_classes() -> str:
    spec = importlib.util.find_spec("ai_edge_litert")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("ai-edge-litert is not installed; it carries the generated schema")
    return (Path(spec.submodule_search_locations[0]) / "schema_py_generated.py").read_text(encoding="utf-8")


def schema(generated: str) -> str:
    """The whole text of schema.py, not yet formatted."""
    enums, tables = [], []
    for name, body in CLASS.findall(generated):
        if "__slots__ = ['_tab']" in body:
            tables.append(f'    "{name}": {literal(fields(name, body))},')
        elif constants := CONSTANT.findall(body):
            enums.append(f"class {name}(IntEnum):\n" + "".join(f"    {n} = {v}\n" for n, v in constants))
        elif not name.endswith("T"):  # the object API
            sys.exit(f"class {name} is neither an enum nor a table")
    body = "\n\n".join(enums)
    return f"{HEADER}\n\n{body}\n\nTABLES: dict[str, tuple[str, ...]] = {{\n" + "\n".join(tables) + "\n}\n"


def fields(table: str, body: str) -> list[str]:
    """The fields of one table in slot order."""
    found: dict[int, str] = {}
    for method, code in ACCESSOR.findall(body):
        slot = re.search(r"_tab\.Offset\((\d+)\)", code)
        if slot is not None:  # the first method of a slot is the field, those after it measure the vector
            number = (int(slot[1]) - 4) // 2
            found[number] = found.get(number) or described(table, snake_case(method), code)
    return [found.get(i, "-") for i in range(max(found, default=-1) + 1)]


def literal(texts: list[str]) -> str:
    """A tuple that the formatter keeps on one line where it fits: no comma at its end, but for a single text."""
    return f"({', '.join(map(repr, texts))}{',' if len(texts) == 1 else ''})"


def described(table: str, name: str, code: str) -> str:
    matches = ((re.search(pattern, code, re.DOTALL), form) for pattern, form in FORMS)
    match, form = next(((m, f) for m, f in matches if m), (None, ""))
    if match is None:
        sys.exit(f"{table}.{name} is read in an unknown way")
    what = form.format(*match.groups(), scalar=match[1].lower() if match.groups() else "")
    if what == "union":
        what += f" {UNIONS[name]}" if name in UNIONS else sys.exit(f"which union is {table}.{name}?")
    default = code.rstrip().rsplit("return ", 1)[1]
    if not what.startswith(("[", "union")) and default not in ("0", "0.0", "False", "None"):
        what += f" = {default}"
    aligned = ALIGNED.get((table, name))
    return f"{name}: {what} align {aligned}" if aligned else f"{name}: {what}"


def snake_case(name: str) -> str:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    return NAMES.get(snake, snake)


def formatted(text: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--quiet", "--stdin-filename", str(TARGET), "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
