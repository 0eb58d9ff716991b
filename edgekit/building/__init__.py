"""C sources → programs: the compilers that are here, and a cache of what they built."""

from edgekit.building.bench import End, Sample, bench_files, read_samples, write_samples
from edgekit.building.compiler import Compiler, build

__all__ = ["Compiler", "End", "Sample", "bench_files", "build", "read_samples", "write_samples"]
