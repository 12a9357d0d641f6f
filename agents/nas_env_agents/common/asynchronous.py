"""Asynchronous agents: as many proposals are evaluated at once as the evaluator has slots."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import gymnasium
import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from nas_env.architecture import Candidate
from nas_env.errors import IncompatibleError
from nas_env.evaluation import Evaluation
from nas_env_agents.common.callbacks import after_step
from nas_env_agents.common.limits import tracker_of
from nas_env_agents.common.walks import WalkAgent


class Asynchronous(WalkAgent):
    """Mixin for agents that propose walks, placed before them in the bases.

    Walks go to the environment's evaluator without steps (`Evaluator.stream`): whenever one of its
    slots is free, the next proposal is made from all that is known by then, so that a slow network
    never holds up a worker. With one slot these are the decisions of the agent that steps; with
    several, they depend on which network is done first. Wrappers see no steps, but the books of a
    search are kept, and callbacks are called as often as if the walk were played.

    At the limit on evaluations or episodes, and where the steps are used up, what runs is waited
    for; proposals that would go over it are not made. Where a callback says stop, which includes a
    reached score, a limit on seconds and stagnation, what runs is not waited for.

    Raises:
        IncompatibleError: The environment is not one that appends decisions, or its evaluator needs
            batches (`Halving`).
    """

    def __init__(self, env: gymnasium.Env[Any, Any], *arguments: Any, **named: Any) -> None:
        super().__init__(env, *arguments, **named)
        if self.edits:
            raise IncompatibleError(
                f"Agent {type(self).__name__} evaluates without steps, but mdp='edit' scores every "
                "step of an episode. Use mdp='construct'."
            )
        if self.env.unwrapped.evaluator.needs_batches:  # type: ignore[attr-defined]
            raise IncompatibleError(
                f"Agent {type(self).__name__} evaluates one network after another, but the "
                "evaluator compares those of a batch. Use evaluator='median-stopping', or an agent "
                "of rollouts, such as ppo with deferred=True."
            )
        self._running: dict[int, Candidate] = {}

    def recall(self, told: Sequence[tuple[Candidate, Evaluation]]) -> None:
        """Take in what an interrupted search was told, in order, as if it were told now.

        The random state goes on from the seed and the number of evaluations: what was drawn for
        the networks that ran at the interruption is not known.

        Args:
            told: Candidates and what came out of them.
        """
        self._begin()
        for candidate, evaluation in told:
            self.num_timesteps += len(candidate.walk)
            self._learn_of(candidate, evaluation)
        if told:
            self.rng = np.random.default_rng((self.seed, len(told)))

    def _play(self, callbacks: BaseCallback) -> None:
        """Evaluate proposals until the limit, or until the callback says stop."""
        self._begin()
        inner: Any = self.env.unwrapped
        going = True
        while going and self._may_propose():
            stream = inner.evaluator.stream(self._proposals(), inner.budget)
            try:
                for index, evaluation in stream:
                    going = self._take_in(self._running.pop(index), evaluation, callbacks)
                    if not going:
                        break
            finally:
                stream.close()
                self._running.clear()

    def _begin(self) -> None:
        """Reset the environment once, which seeds what it draws."""
        if not self._seeded:
            self.env.reset(seed=self.seed)
            self._seeded = True

    def _may_propose(self) -> bool:
        """Return whether another evaluation stays within steps and limits with those that run."""
        tracker = tracker_of(self.env)
        steps = sum(len(candidate.walk) for candidate in self._running.values())
        if self.num_timesteps + steps >= self._total_timesteps:
            return False
        return tracker is None or tracker.may_begin(len(self._running))

    def _proposals(self) -> Iterator[Candidate]:
        """Yield candidates, each proposed when it is asked for."""
        for index in itertools.count():
            if not self._may_propose():
                return
            walk = self.propose()
            if walk is None:
                return
            self._running[index] = self.space.decode(walk)
            yield self._running[index]

    def _take_in(
        self, candidate: Candidate, evaluation: Evaluation, callbacks: BaseCallback
    ) -> bool:
        """Learn of an evaluation at the last of its walk's steps; return whether to go on."""
        for left in reversed(range(len(candidate.walk))):
            self.num_timesteps += 1
            score = 0.0 if left else self._learn_of(candidate, evaluation)
            if not after_step(callbacks, left == 0, score):
                return False
        return True

    def _learn_of(self, candidate: Candidate, evaluation: Evaluation) -> float:
        """Enter an evaluation into the books, if there are any, learn its score, and return it."""
        tracker, inner = tracker_of(self.env), self.env.unwrapped
        if tracker is None:
            score = float(inner.objective.score(evaluation))  # type: ignore[attr-defined]
        else:
            score = tracker.enter(candidate, evaluation)
        self.evaluation = evaluation
        self.receive(candidate.walk, score)
        return score
