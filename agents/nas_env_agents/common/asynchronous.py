"""Asynchronous agents: they evaluate as many walks in parallel as the evaluator has slots."""

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

    Walks go to the environment's evaluator directly (`Evaluator.stream`), without environment
    steps. When a slot becomes free, the agent proposes the next walk from all results so far, so a
    slow network never blocks a worker. With one slot, the decisions equal those of the agent that
    steps; with several, they depend on which network finishes first. Wrappers see no steps, but
    `TrackSearch` records all evaluations, and callbacks are called as often as if each walk were
    played.

    At the limit on evaluations, episodes or steps, the agent makes no further proposals and waits
    for running evaluations. If a callback returns False (also for a reached score, a limit on
    seconds, or stagnation), it does not wait.

    Raises:
        IncompatibleError: The environment has mdp="edit", or its evaluator needs batches
            (`Halving`).
    """

    def __init__(self, env: gymnasium.Env[Any, Any], *arguments: Any, **kwargs: Any) -> None:
        super().__init__(env, *arguments, **kwargs)
        if self.edits:
            raise IncompatibleError(
                f"Agent {type(self).__name__} evaluates without steps, but mdp='edit' scores every "
                "step of an episode. Use mdp='construct'."
            )
        if self.env.unwrapped.evaluator.needs_batches:  # type: ignore[attr-defined]
            raise IncompatibleError(
                f"Agent {type(self).__name__} evaluates one network after another, but the "
                "evaluator needs batches. Use evaluator='median-stopping', or an agent with "
                "rollouts, such as ppo with deferred=True."
            )
        self._running: dict[int, Candidate] = {}

    def recall(self, results: Sequence[tuple[Candidate, Evaluation]]) -> None:
        """Learn the results of an interrupted search, in order.

        The random generator is seeded with the seed and the number of evaluations, because the
        draws for the networks that ran at the interruption are not recorded.

        Args:
            results: Candidates and their evaluations.
        """
        self._begin()
        for candidate, evaluation in results:
            self.num_timesteps += len(candidate.walk)
            self._learn_of(candidate, evaluation)
        if results:
            self.rng = np.random.default_rng((self.seed, len(results)))

    def _play(self, callbacks: BaseCallback) -> None:
        """Evaluate proposals until the limit, or until the callback returns False."""
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
        """Reset the environment once, to seed its random generator."""
        if not self._seeded:
            self.env.reset(seed=self.seed)
            self._seeded = True

    def _may_propose(self) -> bool:
        """Return whether one more evaluation, besides the running ones, stays within the limits."""
        tracker = tracker_of(self.env)
        steps = sum(len(candidate.walk) for candidate in self._running.values())
        if self.num_timesteps + steps >= self._total_timesteps:
            return False
        return tracker is None or tracker.may_begin(len(self._running))

    def _proposals(self) -> Iterator[Candidate]:
        """Yield candidates, each proposed on demand."""
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
        """Process an evaluation at the last step of its walk; return whether to continue."""
        for remaining in reversed(range(len(candidate.walk))):
            self.num_timesteps += 1
            score = 0.0 if remaining else self._learn_of(candidate, evaluation)
            if not after_step(callbacks, remaining == 0, score):
                return False
        return True

    def _learn_of(self, candidate: Candidate, evaluation: Evaluation) -> float:
        """Record an evaluation in the tracker, if there is one; learn and return its score."""
        tracker, inner = tracker_of(self.env), self.env.unwrapped
        if tracker is None:
            score = float(inner.objective.score(evaluation))  # type: ignore[attr-defined]
        else:
            score = tracker.enter(candidate, evaluation)
        self.evaluation = evaluation
        self.receive(candidate.walk, score)
        return score
