"""Agents search every space, and what they find is trained."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from nas_env.evaluation import Outcome
from nas_env.spaces import SPACES
from nas_env.tasks import TASKS, Task
from nas_env.wrappers import Limits, Trial
from nas_env_agents.common.base import observation_of
from nas_env_cli.search.session import run_search

AGENTS = ("random", "q-learning", "maskable-ppo", "reinforce-lstm")
IMAGES, MOST = 100, 200_000  # for training; parameters, so that wide spaces are quick
EVALUATIONS = [
    pytest.param(2, marks=pytest.mark.always),
    pytest.param(12, marks=pytest.mark.expensive),
]


def task_for(space_name: str) -> Task:
    """Return 100 samples for training, of two classes that differ in their mean."""
    space = SPACES.get(space_name)()
    shape = {"image": (1, 8, 8), "vector": (6,)}[space.modality]
    rng, data = np.random.default_rng(0), {}
    for part, count in (("train", IMAGES), ("val", 40), ("test", 40)):
        labels = np.arange(count) % 2
        noise = rng.normal(size=(count, *shape))
        data[f"x_{part}"] = (noise + labels.reshape(-1, *[1] * len(shape))).astype(np.float32)
        data[f"y_{part}"] = labels
    return TASKS.get("own-data")(data=data)


def diverged(trial: Trial) -> bool:
    """Return whether training diverged where the learning rate was the agent's own choice."""
    own = "learning_rate" in trial.candidate.recipe.changes()
    return own and trial.evaluation.outcome is Outcome.DIVERGED


@pytest.mark.parametrize("evaluations", EVALUATIONS)
@pytest.mark.parametrize("agent", AGENTS)
def test_networks_that_agents_find_are_trained(space_name, agent, evaluations):
    task = task_for(space_name)
    space = SPACES.get(space_name)(task.spec.input_shape, task.spec.num_outputs)
    most = max(MOST, 2 * space.automaton().cheapest[0])
    env = gym.make(
        "NAS-v0",
        space=space_name,
        task=task,
        observation=observation_of(agent),
        budget={"epochs": 1},
        max_params=most,
    )
    result = run_search(agent, env, Limits(evaluations=evaluations), 0)
    trained = [trial for trial in result.tracker.trials if not diverged(trial)]
    found = [trial.evaluation for trial in trained]
    assert result.tracker.evaluations == evaluations and result.reason == "evaluations"
    assert len(trained) > evaluations / 2
    assert all(x.ok and x.epochs == 1 and x.metrics["params"] <= most for x in found)
    assert all(0 <= x.metrics["accuracy"] <= 1 and np.isfinite(x.metrics["loss"]) for x in found)
    assert result.tracker.illegal_actions == 0
