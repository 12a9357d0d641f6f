"""Statistics of decisions: labels, shares by depth, and the tree of prefixes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from nas_env_agents.q_learning import QLearning
from nas_env_cli.search.q_table import picture_of

COLUMNS = 32  # maximum labels of a chart; beyond it, labels are grouped by type


def type_of(label: str) -> str:
    """Return the type of layer or choice that a label names, without its sizes.

    Example:
        >>> [type_of(x) for x in ("conv 8, 1x1", "max-pool 3x3, stride 2", "stop", "sep-3x3")]
        ['conv', 'max-pool', 'stop', 'sep-3x3']
    """
    words = []
    for word in label.split(",")[0].split():
        if re.search(r"\d", word) or word in ("True", "False"):
            break
        words.append(word)
    return " ".join(words) or label.split(",")[0]


def columns_of(labels: Sequence[Sequence[str]]) -> dict[str, str]:
    """Return the column of each label: the label, or its type if there are too many labels."""
    ordered = list(dict.fromkeys(sorted({x for walk in labels for x in walk}, key=_natural)))
    if len(ordered) <= COLUMNS:
        return {label: label for label in ordered}
    return {label: type_of(label) for label in ordered}


def _natural(label: str) -> list[Any]:
    """Return a key that sorts 8 before 16, and "stop" last."""
    parts = re.split(r"(\d+(?:\.\d+)?)", label)
    return [label == "stop", [(i % 2, float(x) if i % 2 else x) for i, x in enumerate(parts)]]


@dataclass
class HeatTable:
    """A table by depth: a value (None: never occurred) and a text for each cell."""

    what: str
    rows: list[str]
    columns: list[str]
    values: list[list[float | None]]
    words: list[list[str]]
    rows_title: str = "decision"
    path: list[tuple[int, int]] = field(default_factory=list)


def shares_of(walks: Sequence[Sequence[str]]) -> HeatTable:
    """Return the share of each label at each depth, among the walks that reach the depth."""
    column_of = columns_of(walks)
    columns = list(dict.fromkeys(column_of.values()))
    depth = max(map(len, walks))
    values: list[list[float | None]] = []
    words: list[list[str]] = []
    for place in range(depth):
        counts = Counter(column_of[walk[place]] for walk in walks if len(walk) > place)
        total = sum(counts.values())
        values.append([counts[x] / total if counts[x] else None for x in columns])
        words.append([f"{counts[x]} of {total} networks" for x in columns])
    rows = [str(number + 1) for number in range(depth)]
    return HeatTable("share of the networks", rows, columns, values, words)


def q_heat(agent: QLearning) -> HeatTable:
    """Return the Q-table of an agent by depth, see `nas_env_cli.search.q_table.picture_of`."""
    picture = picture_of(agent)
    actions = list(picture.actions)
    kinds = actions if len(actions) <= COLUMNS else [type_of(x) for x in actions]
    columns = list(dict.fromkeys(kinds))
    values: list[list[float | None]] = []
    words: list[list[str]] = []
    for row in range(len(picture.rows)):
        line: list[float | None] = []
        line_words = []
        for column in columns:
            places = [i for i, x in enumerate(kinds) if x == column]
            visits = picture.visits[row, places]
            total = int(visits.sum())
            visited = [
                (picture.values[row, i], v) for i, v in zip(places, visits, strict=True) if v
            ]
            mean = float(sum(q * v for q, v in visited) / total) if total else None
            line.append(mean)
            line_words.append(
                f"Q {mean:.4f}, {total} visits" if mean is not None else "never visited"
            )
        values.append(line)
        words.append(line_words)
    path = [(row, columns.index(kinds[action])) for row, action in picture.path]
    used = [number for number, row in enumerate(values) if any(x is not None for x in row)]
    first, end = (used[0], used[-1] + 1) if used else (0, len(values))  # without unvisited bins
    rows = list(map(str, picture.rows))[first:end]
    path = [(row - first, column) for row, column in path]
    return HeatTable(
        "Q-value", rows, columns, values[first:end], words[first:end], picture.rows_title, path
    )


@dataclass
class Branch:
    """A prefix of walks, with the number of visits and the scores of its networks."""

    label: str
    depth: int
    visits: int = 0
    total: float = 0.0
    best: float = float("-inf")
    children: dict[str, Branch] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """Mean score of the visits."""
        return self.total / max(1, self.visits)


def tree_of(walks: Sequence[tuple[Sequence[str], float]], depth: int) -> Branch:
    """Return the prefix tree of walks with their scores, up to a depth."""
    root = Branch("start", 0)
    for labels, score in walks:
        branch = root
        for label in [None, *labels[:depth]]:
            if label is not None:
                branch = branch.children.setdefault(label, Branch(label, branch.depth + 1))
            branch.visits += 1
            branch.total += score
            branch.best = max(branch.best, score)
    return root
