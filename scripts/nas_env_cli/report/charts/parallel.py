"""Parallel coordinates: each network is a line through its decisions to its score."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from nas_env.markup import Content, Markup
from nas_env_cli.report.data import SearchData, TrialRow, new_trials
from nas_env_cli.report.decisions import columns_of
from nas_env_cli.report.frame import card, label, line, mark, missing, picture
from nas_env_cli.report.scales import Scale, linear, short

TITLE = "Decisions against score"
AXES, MOST = 10, 300  # maximum decisions and networks in the chart
LEFT, TOP, ACROSS, DOWN, BAND = 178.0, 26.0, 84.0, 22.0, 12.0
END = "(end)"


def parallel(name: str, search: SearchData) -> Markup:
    """Return the chart of the distinct networks of a search."""
    trials = sorted((x for x in new_trials(search) if x["ok"]), key=lambda x: x["score"])
    if not trials:
        return missing(name, TITLE, "No network was evaluated successfully.")
    plotted = _thinned(trials)
    words = columns_of([x["labels"] for x in plotted])
    rows = [*dict.fromkeys(words.values()), END]
    depth = min(AXES, max(len(x["labels"]) for x in plotted))
    height = TOP + DOWN * len(rows) + 34
    score = linear([x["score"] for x in plotted], TOP + DOWN * len(rows) - 4, TOP + 4)
    right = LEFT + ACROSS * depth
    lines = [_path(trial, words, rows, depth, score, right) for trial in plotted]
    kinds = ["faintline"] * (len(plotted) - max(1, len(plotted) // 10))
    kinds += ["topline"] * (len(plotted) - len(kinds))
    parts: list[Content] = [_axes(rows, depth, score, right)]
    for trial, path, kind in zip(plotted, lines, kinds, strict=True):
        parts.append(mark("path", _tip(trial), d=path, class_=f"pc {kind}"))
    about = (
        "Each line shows the decisions of a network from left to right, then its score. Within a "
        "row, better networks run higher. In colour: the best tenth."
    )
    if depth < max(len(x["labels"]) for x in plotted):
        about += f" The first {depth} decisions."
    if len(plotted) < len(trials):
        about += f" {len(plotted)} of {len(trials)} networks, evenly spaced by rank."
    drawn = picture(TITLE, about, parts, width=right + 64, height=height)
    return card(name, TITLE, drawn, about, wide=True)


def _thinned(trials: Sequence[TrialRow]) -> list[TrialRow]:
    """Return all trials, or `MOST` evenly spaced ones that include the best."""
    if len(trials) <= MOST:
        return list(trials)
    return [trials[round(i * (len(trials) - 1) / (MOST - 1))] for i in range(MOST)]


def _axes(rows: Sequence[str], depth: int, score: Scale, right: float) -> list[Content]:
    bottom = TOP + DOWN * len(rows)
    parts: list[Content] = []
    for number, row in enumerate(rows):
        at = TOP + DOWN * (number + 0.5)
        parts.append(label(LEFT - 18, at + 4, row, "end"))
        parts.append(line(LEFT - 10, at, right - ACROSS + 10, at, "grid"))
    for number in range(depth):
        x = LEFT + ACROSS * number
        parts.append(line(x, TOP, x, bottom, "axis"))
        parts.append(label(x, TOP - 10, str(number + 1), strong=True))
    parts.append(line(right, TOP, right, bottom, "axis"))
    parts.append(label(right, TOP - 10, "score", strong=True))
    parts += [label(right + 10, score(x) + 4, short(x), "start") for x in score.ticks()]
    parts.append(label((LEFT + right) / 2, bottom + 24, "decision", strong=True))
    return parts


def _path(
    trial: TrialRow,
    words: dict[str, str],
    rows: Sequence[str],
    depth: int,
    score: Scale,
    right: float,
) -> str:
    span = score.high - score.low
    shift = BAND * (0.5 - (trial["score"] - score.low) / span)
    points = []
    for number in range(depth):
        walk = trial["labels"]
        row = words[walk[number]] if number < len(walk) else END
        points.append((LEFT + ACROSS * number, TOP + DOWN * (rows.index(row) + 0.5) + shift))
    points.append((right, score(trial["score"])))
    text = f"M{points[0][0]:.0f} {points[0][1]:.1f}"
    for (x, y), (u, v) in itertools.pairwise(points):
        middle = (x + u) / 2
        text += f"C{middle:.0f} {y:.1f} {middle:.0f} {v:.1f} {u:.0f} {v:.1f}"
    return text


def _tip(trial: TrialRow) -> str:
    walk = " \u2192 ".join(trial["labels"])
    return f"network {trial['place']}, score {trial['score']:.4f}\n{walk}"
