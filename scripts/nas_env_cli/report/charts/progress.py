"""Best score so far against networks and against seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nas_env.markup import Content, Markup
from nas_env_cli.metric_format import MetricFormat
from nas_env_cli.report.data import SearchData, TrialRow, new_trials
from nas_env_cli.report.frame import (
    Series,
    X,
    Y,
    axes,
    card,
    dot,
    legend,
    missing,
    picture,
    polyline,
)
from nas_env_cli.report.scales import Scale, linear

Searches = Sequence[tuple[Series, SearchData]]
MARKS = 40  # maximum improvements with a mark


def progress(searches: Searches, drawings: set[str]) -> list[Markup]:
    """Return both charts for each group of searches with the same objective and metric.

    Args:
        searches: All searches of the page.
        drawings: Keys of the networks that have a drawing.
    """
    kinds: dict[tuple[str, MetricFormat], list[tuple[Series, SearchData]]] = {}
    for series, search in searches:
        kinds.setdefault((search["objective"], search["metric_format"]), []).append(
            (series, search)
        )
    charts = []
    for number, ((objective, fmt), same) in enumerate(kinds.items()):
        about = "Each mark is a network that is better than all before it."
        if not any(series.reference for series, _ in same):
            about += " There is no random search to compare with."
        after, name = "", f"-{number}" if number else ""
        if len(kinds) > 1:
            after = f" ({fmt.words})"
            about += f" Objective: {objective}. Other scores have their own charts."
        for what, along in (("networks", _place), ("seconds", _seconds)):
            words = f"progress-{what}{name}", f"Best so far, by {what}{after}", about
            charts.append(_chart(*words, same, drawings, along))
    return charts


def improvements(search: SearchData) -> list[TrialRow]:
    """Return the trials that improved the best score."""
    improved: list[TrialRow] = []
    for trial in new_trials(search):
        if trial["ok"] and (not improved or trial["score"] > improved[-1]["score"]):
            improved.append(trial)
    return improved


def _place(trial: TrialRow) -> float:
    return float(trial["place"])


def _seconds(trial: TrialRow) -> float:
    return trial["seconds"]


def _chart(
    name: str,
    title: str,
    about: str,
    searches: Searches,
    drawings: set[str],
    along: Callable[[TrialRow], float],
) -> Markup:
    lines = [(series, improvements(search), search) for series, search in searches]
    lines = [entry for entry in lines if entry[1]]
    if not lines:
        return missing(name, title, "No network was evaluated successfully.")
    ends = [max(map(along, search["trials"])) for _, _, search in lines]
    x = Scale(0.0, max(ends) or 1.0, *X)
    y = linear([trial["score"] for _, improved, _ in lines for trial in improved], *Y)
    parts: list[Content] = []
    for (series, improved, _), end in zip(lines, ends, strict=True):
        parts.append(polyline(_steps(improved, along, end, x, y), series.style))
        parts += [
            dot(x(along(t)), y(t["score"]), series, _tip(series, t), _known(t, drawings))
            for t in improved[-MARKS:]
        ]
    words = "networks new to the search" if along is _place else "seconds of the search"
    drawn = picture(title, about, axes(x, y, words, "best score so far"), parts)
    return card(name, title, drawn, about, legend([series for series, _, _ in lines]))


def _steps(
    trials: Sequence[TrialRow], along: Callable[[TrialRow], float], end: float, x: Scale, y: Scale
) -> list[tuple[float, float]]:
    points: list[tuple[float, float]] = []
    for trial in trials:
        if points:
            points.append((x(along(trial)), points[-1][1]))
        points.append((x(along(trial)), y(trial["score"])))
    return [*points, (x(end), points[-1][1])]


def _known(trial: TrialRow, drawings: set[str]) -> str:
    return trial["key"] if trial["key"] in drawings else ""


def _tip(series: Series, trial: TrialRow) -> str:
    return (
        f"{series.name}, network {trial['place']}\nscore {trial['score']:.4f}\n"
        f"after {trial['seconds']:.1f} s"
    )
