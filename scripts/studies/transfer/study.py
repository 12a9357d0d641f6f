"""Search cells on small images, stack them larger, train on larger images: docs/transfer.md.

Example: python -m scripts.studies transfer
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import Candidate
from nas_env.errors import InvalidDataError
from nas_env.evaluation import Budget
from nas_env.evaluators.training import Training
from nas_env.objectives import OBJECTIVES
from nas_env.skeletons import scaled
from nas_env.spaces.nasnet_cell import NASNET, NASNetSpace
from nas_env.tasks import TASKS, Task
from nas_env_cli.export.retraining import retrain
from nas_env_cli.specs import AgentSpec
from scripts.studies.common.best_trial import best_trial
from scripts.studies.common.experiment import Experiment, Job, require_at_least
from scripts.studies.common.group_differences import difference, least_chance, with_sd
from scripts.studies.common.made_by import commands_and_versions
from scripts.studies.common.pages import save_page

ROOT = Path(__file__).resolve().parents[3]
TEMPLATE = Path(__file__).with_name("template.md")
RANDOM_CELLS = "random cells"  # one for each seed, without a search
CLASSES = 10
ARRAYS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True)
class Options:
    """Search cells on small images, stack them larger and train them on larger images."""

    agents: tuple[str, ...] = ("imagination", "random")
    """Agents that search cells, in the notation of `nas-env benchmark`."""
    seeds: int = 5
    """Searches of each agent, and random cells: seeds 0, 1, ..."""
    networks: int = 40
    """Networks of a search."""
    images: int = 1000
    """Number of training images of the search, 14x14, and of validation images."""
    epochs: int = 3
    """Epochs of a network of the search."""
    repeats: int = 1
    """N of the search: normal cells of a stage."""
    channels: int = 4
    """F of the search: channels of the first stage."""
    large_images: int = 3000
    """Training images, 28x28, of the stacked networks."""
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
    """Store of the searches' networks; an interrupted search resumes from it."""
    page: Path = ROOT / "docs" / "transfer.md"
    """The page; results.jsonl goes into the folder with its name."""

    def shared(self) -> dict[str, Any]:
        """Return the settings that all results of a file share."""
        apart = ("agents", "seeds", "source", "processes", "store", "page")
        return {name: x for name, x in asdict(self).items() if name not in apart}


class Result(NamedTuple):
    """The cell of one job.

    Attributes:
        agent: Label of the agent that chose it, or "random cells".
        seed: The seed of the search and of both trainings.
        walk: Its decisions.
        small: Validation accuracy of its small network, by which it was chosen; None if random.
        accuracy: Test accuracy of its large network.
        params: Parameters of its large network.
    """

    agent: str
    seed: int
    walk: list[int]
    small: float | None
    accuracy: float
    params: int


def run(settings: Options) -> int:
    """Play the jobs that have no result yet, and write the page."""
    counts = ("seeds", "networks", "images", "epochs", "large_images", "large_epochs", "processes")
    require_at_least(settings, **dict.fromkeys(counts, 1))
    experiment = experiment_of(settings)
    settings.store.parent.mkdir(parents=True, exist_ok=True)
    experiment.play(jobs(settings), partial(transfer, settings), settings.processes)
    save_page(settings.page, page(experiment))
    return 0


def experiment_of(settings: Options) -> Experiment:
    """Return the results beside the page."""
    return Experiment.beside(settings.page, settings.shared())


def jobs(settings: Options) -> list[Job]:
    """Return all jobs: a search by each agent, and a random cell, for every seed."""
    agents = (*settings.agents, RANDOM_CELLS)
    return [{"agent": x, "seed": seed} for seed in range(settings.seeds) for x in agents]


def transfer(settings: Options, job: Job) -> dict[str, Any]:
    """Choose a cell on small images, stack it larger, and train and test it on large ones."""
    space, seed = small_space(settings), job["seed"]
    small: float | None = None
    if job["agent"] == RANDOM_CELLS:
        walk = space.sample(np.random.default_rng([seed, 1]))
    else:
        best = best_trial(
            job["agent"],
            seed,
            settings.networks,
            space=space,
            task=images_task(settings.source, settings.images, halved=True),
            store=str(settings.store),
            budget=Budget(epochs=settings.epochs, training_seed=seed),
        )
        walk, small = best.walk, best.evaluation.metrics["accuracy"]
    task = images_task(settings.source, settings.large_images, halved=False)
    candidate = space.decode(walk)
    large = scaled(
        candidate.architecture,
        settings.large_repeats,
        settings.large_channels,
        task.spec.input_shape,
    )
    tested = retrain(
        "large",
        Candidate(large, candidate.recipe),
        Training(task),
        OBJECTIVES.get("accuracy")(),
        Budget(epochs=settings.large_epochs),
        [seed],
    )
    accuracy = tested.accuracies[0]
    return {"walk": [*walk], "small": small, "accuracy": accuracy, "params": tested.params}


def small_space(settings: Options) -> NASNetSpace:
    """Return the space of NASNet's cells in a small skeleton."""
    grammar = replace(NASNET, repeats=settings.repeats, channels=settings.channels)
    name = f"nasnet-cell-n{settings.repeats}-f{settings.channels}"
    return NASNetSpace(grammar, name, (1, 14, 14), CLASSES)


@lru_cache(maxsize=2)
def images_task(source: Path, count: int, halved: bool) -> Task:
    """Return the task with `count` images for training, and at most as many for validation.

    Args:
        source: A file of images of 28x28 pixels, 0 to 255.
        count: Images for training.
        halved: Whether to halve images by the mean of 2x2 pixels.
    """
    if not source.is_file():
        raise InvalidDataError(f"{source}: no such file. Set --source to the file of images.")
    with np.load(source) as file:
        arrays = {name: file[name] for name in ARRAYS if name in file.files}
    if len(arrays) < len(ARRAYS) or arrays["x_train"].shape[1:] != (28, 28):
        raise InvalidDataError(
            f"{source}: the file must have the arrays {', '.join(ARRAYS)}, with images of 28x28 "
            "pixels from 0 to 255. Set --source to such a file."
        )
    x, y = images(arrays["x_train"], halved), arrays["y_train"]
    if len(x) < 2 * count:
        raise InvalidDataError(
            f"{source}: there must be at least {2 * count} training images (half of them for "
            f"validation), but there are {len(x)}. Lower --images and --large-images."
        )
    order = np.random.default_rng(0).permutation(len(x))[: 2 * count]
    train, validation = order[:count], order[count:]
    data = {
        **{"x_train": x[train], "y_train": y[train], "x_val": x[validation]},
        **{"y_val": y[validation], "x_test": images(arrays["x_test"], halved)},
        "y_test": arrays["y_test"],
    }
    return TASKS.get("own-data")(data=data)


def images(pixels: NDArray[np.uint8], halved: bool) -> NDArray[np.float32]:
    """Return (n, 1, height, width) images in [0, 1]."""
    x = (pixels / 255)[:, None]
    if halved:
        n, _, height, width = x.shape
        x = x.reshape(n, 1, height // 2, 2, width // 2, 2).mean(axis=(3, 5))
    return x.astype(np.float32)


# ---- the page ----


def page(experiment: Experiment) -> str:
    """Return the page of the results."""
    groups = groups_of(
        [
            Result(label_of(job["agent"]), job["seed"], **result)
            for job, result in experiment.results()
        ]
    )
    values = {
        **{name: f"{value:,}" for name, value in experiment.settings.items()},
        **commands_and_versions(experiment),
        "table": "\n".join(table(groups)),
        "comparison": "\n".join(compared(groups)),
        "least": f"{least_chance(min(map(len, groups.values()))):.3f}",
    }
    return string.Template(TEMPLATE.read_text("utf-8")).substitute(values)


def label_of(agent: str) -> str:
    """Return the label of an agent, or "random cells"."""
    return agent if agent == RANDOM_CELLS else AgentSpec.parse(agent).label


def groups_of(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Return the results by the agent that chose the cells."""
    return {
        agent: [result for result in results if result.agent == agent]
        for agent in dict.fromkeys(sorted((x.agent for x in results), key=order_of))
    }


def order_of(agent: str) -> tuple[bool, bool, str]:
    """Return the sort key of a group: learning agents, random search, random cells."""
    return agent == RANDOM_CELLS, agent == "random", agent


def table(groups: dict[str, list[Result]]) -> Iterator[str]:
    """Yield a row for each way to choose cells."""
    yield "| cells chosen by | cells | validation, small, % | test, large, % | parameters, large |"
    yield "| --- | --- | --- | --- | --- |"
    for agent, group in groups.items():
        small = [100 * x.small for x in group if x.small is not None]
        cells = (
            f"`{agent}`" if agent != RANDOM_CELLS else "nobody (random cells)",
            str(len(group)),
            with_sd(small) if small else "",
            with_sd([100 * x.accuracy for x in group]),
            with_sd([x.params for x in group], 0),
        )
        yield f"| {' | '.join(cells)} |"


def compared(groups: dict[str, list[Result]]) -> Iterator[str]:
    """Yield a sentence on each pair of groups."""
    tested = {name: [100 * x.accuracy for x in group] for name, group in groups.items()}
    for one, other in combinations(tested, 2):
        yield f"- {difference(f'`{one}`', tested[one], f'`{other}`', tested[other])}"
