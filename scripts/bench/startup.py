"""Measure what `import nas_env` costs beyond `import gymnasium`, in fresh processes.

Example: python -m scripts.bench startup --repeats 15
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

from scripts.bench.page import PAGES, Page, fresh, spread, verdict

AIM_SECONDS = 0.5
PROGRAM = """
import sys, time
started = time.perf_counter()
import {module}
print(time.perf_counter() - started, "torch" in sys.modules)
"""


@dataclass(frozen=True)
class Options:
    """Measure what `import nas_env` costs beyond `import gymnasium`, in fresh processes.

    Attributes:
        repeats: Repeats of each row; the rows take turns.
        output: Folder of the page.
    """

    repeats: int = 15
    output: Path = PAGES


def import_once(module: str) -> tuple[float, bool]:
    """Return the seconds an import takes in a fresh process, and whether it loads torch."""
    seconds, torch_loaded = fresh(PROGRAM.format(module=module))
    return float(seconds), torch_loaded == "True"


def run(settings: Options) -> int:
    """Measure and write the page."""
    seconds: dict[str, list[float]] = {"gymnasium": [], "nas_env": []}
    torch_loaded = dict.fromkeys(seconds, False)
    for repeat in range(-1, settings.repeats):  # the first round fills the file cache
        for module in seconds:
            duration, torch_loaded[module] = import_once(module)
            if repeat >= 0:
                seconds[module].append(duration)
    more = [a - b for a, b in zip(seconds["nas_env"], seconds["gymnasium"], strict=True)]
    page = Page(
        "startup",
        "Time of `import nas_env`",
        "Seconds of one import in a fresh process. `nas_env` imports Gymnasium, so the last row is "
        "the additional time.",
        f"{settings.repeats} of each, taking turns, after one round that fills the file cache",
        ("import", "seconds", "loads torch"),
        [
            (f"`import {module}`", spread(duration, 3), "yes" if torch_loaded[module] else "no")
            for module, duration in seconds.items()
        ],
    )
    page.rows.append(("difference", spread(more, 3), ""))
    holds = statistics.median(more) <= AIM_SECONDS and not torch_loaded["nas_env"]
    page.verdicts.append(verdict(f"at most {AIM_SECONDS} s more, and without torch", holds))
    page.write(settings.output)
    return 0
