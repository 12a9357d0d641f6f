"""Are training choices worth being decisions? Search with and without them: docs/joint.md.

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
from scripts.studies.common.command import finish, prepare
from scripts.studies.common.experiment import Results
from scripts.studies.common.group_differences import difference, least_chance, with_sd

ROOT = Path(__file__).resolve().parents[3]
TEMPLATE = Path(__file__).with_name("template.md")
SPACES = {"fixed recipe": "chain", "joint": "chain-joint"}


@dataclass(frozen=True)
class Options:
    """Search networks with the fixed recipe, and networks together with their recipe."""

    agents: tuple[str, ...] = ("imagination", "random")
    """Who searches, as `nas-env benchmark` names agents."""
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
    """Runs at once."""
    store: Path = ROOT / "runs" / "joint.sqlite"
    """Every network; a search that was broken off goes on where it stopped."""
    page: Path = ROOT / "docs" / "joint.md"
    """The page; results go into the folder of its name."""

    def shared(self) -> dict[str, Any]:
        """Return what all results of one file have in common."""
        names = ("networks", "epochs", "task", "retrain_seeds")
        return {name: getattr(self, name) for name in names}


class Job(NamedTuple):
    """One search."""

    kind: str
    agent: str
    seed: int


class Result(NamedTuple):
    """The best network of one search.

    Attributes:
        kind: "fixed recipe" or "joint".
        agent: Who searched.
        seed: The seed of the search and of its trainings.
        validation: Accuracy by which the network was chosen.
        tests: Test accuracy of each training anew.
        params: Parameters.
        recipe: Options of the recipe that are not the default ones.
    """

    kind: str
    agent: str
    seed: int
    validation: float
    tests: list[float]
    params: int
    recipe: dict[str, Any]


def run(settings: Options) -> int:
    """Run what is missing and write the page."""
    results = prepare(settings, "seeds", "networks", "epochs", "retrain_seeds")
    jobs, play = missing(settings, results), partial(search, settings)
    return finish(results, jobs, play, settings.processes, settings.page, page)


def missing(settings: Options, results: Results) -> list[Job]:
    """Return the searches that there are no results of."""
    done = {(line["kind"], line["agent"], line["seed"]) for line in results.read()}
    return [
        Job(kind, agent, seed)
        for seed in range(settings.seeds)
        for agent in settings.agents
        for kind in SPACES
        if (kind, AgentSpec.parse(agent).label, seed) not in done
    ]


def search(settings: Options, job: Job) -> dict[str, Any]:
    """Search, train the best network anew, and test it."""
    task, label = TASKS.get(settings.task)(), AgentSpec.parse(job.agent).label
    budget = Budget(epochs=settings.epochs, training_seed=job.seed)
    best = best_trial(
        job.agent,
        job.seed,
        settings.networks,
        space=SPACES[job.kind],
        task=task,
        store=str(settings.store),
        budget=budget,
    )
    anew = [1000 * (job.seed + 1) + number for number in range(settings.retrain_seeds)]
    tested = retrain(
        label, best.candidate, Training(task), OBJECTIVES.get("accuracy")(), budget, anew
    )
    return Result(
        job.kind,
        label,
        job.seed,
        best.evaluation.metrics["accuracy"],
        [*tested.accuracies],
        tested.params,
        best.candidate.recipe.changes(),
    )._asdict()


# ---- the page ----


def page(results: Results) -> str:
    """Return the page of the results."""
    found = sorted(
        (Result(**line) for line in results.read()), key=lambda x: (x.agent, x.kind, x.seed)
    )
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in found:
        groups.setdefault((result.agent, result.kind), []).append(result)
    values = {
        **{name: str(value) for name, value in results.settings.items()},
        **results.how(),
        "table": "\n".join(table(groups)),
        "comparison": "\n".join(compared(groups)),
        "recipes": "\n".join(recipes(found)),
        "least": f"{least_chance(min(map(len, groups.values()))):.3f}",
        "seeds": str(max(map(len, groups.values()))),
    }
    return string.Template(TEMPLATE.read_text("utf-8")).substitute(values)


def table(groups: dict[tuple[str, str], list[Result]]) -> Iterator[str]:
    """Yield a row for each agent and space."""
    yield "| agent | decides | searches | validation, % | test, trained anew, % | parameters |"
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
    """Yield a sentence on what the recipe brought each agent."""
    for agent in dict.fromkeys(agent for agent, _ in groups):
        one, other = (groups.get((agent, kind), []) for kind in ("joint", "fixed recipe"))
        if one and other:
            names = f"`{agent}`: joint", "the fixed recipe"
            yield f"- {difference(names[0], [*map(tested, one)], names[1], [*map(tested, other)])}"


def recipes(found: list[Result]) -> Iterator[str]:
    """Yield what was chosen, and how often."""
    chosen = Counter(
        json.dumps({name: value}).strip("{}").replace('"', "")
        for result in found
        if result.kind == "joint"
        for name, value in result.recipe.items()
    )
    searches = sum(result.kind == "joint" for result in found)
    for setting, count in sorted(chosen.items(), key=lambda x: (-x[1], x[0])):
        yield f"- {setting}: {count} of {searches}"
