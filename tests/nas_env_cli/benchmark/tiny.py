"""Small benchmarks: agents of a stranger, environments that cost nothing, and how they are run."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
from functools import partial

import tyro

from nas_env_cli.benchmark.results import Row, table_of
from nas_env_cli.interrupts import exit_code
from tests.support.paths import ROOT

SYNTHETIC = "syn=NAS-v0:evaluator=synthetic"
TABLE = "c10=NASBench201-v0:dataset=cifar10"
STRANGER = '''
"""Agents that know nothing of this project but the environment."""

import os
import time
from pathlib import Path

import numpy as np

LOG = Path(__file__).with_name("log.txt")


class Mine:
    observation = "state"

    def __init__(self, policy, env, seed=0, device="cpu", pause=0.0, greedy=False):
        assert policy == "MlpPolicy"
        self.env, self.seed, self.pause = env, seed, pause
        self.rng = np.random.default_rng(seed)

    def learn(self, total_timesteps, callback):
        with LOG.open("a") as log:
            log.write(f"begun {self.seed}\\n")
        going = True
        while going:
            _, info = self.env.reset()
            done = False
            while not done and going:
                action = self.rng.choice(np.flatnonzero(info["action_mask"]))
                _, _, done, _, info = self.env.step(action)
                going = callback.on_step()
            time.sleep(self.pause)
        with LOG.open("a") as log:
            log.write(f"ended {self.seed}\\n")


class Early(Mine):
    def learn(self, total_timesteps, callback):
        self.env.reset()


class Alone(Mine):
    def learn(self, total_timesteps):
        raise AssertionError


class Fragile(Mine):
    def learn(self, total_timesteps, callback):
        if self.seed == 1:
            raise RuntimeError("seed one is not for me")
        if self.seed == 2:
            os._exit(9)
        super().learn(total_timesteps, callback)
'''


def run(script: str, *arguments: object, code: int = 0) -> str:
    """Run a command in this process, which has imported all; return what it printed, errors too."""
    module = loaded(script)
    words = [str(x) for x in arguments]
    said = io.StringIO()
    before, sys.argv = sys.argv, ["nas-env", script, *words]
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            if "." in script:
                found = exit_code(partial(module.run, tyro.cli(module.Options, args=words)))
            else:
                found = module.main(words)
    finally:
        sys.argv = before
    assert found == code, said.getvalue()
    return said.getvalue()


def loaded(script: str):
    """Return the module of a command, such as "replay", or of a study, such as "studies.joint"."""
    return importlib.import_module(
        f"scripts.{script}.study" if "." in script else f"nas_env_cli.commands.{script}"
    )


def environment() -> dict[str, str]:
    """Return the variables of a process that finds this checkout from any folder."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def rows(agent: str, seed: int, *scores: float, env: str = "e", best: float = 1.0) -> list[Row]:
    """Return a run whose networks have these scores; a score again is the same network again."""
    found: list[Row] = []
    seen: set[float] = set()
    for episode, score in enumerate(scores, start=1):
        repeated = score in seen
        seen.add(score)
        numbers = (score, score - 0.1, best - score, best - score)
        counts = len(seen), episode, episode
        found.append(Row(agent, env, seed, *counts, str(episode), repeated, *numbers))
    return found


def table(*runs: list[Row]):
    """Return runs as one table."""
    return table_of([row for run in runs for row in run])


def settings(limit: int, **agents: str) -> dict:
    """Return the settings that a results file holds: registered names by label."""
    entries = {label: {"name": name, "settings": {}} for label, name in agents.items()}
    command = {"command": "made by a test", "seeds": [0], "seconds": 0, "versions": {}}
    return {
        "limit": limit,
        "simulated_seconds": None,
        "charge_repeats": False,
        "charge_isomorphs": True,
        "agents": entries,
        "envs": {"e": {"id": "NAS-v0", "settings": {"evaluator": "synthetic"}}},
        "commands": [command],
    }
