"""What every benchmark shares: the machine it ran on, medians with spread, and its page."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from nas_env_cli.search.provenance import cpu_model

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "benchmarks"
PACKAGES = ("nas-env", "gymnasium", "numpy", "torch", "stable-baselines3", "sb3-contrib")


def fresh(program: str) -> list[str]:
    """Return the words that a program prints in a Python process of its own."""
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return result.stdout.split()


def versions() -> str:
    """Return the versions of Python and of the packages that matter."""
    parts = [f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            parts.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(parts)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Return "median (minimum to maximum)" of the repeats."""
    return (
        f"{statistics.median(values):,.{digits}f} "
        f"({min(values):,.{digits}f} to {max(values):,.{digits}f})"
    )


def verdict(aim: str, holds: bool) -> str:
    """Return the sentence that says whether an aim holds."""
    return f"Aim: {aim}. **It {'holds' if holds else 'does not hold'} on this machine.**"


@dataclass
class Page:
    """One page under `docs/benchmarks/`.

    Attributes:
        name: Name of the file and of the script.
        title: Heading.
        what: What is measured, and how.
        repeats: How often, and in which order.
        columns: Heading of each column of the table.
        rows: Cells of each row, as text.
        verdicts: Sentences below the table.
    """

    name: str
    title: str
    what: str
    repeats: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return the page as Markdown."""
        command = " ".join(["python", "-m", "scripts.bench", *sys.argv[1:]])
        rule = tuple("---" for _ in self.columns)
        table = [f"| {' | '.join(row)} |" for row in (self.columns, rule, *self.rows)]
        lines = [
            f"# {self.title}",
            "",
            self.what,
            "",
            f"- Command: `{command}` (all pages: `make bench`)",
            f"- Machine: {cpu_model()}, {os.cpu_count()} cores, {platform.system()}",
            f"- Versions: {versions()}",
            f"- Repeats: {self.repeats}. Cells: median (minimum to maximum).",
            "",
            *table,
            "",
            *(f"- {sentence}" for sentence in self.verdicts),
        ]
        return "\n".join(lines) + "\n"

    def write(self, folder: Path) -> None:
        """Write the page into a folder and print its table and verdicts."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.md"
        path.write_text(self.text(), encoding="utf-8")
        print(self.text())
        print(f"Written: {path}")
