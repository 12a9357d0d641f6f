"""The protocol of the NAS-Bench-201 paper, and a comparison with its published numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nas_env.errors import InvalidSettingError
from nas_env_cli.benchmark.page import made
from nas_env_cli.benchmark.replay import decisions, play_walk
from nas_env_cli.benchmark.runs import Runs
from nas_env_cli.specs import EnvSpec

SEARCHED = "cifar10"
DATASETS = (SEARCHED, "cifar100", "imagenet16-120")
NAMES = ("CIFAR-10", "CIFAR-100", "ImageNet16-120")
TOLERANCE = (0.1, 0.3, 0.3)  # points, within which a mean agrees with the published one
ENV = f"{SEARCHED}=NASBench201-v0:dataset={SEARCHED}"
EVOLUTION = "regularized-evolution:population_size=10,sample_size=3"
RATES = ("0.001", "0.01", "0.05", "0.1", "0.3")
RULE = "normalise=false,entropy=0,momentum=0.9,reward_scale=100"  # the authors', rate apart
REINFORCE = tuple(f"reinforce-{rate}=reinforce:learning_rate={rate},{RULE}" for rate in RATES)
AGENTS = ("random", f"regularized-evolution={EVOLUTION}", *REINFORCE, "local-search")


class Published(NamedTuple):
    """A row of the paper: mean and standard deviation of each data set's test accuracy, %."""

    words: str
    means: tuple[float, float, float]
    spreads: tuple[float, float, float]


# Dong and Yang, "NAS-Bench-201", ICLR 2020; 500 runs.
PUBLISHED = {
    "random": Published("random search", (93.70, 71.04, 44.57), (0.36, 1.07, 1.25)),
    "regularized-evolution": Published(
        "regularised evolution", (93.92, 71.84, 45.54), (0.30, 0.99, 1.03)
    ),
    "reinforce": Published("REINFORCE", (93.85, 71.71, 45.24), (0.37, 1.09, 1.18)),
}


class AgentResult(NamedTuple):
    """Our results of an agent.

    Attributes:
        label: Label of the agent.
        name: Registered name of the agent.
        tests: (runs, 3) test accuracy of each run's pick on the data sets, %.
        networks: Mean number of networks of a run, repeats included.
    """

    label: str
    name: str
    tests: NDArray[np.float64]
    networks: float

    @property
    def means(self) -> NDArray[np.float64]:
        """(3,) means over runs."""
        return np.asarray(self.tests.mean(axis=0))

    def differences(self) -> NDArray[np.float64] | None:
        """Return (3,) our means minus the published ones, or None if none are published."""
        row = PUBLISHED.get(self.name)
        return None if row is None else self.means - np.array(row.means)

    def agrees(self) -> bool:
        """Return whether all three means are within `TOLERANCE` of the published ones."""
        gaps = self.differences()
        return gaps is not None and bool((np.abs(gaps) <= TOLERANCE).all())


def protocol_results(table: pa.Table, settings: dict[str, Any]) -> list[AgentResult]:
    """Return our results: for each run the cell with the best 12-epoch validation accuracy.

    Raises:
        InvalidSettingError: The file was made by another command.
    """
    if settings["envs"].get(SEARCHED, {}).get("id") != "NASBench201-v0":
        raise InvalidSettingError(
            "The results were made by another command. Run: python -m scripts.studies "
            "nb201-protocol."
        )
    runs = Runs(table, settings["limit"] or 0)
    picks = {agent: [run.walks[-1] for run in runs.of(agent, SEARCHED)] for agent in runs.agents}
    tests = _tests({walk for walks in picks.values() for walk in walks})
    return [
        AgentResult(
            agent,
            settings["agents"][agent]["name"],
            np.array([tests[walk] for walk in walks]),
            float(np.mean([run.trials for run in runs.of(agent, SEARCHED)])),
        )
        for agent, walks in picks.items()
    ]


def _tests(walks: Iterable[str]) -> dict[str, list[float]]:
    """Return the 200-epoch test accuracy of cells on all three data sets, %."""
    envs = [EnvSpec(name, "NASBench201-v0", {"dataset": name}).make() for name in DATASETS]
    return {
        walk: [100 * play_walk(env, decisions(walk))["report"] for env in envs] for walk in walks
    }


def protocol_page(results: list[AgentResult], settings: dict[str, Any], source: str) -> str:
    """Return the page that compares our results with the published ones."""
    seconds = settings["simulated_seconds"]
    head = f"| method | runs | networks | {' | '.join(f'{x}, %' for x in NAMES)} | agrees |"
    return "\n".join(
        [
            "# The NAS-Bench-201 paper's protocol",
            "",
            f"Made by `python -m scripts.studies nb201-protocol` from [{source}]({source}); "
            "`nas-env replay` plays its rows again.",
            "",
            "A run searches CIFAR-10 by 12-epoch validation accuracy for "
            f"{seconds:,.0f} simulated seconds. Each network costs 12 epochs and a pass over the "
            "validation images, also if it is repeated. The network in which the time runs out "
            "does not count. A run reports the network with the best validation accuracy: its "
            "200-epoch test accuracy on three data sets, mean ± standard deviation over runs.",
            "",
            "- *networks*: mean number within the time, repeats included. A run also ends when it "
            "finds the best validation accuracy of the table.",
            "- *published*: Dong and Yang, ICLR 2020, 500 runs.",
            f"- *agrees*: our three means are within {' / '.join(map(str, TOLERANCE))} points of "
            "the published ones.",
            "",
            head,
            "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
            *_rows(results),
            "",
            *[f"- {_sentence(row)}" for row in results if row.name in PUBLISHED],
            "",
            "Local search is included because a controller should beat it; the paper has no row "
            "for it.",
            "",
            *made(settings),
            "",
        ]
    )


def _rows(results: list[AgentResult]) -> list[str]:
    lines = []
    for name, row in PUBLISHED.items():
        cells = [f"{x:.2f} ± {s:.2f}" for x, s in zip(row.means, row.spreads, strict=True)]
        lines.append(f"| {row.words}, published | 500 | | {' | '.join(cells)} | |")
        lines += [_line(x) for x in results if x.name == name]
    return lines + [_line(x) for x in results if x.name not in PUBLISHED]


def _line(row: AgentResult) -> str:
    spreads = row.tests.std(axis=0, ddof=1) if len(row.tests) > 1 else np.full(3, np.nan)
    cells = [f"{x:.2f} ± {s:.2f}" for x, s in zip(row.means, spreads, strict=True)]
    verdict = ("yes" if row.agrees() else "no") if row.name in PUBLISHED else ""
    numbers = f"{len(row.tests)} | {row.networks:.0f}"
    return f"| `{row.label}` | {numbers} | {' | '.join(cells)} | {verdict} |"


def _sentence(row: AgentResult) -> str:
    differences = row.differences()
    assert differences is not None
    gaps = " / ".join(f"{x:+.2f}" for x in differences)
    word = "agrees with" if row.agrees() else "does not agree with"
    return f"`{row.label}` {word} the published {PUBLISHED[row.name].words}: {gaps} points."
