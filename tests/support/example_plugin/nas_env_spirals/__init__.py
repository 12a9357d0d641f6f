"""A plug-in for nas-env: a search space, a task, an objective and an environment."""

from __future__ import annotations

import math
from typing import Any

import gymnasium
import numpy as np

from nas_env.architecture import Architecture, Candidate, Layer, Shape
from nas_env.evaluation import Evaluation
from nas_env.objectives.base import OBJECTIVES, Objective
from nas_env.spaces.base import SPACES, Choice, Option, SearchSpace, SpaceFactory, Walk
from nas_env.tasks.base import TASKS
from nas_env.tasks.supervised import Split, SupervisedTask, stratified_split

WIDTHS = (4, 8, 16, 32)
OPTIONS = tuple(Option(f"linear {width}", {"units": (width, width)}) for width in WIDTHS)


class TwoWidths(SearchSpace):
    """Choose a width twice.

    Decisions: 0-3 a fully connected layer of 4, 8, 16 or 32 units, twice.
    Episode end: the second decision.
    """

    name, modality, num_decisions, max_length = "two-widths", "vector", len(WIDTHS), 2
    distinct = True
    feature_names = ("depth",)

    def __init__(self, input_shape: Shape, num_outputs: int, max_params: int | None) -> None:
        self.input_shape, self.num_outputs, self.max_params = input_shape, num_outputs, max_params

    def start(self) -> Walk:
        """Return the empty walk."""
        return ()

    def choice(self, state: Any) -> Choice | None:
        """Return all widths; None after two."""
        legal = tuple(range(len(WIDTHS)))
        return Choice(f"layer {len(state) + 1}", legal, OPTIONS) if len(state) < 2 else None

    def follow(self, state: Any, decision: int) -> Walk:
        """Return the longer walk."""
        return (*state, decision)

    def assemble(self, walk: Walk) -> Candidate:
        """Return the network, trained by the default recipe."""
        return Candidate(self.partial(walk), walk=walk)

    def partial(self, walk: Walk) -> Architecture:
        """Return the layers decided so far."""
        return Architecture(tuple(Layer.of("linear", units=WIDTHS[x]) for x in walk))

    def features(self, state: Any) -> tuple[float, ...]:
        """Return the share of layers decided."""
        return (len(state) / 2,)


SPACES.register("two-widths")(SpaceFactory(TwoWidths, "spirals", (2,), "Two layers, 4 widths."))


@TASKS.register("spirals")
def spirals() -> SupervisedTask:
    """Return two spirals in the plane: 600 points of two classes, split 60/20/20."""
    rng = np.random.default_rng(0)
    y = np.arange(600) % 2
    angle = rng.uniform(0.5, 3 * np.pi, 600)
    turned = angle + np.pi * y
    points = np.stack([angle * np.cos(turned), angle * np.sin(turned)], axis=1) / 5
    x = (points + rng.normal(0, 0.05, points.shape)).astype(np.float32)
    train, validation, test = (
        Split(x[part], y[part]) for part in stratified_split(y, (0.6, 0.2, 0.2))
    )
    return SupervisedTask("spirals", train, validation, test, num_outputs=2)


@OBJECTIVES.register("log-error")
class LogError(Objective):
    """Minus the decimal logarithm of the validation error, in [0, 4]."""

    bounds = (0.0, 4.0)
    failure = 0.0
    needs = ("accuracy",)

    def value(self, evaluation: Evaluation) -> float:
        """Return the value, which `score` clips to the bounds."""
        return -math.log10(max(1.0 - evaluation.metrics["accuracy"], 1e-4))


gymnasium.register(
    "Spirals-v0",
    "nas_env.env:NASEnv",
    vector_entry_point="nas_env.vector:NASVectorEnv",
    kwargs={"space": "two-widths", "task": "spirals", "objective": "log-error"},
)
