"""Models that the project did not write, out of packages of others, converted and judged on real inputs."""
