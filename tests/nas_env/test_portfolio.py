"""The hand-made reference networks: built, trained, and within their limit."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
import torch

from nas_env.architecture import Recipe
from nas_env.errors import IncompatibleError
from nas_env.evaluation import Budget
from nas_env.evaluators.training import Training
from nas_env.factories import make_space
from nas_env.network import build, predict
from nas_env.portfolio import portfolio
from nas_env.spaces.inverse import walk_of
from nas_env.tasks import TASKS, TaskSpec

IMAGES = [(c, h, w) for c, (h, w) in product((1, 3), ((3, 3), (5, 9), (8, 8), (28, 28), (96, 64)))]
SHAPES = [*IMAGES, (1,), (13,), (200,)]
LIMITS = (None, 100_000, 3_000, 300, 10)


def spec_of(shape: tuple[int, ...], outputs: int = 4) -> TaskSpec:
    return TaskSpec("mine", 1, "image" if len(shape) == 3 else "vector", shape, outputs)


@pytest.mark.parametrize("shape", SHAPES)
def test_networks_are_built_and_within_the_limit(shape: tuple[int, ...]) -> None:
    spec, widest = spec_of(shape), {}
    for limit in LIMITS:
        for name, candidate in portfolio(spec, Recipe(batch_size=7), limit).items():
            network = build(candidate.architecture, spec).eval()
            params = sum(x.numel() for x in network.parameters() if x.requires_grad)
            assert params == predict(candidate.architecture, spec).params <= (limit or params)
            assert network(torch.zeros(2, *shape)).shape == (2, 4)
            assert candidate.recipe.batch_size == 7
            assert params <= widest.setdefault(name, params)
    assert len(widest) == (3 if len(shape) == 3 else 2)


@pytest.mark.parametrize(("task", "least"), [("digits", 0.9), ("wine", 0.9)])
def test_trained_networks_are_a_strong_default(task: str, least: float) -> None:
    problem = TASKS.get(task)()
    networks = list(portfolio(problem.spec).values())
    evaluations = Training(problem).evaluate(networks, Budget(epochs=6))
    assert max(x.metrics["accuracy"] for x in evaluations) > least


def test_an_unknown_modality_is_named() -> None:
    with pytest.raises(IncompatibleError, match=r"Modality 'smell' .* Available: image, vector"):
        portfolio(replace(spec_of((3,)), modality="smell"))


@pytest.mark.parametrize(
    ("space", "task", "names"),
    [("chain", "digits", {"plain-cnn", "lenet"}), ("mlp", "wine", {"mlp"})],
)
def test_default_spaces_have_walks_to_reference_networks(
    space: str, task: str, names: set[str]
) -> None:
    problem = TASKS.get(task)()
    walks = make_space(space, problem, None)
    for name, candidate in portfolio(problem.spec).items():
        walk = walk_of(walks, candidate.architecture)
        assert (walk is not None) == (name in names)
        if walk is not None:
            assert walks.decode(walk).architecture == candidate.architecture
