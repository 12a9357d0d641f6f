"""Benchmarks of speed: `python -m scripts.bench` writes docs/benchmarks/."""
