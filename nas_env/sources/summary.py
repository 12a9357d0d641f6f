"""Summary of data, shown before a search starts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nas_env.architecture import Shape
from nas_env.markup import printable
from nas_env.sources.base import DataSet
from nas_env.sources.splitting import SPLITS

SHOWN_CLASSES = 10


@dataclass(frozen=True)
class Summary:
    """Summary of a data set, as plain data.

    Attributes:
        source: Description of the source, such as a path.
        kind: Name of the source.
        problem: "classification" or "regression".
        shape: Shape of one sample, (channels, height, width) or (features,).
        sizes: Samples in the training, validation and test split.
        counts: Samples of each class in the three splits, by class name; empty for regression.
        targets: Mean, standard deviation, minimum and maximum of the training targets; None for
            classification.
        in_memory: Whether the samples are in memory.
        notes: Further information, one sentence each.
    """

    source: str
    kind: str
    problem: str
    shape: Shape
    sizes: tuple[int, int, int]
    counts: dict[str, tuple[int, int, int]]
    targets: tuple[float, float, float, float] | None
    in_memory: bool
    notes: tuple[str, ...]

    @property
    def imbalance(self) -> float:
        """Ratio of training samples of the most frequent to the rarest class; 1 for regression."""
        counts = [count[0] for count in self.counts.values()]
        return max(counts) / min(counts) if counts else 1.0

    def to_json(self) -> dict[str, Any]:
        """Return the summary as plain data."""
        return {**asdict(self), "imbalance": self.imbalance}

    def text(self) -> str:
        """Return the text shown before a search starts; control characters are replaced."""
        train, validation, test = self.sizes
        lines = [
            f"data: {self.source} ({self.kind}, {self.problem})",
            f"  samples: {_shape(self.shape)}",
            f"  splits: {train:,} training, {validation:,} validation, {test:,} test",
        ]
        if self.targets is not None:
            mean, sd, least, most = self.targets
            spread = f"sd {sd:.4g}, from {least:.4g} to {most:.4g}"
            lines.append(f"  training targets: mean {mean:.4g}, {spread}")
        if self.counts:
            lines.append(self._classes())
        return "\n".join(map(printable, [*lines, *(f"  {note}" for note in self.notes)]))

    def _classes(self) -> str:
        classes = sorted(self.counts.items(), key=lambda x: -x[1][0])
        total = self.sizes[0]
        shares = [f"{name} {100 * count[0] / total:.1f} %" for name, count in classes]
        if len(shares) > SHOWN_CLASSES:
            half = SHOWN_CLASSES // 2
            shares = [*shares[:half], "…", *shares[-half:]]
        how = f"the largest has {self.imbalance:.3g} times the samples of the smallest"
        equal = "all of equal size" if self.imbalance == 1 else how
        return f"  {len(classes)} classes: {', '.join(shares)}; {equal}"


def summarise(data: DataSet) -> Summary:
    """Return the summary of a data set."""
    counts: dict[str, tuple[int, int, int]] = {}
    targets = None
    if data.problem == "classification":
        classes = len(data.classes)
        each = [np.bincount(data.y[data.rows[name]], minlength=classes) for name in SPLITS]
        for number, name in enumerate(data.classes):
            counts[name] = (int(each[0][number]), int(each[1][number]), int(each[2][number]))
    else:
        y = data.y[data.rows["train"]]
        targets = (float(y.mean()), float(y.std()), float(y.min()), float(y.max()))
    train, validation, test = (len(data.rows[name]) for name in SPLITS)
    return Summary(
        data.source,
        data.kind,
        data.problem,
        tuple(data.x.shape[1:]),
        (train, validation, test),
        counts,
        targets,
        data.in_memory,
        data.notes,
    )


def _shape(shape: Shape) -> str:
    if len(shape) == 1:
        return f"vectors of {shape[0]} numbers"
    channels, height, width = shape
    kinds = {1: "grey images", 3: "colour images"}
    kind = kinds.get(channels, f"images of {channels} channels")
    return f"{kind} of {height}x{width}"
