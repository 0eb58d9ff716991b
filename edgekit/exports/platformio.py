"""A library → a PlatformIO library: library.json, src/, an example project.

Rules of library.json: https://docs.platformio.org/en/latest/manifests/library-json/, and what `pio pkg pack` checks.
"""

from __future__ import annotations

import json
from typing import Any

from edgekit.exports.example import c_program
from edgekit.exports.library import Library
from edgekit.exports.readme import readme
from edgekit.exports.sources import source_files


def platformio(library: Library) -> dict[str, str]:
    """Text by path."""
    return source_files(library) | {
        "library.json": json.dumps(manifest(library), indent=2) + "\n",
        "examples/selftest/platformio.ini": _PROJECT,
        "examples/selftest/src/main.c": c_program(library) + "  return wrong != 0;\n}\n",
        "README.md": readme(library, _ADDING.format(name=library.name)),
    }


_ADDING = """
Copy this folder to `lib/{name}` of your project, or name it in `platformio.ini`:

```ini
lib_deps = symlink:///path/to/this/folder
```

`examples/selftest` is a project for this computer (`pio run -t exec` there). With another framework call
`{name}_selftest_in()` from its own main program.
"""
_PROJECT = """[env:native]
platform = native
lib_deps = symlink://../..
"""


def manifest(library: Library) -> dict[str, Any]:
    """library.json."""
    return {
        "name": library.name,
        "version": library.version,
        "description": f"The trained model {library.name} as C: {library.arena_bytes} bytes of RAM, no heap.",
        "keywords": ["machine learning", "neural network", "inference", "tinyml"],
        "license": "Apache-2.0",
        "frameworks": ["*"],
        "platforms": ["*"],
        "headers": [f"{library.name}.h", f"{library.name}_selftest.h"],
        "examples": [{"name": "selftest", "base": "examples/selftest", "files": ["platformio.ini", "src/main.c"]}],
        "build": {"srcDir": "src", "includeDir": "src"},
    }
