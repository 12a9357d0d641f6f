"""Search by a single noisy training, judged by the trainings that were not seen.

On NAS-Bench-Macro every network was trained three times. The reward is one of the three, drawn for
each network and seed; the judge is the mean of the other two, so that nobody is praised for the
luck that it selected. (The mean of all three holds the training that was selected by.)
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import set_random_seed

from agents.benchmark.runner import one_thread_each
from agents.benchmark.specs import AgentSpec, EnvSpec
from nas_env.wrappers import Limits, TrackSearch
from study.experiments import EVOLUTION, REINFORCE

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
    """

    agent: str
    seed: int
    queries: int
    rule: str
    accuracy: float


class Picks(BaseCallback):
    """Notes what a run would answer when it has made so many queries, and then ends it."""

    def __init__(self, tracker: TrackSearch, label: str, seed: int) -> None:
        super().__init__()
        self.tracker, self.label, self.seed = tracker, label, seed
        self.picks: list[Pick] = []
        self.reports: dict[Any, float] = {}
        self._seen = 0

    def _on_step(self) -> bool:
        for trial in self.tracker.trials[self._seen :]:
            self.reports[trial.walk] = float(trial.evaluation.metrics["report"])
        self._seen = len(self.tracker.trials)
        done = {pick.queries for pick in self.picks}
        queries = self.tracker.evaluations
        if queries in AFTER and queries not in done and self.tracker.best is not None:
            self._note(queries, "reward", self.tracker.best.walk)
            answer = getattr(self.model, "answer", None)
            if answer is not None:
                self._note(queries, "posterior", answer())
        return queries < AFTER[-1] and self.tracker.finished is None

    def _note(self, queries: int, rule: str, walk: Any) -> None:
        self.picks.append(Pick(self.label, self.seed, queries, rule, self.reports[walk]))


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
    return picks.picks


def run(file: Path, seeds: range, processes: int) -> list[Pick]:
    """Play what is not in the file yet, a line of JSON for each run, and return all picks."""
    file.parent.mkdir(parents=True, exist_ok=True)
    done = {(pick.agent, pick.seed) for pick in read(file)}
    jobs = [
        (text, seed)
        for seed in seeds
        for text in AGENTS
        if (AgentSpec.parse(text).label, seed) not in done
    ]
    one_thread_each()
    with multiprocessing.get_context("spawn").Pool(processes) as pool, file.open("a") as lines:
        for number, picks in enumerate(pool.imap(play, jobs), start=1):
            lines.write("".join(f"{json.dumps(pick._asdict())}\n" for pick in picks))
            lines.flush()
            if number % 25 == 0 or number == len(jobs):
                print(f"noisy: {number}/{len(jobs)} runs", file=sys.stderr, flush=True)
    return list(read(file))


def read(file: Path) -> Iterator[Pick]:
    """Yield the picks of a file; a line that was broken off is left out."""
    for line in file.read_text("utf-8").splitlines() if file.is_file() else []:
        try:
            yield Pick(**json.loads(line))
        except ValueError:
            continue
