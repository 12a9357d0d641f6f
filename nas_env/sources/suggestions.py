"""Suggested search settings for new data: rules of thumb, each with its reason."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from nas_env.sources.summary import Summary

UPDATES = 2_000  # of one training; fewer leave small networks untrained
EPOCHS = (4, 50)  # minimum and maximum suggestion
PIXELS = 5_000_000  # of one training; `chain` networks then take about half a minute on average
BATCHES = (16, 256)
SIDE = 64  # images of larger sides take minutes a network on two cores
IMBALANCED = 3.0


class Choice(NamedTuple):
    """One suggestion: its value and why."""

    value: str | int | float | None
    reason: str


@dataclass(frozen=True)
class Suggestion:
    """Suggested search settings. Every value is a default that an option overrides.

    Attributes:
        space: Name of a search space.
        metric: Metric that is maximised or, for an error, minimised.
        batch_size: Samples per update.
        epochs: Training epochs of each network.
        max_params: Maximum number of parameters of a network.
        hints: Changes that the user may consider, one sentence each.
    """

    space: Choice
    metric: Choice
    batch_size: Choice
    epochs: Choice
    max_params: Choice
    hints: tuple[str, ...] = ()

    def text(self, explicit: dict[str, object]) -> str:
        """Return the text that is shown before a search starts.

        Args:
            explicit: Values set by the user instead, by name.
        """
        lines = ["chosen from the data (each is an option):"]
        for name in ("space", "metric", "batch_size", "epochs", "max_params"):
            choice: Choice = getattr(self, name)
            option = f"--{name.replace('_', '-')}"
            if explicit.get(name) is not None:
                lines.append(f"  {option} {explicit[name]}: set by you")
            else:
                lines.append(f"  {option} {choice.value}: {choice.reason}")
        return "\n".join([*lines, *(f"  hint: {hint}" for hint in self.hints)])


def suggest(summary: Summary, metric: str | None = None) -> Suggestion:
    """Suggest search settings from the summary of the data.

    Args:
        summary: Summary of the data.
        metric: Metric set by the user; None: it is suggested too.
    """
    train = summary.sizes[0]
    batch = _batch(train)
    return Suggestion(
        _space(summary),
        _metric(summary),
        Choice(batch, f"a power of two near the square root of {train:,} training samples"),
        _epochs(summary, math.ceil(train / batch)),
        _max_params(summary),
        tuple(_hints(summary)),
    )


def _batch(train: int) -> int:
    near = int(2 ** round(math.log2(max(train, 1)) / 2))
    return min(max(near, BATCHES[0]), BATCHES[1])


def _epochs(summary: Summary, updates: int) -> Choice:
    """Return the number of epochs for a number of updates per epoch; limited for images."""
    enough = min(max(math.ceil(UPDATES / updates), EPOCHS[0]), EPOCHS[1])
    pixels = summary.sizes[0] * math.prod(summary.shape[1:])
    epochs = min(enough, max(round(PIXELS / pixels), EPOCHS[0])) if summary.shape[1:] else enough
    reason = f"about {epochs * updates:,} updates, {updates:,} per epoch"
    if epochs < enough:
        reason += "; more would be slow for images; nas-env retrain trains the best network longer"
    return Choice(epochs, reason)


def _space(summary: Summary) -> Choice:
    if len(summary.shape) == 3:
        return Choice("chain", "convolutional networks, because the samples are images")
    return Choice("mlp", "fully connected networks, because the samples are vectors")


def _metric(summary: Summary) -> Choice:
    if summary.problem == "regression":
        return Choice("mse", "mean squared error, because the targets are numbers")
    if summary.imbalance > IMBALANCED:
        reason = f"the largest class has {summary.imbalance:.3g} times the samples of the smallest"
        return Choice("balanced_accuracy", reason)
    return Choice("accuracy", "the classes have about equal sizes")


def _max_params(summary: Summary) -> Choice:
    """Return ten parameters for each number in the training split, within bounds.

    This generous limit keeps a search from training networks that are too large to be useful.
    """
    numbers = summary.sizes[0] * math.prod(summary.shape)
    first = math.prod(summary.shape) * 128 if len(summary.shape) == 1 else 0
    limit = int(min(max(10 * numbers, 100_000, 2 * first), 2_000_000))
    return Choice(limit, f"a generous limit for {numbers:,} numbers in the training split")


def _hints(summary: Summary) -> list[str]:
    hints = []
    if len(summary.shape) == 3 and min(summary.shape[1:]) > SIDE:
        hints.append(
            f"images of {summary.shape[1]}x{summary.shape[2]} make training slow; "
            f"--image-size {SIDE} is {min(summary.shape[1:]) ** 2 / SIDE**2:.0f} times cheaper"
        )
    smallest = min(summary.sizes[1:])
    if smallest < 100:
        hints.append(
            f"a split of {smallest} samples is small: one sample is {100 / smallest:.1f} points"
        )
    return hints
