"""Compare searches with and without training choices as decisions, for docs/joint.md.

Example: python -m scripts.studies joint
"""

from __future__ import annotations

import json
import string
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from nas_env.evaluation import Budget
from nas_env.evaluators.training import Training
from nas_env.objectives import OBJECTIVES
from nas_env.tasks import TASKS
from nas_env_cli.export.retraining import retrain
from nas_env_cli.specs import AgentSpec
from scripts.studies.common.best_trial import best_trial
from scripts.studies.common.experiment import Experiment, Job, require_at_least
from scripts.studies.common.group_differences import difference, least_chance, with_sd
from scripts.studies.common.made_by import commands_and_versions
from scripts.studies.common.pages import save_page

ROOT = Path(__file__).resolve().parents[3]
TEMPLATE = Path(__file__).with_name("template.md")
SPACES = {"fixed recipe": "chain", "joint": "chain-joint"}


@dataclass(frozen=True)
class Options:
    """Search networks with the fixed recipe, and networks together with their recipe."""

    agents: tuple[str, ...] = ("imagination", "random")
    """Agents, in the notation of `nas-env benchmark`."""
    seeds: int = 5
    """Searches of each agent in each space: seeds 0, 1, ..."""
    networks: int = 60
    """Evaluations of a search."""
    epochs: int = 8
    """Epochs of a network."""
    task: str = "digits"
    """The task, of images."""
    retrain_seeds: int = 3
    """Trainings of the best network of a search, each tested once."""
    processes: int = 2
    """Searches at once."""
    store: Path = ROOT / "runs" / "joint.sqlite"
    """Store of all networks; an interrupted search resumes from it."""
    page: Path = ROOT / "docs" / "joint.md"
    """The page; results.jsonl goes into the folder with its name."""

    def shared(self) -> dict[str, Any]:
        """Return the settings that all results of a file share."""
        names = ("networks", "epochs", "task", "retrain_seeds")
        return {name: getattr(self, name) for name in names}


class Result(NamedTuple):
    """The best network of one search.

    Attributes:
        kind: "fixed recipe" or "joint".
        agent: Label of the agent.
        seed: The seed of the search and of its trainings.
        validation: Validation accuracy in the search.
        tests: Test accuracy of each retraining.
        params: Number of parameters.
        recipe: Options of the recipe that differ from the default.
    """

    kind: str
    agent: str
    seed: int
    validation: float
    tests: list[float]
    params: int
    recipe: dict[str, Any]


def run(settings: Options) -> int:
    """Play the searches that have no result yet, and write the page."""
    require_at_least(settings, seeds=1, networks=1, epochs=1, retrain_seeds=1, processes=1)
    experiment = experiment_of(settings)
    settings.store.parent.mkdir(parents=True, exist_ok=True)
    experiment.play(jobs(settings), partial(search, settings), settings.processes)
    save_page(settings.page, page(experiment))
    return 0


def experiment_of(settings: Options) -> Experiment:
    """Return the results beside the page."""
    return Experiment.beside(settings.page, settings.shared())


def jobs(settings: Options) -> list[Job]:
    """Return all searches."""
    return [
        {"kind": kind, "agent": agent, "seed": seed}
        for seed in range(settings.seeds)
        for agent in settings.agents
        for kind in SPACES
    ]


def search(settings: Options, job: Job) -> dict[str, Any]:
    """Search, retrain the best network with other seeds, and test it."""
    task, seed = TASKS.get(settings.task)(), job["seed"]
    budget = Budget(epochs=settings.epochs, training_seed=seed)
    best = best_trial(
        job["agent"],
        seed,
        settings.networks,
        space=SPACES[job["kind"]],
        task=task,
        store=str(settings.store),
        budget=budget,
    )
    seeds = [1000 * (seed + 1) + number for number in range(settings.retrain_seeds)]
    objective = OBJECTIVES.get("accuracy")()
    tested = retrain("best", best.candidate, Training(task), objective, budget, seeds)
    return {
        "validation": best.evaluation.metrics["accuracy"],
        "tests": [*tested.accuracies],
        "params": tested.params,
        "recipe": best.candidate.recipe.changes(),
    }


# ---- the page ----


def page(experiment: Experiment) -> str:
    """Return the page of the results."""
    results = sorted(
        (
            Result(**{**job, "agent": AgentSpec.parse(job["agent"]).label}, **result)
            for job, result in experiment.results()
        ),
        key=lambda x: (x.agent, x.kind, x.seed),
    )
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.agent, result.kind), []).append(result)
    values = {
        **{name: str(value) for name, value in experiment.settings.items()},
        **commands_and_versions(experiment),
        "table": "\n".join(table(groups)),
        "comparison": "\n".join(compared(groups)),
        "recipes": "\n".join(recipes(results)),
        "least": f"{least_chance(min(map(len, groups.values()))):.3f}",
        "seeds": str(max(map(len, groups.values()))),
    }
    return string.Template(TEMPLATE.read_text("utf-8")).substitute(values)


def table(groups: dict[tuple[str, str], list[Result]]) -> Iterator[str]:
    """Yield a row for each agent and space."""
    yield "| agent | decisions | searches | validation, % | test, retrained, % | parameters |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for (agent, kind), group in groups.items():
        cells = (
            f"`{agent}`",
            "network, " + kind if kind != "joint" else "network and recipe",
            str(len(group)),
            with_sd([100 * x.validation for x in group]),
            with_sd([tested(x) for x in group]),
            with_sd([x.params for x in group], 0),
        )
        yield f"| {' | '.join(cells)} |"


def tested(result: Result) -> float:
    """Return the mean test accuracy of a network's trainings, in percent."""
    return 100 * sum(result.tests) / len(result.tests)


def compared(groups: dict[tuple[str, str], list[Result]]) -> Iterator[str]:
    """Yield a sentence on the effect of the recipe for each agent."""
    for agent in dict.fromkeys(agent for agent, _ in groups):
        one, other = (groups.get((agent, kind), []) for kind in ("joint", "fixed recipe"))
        if one and other:
            names = f"`{agent}`: joint", "the fixed recipe"
            yield f"- {difference(names[0], [*map(tested, one)], names[1], [*map(tested, other)])}"


def recipes(results: list[Result]) -> Iterator[str]:
    """Yield the chosen settings and their counts."""
    chosen = Counter(
        json.dumps({name: value}).strip("{}").replace('"', "")
        for result in results
        if result.kind == "joint"
        for name, value in result.recipe.items()
    )
    searches = sum(result.kind == "joint" for result in results)
    for setting, count in sorted(chosen.items(), key=lambda x: (-x[1], x[0])):
        yield f"- {setting}: {count} of {searches}"
