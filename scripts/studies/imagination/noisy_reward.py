"""Search by a single noisy training, judged by the trainings that were not seen.

On NAS-Bench-Macro every network was trained three times. The reward is one of the three, drawn for
each network and seed; the judge is the mean of the other two, so that nobody is praised for the
luck that it selected. (The mean of all three holds the training that was selected by.)
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import set_random_seed

from nas_env.errors import InvalidSettingError
from nas_env.wrappers import Limits, TrackSearch
from nas_env_cli.benchmark.runner import one_thread_each
from nas_env_cli.search.provenance import versions
from nas_env_cli.specs import AgentSpec, EnvSpec
from scripts.studies.imagination.benchmarks import EVOLUTION, REINFORCE

ENV = "macro=NASBenchMacro-v0:run=random"
AFTER = (50, 100, 200)  # queries at which runs are judged
SEEDS = 100
AGENTS = (
    "imagination=imagination:noisy=true",
    "random",
    "local-search",
    EVOLUTION,
    REINFORCE,
)


class Pick(NamedTuple):
    """What one run would answer after so many queries.

    Attributes:
        agent: Label of the agent.
        seed: Its seed.
        queries: Unique networks so far.
        rule: "reward": the best reward so far; "posterior": the agent's own answer.
        accuracy: Mean test accuracy of the pick's other two trainings.
        reached: Unique networks that the run had made: fewer than `queries` where it went on
            repeating itself until its episodes were used up. Its last pick then stands.
    """

    agent: str
    seed: int
    queries: int
    rule: str
    accuracy: float
    reached: int


class Picks(BaseCallback):
    """Notes what a run would answer when it has made so many queries, and then ends it."""

    def __init__(self, tracker: TrackSearch, label: str, seed: int) -> None:
        super().__init__()
        self.tracker, self.label, self.seed = tracker, label, seed
        self.picks: list[Pick] = []
        self.reports: dict[Any, float] = {}
        self._seen = 0

    def _on_step(self) -> bool:
        self._take_in()
        done = {pick.queries for pick in self.picks}
        if self.tracker.evaluations in set(AFTER) - done:
            self._note(self.tracker.evaluations)
        return self.tracker.evaluations < AFTER[-1] and self.tracker.finished is None

    def finish(self) -> list[Pick]:
        """Return the picks; what the run did not reach is answered as it stands at its end."""
        for queries in AFTER:
            if queries not in {pick.queries for pick in self.picks}:
                self._note(queries)
        return self.picks

    def _take_in(self) -> None:
        for trial in self.tracker.trials[self._seen :]:
            self.reports[trial.walk] = float(trial.evaluation.metrics["report"])
        self._seen = len(self.tracker.trials)

    def _note(self, queries: int) -> None:
        """Note what would be answered now."""
        assert self.tracker.best is not None
        walks = {"reward": self.tracker.best.walk}
        if (answer := getattr(self.model, "answer", None)) is not None:
            walks["posterior"] = answer()
        reached = min(self.tracker.evaluations, queries)
        for rule, walk in walks.items():
            accuracy = self.reports[walk]
            self.picks.append(Pick(self.label, self.seed, queries, rule, accuracy, reached))


def play(job: tuple[str, int]) -> list[Pick]:
    """Return the picks of an agent with a seed."""
    text, seed = job
    spec = AgentSpec.parse(text)
    environment = EnvSpec.parse(ENV)
    env: gymnasium.Env[Any, Any] = environment.make(spec.observation(environment))
    set_random_seed(seed)
    env.reset(seed=seed)
    tracker = TrackSearch(env, Limits(evaluations=AFTER[-1], episodes=10 * AFTER[-1]))
    picks = Picks(tracker, spec.label, seed)
    spec.make(tracker, seed).learn(10**6, picks)
    return picks.finish()


def run(file: Path, seeds: range, processes: int, command: str) -> list[Pick]:
    """Play what is not in the file yet, a line of JSON for each pick, and return all picks.

    Each call that plays anything ends with a line of how: command, seeds, settings, versions.

    Raises:
        InvalidSettingError: The file was begun with other settings.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    own = {spec.label: spec.settings for spec in map(AgentSpec.parse, AGENTS)}
    for how in made_by(file):
        if how["agents"] != own:
            raise InvalidSettingError(
                f"{file} was begun with the settings {how['agents']}, not {own}. Remove it."
            )
    started = time.monotonic()
    done = {(pick.agent, pick.seed) for pick in read(file)}
    jobs = [
        (text, seed)
        for seed in seeds
        for text in AGENTS
        if (AgentSpec.parse(text).label, seed) not in done
    ]
    if jobs:
        how = {"command": command, "seeds": [*seeds], "agents": own, "versions": versions()}
        try:
            _play_all(jobs, file, processes)
        finally:  # also of what an interruption leaves
            with file.open("a") as lines:
                lines.write(f"{json.dumps({**how, 'seconds': time.monotonic() - started})}\n")
    return list(read(file))


def _play_all(jobs: list[tuple[str, int]], file: Path, processes: int) -> None:
    """Play the runs and append their picks to the file."""
    one_thread_each()
    with multiprocessing.get_context("spawn").Pool(processes) as pool, file.open("a") as lines:
        for number, picks in enumerate(pool.imap(play, jobs), start=1):
            lines.write("".join(f"{json.dumps(pick._asdict())}\n" for pick in picks))
            lines.flush()
            if number % 25 == 0 or number == len(jobs):
                print(f"noisy: {number}/{len(jobs)} runs", file=sys.stderr, flush=True)


def made_by(file: Path) -> list[dict[str, Any]]:
    """Return the lines of a file that say how it was made."""
    lines = file.read_text("utf-8").splitlines() if file.is_file() else []
    return [json.loads(line) for line in lines if line.startswith('{"command"')]


def read(file: Path) -> Iterator[Pick]:
    """Yield the picks of a file; a line that was broken off is left out."""
    for line in file.read_text("utf-8").splitlines() if file.is_file() else []:
        try:
            yield Pick(**json.loads(line))
        except (ValueError, TypeError):
            continue
