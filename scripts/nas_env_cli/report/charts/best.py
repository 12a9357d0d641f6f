"""The ten best networks of a run as drawings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nas_env.markup import Markup, element
from nas_env_cli.metric_format import MetricFormat
from nas_env_cli.report.data import SearchData, TrialRow, best_trials
from nas_env_cli.report.frame import missing

COUNT = 10


@dataclass
class BestNetwork:
    """A network and the searches that found it."""

    trial: TrialRow
    by: list[str] = field(default_factory=list)


def best_of_run(searches: Sequence[SearchData], count: int = COUNT) -> list[BestNetwork]:
    """Return the best distinct networks of all searches of a run, best first."""
    networks: dict[str, BestNetwork] = {}
    for search in searches:
        name = "random search" if search["reference"] else search["name"]
        for trial in best_trials(search, len(search["trials"])):
            entry = networks.setdefault(trial["key"], BestNetwork(trial))
            entry.by.append(name)
            if trial["score"] > entry.trial["score"]:
                entry.trial = trial
    return sorted(networks.values(), key=lambda x: -x.trial["score"])[:count]


def best(name: str, searches: Sequence[SearchData], drawings: Mapping[str, Markup]) -> Markup:
    """Return drawings of the best networks of a run, best first; a click enlarges one."""
    networks = best_of_run(searches)
    title = f"The {len(networks)} best networks" if len(networks) > 1 else "The best network"
    if not networks:
        return missing(name, "The best networks", "No network was evaluated successfully.")
    fmt, several = searches[0]["metric_format"], len(searches) > 1
    figures = [
        _figure(f"{rank}. ", x.trial, drawings[x.trial["key"]], fmt, x.by if several else ())
        for rank, x in enumerate(networks, 1)
    ]
    about = "Of all searches of the run, by score" if several else "By score"
    return element(
        "section",
        element("h3", title),
        element("p", f"{about}; click a drawing to enlarge it.", class_="about"),
        element("div", figures, class_="gallery"),
        class_="card wide gallery-card",
        id=name,
    )


def _figure(
    rank: str, trial: TrialRow, drawing: Markup, fmt: MetricFormat, found_by: Sequence[str]
) -> Markup:
    metrics = trial["metrics"]
    words = [f"{rank}score {trial['score']:.4f}"]
    if fmt.metric in metrics:
        words.append(fmt.sentence(metrics[fmt.metric]))
    if "params" in metrics:
        words.append(f"{metrics['params']:,.0f} parameters")
    if "latency_ms" in metrics:
        words.append(f"{metrics['latency_ms']:.3g} ms")
    if found_by:
        words.append(f"found by {' and '.join(found_by)}")
    button = element(
        "button",
        drawing,
        type="button",
        class_="thumb",
        data_drawing=trial["key"],
        aria_label=f"Drawing of {', '.join(words)}, in full size",
    )
    return element("figure", button, element("figcaption", ", ".join(words)))
