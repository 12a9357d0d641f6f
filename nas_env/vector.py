"""The vector environment: steps all lanes together and scores them in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from nas_env import registry
from nas_env.architecture import is_count
from nas_env.env import NASEnv
from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Budget
from nas_env.evaluators import Evaluator
from nas_env.factories import checked_options, draw_training_seed
from nas_env.lanes import Budgets, LaneInfos, Lanes, Scorer, make_lanes
from nas_env.lanes.base import Parts
from nas_env.mdp import BaseState
from nas_env.spaces import Walk

AUTORESET_MODES = (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP)


class LaneGenerators(Sequence[np.random.Generator]):
    """One random generator per lane, created on first use, because most MDPs never need one."""

    def __init__(self, num: int) -> None:
        self.seeds: list[int | None] = [None] * num
        self._made: list[np.random.Generator | None] = [None] * num

    def seed(self, seeds: Sequence[int | None]) -> None:
        """Seed each lane whose seed is not None; the others keep their generator."""
        for lane, seed in enumerate(seeds):
            if seed is not None:
                self.seeds[lane], self._made[lane] = seed, None

    def replace(self, generators: Sequence[np.random.Generator]) -> None:
        """Replace the generators; their seeds are unknown and become -1, as in Gymnasium."""
        self._made, self.seeds = list(generators), [-1] * len(self)

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, lane: Any) -> Any:
        generator = self._made[lane]
        if generator is None:
            generator, self.seeds[lane] = seeding.np_random(self.seeds[lane])
            self._made[lane] = generator
        return generator


class NASVectorEnv(VectorEnv[Any, NDArray[np.int64], NDArray[Any]]):
    """Step many environments at once; each lane behaves as a `NASEnv` with the same arguments.

    `gymnasium.make_vec(id, num_envs=n)` creates it for every id of this package. It holds one
    `NASEnv` as a template, and the states of all lanes; all lanes share the template's store.
    `reset(seed=s)` seeds lane i with s + i.

    With mdp="construct" the lanes are arrays, and a step looks up the compiled automaton, for
    every value of `illegal` and `observation`. If the automaton is a tree and the evaluator has an
    array path (`Evaluator.scores`), rewards are looked up too. Every other MDP, such as "edit",
    steps its lanes one by one, which is no faster, but still scores them in one batch.

    Decisions: `MultiDiscrete([num_decisions] * num_envs)`, as `NASEnv` for each lane.
        `infos["action_mask"]` (lanes, actions) int8 and `action_masks()` (bool) mark the legal
        ones.
    Observation: That of `NASEnv`, one row per lane, always a new array (measurements showed that
        reusing a buffer is no faster).
    Reward: (lanes,) float64, as `NASEnv`.
    Episode end: A lane resets automatically. "NextStep": in the lane's next step, whose action is
        ignored and whose reward is 0. "SameStep": in the same step; the observation is the first
        of the new episode, the last one is in `infos["final_obs"]`, and its info is in
        `infos["final_info"]`. The infos have the same content as those of `SyncVectorEnv`, but are
        built only on access; see `nas_env.lanes.LaneInfos`.
    Reference: Gymnasium's autoreset modes, https://farama.org/Vector-Autoreset-Mode.

    Example:
        >>> import gymnasium as gym, nas_env
        >>> envs = gym.make_vec("NAS-v0", num_envs=3, evaluator="synthetic")
        >>> observations, infos = envs.reset(seed=0)
        >>> observations, rewards, terminated, truncated, infos = envs.step([3, 0, 1])
        >>> infos["decision"].tolist(), rewards.tolist()
        ([3, 0, 1], [0.0, 0.0, 0.0])

    Args:
        num_envs: Number of lanes.
        autoreset_mode: "NextStep" or "SameStep", or Gymnasium's `AutoresetMode`.
        make: Creates the template.
        settings: Arguments of the template; see `NASEnv`.

    Raises:
        InvalidSettingError: `num_envs` is not an integer >= 1.
        UnknownNameError: The autoreset mode is not supported.
    """

    def __init__(
        self,
        num_envs: int = 1,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        make: Callable[..., NASEnv] = NASEnv,
        **settings: Any,
    ) -> None:
        self.num_envs = num_envs = checked_count(num_envs)
        self.autoreset_mode = checked_mode(autoreset_mode)
        self.template = env = make(**settings)
        self.metadata = {**env.metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = env.render_mode
        self.single_action_space = env.action_space
        self.single_observation_space = env.observation_space
        self.action_space = batch_space(env.action_space, num_envs)
        self.observation_space = batch_space(env.observation_space, num_envs)
        self._rngs = LaneGenerators(num_envs)
        self._budgets = Budgets(env.budget)
        self._begun = False
        same_step = self.autoreset_mode is AutoresetMode.SAME_STEP
        self.lanes: Lanes = make_lanes(
            Parts(
                env.mdp,
                Scorer(env.evaluator, env.objective),
                self._rngs,
                env.budget,
                self._usual_start,
                num_envs,
                same_step,
            )
        )

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Start an episode in all lanes.

        Args:
            seed: An integer seeds lane i with seed + i; a list holds one seed per lane. A lane
                whose seed is None keeps its generator.
            options: As for `NASEnv`; they apply to the current episode of every lane.
        """
        chosen = checked_options(options)
        fidelity = chosen.get("fidelity")
        budget = self.template.budget.at_fidelity(fidelity)  # raises if invalid
        self.template.evaluator.check(budget)
        seeds = self._seeds(seed)
        self._rngs.seed(seeds)
        budgets = self._drawn(seeds)
        if fidelity is not None:
            special = np.ones(self.num_envs, np.bool_)
            budgets = budgets._replace(special=special, fidelity=fidelity)
        start = chosen.get("start", self.template.start)
        observations, turn = self.lanes.reset(
            budgets, lambda budget: self.template.start_walk(start, budget)
        )
        self._begun = True
        return observations, LaneInfos(self, turn)

    def step(
        self, actions: Any
    ) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], Any]:
        """Take one action in each lane; score all finished networks in one call.

        Raises:
            gymnasium.error.ResetNeeded: `reset` has not been called yet.
            InvalidSettingError: `actions` is not one integer per lane.
            IllegalDecisionError: An action is illegal and `illegal` is "raise"; no lane was
                stepped.
        """
        if not self._begun:
            raise gymnasium.error.ResetNeeded("There are no states yet. Call reset() first.")
        actions = np.asarray(actions)
        if actions.shape != (self.num_envs,) or actions.dtype.kind not in "iu":
            raise InvalidSettingError(
                f"Actions of shape {actions.shape} and type {actions.dtype} do not fit "
                f"{self.num_envs} lanes. Pass one integer per lane: shape ({self.num_envs},)."
            )
        actions = actions.astype(np.int64, copy=False)
        observations, rewards, terminated, truncated, turn = self.lanes.step(actions)
        return observations, rewards, terminated, truncated, LaneInfos(self, turn)

    def action_masks(self) -> NDArray[np.bool_]:
        """Return a bool array (lanes, actions), True for legal actions."""
        if not self._begun:
            raise gymnasium.error.ResetNeeded("There are no states yet. Call reset() first.")
        return self.lanes.masks_now()().astype(np.bool_)

    def state(self, lane: int) -> BaseState:
        """Return the state of a lane."""
        return self.lanes.state(lane)

    def render(self) -> tuple[Any, ...] | None:
        """Return the network of each lane so far, as `NASEnv.render`."""
        if self.render_mode is None:
            return None
        frames = []
        for lane in range(self.num_envs):
            self.template.state = self.state(lane)
            frames.append(self.template.render())
        return tuple(frames)

    def close_extras(self, **_: Any) -> None:
        """Release the resources of the evaluator, such as worker processes."""
        self.template.close()

    @property
    def evaluator(self) -> Evaluator:
        """The evaluator of all lanes; can be replaced."""
        return self.template.evaluator

    @evaluator.setter
    def evaluator(self, evaluator: Evaluator) -> None:
        self.template.evaluator = evaluator
        self.lanes.ask(evaluator)

    @property
    def np_random_seed(self) -> Any:
        """The seeds of the lanes, a tuple as in `SyncVectorEnv`."""
        return tuple(self._rngs.seeds[lane] for lane, _ in enumerate(self._rngs))

    @property
    def np_random(self) -> Any:
        """The random generators of the lanes, a tuple as in `SyncVectorEnv`."""
        return tuple(self._rngs)

    @np_random.setter
    def np_random(self, value: Any) -> None:
        self._rngs.replace(value)

    def _usual_start(self, budget: Budget) -> Walk | None:
        return self.template.start_walk(self.template.start, budget)

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        """Return one seed per lane, checked by Gymnasium."""
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, int | np.integer):
            seeding.np_random(int(seed))  # raises if negative
            return [int(seed) + lane for lane in range(self.num_envs)]
        if not isinstance(seed, Sequence | np.ndarray) or len(seed) != self.num_envs:
            raise InvalidSettingError(
                f"Seed {seed!r} does not fit {self.num_envs} lanes. Pass a list with one seed per "
                "lane, or one integer."
            )
        seeds = [int(own) if isinstance(own, np.integer) else own for own in seed]
        for own in seeds:
            seeding.np_random(own)
        return seeds

    def _drawn(self, seeds: Sequence[int | None]) -> Budgets:
        """Return the budgets of the lanes' episodes; each seeded lane draws a training seed."""
        base = self.template.budget
        if not self.template.evaluator.draws:
            return Budgets(base)
        before = self._budgets.seeds
        drawn = np.full(self.num_envs, base.training_seed) if before is None else before.copy()
        for lane, seed in enumerate(seeds):
            if seed is not None:
                drawn[lane] = draw_training_seed(self._rngs[lane])
        self._budgets = Budgets(base, drawn)
        return self._budgets


def checked_count(value: int | np.integer[Any]) -> int:
    """Return the number of lanes; raise if it is not an integer >= 1."""
    num_envs = int(value) if isinstance(value, np.integer) else value
    if not is_count(num_envs):
        raise InvalidSettingError(f"Argument num_envs must be an integer >= 1, got {num_envs!r}.")
    return num_envs


def checked_mode(mode: str | AutoresetMode) -> AutoresetMode:
    """Return the autoreset mode of this name; raise if it is not supported."""
    names = [supported.value for supported in AUTORESET_MODES]
    name = mode.value if isinstance(mode, AutoresetMode) else mode
    if name not in names:
        raise registry.unknown_name("autoreset mode", name, names)
    return AutoresetMode(name)


def vector_form(make: Callable[..., NASEnv]) -> Callable[..., NASVectorEnv]:
    """Return the vector entry point for an entry point of single environments."""

    def make_vector(num_envs: int = 1, **settings: Any) -> NASVectorEnv:
        """Return a vector environment with `num_envs` lanes."""
        return NASVectorEnv(num_envs, make=make, **settings)

    return make_vector
