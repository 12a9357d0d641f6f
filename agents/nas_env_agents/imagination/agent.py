"""`imagination`: model-based search with hundreds of imagined episodes per evaluation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import log
from typing import Any, Self

import gymnasium
import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import is_count
from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Evaluation
from nas_env.evaluators.synthetic import Synthetic
from nas_env.registry import unknown_name
from nas_env.spaces import Walk
from nas_env_agents.common.asynchronous import Asynchronous
from nas_env_agents.common.base import AGENTS
from nas_env_agents.common.environments import simulates_seconds
from nas_env_agents.common.rules import check_rules, is_number, switches
from nas_env_agents.common.walks import WalkAgent, check_score
from nas_env_agents.imagination.acquisition import log_expected_improvement, upper_confidence_bound
from nas_env_agents.imagination.model import RewardModel
from nas_env_agents.imagination.planner import PLANNERS, Dream
from nas_env_agents.imagination.process import Posterior
from nas_env_agents.imagination.targets import TARGETS, Numbers
from nas_env_agents.imagination.threads import one_thread

NO_SECONDS = "This environment reports no evaluation time. Leave per_second=True out."


@AGENTS.register("imagination")
class Imagination(WalkAgent):
    """Learns a model of the reward, plans episodes in it, and plays the best one.

    The model is a Gaussian process that predicts rank-normalised scores of walks; its `Kernel`
    learns how similar decisions are. The value of an imagined walk is an upper confidence bound.
    The first walks are random, drawn decision by decision. In a space of at most 20,000 walks, no
    walk is evaluated twice before all have been; in a larger one, no walk is evaluated twice while
    new ones are found. When all have been evaluated, the answer is evaluated again.

    Args:
        env: One environment.
        seed: Seed of the agent.
        planner: "tree" (UCT) or "policy" (REINFORCE on imagined episodes). Without RL, for
            comparison: "climb" (hill climbing) and "pool" (the best of 512 random walks).
        initial: Number of random walks before the model is used.
        optimism: Number of standard deviations added to the mean.
        target: "rank" for normal scores of the ranks, "score" for standardised scores.
        learn_kernel: Fit the kernel; if False, k = 0.6^d for walks that differ in d decisions.
        descriptors: Compare walks also by the space's descriptors (`SearchSpace.descriptors`).
        batch_size: Walks proposed before the first of them is evaluated. Pending walks are assumed
            to have their predicted mean (the "kriging believer").
        random_share: Probability that a walk is random instead.
        noisy: Scores are noisy: `predict` follows the evaluated walk with the highest predicted
            mean instead of the one with the highest score.
        per_second: Maximise the logarithm of expected improvement per predicted second instead;
            `optimism` is then not used. A second model, with a fitted kernel and without
            descriptors, predicts the logarithm of seconds; failed networks do not count. Note that
            the first network that a process trains takes longer than later ones.

    Raises:
        IncompatibleError: The environment is not one of nas_env, or a wrapper changes its rewards.
        UnknownNameError: No such planner or target.
        InvalidSettingError: A setting is out of its range, the space has no descriptors, or
            `per_second` is set and the environment reports no evaluation time.
    """

    NAMES = (
        "planner",
        "initial",
        "optimism",
        "target",
        "learn_kernel",
        "descriptors",
        "batch_size",
        "random_share",
        "noisy",
        "per_second",
    )

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        seed: int = 0,
        planner: str = "tree",
        initial: int = 8,
        optimism: float = 1.0,
        target: str = "rank",
        learn_kernel: bool = True,
        descriptors: bool = False,
        batch_size: int = 1,
        random_share: float = 0.0,
        noisy: bool = False,
        per_second: bool = False,
    ) -> None:
        super().__init__(env, seed)
        check_rules(
            ("initial", initial, is_count(initial), "an integer >= 1"),
            ("optimism", optimism, is_number(optimism, 0), "a finite number >= 0"),
            ("batch_size", batch_size, is_count(batch_size), "an integer >= 1"),
            ("random_share", random_share, is_number(random_share, 0, 1), "a number in [0, 1]"),
            *switches(learn_kernel=learn_kernel, descriptors=descriptors),
            *switches(noisy=noisy, per_second=per_second),
        )
        if not isinstance(target, str) or target not in TARGETS:
            raise unknown_name("target", target, TARGETS)
        if per_second:
            check_seconds(env.unwrapped)
        self.planner, self.initial, self.optimism = planner, initial, optimism
        self.target, self.learn_kernel, self.descriptors = target, learn_kernel, descriptors
        self.batch_size, self.random_share = batch_size, random_share
        self.noisy, self.per_second = noisy, per_second
        self.model = RewardModel(self.space, target, learn_kernel, descriptors)
        self.log_seconds = RewardModel(self.space, "score")
        self.plan = PLANNERS.get(planner)(self.space)
        self.num_initial = initial  # fewer after advice
        self.queue: list[Walk] = []  # proposals that wait to be played
        self.pending: list[Walk] = []  # and all without a result

    def learn(self, *arguments: Any, **kwargs: Any) -> Self:
        """Learn; walks that an interruption left pending are played first."""
        self.queue = list(self.pending)
        return super().learn(*arguments, **kwargs)

    def propose(self) -> Walk:
        """Return the next walk to evaluate."""
        if not self.queue:
            with one_thread():
                self.queue = self._plan_ahead(self.batch_size)
        return self.queue.pop(0)

    def advise(self, scores: Mapping[Walk, float], neighbours: int | None = None) -> None:
        """Learn networks that were evaluated before the search, and propose walks near them first.

        Args:
            scores: Score of each walk. They count as initial walks.
            neighbours: Number of walks one decision away from the advised walks that are proposed
                before the model is used, in place of random walks; from the best walk first. None:
                random walks, up to the number of initial walks.

        Raises:
            IllegalDecisionError: A walk is not complete and legal in this space.
            InvalidSettingError: A score is not finite.
        """
        for walk, score in scores.items():
            self.receive(walk, score)
        if neighbours is None:
            return
        nearby: list[Walk] = []
        for walk in sorted(scores, key=lambda x: -scores[x]):
            order = self.rng.permutation(len(close := self.space.neighbours(walk)))
            seen = {*self.model.walks, *nearby}
            nearby += [close[index] for index in order if close[index] not in seen]
        self.pending += nearby[:neighbours]
        self.num_initial = min(self.initial, len(scores) + neighbours)

    def tell(self, walk: Walk, score: float) -> None:
        """Add an evaluation to the model.

        Raises:
            IllegalDecisionError: The walk is not complete and legal in this space.
            InvalidSettingError: The score is not finite, or `per_second` is set without a time.
        """
        check_score(walk, score)
        self.space.require(walk, limited=False)
        if walk in self.pending:
            self.pending.remove(walk)
        self.model.tell(walk, score)
        if self.per_second and self.evaluation is not None and self.evaluation.ok:
            self.log_seconds.tell(walk, log(seconds_of(self.evaluation)))

    def answer(self) -> Walk:
        """Return the best evaluated walk: by score, or by predicted mean if noisy.

        Raises:
            InvalidSettingError: No walk has been evaluated.
        """
        if not len(self.model):
            raise InvalidSettingError("No walk has been evaluated. Call learn() first.")
        with one_thread():
            values = self.model.expected() if self.noisy else self.model.scores
        return list(self.model.walks)[int(values.argmax())]

    def followed(self) -> Walk:
        """Return the answer, which `predict` follows."""
        return self.answer() if len(self.model) else ()

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain data."""
        return {**super().settings(), **{name: getattr(self, name) for name in self.NAMES}}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the model, the planner and the proposals that wait."""
        plan = {f"plan_{name}": array for name, array in self.plan.arrays().items()}
        seconds = {f"seconds_{name}": x for name, x in self.log_seconds.arrays().items()}
        waiting = np.array(json.dumps([self.queue, self.pending, self.num_initial]))
        return {**super().arrays(), **self.model.arrays(), **plan, **seconds, "waiting": waiting}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back what `arrays` returned."""
        super().restore(arrays)
        self.model.restore(arrays)
        self.plan.restore(_under("plan_", arrays))
        self.log_seconds.restore(_under("seconds_", arrays))
        queue, pending, self.num_initial = json.loads(str(arrays["waiting"]))
        self.queue, self.pending = list(map(tuple, queue)), list(map(tuple, pending))

    def _plan_ahead(self, count: int) -> list[Walk]:
        """Return `count` walks, planned without the scores of one another."""
        posterior: Posterior | None = None
        walks: list[Walk] = []
        for _ in range(count):
            walk: Walk | None = None
            if self._knows_enough():
                if posterior is None:
                    posterior = self._believed()
                walk = self._imagined(posterior)
            walk = walk or self.fresh({*self.model.walks, *self.pending})
            if posterior is not None:
                posterior = posterior.extended(self.model.encode([walk]))
            self.pending.append(walk)
            walks.append(walk)
        return walks

    def _knows_enough(self) -> bool:
        """Return whether the initial random walks, or all walks of the space, were proposed."""
        begun = len(self.model) + len(self.pending)
        return len(self.model) > 0 and begun >= min(self.num_initial, self.num_walks)

    def _believed(self) -> Posterior:
        """Return the posterior, after a fit if one is due.

        Pending walks are assumed to have their predicted mean.
        """
        self.model.fit()
        self.log_seconds.fit()
        posterior = self.model.posterior()
        for walk in self.pending:
            posterior = posterior.extended(self.model.encode([walk]))
        return posterior

    def _imagined(self, posterior: Posterior) -> Walk | None:
        """Return the best new walk of the planner; None if a random one is due."""
        if len(self.model) >= self.num_walks:
            return self.answer()
        if self.random_share and self.rng.random() < self.random_share:
            return None
        order = np.argsort(-self.model.scores, kind="stable")
        evaluated = list(self.model.walks)
        elites = [evaluated[index] for index in order[:5]]
        value = self._per_second if self.per_second else self._bound
        seen = {*evaluated, *self.pending}
        dream = Dream(lambda walks: value(posterior, list(walks)), seen, elites)
        self.plan.imagine(dream, self.rng)
        self.logger.record("imagination/best_value", dream.best_value)
        return dream.best or self.unknown(seen)

    def _bound(self, posterior: Posterior, walks: list[Walk]) -> Numbers:
        mean, spread = posterior.predict(self.model.encode(walks))
        return upper_confidence_bound(mean, spread, self.optimism)

    def _per_second(self, posterior: Posterior, walks: list[Walk]) -> Numbers:
        """Return the logarithm of the expected improvement per predicted second."""
        mean, spread = posterior.predict(self.model.encode(walks))
        targets = posterior.data.targets[: len(self.model)]
        incumbent = float((self.model.expected() if self.noisy else targets).max())
        gain = log_expected_improvement(mean, spread, incumbent)
        return gain - self._expected_log_seconds(walks) if len(self.log_seconds) else gain

    def _expected_log_seconds(self, walks: list[Walk]) -> Numbers:
        """Return the predicted logarithm of the seconds of evaluations."""
        log_seconds = self.log_seconds.scores
        mean, _ = self.log_seconds.posterior().predict(self.log_seconds.encode(walks))
        return np.asarray(log_seconds.mean() + log_seconds.std() * mean)


def seconds_of(evaluation: Evaluation) -> float:
    """Return the cost of an evaluation in seconds, from the table or measured.

    Raises:
        InvalidSettingError: Neither is available.
    """
    seconds = float(evaluation.metrics.get("simulated_seconds", 0.0)) or evaluation.seconds
    if seconds <= 0:
        raise InvalidSettingError(NO_SECONDS)
    return seconds


def check_seconds(env: Any) -> None:
    """Check that the environment can report evaluation time.

    Raises:
        InvalidSettingError: Its evaluator is synthetic, or its table has no training times for the
            environment's number of epochs.
    """
    looked_up = getattr(env.evaluator, "table", None) is not None
    if isinstance(env.evaluator, Synthetic) or (looked_up and not simulates_seconds(env)):
        raise InvalidSettingError(NO_SECONDS)


def _under(prefix: str, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the arrays whose names start with a prefix, without it."""
    return {x.removeprefix(prefix): y for x, y in arrays.items() if x.startswith(prefix)}


@AGENTS.register("async-imagination")
class AsyncImagination(Asynchronous, Imagination):
    """Imagination over all slots of the evaluator: plans a walk when a slot becomes free.

    Running walks are assumed to have their predicted mean. See `Asynchronous` and `Imagination`.
    """
