"""Six cases from data to an exported network, with a time limit: docs/cases.md.

Example: python -m scripts.studies cases digits
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro

from nas_env.errors import InvalidSettingError
from scripts.studies.cases.definitions import CASES, Case
from scripts.studies.cases.example_data import SOURCES, Name, check_source, write_data
from scripts.studies.cases.page import FIRST_SEED, SVC, page
from scripts.studies.cases.searches import ROOT, Places, run_command, searched
from scripts.studies.common.experiment import Experiment, Job, require_at_least
from scripts.studies.common.pages import save_page


@dataclass(frozen=True)
class Options:
    """Six cases from data to an exported network; the same command resumes.

    Searches run one after another. An interrupted one continues.
    """

    names: Annotated[tuple[Name, ...], tyro.conf.Positional] = field(default_factory=tuple)
    """Cases to run; none: only write the page from existing results."""
    seeds: int = 3
    """Searches of each case: seeds 1000, 1001, ..."""
    minutes: float = 10.0
    """Time limit of a search."""
    source: Path = SOURCES
    """Folder of the data that are not in scikit-learn."""
    data: Path = Path("data/cases")
    """Folder for the data of the cases."""
    runs: Path = Path("runs/cases")
    """Folder of the runs."""
    page: Path = ROOT / "docs" / "cases.md"
    """The page; results.jsonl goes into the folder with its name."""


def run(options: Options) -> int:
    """Run the searches that have no result yet, and write the page.

    Raises:
        InvalidDataError: The source of a case is missing.
        InvalidSettingError: An option is out of range.
    """
    require_at_least(options, seeds=1)
    if not options.minutes > 0:
        raise InvalidSettingError(f"Option --minutes must be > 0, but is {options.minutes:g}.")
    experiment = experiment_of(options)
    places = Places(options.data, options.runs)
    missing = experiment.missing(jobs(options))
    named = {name: CASES[name] for name in options.names}
    needed = [name for name in named if any(job["case"] == name for job in missing)]
    _check_sources(options, places, {name: named[name] for name in needed})
    experiment.play(missing, partial(play, options, places), processes=0)
    save_page(options.page, page(experiment, CASES))
    return 0


def _check_sources(options: Options, places: Places, cases: Mapping[str, Case]) -> None:
    """Check that all cases without data have a source."""
    for name, case in cases.items():
        if not (ROOT / places.data_of(name, case)).exists():
            check_source(name, case.data, options.source)


def experiment_of(options: Options) -> Experiment:
    """Return the results beside the page."""
    return Experiment.beside(options.page, {"minutes": options.minutes})


def jobs(options: Options) -> list[Job]:
    """Return the searches of the named cases, and the fits of support vector classifiers."""
    rows: list[Job] = []
    for name in options.names:
        rows += [{"case": name, "seed": FIRST_SEED + x} for x in range(options.seeds)]
        rows += [{"case": name, "model": SVC}] * CASES[name].images
    return rows


def play(options: Options, places: Places, job: Job) -> dict[str, Any]:
    """Write the data of a case if there are none, search or fit, and return the record."""
    name = job["case"]
    case, data = CASES[name], places.data_of(name, CASES[name])
    if not (ROOT / data).exists():
        write_data(case.data, options.source, ROOT / data)
    if "model" in job:
        return fitted(data, places.runs / f"{name}-svc.json")
    return searched(case, data, places.run_of(name, job["seed"]), job["seed"], options.minutes)


def fitted(data: Path, output: Path) -> dict[str, Any]:
    """Return the support vector classifier that is best on the validation split."""
    words = ["python", "-m", "scripts.studies.cases.baselines", str(data), "--output", str(output)]
    run_command(words, ROOT / output.with_suffix(".log"))
    record: dict[str, Any] = json.loads((ROOT / output).read_text("utf-8"))
    return record
