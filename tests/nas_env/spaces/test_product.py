"""Spaces where every decision is always legal: the arrays made by numpy are the compiler's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pytest

from nas_env.network import predict
from nas_env.spaces import SPACES, SearchSpace, Walk
from nas_env.spaces._product import ProductSpace
from nas_env.spaces.automaton import compile_space
from nas_env.tasks import TaskSpec

Make = Callable[..., SearchSpace]
PRODUCTS = [name for name in SPACES if isinstance(SPACES.get(name)(), ProductSpace)]
STATES = {"nasbench201": sum(5**n for n in range(7)), "nasbench-macro": sum(3**n for n in range(9))}


@pytest.mark.parametrize("name", PRODUCTS)
def test_the_arrays_equal_those_of_the_compiler(make_space: Make, name: str) -> None:
    space = make_space(name)
    made, expected = space.automaton(), compile_space(space)
    for item in fields(expected):
        own, other = getattr(made, item.name), getattr(expected, item.name)
        assert type(own) is type(other)
        if isinstance(other, np.ndarray):
            assert own.dtype == other.dtype
            assert np.array_equal(own, other), item.name
        else:
            assert own == other, item.name
    assert made.num_states == STATES[name]


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 7, 5), (2, 1, 1)])
def test_costs_hold_for_any_image(name: str, shape: tuple[int, ...]) -> None:
    space, spec = SPACES.get(name)(shape, 3), TaskSpec("probe", 1, "image", shape, 3)
    rng = np.random.default_rng(0)
    for _ in range(20):
        walk = space.sample(rng)
        spent = sum(space.cost(walk[:position], x) for position, x in enumerate(walk))
        assert spent == predict(space.decode(walk).architecture, spec).params


@pytest.mark.parametrize("name", PRODUCTS)
def test_the_coarse_state_and_the_features_of_a_walk(make_space: Make, name: str) -> None:
    space = make_space(name)
    assert {space.project(x) for x in space.automaton().states} == set(range(space.max_length + 1))
    walk: Walk = (2, 0, 2)
    depth, *held = space.features(walk)
    assert depth == pytest.approx(3 / space.max_length)
    shown = [name for name, value in zip(space.feature_names[1:], held, strict=True) if value]
    places = [space.choice(walk[:position]) for position in range(3)]
    assert shown == [
        f"{place.name}: {place.options[decision].label}"
        for place, decision in zip(places, walk, strict=True)
        if place is not None
    ]


@pytest.mark.parametrize("name", PRODUCTS)
def test_an_edit_changes_one_operation(make_space: Make, name: str) -> None:
    space = make_space(name)
    walk = tuple(space.sample(np.random.default_rng(0)))
    edits = space.edits(walk)
    assert [x.position for x in edits] == list(range(space.max_length))
    for edit, position, after in edits:
        assert edit == "change kernel"
        assert [i for i, (a, b) in enumerate(zip(walk, after, strict=True)) if a != b] == [position]
