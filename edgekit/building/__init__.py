"""C sources → programs: the compilers that are here, a cache of what they built, and the bench that runs models."""

from edgekit.building.bench import FLOAT_CLOSE, End, Sample, apart, bench_files, read_samples, run_here, write_samples
from edgekit.building.compiler import STRICT, Compiler, build, host_compiler

__all__ = [
    "FLOAT_CLOSE",
    "STRICT",
    "Compiler",
    "End",
    "Sample",
    "apart",
    "bench_files",
    "build",
    "host_compiler",
    "read_samples",
    "run_here",
    "write_samples",
]
