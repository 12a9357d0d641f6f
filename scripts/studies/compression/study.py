"""Shrink a given large network by edits, and write docs/compression.md: before and after.

Every search starts from the large network; its score is accuracy under a parameter cost. The best
network of each search is retrained with another seed and tested once.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import torch

from nas_env.architecture import Candidate
from nas_env.env import NASEnv
from nas_env.errors import InvalidSettingError
from nas_env.network import build, predict
from nas_env.objectives import AccuracyUnderCost
from nas_env.registry import unknown_name
from nas_env.wrappers import Limits, Trial
from nas_env_agents import observation_of
from nas_env_cli.export.retraining import retrain
from nas_env_cli.search.progress_bar import SearchProgress
from nas_env_cli.search.provenance import versions
from nas_env_cli.search.session import run_search
from nas_env_cli.spread import mean_sd
from scripts.studies.common.experiment import typed_command

ROOT = Path(__file__).resolve().parents[3]
LARGE = (
    "conv 64, 3x3",
    "conv 64, 3x3",
    "max-pool 2x2, stride 2",
    "conv 64, 3x3",
    "linear 128",
    "stop",
)


@dataclass(frozen=True)
class Options:
    """Shrink a given large network by edits, and write docs/compression.md: before and after."""

    agents: tuple[str, ...] = ("hill-climbing", "random")
    """Agents that search, each from the large network."""
    space: str = "chain"
    """Search space."""
    start: tuple[str, ...] = LARGE
    """The large network: labels of its decisions."""
    target_params: int = 10_000
    """Parameters above which the score decreases."""
    max_params: int | None = None
    """Limit on parameters: above it, edits may only remove; the report respects it too."""
    evaluations: int = 60
    """Trained networks of a search."""
    epochs: int = 8
    """Epochs each network is trained."""
    seeds: int = 5
    """Search seeds 0, 1, ...; each also gives a training seed for the report."""
    latency_repeats: int = 200
    """Timed forward passes of one image, alternating between the networks."""
    store: Path = ROOT / "runs" / "compression.sqlite"
    """Every trained network."""
    page: Path = ROOT / "docs" / "compression.md"
    """The page."""


class Result(NamedTuple):
    """Test accuracy of one training of a network, and its costs."""

    accuracy: float
    params: int
    macs: int
    latency_ms: float


def run(settings: Options) -> int:
    """Search, retrain, measure and write the page; return the exit code."""
    torch.set_num_threads(1)
    settings.store.parent.mkdir(parents=True, exist_ok=True)
    env = make(settings, settings.agents[0])
    start = env.space.assemble(walk_of(env, settings.start))
    best_trials = {
        name: [smallest(settings, name, seed) for seed in range(settings.seeds)]
        for name in settings.agents
    }
    networks = {"before": [start] * settings.seeds}
    networks |= {f"after, {x}": [t.candidate for t in trials] for x, trials in best_trials.items()}
    rows = measured(settings, env, networks)
    settings.page.parent.mkdir(parents=True, exist_ok=True)
    settings.page.write_text(page(settings, env, rows), encoding="utf-8")
    print(settings.page.read_text("utf-8"))
    return 0


def walk_of(env: NASEnv, labels: Sequence[str]) -> tuple[int, ...]:
    """Return the walk whose decisions have these labels.

    Raises:
        UnknownNameError: The space has no such decision.
    """
    available = [option.label for option in env.space.options()]
    for label in labels:
        if label not in available:
            raise unknown_name(f"decision of space {env.space.name!r}", label, available)
    return tuple(available.index(label) for label in labels)


def make(settings: Options, agent: str) -> NASEnv:
    """Return the environment of an agent, which starts with the large network."""
    env: Any = gymnasium.make(
        "NASEdit-v0",
        space=settings.space,
        objective=AccuracyUnderCost(settings.target_params),
        observation=observation_of(agent, "NASEdit-v0"),
        budget={"epochs": settings.epochs},
        store=settings.store,
        device="cpu",
        max_params=settings.max_params,
    ).unwrapped
    env.start = walk_of(env, settings.start)
    return env  # type: ignore[no-any-return]


def smallest(settings: Options, agent: str, seed: int) -> Trial:
    """Search once and return the best network within the limit."""
    progress = SearchProgress(f"{agent}, seed {seed}")
    env = make(settings, agent)
    result = run_search(agent, env, Limits(settings.evaluations), seed, progress=progress)
    progress.close()
    limit = settings.max_params
    fitting = [x for x in result.trials if fits(x, limit)]
    if not fitting:
        raise InvalidSettingError(
            f"{agent} with seed {seed} found no network with at most {limit} parameters. "
            "Raise --max-params or --evaluations."
        )
    return max(fitting, key=lambda trial: trial.score)


def fits(trial: Trial, limit: int | None) -> bool:
    """Return whether a network was trained and is within the limit."""
    return trial.evaluation.ok and (limit is None or trial.evaluation.metrics["params"] <= limit)


def measured(
    settings: Options, env: NASEnv, networks: dict[str, list[Candidate]]
) -> dict[str, list[Result]]:
    """Train each network with a separate seed, test it, and measure its latency."""
    evaluator: Any = env.evaluator
    flat = [candidate for candidates in networks.values() for candidate in candidates]
    milliseconds = iter(latency(flat, env, settings.latency_repeats))
    rows: dict[str, list[Result]] = {name: [] for name in networks}
    for name, candidates in networks.items():
        for seed, candidate in enumerate(candidates, start=1000):
            cost = predict(candidate.architecture, env.task.spec)
            again = retrain(name, candidate, evaluator.evaluator, env.objective, env.budget, [seed])
            result = Result(again.accuracies[0], cost.params, cost.macs, next(milliseconds))
            rows[name].append(result)
    return rows


@torch.inference_mode()
def latency(candidates: Sequence[Candidate], env: NASEnv, repeats: int) -> list[float]:
    """Return the median milliseconds of a forward pass of one image, alternating networks."""
    networks = [build(x.architecture, env.task.spec).eval() for x in candidates]
    image = torch.zeros(1, *env.task.spec.input_shape)
    times: list[list[float]] = [[] for _ in networks]
    for repeat in range(repeats + 10):  # the first ten warm up
        for network, samples in zip(networks, times, strict=True):
            started = time.perf_counter()
            network(image)
            if repeat >= 10:
                samples.append(1000 * (time.perf_counter() - started))
    return [statistics.median(samples) for samples in times]


def page(settings: Options, env: NASEnv, rows: dict[str, list[Result]]) -> str:
    """Return the page."""
    limit = f", at most {settings.max_params:,} parameters" if settings.max_params else ""
    before = rows["before"]
    lines = [
        "# Compression by edits",
        "",
        "Made by `python -m scripts.studies compression`.",
        "",
        f"Each search starts from one network: {', '.join(settings.start[:-1])} (space "
        f"`{settings.space}`, {env.task.spec.name}). It trains {settings.evaluations} networks, "
        f"{settings.epochs} epochs each. The score is accuracy, reduced above "
        f"{settings.target_params:,} parameters{limit}. The network with the best validation score "
        "is retrained with a separate seed and tested. Mean ± standard deviation over "
        f"{settings.seeds} searches; for the large network before, over as many training seeds. "
        "Latency: one image, one thread, median of "
        f"{settings.latency_repeats} forward passes, alternating between all networks.",
        "",
        f"- Command: `{typed_command()}`",
        f"- Versions: {', '.join(f'{k} {v}' for k, v in versions().items() if k != 'commit')}",
        "",
        "| network | test accuracy, % | parameters | MACs | latency, ms |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, results in rows.items():
        accuracy = mean_sd([100 * x.accuracy for x in results])
        cells = [
            "{:.2f} ± {:.2f}".format(*accuracy),
            "{:,.0f} ± {:,.0f}".format(*mean_sd([x.params for x in results])),
            "{:,.0f} ± {:,.0f}".format(*mean_sd([x.macs for x in results])),
            "{:.3f} ± {:.3f}".format(*mean_sd([x.latency_ms for x in results])),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines.append("")
    for name, results in rows.items():
        if name != "before":
            lines.append(f"- {sentence(name, results, before)}")
    return "\n".join(lines) + "\n"


def sentence(name: str, after: Sequence[Result], before: Sequence[Result]) -> str:
    """Return a sentence on the compression and the change in accuracy."""
    params = mean_sd([x.params for x in before])[0] / mean_sd([x.params for x in after])[0]
    faster = mean_sd([x.latency_ms for x in before])[0] / mean_sd([x.latency_ms for x in after])[0]
    ends = [mean_sd([100 * x.accuracy for x in results])[0] for results in (before, after)]
    change = ends[1] - ends[0]
    return (
        f"{name}: {params:.1f} times fewer parameters, {faster:.2f} times as fast, mean test "
        f"accuracy {change:+.2f} points."
    )
