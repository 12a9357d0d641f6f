"""Measure what making an environment of a table costs, in fresh processes.

Example: python -m scripts.bench tables --repeats 15
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

from scripts.bench.page import PAGES, Page, fresh, spread, verdict

AIM_SECONDS, AIM_MEGABYTES = 0.3, 150
AIMED_AT = "NASBench201-v0"
IDS = ("NASChain-v0", AIMED_AT, "NASBenchMacro-v0", "NASBenchGraph-v0")
PROGRAM = """
import pathlib, time
import gymnasium, nas_env
started = time.perf_counter()
env = gymnasium.make("{id}")
env.reset(seed=0)
taken = time.perf_counter() - started
status = pathlib.Path("/proc/self/status").read_text()
print(taken, int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6)
"""


@dataclass(frozen=True)
class Options:
    """Measure what making an environment of a table costs, in fresh processes.

    Attributes:
        repeats: Repeats of each row; the rows take turns.
        output: Folder of the page.
    """

    repeats: int = 15
    output: Path = PAGES


def make_once(env_id: str) -> tuple[float, float]:
    """Return the seconds to make and reset an environment, and the process's peak megabytes."""
    seconds, megabytes = fresh(PROGRAM.format(id=env_id))
    return float(seconds), float(megabytes)


def run(settings: Options) -> int:
    """Measure and write the page."""
    seconds: dict[str, list[float]] = {name: [] for name in IDS}
    peaks: dict[str, list[float]] = {name: [] for name in IDS}
    for repeat in range(-1, settings.repeats):  # the first round fills the file cache
        for name in IDS:
            duration, peak = make_once(name)
            if repeat >= 0:
                seconds[name].append(duration)
                peaks[name].append(peak)
    page = Page(
        "tables",
        "Cost of making an environment with a table",
        "Seconds of the first `gymnasium.make` and `reset` in a fresh process, including imports "
        "of the package's modules, but without `import nas_env`; and the highest resident memory "
        "of the whole process (VmHWM of Linux; `ru_maxrss` would be that of the parent).",
        f"{settings.repeats} of each, taking turns, after one round that fills the file cache",
        ("environment", "seconds", "peak MB (10^6 bytes)"),
        [(f"`{name}`", spread(seconds[name], 3), spread(peaks[name], 0)) for name in IDS],
    )
    holds = (
        statistics.median(seconds[AIMED_AT]) < AIM_SECONDS
        and statistics.median(peaks[AIMED_AT]) < AIM_MEGABYTES
    )
    aim = f"`{AIMED_AT}` in under {AIM_SECONDS} s and under {AIM_MEGABYTES} MB"
    page.verdicts.append(verdict(aim, holds))
    page.write(settings.output)
    return 0
