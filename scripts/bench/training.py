"""Measure samples per second of the training evaluator against a plain PyTorch loop.

Example: python -m scripts.bench training --repeats 5
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import t as student

from nas_env.architecture import Architecture, Candidate, Layer
from nas_env.evaluation import Budget
from nas_env.evaluators.training import Training
from nas_env.spaces import SPACES
from nas_env.tasks import TASKS
from nas_env.tasks.supervised import SupervisedTask
from scripts.bench.page import PAGES, ROOT, Page, spread, verdict
from scripts.bench.plain_loop import train_plainly

PLAIN = "plain loop, float32"
POOL = Layer.of("max-pool", kernel=2, stride=2)
SMALL = (
    Layer.of("conv", channels=16, kernel=3),
    Layer.of("conv", channels=32, kernel=3),
    POOL,
    Layer.of("conv", channels=32, kernel=3),
    Layer.of("global-average-pool"),
)
MIDDLING = (
    Layer.of("conv", channels=32, kernel=3),
    POOL,
    Layer.of("conv", channels=64, kernel=3),
    POOL,
    Layer.of("conv", channels=64, kernel=3),
    Layer.of("global-average-pool"),
)


@dataclass(frozen=True)
class Options:
    """Measure samples per second of the training evaluator against a plain PyTorch loop.

    Attributes:
        repeats: Repeats, each with its own training seed.
        epochs: Epochs of a network on the digits.
        mnist_epochs: Epochs of a network on the larger images.
        networks: Random networks on the digits, for the last row.
        mnist: File with larger images; without it that part is skipped.
        output: Folder of the page.
    """

    repeats: int = 5
    epochs: int = 8
    mnist_epochs: int = 3
    networks: int = 12
    mnist: Path = ROOT.parent / "shared" / "data" / "mnist_15k.npz"
    output: Path = PAGES


class Run(NamedTuple):
    """One training run: training samples per second, validation accuracy at the end."""

    rate: float
    accuracy: float


def compare(
    task: SupervisedTask,
    candidate: Candidate,
    epochs: int,
    seeds: list[int],
    evaluators: Evaluators,
) -> dict[str, list[Run]]:
    """Return the runs of every loop, which take turns, after a round to warm up."""
    samples = task.spec.sizes[0] * epochs
    runs: dict[str, list[Run]] = {name: [] for name in (PLAIN, *evaluators)}
    for number, seed in enumerate([seeds[0], *seeds]):
        budget = Budget(epochs=epochs, training_seed=seed)
        for name in runs:
            started = time.perf_counter()
            if name == PLAIN:
                accuracy = train_plainly(task, candidate, budget)
            else:
                evaluation = evaluators[name].evaluate([candidate], budget)[0]
                accuracy = float(evaluation.metrics["accuracy"])
            seconds = time.perf_counter() - started
            if number:
                runs[name].append(Run(samples / seconds, accuracy))
    return runs


Evaluators = dict[str, Training]


def evaluators_for(task: SupervisedTask) -> Evaluators:
    """Return the evaluator in float32 and, where "auto" chooses something else, in that too."""
    auto = Training(task, "cpu", "auto")
    evaluators = {"evaluator, float32": Training(task, "cpu")}
    if auto.precision != "float32":
        evaluators[f"evaluator, auto ({auto.precision})"] = auto
    return evaluators


def ratios(runs: dict[str, list[Run]], name: str) -> list[float]:
    """Return how many times as fast as the plain loop each repeat was."""
    return [a.rate / b.rate for a, b in zip(runs[name], runs[PLAIN], strict=True)]


def add_rows(page: Page, title: str, runs: dict[str, list[Run]]) -> None:
    """Add the rows of one task."""
    for name, results in runs.items():
        accuracies = [100 * x.accuracy for x in results]
        sd = statistics.stdev(accuracies) if len(accuracies) > 1 else float("nan")
        accuracy = f"{statistics.mean(accuracies):.2f} ± {sd:.2f}"
        rate = spread([x.rate for x in results], 0)
        page.rows.append((title, name, rate, spread(ratios(runs, name)), accuracy))


def same_accuracy(page: Page, title: str, runs: dict[str, list[Run]]) -> None:
    """Add the difference of final accuracies of one task, with its 95 % interval over seeds."""
    for name in list(runs)[1:]:
        pairs = zip(runs[name], runs[PLAIN], strict=True)
        gaps = [100 * (a.accuracy - b.accuracy) for a, b in pairs]
        error = statistics.stdev(gaps) / len(gaps) ** 0.5 if len(gaps) > 1 else float("inf")
        half = float(student.ppf(0.975, len(gaps) - 1)) * error if len(gaps) > 1 else float("inf")
        gap = statistics.mean(gaps)
        aim = f"{title}, {name}: no difference of final accuracy is found"
        page.verdicts.append(
            f"{verdict(aim, abs(gap) <= half)} Difference {gap:+.2f} ± {half:.2f} points "
            f"(95 % interval, {len(gaps)} paired seeds)."
        )


def digits(page: Page, settings: Options, seeds: list[int]) -> list[float]:
    """Add the digits; return the float32 ratios, the random networks' included."""
    task = TASKS.get("digits")()
    assert isinstance(task, SupervisedTask)
    evaluators = evaluators_for(task)
    candidate = Candidate(Architecture(SMALL))
    runs = compare(task, candidate, settings.epochs, seeds, evaluators)
    add_rows(page, "digits", runs)
    same_accuracy(page, "digits", runs)
    float32 = {"evaluator, float32": evaluators["evaluator, float32"]}
    space = SPACES.get("chain")(task.spec.input_shape, task.spec.num_outputs)
    rng = np.random.default_rng(0)
    medians = []
    for _ in range(settings.networks):
        drawn = space.decode(space.sample(rng))
        pair = compare(task, drawn, settings.epochs, seeds[:3], float32)
        medians.append(statistics.median(ratios(pair, "evaluator, float32")))
    if medians:
        name = f"evaluator, float32, {len(medians)} random networks of `chain`"
        page.rows.append(("digits", name, "", spread(medians), ""))
    return [statistics.median(ratios(runs, "evaluator, float32")), *medians]


def mnist(page: Page, settings: Options, seeds: list[int]) -> list[float]:
    """Add the larger images; return the float32 ratio, or nothing where the file is absent."""
    if not settings.mnist.is_file():
        page.verdicts.append(f"28x28 images: skipped, there is no file {settings.mnist.name}.")
        return []
    task = TASKS.get("own-data")(data=settings.mnist)
    assert isinstance(task, SupervisedTask)
    evaluators = evaluators_for(task)
    candidate = Candidate(Architecture(MIDDLING))
    runs = compare(task, candidate, settings.mnist_epochs, seeds, evaluators)
    add_rows(page, "mnist_15k", runs)
    same_accuracy(page, "mnist_15k", runs)
    auto = list(evaluators)[-1]
    if auto.endswith("(bfloat16)"):
        holds = statistics.median(ratios(runs, auto)) >= 1.5
        page.verdicts.append(verdict("at least 1.5 times as fast at 28x28 with bfloat16", holds))
    else:
        page.verdicts.append('28x28 with bfloat16: "auto" found float32 no slower here.')
    return [statistics.median(ratios(runs, "evaluator, float32"))]


def run(settings: Options) -> int:
    """Measure and write the page."""
    torch.set_num_threads(1)
    seeds = list(range(settings.repeats))
    page = Page(
        "training",
        "Training speed against a plain PyTorch loop",
        "Training samples per second, including building the network and validation after every "
        "epoch, of `nas_env.evaluators.training` and of the loop in `scripts/bench/plain_loop.py` "
        "(`DataLoader` over `TensorDataset`, shuffled, float32): the same network, batch size, "
        "AdamW, schedule and number of epochs, one thread, one process.",
        f"{settings.repeats}, each with another training seed, the loops taking turns",
        ("data", "loop", "samples/s", "times plain loop", "accuracy, % (mean ± sd)"),
    )
    medians = [*digits(page, settings, seeds), *mnist(page, settings, seeds)]
    page.verdicts.append(verdict("the evaluator is never slower in float32", min(medians) >= 1))
    page.write(settings.output)
    return 0
