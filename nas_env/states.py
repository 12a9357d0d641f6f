"""States of the Markov decision processes: values that can be stored, compared and set again."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

from nas_env.spaces import Walk


class BaseState(Protocol):
    """What the states of all processes have in common.

    Attributes:
        node: Number of the automaton state that the walk leads to.
        walk: The decisions of the network so far.
        spent: Additive cost (parameters) of the walk, 0 where the space declares none.
        steps: Actions so far, illegal ones included.
        score: Score of the network, None before it has one.
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
    """The state of an episode that constructs a network.

    Attributes:
        node: Number of the automaton state.
        walk: Decisions so far.
        spent: Additive cost (parameters) so far, 0 where the space declares none.
        steps: Actions so far; more than decisions where illegal ones were ignored.
        score: Score of the finished network, None before.
    """

    node: int = 0
    walk: Walk = ()
    spent: int = 0
    steps: int = 0
    score: float | None = None


class EditState(NamedTuple):
    """The state of an episode that edits a network.

    Attributes:
        node: Number of the automaton state that the walk leads to.
        walk: Decisions of the present network, always complete.
        spent: Its additive cost (parameters), 0 where the space declares none.
        steps: Actions so far, illegal ones included.
        score: Its score.
        best: The best score of the episode so far.
        loss: Its validation loss in nats; infinite where it failed or has none.
        accuracy: Its validation accuracy, a fraction; 0 where it failed or has none.
        last: Number of the last edit in the space's `edit_rules.edits`, -1 before the first.
        draw: Seed of the episode's own draws, from the environment's generator.
        ended: Whether the agent stopped, or an illegal action ended the episode.
        lineage: The walks before it whose weights it inherits, oldest first.
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
