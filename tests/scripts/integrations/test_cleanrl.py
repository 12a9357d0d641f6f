"""The CleanRL-style client: as a command, and its reading of Gymnasium's vector interface."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from tests.support.paths import ROOT
from tests.support.programs import run_program

SCRIPT = "scripts/integrations/cleanrl_ppo.py"


def run(*options: str, evaluator: str | None = "synthetic") -> str:
    chosen = [] if evaluator is None else ["--evaluator", evaluator]
    finished = run_program([sys.executable, SCRIPT, *chosen, *options])
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def number(label: str, output: str) -> float:
    found = re.search(rf"^{label}: (\S+)$", output, re.MULTILINE)
    assert found is not None, output
    return float(found[1])


@pytest.fixture(scope="module")
def client() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cleanrl_ppo", ROOT / SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["cleanrl_ppo"] = module
    spec.loader.exec_module(module)
    return module


def test_learns_and_never_acts_illegally_with_the_mask() -> None:
    """Random search's mean is 0.43 on this landscape; the last quarter is far above it."""
    output = run("--total-timesteps", "3072", "--num-envs", "8")
    assert number("episodes", output) > 100
    assert number("illegal share", output) == 0
    first = number("mean score of the first quarter", output)
    last = number("mean score of the last quarter", output)
    assert last > first + 0.05
    assert last > 0.6
    assert number("best score", output) >= last
    architecture = output.split("best architecture: ")[1]
    assert json.loads(architecture)["layers"]


def test_runs_without_the_mask_and_writes_its_logs(tmp_path: Path) -> None:
    folder = tmp_path / "events"
    output = run("--total-timesteps", "256", "--no-mask", "--tensorboard", str(folder))
    assert number("episodes", output) > 10
    assert 0 < number("illegal share", output) < 1
    assert list(folder.glob("events.out.tfevents.*"))


def test_a_table_is_looked_up_without_any_option() -> None:
    output = run("--env-id", "nas_env:NASBench201-v0", "--total-timesteps", "512", evaluator=None)
    assert number("episodes", output) > 50
    assert 0.6 < number("best score", output) <= 0.8489


def test_trains_real_networks_on_another_space_and_task() -> None:
    """A constant guess reaches 0.4 on wine, and a network that failed to train scores 0."""
    options = ("--space", "mlp", "--task", "wine", "--total-timesteps", "32", "--num-steps", "8")
    output = run(*options, evaluator="training")
    assert number("episodes", output) > 2
    assert number("best score", output) > 0.6


def test_a_reset_step_is_marked_and_nothing_else_is(client: ModuleType, tmp_path: Path) -> None:
    store = str(tmp_path / "store.sqlite")
    lanes = client.Lanes(client.Args(evaluator="synthetic", store=store, num_envs=3, num_steps=64))
    space: Any = lanes.envs.single_observation_space
    agent = client.Agent(space.nvec, int(lanes.envs.single_action_space.n), 16)
    rollout = client.collect(agent, lanes, 64)
    lanes.envs.close()
    after_end = torch.zeros_like(rollout.done)
    after_end[1:] = rollout.done[:-1]
    assert torch.equal(~rollout.valid, after_end)
    assert after_end.any()
    assert (rollout.rewards[after_end] == 0).all()
    assert not rollout.done[after_end].any()
    begins = after_end[:-1]  # what follows a reset step is the empty network
    assert (rollout.obs[1:][begins] == 0).all()
    assert (rollout.obs[1:][~begins] != 0).any(dim=-1).all()
    assert int(rollout.done.sum()) == len(lanes.book.scores)
    assert int(rollout.valid.sum()) == lanes.book.decisions
    chosen = rollout.masks.gather(2, rollout.actions.unsqueeze(-1)).squeeze(-1)
    assert chosen.all()
    assert torch.allclose(
        rollout.rewards[rollout.done].sort().values.float(),
        torch.tensor(lanes.book.scores).sort().values,
    )


def test_advantages_stop_at_an_end_and_bootstrap_a_truncation(client: ModuleType) -> None:
    column = {
        "rewards": [0.0, 1.0, 0.0, 2.0, 0.0],
        "values": [0.5, 0.25, 9.0, 0.5, 9.0],
        "next_values": [0.25, 7.0, 0.5, 3.0, 0.125],
    }
    parts = {name: torch.tensor(values).unsqueeze(1) for name, values in column.items()}
    flags = {"terminated": [0, 1, 0, 0, 0], "done": [0, 1, 0, 1, 0], "valid": [1, 1, 0, 1, 0]}
    parts |= {name: torch.tensor(x, dtype=torch.bool).unsqueeze(1) for name, x in flags.items()}
    empty = dict.fromkeys(("obs", "masks", "actions", "log_probs"), torch.zeros(5, 1))
    gains = client.advantages(client.Rollout(**parts, **empty), 1.0, 0.5)[:, 0]
    # Step 1 ends by termination: 1 - 0.25. Step 0 sees half of it: (0.25 - 0.5) + 0.5 * 0.75.
    # Step 3 is cut off, so the value of its last observation counts: 2 + 3 - 0.5.
    assert gains[[0, 1, 3]].tolist() == pytest.approx([0.125, 0.75, 4.5])
