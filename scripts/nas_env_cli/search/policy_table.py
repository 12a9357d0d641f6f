"""The values or probabilities of decisions of an agent without a table, as plot data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sb3_contrib import MaskablePPO
from stable_baselines3 import DQN
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from nas_env.mdp import Construct
from nas_env.spaces import Walk
from nas_env_agents.q_learning import QLearning
from nas_env_agents.reinforce import Reinforce
from nas_env_cli.search.q_table import Cells, QPicture, picture_of

WALKS = 100  # the latest walks, over whose states the mean is taken


def picture_of_agent(agent: object, env: Any, walks: Sequence[Walk]) -> QPicture | None:
    """Return the values of decisions of an agent, or None if it has none.

    For a tabular agent, this is its table. For other agents, in environments that append decisions,
    it is the mean over the states of the latest 100 walks in which a decision was legal: of the
    Q-values for a deep Q-network, of the probabilities for a policy (those of Stable-Baselines3 and
    of `reinforce`).

    Args:
        agent: The agent.
        env: Its environment.
        walks: The walks so far, the latest last.
    """
    if isinstance(agent, QLearning):
        return picture_of(agent)
    supported = isinstance(agent, DQN | OnPolicyAlgorithm | Reinforce)
    if not supported or not walks or not isinstance(env.unwrapped.mdp, Construct):
        return None
    return _picture(agent, env.unwrapped.mdp, walks[-WALKS:])


def values_of(agent: Any, mdp: Construct, states: Sequence[Any]) -> NDArray[Any]:
    """Return (states, actions) Q-values or probabilities of an agent, NaN where illegal.

    Rows of a policy without action masks do not sum to 1, because illegal actions have a
    probability, too.
    """
    masks = np.array([mdp.mask(state) for state in states], dtype=bool)
    if isinstance(agent, Reinforce):
        logits = np.array([agent.logits(len(state.walk)) for state in states])
        values = torch.from_numpy(np.where(masks, logits, -np.inf)).softmax(dim=1)
    else:
        observations = agent.policy.obs_to_tensor(
            np.array([mdp.observe(state) for state in states])
        )[0]
        masked = {"action_masks": masks} if isinstance(agent, MaskablePPO) else {}
        with torch.no_grad():
            if isinstance(agent, DQN):
                values = agent.policy.q_net(observations)
            else:
                values = agent.policy.get_distribution(observations, **masked).distribution.probs
    return np.where(masks, values.cpu().numpy(), np.nan)


def _picture(agent: Any, mdp: Construct, walks: Sequence[Walk]) -> QPicture:
    states = [state for walk in walks for state in _states(mdp, walk)]
    decisions = np.array([decision for walk in walks for decision in walk])
    depths = np.array([len(state.walk) for state in states])
    shape = int(depths.max()) + 1, int(mdp.action_space.n)
    values = values_of(agent, mdp, states)
    total, legal, visits = np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=np.int64)
    np.add.at(total, depths, np.nan_to_num(values))
    np.add.at(legal, depths, ~np.isnan(values))
    np.add.at(visits, (depths, decisions), 1)
    return QPicture(
        np.divide(total, legal, out=np.full(shape, np.nan), where=legal > 0),
        visits,
        [str(number) for number in range(shape[0])],
        [mdp.label(action) for action in range(shape[1])],
        "decisions so far",
        _greedy_path(agent, mdp, shape[0]),
        "Q-value" if isinstance(agent, DQN) else "probability",
        f"Mean over the states of the latest {len(walks)} networks; blue: not legal in any",
        "the agent's best walk",
    )


def _states(mdp: Construct, walk: Walk) -> list[Any]:
    """Return the states in which the decisions of a walk were taken."""
    states = [mdp.begin(np.random.default_rng()).state]
    for decision in walk[:-1]:
        states.append(mdp.take(states[-1], decision, illegal=False).state)
    return states


def _greedy_path(agent: Any, mdp: Construct, depth: int) -> Cells:
    """Return the best legal actions from the start state, up to the given depth."""
    state, path = mdp.begin(np.random.default_rng()).state, list[tuple[int, int]]()
    while len(path) < depth and not mdp.over(state):
        action = int(np.nanargmax(values_of(agent, mdp, [state])[0]))
        path.append((len(path), action))
        state = mdp.take(state, action, illegal=False).state
    return path
