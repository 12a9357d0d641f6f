"""The environment: an MDP, an evaluator of networks, and an objective that defines the reward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from nas_env import registry
from nas_env.architecture import Candidate
from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Budget, Evaluation
from nas_env.evaluators import Evaluator, Latency
from nas_env.factories import (
    check_budget,
    checked_action,
    checked_options,
    checked_render_mode,
    checked_start,
    draw_training_seed,
    make_budget,
    make_evaluator,
    make_mdp,
    make_objective,
    make_space,
    make_task,
)
from nas_env.mdp import BaseState, Move
from nas_env.objectives import Objective
from nas_env.spaces import SearchSpace, Walk
from nas_env.store import Store, open_store
from nas_env.tasks import Task

TRUE, FALSE = np.bool_(True), np.bool_(False)  # a Python bool in `info` breaks TorchRL's reader


class NASEnv(gymnasium.Env[Any, np.int64]):
    """Build a network decision by decision; the reward is the score of the trained network.

    Decisions: `Discrete(num_decisions)`: the next decision of the search space, such as a layer or
        "stop". `info["action_mask"]` (int8) and `action_masks()` (bool) mark the legal ones.
    Observation: "tokens" (default), the decisions so far; "state", the index of the automaton
        state; "features", bounded features of the partial network. See `nas_env.observations`.
    Reward: 0 until the walk is complete, then the objective's score of the trained network.
    Episode end: `terminated` when the walk is complete. `info["evaluation"]` then holds outcome,
        score and metrics; `info["architecture"]` holds the network as JSON text.
    Reference: Baker et al., ICLR 2017, for the MDP; each space names its own source.

    Example:
        >>> import gymnasium as gym, nas_env
        >>> env = gym.make("NAS-v0", evaluator="synthetic")
        >>> observation, info = env.reset(seed=0)
        >>> observation, reward, terminated, truncated, info = env.step(3)
        >>> int(info["decision"]), reward, terminated
        (3, 0.0, False)

    Args:
        space: A search space or its name. None selects the default for the task's modality.
        task: A task or its name. None selects "own-data" if `data` is given, else the default task
            of the space.
        evaluator: An evaluator or its name.
        objective: An objective or its name. None selects the metric of the task, by default
            accuracy.
        mdp: Name of an MDP: "construct" or "edit".
        observation: "tokens", "state" or "features"; with mdp="edit" also "loss-bins" and
            "accuracy-bins". None selects the default of the MDP: "tokens" for "construct",
            "features" for "edit".
        illegal: "project", "terminate", "stay" or "raise"; see `nas_env.mdp.MDP`. None selects the
            default of the MDP.
        start: Initial network of each episode with mdp="edit": "random", "best" (the best network
            of the store under this objective and budget; random if the store has none), or a
            complete walk.
        budget: Maximum cost of one evaluation.
        store: None (in memory), a path of a SQLite file, an SQLAlchemy URL, or a store.
        data: Path, arrays or a data set; see `nas_env.tasks.own_data.own_data`.
        max_params: Maximum number of parameters; the action mask enforces it.
        recipe: Recipe settings that override those of the space, such as {"batch_size": 128}.
        device: Device of the evaluator.
        precision: Precision of the evaluator. "auto" is resolved once per store.
        latency: Whether to measure the latency of trained networks on this machine, as the metric
            "latency_ms": True, or settings of `nas_env.evaluators.Latency`. Off by default, because
            the measurement is noisy and depends on the machine.
        retry_failed: Whether to evaluate failures found in the store again, once.
        workers: Number of worker processes for evaluations. None evaluates in this process. A
            crash, a timeout or running out of memory in a worker does not affect other processes;
            see `nas_env.evaluators.Parallel`. A single environment waits for each evaluation, so
            more than one worker helps only a vector environment. `close` ends the processes.
        render_mode: None, "ansi" (a table) or "rgb_array" (a drawing).
        mdp_settings: Additional settings of the MDP, such as `max_edits` of `nas_env.mdp.Edit`.

    Raises:
        UnknownNameError: A name is not registered; the message lists the registered names.
        IncompatibleError: The space does not fit the task, or the objective needs a latency that
            is not measured.
    """

    metadata = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}  # noqa: RUF012
    candidate: Candidate | None = None
    evaluation: Evaluation | None = None

    def __init__(
        self,
        space: str | SearchSpace | None = None,
        task: str | Task | None = None,
        evaluator: str | Evaluator = "training",
        objective: str | Objective | None = None,
        mdp: str = "construct",
        observation: str | None = None,
        illegal: str | None = None,
        start: str | Sequence[int] | None = None,
        budget: Budget | Mapping[str, Any] | None = None,
        store: Store | str | Path | None = None,
        data: Any = None,
        max_params: int | None = None,
        recipe: Mapping[str, Any] | None = None,
        device: str = "auto",
        precision: str = "float32",
        latency: Latency | Mapping[str, Any] | bool = False,
        retry_failed: bool = False,
        workers: int | None = None,
        render_mode: str | None = None,
        **mdp_settings: Any,
    ) -> None:
        self.task = make_task(space, task, data)
        self.space = make_space(space, self.task, max_params, recipe)
        self.objective = make_objective(objective, self.task.spec)
        self.budget = self.episode_budget = make_budget(budget)
        self.store = open_store(store)
        evaluator_arguments = (evaluator, self.task, self.store, self.objective, device, precision)
        self.evaluator = make_evaluator(*evaluator_arguments, latency, retry_failed, workers)
        check_budget(self.budget, self.evaluator)
        process = (mdp, self.space, observation, illegal, self.objective, mdp_settings)
        self.mdp = make_mdp(*process, make=NASEnv)
        self.start = checked_start(start, self.mdp)
        self.action_space = self.mdp.action_space
        self.observation_space = self.mdp.observation_space
        self.render_mode = checked_render_mode(render_mode, self.metadata["render_modes"])
        self.reward_range = self.mdp.reward_bounds(*self.objective.bounds)
        self._state: BaseState | None = None
        self._over = True

    @property
    def state(self) -> BaseState:
        """The state of the episode; an immutable value that can be saved and restored.

        Raises:
            gymnasium.error.ResetNeeded: `reset` has not been called yet.
        """
        if self._state is None:
            raise gymnasium.error.ResetNeeded("There is no state yet. Call reset() first.")
        return self._state

    @state.setter
    def state(self, state: BaseState) -> None:
        wanted = self.mdp.state_type
        if not isinstance(state, wanted):
            raise InvalidSettingError(
                f"state must be a nas_env.mdp.{wanted.__name__}, got {type(state).__name__}. "
                "Set a value that was read from `state`."
            )
        self._state = state
        self._over = self.mdp.over(state)

    @property
    def fidelity(self) -> int:
        """Epochs of this episode's evaluations."""
        return self.episode_budget.epochs

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: Seed of the environment's own random choices: starts, edits, and the run that a
                table returns if its run is "random".
            options: "start" overrides the argument of that name; "fidelity" is the number of epochs
                of this episode's evaluations.
        """
        super().reset(seed=seed)
        chosen = checked_options(options)
        if seed is not None and self.evaluator.draws:
            self.budget = replace(self.budget, training_seed=draw_training_seed(self.np_random))
        budget = self.budget.at_fidelity(chosen.get("fidelity"))
        self.evaluator.check(budget)
        self.episode_budget = budget
        self.candidate = self.evaluation = None
        start = self.start_walk(chosen.get("start", self.start), self.episode_budget)
        move = self.mdp.begin(self.np_random, start)
        self._state, self._over = move.state, False
        info: dict[str, Any] = {}
        if move.pending is not None:
            self._settle(move.state, move, info)
        info["action_mask"] = self.mdp.mask(self._state).copy()
        return self.mdp.observe(self._state), info

    def step(self, action: np.int64 | int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take one action; train and score the network that it completes, if any.

        Raises:
            gymnasium.error.ResetNeeded: The episode is over.
            IllegalDecisionError: The action is illegal and `illegal` is "raise".
            InvalidSettingError: The action is not an integer.
        """
        before = self.state
        if self._over:
            raise gymnasium.error.ResetNeeded("The episode is over. Call reset() first.")
        move = self.mdp.advance(before, checked_action(action, self.mdp))
        info: dict[str, Any] = {
            "decision": move.decision,
            "illegal_action": TRUE if move.illegal else FALSE,
        }
        reward = self._settle(before, move, info)
        terminated = move.terminated or self.mdp.satisfied(self._state)
        truncated = move.truncated and not terminated
        self._over = terminated or truncated
        info["action_mask"] = self.mdp.mask(self._state).copy()
        return self.mdp.observe(self._state), reward, terminated, truncated, info

    def action_masks(self) -> NDArray[np.bool_]:
        """Return a bool array (actions,), True for legal actions, as sb3-contrib expects it."""
        return self.mdp.mask(self.state).astype(np.bool_)

    def render(self) -> Any:
        """Return the network so far: a table (str) or a drawing (height, width, 3) uint8."""
        from nas_env.rendering import draw, rgb_array, text_table

        if self.render_mode is None:
            return None
        complete = bool(self.space.automaton().final[self.state.node])
        walk = self.state.walk
        partial, training = self.space.partial(walk), self.space.training(walk)
        if self.render_mode == "ansi":
            return text_table(partial, self.task.spec, complete, training)
        title = "" if self.state.score is None else f"score {self.state.score:.4f}"
        return rgb_array(draw(partial, self.task.spec, title, complete, training))

    def close(self) -> None:
        """Release the resources of the evaluator, such as worker processes."""
        self.evaluator.close()

    def _settle(self, before: BaseState, move: Move, info: dict[str, Any]) -> float:
        """Score the pending candidate, if any; set the new state and return the reward."""
        if move.pending is None:
            self._state, reward = self.mdp.settle(before, move, None)
            return reward
        self.candidate = move.pending
        self.evaluation = self.evaluator.evaluate([move.pending], self.episode_budget)[0]
        score = self.objective.score(self.evaluation)
        self._state, reward = self.mdp.settle(before, move, score, self.evaluation)
        info["evaluation"] = {"score": score, **self.evaluation.summary()}
        info["architecture"] = move.pending.architecture.text
        return reward

    def start_walk(self, start: str | Sequence[int] | None, budget: Budget) -> Walk | None:
        """Resolve a start to a walk; None leaves the choice to the MDP."""
        if start is None or start == "random":
            return None
        if start == "best":
            return self._best_of_store(budget)
        if isinstance(start, str):
            raise registry.unknown_name("start", start, ["random", "best", "or a walk"])
        return tuple(int(decision) for decision in start)

    def _best_of_store(self, budget: Budget) -> Walk | None:
        """Return the walk with the best score in the store that is legal here, or None."""
        scored = (
            (self.objective.score(evaluation), candidate.walk)
            for candidate, evaluation in self.store.records(self.evaluator.fingerprint, budget)
            if evaluation.ok and candidate.parent is None and candidate.walk
            if self.space.check(candidate.walk) is None
        )
        return max(scored, key=lambda pair: pair[0], default=(0.0, None))[1]
