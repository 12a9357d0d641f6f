"""Search cells on small images, stack them larger, train on larger images: docs/transfer.md.

Example: python scripts/transfer.py
"""

from __future__ import annotations

import json
import multiprocessing
import string
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from itertools import combinations
from math import comb
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from stable_baselines3.common.utils import set_random_seed

import nas_env  # noqa: F401 - registers the environments
from agents.benchmark.cells import Stop
from agents.benchmark.command import exit_code
from agents.benchmark.runner import one_thread_each
from agents.benchmark.specs import AgentSpec, EnvSpec
from agents.search.provenance import versions
from agents.search.retraining import mean_sd, retrain
from nas_env.architecture import Candidate
from nas_env.errors import InvalidDataError, InvalidSettingError
from nas_env.evaluation import Budget
from nas_env.evaluators.training import Training
from nas_env.objectives import OBJECTIVES
from nas_env.spaces import Walk
from nas_env.spaces.nasnet_cell import NASNET, NASNetSpace
from nas_env.tasks import TASKS, Task
from nas_env.wrappers import Limits, TrackSearch

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = Path(__file__).with_name("transfer_template.md")
RANDOM_CELLS = "random cells"  # one for each seed, chosen by nobody
CLASSES = 10


@dataclass(frozen=True)
class Settings:
    """Search cells on small images, stack them larger and train them on larger images."""

    agents: tuple[str, ...] = ("imagination", "random")
    """Who searches the cells, as scripts/benchmark.py names agents."""
    seeds: int = 5
    """Searches of each agent, and random cells: seeds 0, 1, ..."""
    networks: int = 40
    """Networks of a search."""
    images: int = 1000
    """Training images of the search, 14x14; the validation images are as many."""
    epochs: int = 3
    """Epochs of a network of the search."""
    repeats: int = 1
    """N of the search: normal cells of a stage."""
    channels: int = 4
    """F of the search: channels of the first stage."""
    large_images: int = 3000
    """Training images, 28x28, of the networks that the cells are stacked into."""
    large_epochs: int = 3
    """Their epochs."""
    large_repeats: int = 2
    """Their N."""
    large_channels: int = 8
    """Their F."""
    source: Path = ROOT.parent / "shared" / "data" / "mnist_15k.npz"
    """Images of 28x28 pixels: x_train, y_train, x_test, y_test."""
    processes: int = 2
    """Runs at once."""
    store: Path = ROOT / "runs" / "transfer.sqlite"
    """Every network of the searches; a search that was broken off goes on where it stopped."""
    page: Path = ROOT / "docs" / "transfer.md"
    """The page; results go into the folder of its name."""

    def shared(self) -> dict[str, Any]:
        """Return what all results of one file have in common."""
        apart = ("agents", "seeds", "source", "processes", "store", "page")
        return {name: x for name, x in asdict(self).items() if name not in apart}


class Job(NamedTuple):
    """A search with its transfer: who chooses the cell, and the seed."""

    agent: str
    seed: int


class Result(NamedTuple):
    """What became of the cell of one job.

    Attributes:
        agent: Who chose it.
        seed: The seed of the search and of both trainings.
        walk: Its decisions.
        small: Validation accuracy of its small network, by which it was chosen; None: by nothing.
        accuracy: Test accuracy of its large network.
        params: Parameters of its large network.
    """

    agent: str
    seed: int
    walk: list[int]
    small: float | None
    accuracy: float
    params: int


def main(settings: Settings) -> int:
    """Run what is missing, write the page, and return the exit code."""
    return exit_code(partial(run, settings))


def run(settings: Settings) -> int:
    """Run what is missing and write the page."""
    for name in ("seeds", "networks", "images", "epochs", "large_images", "large_epochs"):
        if getattr(settings, name) < 1:
            raise InvalidSettingError(f"Option --{name.replace('_', '-')} must be >= 1.")
    file = settings.page.with_suffix("") / "results.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    settings.store.parent.mkdir(parents=True, exist_ok=True)
    hows, results = read(file)
    if any(how["settings"] != settings.shared() for how in hows):
        raise InvalidSettingError(
            f"{file} was made with the settings {hows[0]['settings']}. Remove it, or give those."
        )
    done = {(result.agent, result.seed) for result in results}
    groups = [*(AgentSpec.parse(text).label for text in settings.agents), RANDOM_CELLS]
    texts = dict(zip(groups, [*settings.agents, RANDOM_CELLS], strict=True))
    jobs = [
        Job(texts[group], seed)
        for seed in range(settings.seeds)
        for group in groups
        if (group, seed) not in done
    ]
    if jobs:
        play_all(settings, jobs, file)
    settings.page.write_text(page(*read(file)), encoding="utf-8")
    print(f"Written: {settings.page}")
    return 0


def play_all(settings: Settings, jobs: Sequence[Job], file: Path) -> None:
    """Play the jobs and append a line for each; a line of how they were made goes before."""
    command = " ".join(["python scripts/transfer.py", *sys.argv[1:]])
    how = {"command": command, "settings": settings.shared(), "versions": versions()}
    one_thread_each()
    play = partial(transfer, settings)
    with multiprocessing.get_context("spawn").Pool(settings.processes) as pool:
        with file.open("a", encoding="utf-8") as lines:
            lines.write(f"{json.dumps(how)}\n")
        for number, result in enumerate(pool.imap_unordered(play, jobs), start=1):
            with file.open("a", encoding="utf-8") as lines:
                lines.write(f"{json.dumps(result._asdict())}\n")
            print(
                f"{number}/{len(jobs)}: {result.agent}, seed {result.seed}: "
                f"test accuracy {result.accuracy:.4f}",
                file=sys.stderr,
                flush=True,
            )


def transfer(settings: Settings, job: Job) -> Result:
    """Choose a cell on small images, stack it larger, and train and test it on large ones."""
    torch.set_num_threads(1)
    space = small_space(settings)
    small: float | None = None
    if job.agent == RANDOM_CELLS:
        label, walk = RANDOM_CELLS, space.sample(np.random.default_rng([job.seed, 1]))
    else:
        label, walk, small = search(settings, job)
    task = images_task(settings.source, settings.large_images, halved=False)
    found = space.decode(walk)
    large = found.architecture.scaled(
        settings.large_repeats, settings.large_channels, task.spec.input_shape
    )
    tested = retrain(
        label,
        Candidate(large, found.recipe),
        Training(task),
        OBJECTIVES.get("accuracy")(),
        Budget(epochs=settings.large_epochs),
        [job.seed],
    )
    accuracy = tested.accuracies[0]
    return Result(label, job.seed, [*walk], small, accuracy, tested.params)


def search(settings: Settings, job: Job) -> tuple[str, Walk, float]:
    """Return the agent's label, and the walk and validation accuracy of its best small network."""
    spec = AgentSpec.parse(job.agent)
    observation = spec.observation(EnvSpec("small", "NAS-v0"))
    more: dict[str, Any] = {} if observation is None else {"observation": observation}
    env: gymnasium.Env[Any, Any] = gymnasium.make(
        "NAS-v0",
        space=small_space(settings),
        task=images_task(settings.source, settings.images, halved=True),
        store=str(settings.store),
        budget={"epochs": settings.epochs, "training_seed": job.seed},
        **more,
    )
    set_random_seed(job.seed)
    env.reset(seed=job.seed)
    tracker = TrackSearch(env, Limits(evaluations=settings.networks))
    spec.make(tracker, job.seed).learn(10**9, Stop(tracker))
    assert tracker.best is not None
    return spec.label, tracker.best.walk, tracker.best.evaluation.metrics["accuracy"]


def small_space(settings: Settings) -> NASNetSpace:
    """Return the space of NASNet's cells in a small skeleton."""
    grammar = replace(NASNET, repeats=settings.repeats, channels=settings.channels)
    name = f"nasnet-cell-n{settings.repeats}-f{settings.channels}"
    return NASNetSpace(grammar, name, (1, 14, 14), CLASSES)


@lru_cache(maxsize=2)
def images_task(source: Path, count: int, halved: bool) -> Task:
    """Return the task of so many images for training, and at most as many for validation.

    Args:
        source: A file of images of 28x28 pixels, 0 to 255.
        count: Images for training.
        halved: Whether each 2x2 pixels become one, their mean.
    """
    if not source.is_file():
        raise InvalidDataError(f"{source}: no such file. Give --source the images to search on.")
    with np.load(source) as file:
        arrays = {name: file[name] for name in ("x_train", "y_train", "x_test", "y_test")}
    x, y = images(arrays["x_train"], halved), arrays["y_train"]
    if len(x) < 2 * count:
        raise InvalidDataError(
            f"{source}: {len(x)} training images, but {2 * count} are needed: half for validation. "
            "Lower --images and --large-images."
        )
    order = np.random.default_rng(0).permutation(len(x))[: 2 * count]
    train, validation = order[:count], order[count:]
    data = {
        **{"x_train": x[train], "y_train": y[train], "x_val": x[validation]},
        **{"y_val": y[validation], "x_test": images(arrays["x_test"], halved)},
        "y_test": arrays["y_test"],
    }
    return TASKS.get("arrays")(data=data)


def images(pixels: NDArray[np.uint8], halved: bool) -> NDArray[np.float32]:
    """Return (n, 1, height, width) images in [0, 1]."""
    x = (pixels / 255)[:, None]
    if halved:
        n, _, height, width = x.shape
        x = x.reshape(n, 1, height // 2, 2, width // 2, 2).mean(axis=(3, 5))
    return x.astype(np.float32)


# ---- the page ----


def read(file: Path) -> tuple[list[dict[str, Any]], list[Result]]:
    """Return how the results of a file were made, and the results."""
    lines = file.read_text("utf-8").splitlines() if file.is_file() else []
    values = [json.loads(line) for line in lines if line.endswith("}")]
    hows = [value for value in values if "command" in value]
    return hows, [Result(**value) for value in values if "command" not in value]


def page(hows: Sequence[dict[str, Any]], results: Sequence[Result]) -> str:
    """Return the page of the results."""
    found = hows[-1]["versions"]
    values = {
        **{name: f"{value:,}" for name, value in hows[-1]["settings"].items()},
        "command": hows[-1]["command"],
        "versions": ", ".join(f"{name} {value}" for name, value in found.items()),
        "table": "\n".join(table(results)),
        "comparison": "\n".join(compared(results)),
        "least": f"{least_chance(results):.3f}",
    }
    return string.Template(TEMPLATE.read_text("utf-8")).substitute(values)


def groups_of(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Return the results by who chose the cells."""
    return {
        agent: [result for result in results if result.agent == agent]
        for agent in dict.fromkeys(sorted((x.agent for x in results), key=order_of))
    }


def order_of(agent: str) -> tuple[bool, bool, str]:
    """Return where a group stands: who searched first, the cells that nobody chose last."""
    return agent == RANDOM_CELLS, agent == "random", agent


def table(results: Sequence[Result]) -> Iterator[str]:
    """Yield a row for each way to choose cells."""
    yield "| cells chosen by | cells | validation, small, % | test, large, % | parameters, large |"
    yield "| --- | --- | --- | --- | --- |"
    for agent, group in groups_of(results).items():
        small = [100 * x.small for x in group if x.small is not None]
        cells = (
            f"`{agent}`" if agent != RANDOM_CELLS else "nobody (random cells)",
            str(len(group)),
            with_sd(small) if small else "",
            with_sd([100 * x.accuracy for x in group]),
            with_sd([x.params for x in group], 0),
        )
        yield f"| {' | '.join(cells)} |"


def with_sd(values: Sequence[float], digits: int = 2) -> str:
    """Return "mean ± standard deviation"."""
    mean, sd = mean_sd(values)
    return f"{mean:,.{digits}f} ± {sd:,.{digits}f}"


def compared(results: Sequence[Result]) -> Iterator[str]:
    """Yield a sentence on each pair of groups."""
    groups = groups_of(results)
    for one, other in combinations(groups, 2):
        ours, theirs = ([100 * x.accuracy for x in groups[name]] for name in (one, other))
        gain = float(np.mean(ours) - np.mean(theirs))
        chance = permutation_chance(ours, theirs)
        clear = "a difference" if chance < 0.05 else "no difference that these runs can show"
        yield (
            f"- `{one}` against `{other}`: {gain:+.2f} points (chance of so large a difference, "
            f"had it been drawn by lot who chose which cell: {chance:.3f}): {clear}."
        )


def least_chance(results: Sequence[Result]) -> float:
    """Return the least p value that groups of this size can have."""
    count = min(map(len, groups_of(results).values()))
    return 2 / comb(2 * count, count)


def permutation_chance(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the two-sided p value of the exact permutation test of the difference of means."""
    values, count = np.array([*one, *other]), len(one)
    total = values.sum()
    sums = np.array([values[list(x)].sum() for x in combinations(range(len(values)), count)])
    gaps = np.abs(sums / count - (total - sums) / (len(values) - count))
    return float(np.mean(gaps >= abs(np.mean(one) - np.mean(other)) - 1e-12))


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings, description=Settings.__doc__)))
