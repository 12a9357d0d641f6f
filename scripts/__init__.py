"""Programs of the repository: the command `nas-env`, studies, speed benchmarks, data makers."""
