"""The page of `python -m scripts.studies metaqnn`, made from its results."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas_env_cli.spread import mean_sd
from scripts.studies.common.experiment import Experiment
from scripts.studies.common.made_by import commands, versions_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEMPLATE = Path(__file__).with_name("template.md")
METAQNN, BASELINE = "q-learning", "random"
METHODS = {METAQNN: "MetaQNN", BASELINE: "random search"}
WINDOW = 25  # networks of the rolling mean
LIMIT_SECONDS = 2.0
Found = dict[str, Any]  # one search: its job and result


def write_page(experiment: Experiment, page: Path) -> None:
    """Write the page and its chart.

    Args:
        experiment: The results.
        page: The page; the chart goes into the folder with its name.
    """
    searches = searches_of(experiment)
    draw(searches).savefig(experiment.file.with_name("phases.svg"), metadata={"Date": None})
    text = string.Template(TEMPLATE.read_text("utf-8")).substitute(
        numbers(experiment, searches), folder=page.with_suffix("").name
    )
    page.write_text(text, encoding="utf-8")


def searches_of(experiment: Experiment) -> list[Found]:
    """Return the searches, seed by seed, MetaQNN first."""
    results = [{**job, **result} for job, result in experiment.results()]
    return sorted(results, key=lambda x: (x["seed"], list(METHODS).index(x["method"])))


def numbers(experiment: Experiment, searches: list[Found]) -> dict[str, str]:
    """Return the values of the template's variables."""
    settings = experiment.settings
    by_method = {name: [x for x in searches if x["method"] == name] for name in METHODS}
    networks = [x for search in searches for x in search["networks"]]
    trained = [x["seconds"] for x in networks if x["outcome"] == "ok"]
    seeds = [str(x["seed"]) for x in by_method[METAQNN]]
    versions = dict.fromkeys(versions_text(call["versions"]) for call in experiment.calls())
    return {
        "command": commands(experiment),
        "versions": "; ".join(versions),
        "networks": f"{settings['networks']:,}",
        "seeds": str(len(seeds)),
        "seed_names": ", ".join(seeds),
        "epochs": f"{settings['epochs']} epoch{'s' * (settings['epochs'] > 1)}",
        "mmacs": f"{settings['max_macs'] / 1e6:g}",
        "images": f"{settings['images']:,}",
        "validation": f"{settings['validation']:,}",
        "retrain_seeds": str(settings["retrain_seeds"]),
        "retrain_epochs": str(settings["retrain_epochs"]),
        "window": str(WINDOW),
        "phases": phase_table(by_method),
        "failures": failures(by_method),
        "seconds": f"{np.median(trained):.2f} s in the median and {max(trained):.2f} s at most"
        if trained
        else "no time, because none could be trained",
        "late": str(sum(x > LIMIT_SECONDS for x in trained)),
        "trained": f"{len(trained):,}",
        "first_and_last": first_and_last(by_method[METAQNN]),
        "ended": ended(searches),
        "best": best_table(searches),
        "verdict_validation": verdict(by_method, on_validation, "validation"),
        "verdict_test": verdict(by_method, on_test, "test"),
        "layers": layers(searches),
    }


def phase_table(by_method: dict[str, list[Found]]) -> str:
    """Return the mean reward of each epsilon phase over the seeds, and that of random search."""
    lines = [
        "| ε | networks | mean reward | of those trained | not trained |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    epsilons = [x["epsilon"] for x in by_method[METAQNN][0]["networks"]]
    for epsilon in dict.fromkeys(epsilons):
        phase = [
            [x for x in search["networks"] if x["epsilon"] == epsilon]
            for search in by_method[METAQNN]
        ]
        lines.append(phase_row(f"{epsilon:.1f}", [networks for networks in phase if networks]))
    lines.append(phase_row("random search", [x["networks"] for x in by_method[BASELINE]]))
    return "\n".join(lines)


def phase_row(name: str, seeds: Sequence[Sequence[dict[str, Any]]]) -> str:
    """Return a line of the table; `seeds` holds the networks of each seed."""
    means = [100 * float(np.mean([x["reward"] for x in networks])) for networks in seeds]
    trained = [[100 * x["reward"] for x in y if x["outcome"] == "ok"] for y in seeds]
    learned = [float(np.mean(x)) for x in trained if x]
    count = sum(len(x) for x in seeds)
    cells = (
        name,
        f"{count / len(seeds):g}",
        plus_minus(means),
        plus_minus(learned) if learned else "none",
        f"{100 * (1 - sum(map(len, trained)) / count):.0f} %",
    )
    return f"| {' | '.join(cells)} |"


def failures(by_method: dict[str, list[Found]]) -> str:
    """Return the number of failed networks of each method, by outcome."""
    parts = []
    for name, title in METHODS.items():
        outcomes = [x["outcome"] for search in by_method[name] for x in search["networks"]]
        kinds = {x: outcomes.count(x) for x in sorted(set(outcomes)) if x != "ok"}
        how = ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in kinds.items())
        parts.append(f"{title}: {how or 'none'} of {len(outcomes):,}")
    return "; ".join(parts)


def first_and_last(searches: Sequence[Found]) -> str:
    """Return a sentence on the mean reward in the first and in the last phase."""
    pairs = []
    for search in searches:
        epsilons = [x["epsilon"] for x in search["networks"]]
        means = [
            100 * float(np.mean([x["reward"] for x in search["networks"] if x["epsilon"] == edge]))
            for edge in (epsilons[0], epsilons[-1])
        ]
        pairs.append((*means, epsilons[0], epsilons[-1]))
    first, last = plus_minus([x[0] for x in pairs]), plus_minus([x[1] for x in pairs])
    rose = sum(x[1] > x[0] for x in pairs)
    return (
        f"From ε = {pairs[0][2]:g} to ε = {pairs[0][3]:g} the mean reward went from {first} % to "
        f"{last} %; it rose in {rose} of {len(pairs)} seeds"
    )


def ended(searches: Sequence[Found]) -> str:
    """Return a sentence on searches that ended before their limit."""
    early = [
        f"{METHODS[x['method']]}, seed {x['seed']}: {x['reason']} after {len(x['networks'])}"
        for x in searches
        if x["reason"] != "evaluations"
    ]
    return f"Ended early: {'; '.join(early)}" if early else "Every search reached its limit"


def best_table(searches: Sequence[Found]) -> str:
    """Return the best network of each search, retrained and tested."""
    lines = [
        "| search | seed | validation, % | found after | parameters | MACs | test, retrained, % |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, title in METHODS.items():
        for search in (x for x in searches if x["method"] == name):
            best = search["best"]
            costs = [f"{best[x]:,.0f}" if best[x] is not None else "-" for x in ("params", "macs")]
            tested = plus_minus([100 * x for x in search["retrained"]["accuracies"]], 2)
            failed = search["retrained"]["failed"]
            tested += f" ({failed} failed, counted as 0)" if failed else ""
            cells = (title, str(search["seed"]), f"{100 * best['accuracy']:.2f}")
            more = (str(best["found_after"]), *costs, tested)
            lines.append(f"| {' | '.join((*cells, *more))} |")
    return "\n".join(lines)


def on_validation(search: Found) -> float:
    """Return the best network's validation accuracy in the search."""
    return float(search["best"]["accuracy"])


def on_test(search: Found) -> float:
    """Return the mean test accuracy of the best network after retraining."""
    return float(np.mean(search["retrained"]["accuracies"]))


def verdict(by_method: dict[str, list[Found]], value: Callable[[Found], float], split: str) -> str:
    """Return whether MetaQNN beat random search: on every seed, by over two standard errors."""
    rows = {
        name: [value(x) for x in sorted(by_method[name], key=lambda x: x["seed"])]
        for name in METHODS
    }
    difference = 100 * (np.array(rows[METAQNN]) - np.array(rows[BASELINE]))
    mean, sd = mean_sd(difference.tolist())
    error = sd / len(difference) ** 0.5
    won, lost = int((difference > 0).sum()), int((difference < 0).sum())
    if len(difference) > 1 and max(won, lost) == len(difference) and abs(mean) > 2 * error:
        text = "MetaQNN **beat** random search" if mean > 0 else "MetaQNN **lost** to random search"
    else:
        text = "**No difference** between MetaQNN and random search is shown"
    return (
        f"On the {split} split: {text}. {mean:+.2f} ± {sd:.2f} points, won {won} and lost {lost} "
        f"of {len(difference)} seeds"
    )


def layers(searches: Sequence[Found]) -> str:
    """Return the layers of the best networks."""
    return "\n".join(
        f"- {METHODS[x['method']]}, seed {x['seed']}: {', '.join(x['best']['layers'])}"
        for x in searches
    )


def plus_minus(values: Sequence[float], digits: int = 1) -> str:
    """Return "mean ± sd"."""
    mean, sd = mean_sd(values)
    return f"{mean:.{digits}f} ± {sd:.{digits}f}"


def rolling(values: Sequence[float]) -> NDArray[np.float64]:
    """Return the mean of the latest `WINDOW` values at each position, or of fewer at the start."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - WINDOW)
    means: NDArray[np.float64] = (sums[ends] - sums[starts]) / (ends - starts)
    return means


def draw(searches: Sequence[Found]) -> Figure:
    """Draw the rolling mean reward of each search and MetaQNN's mean of each phase."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "metaqnn"  # equal results, equal bytes
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes: Any = figure.subplots()
    for name, colour in ((BASELINE, "0.6"), (METAQNN, "C0")):
        network_lists = [x["networks"] for x in searches if x["method"] == name]
        rewards = [[100 * x["reward"] for x in networks] for networks in network_lists]
        for number, row in enumerate(rewards):
            label = f"{METHODS[name]}, rolling mean of {WINDOW}" if number == 0 else None
            axes.plot(range(1, len(row) + 1), rolling(row), color=colour, lw=1, label=label)
        if name == METAQNN:
            draw_phases(axes, [x["epsilon"] for x in network_lists[0]], rewards)
    axes.set_xlabel("unique networks")
    axes.set_ylabel("reward: validation accuracy, %")
    axes.legend(loc="lower right")
    return figure


def draw_phases(axes: Any, epsilons: list[float], rewards: list[list[float]]) -> None:
    """Draw the mean of each phase over the seeds, with its epsilon at the top."""
    for epsilon in dict.fromkeys(epsilons):
        places = [i for i, x in enumerate(epsilons) if x == epsilon]
        mean = float(np.mean([[row[i] for i in places] for row in rewards]))
        label = "MetaQNN, mean of a phase" if epsilon == epsilons[0] else None
        axes.hlines(mean, places[0] + 0.5, places[-1] + 1.5, color="C3", lw=2, label=label)
        axes.axvline(places[0] + 0.5, color="0.85", lw=0.6, zorder=0)
        middle = (places[0] + places[-1]) / 2 + 1
        top = axes.get_xaxis_transform()
        axes.text(middle, 1.01, f"{epsilon:.1f}", transform=top, ha="center", fontsize=7)
