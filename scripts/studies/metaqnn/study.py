"""Run MetaQNN and random search on small digits, and write docs/metaqnn.md from the results.

The text is `template.md`; every number and the chart come from the results.

Example: python -m scripts.studies metaqnn --processes 2
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from uuid import NAMESPACE_URL, uuid5

import gymnasium
import numpy as np
import torch
import tyro
from numpy.typing import NDArray

import nas_env  # noqa: F401 - registers the environments
from nas_env.errors import InvalidDataError
from nas_env.evaluation import Budget
from nas_env.evaluators.training import Training
from nas_env.objectives import OBJECTIVES
from nas_env.spaces import SPACES
from nas_env.tasks.own_data import own_data
from nas_env.tasks.supervised import SupervisedTask
from nas_env.wrappers import Limits
from nas_env_cli.export.retraining import retrain
from nas_env_cli.search.progress_bar import SearchProgress
from nas_env_cli.search.session import SearchResult, run_search
from scripts.studies.common.experiment import Experiment, Job, require_at_least
from scripts.studies.metaqnn.page import BASELINE, METHODS, write_page

ROOT = Path(__file__).resolve().parents[3]
FILE = "mnist_15k.npz"
SPACE = "metaqnn-small"
SETTINGS: dict[str, dict[str, Any]] = {"q-learning": {"preset": "metaqnn"}, BASELINE: {}}
NOT_SHARED = ("seeds", "processes", "source", "store", "page", "estimate")
COUNTS = ("networks", "seeds", "epochs", "retrain_seeds", "retrain_epochs", "images", "validation")


@dataclass(frozen=True)
class Options:
    """Run MetaQNN and random search; the same command resumes, and writes the page again."""

    networks: int = 250
    """Unique networks of a search; the paper has 2,700."""
    seeds: int = 3
    """Searches of each method, with seeds 0, 1, ..."""
    epochs: int = 1
    """Epochs each network is trained in a search."""
    max_macs: float = 1_500_000
    """Limit on the multiply-accumulates for one image; a network above it is a failure."""
    retrain_seeds: int = 5
    """Seeds with which the best network of each search is retrained."""
    retrain_epochs: int = 20
    """Epochs of the retraining, as in the paper."""
    images: int = 3_000
    """Training images."""
    validation: int = 1_000
    """Validation images."""
    processes: int = 2
    """Searches at once, one thread each."""
    source: Path = ROOT.parent / "shared" / "data"
    """Folder of mnist_15k.npz (x_train, y_train, x_test, y_test; 28x28 images)."""
    store: Path = ROOT / "runs" / "metaqnn.sqlite"
    """Store of all networks; an interrupted search resumes from it."""
    page: Path = ROOT / "docs" / "metaqnn.md"
    """The page; results.jsonl and the chart go into the folder with its name."""
    estimate: Annotated[int, tyro.conf.arg(metavar="NETWORKS")] = 0
    """Train this number of random networks, estimate the total time, and write nothing."""

    def shared(self) -> dict[str, Any]:
        """Return the settings that all results of one file share."""
        return {name: value for name, value in asdict(self).items() if name not in NOT_SHARED}


class Lines(SearchProgress):
    """Progress in lines, also on a terminal: several searches share it."""

    draws = False


def run(options: Options) -> int:
    """Play the searches that have no result yet, and write the page."""
    check(options)
    if options.estimate:
        return print_estimate(options)
    experiment = Experiment.beside(options.page, options.shared())
    if missing := experiment.missing(jobs(options)):
        digits(options)  # raises before processes start if the data are missing
        options.store.parent.mkdir(parents=True, exist_ok=True)
        experiment.play(missing, partial(search, options), options.processes)
    write_page(experiment, options.page)
    print(f"Written: {options.page}")
    return 0


def check(options: Options) -> None:
    """Check the range of each option.

    Raises:
        InvalidSettingError: An option is out of its range.
    """
    require_at_least(options, **dict.fromkeys((*COUNTS, "processes"), 1), estimate=0)
    search_budget(options)  # raises if the limit on multiply-accumulates is out of range


def search_budget(options: Options) -> Budget:
    """Return the budget of one evaluation in a search."""
    return Budget(epochs=options.epochs, max_macs=options.max_macs)


def jobs(options: Options) -> list[Job]:
    """Return all searches."""
    return [{"method": x, "seed": seed} for seed in range(options.seeds) for x in METHODS]


def search(options: Options, job: Job) -> dict[str, Any]:
    """Run one search, retrain its best network, and return what the page needs."""
    method, seed = job["method"], job["seed"]
    task = digits(options)
    training = Training(task, device="cpu")
    env = gymnasium.make(
        "NAS-v0",
        space=SPACE,
        task=task,
        objective="accuracy",
        evaluator=training,
        observation="state",
        budget=search_budget(options),
        store=options.store,
    )
    settings = json.dumps(options.shared(), sort_keys=True)
    token = uuid5(NAMESPACE_URL, f"{settings} {method} {seed}").hex
    progress = Lines(f"{method}, seed {seed}")
    limits = Limits(evaluations=options.networks)
    result = run_search(method, env, limits, seed, None, progress, token, **SETTINGS[method])
    first = 1 + seed * options.retrain_seeds  # no two searches share a retraining seed
    seeds = range(first, first + options.retrain_seeds)
    objective, budget = OBJECTIVES.get("accuracy")(), Budget(epochs=options.retrain_epochs)
    again = retrain(method, result.best.candidate, training, objective, budget, seeds)
    return {
        "reason": result.reason,
        "repeats": len(result.trials) - result.evaluations,
        "networks": networks_of(result),
        "best": best_of(result, task),
        "retrained": {
            "seeds": list(seeds),
            "accuracies": list(again.accuracies),
            "failed": again.failed,
        },
    }


def networks_of(result: SearchResult) -> list[dict[str, Any]]:
    """Return each new network of a search in order, with its epsilon."""
    limit = result.tracker.limits.evaluations or 1
    epsilon_at: Any = getattr(result.agent, "epsilon_at", lambda share: None)
    return [
        {
            "epsilon": epsilon_at((trial.distinct - 1) / limit),
            "reward": trial.score,
            "outcome": str(trial.evaluation.outcome),
            "seconds": trial.evaluation.seconds,
        }
        for trial in result.trials
        if trial.new
    ]


def best_of(result: SearchResult, task: SupervisedTask) -> dict[str, Any]:
    """Return the network with the highest reward."""
    trial, metrics = result.best, result.best.evaluation.metrics
    spec = task.spec
    space = SPACES.get(SPACE)(input_shape=spec.input_shape, num_outputs=spec.num_outputs)
    return {
        "layers": [space.options()[decision].label for decision in trial.walk],
        "accuracy": metrics.get("accuracy", trial.score),
        "params": metrics.get("params"),
        "macs": metrics.get("macs"),
        "found_after": trial.distinct,
    }


def digits(options: Options) -> SupervisedTask:
    """Return the task: 14x14 images, drawn with a fixed seed from the training part of the file.

    Raises:
        InvalidDataError: The file does not exist, or has too few images.
    """
    path = options.source / FILE
    if not path.is_file():
        raise InvalidDataError(
            f"{path}: no such file. Set --source to the folder of {FILE}. Without it, the page can "
            "only be written from existing results, with the same options."
        )
    with np.load(path, allow_pickle=False) as file:
        content = {name: file[name] for name in ("x_train", "y_train", "x_test", "y_test")}
    needed, there = options.images + options.validation, len(content["y_train"])
    if there < needed:
        raise InvalidDataError(
            f"{path}: x_train must have at least {needed} images for training and validation, but "
            f"has {there}. Lower --images or --validation."
        )
    rows = np.random.default_rng(0).permutation(there)[:needed]
    train, validation = rows[: options.images], rows[options.images :]
    x, y = halved(content["x_train"]), content["y_train"]
    return own_data(
        {
            "x_train": x[train],
            "y_train": y[train],
            "x_val": x[validation],
            "y_val": y[validation],
            "x_test": halved(content["x_test"]),
            "y_test": content["y_test"],
        }
    )


def halved(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return images (n, 2h, 2w) in 0..255 as the mean of 2x2 pixels: (n, h, w) in 0..1."""
    n, height, width = images.shape
    windows = images.reshape(n, height // 2, 2, width // 2, 2)
    small: NDArray[np.float32] = windows.mean(axis=(2, 4), dtype=np.float32) / np.float32(255)
    return small


def print_estimate(options: Options) -> int:
    """Train a few random networks and print an estimate of the total time."""
    torch.set_num_threads(1)
    task = digits(options)
    evaluator = Training(task, device="cpu")
    spec, rng = task.spec, np.random.default_rng(12345)
    space = SPACES.get(SPACE)(input_shape=spec.input_shape, num_outputs=spec.num_outputs)
    started, trained = time.perf_counter(), 0
    for _ in range(options.estimate):
        candidate = space.decode(space.sample(rng))
        trained += evaluator.evaluate([candidate], search_budget(options))[0].ok
    mean = (time.perf_counter() - started) / options.estimate
    searches = 2 * options.seeds
    epoch = mean * options.estimate / max(1, trained) / options.epochs
    anew = searches * options.retrain_seeds * options.retrain_epochs * epoch
    hours = (searches * options.networks * mean + anew) / options.processes / 3600
    print(
        f"{options.estimate} random networks: {mean:.2f} s each, {trained} of them trained. "
        f"{searches} searches of {options.networks} networks and their retraining with "
        f"{options.processes} processes: about {hours:.2f} hours if each process is as fast."
    )
    return 0
