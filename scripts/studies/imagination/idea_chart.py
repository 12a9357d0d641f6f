"""Picture of `imagination`: one decision of one run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from matplotlib.figure import Figure

from nas_env_agents import make_agent
from nas_env_agents.imagination import Imagination
from nas_env_agents.imagination.kernel import distances
from nas_env_agents.imagination.planner import Dream
from nas_env_cli.benchmark.figures import save_svg

EVALUATED, SEED = 24, 1000
SHORT = ("none", "skip", "conv 1x1", "conv 3x3", "pool 3x3")
INK, MARK, FAINT = "#1f4e79", "#c0392b", "#b8c4ce"


class Watched(Dream):
    """A dream that records the imagined walks, in order."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.imagined: list[tuple[int, ...]] = []

    def values(self, walks: Any) -> list[float]:
        """Return the values, and record the walks."""
        self.imagined += [walk for walk in walks if walk not in self.seen]
        return super().values(walks)


def draw_idea(path: Path) -> None:
    """Draw the learned similarities, the imagined walks, and the predictions after 24 cells."""
    env = gymnasium.make("NASBench201-v0", reward="test_200", fidelity=200)
    agent = make_agent("imagination", env, seed=SEED)
    assert isinstance(agent, Imagination)
    agent.learn(6 * EVALUATED)
    posterior = agent.model.posterior()
    encode = agent.model.process.kernel.encode
    dream = Watched(lambda walks: agent._bound(posterior, list(walks)), {*agent.model.walks})
    agent.plan.imagine(dream, agent.rng)
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    learned, imagined, judged = figure.subplots(1, 3)
    _similarities(learned, agent)
    everything = list(agent.space.enumerate())
    means, spreads = posterior.predict(encode(everything))
    new = np.array([walk not in agent.model.walks for walk in everything])
    label = f"the {new.sum():,} other cells"
    imagined.scatter(spreads[new], means[new], s=1, c=FAINT, label=label, rasterized=True)
    some = posterior.predict(encode(list(dict.fromkeys(dream.imagined))))
    imagined.scatter(some[1], some[0], s=5, c=INK, label="imagined, 512 rollouts")
    assert dream.best is not None
    best = posterior.predict(encode([dream.best]))
    imagined.scatter(best[1], best[0], s=90, c=MARK, marker="*", label="evaluated next")
    edge = np.array([0.0, float(spreads.max())])
    imagined.plot(edge, dream.best_value - edge, c=MARK, lw=0.8, ls="--")
    imagined.set(xlabel="standard deviation", ylabel="mean, in normal scores")
    imagined.set_title("2. Imagine: episodes planned in the model", fontsize=9)
    imagined.legend(fontsize=7, loc="lower left")
    _judged(judged, agent, everything, means)
    save_svg(figure, path)


def _similarities(axes: Any, agent: Imagination) -> None:
    """Draw the learned similarity of operations."""
    process = agent.model.process
    embedding = process.kernel.unpack(process.vector).embedding[: len(SHORT)]
    similarity = np.exp(-distances(embedding, embedding))
    axes.imshow(similarity, cmap="Blues", vmin=0, vmax=1)
    for i, line in enumerate(similarity):
        for j, value in enumerate(line):
            axes.text(
                j,
                i,
                f"{value:.2f}",
                ha="center",
                va="center",
                fontsize=7,
                color="white" if value > 0.6 else "black",
            )
    axes.set_xticks(range(len(SHORT)), SHORT, rotation=30, fontsize=7)
    axes.set_yticks(range(len(SHORT)), SHORT, fontsize=7)
    axes.set_title(f"1. Learn: likeness of operations\nafter {EVALUATED} cells", fontsize=9)


def _judged(axes: Any, agent: Imagination, walks: list[Any], means: Any) -> None:
    """Draw the predicted score of every cell against its accuracy."""
    from scipy.stats import spearmanr

    evaluator: Any = agent.env.unwrapped.evaluator  # type: ignore[attr-defined]
    table = evaluator.table
    rows = {tuple(walk): number for number, walk in enumerate(table.walks.tolist())}
    truth = 100 * table.column("test_200")[[rows[walk] for walk in walks]]
    axes.scatter(truth, means, s=1, c=FAINT, rasterized=True)
    evaluated = [rows[walk] for walk in agent.model.walks]
    scores = 100 * table.column("test_200")[evaluated]
    axes.scatter(scores, agent.model.expected(), s=14, c=INK, label="evaluated")
    axes.set_xlim(np.percentile(truth, 15), truth.max() + 0.2)
    axes.set(xlabel="accuracy, %", ylabel="expected, in normal scores")
    axes.set_title(
        f"3. Judge: rank correlation {spearmanr(truth, means).statistic:.2f}", fontsize=9
    )
    axes.legend(fontsize=7, loc="upper left")
