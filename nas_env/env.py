"""The environment: one lane of an MDP, an evaluator that scores, an objective that rewards."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from nas_env import registry
from nas_env.architecture import Candidate
from nas_env.errors import IncompatibleError, InvalidSettingError
from nas_env.evaluation import Budget, Evaluation
from nas_env.evaluators import EVALUATORS, Cached, Evaluator
from nas_env.mdp import MDPS, State
from nas_env.objectives import OBJECTIVES, Objective
from nas_env.spaces import SPACES, SearchSpace
from nas_env.store import Store, open_store
from nas_env.tasks import TASKS, Task

DEFAULT_SPACES = {"image": "chain", "vector": "mlp"}
TRUE, FALSE = np.bool_(True), np.bool_(False)  # a Python bool in `info` breaks TorchRL's reader


class NASEnv(gymnasium.Env[Any, np.int64]):
    """Build a network decision by decision; the reward comes from training it.

    Decisions: `Discrete(num_decisions)`: the next decision of the search space, such as a layer or
        "stop". `info["action_mask"]` (int8) and `action_masks()` (bool) say which are legal.
    Observation: "tokens" (default), the decisions so far; "state", the number of the automaton
        state; "features", bounded numbers of the partial network. See `nas_env.observations`.
    Reward: 0 until the walk is complete, then the objective's score of the trained network.
    Episode end: `terminated` when the walk is complete. `info["evaluation"]` then holds outcome,
        score and metrics, `info["architecture"]` the network as JSON text.
    Reference: Baker et al., ICLR 2017, for the process; the spaces name their own sources.

    Example:
        >>> import gymnasium as gym, nas_env
        >>> env = gym.make("NAS-v0", evaluator="synthetic")
        >>> observation, info = env.reset(seed=0)
        >>> observation, reward, terminated, truncated, info = env.step(3)
        >>> int(info["decision"]), reward, terminated
        (3, 0.0, False)

    Args:
        space: Name of a search space, or the space; None takes the one for the task's modality.
        task: Name of a task, or the task; None takes the space's own default, or "arrays" where
            `data` is given.
        evaluator: Name of an evaluator, or the evaluator.
        objective: Name of an objective, or the objective.
        mdp: Name of an MDP.
        observation: "tokens", "state" or "features".
        illegal: "project", "terminate", "stay" or "raise"; see `nas_env.mdp.Construct`.
        budget: What one evaluation may cost.
        store: None (in memory), a path of a SQLite file, an SQLAlchemy URL, or a store.
        data: Path or arrays for a task that takes data.
        max_params: Limit on parameters, kept by the mask.
        device: Device of the evaluator.
        precision: Precision of the evaluator; the verdict of "auto" is taken once per store.
        render_mode: None, "ansi" (a table) or "rgb_array" (a drawing).

    Raises:
        UnknownNameError: A name is not registered; the message says which are.
        IncompatibleError: The space does not fit the task.
    """

    metadata = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}  # noqa: RUF012

    def __init__(
        self,
        space: str | SearchSpace | None = None,
        task: str | Task | None = None,
        evaluator: str | Evaluator = "training",
        objective: str | Objective = "accuracy",
        mdp: str = "construct",
        observation: str = "tokens",
        illegal: str = "project",
        budget: Budget | Mapping[str, Any] | None = None,
        store: Store | str | Path | None = None,
        data: str | Path | Mapping[str, NDArray[Any]] | None = None,
        max_params: int | None = None,
        device: str = "auto",
        precision: str = "float32",
        render_mode: str | None = None,
    ) -> None:
        self.task = make_task(space, task, data)
        self.space = make_space(space, self.task, max_params)
        self.objective = _named(objective, OBJECTIVES)
        self.budget = _budget(budget)
        self.store = open_store(store)
        self.evaluator = _evaluator(
            evaluator, self.task, self.store, self.objective, device, precision
        )
        self.mdp = MDPS.get(mdp)(self.space, observation, illegal, self.objective.failure)
        self.action_space = self.mdp.action_space
        self.observation_space = self.mdp.observation_space
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise registry.unknown_name("render mode", render_mode, self.metadata["render_modes"])
        self.render_mode = render_mode
        low, high = self.objective.bounds
        self.reward_range = (min(low, 0.0), max(high, 0.0))
        self.candidate: Candidate | None = None
        self.evaluation: Evaluation | None = None
        self._state: State | None = None
        self._over = True

    @property
    def state(self) -> State:
        """The state of the episode; a value that may be kept and set again.

        Raises:
            gymnasium.error.ResetNeeded: Before the first reset.
        """
        if self._state is None:
            raise gymnasium.error.ResetNeeded("There is no state yet. Call reset() first.")
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        if not isinstance(state, State):
            raise InvalidSettingError(
                f"A state must be a nas_env.mdp.State, but is {type(state).__name__}. "
                "Set what was read from `state`."
            )
        self._state = state
        self._over = self.mdp.over(state)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode with the empty network. No options are known."""
        super().reset(seed=seed)
        if options:
            raise registry.unknown_name("reset option", next(iter(options)), ["none"])
        move = self.mdp.begin(self.np_random)
        self._state, self._over = move.state, False
        self.candidate = self.evaluation = None
        return self.mdp.observe(move.state), {"action_mask": self.mdp.mask(move.state).copy()}

    def step(self, action: np.int64 | int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take one decision; train and score the network where the walk is complete.

        Whatever the network does is an outcome in `info["evaluation"]`, never an exception.

        Raises:
            gymnasium.error.ResetNeeded: The episode is over.
            IllegalDecisionError: The action is illegal and the mode is "raise".
        """
        before = self.state
        if self._over:
            raise gymnasium.error.ResetNeeded("The episode is over. Call reset() first.")
        move = self.mdp.advance(before, int(action))
        score = None if move.pending is None else self._score(move.pending)
        self._state, reward = self.mdp.settle(before, move, score)
        self._over = move.terminated or move.truncated
        info: dict[str, Any] = {
            "action_mask": self.mdp.mask(self._state).copy(),
            "decision": move.decision,
            "illegal_action": TRUE if move.illegal else FALSE,
        }
        if move.pending is not None and self.evaluation is not None:
            info["evaluation"] = {"score": score, **self.evaluation.summary()}
            info["architecture"] = move.pending.architecture.text
        return self.mdp.observe(self._state), reward, move.terminated, move.truncated, info

    def action_masks(self) -> NDArray[np.bool_]:
        """Return (actions,) bool, True where legal; the name sb3-contrib looks for."""
        return self.mdp.mask(self.state).astype(np.bool_)

    def render(self) -> Any:
        """Return the network so far: a table (str) or a drawing (height, width, 3) uint8."""
        from nas_env.rendering import draw, rgb_array, text_table

        if self.render_mode is None:
            return None
        complete = bool(self.space.automaton().final[self.state.node])
        partial = self.space.partial(self.state.walk)
        if self.render_mode == "ansi":
            return text_table(partial, self.task.spec, complete)
        title = "" if self.state.score is None else f"score {self.state.score:.4f}"
        return rgb_array(draw(partial, self.task.spec, title, complete))

    def _score(self, candidate: Candidate) -> float:
        self.candidate = candidate
        self.evaluation = self.evaluator.evaluate([candidate], self.budget)[0]
        return self.objective.score(self.evaluation)


def make_task(
    space: str | SearchSpace | None,
    task: str | Task | None,
    data: str | Path | Mapping[str, NDArray[Any]] | None,
) -> Task:
    """Return the task that `NASEnv`'s arguments name."""
    if isinstance(task, Task):
        return task
    if task is None:
        task = "arrays" if data is not None else _default_task(space)
    factory = TASKS.get(task)
    if data is None and task == "arrays":
        raise InvalidSettingError("Task 'arrays' needs data. Give data=PATH of an .npz file.")
    try:
        return factory() if data is None else factory(data=data)
    except TypeError as error:
        if data is None or "unexpected keyword argument 'data'" not in str(error):
            raise
        raise InvalidSettingError(
            f"Task {task!r} takes no data, but data={data!r} was given. Use task='arrays'."
        ) from None


def _default_task(space: str | SearchSpace | None) -> str:
    name = space.name if isinstance(space, SearchSpace) else space or "chain"
    if isinstance(space, SearchSpace) and name not in SPACES:
        raise InvalidSettingError(
            f"Space {name!r} is not registered, so it has no default task. Give task=NAME; "
            f"known: {', '.join(TASKS)}."
        )
    return SPACES.get(name).default_task


def make_space(space: str | SearchSpace | None, task: Task, max_params: int | None) -> SearchSpace:
    """Return the search space that `NASEnv`'s arguments name, or refuse one that does not fit."""
    spec = task.spec
    if isinstance(space, SearchSpace):
        if max_params is not None and max_params != space.max_params:
            raise InvalidSettingError(
                f"max_params={max_params} cannot be set on a finished space. "
                "Give the space its own max_params."
            )
        made = space
    else:
        name = space or DEFAULT_SPACES[spec.modality]
        factory = SPACES.get(name)
        modality = factory().modality
        if modality == spec.modality:
            return factory(spec.input_shape, spec.num_outputs, max_params)
        made = factory()
    if made.modality != spec.modality:
        fitting = [name for name in SPACES if SPACES.get(name)().modality == spec.modality]
        raise IncompatibleError(
            f"Space {made.name!r} builds networks for {made.modality} tasks, but task "
            f"{spec.name!r} is of modality {spec.modality!r}. Spaces that fit: "
            f"{', '.join(fitting)}."
        )
    wanted = (made.input_shape or spec.input_shape, made.num_outputs or spec.num_outputs)
    if wanted != (spec.input_shape, spec.num_outputs):
        raise IncompatibleError(
            f"Space {made.name!r} was made for inputs {wanted[0]} and {wanted[1]} classes, but "
            f"task {spec.name!r} has {spec.input_shape} and {spec.num_outputs}. "
            "Make the space for the task."
        )
    return made


def _named(given: str | Objective, known: registry.Registry[Any]) -> Objective:
    return known.get(given)() if isinstance(given, str) else given


def _budget(budget: Budget | Mapping[str, Any] | None) -> Budget:
    if isinstance(budget, Budget):
        return budget
    known = list(Budget.__dataclass_fields__)
    for name in budget or {}:
        if name not in known:
            raise registry.unknown_name("budget setting", name, known)
    return Budget(**dict(budget or {}))


def _evaluator(
    given: str | Evaluator,
    task: Task,
    store: Store,
    objective: Objective,
    device: str,
    precision: str,
) -> Evaluator:
    """Return the evaluator with the store around it, unless its answers are free."""
    if not isinstance(given, str):
        return given
    factory = EVALUATORS.get(given)
    if precision == "auto" and not getattr(factory, "free", False):
        precision = _settled_precision(factory, task, store, device)
    made = factory(task=task, device=device, precision=precision)
    return made if made.free else Cached(made, store, objective)


def _settled_precision(factory: Any, task: Task, store: Store, device: str) -> str:
    """Return the store's verdict on "auto"; take it now where there is none."""
    name = f"precision/{task.fingerprint}/{device}"
    if store.setting(name) is None:
        store.set(name, factory(task=task, device=device, precision="auto").precision)
    verdict = store.setting(name)
    return verdict or "float32"
