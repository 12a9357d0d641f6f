"""Measure speed and write pages under docs/benchmarks.

Examples:
    python -m scripts.bench                           # all, one after the other
    python -m scripts.bench steps training --quick    # two of them, with few repeats
    python -m scripts.bench steps --repeats 20        # one with its own options
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from itertools import takewhile

from nas_env.registry import unknown_name
from nas_env_cli.interrupts import REFUSED, exit_code
from scripts.run_by_name import run_by_name

PROGRAM, QUICK = "python -m scripts.bench", "--quick"
BENCHMARKS = {
    "startup": ["--repeats", "2"],
    "memory": ["--repeats", "1", "--evaluations", "2", "--epochs", "1", "--retrain-seeds", "1"],
    "steps": ["--repeats", "2", "--steps", "500"],
    "tables": ["--repeats", "1"],
    "vector": ["--repeats", "2", "--seconds", "0.01", "--lanes", "64"],
    "ppo_share": ["--repeats", "1", "--steps", "2048"],
    "decisions": ["--repeats", "1", "--evaluations", "14"],
    "engine": ["--repeats", "1", "--networks", "2", "--images", "600"],
    "overhead": ["--repeats", "1", "--evaluations", "20"],
    "engine_memory": ["--evaluations", "80", "--batch", "10"],
    "store": ["--repeats", "2", "--evaluations", "50", "--processes", "2"],
    "training": ["--repeats", "2", "--epochs", "1", "--mnist-epochs", "1", "--networks", "1"],
}
"""Name of each benchmark, and the options that make it short: those of --quick."""


def main(words: Sequence[str]) -> int:
    """Run one benchmark with its options, or several, each in a process of its own.

    Args:
        words: Names, then options: those of the one benchmark, or --quick and --output for several.
    """
    names = list(takewhile(lambda word: not word.startswith("-"), words))
    options = list(words[len(names) :])
    for name in names:
        if name not in BENCHMARKS:
            print(f"error: {unknown_name('benchmark', name, BENCHMARKS)}", file=sys.stderr)
            return REFUSED
    if QUICK in options or (len(names) != 1 and not {"-h", "--help"} & {*options}):
        options = [word for word in options if word != QUICK]
        return exit_code(partial(run_each, names or list(BENCHMARKS), options, QUICK in words))
    modules = {name: f"scripts.bench.{name}" for name in BENCHMARKS}
    return run_by_name(PROGRAM, "benchmark", modules, words)


def run_each(names: Sequence[str], options: Sequence[str], quick: bool) -> int:
    """Run benchmarks one after the other and return the number that failed."""
    failed = 0
    for name in names:
        print(f"== {name}", flush=True)
        short = BENCHMARKS[name] if quick else []
        command = [sys.executable, "-m", "scripts.bench", name, *short, *options]
        failed += subprocess.run(command, check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
