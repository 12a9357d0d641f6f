"""Try hyper-parameters of the learning agents on synthetic landscapes, and write docs/sweep.md.

The landscapes are those of the evaluator `synthetic` with seeds that no test uses. They involve no
table and no trained network, so the settings are chosen independently of the results.

Example: python -m scripts.studies sweep --agents reinforce
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

import nas_env  # noqa: F401 - registers the environments
from nas_env.architecture import Architecture, Candidate, Layer
from nas_env.evaluation import Budget
from nas_env.evaluators.synthetic import Synthetic
from nas_env.factories import make_space, make_task
from nas_env.registry import unknown_name
from nas_env.spaces import SPACES, Choice, Option, SearchSpace, Walk
from nas_env.wrappers import Limits, TrackSearch
from nas_env_agents import make_agent, observation_of
from scripts.studies.common.experiment import Experiment, Job, require_at_least
from scripts.studies.common.made_by import commands
from scripts.studies.common.pages import save_page

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = 1000  # random networks that give mean and spread of a landscape
EPISODES = 5  # a search ends after this multiple of its limit in episodes
CHEAP = ("q-learning", "reinforce")

Setting = dict[str, Any]
ON_POLICY: list[Setting] = [
    {},
    {"learning_rate": 0.001},
    {"learning_rate": 0.01},
    {"n_steps": 32, "batch_size": 32},
    {"n_steps": 32, "batch_size": 32, "learning_rate": 0.01},
    {"ent_coef": 0.05},
]
OFF_POLICY: list[Setting] = [
    {},
    {"learning_rate": 0.003},
    {"exploration_fraction": 0.3},
    {"target_update_interval": 30},
    {"target_update_interval": 30, "learning_rate": 0.003, "exploration_fraction": 0.3},
]
GRID: dict[str, list[Setting]] = {
    "reinforce": [
        {},
        {"learning_rate": 0.03},
        {"learning_rate": 0.1},
        {"learning_rate": 0.2},
        {"normalise": True, "learning_rate": 0.03},
        {"normalise": True, "learning_rate": 0.1},
        {"normalise": True, "learning_rate": 0.2},
        {"normalise": True, "learning_rate": 0.1, "entropy": 0.1},
        {"normalise": True, "learning_rate": 0.2, "entropy": 0.1},
    ],
    "q-learning": [
        {},
        {"learning_rate": 0.1},
        {"initial_value": "optimistic"},
        {"initial_value": "optimistic", "learning_rate": 0.1},
        {"schedule": [[1.0, 1], [0.1, 9]]},
        {"schedule": [[1.0, 1], [0.1, 9]], "learning_rate": 0.1},
        {"schedule": [[0.1, 1]], "initial_value": "optimistic", "learning_rate": 0.1},
    ],
    "reinforce-lstm": [
        {},
        {"learning_rate": 0.002},
        {"learning_rate": 0.005},
        {"normalise": True},
        {"normalise": True, "learning_rate": 0.002},
        {"normalise": True, "learning_rate": 0.005},
        {"normalise": True, "learning_rate": 0.002, "entropy": 0.1},
        {"normalise": True, "learning_rate": 0.005, "batch_size": 4},
    ],
    "a2c": [
        {},
        {"learning_rate": 0.002},
        {"learning_rate": 0.005},
        {"n_steps": 20, "learning_rate": 0.002},
        {"n_steps": 20, "learning_rate": 0.005},
        {"ent_coef": 0.05},
    ],
    "ppo": ON_POLICY,
    "maskable-ppo": ON_POLICY,
    "dqn": OFF_POLICY,
    "masked-dqn": OFF_POLICY,
}


@dataclass(frozen=True)
class Options:
    """Try hyper-parameters of the learning agents on synthetic landscapes."""

    agents: tuple[str, ...] = tuple(GRID)
    """Agents to tune; random search is the baseline."""
    spaces: tuple[str, ...] = ("chain", "strings-6x5", "strings-8x3")
    """Spaces of the landscapes: registered ones, or strings-LENGTHxOPTIONS."""
    seeds: int = 4
    """Landscapes over each space, from seed 1; each is searched with the same seed."""
    cheap_seeds: int = 16
    """The same for agents without a neural network."""
    evaluations: int = 300
    """New networks of each search."""
    processes: int = 2
    """Searches at once."""
    page: Path = ROOT / "docs" / "sweep.md"
    """The page; results.jsonl goes into the folder with its name."""


class Strings(SearchSpace):
    """A fixed number of decisions with equal options; every prefix is a separate state.

    Each decision is a linear layer with a unique width, so `synthetic` gives every option at every
    position, and every pair of neighbours, its own value.
    """

    modality, input_shape, num_outputs = "vector", (13,), 3

    def __init__(self, length: int, options: int) -> None:
        self.name = f"strings-{length}x{options}"
        self.num_decisions, self.max_length = options, length
        self.offered = tuple(Option(f"option {x}") for x in range(options))

    def start(self) -> Walk:
        """Return the empty walk."""
        return ()

    def choice(self, state: Any) -> Choice | None:
        """Return all options; None at the full length."""
        legal = tuple(range(self.num_decisions))
        done = len(state) == self.max_length
        return None if done else Choice(f"decision {len(state) + 1}", legal, self.offered)

    def follow(self, state: Any, decision: int) -> Walk:
        """Return the longer walk."""
        return (*state, decision)

    def assemble(self, walk: Walk) -> Candidate:
        """Return the network of the walk."""
        return Candidate(self.partial(walk), walk=walk)

    def partial(self, walk: Walk) -> Architecture:
        """Return one layer per decision."""
        widths = [1 + self.num_decisions * place + option for place, option in enumerate(walk)]
        return Architecture(tuple(Layer.of("linear", units=width) for width in widths))


class Row(NamedTuple):
    """A search and its scores, in standard deviations above the mean of random networks.

    Attributes:
        agent: The agent.
        setting: Differences from the agent's stored hyper-parameters.
        space: The space of the landscape.
        seed: The seed of landscape and agent.
        anytime: Best score so far, as a mean over the new networks.
        final: Best score at the end.
        unique: Number of new networks.
    """

    agent: str
    setting: Setting
    space: str
    seed: int
    anytime: float
    final: float
    unique: int

    @property
    def landscape(self) -> tuple[str, int]:
        """Space and seed."""
        return self.space, self.seed


class Stop(BaseCallback):
    """Ends learning at the limit, or after a number of episodes."""

    def __init__(self, tracker: TrackSearch, episodes: int) -> None:
        super().__init__()
        self.tracker, self.episodes = tracker, episodes

    def _on_step(self) -> bool:
        return self.tracker.finished is None and self.tracker.episodes < self.episodes


@cache
def landscape(space_name: str, seed: int) -> tuple[SearchSpace, Synthetic]:
    """Return a space and the evaluator of its synthetic scores."""
    if space_name.startswith("strings-"):
        length, options = map(int, space_name.removeprefix("strings-").split("x"))
        return Strings(length, options), Synthetic(make_task("mlp", None, None), seed=seed)
    task = make_task(space_name, None, None)
    return make_space(space_name, task, None), Synthetic(task, seed=seed)


@cache
def usual(space_name: str, seed: int) -> tuple[float, float]:
    """Return mean and standard deviation of random networks, drawn decision by decision."""
    space, evaluator = landscape(space_name, seed)
    rng = np.random.default_rng(seed)
    candidates = [space.assemble(space.sample(rng)) for _ in range(SAMPLE)]
    scores = [x.metrics["accuracy"] for x in evaluator.evaluate(candidates, Budget())]
    return float(np.mean(scores)), float(np.std(scores))


def best_so_far(tracker: TrackSearch, evaluations: int) -> NDArray[np.float64]:
    """Return (evaluations,) the best score after each new network, padded with the last one."""
    scores = [trial.score for trial in tracker.trials if trial.new][:evaluations]
    curve = np.maximum.accumulate(scores)
    return np.pad(curve, (0, evaluations - len(curve)), mode="edge")


def search(evaluations: int, job: Job) -> dict[str, Any]:
    """Run one search."""
    name, seed = job["space"], job["seed"]
    space, evaluator = landscape(name, seed)
    task = SPACES.get(name).default_task if name in SPACES else "wine"
    observation = observation_of(job["agent"], "NAS-v0")
    env = gymnasium.make(
        "NAS-v0", space=space, task=task, evaluator=evaluator, observation=observation
    )
    tracker = TrackSearch(env, Limits(evaluations=evaluations))
    agent = make_agent(job["agent"], tracker, seed, **job["setting"])
    agent.set_logger(Logger(folder=None, output_formats=[]))
    agent.learn(10**9, Stop(tracker, EPISODES * evaluations))
    mean, sd = usual(name, seed)
    curve = (best_so_far(tracker, evaluations) - mean) / sd
    reached = {"anytime": float(curve.mean()), "final": float(curve[-1])}
    return {**reached, "unique": tracker.evaluations}


def jobs(settings: Options) -> list[Job]:
    """Return every search of the sweep, random search first."""
    searches: list[Job] = []
    for name in ("random", *settings.agents):
        cheap = name in CHEAP or name == "random"
        seeds = range(1, 1 + (settings.cheap_seeds if cheap else settings.seeds))
        searches += [
            {"agent": name, "setting": setting, "space": space, "seed": seed}
            for setting in GRID.get(name, [{}])
            for space in settings.spaces
            for seed in seeds
        ]
    return searches


def run(settings: Options) -> int:
    """Play the searches that have no result yet, and write the page."""
    require_at_least(settings, seeds=1, cheap_seeds=1, evaluations=1, processes=1)
    for name in settings.agents:
        if name not in GRID:
            raise unknown_name("agent with a grid of settings", name, GRID)
    experiment = Experiment.beside(settings.page, {"evaluations": settings.evaluations})
    experiment.play(jobs(settings), partial(search, settings.evaluations), settings.processes)
    save_page(settings.page, page(experiment, settings))
    return 0


def page(experiment: Experiment, settings: Options) -> str:
    """Return the page for the agents and spaces of the options."""
    wanted = jobs(settings)
    rows = [Row(**job, **result) for job, result in experiment.results() if job in wanted]
    random = {row.landscape: row for row in rows if row.agent == "random"}
    parts = [INTRODUCTION.format(**header(experiment, settings))]
    for name in settings.agents:
        own = [row for row in rows if row.agent == name]
        stored = {row.landscape: row for row in own if not row.setting}
        lines = [line(x, [y for y in own if y.setting == x], random, stored) for x in GRID[name]]
        parts.append("\n".join([f"## {name}", "", *HEAD, *lines]))
    return "\n\n".join(parts) + "\n"


def line(
    setting: Setting,
    rows: Sequence[Row],
    random: dict[tuple[str, int], Row],
    stored: dict[tuple[str, int], Row],
) -> str:
    """Return the line of one setting, compared with random search and the stored setting."""
    label = ", ".join(f"{key} {value}" for key, value in setting.items()) or "as stored"
    over_stored = [row.anytime - stored[row.landscape].anytime for row in rows]
    cells = [
        spread([row.anytime for row in rows]),
        spread([row.final for row in rows]),
        spread([row.anytime - random[row.landscape].anytime for row in rows]),
        spread(over_stored) if setting else "",
        f"{np.mean([row.unique for row in rows]):.0f}",
        str(len(rows)),
    ]
    return f"| {label} | {' | '.join(cells)} |"


HEAD = (
    "| settings | mean best | last best | against random | against stored | new | searches |",
    "| --- | --- | --- | --- | --- | ---: | ---: |",
)
INTRODUCTION = """# Sweep of hyper-parameters

Made by `{command}` on {machine}, {versions}.

Each search evaluates {evaluations} new networks in a landscape of the evaluator `synthetic` over
{spaces}. Landscape and agent have the seeds 1, 2, … ({seeds} over each space, {cheap_seeds} for
{cheap}). A search ends early after {episodes} episodes. Scores are in standard deviations above the
mean of {sample} random networks of the landscape. ± is the standard error over searches.

| column | meaning |
| --- | --- |
| settings | difference from `agents/nas_env_agents/hyperparameters.toml` at the time of the sweep |
| mean best | best score so far, as a mean over the queries |
| last best | best score at the end |
| against random, against stored | difference of "mean best", same landscapes and seeds |
| new | new networks evaluated |"""


def header(experiment: Experiment, settings: Options) -> dict[str, Any]:
    """Return the values of the introduction."""
    installed = experiment.calls()[-1]["versions"]
    packages = ("torch", "stable-baselines3", "sb3-contrib")
    return {
        "command": commands(experiment),
        "machine": installed["machine"],
        "versions": ", ".join(f"{name} {installed[name]}" for name in packages),
        "evaluations": settings.evaluations,
        "spaces": " and ".join(f"`{name}`" for name in settings.spaces),
        "seeds": settings.seeds,
        "cheap_seeds": settings.cheap_seeds,
        "cheap": ", ".join(CHEAP),
        "episodes": EPISODES * settings.evaluations,
        "sample": SAMPLE,
    }


def spread(values: Sequence[float]) -> str:
    """Return mean and standard error."""
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{np.mean(values):.3f} ± {error:.3f}"
