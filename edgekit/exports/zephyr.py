"""A library → a Zephyr module: zephyr/module.yml, CMakeLists.txt, Kconfig, src/, a sample.

Rules: https://docs.zephyrproject.org/latest/develop/modules.html and the schema in Zephyr's scripts/zephyr_module.py.
"""

from __future__ import annotations

from edgekit.exports.example import c_program
from edgekit.exports.library import Library
from edgekit.exports.readme import readme
from edgekit.exports.sources import c_files, indented, source_files


def zephyr(library: Library) -> dict[str, str]:
    """Text by path."""
    files, n = source_files(library), library.name
    return files | {
        "zephyr/module.yml": f"name: {n}\nbuild:\n  cmake: .\n  kconfig: Kconfig\nsamples:\n  - samples\n",
        "CMakeLists.txt": _LISTS.format(option=option(library), name=n, sources=indented(c_files(files), 4)),
        "Kconfig": _KCONFIG.format(option=option(library), name=n, arena=library.arena_bytes),
        "samples/selftest/CMakeLists.txt": _SAMPLE_LISTS.format(name=n),
        "samples/selftest/prj.conf": f"CONFIG_{option(library)}=y\nCONFIG_PRINTK=y\n",
        "samples/selftest/sample.yaml": _SAMPLE.format(name=n),
        "samples/selftest/src/main.c": c_program(library) + "  return 0;\n}\n",
        "README.md": readme(library, _ADDING.format(option=option(library), name=n)),
    }


def option(library: Library) -> str:
    """The Kconfig symbol that compiles it."""
    return f"EDGEKIT_{library.upper}"


_ADDING = """
Add this folder to the modules of your build, and switch it on in `prj.conf`:

```
west build -b BOARD app -- -DEXTRA_ZEPHYR_MODULES=/path/to/this/folder
```
```
CONFIG_{option}=y
```

Or name it as a project of your west manifest. `west build -b BOARD samples/selftest` in this folder runs the self-test.
"""
_LISTS = """# Read by Zephyr's build as a module; the functions are Zephyr's.
if(CONFIG_{option})
  zephyr_include_directories(src)
  zephyr_library_named(edgekit_{name})
  zephyr_library_sources(
{sources}
  )
endif()
"""
_KCONFIG = """config {option}
\tbool "The model {name}"
\thelp
\t  A trained model as C. Its arena takes {arena} bytes of RAM where an
\t  application defines one.
"""
_SAMPLE_LISTS = """cmake_minimum_required(VERSION 3.20.0)

list(APPEND EXTRA_ZEPHYR_MODULES ${{CMAKE_CURRENT_SOURCE_DIR}}/../..)
find_package(Zephyr REQUIRED HINTS $ENV{{ZEPHYR_BASE}})
project({name}_selftest LANGUAGES C)

target_sources(app PRIVATE src/main.c)
"""
_SAMPLE = """sample:
  name: self-test of {name}
tests:
  sample.edgekit.{name}:
    tags: edgekit
    harness: console
    harness_config:
      type: one_line
      regex:
        - "{name}: self-test passed"
"""
