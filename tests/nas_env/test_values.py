"""Values: JSON there and back, keys that are equal everywhere, bad settings refused."""

from __future__ import annotations

import json
import math
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_env.architecture import (
    AUGMENTATIONS,
    OPTIMIZERS,
    SCHEDULES,
    Architecture,
    Candidate,
    Layer,
    Recipe,
    Scalar,
    canonical_json,
)
from nas_env.errors import (
    InvalidArchitectureError,
    InvalidSettingError,
    NASError,
    UnknownNameError,
)
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.registry import Registry
from nas_env.store import EvaluationKey

NAMES = st.sampled_from(("channels", "kernel", "rate", "x_1"))
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = (
    st.booleans() | st.integers(-(2**40), 2**40) | NUMBERS | st.sampled_from(("", "relu", 'é\n"'))
)


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    layers = []
    for index in range(draw(st.integers(0, 5))):
        inputs = draw(st.lists(st.integers(0, index), max_size=3))
        settings = draw(st.dictionaries(NAMES, SCALARS, max_size=3))
        layers.append(Layer.of(draw(NAMES), inputs, **settings))
    return Architecture(tuple(layers))


RECIPES = st.builds(
    Recipe,
    optimizer=st.sampled_from(OPTIMIZERS),
    learning_rate=st.floats(1e-6, 10),
    weight_decay=st.floats(0, 1),
    batch_size=st.integers(1, 4096),
    schedule=st.sampled_from(SCHEDULES),
    step_factor=st.floats(0.01, 1),
    step_epochs=st.integers(1, 50),
    label_smoothing=st.floats(0, 0.99),
    augmentation=st.sampled_from(AUGMENTATIONS),
)
CANDIDATES = st.builds(
    Candidate, architectures(), RECIPES, st.lists(st.integers(0, 30), max_size=6).map(tuple)
)
BUDGETS = st.builds(
    Budget,
    epochs=st.integers(1, 50),
    horizon=st.none() | st.integers(50, 99),
    training_seed=st.integers(0, 2**63 - 1),
    max_seconds=st.none() | st.floats(0.001, 1e6),
    max_memory_mb=st.none() | st.floats(0.001, 1e6),
    max_macs=st.none() | st.floats(1, 1e12),
    max_latency_ms=st.none() | st.floats(0.001, 1e6),
)
METRICS = st.dictionaries(NAMES, NUMBERS | st.integers(0, 2**60), max_size=4)
EVALUATIONS = st.builds(
    Evaluation,
    st.sampled_from(Outcome),
    METRICS,
    st.lists(METRICS, max_size=3).map(tuple),
    st.integers(0, 99),
    NUMBERS,
    st.sampled_from(("", "CUDA out of memory", 'é\n"')),
)


def through_json(data: Any) -> Any:
    return json.loads(json.dumps(data))


@given(architectures())
def test_architectures_go_through_json(x: Architecture) -> None:
    back = Architecture.from_json(through_json(x.to_json()))
    assert (back, hash(back), back.key) == (x, hash(x), x.key)
    assert [Layer.from_json(through_json(y.to_json())) for y in x.layers] == list(x.layers)


@given(architectures())
def test_the_text_that_keys_are_made_of_is_the_canonical_json(x: Architecture) -> None:
    assert x.text == canonical_json(x.to_json())
    assert [y.text for y in x.layers] == [canonical_json(y.to_json()) for y in x.layers]


@given(CANDIDATES)
def test_candidates_go_through_json(x: Candidate) -> None:
    back = Candidate.from_json(through_json(x.to_json()))
    assert (back, back.key, back.walk) == (x, x.key, x.walk)
    assert Recipe.from_json(through_json(x.recipe.to_json())) == x.recipe


@given(BUDGETS, EVALUATIONS)
def test_budgets_and_evaluations_go_through_json(budget: Budget, x: Evaluation) -> None:
    assert Budget(**through_json(budget.to_json())) == budget
    assert Evaluation.from_json(through_json(x.to_json())) == x


@given(BUDGETS)
def test_the_text_of_a_budget_has_all_that_is_set_but_the_seed(x: Budget) -> None:
    settings = json.loads(x.text)
    assert None not in settings.values()
    assert Budget(**settings, training_seed=x.training_seed) == x


@given(CANDIDATES)
def test_values_pickle(x: Candidate) -> None:
    key = x.key
    back = pickle.loads(pickle.dumps(x))
    assert (back, back.key) == (x, key)


@given(RECIPES, RECIPES)
def test_keys_are_equal_exactly_where_recipes_are(a: Recipe, b: Recipe) -> None:
    network = Architecture((Layer.of("conv", channels=8, kernel=3),))
    assert (Candidate(network, a).key == Candidate(network, b).key) is (a == b)


def test_keys_do_not_depend_on_how_a_number_is_written() -> None:
    network = Architecture((Layer.of("linear", units=8),))
    a = Candidate(network, Recipe(weight_decay=0, learning_rate=1, label_smoothing=0))
    b = Candidate(network, Recipe(weight_decay=0.0, learning_rate=1.0, label_smoothing=0.0))
    assert (a, a.key) == (b, b.key)
    whole, real = (
        Budget(max_seconds=10, max_memory_mb=5),
        Budget(max_seconds=10.0, max_memory_mb=5.0),
    )
    assert EvaluationKey.of(a, "f", whole) == EvaluationKey.of(b, "f", real)


def test_the_walk_is_no_part_of_the_key() -> None:
    x = Candidate(Architecture((Layer.of("linear", units=8),)), walk=(1, 2))
    assert replace(x, walk=(3,)) == x
    assert replace(x, walk=(3,)).key == x.key


def test_inputs_that_say_what_is_default_give_the_same_key() -> None:
    first, second = Layer.of("linear", units=8), Layer.of("linear", units=4)
    plain = Architecture((first, second))
    named = Architecture((replace(first, inputs=(0,)), replace(second, inputs=(1,))))
    skipping = Architecture((first, replace(second, inputs=(0,))))
    assert named == plain
    assert named.key == plain.key
    assert skipping.key != plain.key
    assert [skipping.inputs_of(i) for i in (0, 1)] == [(0,), (0,)]


def test_keys_are_equal_in_every_process() -> None:
    code = (
        "from nas_env.architecture import *\n"
        "x = Architecture((Layer.of('conv', kernel=3, channels=8), Layer.of('add', (0, 1))))\n"
        "print(x.key, Candidate(x, Recipe(learning_rate=0.1)).key)"
    )
    printed = set()
    for seed in ("0", "1", "random"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        ran = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        printed.add(ran.stdout)
    here = Architecture((Layer.of("conv", channels=8, kernel=3), Layer.of("add", (0, 1))))
    assert printed == {f"{here.key} {Candidate(here, Recipe(learning_rate=0.1)).key}\n"}
    assert len(here.key) == 32


@pytest.mark.parametrize("node", [-1, 2, 7])
def test_layers_read_only_what_comes_before(node: int) -> None:
    layers = (Layer.of("linear", units=8), Layer.of("add", (0, node)))
    with pytest.raises(InvalidArchitectureError, match=rf"got node {node}.*0 \(the input\) to 1"):
        Architecture(layers)


def test_a_missing_layer_setting_names_those_there_are() -> None:
    with pytest.raises(InvalidArchitectureError, match=r"no setting 'kernl'.*channels, kernel"):
        Layer.of("conv", channels=8, kernel=3)["kernl"]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("learning_rate", 0.0),
        ("learning_rate", math.nan),
        ("learning_rate", math.inf),
        ("weight_decay", -0.1),
        ("weight_decay", math.inf),
        ("batch_size", 0),
        ("batch_size", 1.5),
        ("step_factor", 0.0),
        ("step_factor", 1.1),
        ("step_epochs", 0),
        ("label_smoothing", 1.0),
    ],
)
def test_bad_recipes_are_refused(setting: str, value: float) -> None:
    with pytest.raises(InvalidSettingError, match=f"{setting} must be .*{value}"):
        Recipe(**{setting: value})


@pytest.mark.parametrize(
    ("setting", "value", "near"),
    [
        ("optimizer", "adamww", "adamw"),
        ("schedule", "cosin", "cosine"),
        ("augmentation", "shft", "shift"),
    ],
)
def test_unknown_words_in_recipes_are_refused(setting: str, value: str, near: str) -> None:
    with pytest.raises(UnknownNameError, match=f"{value}.*Did you mean '{near}'"):
        Recipe(**{setting: value})  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="Did you mean 'learning_rate'"):
        Recipe.from_json({"learning_rat": 0.1})


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("epochs", 0),
        ("epochs", 1.5),
        ("horizon", 0),
        ("horizon", 7),  # shorter than the eight epochs
        ("max_seconds", 0.0),
        ("max_seconds", math.nan),
        ("max_seconds", math.inf),
        ("max_memory_mb", -1.0),
        ("training_seed", -1),
        ("training_seed", 2**63),
    ],
)
def test_bad_budgets_are_refused(setting: str, value: float) -> None:
    with pytest.raises(InvalidSettingError, match=f"{setting} must be .*{value}"):
        Budget(**{setting: value})  # type: ignore[arg-type]


def test_the_schedule_is_laid_out_for_the_horizon() -> None:
    assert Budget(epochs=3).schedule_epochs == 3
    assert Budget(epochs=3, horizon=12).schedule_epochs == 12


def test_a_summary_leaves_out_what_a_repeat_would_change() -> None:
    x = Evaluation(Outcome.OK, {"accuracy": 0.5}, seconds=3.0)
    assert x.summary() == replace(x, seconds=4.0).summary()
    assert x.summary() == {"outcome": "ok", "message": "", "accuracy": 0.5}


def test_registries_suggest_the_nearest_name_and_list_all() -> None:
    registry: Registry[int] = Registry("fruit")
    registry.register("apple")(1)
    registry.register("pear")(2)
    assert registry.get("pear") == 2
    assert list(registry) == ["apple", "pear"]
    assert "apple" in registry
    with pytest.raises(UnknownNameError) as caught:
        registry.get("aple")
    assert str(caught.value) == "Unknown fruit 'aple'. Did you mean 'apple'? Known: apple, pear."
    assert isinstance(caught.value, NASError)
    with pytest.raises(UnknownNameError, match=r"Unknown fruit \['pear'\]"):
        registry.get(["pear"])  # type: ignore[arg-type]


def test_registries_refuse_a_taken_name() -> None:
    registry: Registry[int] = Registry("fruit")
    registry.register("apple")(1)
    with pytest.raises(InvalidSettingError, match="fruit name 'apple' is already registered"):
        registry.register("apple")(2)
    assert registry.get("apple") == 1


@pytest.mark.parametrize(("a", "b"), [(1, True), (1, 1.0), (0, False)])
def test_layers_are_equal_exactly_where_their_keys_are(a: Scalar, b: Scalar) -> None:
    one, other = Layer.of("linear", units=a), Layer.of("linear", units=b)
    assert one != other
    assert Architecture((one,)).key != Architecture((other,)).key
    assert one == Layer.of("linear", units=a)
    assert hash(one) == hash(Layer.of("linear", units=a))
    assert one != one.text


def test_a_function_stands_in_for_the_architecture_in_the_key() -> None:
    one, other = (Architecture((Layer.of("linear", units=units),)) for units in (3, 4))
    named = [Candidate(x, function="f") for x in (one, other)]
    assert named[0].key == named[1].key == Candidate.from_json(named[0].to_json()).key
    assert Candidate.from_json(named[0].to_json()) == named[0] != named[1]
    assert len({x.key for x in (named[0], Candidate(one), Candidate(one, function="g"))}) == 3
    assert named[0] != Candidate(one), "equal candidates would have different keys"
    assert "function" not in Candidate(one).to_json()
    recipe = Recipe(learning_rate=0.5)
    assert replace(named[0], recipe=recipe).key != named[0].key
    assert Candidate(one, parent=named[0]).key == Candidate(one, parent=named[1]).key


def test_what_is_trained_has_a_key_of_its_own_where_a_function_is_shared() -> None:
    one, other = (Architecture((Layer.of("linear", units=units),)) for units in (8, 9))
    named = [Candidate(x, function="f") for x in (one, other)]
    assert named[0].key == named[1].key
    assert named[0].trained_key != named[1].trained_key
    assert named[0].trained_key == Candidate(one).key == Candidate(one).trained_key
    children = [Candidate(one, parent=parent) for parent in (*named, Candidate(one))]
    assert children[0].trained_key != children[1].trained_key
    assert children[0].trained_key == children[2].trained_key


def test_another_fidelity_keeps_the_rest_of_a_budget() -> None:
    budget = Budget(epochs=8, training_seed=5, max_seconds=3)
    assert budget.at_fidelity(None) is budget
    assert budget.at_fidelity(2) == Budget(2, 8, training_seed=5, max_seconds=3)
    assert budget.at_fidelity(20) == Budget(20, None, training_seed=5, max_seconds=3)
    for wrong in (0, -1, 1.5, "3", True):
        with pytest.raises(InvalidSettingError, match="epochs must be an integer >= 1"):
            budget.at_fidelity(wrong)  # type: ignore[arg-type]


def test_a_recipe_says_what_it_changes() -> None:
    assert Recipe().changes() == {}
    assert Recipe(optimizer="sgd", learning_rate=0.1).changes() == {
        "optimizer": "sgd",
        "learning_rate": 0.1,
    }
