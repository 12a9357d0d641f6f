"""A program that begins searches as processes of its own, so that a test may kill them.

It imports everything once and forks for each search: a line of JSON in, the process id out.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from nas_env.architecture import Candidate
from nas_env.evaluation import Budget, Evaluation
from nas_env.evaluators import Evaluator, EvaluatorWrapper
from nas_env.evaluators.training import Training
from nas_env.tasks.own_data import own_data
from nas_env.wrappers import Limits
from nas_env_agents import observation_of
from nas_env_cli.search.session import run_search


class Noted(EvaluatorWrapper):
    """Writes down which evaluations begin, and takes a little longer, so that kills hit them."""

    def __init__(self, evaluator: Evaluator, path: Path, pause: float) -> None:
        super().__init__(evaluator)
        self.path, self.pause = path, pause

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        found = []
        for candidate in candidates:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(candidate.trained_key + "\n")
            time.sleep(self.pause)
            found += self.evaluator.evaluate([candidate], budget)
        return found


def make_env(folder: Path, agent: str, workers: int | None, pause: float) -> gym.Env[Any, Any]:
    """Return an environment of tiny networks that are really trained."""
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=90)
    task = own_data({"x": rng.normal(size=(90, 5)) + y[:, None], "y": y})
    evaluator: Evaluator = Noted(Training(task, device="cpu"), folder / "begun.txt", pause)
    if workers is not None:
        from nas_env.evaluators.parallel import Parallel

        evaluator = Parallel(evaluator, workers, start_method="fork")  # starts fast
    return gym.make(
        "NAS-v0",
        space="mlp",
        task=task,
        evaluator=evaluator,
        observation=observation_of(agent, "NAS-v0"),
        budget={"epochs": 1},
        store=folder / "store.sqlite",
    )


def search(
    folder: str, agent: str, evaluations: int, workers: int | None, pause: float, **settings: Any
) -> None:
    """Search until the limit and write down how it ended."""
    torch.set_num_threads(1)
    env = make_env(Path(folder), agent, workers, pause)
    result = run_search(agent, env, Limits(evaluations=evaluations), 4, token="one", **settings)
    told: dict[str, Any] = {"reason": result.reason, "evaluations": result.tracker.evaluations}
    if hasattr(result.agent, "population"):
        told["population"] = list(result.agent.population)
    env.close()
    Path(folder, "ended.json").write_text(json.dumps(told), encoding="utf-8")


def main() -> None:
    """Begin a search for each line; end with the input."""
    with tempfile.TemporaryDirectory() as folder:
        search(folder, "random", 2, None, 0.0)  # imports what is imported late
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                search(**json.loads(line))
            except BaseException:
                traceback.print_exc()
            os._exit(0)
        print(pid, flush=True)
        os.waitpid(pid, 0)
        print("ended", flush=True)
