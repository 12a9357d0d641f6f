"""The task's metric against the cost of networks, with the Pareto front of each search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nas_env.markup import Content, Markup
from nas_env.pareto import non_dominated
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
from nas_env_cli.report.scales import linear, logarithmic

NAME = "pareto"
ABOUT = "The line joins the Pareto front of each search."
COSTS = {
    "latency_ms": "latency in ms",
    "params": "parameters",
}  # the first one that all networks have


def comparable(search: SearchData) -> list[TrialRow]:
    """Return the new networks with known metric and parameters."""
    return [
        trial
        for trial in new_trials(search)
        if trial["ok"]
        and trial["metrics"].get("params", 0) > 0
        and np.isfinite(trial["metrics"].get(search["metric_format"].metric, np.nan))
    ]


def cost_of(trials: Sequence[TrialRow]) -> str:
    """Return the cost to compare by: latency if all networks have it, else parameters."""
    return next(x for x in COSTS if all(x in trial["metrics"] for trial in trials))


def front_of(trials: Sequence[TrialRow], fmt: MetricFormat) -> list[TrialRow]:
    """Return the Pareto front of metric and cost, the cheapest network first."""
    if not trials:
        return []
    cost = cost_of(trials)
    points = [(x["metrics"][cost], -fmt.sign * x["metrics"][fmt.metric]) for x in trials]
    members = [x for x, good in zip(trials, non_dominated(points), strict=True) if good]
    return sorted(members, key=lambda x: x["metrics"][cost])


def front(searches: Sequence[tuple[Series, SearchData]], drawings: set[str]) -> Markup:
    """Return the chart of all searches; networks on a front open their drawing.

    Searches with another metric than the first search are left out.
    """
    fmt = searches[0][1]["metric_format"]
    same = [(series, search) for series, search in searches if search["metric_format"] == fmt]
    plotted = [(series, measured) for series, search in same if (measured := comparable(search))]
    words = f"{fmt.words[0].upper()}{fmt.words[1:]}"
    if not plotted:
        why = f"No evaluation has both {fmt.words} and parameters."
        return missing(NAME, f"{words} against parameters", why)
    everything = [trial for _, trials in plotted for trial in trials]
    cost = cost_of(everything)
    title = f"{words} against {COSTS[cost].removesuffix(' in ms')}"
    x = logarithmic([trial["metrics"][cost] for trial in everything], *X)
    y = linear([trial["metrics"][fmt.metric] for trial in everything], *Y)
    clouds: list[Content] = []
    lines: list[Content] = []

    def place(trial: TrialRow) -> tuple[float, float]:
        return x(trial["metrics"][cost]), y(trial["metrics"][fmt.metric])

    for series, trials in plotted:
        best = front_of(trials, fmt)
        keys = {trial["key"] for trial in best}
        for trial in trials:
            if trial["key"] not in keys:
                clouds.append(dot(*place(trial), series, _tip(series, trial, fmt), size=2.6))
        lines.append(polyline([place(trial) for trial in best], series.style))
        for trial in best:
            drawing = trial["key"] if trial["key"] in drawings else ""
            tip = _tip(series, trial, fmt) + ("\nEnter or click: drawing" if drawing else "")
            lines.append(dot(*place(trial), series, tip, drawing))
    labels = f"{COSTS[cost]} (logarithmic)", f"validation {fmt.words}"
    drawn = picture(title, ABOUT, axes(x, y, *labels), clouds, lines)
    about = f"{ABOUT}{_left_out(searches, fmt)} Click a network on the line for its drawing."
    return card(NAME, title, drawn, about, legend([series for series, _ in plotted]))


def _left_out(searches: Sequence[tuple[Series, SearchData]], fmt: MetricFormat) -> str:
    others = [series.name for series, search in searches if search["metric_format"] != fmt]
    return f" Left out because they have another metric: {', '.join(others)}." if others else ""


def _tip(series: Series, trial: TrialRow, fmt: MetricFormat) -> str:
    metrics: Mapping[str, float] = trial["metrics"]
    lines = [
        f"{series.name}, network {trial['place']}",
        fmt.sentence(metrics[fmt.metric]),
        f"{metrics['params']:,.0f} parameters",
        f"score {trial['score']:.4f}",
    ]
    if "latency_ms" in metrics:
        lines.insert(3, f"{metrics['latency_ms']:.3g} ms")
    return "\n".join(lines)
