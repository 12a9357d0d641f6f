"""Measure the peak memory of a search on the digits, in a process of its own.

Example: python -m scripts.bench memory --evaluations 20
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from scripts.bench.page import PAGES, ROOT, Page, spread

SEARCH = ["-m", "nas_env", "search", "--task", "digits", "--agent", "maskable-ppo"]
PROGRAMS = {
    "`import torch`": ["-c", "import torch"],
    "`import nas_env`": ["-c", "import nas_env"],
}


@dataclass(frozen=True)
class Options:
    """Measure the peak memory of a search on the digits, in a process of its own.

    Attributes:
        evaluations: Networks of one search.
        epochs: Epochs each network is trained.
        retrain_seeds: Seeds with which the reported networks are retrained.
        repeats: Repeats of each row; the rows take turns.
        output: Folder of the page.
    """

    evaluations: int = 20
    epochs: int = 8
    retrain_seeds: int = 5
    repeats: int = 3
    output: Path = PAGES


def peak_megabytes(arguments: list[str]) -> float:
    """Return the highest resident memory of a Python process and its children, in 10^6 bytes."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
        watched, peak = psutil.Process(process.pid), 0
        while process.poll() is None:
            peak = max(peak, _resident(watched))
            time.sleep(0.01)
        if process.returncode:
            log.seek(0)
            raise SystemExit(f"The search failed:\n{log.read().decode(errors='replace')[-2000:]}")
    return peak / 1e6


def _resident(process: psutil.Process) -> int:
    total = 0
    try:
        for member in (process, *process.children(recursive=True)):
            total += member.memory_info().rss
    except psutil.Error:  # it ended in this moment
        return total
    return total


def run(settings: Options) -> int:
    """Measure and write the page."""
    search = f"search, {settings.evaluations} networks"
    chosen = ["--evaluations", str(settings.evaluations), "--epochs", str(settings.epochs)]
    chosen += ["--retrain-seeds", str(settings.retrain_seeds)]
    peaks: dict[str, list[float]] = {name: [] for name in (*PROGRAMS, search)}
    for _ in range(settings.repeats):
        for name, arguments in PROGRAMS.items():
            peaks[name].append(peak_megabytes(arguments))
        with tempfile.TemporaryDirectory() as folder:
            output = str(Path(folder) / "run")
            peaks[search].append(peak_megabytes([*SEARCH, *chosen, "--output", output]))
    page = Page(
        "memory",
        "Peak memory of a search on the digits",
        "Highest resident memory of the process and its children, measured every 10 ms. The "
        "search is `nas-env search --task digits --agent maskable-ppo`, including the report "
        f"(epochs of each: {settings.epochs}, retraining seeds: {settings.retrain_seeds}). For "
        "comparison, the table also shows imports only.",
        f"{settings.repeats} of each, taking turns",
        ("process", "peak MB (10^6 bytes)"),
        [(name, spread(values, 0)) for name, values in peaks.items()],
    )
    page.write(settings.output)
    return 0
