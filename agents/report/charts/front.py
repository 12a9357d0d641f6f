"""Accuracy (or score) against parameters, and the networks that no other beats in both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agents.report.data import SearchData, Trial, new_trials
from agents.report.frame import Series, X, Y, axes, card, dot, legend, missing, picture, polyline
from agents.report.scales import linear, logarithmic
from nas_env.markup import Content, Markup
from nas_env.pareto import non_dominated

TITLE = "Accuracy against parameters"
NAME = "pareto"


def comparable(search: SearchData) -> list[Trial]:
    """Return the new networks whose accuracy and parameters are known."""
    return [
        trial
        for trial in new_trials(search)
        if trial["ok"]
        and trial["metrics"].get("params", 0) > 0
        and np.isfinite(trial["metrics"].get("accuracy", np.nan))
    ]


def front_of(trials: Sequence[Trial]) -> list[Trial]:
    """Return the networks that no other beats in accuracy and parameters, smallest first."""
    if not trials:
        return []
    points = [(x["metrics"]["params"], -x["metrics"]["accuracy"]) for x in trials]
    kept = [x for x, good in zip(trials, non_dominated(points), strict=True) if good]
    return sorted(kept, key=lambda x: x["metrics"]["params"])


def front(searches: Sequence[tuple[Series, SearchData]], drawings: set[str]) -> Markup:
    """Return the chart of all searches; those on a front open their drawing."""
    known = [(series, comparable(search)) for series, search in searches]
    known = [(series, trials) for series, trials in known if trials]
    if not known:
        return missing(NAME, TITLE, "No evaluation tells both accuracy and parameters.")
    everything = [x["metrics"] for _, trials in known for x in trials]
    x = logarithmic([m["params"] for m in everything], *X)
    y = linear([m["accuracy"] for m in everything], *Y)
    clouds: list[Content] = []
    lines: list[Content] = []
    for series, trials in known:
        best = front_of(trials)
        keys = {trial["key"] for trial in best}
        for trial in trials:
            m = trial["metrics"]
            if trial["key"] not in keys:
                at = x(m["params"]), y(m["accuracy"])
                clouds.append(dot(*at, series, _tip(series, trial), size=2.6))
        at_front = [(x(t["metrics"]["params"]), y(t["metrics"]["accuracy"])) for t in best]
        lines.append(polyline(at_front, series.style))
        for trial, place in zip(best, at_front, strict=True):
            drawing = trial["key"] if trial["key"] in drawings else ""
            tip = _tip(series, trial) + ("\nEnter or click: drawing" if drawing else "")
            lines.append(dot(*place, series, tip, drawing))
    about = "The line joins the networks that no other of the same search beats in both."
    drawn = picture(
        TITLE, about, axes(x, y, "parameters (logarithmic)", "validation accuracy"), clouds, lines
    )
    return card(
        NAME, TITLE, drawn, f"{about} Click one for its drawing.", legend([s for s, _ in known])
    )


def _tip(series: Series, trial: Trial) -> str:
    m = trial["metrics"]
    return (
        f"{series.name}, network {trial['place']}\naccuracy {100 * m['accuracy']:.2f} %\n"
        f"{m['params']:,.0f} parameters\nscore {trial['score']:.4f}"
    )
