"""Lets zig compile the C libraries of the boards once, so that later native builds take seconds.

    python tools/build_libc.py          # armv6l, armv7l, aarch64 and this machine; two at a time

They lie in edgekit's cache afterwards; what is there already is not built again.
"""

from __future__ import annotations

import platform
from concurrent.futures import ThreadPoolExecutor

from edgekit.building import build
from edgekit.building.native import ARCHITECTURES, NativeTarget, compiler_for

# Uses what the native runner uses of a C library, so that all of it is compiled.
PROGRAM = {"main.c": '#include <math.h>\n#include <stdio.h>\nint main(void) { return printf("%g", exp(1.0)) < 0; }\n'}


def main() -> None:
    wanted = [arch for arch in ARCHITECTURES if arch != "x86_64" or platform.machine() == arch]
    print(f"compiling C libraries for {', '.join(wanted)} (minutes, once)", flush=True)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda arch: build(PROGRAM, compiler_for(NativeTarget(arch))), wanted))


if __name__ == "__main__":
    main()
