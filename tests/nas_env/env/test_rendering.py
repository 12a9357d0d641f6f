"""Rendering: a table, a drawing, partial and complete."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from nas_env.architecture import Architecture, Layer
from nas_env.network import predict
from nas_env.rendering import draw, save_drawing, table_rows, text_table
from nas_env.spaces import SPACES
from nas_env.tasks import TaskSpec

MakeEnv = Callable[..., gym.Env[Any, Any]]


def test_the_table_grows_with_the_network(make_env: MakeEnv) -> None:
    env: Any = make_env(render_mode="ansi")
    env.reset(seed=0)
    empty = env.render()
    assert "input" in empty
    assert "so far" in empty
    env.step(3)
    partial = env.render()
    assert "conv 16, 3x3" in partial
    assert "classifier" not in partial
    env.step(14)
    table = env.render()
    assert "classifier 10" in table
    inner = env.unwrapped
    cost = predict(inner.candidate.architecture, inner.task.spec)
    assert [line.split()[0] for line in table.splitlines()] == [
        "layer",
        "input",
        "conv",
        "classifier",
        "total",
    ]
    assert f"{cost.params:,}" in table.splitlines()[-1]
    assert f"{cost.macs:,}" in table.splitlines()[-1]


def test_the_drawing_grows_with_the_network(make_env: MakeEnv) -> None:
    env: Any = make_env(render_mode="rgb_array")
    env.reset(seed=0)
    drawings = [env.render()]
    for action in (3, 5, 14):
        env.step(action)
        drawings.append(env.render())
    heights = [x.shape[0] for x in drawings]
    for x in drawings:
        assert x.dtype == np.uint8
        assert x.shape[2] == 3
        assert len(np.unique(x)) > 10
    assert heights == sorted(set(heights))


def test_without_a_mode_nothing_is_drawn() -> None:
    from nas_env.env import NASEnv

    env = NASEnv(evaluator="synthetic")
    env.reset(seed=0)
    assert env.render() is None


@pytest.mark.parametrize("space", list(SPACES))
def test_every_space_is_drawn_at_every_step(make_env: MakeEnv, space: str) -> None:
    env: Any = make_env(space=space, render_mode="ansi")
    env.action_space.seed(0)
    _, info = env.reset(seed=0)
    over, lines = False, []
    while not over:
        lines.append(len(env.render().splitlines()))
        _, _, over, _, info = env.step(env.action_space.sample(info["action_mask"]))
    assert lines == sorted(lines)
    assert "classifier" in env.render()


@pytest.mark.parametrize("name", ["NASBenchGraph-v0", "NASTable-v0"])
def test_what_cannot_be_built_is_drawn_without_costs(make_env: MakeEnv, name: str) -> None:
    env: Any = make_env(name, render_mode="ansi")
    picture: Any = make_env(name, render_mode="rgb_array")
    heights = []
    for made in (env, picture):
        made.reset(seed=0)
    inner, over = env.unwrapped, False
    while not over:
        heights.append(picture.render().shape[0])
        action = int(inner.action_masks().argmax())
        over = env.step(action)[2]
        picture.step(action)
        labels = [
            f"{where} = {inner.space.options()[x].label}"
            for where, x in zip(inner.space.names, inner.state.walk, strict=False)
        ]
        assert env.render().splitlines() == ["decision", *labels]
    assert heights == sorted(set(heights))
    rows = table_rows(inner.candidate.architecture, inner.task.spec)
    assert [(row.shape, row.params, row.macs) for row in rows] == [("", 0, 0)] * len(labels)
    assert "classifier" not in [row.kind for row in rows]


def test_a_graph_is_drawn_with_what_it_reads(tmp_path: Path) -> None:
    architecture = Architecture(
        (
            Layer.of("conv", channels=8, kernel=3),
            Layer.of("conv", channels=8, kernel=3),
            Layer.of("add", (1, 2)),
        )
    )
    spec = TaskSpec("probe", 1, "image", (1, 8, 8), 10)
    assert [row.reads for row in table_rows(architecture, spec)] == [(), (0,), (1,), (1, 2), (3,)]
    assert "add of 1, 2" in text_table(architecture, spec)
    paths = save_drawing(draw(architecture, spec, "a title"), tmp_path / "network")
    assert [path.name for path in paths] == ["network.svg", "network.png"]
    assert paths[0].read_text().startswith("<?xml")
    assert paths[1].read_bytes().startswith(b"\x89PNG")
