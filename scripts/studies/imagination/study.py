"""Run the experiments behind docs/imagination.md, and write that page from their results.

Example: python -m scripts.studies imagination optimum protocol
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

import nas_env  # noqa: F401 - registers the environments
from nas_env.registry import unknown_name
from nas_env_cli.benchmark.results import incumbents, read_results, write_results
from scripts.studies.imagination import noisy_reward
from scripts.studies.imagination.benchmarks import FIRST, Experiment, experiments
from scripts.studies.imagination.page import write_page
from scripts.studies.imagination.unseen_tables import unseen

ROOT = Path(__file__).resolve().parents[3]
NOISY = "noisy"
IMAGES, VALIDATION = 3_000, 1_000


@dataclass(frozen=True)
class Options:
    """Run the experiments behind docs/imagination.md; the same command resumes."""

    names: Annotated[tuple[str, ...], tyro.conf.Positional] = field(default_factory=tuple)
    """Experiments to run; none: only write the page from existing results; "all": all of them."""
    seeds: int | None = None
    """Number of seeds of every part; None: the default of the part."""
    processes: int = 2
    """Runs at once."""
    source: Path = ROOT.parent / "shared" / "data"
    """Folder of benchmark tables that are not in the package, and of mnist_15k.npz."""
    folder: Path = ROOT / "runs" / "imagination"
    """Folder of the runs."""
    page: Path = ROOT / "docs" / "imagination.md"
    """The page; results go into the folder with its name."""


def run(options: Options) -> int:
    """Run the named experiments and write the page."""
    options.folder.mkdir(parents=True, exist_ok=True)
    tables, images = {}, options.folder / "mnist.npz"
    if options.source.is_dir():
        tables = unseen(options.source, options.folder)
        make_images(options.source / "mnist_15k.npz", images)
    available = experiments(tables, options.folder, images)
    everything = (*available, NOISY)
    names = everything if options.names == ("all",) else options.names
    for name in names:
        if name not in everything:
            raise unknown_name("experiment", name, [*everything, "all"])
    results = options.page.with_suffix("")
    results.mkdir(parents=True, exist_ok=True)
    failed = 0
    for name in names:
        print(f"== {name}", file=sys.stderr, flush=True)
        if name == NOISY:
            seeds = range(FIRST, FIRST + (options.seeds or noisy_reward.SEEDS))
            experiment = noisy_reward.experiment_of(results / "noisy.jsonl")
            jobs, command_line = noisy_reward.jobs(seeds), command(name, options)
            experiment.play(jobs, noisy_reward.play, options.processes, command_line)
        else:
            failed += play(name, available[name], options, results)
    write_page(results, options.page)
    print(f"Written: {options.page}")
    return 1 if failed else 0


def play(name: str, experiment: Experiment, options: Options, results: Path) -> int:
    """Play the missing runs of an experiment, save the results, return the number of failures."""
    folder, command_line = options.folder / name, command(name, options)
    failed = experiment.run(folder, options.seeds, options.processes, command_line)
    for done in failed:
        print(f"failed: {done.cell}: {done.error}", file=sys.stderr)
    table, settings = read_results(folder / "best.parquet")
    plain = json.loads(json.dumps(settings).replace(f"{ROOT}/", ""))  # no paths of this machine
    write_results(results / f"{name}.parquet", [incumbents(table)], plain)
    return len(failed)


def command(name: str, options: Options) -> str:
    """Return the command line of one experiment, for its results."""
    text = f"python -m scripts.studies imagination {name}"
    return text if options.seeds is None else f"{text} --seeds {options.seeds}"


def make_images(source: Path, path: Path) -> None:
    """Write the images to train on: the first 3,000 for training, 1,000 for validation."""
    if path.is_file():
        return
    with np.load(source) as file:
        x, y = file["x_train"][:, None], file["y_train"]
        rows = np.random.default_rng(0).permutation(len(x))[: IMAGES + VALIDATION]
        train, validation = rows[:IMAGES], rows[IMAGES:]
        np.savez_compressed(
            path,
            x_train=x[train].astype(np.float32) / 255,
            y_train=y[train],
            x_val=x[validation].astype(np.float32) / 255,
            y_val=y[validation],
            x_test=file["x_test"][:, None].astype(np.float32) / 255,
            y_test=file["y_test"],
        )
