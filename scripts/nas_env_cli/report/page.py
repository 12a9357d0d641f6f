"""The HTML page about one or several runs."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template
from typing import Any, cast

from nas_env.architecture import Candidate
from nas_env.drawing import draw_svg
from nas_env.markup import Markup, element, join
from nas_env.tasks.base import TaskSpec
from nas_env_cli.metric_format import MetricFormat
from nas_env_cli.report.baselines import baselines
from nas_env_cli.report.charts.best import COUNT, best
from nas_env_cli.report.charts.front import comparable, front, front_of
from nas_env_cli.report.charts.heat import heat
from nas_env_cli.report.charts.parallel import parallel
from nas_env_cli.report.charts.phases import phases
from nas_env_cli.report.charts.progress import MARKS, improvements, progress
from nas_env_cli.report.charts.shares import shares
from nas_env_cli.report.charts.times import times
from nas_env_cli.report.charts.tree import tree
from nas_env_cli.report.data import RunData, SearchData, best_trials, new_trials
from nas_env_cli.report.decisions import HeatTable, shares_of
from nas_env_cli.report.frame import Series
from nas_env_cli.report.longer import longer
from nas_env_cli.report.palette import DARK, LIGHT, variables

FOLDER = Path(__file__).parent
NUMERIC = ("best score", "quality", "parameters", "networks", "failed", "seed")
Drawings = Mapping[str, Markup]


@dataclass(frozen=True)
class Run:
    """The data of a run for the page, its task, and its Q-table if it has one."""

    data: RunData
    spec: TaskSpec
    q_table: HeatTable | None = None


def page(runs: Sequence[Run], title: str = "") -> str:
    """Return the page as self-contained HTML."""
    runs = [_apart(number, run) for number, run in enumerate(runs)] if len(runs) > 1 else runs
    series = _series(runs)
    drawings = {key: drawn for run in runs for key, drawn in _drawings(run).items()}
    everything = [pair for run in series for pair in run]
    names = ", ".join(run.data["name"] for run in runs)
    parts = [
        _overview(runs, series),
        element("h2", "Side by side" if len(everything) > 1 else "The search"),
        element(
            "div",
            progress(everything, set(drawings)),
            front(everything, set(drawings)),
            shares(everything),
            times(everything),
            [_phases(number, pairs) for number, pairs in enumerate(series)],
            class_="grid",
        ),
        [
            _run(number, run, pairs, drawings)
            for number, (run, pairs) in enumerate(zip(runs, series, strict=True))
        ],
    ]
    templates = [element("template", x, id=f"drawing-{key}") for key, x in drawings.items()]
    style, script = _style(), (FOLDER / "page.js").read_text(encoding="utf-8")
    return Template((FOLDER / "page.html").read_text(encoding="utf-8")).substitute(
        title=join(title or f"Search report: {names}"),
        subtitle=join(_subtitle(runs)),
        body=join(parts),
        templates=join(templates),
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def _apart(number: int, run: Run) -> Run:
    """Return a run with the run number in its network keys: drawings depend on the task."""
    data = run.data
    candidates = {f"{number}-{key}": x for key, x in data["candidates"].items()}
    apart: dict[str, Any] = {"candidates": candidates}
    for name in ("searches", "portfolio"):
        apart[name] = [
            {**search, "trials": [{**x, "key": f"{number}-{x['key']}"} for x in search["trials"]]}
            for search in data[name]
        ]
    return replace(run, data=cast(RunData, {**data, **apart}))


def _style() -> str:
    """Return the CSS with the colours of both themes."""
    light, dark = variables(LIGHT), variables(DARK)
    system = f":root:not([data-theme=light]){{color-scheme:dark;{dark}}}"
    return (
        f":root{{color-scheme:light;{light}}}"
        f"@media (prefers-color-scheme:dark){{{system}}}"
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}"
    ) + (FOLDER / "page.css").read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _subtitle(runs: Sequence[Run]) -> str:
    subjects = {f"task {x.data['task']}, space {x.data['space']}" for x in runs}
    running = [x.data["name"] for x in runs if not x.data["finished"]]
    text = "; ".join(sorted(subjects))
    return f"{text}. Not finished yet: {', '.join(running)}." if running else f"{text}."


def _series(runs: Sequence[Run]) -> list[list[tuple[Series, SearchData]]]:
    """Return the searches of each run with their series; random search is the reference."""
    agents, references, pairs_by_run = 0, 0, []
    for run in runs:
        pairs = []
        for search in run.data["searches"]:
            name = "random search" if search["reference"] else search["name"]
            if len(runs) > 1 and name != run.data["name"]:
                name = f"{run.data['name']}: {name}"
            number = references if search["reference"] else agents
            pairs.append((Series(name, number, search["reference"]), search))
            references += search["reference"]
            agents += not search["reference"]
        pairs_by_run.append(pairs)
    return pairs_by_run


def _drawings(run: Run) -> dict[str, Markup]:
    """Return drawings of the best networks, of Pareto fronts and of the latest improvements."""
    scores: dict[str, float] = {}
    for search in [*run.data["searches"], *run.data["portfolio"]]:
        chosen = [
            *front_of(comparable(search), search["metric_format"]),
            *improvements(search)[-MARKS:],
        ]
        for trial in [*best_trials(search, COUNT), *chosen]:
            scores.setdefault(trial["key"], trial["score"])
    drawn = {}
    for key, score in scores.items():
        candidate = Candidate.from_json(run.data["candidates"][key])
        training = candidate.recipe.changes()
        title = f"score {score:.4f}"
        drawn[key] = draw_svg(candidate.architecture, run.spec, title, training=training, name=key)
    return drawn


def _overview(runs: Sequence[Run], series: Sequence[Sequence[tuple[Series, SearchData]]]) -> Markup:
    heads = ("search", *NUMERIC, "ended by")
    row = [element("th", x, class_="number" if x in NUMERIC else None, scope="col") for x in heads]
    together = zip(runs, series, strict=True)
    rows = [_row(*pair, MetricFormat.of(run.spec)) for run, pairs in together for pair in pairs]
    table = element("table", element("thead", element("tr", row)), element("tbody", rows))
    label = "Table of the searches (scrolls sideways)"
    body = element("div", table, class_="scroll", tabindex="0", role="group", aria_label=label)
    verdicts = [_verdicts(run, len(runs) > 1) for run in runs]
    card = element(
        "section", element("h3", "Results"), body, verdicts, class_="card wide", id="overview"
    )
    trained = [
        longer(f"longer-{number}", run.data["longer"], run.data["name"] if len(runs) > 1 else "")
        for number, run in enumerate(runs)
        if run.data["longer"]
    ]
    return element("div", card, trained, _baselines(runs), _data(runs), class_="grid")


def _baselines(runs: Sequence[Run]) -> list[Markup]:
    """Return the tables of scikit-learn's models of runs on tables."""
    return [
        baselines(
            f"sklearn-{number}",
            run.data["sklearn"],
            MetricFormat.of(run.spec),
            run.data["name"] if len(runs) > 1 else "",
        )
        for number, run in enumerate(runs)
        if run.data["sklearn"] and any(run.data["sklearn"].values())
    ]


def _data(runs: Sequence[Run]) -> list[Markup]:
    """Return the descriptions of own data, once for runs on the same data."""
    texts = dict.fromkeys(x.data["about"] for x in runs if x.data["about"])
    title = element("h3", "The data")
    parts = [element("pre", text, class_="data") for text in texts]
    return [element("section", title, parts, class_="card wide", id="data")] if parts else []


def _row(series: Series, search: SearchData, fmt: MetricFormat) -> Markup:
    top = best_trials(search, 1)
    metrics = top[0]["metrics"] if top else {}
    new = new_trials(search)
    cells = [
        f"{top[0]['score']:.4f}" if top else "none",
        fmt.sentence(metrics[fmt.metric]) if fmt.metric in metrics else "unknown",
        f"{metrics['params']:,.0f}" if "params" in metrics else "unknown",
        f"{len(new):,}",
        f"{sum(not x['ok'] for x in new):,}",
        str(search["seed"]),
    ]
    return element(
        "tr",
        element("th", series.name, scope="row"),
        [element("td", x, class_="number") for x in cells],
        element("td", search["reason"] or "running or killed"),
    )


def _verdicts(run: Run, with_heading: bool) -> list[Markup]:
    """Return the conclusions of a run's summary, with the test metric of retrained networks."""
    lines = [*run.data["verdicts"], *_retrained(run)]
    if not lines:
        return []
    heading = [element("h4", run.data["name"])] if with_heading else []
    return [*heading, element("ul", [element("li", x) for x in lines], class_="verdicts")]


def _retrained(run: Run) -> list[str]:
    """Return one sentence on the test metric of the retrained networks."""
    fmt, networks = MetricFormat.of(run.spec), run.data["retrained"]
    if not networks:
        return []
    parts = [f"{x['name']} {fmt.spread(x[fmt.key])}{fmt.unit}" for x in networks]
    seeds = len(networks[0][fmt.key])
    words = f"Test {fmt.words}, retrained with {seeds} seed{'s' * (seeds > 1)}"
    return [f"{words}: {', '.join(parts)}."]


def _phases(number: int, pairs: Sequence[tuple[Series, SearchData]]) -> Markup:
    """Return the chart of the agent's phases, with the random search of the run."""
    reference = next((x for series, x in pairs if series.reference), None)
    return phases(f"phases-{number}", *pairs[0], reference)


def _run(
    number: int, run: Run, pairs: Sequence[tuple[Series, SearchData]], drawings: Drawings
) -> Markup:
    """Return the charts of the agent of one run."""
    series, search = pairs[0]
    walks = [x["labels"] for x in search["trials"]]
    last = walks[-max(1, len(walks) // 4) :]
    table = run.q_table or shares_of(last)
    cards = [
        heat(f"heat-{number}", table),
        parallel(f"parallel-{number}", search),
        tree(f"tree-{number}", search),
        best(f"best-{number}", [*run.data["searches"], *run.data["portfolio"]], drawings),
    ]
    return element("div", element("h2", series.name), element("div", cards, class_="grid"))
