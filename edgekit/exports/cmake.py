"""A library → a CMake project: add_subdirectory() or find_package(), then link to edgekit::NAME."""

from __future__ import annotations

from edgekit.exports.example import c_program
from edgekit.exports.library import Library
from edgekit.exports.readme import readme
from edgekit.exports.sources import c_files, indented, source_files


def cmake(library: Library) -> dict[str, str]:
    """Text by path."""
    files = source_files(library)
    return files | {
        "CMakeLists.txt": _lists(library, c_files(files)),
        "example/main.c": c_program(library) + "  return wrong != 0;\n}\n",
        "README.md": readme(library, _ADDING.format(name=library.name)),
    }


_ADDING = """
```cmake
add_subdirectory({name})                          # this folder
target_link_libraries(app PRIVATE edgekit::{name})
```

It compiles with the flags of your toolchain file. In this folder, for this computer:

```
cmake -B build && cmake --build build
ctest --test-dir build                       # the self-test
cmake --install build --prefix DIR           # then find_package({name} CONFIG REQUIRED) instead of add_subdirectory()
```
"""


def _lists(library: Library, paths: list[str]) -> str:
    n, own = library.name, f"edgekit_{library.name}"
    return f"""cmake_minimum_required(VERSION 3.13)
project({n} VERSION {library.version} LANGUAGES C)

include(GNUInstallDirs)

# Not the bare name: CMake keeps names such as test for itself.
add_library({own} STATIC
{indented(paths)}
)
add_library(edgekit::{n} ALIAS {own})
target_include_directories({own} PUBLIC
  $<BUILD_INTERFACE:${{CMAKE_CURRENT_SOURCE_DIR}}/src>
  $<INSTALL_INTERFACE:${{CMAKE_INSTALL_INCLUDEDIR}}/{n}>
)
set_target_properties({own} PROPERTIES EXPORT_NAME {n} C_STANDARD 99 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
if(UNIX)
  target_link_libraries({own} PUBLIC m)
endif()

install(TARGETS {own} EXPORT {n}Config ARCHIVE DESTINATION ${{CMAKE_INSTALL_LIBDIR}})
install(FILES src/{n}.h src/{n}_selftest.h src/edgekit.h DESTINATION ${{CMAKE_INSTALL_INCLUDEDIR}}/{n})
install(FILES LICENSE DESTINATION ${{CMAKE_INSTALL_DATADIR}}/licenses/{n})
install(EXPORT {n}Config NAMESPACE edgekit:: DESTINATION ${{CMAKE_INSTALL_LIBDIR}}/cmake/{n})

# On its own, for this computer: the example, which is the self-test too.
if(CMAKE_SOURCE_DIR STREQUAL CMAKE_CURRENT_SOURCE_DIR AND NOT CMAKE_CROSSCOMPILING)
  enable_testing()
  add_executable({own}_example example/main.c)
  target_link_libraries({own}_example PRIVATE edgekit::{n})
  add_test(NAME {n}_selftest COMMAND {own}_example)
endif()
"""
