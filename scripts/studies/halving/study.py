"""Measure successive halving against full training, and write `docs/halving.md`.

Example: python -m scripts.studies halving
"""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from nas_env.architecture import Candidate
from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Budget, Evaluation
from nas_env.evaluators import Evaluator, Halving
from nas_env.evaluators.tabular import Tabular
from nas_env.evaluators.training import Training
from nas_env.spaces import SPACES, SearchSpace
from nas_env.tables import TABLES, TableTask
from nas_env.tasks import TASKS
from nas_env_cli.search.provenance import versions
from scripts.studies.common.experiment import require_at_least, typed_command

ROOT = Path(__file__).resolve().parents[3]
VARIANTS = ((3, 1), (2, 1), (3, 2))  # eta and min_epochs
MOST_SHARE = 1 / 3
MARGIN = 1.0  # points; the standard deviation between training seeds is larger, see chain-bench.md
CLEAR = 2.0  # standard errors


@dataclass(frozen=True)
class Options:
    """Compare successive halving with full training of the same networks; write docs/halving.md."""

    batch: int = 27
    """Number of networks in a batch."""
    seeds: int = 20
    """Batches from the table of NASChain-v0, drawn with seeds 0, 1, ..."""
    task: str = "mnist-small"
    """Task of the real training, of images."""
    epochs: int = 9
    """Epochs of the real training."""
    page: Path = ROOT / "docs" / "halving.md"
    """The page."""


@dataclass(frozen=True)
class Choice:
    """The result of one way to evaluate a batch.

    Attributes:
        network: Index of the chosen network in the batch.
        epochs: Epochs that were trained.
        seconds: Wall time.
    """

    network: int
    epochs: int
    seconds: float


def run(settings: Options) -> int:
    """Measure and write the page."""
    require_at_least(settings, batch=2, seeds=2, epochs=1)
    torch.set_num_threads(1)
    lines = [*heading(settings), *table_part(settings), *training_part(settings)]
    settings.page.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    print(f"\nWritten: {settings.page}")
    return 0


def heading(settings: Options) -> Iterator[str]:
    """Yield the introduction of the page."""
    installed = versions()
    yield "# Successive halving against full training"
    yield ""
    yield "Made by `python -m scripts.studies halving`."
    yield ""
    yield (
        f"`Halving` evaluates a batch of {settings.batch} networks. It trains all of them for a "
        "few epochs, one in eta of them for more, and so on up to the whole schedule. Full "
        "training evaluates the same networks to the end. The chosen network is the one with the "
        "best validation accuracy among those trained for the most epochs."
    )
    yield ""
    yield f"- Command: `{typed_command()}`"
    yield f"- Machine: {installed.pop('machine')}"
    version_texts = (f"{name} {value}" for name, value in installed.items() if name != "commit")
    yield f"- Versions: {', '.join(version_texts)}"
    yield ""


def draw(space: SearchSpace, count: int, seed: int) -> list[Candidate]:
    """Return different random networks, decision by decision as random search draws them."""
    rng, drawn = np.random.default_rng(seed), dict[str, Candidate]()
    for _ in range(1000 * count):
        candidate = space.decode(space.sample(rng))
        drawn.setdefault(candidate.trained_key, candidate)
        if len(drawn) == count:
            return list(drawn.values())
    raise InvalidSettingError(f"The space has fewer than {count} networks. Lower --batch.")


def choose(evaluator: Evaluator, batch: Sequence[Candidate], budget: Budget) -> Choice:
    """Evaluate a batch and choose the best network of those trained for the most epochs."""
    started = time.perf_counter()
    evaluations = evaluator.evaluate(batch, budget)
    seconds = time.perf_counter() - started

    def rank(index: int) -> tuple[int, float]:
        evaluation = evaluations[index]
        return (evaluation.epochs, evaluation.metrics["accuracy"]) if evaluation.ok else (0, 0.0)

    return Choice(max(range(len(batch)), key=rank), sum(x.epochs for x in evaluations), seconds)


# ---- stored curves ----


def table_part(settings: Options) -> Iterator[str]:
    """Yield the comparison on the stored curves of `NASChain-v0`."""
    table = TABLES.get("chain-bench")()
    tabular, space = Tabular(TableTask(table)), table.make_space(None)
    budget = Budget(epochs=table.fidelity)
    batches = [draw(space, settings.batch, seed) for seed in range(settings.seeds)]
    values = [tabular.evaluate(batch, budget) for batch in batches]
    full = [choose(tabular, batch, budget) for batch in batches]
    yield "## On the stored curves of NASChain-v0"
    yield ""
    yield (
        f"{settings.seeds} batches (seeds 0 to {settings.seeds - 1}), {budget.epochs} epochs. "
        '"Validation" is the accuracy of the chosen network after all epochs, in the run that was '
        'used for the choice; there, full training is the upper bound. "Test" is its mean test '
        "accuracy in the two other runs, which were not used for the choice. Differences are "
        "paired by batch, halving minus full training: mean ± standard deviation between batches "
        "(standard error)."
    )
    yield ""
    yield from columns()
    yield row("full training", full, full, values)
    verdicts, shortest = [], full
    for eta, least in VARIANTS:
        halving = Halving(tabular, "accuracy", eta, least)
        chosen = [choose(halving, batch, budget) for batch in batches]
        shortest = min(shortest, chosen, key=lambda x: x[0].epochs)
        name = f"halving, eta {eta}, rungs {', '.join(map(str, halving.rungs(budget)))}"
        yield row(name, chosen, full, values)
        verdicts.append(f"- {name}: {verdict(chosen, full, values)}")
    fewer = max(1, shortest[0].epochs // budget.epochs)
    some = [choose(tabular, batch[:fewer], budget) for batch in batches]
    yield row(f"full training of the first {fewer}", some, full, values)
    yield ""
    yield (
        "Aim: the same quality of the best network with at most a third of the epochs. The quality "
        f"counts as the same if the loss in accuracy plus {CLEAR:.0f} standard errors is below "
        f"{MARGIN:.0f} point, in validation and test."
    )
    yield ""
    yield from verdicts
    yield ""


def columns() -> Iterator[str]:
    """Yield the head of the table."""
    names = (
        "what",
        "epochs, share",
        "validation, %",
        "difference",
        "test, %",
        "difference",
        "same network",
    )
    yield f"| {' | '.join(names)} |"
    yield f"| {' | '.join('---' for _ in names)} |"


def row(
    name: str,
    chosen: Sequence[Choice],
    full: Sequence[Choice],
    values: Sequence[Sequence[Evaluation]],
) -> str:
    """Return the row of one way of evaluating."""
    cells = [name, f"{chosen[0].epochs} ({share(chosen, full):.3f})"]
    for metric in ("reward", "report"):
        mean = statistics.mean(
            x[choice.network].metrics[metric] for x, choice in zip(values, chosen, strict=True)
        )
        cells += [f"{100 * mean:.2f}", spread(differences(metric, chosen, full, values))]
    same = sum(a.network == b.network for a, b in zip(chosen, full, strict=True))
    return f"| {' | '.join([*cells, f'{same} of {len(full)}'])} |"


def share(chosen: Sequence[Choice], full: Sequence[Choice]) -> float:
    """Return the epochs of one way as a share of those of full training."""
    return sum(x.epochs for x in chosen) / sum(x.epochs for x in full)


def differences(
    metric: str,
    chosen: Sequence[Choice],
    full: Sequence[Choice],
    values: Sequence[Sequence[Evaluation]],
) -> list[float]:
    """Return the chosen networks' metric minus that of full training, in points."""
    return [
        100 * (x[a.network].metrics[metric] - x[b.network].metrics[metric])
        for x, a, b in zip(values, chosen, full, strict=True)
    ]


def error(values: Sequence[float]) -> float:
    """Return the standard error of the mean."""
    return statistics.stdev(values) / math.sqrt(len(values))


def spread(values: Sequence[float]) -> str:
    """Return mean, standard deviation and standard error."""
    mean, deviation = statistics.mean(values), statistics.stdev(values)
    return f"{mean:+.2f} ± {deviation:.2f} ({error(values):.2f})"


def verdict(
    chosen: Sequence[Choice], full: Sequence[Choice], values: Sequence[Sequence[Evaluation]]
) -> str:
    """Return the sentences that say whether the aim holds for one way of halving."""
    used, losses = share(chosen, full), []
    for metric in ("reward", "report"):
        points = differences(metric, chosen, full, values)
        losses.append(CLEAR * error(points) - statistics.mean(points))
    few, good = used <= MOST_SHARE, max(losses) < MARGIN
    return (
        f"{used:.3f} of the epochs ({'few enough' if few else 'too many'}); the loss may be "
        f"{losses[0]:.2f} and {losses[1]:.2f} points ({'the same' if good else 'not the same'}). "
        f"**The aim {'holds' if few and good else 'does not hold'}.**"
    )


# ---- real training ----


def training_part(settings: Options) -> Iterator[str]:
    """Yield the comparison on real training, networks continued from their checkpoints."""
    task = TASKS.get(settings.task)()
    space = SPACES.get("chain")(task.spec.input_shape, task.spec.num_outputs, None)
    batch, budget = draw(space, settings.batch, seed=0), Budget(epochs=settings.epochs)
    plain = Training(task, "cpu")
    plain.evaluate(batch[:1], Budget(epochs=1))  # the first training of a process is slower
    with tempfile.TemporaryDirectory() as folder:
        halving = Halving(Training(task, "cpu", checkpoints=folder), "accuracy")
        halved = choose(halving, batch, budget)
        full = choose(plain, batch, budget)
        checkpoint_bytes = sum(path.stat().st_size for path in Path(folder).iterdir())
    values = plain.evaluate([batch[x.network] for x in (full, halved)], budget)
    accuracies = [100 * x.metrics["accuracy"] for x in values]
    yield f"## On real training: {settings.task}"
    yield ""
    yield (
        f"One batch: {settings.batch} networks of the space `chain` (seed 0), {settings.epochs} "
        f"epochs, rungs {', '.join(map(str, halving.rungs(budget)))}, one thread. Networks "
        f"continue from their checkpoints, which took {checkpoint_bytes / 1e6:.1f} MB at the end. "
        "The accuracy is the validation accuracy of the chosen network after all epochs; one image "
        "is "
        f"{100 / task.spec.sizes[1]:.2f} points."
    )
    yield ""
    yield "| what | epochs | wall time, s | accuracy, % |"
    yield "| --- | --- | --- | --- |"
    for name, choice, accuracy in zip(
        ("full training", "halving"), (full, halved), accuracies, strict=True
    ):
        yield f"| {name} | {choice.epochs} | {choice.seconds:.1f} | {accuracy:.2f} |"
    yield ""
    same = "the same network" if full.network == halved.network else "another network"
    yield (
        f"Halving took {halved.epochs / full.epochs:.3f} of the epochs and "
        f"{halved.seconds / full.seconds:.3f} of the time, and chose {same}."
    )
