"""`NASEdit-v0`: edits as actions, the state of training as observation, improvement as reward."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence as equal
from hypothesis import given
from hypothesis import strategies as st

from nas_env.architecture import Candidate
from nas_env.errors import IllegalDecisionError, InvalidSettingError, UnknownNameError
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators import Evaluator
from nas_env.mdp import Edit, EditState
from nas_env.objectives import NegativeLoss
from nas_env.observations.training import AccuracyBins, LossBins, chance_loss, loss_edges
from nas_env.spaces import SPACES
from nas_env.spaces.edits import EDITS

MakeEnv = Callable[..., gym.Env[Any, Any]]
STOP = 9


@pytest.fixture
def edit(make_env: MakeEnv) -> Callable[..., Any]:
    def make(**settings: Any) -> Any:
        return make_env("NASEdit-v0", **settings).unwrapped

    return make


def episode(env: Any, seed: int, legal: bool = True) -> list[Any]:
    """Play a random episode that never stops by itself; return states and rewards."""
    env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    states, rewards, done = [env.state], [], False
    while not done:
        mask = env.action_masks()
        mask[-1] = False
        actions = np.flatnonzero(mask) if legal else np.arange(len(mask) - 1)
        _, reward, terminated, truncated, _ = env.step(rng.choice(actions))
        states.append(env.state)
        rewards.append(reward)
        done = terminated or truncated
    return [states, rewards]


def test_the_ten_actions_are_numbered_as_documented(edit: Callable[..., Any]) -> None:
    env = edit(observation="loss-bins")
    assert [env.mdp.label(action) for action in range(10)] == list(EDITS)
    assert env.action_space == gym.spaces.Discrete(10)
    assert env.observation_space == gym.spaces.Discrete(100)


def test_other_observations_offer_positions(edit: Callable[..., Any]) -> None:
    env = edit(observation="tokens")
    labels = [env.mdp.label(action) for action in range(env.action_space.n)]
    assert len(labels) == len(set(labels)) == 2 + 8 * 6
    assert labels[:3] == [
        "add at the end",
        "add in the middle, layer 1",
        "add in the middle, layer 2",
    ]
    assert labels[-1] == "stop"


def test_where_nothing_has_a_kernel_operations_are_changed(make_env: MakeEnv) -> None:
    for name in ("NASBench201-v0", "NASBenchMacro-v0", "NASBenchGraph-v0"):
        env: Any = make_env(name, mdp="edit").unwrapped
        _, info = env.reset(seed=0)
        labels = [env.mdp.label(action) for action in np.flatnonzero(info["action_mask"])]
        assert labels[0].startswith("change operation, layer ")
        assert labels[-1] == "stop"
        assert not any("kernel" in label for label in labels)


@pytest.mark.parametrize("legal", [True, False])
@pytest.mark.parametrize("observation", ["tokens", "loss-bins"])
def test_improvements_sum_to_last_minus_first_score(
    edit: Callable[..., Any], observation: str, legal: bool
) -> None:
    env = edit(observation=observation)
    for seed in range(5):
        states, rewards = episode(env, seed, legal)
        assert len(rewards) == 20  # max_edits
        assert sum(rewards) == pytest.approx(states[-1].score - states[0].score)
        assert any(rewards)


def test_rewards_that_were_asked_for(edit: Callable[..., Any]) -> None:
    states, rewards = episode(edit(reward="score"), 0)
    assert rewards == [state.score for state in states[1:]]
    states, rewards = episode(edit(reward="best"), 0)
    scores = [state.score for state in states]
    assert sum(rewards) == pytest.approx(max(scores) - scores[0])
    assert min(rewards) == 0.0
    with pytest.raises(UnknownNameError, match=r"reward 'improve'. Did you mean 'improvement'"):
        edit(reward="improve")


def test_the_mask_says_what_changes_the_network(edit: Callable[..., Any]) -> None:
    for observation in ("tokens", "loss-bins"):
        env = edit(observation=observation)
        for seed in range(3):
            env.reset(seed=seed)
            before = env.state
            for action in range(env.action_space.n - 1):
                env.state = before
                *_, info = env.step(action)
                assert bool(info["illegal_action"]) is not bool(env.mdp.mask(before)[action])
                assert (env.state.walk != before.walk) is bool(env.mdp.mask(before)[action])
                assert env.space.check(env.state.walk) is None


def test_an_illegal_edit_does_nothing_and_costs_nothing(edit: Callable[..., Any]) -> None:
    env = edit(observation="tokens")
    observation, info = env.reset(seed=0)
    before, action = env.state, int(np.flatnonzero(info["action_mask"] == 0)[0])
    after, reward, terminated, truncated, info = env.step(action)
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert equal(observation, after, exact=True)
    assert env.state == before._replace(steps=1)
    assert info["decision"] == -1
    assert "evaluation" not in info


def test_terminate_project_and_raise_are_options(edit: Callable[..., Any]) -> None:
    env = edit(illegal="terminate")
    _, info = env.reset(seed=0)
    illegal = int(np.flatnonzero(info["action_mask"] == 0)[0])
    first = env.state.score
    _, reward, terminated, _, _ = env.step(illegal)
    assert terminated
    assert reward == pytest.approx(-10 - first)  # the failure score of negative-loss is -10
    with pytest.raises(gym.error.ResetNeeded):
        env.step(0)
    env = edit(illegal="project")
    _, info = env.reset(seed=0)
    legal = np.flatnonzero(info["action_mask"])
    *_, info = env.step(illegal)
    assert info["decision"] == legal[illegal % len(legal)]
    env = edit(illegal="raise")
    env.reset(seed=0)
    with pytest.raises(IllegalDecisionError):
        env.step(illegal)


def test_stop_ends_the_episode_and_trains_nothing(edit: Callable[..., Any]) -> None:
    env = edit(observation="loss-bins")
    env.reset(seed=0)
    walk = env.state.walk
    _, reward, terminated, truncated, info = env.step(STOP)
    assert (reward, terminated, truncated) == (0.0, True, False)
    assert "evaluation" not in info
    assert not info["action_mask"].any()
    assert env.state.walk == walk
    env.state = env.state
    with pytest.raises(gym.error.ResetNeeded):
        env.step(STOP)


def test_the_score_that_satisfies_ends_the_episode(edit: Callable[..., Any]) -> None:
    free = edit(observation="loss-bins")
    states, _ = episode(free, 3)
    wanted = sorted(state.score for state in states)[-3]
    env = edit(observation="loss-bins", until_score=wanted)
    seen, _ = episode(env, 3)
    assert seen[-1].score >= wanted
    assert all(state.score < wanted for state in seen[1:-1])
    assert 1 < len(seen) < len(states)
    assert env.mdp.over(env.state)


def test_undo_and_redo_by_setting_the_state(edit: Callable[..., Any]) -> None:
    for observation in ("tokens", "loss-bins"):
        env = edit(observation=observation)
        env.reset(seed=1)
        before = env.state
        first = env.step(2)
        for _ in range(3):
            env.step(3)
        env.state = before
        assert env.state == before
        assert equal(first, env.step(2), exact=True)
        assert isinstance(hash(before), int)


def test_the_layer_is_drawn_and_the_draw_comes_from_the_environments_generator(
    edit: Callable[..., Any],
) -> None:
    walks = set()
    for seed in range(12):
        env = edit(observation="loss-bins", start=edit().space.sample(np.random.default_rng(1)))
        env.reset(seed=seed)
        env.step(EDITS.index("remove"))
        walks.add(env.state.walk)
    assert len(walks) > 2


def test_starts(edit: Callable[..., Any], tmp_path: Any) -> None:
    env = edit(
        store=tmp_path / "store.sqlite",
        evaluator="training",
        device="cpu",
        budget={"epochs": 1},
        observation="loss-bins",
        start="best",
        max_edits=3,
    )
    env.reset(seed=0)  # an empty store: random
    walks = {env.state.walk: env.state.score}
    for _ in range(2):
        env.step(2)
        walks[env.state.walk] = env.state.score
    env.reset()
    assert env.state.walk == max(walks, key=lambda walk: walks[walk])
    given = env.space.sample(np.random.default_rng(3))
    env.reset(options={"start": given})
    assert env.state.walk == given
    env.reset(seed=0, options={"start": "random"})
    assert env.state.walk == next(iter(walks))
    with pytest.raises(UnknownNameError, match=r"start 'bst'. Did you mean 'best'"):
        env.reset(options={"start": "bst"})
    with pytest.raises(UnknownNameError, match="reset option 'begin'"):
        env.reset(options={"begin": given})
    with pytest.raises(IllegalDecisionError, match="not complete"):
        env.reset(options={"start": given[:-1]})


def test_settings_of_the_process_are_checked(make_env: MakeEnv, edit: Callable[..., Any]) -> None:
    with pytest.raises(UnknownNameError, match=r"'max_edit'. Did you mean 'max_edits'"):
        edit(max_edit=3)
    with pytest.raises(UnknownNameError, match=r"mdp='construct' 'max_edits'"):
        make_env(max_edits=3)
    with pytest.raises(InvalidSettingError, match="max_edits must be >= 1"):
        edit(max_edits=0)
    with pytest.raises(InvalidSettingError, match="start with an empty network"):
        make_env(start=(0, 15))
    with pytest.raises(UnknownNameError, match=r"observation 'loss-bins'. Known: features"):
        make_env(observation="loss-bins")


class Failing(Evaluator):
    """Fails for every network with more than three layers."""

    fingerprint = "failing"

    def evaluate(self, candidates: Any, budget: Budget) -> list[Evaluation]:
        return [self.answer(candidate) for candidate in candidates]

    def answer(self, candidate: Candidate) -> Evaluation:
        if len(candidate.architecture.layers) > 3:
            return Evaluation(Outcome.DIVERGED, message="nan")
        return Evaluation(Outcome.OK, {"loss": 0.5, "accuracy": 0.8, "params": 10})


def test_a_failed_evaluation_counts_as_the_worst_loss(edit: Callable[..., Any]) -> None:
    env = edit(observation="loss-bins", space="chain", evaluator=Failing(), start=(3, 3, 3, 14))
    env.reset(seed=0)
    observation, reward, terminated, _, info = env.step(0)
    assert info["evaluation"]["outcome"] == "diverged"
    assert observation == 99
    assert reward == pytest.approx(-10 + 0.5)
    assert not terminated
    assert (env.state.loss, env.state.accuracy) == (math.inf, 0.0)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_bins_cover_all_numbers(loss: float) -> None:
    space = cached()
    state = EditState(0, (), loss=loss, accuracy=loss)
    for kind in (LossBins, AccuracyBins):
        assert kind(space).space.contains(kind(space).observe(state))


def cached(space: list[Any] = []) -> Any:  # noqa: B006 - made once for all examples
    if not space:
        space.append(SPACES.get("chain-editable")())
    return space[0]


def test_loss_bins_are_logarithmic_around_the_loss_of_guessing() -> None:
    edges = loss_edges(cached())
    assert chance_loss(cached()) == pytest.approx(math.log(10))
    assert (edges[0], edges[-1]) == pytest.approx((math.log(10) / 100, 2 * math.log(10)))
    assert np.allclose(np.diff(np.log(edges)), math.log(200) / 98)
    bins = LossBins(cached())
    seen = [int(bins.observe(EditState(0, (), loss=x))) for x in (-1, 0, 0.1, 2.4, 5, math.inf)]
    assert seen == sorted(seen)
    assert (seen[0], seen[1], seen[-1]) == (0, 0, 99)
    accuracy = AccuracyBins(cached())
    assert [int(accuracy.observe(EditState(0, (), accuracy=x))) for x in (0, 0.5, 0.999, 1)] == [
        0,
        50,
        99,
        99,
    ]


def test_features_show_the_state_of_training(edit: Callable[..., Any]) -> None:
    env = edit(observation="features")
    observation, info = env.reset(seed=0)
    evaluation, state = info["evaluation"], env.state
    layers = len(env.space.edit_rules.layers(state.walk))
    assert observation[0] == pytest.approx(evaluation["loss"] / (2 * math.log(10)))
    assert observation[1] == pytest.approx(evaluation["accuracy"])
    assert observation[2] == pytest.approx(layers / 6)
    assert observation[4:15].sum() == 0  # no action so far
    action = int(np.flatnonzero(info["action_mask"])[0])
    observation, *_ = env.step(action)
    name = env.mdp.actions[action][0]
    assert observation[5 + EDITS.index(name)] == 1
    assert observation[15:].sum() == env.space.max_length  # one token a position
    assert state.spent == evaluation["params"]


def test_edit_is_pure() -> None:
    mdp = Edit(cached(), observation="loss-bins")
    begun = mdp.begin(np.random.default_rng(0)).state
    moves = {mdp.advance(begun, 2) for _ in range(5)}
    assert len(moves) == 1
    assert NegativeLoss().failure == -10


def test_best_of_the_store_is_the_best_under_this_budget(tmp_path: Any) -> None:
    def make(epochs: int, **settings: Any) -> Any:
        store = tmp_path / "store.sqlite"
        return gym.make(
            "NASEdit-v0", store=store, budget={"epochs": epochs}, device="cpu", **settings
        ).unwrapped

    small, better = (0, 14, 17, 19, 21), (3, 14, 18, 19, 21)
    for epochs, start in ((1, small), (2, better)):
        make(epochs, start=start).reset(seed=0)
    env = make(1, start="best")
    env.reset(seed=0)
    assert env.state.walk == small


def test_a_start_over_the_limit_can_only_be_shrunk(edit: Callable[..., Any]) -> None:
    large = (7, 14, 18, 19, 7, 14, 18, 19, 21)  # 41,674 parameters and more
    env = edit(start=large, max_params=8_000, max_edits=200)
    env.reset(seed=0)
    spent = [env.state.spent]
    assert spent[0] > 8_000
    rng = np.random.default_rng(0)
    for _ in range(60):
        mask = env.action_masks()
        mask[-1] = False
        env.step(rng.choice(np.flatnonzero(mask)))
        spent.append(env.state.spent)
    under = next(i for i, params in enumerate(spent) if params <= 8_000)
    assert all(a > b for a, b in pairwise(spent[: under + 1]))
    assert max(spent[under:]) <= 8_000
