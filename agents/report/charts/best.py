"""The ten best networks of a search as drawings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agents.report.data import Trial
from agents.report.frame import missing
from agents.search.shown import Shown
from nas_env.markup import Markup, element

COUNT = 10


def best(
    name: str, trials: Sequence[Trial], drawings: Mapping[str, Markup], shown: Shown
) -> Markup:
    """Return the drawings of the best networks, the best first; a click makes one large."""
    title = f"The {len(trials)} best networks" if len(trials) > 1 else "The best network"
    if not trials:
        return missing(name, "The best networks", "No network was evaluated without failing.")
    figures = [
        _figure(rank, trial, drawings[trial["key"]], shown) for rank, trial in enumerate(trials, 1)
    ]
    return element(
        "section",
        element("h3", title),
        element("p", "By score; click one to see it in full size.", class_="about"),
        element("div", figures, class_="gallery"),
        class_="card wide gallery-card",
        id=name,
    )


def _figure(rank: int, trial: Trial, drawing: Markup, shown: Shown) -> Markup:
    metrics = trial["metrics"]
    words = [f"{rank}. score {trial['score']:.4f}"]
    if shown.metric in metrics:
        words.append(shown.sentence(metrics[shown.metric]))
    if "params" in metrics:
        words.append(f"{metrics['params']:,.0f} parameters")
    if "latency_ms" in metrics:
        words.append(f"{metrics['latency_ms']:.3g} ms")
    button = element(
        "button",
        drawing,
        type="button",
        class_="thumb",
        data_drawing=trial["key"],
        aria_label=f"Drawing of {', '.join(words)}, in full size",
    )
    return element("figure", button, element("figcaption", ", ".join(words)))
