"""Joint: training choices are decisions like any other, over every space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import nas_env  # noqa: F401 - registers the environments
from nas_env.architecture import Candidate, Recipe
from nas_env.errors import InvalidSettingError, UnknownNameError
from nas_env.spaces import SPACES, Joint, SearchSpace
from nas_env.spaces.joint import TRAINING
from nas_env.wrappers import Limits, TrackSearch
from nas_env_agents import make_agent

Make = Callable[..., SearchSpace]
CHOICES: dict[str, Any] = {"learning_rate": (0.001, 0.01, 0.1), "batch_size": (32, 64)}


def over(space: SearchSpace, **choices: Any) -> Joint:
    return Joint(space, **(choices or CHOICES))


def test_a_walk_is_the_training_choices_and_then_a_walk_of_the_space(
    make_space: Make, space_name: str
) -> None:
    inner = make_space(space_name)
    if isinstance(inner, Joint):
        return
    space = over(inner)
    assert space.size() == 6 * inner.size()
    assert space.automaton().num_states == inner.automaton().num_states + 1 + 3
    rng = np.random.default_rng(0)
    for _ in range(10):
        walk = space.sample(rng)
        candidate, plain = space.decode(walk), inner.decode(walk[2:])
        assert candidate.architecture == plain.architecture == space.partial(walk)
        assert candidate.function == plain.function
        rate, batch = walk[0] - inner.num_decisions, walk[1] - inner.num_decisions - 3
        assert candidate.recipe.learning_rate == CHOICES["learning_rate"][rate]
        assert candidate.recipe.batch_size == CHOICES["batch_size"][batch]
        assert candidate.recipe.optimizer == plain.recipe.optimizer
        assert space.training(walk) == {
            "learning_rate": candidate.recipe.learning_rate,
            "batch_size": candidate.recipe.batch_size,
        }
        assert space.training(walk[:1]) == {"learning_rate": candidate.recipe.learning_rate}
        assert space.training(()) == {}
        assert Candidate.from_json(candidate.to_json()) == candidate
    assert inner.training(inner.sample(rng)) == {}


def test_only_the_recipe_tells_two_keys_apart() -> None:
    inner = SPACES.get("chain")()
    space, first = over(inner), inner.num_decisions
    body = inner.sample(np.random.default_rng(0))
    keys = {space.decode((first + i, first + 3 + j, *body)).key for i in range(3) for j in range(2)}
    assert len(keys) == 6
    same = over(inner, learning_rate=(0.01, 0.1)).decode((first, *body))
    assert same.key == inner.decode(body).key, "0.01 is the default: the store knows it already"


def test_the_parameter_limit_and_the_descriptors_are_those_of_the_space() -> None:
    inner = SPACES.get("nasbench201")((3, 32, 32), 10, 400_000)
    space = over(inner)
    assert space.max_params == 400_000
    walk = space.sample(np.random.default_rng(0))
    assert space.descriptors(walk) == inner.descriptors(walk[2:])
    assert space.project(space.automaton().states[-1]) == 6
    dear = (*walk[:2], *(3,) * 6)
    assert "not legal" in str(space.check(dear))


def test_the_registered_one_offers_what_it_says() -> None:
    space = SPACES.get("chain-joint")()
    assert isinstance(space, Joint)
    assert space.offers == TRAINING
    default = Recipe()
    for name, values in TRAINING.items():
        assert getattr(default, name) in values or name == "weight_decay"
    labels = [option.label for option in space.options()]
    assert "learning rate 0.003" in labels
    assert space.choice(space.start()).name == "optimizer"  # type: ignore[union-attr]


def test_edits_change_one_training_choice_at_a_time() -> None:
    space = over(SPACES.get("chain-editable")())
    rules = space.edit_rules
    assert rules.edits[-2:] == ("change training", "stop")
    assert len(rules.edits) == 11
    walk = space.sample(np.random.default_rng(0))
    changed = [x for x in space.edits(walk) if x.edit == "change training"]
    assert [x.position for x in changed] == [0, 1]
    for neighbour in changed:
        differing = [i for i, (a, b) in enumerate(zip(walk, neighbour.walk, strict=True)) if a != b]
        assert differing == [neighbour.position]
    assert [rules.where(x.position) for x in changed] == ["learning rate", "batch size"]
    assert rules.where(2) == "layer 1"
    others = [x for x in space.edits(walk) if x.edit != "change training"]
    assert {x.walk[:2] for x in others} == {walk[:2]}
    plain = SPACES.get("chain-editable")().edit_rules
    assert "change training" not in plain.edits


@pytest.mark.parametrize("observation", ["features", "accuracy-bins"])
def test_an_environment_edits_training_too(observation: str) -> None:
    env = gym.make(
        "NASEdit-v0",
        space=over(SPACES.get("chain-editable")()),
        task="digits",
        evaluator="synthetic",
        observation=observation,
    )
    inner: Any = env.unwrapped
    labels = [inner.mdp.label(action) for action in range(inner.action_space.n)]
    changes = [i for i, label in enumerate(labels) if label.startswith("change training")]
    drawn = observation != "features"
    expected = ["change training"] if drawn else ["learning rate", "batch size", "layer 1"]
    assert [labels[i].removeprefix("change training, ") for i in changes][:3] == expected
    _, info = env.reset(seed=0)
    recipe = inner.candidate.recipe
    assert info["action_mask"][changes[0]]
    env.step(changes[0])
    assert inner.candidate.recipe != recipe


@pytest.mark.parametrize("name", ["q-learning", "ppo", "imagination", "regularized-evolution"])
def test_agents_search_recipes_without_a_line_of_their_own(name: str) -> None:
    space = over(SPACES.get("nasbench-macro")((1, 8, 8), 10))
    observation = "state" if name == "q-learning" else "tokens"
    env = gym.make(
        "NAS-v0", space=space, task="digits", evaluator="synthetic", observation=observation
    )
    tracker = TrackSearch(env, Limits(evaluations=25))
    make_agent(name, tracker, seed=0).learn(250)
    rates = {trial.candidate.recipe.learning_rate for trial in tracker.trials}
    assert len(tracker.trials) >= 25
    assert rates == {0.001, 0.01, 0.1}


def test_a_drawing_and_a_table_say_how_it_is_trained() -> None:
    space = over(SPACES.get("chain")())
    env = gym.make("NAS-v0", space=space, task="digits", evaluator="synthetic", render_mode="ansi")
    env.reset(seed=0)
    assert "learning rate" not in str(env.render())
    env.step(space.num_decisions - 5)
    assert str(env.render()).splitlines()[0] == "learning rate 0.001"
    env.step(space.num_decisions - 1)
    assert str(env.render()).splitlines()[0] == "learning rate 0.001, batch size 64"


def test_training_choices_reach_the_training() -> None:
    inner = SPACES.get("mlp")((13,), 3)
    env = gym.make(
        "NAS-v0", space=over(inner, learning_rate=(1e-9, 0.01)), task="wine", budget={"epochs": 3}
    )
    first, losses = inner.num_decisions, []
    for choice in (0, 1):
        env.reset(seed=0)
        for decision in (first + choice, 4, inner.num_decisions - 1):
            info = env.step(decision)[-1]
        losses.append(info["evaluation"]["loss"])
    assert losses[0] - losses[1] > 0.2, "a rate of next to nothing learns nothing"


@pytest.mark.parametrize(
    ("choices", "error", "message"),
    [
        ({}, InvalidSettingError, "needs at least one training choice"),
        ({"learning_rates": (0.1, 0.2)}, UnknownNameError, "learning_rate"),
        ({"batch_size": (32,)}, InvalidSettingError, "at least two different values"),
        ({"batch_size": (32, 32)}, InvalidSettingError, "at least two different values"),
        ({"optimizer": "sgd"}, InvalidSettingError, "at least two different values"),
        ({"batch_size": (32, 0)}, InvalidSettingError, "batch_size must be an integer >= 1"),
        ({"optimizer": ("sgd", "adams")}, UnknownNameError, "adam"),
    ],
)
def test_choices_that_mean_nothing_are_refused(
    choices: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Joint(SPACES.get("chain")(), **choices)


def test_a_joint_space_over_one_is_refused_and_a_table_knows_no_recipes() -> None:
    with pytest.raises(InvalidSettingError, match="is already joint"):
        over(SPACES.get("chain-joint")())
    with pytest.raises(InvalidSettingError, match="so space would have no effect"):
        gym.make("NASBench201-v0", space=over(SPACES.get("nasbench201")()))
