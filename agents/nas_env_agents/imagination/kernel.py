"""The kernel between walks; similarities of decisions are learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_env.errors import InvalidSettingError
from nas_env.spaces import SearchSpace, Walk
from nas_env_agents.common.walks import LISTED
from nas_env_agents.imagination.targets import Numbers

UNLIKE = 0.6  # similarity of two walks that differ in one decision, before learning
# Two random walks are at least as similar as walks that differ in APART decisions (0.010), so that
# long walks keep some similarity. COMPARED random walks measure how far they are apart.
APART, COMPARED = 9.0, 64
SAMPLED = 2_000  # random walks that standardise the descriptors of a space too large to be listed


class Inputs(NamedTuple):
    """Walks as arrays.

    Attributes:
        tokens: (n, positions) the decision at each position; `num_decisions` ("no decision") after
            the end of a walk.
        descriptors: (n, numbers) standardised descriptors, one array for each group.
    """

    tokens: NDArray[np.int64]
    descriptors: tuple[Numbers, ...] = ()

    def __add__(self, other: Inputs) -> Inputs:  # type: ignore[override]
        """Return these walks and others after them."""
        both = zip(self.descriptors, other.descriptors, strict=True)
        return Inputs(
            np.concatenate([self.tokens, other.tokens]),
            tuple(np.concatenate(pair) for pair in both),
        )


class Parameters(NamedTuple):
    """Views of one vector.

    Attributes:
        embedding: (symbols, dimensions) embedding of each decision.
        log_weights: (positions,) logarithm of the weight of each position.
        shares: (1 + groups,) logits of the share of each term.
        log_rates: (groups,) logarithm of the rate of each group's term.
    """

    embedding: Numbers
    log_weights: Numbers
    shares: Numbers
    log_rates: Numbers


class Kernel:
    """k(x, y) = prod_p exp(-w_p |e(x_p) - e(y_p)|^2), e and w learned.

    Each decision has an embedding e, shared by all positions; each position has a weight w. Before
    learning, two walks that differ in one decision have k = 0.6, in two 0.36. If random walks
    differ in more than 9 decisions on average, the initial weights are lowered so that such walks
    have k = 0.6^9. Decisions whose options have several fields, such as channels and kernel size,
    start the more similar the more fields agree.

    A position after the end of a shorter walk holds "no decision", a symbol with its own embedding.
    The model thus learns how similar a missing layer is to each other layer, and how much it
    matters at each position. Decisions are compared position by position from the start, so
    inserting a layer at the front shifts all later ones.

    If `described` is set, the kernel is the weighted mean of this one and, for each group of
    descriptors (`SearchSpace.descriptors`), exp(-rate * squared distance). Always k(x, x) = 1.

    Args:
        space: The space of the walks.
        described: Whether to use its descriptors.

    Raises:
        InvalidSettingError: The space has no descriptors.
    """

    def __init__(self, space: SearchSpace, described: bool = False) -> None:
        self.space = space
        self.positions, self.absent = space.max_length, space.num_decisions
        self.start = start_embedding(space)
        self.start_weight = self._start_weight()
        self._means: list[Numbers] = []
        self._spreads: list[Numbers] = []
        if described:
            self._standardise()
        self.groups = len(self._means)
        self.size = self.start.size + self.positions + (1 + 2 * self.groups if described else 0)

    def encode(self, walks: Sequence[Walk]) -> Inputs:
        """Return walks as arrays."""
        tokens = self._tokens(walks)
        if not self.groups:
            return Inputs(tokens)
        described = zip(*(self.space.descriptors(walk).values() for walk in walks), strict=True)
        scaled = zip(described, self._means, self._spreads, strict=True)
        return Inputs(tokens, tuple((np.array(x) - mean) / spread for x, mean, spread in scaled))

    def prior(self) -> tuple[Numbers, Numbers]:
        """Return (size,) means and standard deviations of the parameters, before any data."""
        rates = [-np.log(2.0 * len(mean)) for mean in self._means]
        shares = [0.0] * (self.size - self.start.size - self.positions - self.groups)
        weights = [np.log(self.start_weight)] * self.positions
        means = [*self.start.ravel(), *weights, *shares, *rates]
        spreads = [0.4] * self.start.size + [0.5] * self.positions
        return np.array(means), np.array(spreads + [1.0] * (len(shares) + self.groups))

    def unpack(self, vector: Numbers) -> Parameters:
        """Return the parts of a vector of parameters, as views."""
        ends = np.cumsum([self.start.size, self.positions])
        embedding, weights, rest = np.split(vector[: self.size], ends)
        shares, rates = rest[: len(rest) - self.groups], rest[len(rest) - self.groups :]
        return Parameters(embedding.reshape(self.start.shape), weights, shares, rates)

    def gram(self, vector: Numbers, one: Inputs, other: Inputs) -> Numbers:
        """Return (n, m) the kernel between two sets of walks."""
        parameters = self.unpack(vector)
        terms = [
            np.exp(-distances(place(parameters, one), place(parameters, other))),
            *(
                np.exp(-np.exp(rate) * distances(x, y))
                for rate, x, y in zip(
                    parameters.log_rates, one.descriptors, other.descriptors, strict=True
                )
            ),
        ]
        if len(terms) == 1:
            return np.asarray(terms[0])
        shares = softmax(parameters.shares)
        return np.asarray(sum(share * term for share, term in zip(shares, terms, strict=True)))

    def gradient(self, vector: Numbers, inputs: Inputs, outer: Numbers) -> Numbers:
        """Return (size,) the gradient of sum(outer * gram) by the parameters.

        Args:
            vector: The parameters.
            inputs: n walks.
            outer: (n, n), symmetric.
        """
        parameters = self.unpack(vector)
        placed = place(parameters, inputs)
        terms = [np.exp(-distances(placed, placed))]
        apart = [distances(x, x) for x in inputs.descriptors]
        rates = np.exp(parameters.log_rates)
        terms += [np.exp(-rate * x) for rate, x in zip(rates, apart, strict=True)]
        shares = softmax(parameters.shares) if self.groups else np.ones(1)
        weighted = outer * terms[0] * shares[0]
        pull = weighted @ placed - weighted.sum(axis=1, keepdims=True) * placed
        slopes = (4 * pull).reshape(*inputs.tokens.shape, -1)  # by the place of each decision
        by_weight = 0.5 * (slopes * placed.reshape(slopes.shape)).sum(axis=(0, 2))
        slopes *= np.exp(0.5 * parameters.log_weights)[:, None]
        chosen = np.eye(len(self.start))[inputs.tokens.ravel()]  # (n * positions, symbols)
        by_embedding = chosen.T @ slopes.reshape(len(chosen), -1)
        if not self.groups:
            return np.concatenate([by_embedding.ravel(), by_weight])
        sums = np.array([(outer * term).sum() for term in terms])
        by_share = shares * (sums - shares @ sums)
        by_rate = [
            -share * rate * (outer * term * x).sum()
            for share, rate, term, x in zip(shares[1:], rates, terms[1:], apart, strict=True)
        ]
        return np.concatenate([by_embedding.ravel(), by_weight, by_share, by_rate])

    def _tokens(self, walks: Sequence[Walk]) -> NDArray[np.int64]:
        """Return (n, positions) the decisions of walks, "no decision" after their ends."""
        tokens = np.full((len(walks), self.positions), self.absent, dtype=np.int64)
        for row, walk in zip(tokens, walks, strict=True):
            row[: len(walk)] = walk
        return tokens

    def _start_weight(self) -> float:
        """Return the initial weight of every position."""
        rng = np.random.default_rng(0)
        walks = [self.space.sample(rng) for _ in range(COMPARED)]
        points = place_at(self.start, np.zeros(self.positions), self._tokens(walks))
        apart = distances(points, points).sum() / (COMPARED * (COMPARED - 1)) / -np.log(UNLIKE)
        return float(min(1.0, APART / apart)) if apart > 0 else 1.0

    def _standardise(self) -> None:
        """Compute the mean and spread of each descriptor over all walks, or over random ones."""
        rng, all_of_them = np.random.default_rng(0), self.space.automaton().walks[0] <= LISTED
        drawn = (self.space.sample(rng) for _ in range(SAMPLED))
        walks = self.space.enumerate() if all_of_them else drawn
        descriptors = [self.space.descriptors(walk) for walk in walks]
        if not descriptors[0]:
            raise InvalidSettingError(
                f"Space {self.space.name!r} has no descriptors of walks. Leave descriptors=True "
                "out, or let the space define `descriptors`."
            )
        for name in descriptors[0]:
            values = np.array([x[name] for x in descriptors])
            spread = values.std(axis=0)
            self._means.append(values.mean(axis=0))
            self._spreads.append(np.where(spread > 0, spread, 1.0))


def start_embedding(space: SearchSpace) -> Numbers:
    """Return (symbols, dimensions) the initial embedding.

    Decisions that differ in every field of the space have squared distance -ln 0.6; if they agree
    in a share of the fields, the distance is reduced by that share. A field that both lack counts
    as agreeing. The last symbol, "no decision", agrees with no other.
    """
    fields = [{n: str(v) for n, (v, _) in x.fields.items()} for x in space.options()]
    names = sorted({name for each in fields for name in each})
    rows = [[each.get(name, "") for name in names] or [str(i)] for i, each in enumerate(fields)]
    rows.append([f"absent {name}" for name in names] or ["absent"])
    if len({tuple(row) for row in rows}) < len(rows):  # options that fields do not tell apart
        rows = [[*row, str(i)] for i, row in enumerate(rows)]
    columns = []
    for column in zip(*rows, strict=True):
        values = sorted(set(column))
        columns.append([[float(x == value) for value in values] for x in column])
    hot = np.concatenate(columns, axis=1)  # squared distance 2 for each field that differs
    return np.asarray(np.sqrt(-np.log(UNLIKE) / 2 / len(columns)) * hot)


def place(parameters: Parameters, inputs: Inputs) -> Numbers:
    """Return (n, positions * dimensions) walks as points whose squared distance is -log k."""
    return place_at(parameters.embedding, parameters.log_weights, inputs.tokens)


def place_at(embedding: Numbers, log_weights: Numbers, tokens: NDArray[np.int64]) -> Numbers:
    """Return the points of tokens of shape (n, positions), see `place`."""
    points = np.exp(0.5 * log_weights)[:, None] * embedding[tokens]  # (n, positions, dimensions)
    return np.asarray(points.reshape(len(tokens), -1))


def distances(one: Numbers, other: Numbers) -> Numbers:
    """Return (n, m) squared distances between the rows of two arrays."""
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)
    return np.asarray(np.maximum(squares - 2 * one @ other.T, 0.0))


def softmax(logits: Numbers) -> Numbers:
    """Return positive numbers whose sum is 1."""
    weights = np.exp(logits - logits.max())
    return np.asarray(weights / weights.sum())
