"""Write `docs/chain-bench.md` and its pictures from the table of `NASChain-v0` alone.

Example: python -m scripts.studies chain-bench
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np

from scripts.studies.chain_bench.charts import draw_landscape, draw_scores
from scripts.studies.chain_bench.landscape import (
    TOP,
    Floats,
    Landscape,
    Table,
    between_seeds,
    between_seeds_at_the_top,
    distance,
    fidelity,
    landscape,
    pooled_sd,
    rank_correlation,
    regret_of_one_seed,
)
from scripts.studies.common.pages import save_page

ROOT = Path(__file__).resolve().parents[3]
SHARES = (0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)


@dataclass(frozen=True)
class Options:
    """Write docs/chain-bench.md and its pictures from the table."""

    table: Path = ROOT / "nas_env" / "data" / "chain_bench.npz"
    """The table."""
    page: Path = ROOT / "docs" / "chain-bench.md"
    """The page; its pictures go to a folder of the same name."""


def run(settings: Options) -> int:
    """Write the page and the pictures."""
    matplotlib.use("Agg")
    table = Table.read(settings.table)
    analysis = landscape(table.walks, table.mean, table.space.num_decisions)
    far = distances(table)
    pictures = settings.page.with_suffix("")
    pictures.mkdir(parents=True, exist_ok=True)
    draw_scores(table, pictures / "scores.png")
    draw_landscape(table, far, pictures / "landscape.png")
    save_page(settings.page, page(table, analysis, far, pictures.name))
    return 0


def distances(table: Table) -> Floats:
    """Return each row's distance to the nearest of the best networks."""
    best = [table.walks[row] for row in np.flatnonzero(table.mean == table.mean.max())]
    return np.array([float(min(distance(walk, x) for x in best)) for walk in table.walks])


def page(table: Table, analysis: Landscape, far: Floats, pictures: str) -> str:
    """Return the page."""
    parts: Sequence[Callable[[], Iterator[str]]] = (
        partial(heading, table),
        partial(scores, table, pictures),
        partial(noise, table),
        partial(fidelities, table),
        partial(networks, table),
        partial(kinds, table),
        partial(walking, table, analysis, far, pictures),
    )
    return "\n".join(line for part in parts for line in part())


def rows_of(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join('---' for _ in head)} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def percent(value: float) -> str:
    """Return a fraction in percent with two digits."""
    return f"{100 * value:.2f}"


def heading(table: Table) -> Iterator[str]:
    """Yield the description of the table."""
    about = table.about
    versions = ", ".join(f"{k} {v}" for k, v in about["versions"].items() if k != "commit")
    recipe = ", ".join(f"{k} {v}" for k, v in sorted(about["recipe"].items()))
    count, total = len(table.walks), table.space.size()
    validation, test = table.arrays["sizes"]
    yield from (
        "# The chain benchmark",
        "",
        "Made by `python -m scripts.studies chain-bench` from the table.",
        "",
        f"The table behind `NASChain-v0`: {count:,} of the {total:,} networks of the space "
        f"`{about['space']}`, each trained {about['epochs']} epochs with training seeds "
        f"{', '.join(map(str, about['seeds']))} on `mnist-small` (1,000 images of digits, 14x14, "
        f"shifted and noisy; {validation:,} for validation, {test:,} for test). Unless stated "
        "otherwise, a score is the validation accuracy after the last epoch; ± is the standard "
        "deviation between seeds. Test accuracies are reported only and were not used for any "
        "selection.",
        "",
        "```bash",
        "make data",
        "python -m scripts.data chain_bench  # an hour on two cores; resumes if killed",
        "python -m scripts.studies chain-bench  # this page, from the table alone",
        "```",
        "",
        f"- Task and evaluator: `{about['evaluator']}`",
        f"- Recipe: {recipe}",
        f"- Versions: {versions}",
        f"- Time: {table.arrays['seconds'].sum() / 60:,.0f} minutes of one core for all trainings, "
        f"{np.median(table.arrays['seconds']):.2f} s in the median (processor seconds, measured "
        "while other programs were running; an idle machine is faster).",
        "- Latency: one image, one thread, median of 25 passes, then of 3 rounds.",
        f"- Failed trainings: {int((table.last == 0).sum())} of {table.last.size:,}.",
        "",
    )


def scores(table: Table, pictures: str) -> Iterator[str]:
    """Yield the distribution of scores and costs."""
    yield from ("## Scores", "", f"![Scores]({pictures}/scores.png)", "")
    columns = (
        ("validation, %", 100 * table.mean),
        ("test, %", 100 * table.tests.mean(axis=1)),
        ("parameters", table.arrays["params"].astype(float)),
        ("MACs", table.arrays["macs"].astype(float)),
        ("seconds", table.arrays["seconds"].mean(axis=1).astype(float)),
        ("latency, ms", table.arrays["latency_ms"].astype(float)),
    )
    head = ("", *("least" if x == 0 else "most" if x == 1 else f"{x:.0%}" for x in SHARES))
    body = []
    for name, values in columns:
        digits = 0 if values.max() > 1000 else 2
        cells = (f"{x:,.{digits}f}" for x in np.quantile(values, SHARES))
        body.append((name, *cells))
    yield "Quantiles over all networks (means over the seeds):"
    yield ""
    yield from rows_of(head, body)
    ranks = [f"{name.split(',')[0]} {rank_correlation(table.mean, x):.3f}" for name, x in columns]
    yield f"Rank correlation of the validation score with {', '.join(ranks[1:])}."
    yield ""


def noise(table: Table) -> Iterator[str]:
    """Yield the noise of the training seed, and whether the best networks can be distinguished."""
    best = table.order[:TOP]
    overall, top = pooled_sd(table.last), pooled_sd(table.last[best])
    ranks, top_ranks = between_seeds(table.last), between_seeds_at_the_top(table.last)
    losses = between_seeds(table.arrays["loss"][:, :, -1].astype(float))
    regret = regret_of_one_seed(table.last)
    yield from (
        "## Noise of the training seed",
        "",
        f"- Pooled standard deviation between seeds: {percent(overall)} points; {percent(top)} "
        f"among the {TOP} best. One validation image is {percent(1 / table.arrays['sizes'][0])}.",
        f"- Rank correlation between two seeds: {ranks:.3f} over all networks (losses: "
        f"{losses:.3f}); {top_ranks:.3f} among the {TOP} best of the third seed. Aim: at least 0.8 "
        f"over all. **It {'holds' if ranks >= 0.8 else 'does not hold'}.**",
        f"- Taking the best network of one seed costs {percent(regret.mean())} points in the mean "
        f"of the other two ({', '.join(percent(x) for x in regret)}). This is the error of a "
        "search with one training per network.",
        "",
    )
    mean = table.mean[table.order]
    places = [place for place in (1, 2, 5, 10, 50, 100, 500, 1000) if place <= len(mean)]
    body = [
        (
            str(place),
            percent(mean[place - 1]),
            percent(mean[0] - mean[place - 1]),
            f"{(mean[0] - mean[place - 1]) / top:.1f}",
        )
        for place in places
    ]
    yield from rows_of(("place", "mean of seeds, %", "below the best", "in seed deviations"), body)
    near = int((mean >= mean[0] - top).sum())
    yield (
        f"Networks within one standard deviation (of the {TOP} best) of the best one: {near} "
        f"({100 * near / len(mean):.1f} %). Aim: the best networks differ by more than the spread "
        f"between seeds. **It {'holds' if near == 1 else 'does not hold'} for the best network**: "
        f"one seed cannot distinguish the best {near}, and their order by the mean is partly "
        "random."
    )
    yield ""


def fidelities(table: Table) -> Iterator[str]:
    """Yield the correlations of scores after fewer epochs."""
    every = fidelity(table.curves, table.order)
    best = fidelity(table.curves, table.order[: len(table.order) // 10])
    epochs = range(table.curves.shape[2])
    same = [rank_correlation(table.curves[:, :, e].ravel(), table.last.ravel()) for e in epochs]
    shares = table.curves.mean(axis=(0, 1))
    yield from (
        "## Fidelity",
        "",
        "Scores after fewer epochs come from the same training. The learning-rate schedule covers "
        "all epochs, so a score after k epochs is that of a training stopped early "
        f"(`Budget(epochs=k, horizon={table.curves.shape[2]})`), not that of a shorter schedule. "
        "Rank correlations:",
        "",
    )
    body = [
        (str(e + 1), percent(shares[e]), f"{same[e]:.3f}", f"{every[e]:.3f}", f"{best[e]:.3f}")
        for e in epochs
    ]
    head = (
        "epochs",
        "mean score, %",
        "with the last epoch, same seed",
        "with the last, other seeds",
    )
    yield from rows_of((*head, "the same, best tenth"), body)


def networks(table: Table) -> Iterator[str]:
    """Yield the best and the worst networks."""
    yield from ("## Best and worst", "")
    body = []
    chosen = [*enumerate(table.order[:8], 1), *enumerate(table.order[-6:], len(table.order) - 5)]
    for place, row in chosen:
        sd = table.last[row].std(ddof=1)
        body.append(
            (
                str(place),
                table.layers(int(row)),
                f"{percent(table.mean[row])} ± {percent(sd)}",
                percent(table.tests[row].mean()),
                f"{table.arrays['params'][row]:,}",
                f"{table.arrays['macs'][row]:,}",
            )
        )
    head = ("place", "layers", "validation, %", "test, %", "parameters", "MACs")
    yield from rows_of(head, body)


def kinds(table: Table) -> Iterator[str]:
    """Yield the scores of networks with common features."""
    labels = [option.label for option in table.space.options()]
    groups: dict[str, list[int]] = {}
    for row, walk in enumerate(table.walks):
        first, last = labels[walk[0]], labels[walk[-2]]
        for name in (f"depth {len(walk) - 1}", f"first: {first}", f"last: {last}"):
            groups.setdefault(name, []).append(row)
    body = []
    for name, rows in sorted(groups.items()):
        part = table.mean[rows]
        cells = (percent(part.mean()), percent(part.min()), percent(part.max()))
        body.append((name, f"{len(rows):,}", *cells))
    yield from ("Scores by common features:", "")
    yield from rows_of(("networks", "number", "mean, %", "worst", "best"), body)


def walking(table: Table, analysis: Landscape, far: Floats, pictures: str) -> Iterator[str]:
    """Yield the landscape under one-decision changes."""
    mean, best = table.mean, table.mean.max()
    reached = mean[analysis.ends]
    single = landscape(table.walks, table.last[:, 0], table.space.num_decisions)
    yield from (
        "## Landscape",
        "",
        f"![Landscape]({pictures}/landscape.png)",
        "",
        "The distance is the minimum number of decisions to substitute, insert or remove. A "
        f"network has {analysis.neighbours:.1f} neighbours (distance 1) in the mean. Scores are "
        "means over the seeds.",
        "",
        f"- Fitness-distance correlation, with the distance to the nearest best network: "
        f"{np.corrcoef(far, mean)[0, 1]:.3f} (Pearson), {rank_correlation(far, mean):.3f} "
        "(Spearman); -1 would mean that the score falls with every step away.",
        f"- Local optima: {len(analysis.optima)} of {len(mean):,} networks ({len(single.optima)} "
        "if the score is that of seed 0 alone).",
        f"- Steepest ascent reaches a best network from {np.mean(reached == best):.1%} of the "
        f"networks, and ends {percent(best - reached.mean())} points below it in the mean.",
        "",
    )
    body = []
    for step in range(int(far.max()) + 1):
        part = mean[far == step]
        if len(part):
            body.append((str(step), f"{len(part):,}", percent(part.mean()), percent(part.max())))
    yield from rows_of(("distance", "networks", "mean score, %", "best score, %"), body)
