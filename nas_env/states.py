"""States of the Markov decision processes: values that can be stored, compared and restored."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

from nas_env.spaces import Walk


class BaseState(Protocol):
    """Attributes that the states of all MDPs share.

    Attributes:
        node: Index of the automaton state after the walk.
        walk: The decisions of the network so far.
        spent: Additive cost (parameters) of the walk, 0 if the space has no additive cost.
        steps: Actions so far, including illegal ones.
        score: Score of the network, None if it has not been scored.
    """

    @property
    def node(self) -> int: ...  # noqa: D102 - described above
    @property
    def walk(self) -> Walk: ...  # noqa: D102
    @property
    def spent(self) -> int: ...  # noqa: D102
    @property
    def steps(self) -> int: ...  # noqa: D102
    @property
    def score(self) -> float | None: ...  # noqa: D102


class State(NamedTuple):
    """The state of an episode of "construct".

    Attributes:
        node: Index of the automaton state.
        walk: Decisions so far.
        spent: Additive cost (parameters) so far, 0 if the space has no additive cost.
        steps: Actions so far; more than the decisions if illegal actions were ignored.
        score: Score of the finished network, None before.
    """

    node: int = 0
    walk: Walk = ()
    spent: int = 0
    steps: int = 0
    score: float | None = None


class EditState(NamedTuple):
    """The state of an episode of "edit".

    Attributes:
        node: Index of the automaton state after the walk.
        walk: Decisions of the current network, always complete.
        spent: Additive cost (parameters) of the network, 0 if the space has no additive cost.
        steps: Actions so far, including illegal ones.
        score: Score of the network.
        best: The best score of the episode so far.
        loss: Validation loss in nats; infinite if the evaluation failed or has no loss.
        accuracy: Validation accuracy, a fraction; 0 if the evaluation failed or has no accuracy.
        last: Index of the last edit in the space's `edit_rules.edits`, -1 before the first.
        draw: Seed of the episode's samples, from the environment's generator.
        ended: Whether the agent stopped, or an illegal action ended the episode.
        lineage: The earlier walks whose weights the network inherits, oldest first.
    """

    node: int
    walk: Walk
    spent: int = 0
    steps: int = 0
    score: float | None = None
    best: float = -math.inf
    loss: float = math.inf
    accuracy: float = 0.0
    last: int = -1
    draw: int = 0
    ended: bool = False
    lineage: tuple[Walk, ...] = ()
