"""Write `docs/spaces.md`: every search space with its sizes, from the registry alone.

Example: python -m scripts.studies spaces
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas_env.network import predict
from nas_env.objectives import OBJECTIVES
from nas_env.spaces import SPACES, SearchSpace
from nas_env.spaces.joint import TRAINING
from nas_env.tasks import TaskSpec
from scripts.studies.common.pages import save_page

ROOT = Path(__file__).resolve().parents[3]
TEMPLATE = Path(__file__).with_name("template.md")
OUTPUTS = 10


@dataclass(frozen=True)
class Options:
    """Write docs/spaces.md.

    Attributes:
        networks: Random networks of each space, drawn decision by decision, seed 0.
        page: The page.
    """

    networks: int = 100
    page: Path = ROOT / "docs" / "spaces.md"


def run(settings: Options) -> int:
    """Write the page."""
    lines = [
        "| space | for | decisions | longest walk | states | coarse | walks | parameters |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(row(name, settings.networks) for name in SPACES),
    ]
    parts = {
        "table": "\n".join(lines),
        "networks": str(settings.networks),
        "objectives": objectives(),
        "training": ", ".join(
            f"{name.replace('_', ' ')} ({', '.join(map(str, values))})"
            for name, values in TRAINING.items()
        ),
    }
    text = string.Template(TEMPLATE.read_text("utf-8")).substitute(parts)
    save_page(settings.page, text)
    return 0


def row(name: str, networks: int) -> str:
    """Return the line of a space."""
    factory = SPACES.get(name)
    space = factory()
    automaton = space.automaton()
    coarse = len({space.project(state) for state in automaton.states})
    shape = "x".join(map(str, space.input_shape or ()))
    cells = (
        f"`{name}`",
        f"{space.modality}s, {shape}",
        str(space.num_decisions),
        str(space.max_length),
        f"{automaton.num_states:,}",
        f"{coarse:,}",
        many(automaton.walks[0]),
        parameters(space, networks),
    )
    return f"| {' | '.join(cells)} |"


def many(count: int) -> str:
    """Return a number of walks; exact below 10^9."""
    return f"{count:,}" if count < 10**9 else f"{float(count):.1e}".replace("e+", "e")


def parameters(space: SearchSpace, networks: int) -> str:
    """Return minimum, median and maximum of the trainable parameters of random networks."""
    rng = np.random.default_rng(0)
    spec = TaskSpec("probe", 1, space.modality, space.input_shape or (), OUTPUTS)
    drawn = (space.assemble(space.sample(rng)).architecture for _ in range(networks))
    counts = sorted(predict(x, spec).params for x in drawn)
    return f"{counts[0]:,}, {counts[len(counts) // 2]:,}, {counts[-1]:,}"


def objectives() -> str:
    """Return a table of the registered objectives with their bounds."""
    lines = ["| objective | bounds | score of a failure | needs |", "| --- | --- | ---: | --- |"]
    for name in OBJECTIVES:
        objective = OBJECTIVES.get(name)()
        low, high = objective.bounds
        needs = ", ".join(objective.needs) or "reward or accuracy"
        lines.append(f"| `{name}` | {low:g} to {high:g} | {objective.failure:g} | {needs} |")
    return "\n".join(lines)
