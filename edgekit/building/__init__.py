"""C sources → programs: the compilers that are here, a cache of what they built, and the bench that runs models."""

from edgekit.building.bench import End, Sample, bench_files, read_samples, run_here, write_samples
from edgekit.building.compiler import STRICT, Compiler, build, host_compiler

__all__ = [
    "STRICT",
    "Compiler",
    "End",
    "Sample",
    "bench_files",
    "build",
    "host_compiler",
    "read_samples",
    "run_here",
    "write_samples",
]
