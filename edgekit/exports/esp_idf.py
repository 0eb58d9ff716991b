"""A library → an ESP-IDF component: idf_component.yml, CMakeLists.txt, src/, an example project.

Rules: https://docs.espressif.com/projects/idf-component-manager/en/latest/reference/manifest_file.html.
"""

from __future__ import annotations

from edgekit.exports.example import c_program
from edgekit.exports.library import Library
from edgekit.exports.readme import readme
from edgekit.exports.sources import c_files, indented, source_files


def esp_idf(library: Library) -> dict[str, str]:
    """Text by path."""
    files, n = source_files(library), library.name
    return files | {
        "idf_component.yml": _MANIFEST.format(version=library.version, name=n, arena=library.arena_bytes),
        "CMakeLists.txt": _LISTS.format(sources=indented([f'"{path}"' for path in c_files(files)], 4)),
        "examples/selftest/CMakeLists.txt": _PROJECT.format(name=n),
        "examples/selftest/main/CMakeLists.txt": 'idf_component_register(SRCS "main.c" INCLUDE_DIRS "")\n',
        "examples/selftest/main/idf_component.yml": _DEPENDENCY.format(name=n),
        "examples/selftest/main/main.c": c_program(library, "void app_main(void)") + "}\n",
        "README.md": readme(library, _ADDING.format(name=n)),
    }


_ADDING = """
Copy this folder to `components/{name}` of your project. `examples/selftest` is a project of its own:
`idf.py set-target esp32s3 && idf.py flash monitor` there.
"""
_MANIFEST = """version: "{version}"
description: "The trained model {name} as C: {arena} bytes of RAM, no heap."
license: "Apache-2.0"
dependencies:
  idf:
    version: ">=4.4"
"""
_LISTS = """idf_component_register(
  SRCS
{sources}
  INCLUDE_DIRS "src"
)
"""
_PROJECT = """cmake_minimum_required(VERSION 3.16)

include($ENV{{IDF_PATH}}/tools/cmake/project.cmake)
project({name}_selftest)
"""
_DEPENDENCY = """dependencies:
  {name}:
    version: "*"
    override_path: "../../../"
"""
