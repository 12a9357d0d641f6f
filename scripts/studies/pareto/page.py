"""The page `docs/pareto.md`, made from the file of results alone."""

from __future__ import annotations

import string
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nas_env_cli.benchmark.page import made
from nas_env_cli.specs import AgentSpec, EnvSpec
from scripts.studies.common.experiment import Experiment
from scripts.studies.pareto.curves import REPEATS, difference, draw_curves, interval
from scripts.studies.pareto.method_choice import (
    DEAR,
    FIRST_CHOOSING,
    KINDS,
    POPULATIONS,
    SIZES,
    Choice,
    Run,
    marks_of,
    points_of,
    runs_of,
)
from scripts.studies.pareto.methods import ENV, HEAVIEST, LIGHTEST, NSGA2
from scripts.studies.pareto.problem import DEVICES, WORST_ACCURACY, Numbers, Problem, problem

TEMPLATE = Path(__file__).with_name("template.md")
COMPARED_WITH = (NSGA2, "random")
MORE, OPEN, LESS = "more", "no shown difference", "**less**"
LEARNING = ("reinforce", "q-learning", "maskable-ppo")  # a policy or values, by reinforcement


class DeviceRuns:
    """The reported runs of one device, by agent.

    Args:
        runs: All reported runs.
        choice: The method of each agent.
        device: The device.
        networks: Networks of a run.
    """

    def __init__(self, runs: list[Run], choice: Choice, device: str, networks: int) -> None:
        self.device, self.networks = device, networks
        self.points, self.marks = points_of(networks), marks_of(networks)
        device_runs = {
            agent: [x for x in runs if (x.method, x.device) == (method.label, device)]
            for agent, method in choice.chosen.items()
        }
        self.runs = {agent: chosen for agent, chosen in device_runs.items() if chosen}
        self.labels = {agent: choice.chosen[agent].label for agent in self.runs}

    def values(self, agent: str, name: str) -> Numbers:
        """Return (runs, points) shares of the hypervolume."""
        return np.array([getattr(run, name) for run in self.runs[agent]])

    def at(self, agent: str, name: str, mark: int) -> Numbers:
        """Return (runs,) shares after a number of networks."""
        return self.values(agent, name)[:, self.points.index(mark)]

    def table(self, name: str) -> Iterator[str]:
        """Yield the lines of the table of searched or reported hypervolumes."""
        heads = [f"{mark} networks" for mark in self.marks]
        yield f"| method | runs | networks | {' | '.join(heads)} |"
        yield f"| --- | ---: | ---: |{' ---: |' * len(heads)}"
        order = sorted(self.runs, key=lambda x: -self.at(x, name, self.marks[-1]).mean())
        for agent in order:
            cells = [_cell(100 * self.at(agent, name, mark)) for mark in self.marks]
            count = np.mean([run.networks for run in self.runs[agent]])
            head = f"| `{self.labels[agent]}` | {len(self.runs[agent])} | {count:.0f}"
            yield f"{head} | {' | '.join(cells)} |"

    def verdicts(self) -> Iterator[str]:
        """Yield one line for each agent: comparisons with NSGA-II and with random search."""
        for agent in self.runs:
            others = [
                x for x in COMPARED_WITH if x in self.runs and x != agent and agent != "random"
            ]
            if agent != NSGA2 and others:
                text = "; ".join(self._versus(agent, other) for other in others)
                yield f"- `{self.labels[agent]}`: {text}."
        if NSGA2 in self.runs:
            yield f"- `{self.labels[NSGA2]}`: {self._versus(NSGA2, 'random')}."

    def word(self, agent: str, other: str, name: str, mark: int) -> str:
        """Return the comparison of two agents after a number of networks, in one word."""
        _, low, high = self._difference(agent, other, name, mark)
        return MORE if low > 0 else LESS if high < 0 else OPEN

    def _difference(
        self, agent: str, other: str, name: str, mark: int
    ) -> tuple[float, float, float]:
        ours, theirs = (100 * self.at(x, name, mark) for x in (agent, other))
        low, high = difference(ours, theirs)
        return float(ours.mean() - theirs.mean()), float(low), float(high)

    def _versus(self, agent: str, other: str) -> str:
        parts = []
        for name in ("searched", "reported"):
            mean, low, high = self._difference(agent, other, name, self.networks)
            word = self.word(agent, other, name, self.networks)
            parts.append(f"{name} {word} ({mean:+.2f} [{low:+.2f}, {high:+.2f}])")
        return f"against `{other}` {', '.join(parts)}"


def write_page(experiment: Experiment, choice: Choice, page: Path) -> None:
    """Write the page and its pictures.

    Args:
        experiment: The file of results.
        choice: The setting of each method.
        page: The page; pictures go into the folder with its name.
    """
    folder, runs = page.with_suffix(""), runs_of(experiment, "report")
    networks = experiment.settings["networks"]
    by_device = [DeviceRuns(runs, choice, device, networks) for device in DEVICES]
    sections = []
    for results in by_device:
        curves = {
            name: {results.labels[x]: results.values(x, name) for x in results.runs}
            for name in ("searched", "reported")
        }
        file = folder / f"curves-{results.device}.svg"
        draw_curves(curves, results.points, results.device, file)
        sections.append("\n".join(_section(results, folder.name)))
    text = string.Template(TEMPLATE.read_text("utf-8")).substitute(
        **_facts(experiment, choice, runs),
        short="\n".join(_short(by_device)),
        results="\n\n".join(sections),
        source=f"{folder.name}/{experiment.file.name}",
        made="\n".join(made({"commands": experiment.calls()})),
    )
    page.write_text(text, encoding="utf-8")


def _short(by_device: list[DeviceRuns]) -> Iterator[str]:
    """Yield tables of comparisons of the hypervolume, and a sentence on the learning agents.

    Args:
        by_device: The results of each device, with the same agents.
    """
    agents, marks = list(by_device[0].runs), by_device[0].marks
    for other in (x for x in COMPARED_WITH if x in agents):
        heads = [f"{mark} networks" for mark in marks]
        yield f"| more than `{other}`? | {' | '.join(heads)} |"
        yield f"| --- |{' --- |' * len(heads)}"
        for agent in (x for x in agents if x != other):
            cells = [_words(by_device, agent, other, mark) for mark in marks]
            yield f"| `{agent}` | {' | '.join(cells)} |"
        yield ""
        learning = [x for x in LEARNING if x in agents]
        words = [x.word(a, other, "searched", marks[-1]) for a in learning for x in by_device]
        if learning:
            yield (
                f"Reinforcement learning ({', '.join(f'`{x}`' for x in learning)}) against "
                f"`{other}` after {marks[-1]} networks: of {len(words)} comparisons, "
                f"{words.count(MORE)} with more hypervolume, {words.count(OPEN)} with no shown "
                f"difference, {words.count(LESS)} with less."
            )
            yield ""


def _words(by_device: list[DeviceRuns], agent: str, other: str, mark: int) -> str:
    """Return one word per device, or a single one if all are equal."""
    words = [results.word(agent, other, "searched", mark) for results in by_device]
    return words[0] if len(set(words)) == 1 else ", ".join(words)


def _facts(experiment: Experiment, choice: Choice, runs: list[Run]) -> dict[str, str]:
    choosing = runs_of(experiment, "choose")
    env = EnvSpec.parse(ENV)
    return {
        "devices": " and ".join(f"`{x}`" for x in DEVICES),
        "networks": str(experiment.settings["networks"]),
        "seeds": str(len({run.seed for run in runs})),
        "choosing": str(len({run.seed for run in choosing})),
        "first_choosing": str(FIRST_CHOOSING),
        "populations": _list(POPULATIONS),
        "kinds": " or ".join(KINDS),
        "sizes": _list(SIZES),
        "worst_accuracy": f"{100 * WORST_ACCURACY:.0f}",
        "lightest": f"{100 * LIGHTEST:g}",
        "heaviest": f"{100 * HEAVIEST:g}",
        "dear": " and ".join(f"`{x}`" for x in DEAR),
        "common": f"{choice.common[1]} {choice.common[0]}",
        "repeats": f"{REPEATS:,}",
        "choices": "\n".join(_choices(choice)),
        "stored": "\n".join(_stored(agent, env) for agent in choice.plan.agents),
        "minutes": "\n".join(_minutes(runs)),
    }


def _choices(choice: Choice) -> Iterator[str]:
    """Yield the lines of the table of compared settings."""
    yield "| setting | searched hypervolume, % | |"
    yield "| --- | ---: | --- |"
    chosen = {method.label for method in choice.chosen.values()}
    for label, mean in choice.means.items():
        yield f"| `{label}` | {100 * mean:.2f} | {'chosen' if label in chosen else ''} |"


def _stored(agent: str, env: EnvSpec) -> str:
    stored = AgentSpec.parse(agent).to_json([env])["stored"][env.id]
    values = ", ".join(f"{key} {value}" for key, value in stored.items())
    return f"- `{agent}`: {values or 'no hyper-parameters stored'}"


def _minutes(runs: list[Run]) -> Iterator[str]:
    """Yield the lines of the table of the duration of runs."""
    yield "| method | seconds of a run |"
    yield "| --- | ---: |"
    for method in dict.fromkeys(run.method for run in runs):
        seconds = [run.seconds for run in runs if run.method == method]
        yield f"| `{method}` | {np.mean(seconds):.1f} |"


def _section(results: DeviceRuns, folder: str) -> Iterator[str]:
    device_problem: Problem = problem(results.device)
    everything = np.arange(len(device_problem.searched))
    front = device_problem.front(everything)
    runs = max(len(x) for x in results.runs.values())
    yield f"## {results.device}"
    yield ""
    yield (
        f"Of all {len(everything):,} cells, {len(front)} are on the front of the searched "
        f"objectives; the highest latency is {device_problem.greatest_ms:.2f} ms. This front has "
        f"{100 * device_problem.volumes(everything)[1]:.2f} % of the reported hypervolume, because "
        "validation after 12 epochs differs from test after 200. A run that finds the whole front "
        "reaches this value."
    )
    yield ""
    yield f"![Missing hypervolume, {results.device}]({folder}/curves-{results.device}.svg)"
    for name, words in (("searched", "Searched objectives"), ("reported", "Reported objectives")):
        yield ""
        yield f"{words}, % of the hypervolume, mean [95 % interval] over up to {runs} runs:"
        yield ""
        yield from results.table(name)
    yield ""
    yield f"After {results.networks} networks, points of hypervolume and 95 % interval:"
    yield ""
    yield from results.verdicts()


def _cell(percent: Numbers) -> str:
    low, high = interval(percent)
    return f"{percent.mean():.2f} [{low:.2f}, {high:.2f}]"


def _list(values: tuple[int, ...]) -> str:
    return f"{', '.join(map(str, values[:-1]))} or {values[-1]}"
