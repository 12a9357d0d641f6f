"""`q-learning`: the tabular agent of MetaQNN.

Reference: Baker, Gupta, Naik, Raskar, "Designing Neural Network Architectures using Reinforcement
Learning", ICLR 2017 (section 4.3, table 2).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import is_count
from nas_env.errors import IncompatibleError, InvalidSettingError
from nas_env.registry import unknown_name
from nas_env_agents.common.base import AGENTS
from nas_env_agents.common.episodic import EpisodicAgent, Step, random_legal

Cell = tuple[int, int]  # row and action
Plain = tuple[Cell, float, list[Cell]]  # a step: its cell, its reward, the legal cells after it

# Table 2: (epsilon, unique networks), 2,700 in total. Here they are shares of the limit.
METAQNN_SCHEDULE = (
    (1.0, 1500),
    (0.9, 100),
    (0.8, 100),
    (0.7, 100),
    (0.6, 150),
    (0.5, 150),
    (0.4, 150),
    (0.3, 150),
    (0.2, 150),
    (0.1, 150),
)


@AGENTS.register("q-learning")
class QLearning(EpisodicAgent):
    """Q-learning over the automaton's states with epsilon-greedy exploration and replay.

    After each episode the agent updates its Q-values with it and stores it. It then draws `replay`
    stored episodes uniformly and updates with each, from its last step to its first. The default
    settings are those of the paper except `bins` and `replay_only`, which `preset="metaqnn"` sets
    to the paper's values too. The paper's algorithm 1 starts from a table of zeros, its appendix
    D.1 from 0.5; this class follows the appendix.

    Args:
        env: One environment with a `Discrete` observation: "state", or the bins of an environment
            that edits.
        seed: Seed of the agent.
        learning_rate: alpha, 0.01 in the paper.
        discount: gamma, 1 in the paper.
        initial_value: Q-value of every cell at the start: a number; "middle" for the middle of the
            objective's bounds (0.5 for the paper's accuracies); or "optimistic" for their upper
            bound, so that a decision looks best until it has been tried.
        replay: Episodes replayed after each episode, 100 in the paper.
        schedule: Pairs of epsilon and its weight, in order; the weights are shares of the limit.
        bins: Index the table by the space's coarser states (for `chain`, the paper's three bins of
            the map size) instead of the states of the automaton.
        online: Update after each step, as in a textbook, instead of at the end of the episode.
        positions: Index the table by the number of decisions so far: one row for each position,
            whatever was decided before.
        monte_carlo: Update a value towards the sum of the rewards that followed, instead of the
            reward plus the best value of the next state.
        ranks: Replace the last reward of an episode by its rank among all different episodes so
            far, in [0, 1], computed when the episode is replayed. For episodes whose only reward
            is the last one.
        shaped: Reward each step of an episode of T steps with the episode's return divided by T,
            as in BlockQNN (Zhong et al., CVPR 2018), so that the reward need not propagate back
            from the last step.
        replay_only: Learn from an episode only when the replay draws it, as in the paper's
            algorithm 1. By default the agent also learns from it when it ends.

    Raises:
        IncompatibleError: The observation space is not `Discrete`.
        InvalidSettingError: A setting is out of its range.
    """

    observation = "state"

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        seed: int = 0,
        learning_rate: float = 0.01,
        discount: float = 1.0,
        initial_value: float | str = "middle",
        replay: int = 100,
        schedule: Sequence[Sequence[float]] = METAQNN_SCHEDULE,
        bins: bool = False,
        online: bool = False,
        positions: bool = False,
        monte_carlo: bool = False,
        ranks: bool = False,
        shaped: bool = False,
        replay_only: bool = False,
    ) -> None:
        super().__init__(env, seed)
        _check_observation(env)
        _check_rates(learning_rate, discount, replay)
        _check_choices(bins, positions, online, monte_carlo, ranks, shaped)
        _check_replay_only(replay_only, online, replay)
        self.learning_rate = learning_rate
        self.discount = discount
        self.initial_value = _initial_value(env, initial_value)
        self.replay = replay
        self.schedule = _schedule(schedule)
        total = sum(weight for _, weight in self.schedule)
        self._ends = [end / total for end in accumulate(weight for _, weight in self.schedule)]
        self.bins = bins
        self.online = online
        self.positions, self.monte_carlo, self.ranks = positions, monte_carlo, ranks
        self.shaped, self.replay_only = shaped, replay_only
        self._row = _positions(env) if positions else _rows(env, bins)
        actions = int(env.action_space.n)  # type: ignore[attr-defined]
        self.q = np.full((int(self._row.max()) + 1, actions), self.initial_value)
        self.visits = np.zeros(self.q.shape, dtype=np.int64)
        self.memory: list[list[Step]] = []
        self._backward: list[list[Plain]] = []  # the memory as it is replayed
        self._different: set[tuple[int, ...]] = set()
        self._returns: list[float] = []  # of different episodes, ascending

    def row(self, observation: Any) -> int:
        """Return the table's row of an observation."""
        return int(self._row[int(observation)])

    @property
    def first_observation(self) -> NDArray[np.int64]:
        """(rows,) the first observation of each row of the table."""
        return np.unique(self._row, return_index=True)[1]

    @property
    def epsilon(self) -> float:
        """Probability of a random action at the current share of the limit."""
        return self.epsilon_at(self.share)

    def epsilon_at(self, share: float) -> float:
        """Return the probability of a random action at a share of the limit, in [0, 1]."""
        index = bisect_right(self._ends, share)
        return self.schedule[min(index, len(self.schedule) - 1)][0]

    def act(self, observation: Any, mask: NDArray[np.bool_], greedy: bool = False) -> int:
        """Return a legal action: random with probability epsilon, else one of the best."""
        if not greedy and self.rng.random() < self.epsilon:
            return random_legal(self.rng, mask)
        legal = mask.nonzero()[0]
        values = self.q[self.row(observation), legal]
        best = legal[values == values.max()]
        return int(best[0] if greedy else best[self.rng.integers(len(best))])

    def end_step(self, step: Step) -> None:
        """Count the visit; with `online`, update at once."""
        self.visits[self.row(step.state), step.action] += 1
        if self.online:
            self.update([step])

    def end_episode(self, steps: list[Step]) -> None:
        """Store the episode and replay stored ones."""
        self._remember(steps)
        if not (self.online or self.replay_only):
            self._learn(self._backward[-1])
        for index in self.rng.integers(len(self.memory), size=self.replay).tolist():
            self._learn(self._backward[index])
        self.logger.record("train/epsilon", self.epsilon)

    def _remember(self, steps: list[Step]) -> None:
        """Store an episode for the replay, and its return for the ranks if it is new."""
        self.memory.append(steps)
        self._backward.append(self._plain(steps))
        actions = tuple(step.action for step in steps)
        if self.ranks and actions not in self._different:
            self._different.add(actions)
            insort(self._returns, steps[-1].reward)

    def update(self, steps: list[Step]) -> None:
        """Move the Q-values of an episode's steps towards their targets, last step first."""
        self._learn(self._plain(steps))

    def _plain(self, steps: list[Step]) -> list[Plain]:
        """Return the steps from the last to the first, as plain numbers."""
        return [
            (
                (self.row(step.state), step.action),
                step.reward,
                [] if step.done else self._cells(step.after, step.mask),
            )
            for step in reversed(steps)
        ]

    def _cells(self, observation: Any, mask: NDArray[np.bool_]) -> list[Cell]:
        row = self.row(observation)
        return [(row, action) for action in mask.nonzero()[0].tolist()]

    def _learn(self, backward: list[Plain]) -> None:
        cells: Any = self.q.data  # as a memoryview, whose single numbers are fast to read and write
        later, rewards = 0.0, self._rewards([reward for _, reward, _ in backward])
        for (cell, _, after), reward in zip(backward, rewards, strict=True):
            if self.monte_carlo:
                best = self.discount * later
            else:
                best = self.discount * max([cells[x] for x in after]) if after else 0.0
            later = reward + best
            cells[cell] += self.learning_rate * (later - cells[cell])

    def _rewards(self, backward: list[float]) -> list[float]:
        """Return the rewards of an episode's steps, the last first."""
        if self.ranks:
            backward = [self._rank(backward[0])] + [0.0] * (len(backward) - 1)
        if self.shaped:
            return [sum(backward) / len(backward)] * len(backward)
        return backward

    def _rank(self, value: float) -> float:
        """Return the share of different episodes with a lower return; equal ones count half."""
        ends = bisect_left(self._returns, value), bisect_right(self._returns, value)
        return sum(ends) / 2 / len(self._returns)

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain data."""
        names = ("learning_rate", "discount", "initial_value", "replay", "schedule")
        switches = ("bins", "online", "positions", "monte_carlo", "ranks", "shaped", "replay_only")
        return {**super().settings(), **{name: getattr(self, name) for name in names + switches}}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the table, the visits and the stored episodes."""
        flat = [(i, step) for i, steps in enumerate(self.memory) for step in steps]
        return {
            "q": self.q,
            "visits": self.visits,
            "episode": np.array([i for i, _ in flat], dtype=np.int64),
            "step": np.array([[s.state, s.action, s.after, s.done] for _, s in flat], np.int64),
            "reward": np.array([s.reward for _, s in flat], dtype=np.float64),
            "mask": np.array([s.mask for _, s in flat], dtype=bool),
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back what `arrays` returned."""
        self.q, self.visits = arrays["q"], arrays["visits"]
        episodes = arrays["episode"]
        self.memory = [[] for _ in range(int(episodes.max()) + 1 if len(episodes) else 0)]
        parts = (episodes, arrays["step"], arrays["reward"], arrays["mask"])
        for episode, numbers, reward, mask in zip(*parts, strict=True):
            state, action, after, done = (int(x) for x in numbers)
            step = Step(state, action, float(reward), after, mask, bool(done))
            self.memory[episode].append(step)
        remembered, self.memory, self._backward = self.memory, [], []
        for steps in remembered:
            self._remember(steps)


def _check_observation(env: gymnasium.Env[Any, Any]) -> None:
    if not isinstance(env.observation_space, gymnasium.spaces.Discrete):
        raise IncompatibleError(
            f"Q-learning needs a Discrete observation, but it is {env.observation_space}. "
            "Make the environment with observation='state' (or 'loss-bins' to edit)."
        )


def _check_rates(learning_rate: float, discount: float, replay: int) -> None:
    rates = 0 < learning_rate <= 1 and 0 <= discount <= 1
    if not rates or not (replay == 0 or is_count(replay)):
        raise InvalidSettingError(
            "Q-learning needs learning_rate in (0, 1], discount in [0, 1] and replay an "
            f"integer >= 0, but has learning_rate={learning_rate}, discount={discount}, "
            f"replay={replay}."
        )


def _check_choices(
    bins: bool, positions: bool, online: bool, monte_carlo: bool, ranks: bool, shaped: bool
) -> None:
    if (bins and positions) or (online and (monte_carlo or ranks or shaped)):
        raise InvalidSettingError(
            "Q-learning has its table over bins or over positions, and learns online or from "
            f"whole episodes, but bins={bins}, positions={positions}, online={online}, "
            f"monte_carlo={monte_carlo}, ranks={ranks} and shaped={shaped}. Change one of them."
        )


def _check_replay_only(replay_only: bool, online: bool, replay: int) -> None:
    if replay_only and (online or replay == 0):
        raise InvalidSettingError(
            "With replay_only, Q-learning learns from replayed episodes alone, but "
            f"online={online} and replay={replay} were given. Use online=False and replay >= 1."
        )


def _schedule(schedule: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    try:
        pairs = np.array(schedule, dtype=np.float64)
    except (TypeError, ValueError):
        pairs = np.empty(0)
    if pairs.ndim == 2 and pairs.shape[1] == 2 and len(pairs):
        epsilons, weights = pairs.T
        if (epsilons >= 0).all() and (epsilons <= 1).all() and (weights > 0).all():
            return list(zip(epsilons.tolist(), weights.tolist(), strict=True))
    raise InvalidSettingError(
        "Setting schedule must be pairs of an epsilon in [0, 1] and a weight > 0, but is "
        f"{schedule}. For example [[1.0, 3], [0.1, 7]]."
    )


def _initial_value(env: gymnasium.Env[Any, Any], value: float | str) -> float:
    if not isinstance(value, str):
        return float(value)
    low, high = env.unwrapped.objective.bounds  # type: ignore[attr-defined]
    named_values = {"middle": (low + high) / 2, "optimistic": high}
    if value not in named_values:
        raise unknown_name("initial value", value, named_values)
    return float(named_values[value])


def _rows(env: gymnasium.Env[Any, Any], bins: bool) -> NDArray[np.int64]:
    """Return (observations,) the table's row of each observation."""
    if not bins:
        return np.arange(env.observation_space.n)  # type: ignore[attr-defined]
    space = env.unwrapped.space  # type: ignore[attr-defined]
    number: dict[Any, int] = {}
    coarse = [space.project(state) for state in space.automaton().states]
    return np.array([number.setdefault(state, len(number)) for state in coarse])


def _positions(env: gymnasium.Env[Any, Any]) -> NDArray[np.int64]:
    """Return (observations,) the minimum number of decisions before each state."""
    automaton = env.unwrapped.space.automaton()  # type: ignore[attr-defined]
    depth = np.full(automaton.num_states, -1, dtype=np.int64)
    reached, position = np.zeros(1, dtype=np.int64), 0
    while len(reached):
        depth[reached] = position
        after = automaton.next_state[reached]
        reached, position = np.unique(after[after >= 0]), position + 1
        reached = reached[depth[reached] < 0]
    return depth
