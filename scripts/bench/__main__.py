"""Run the benchmarks one after the other; each writes its page under docs/benchmarks.

Example: python -m scripts.bench steps training
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

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
"""Name of each script, and the arguments that make it short."""


@dataclass(frozen=True)
class Settings:
    """Run the benchmarks one after the other; each writes its page under docs/benchmarks.

    Attributes:
        names: Which to run; all where none is named.
        quick: Run a few repeats only, to see that they work; the numbers mean little.
        output: Folder of the pages; None takes docs/benchmarks.
    """

    names: Annotated[tuple[str, ...], tyro.conf.Positional] = field(default_factory=tuple)
    quick: bool = False
    output: Path | None = None


def main(settings: Settings) -> int:
    """Run them and return the number that failed."""
    unknown = sorted(set(settings.names) - set(BENCHMARKS))
    if unknown:
        raise SystemExit(f"Unknown benchmark {unknown[0]!r}. Known: {', '.join(BENCHMARKS)}.")
    failed = 0
    for name in settings.names or BENCHMARKS:
        arguments = BENCHMARKS[name] if settings.quick else []
        if settings.output is not None:
            arguments = [*arguments, "--output", str(settings.output)]
        print(f"== {name}", flush=True)
        command = [sys.executable, "-m", f"scripts.bench.{name}", *arguments]
        failed += subprocess.run(command).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings)))
