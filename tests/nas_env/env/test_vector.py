"""`NASVectorEnv` is so many single environments: every id, mode and observation, step by step."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence as equal
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from nas_env.env import NASEnv
from nas_env.errors import InvalidSettingError, UnknownNameError
from nas_env.lanes.states import StateLanes
from nas_env.lanes.tree import TreeLanes
from nas_env.lanes.walks import WalkLanes
from nas_env.mdp import ILLEGAL_MODES
from nas_env.registration import ENVIRONMENTS
from nas_env.spaces import SPACES
from nas_env.vector import NASVectorEnv
from tests.conftest import free_settings, mdp_of, observations_of, spaces_of
from tests.support.pairwise import pairwise_cases, reduce_to_pairs
from tests.support.vector_doubles import Counted, Prefixes

MODES, LANES = ("NextStep", "SameStep"), 4
OBSERVATIONS = ("tokens", "state", "features")
IDS_AND_OBSERVATIONS = reduce_to_pairs(
    (row.id, name, mode) for row in ENVIRONMENTS for name in observations_of(row) for mode in MODES
)
IDS_AND_SPACES = reduce_to_pairs(
    (row.id, space, name, mode)
    for row in ENVIRONMENTS
    if mdp_of(row.kwargs) == "construct"
    for space in spaces_of(row, SPACES)
    for name in OBSERVATIONS
    for mode in MODES
)


def vector(env_id: str, mode: str, **settings: Any) -> Any:
    settings = {**free_settings(env_id), **settings}
    return gym.make_vec(env_id, num_envs=LANES, autoreset_mode=mode, **settings)


def singles(env_id: str, mode: str, **settings: Any) -> Any:
    settings = {**free_settings(env_id), **settings}
    reset = {"autoreset_mode": AutoresetMode(mode)}
    return gym.make_vec(
        env_id, num_envs=LANES, vectorization_mode="sync", vector_kwargs=reset, **settings
    )


def both_of(mode: str, **settings: Any) -> tuple[Any, Any]:
    """Return the vector environment and the single ones side by side, made from parts."""
    settings = {"task": "digits", **settings}
    several = SyncVectorEnv([lambda: NASEnv(**settings)] * LANES, autoreset_mode=mode)
    return NASVectorEnv(LANES, autoreset_mode=mode, **settings), several


def play(
    env: VectorEnv[Any, Any, Any], steps: int, seed: Any = 3, legal: bool = False, **reset: Any
) -> Iterator[tuple[Any, ...]]:
    """Yield every result of a rollout of random actions, a few of them outside the space."""
    rng = np.random.default_rng(0)
    width = int(env.single_action_space.n)  # type: ignore[attr-defined]
    observations, infos = env.reset(seed=seed, **reset)
    yield observations, infos
    for step in range(steps):
        actions = rng.integers(width, size=env.num_envs)
        outside = rng.choice([-1, width, 10 * width + 1], size=env.num_envs)
        if legal:
            weights = infos["action_mask"] + 1e-9
            actions = (rng.random(weights.shape) * weights).argmax(axis=1)
        elif step % 7 == 3:
            actions = np.where(rng.random(env.num_envs) < 0.5, outside, actions)
        result = env.step(actions)
        infos = result[-1]
        yield result


def plain(result: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a result with the infos as a plain dict."""
    return (*result[:-1], dict(result[-1]))


def assert_same(one: Any, several: Any, steps: int = 60, **how: Any) -> Mapping[str, int]:
    """Fail where two vector environments differ; return how often what happened."""
    seen = {"ended": 0, "truncated": 0, "evaluated": 0, "final": 0, "begun": 0}
    pairs = zip(play(one, steps, **how), play(several, steps, **how), strict=True)
    for count, (a, b) in enumerate(pairs):
        assert equal(plain(a), plain(b), exact=True), f"they differ in result {count}"
        if len(a) == 5:
            seen["ended"] += int(a[2].sum())
            seen["truncated"] += int(a[3].sum())
            seen["final"] += "final_info" in a[4]
            seen["begun"] += "decision" not in a[4] or not a[4]["_decision"].all()
            seen["evaluated"] += "evaluation" in a[4] or "final_info" in a[4]
    return seen


def assert_episodes_went_by(seen: Mapping[str, int], mode: str) -> None:
    assert seen["ended"] + seen["truncated"] > 3
    assert (seen["final"] > 0) is (mode == "SameStep")
    assert seen["begun"] > 0


@pytest.mark.parametrize(("id_", "observation", "mode"), IDS_AND_OBSERVATIONS)
def test_every_id_is_so_many_single_environments(id_: str, observation: str, mode: str) -> None:
    settings = {"observation": observation}
    one, several = vector(id_, mode, **settings), singles(id_, mode, **settings)
    assert isinstance(one, NASVectorEnv)
    assert_episodes_went_by(assert_same(one, several), mode)


@pytest.mark.parametrize(
    ("id_", "illegal", "mode"),
    pairwise_cases([[row.id for row in ENVIRONMENTS], ILLEGAL_MODES, MODES]),
)
def test_every_mode_of_illegal_actions(id_: str, illegal: str, mode: str) -> None:
    one = vector(id_, mode, illegal=illegal)
    several = singles(id_, mode, illegal=illegal)
    steps = 90 if illegal == "stay" else 60
    seen = assert_same(one, several, steps, legal=illegal == "raise")
    assert_episodes_went_by(seen, mode)


@pytest.mark.parametrize(("id_", "space", "observation", "mode"), IDS_AND_SPACES)
def test_every_space_with_a_limit(
    make_env: Callable[..., Any], id_: str, space: str | None, observation: str, mode: str
) -> None:
    how: dict[str, Any] = {} if space is None else {"space": space}
    cheapest = make_env(id_, **how).unwrapped.space.automaton().cheapest
    if cheapest is None:
        pytest.skip("this space has no additive cost")
    how["max_params"] = int(cheapest[0]) * (6 if space else 1) + 30_000 * (space is None)
    how["observation"] = observation
    one = vector(id_, mode, **how)
    if space is not None:  # compile it once
        made = one.template
        how = {"space": made.space, "task": made.task, "observation": observation}
    assert_same(one, singles(id_, mode, **how), 40)


@pytest.mark.parametrize(
    ("mode", "observation", "illegal", "max_params"),
    pairwise_cases([MODES, OBSERVATIONS, ILLEGAL_MODES, [None, 9]]),
)
def test_a_tree(mode: str, observation: str, illegal: str, max_params: int | None) -> None:
    one, several = both_of(
        mode,
        space=Prefixes(4, 5, gaps=True, max_params=max_params),
        evaluator=Counted(),
        observation=observation,
        illegal=illegal,
    )
    assert type(one.lanes) is (TreeLanes if illegal == "project" else WalkLanes)
    seen = assert_same(one, several, 90, legal=illegal == "raise")
    assert_episodes_went_by(seen, mode)


@pytest.mark.parametrize(
    ("mode", "draws", "arrays", "illegal"),
    pairwise_cases([MODES, [False, True], [False, True], ["project", "stay"]]),
)
def test_training_seeds_and_fidelity_are_those_of_each_lane(
    mode: str, draws: bool, arrays: bool, illegal: str
) -> None:
    one, several = both_of(
        mode, space=Prefixes(3, 3), evaluator=Counted(arrays, draws), illegal=illegal
    )
    rewards = []
    for seed, options in ((5, None), (None, {"fidelity": 12}), ([1, None, 7, 7], {"fidelity": 3})):
        how = {"seed": seed, "options": options}
        assert_same(one, several, 20, **how)
        rewards.append([x[1].tolist() for x in play(one, 20, **how) if len(x) == 5])
    assert rewards[0] != rewards[1] != rewards[2]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("name", "settings", "fidelity"),
    [
        ("NASBench201-v0", {"dataset": "imagenet16-120"}, 12),
        ("NASBench201-v0", {"fidelity": 200, "hardware": "all"}, 12),
        ("NASBench201-v0", {"mdp": "edit"}, 12),
        ("NASChain-v0", {}, 2),
        ("NASBenchMacro-v0", {"run": "random"}, None),
        ("NASBenchMacro-v0", {"run": 2, "illegal": "stay"}, None),
        ("NASBenchMacro-v0", {"run": "random", "illegal": "terminate"}, None),
    ],
)
def test_tables_with_their_settings(
    name: str, settings: dict[str, Any], fidelity: int | None, mode: str
) -> None:
    one, several = (make(name, mode, **settings) for make in (vector, singles))
    assert_episodes_went_by(assert_same(one, several, 40, seed=1), mode)
    assert_same(one, several, 40, seed=2, options={"fidelity": fidelity})


def test_tables_are_looked_up(table_id: str) -> None:
    lanes: Any = vector(table_id, "NextStep").lanes
    tree = lanes.mdp.space.automaton().is_tree  # several walks lead to one state of a chain
    assert type(lanes) is (TreeLanes if tree else WalkLanes)
    assert tree is (table_id != "NASChain-v0")
    assert not tree or lanes.rewards.any()


def test_a_tree_that_is_too_large_to_look_up_is_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas_env.lanes.make.MOST_CELLS", 1000)
    one, several = (form("NASBenchMacro-v0", "NextStep") for form in (vector, singles))
    assert type(one.lanes) is WalkLanes
    assert_same(one, several, 20, seed=1)


def test_lanes_with_different_training_seeds_get_different_rewards() -> None:
    rewards = {}
    for draws in (False, True):
        env = NASVectorEnv(8, space=Prefixes(2, 1), task="digits", evaluator=Counted(draws=draws))
        env.reset(seed=0)
        rewards[draws] = set(env.step(np.zeros(8, dtype=int))[1].tolist())
    assert len(rewards[False]) == 1
    assert len(rewards[True]) > 4


@pytest.mark.parametrize("mode", MODES)
def test_options_are_those_of_the_single_environment(mode: str) -> None:
    one, several = vector("NASEdit-v0", mode), singles("NASEdit-v0", mode)
    walk = one.template.space.sample(np.random.default_rng(1))
    for start in (walk, "random", "best"):
        assert_same(one, several, 10, options={"start": start})
    for env in (vector("NAS-v0", mode), one):
        with pytest.raises(UnknownNameError, match=r"reset option 'begin'.*fidelity, start"):
            env.reset(options={"begin": 3})
        with pytest.raises(InvalidSettingError, match="epochs"):
            env.reset(options={"fidelity": 0})
    with pytest.raises(InvalidSettingError, match="starts with the empty network"):
        vector("NAS-v0", mode).reset(options={"start": (0, 1)})


def test_a_lane_is_a_single_environment_with_its_seed(env_id: str) -> None:
    env = vector(env_id, "SameStep")
    for seed, seeds in ((11, range(11, 11 + LANES)), ([4, 9, 4, 0], [4, 9, 4, 0])):
        lanes = [gym.make(env_id, **free_settings(env_id)) for _ in range(LANES)]
        observations, infos = env.reset(seed=seed)
        for lane, (single, own) in enumerate(zip(lanes, seeds, strict=True)):
            observation, info = single.reset(seed=own)
            assert equal((observations[lane], infos.of(lane)), (observation, info), exact=True)
        for _ in range(25):
            actions = env.action_space.sample()
            observations, rewards, terminated, truncated, infos = env.step(actions)
            masks = env.action_masks()
            for lane, single in enumerate(lanes):
                result = single.step(actions[lane])
                ended = (rewards[lane], terminated[lane], truncated[lane])
                assert result[1:4] == ended
                if result[2] or result[3]:
                    assert equal(infos.final(lane), (result[0], result[-1]), exact=True)
                    result = single.reset()
                assert equal(observations[lane], result[0], exact=True)
                assert equal(infos.of(lane), result[-1], exact=True)
                state = single.unwrapped.state  # type: ignore[attr-defined]
                assert env.state(lane)._replace(score=None) == state._replace(score=None)
                assert np.array_equal(masks[lane], single.unwrapped.action_masks())  # type: ignore[attr-defined]


def test_generators_are_those_of_single_environments() -> None:
    one, several = vector("NASEdit-v0", "NextStep"), singles("NASEdit-v0", "NextStep")
    for env in (one, several):
        env.reset(seed=8)
    assert one.np_random_seed == several.np_random_seed == (8, 9, 10, 11)
    drawn = [[x.integers(1000) for x in env.np_random] for env in (one, several)]
    assert drawn[0] == drawn[1]
    one.np_random = tuple(np.random.default_rng(x) for x in range(LANES))
    assert one.np_random_seed == (-1,) * LANES


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({}, WalkLanes),
        ({"mdp": "edit", "space": "chain-editable"}, StateLanes),
        ({"space": Prefixes(3, 3)}, TreeLanes),
    ],
)
def test_all_that_a_step_finishes_is_scored_in_one_call(
    settings: dict[str, Any], kind: type
) -> None:
    evaluator = Counted(arrays=False)
    env = NASVectorEnv(50, task="digits", evaluator=evaluator, observation="tokens", **settings)
    assert type(env.lanes) is kind
    env.reset(seed=0)
    most = 0
    for _ in range(30):
        evaluator.batches.clear()
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        assert len(evaluator.batches) <= (2 if kind is StateLanes else 1)  # steps, then resets
        most = max(most, *evaluator.batches, 0)
        if kind is not StateLanes:
            assert sum(evaluator.batches) == int((terminated | truncated).sum())
    assert most > 5


def test_the_array_path_evaluates_nothing_until_infos_are_read() -> None:
    evaluator = Counted()
    env = NASVectorEnv(6, space=Prefixes(3, 2), task="digits", evaluator=evaluator)
    env.reset(seed=0)
    env.step(np.zeros(6, dtype=int))
    _, rewards, _, _, infos = env.step(np.ones(6, dtype=int))
    assert infos["action_mask"].shape == (6, 3)
    assert "final_info" not in infos
    assert infos.get("final_obs") is None
    assert "episode" not in infos
    assert not evaluator.batches
    assert np.array_equal(infos["evaluation"]["score"], rewards)
    assert evaluator.batches == [6]


def test_infos_are_right_however_late_they_are_read() -> None:
    for settings in ({"space": Prefixes(3, 3)}, {}, {"mdp": "edit", "space": "chain-editable"}):
        for mode in MODES:
            how = {"evaluator": Counted(draws=True), "task": "digits", **settings}
            kept = list(play(NASVectorEnv(5, mode, **how), 25))
            read = [plain(result) for result in play(NASVectorEnv(5, mode, **how), 25)]
            for late, early in zip(kept, read, strict=True):
                assert equal(plain(late), early, exact=True)


def test_changing_what_was_returned_changes_nothing() -> None:
    for settings in ({"space": Prefixes(3, 3)}, {}, {"mdp": "edit", "space": "chain-editable"}):
        how = {"evaluator": Counted(), "task": "digits", "observation": "tokens", **settings}
        one, other = (NASVectorEnv(5, "SameStep", **how) for _ in range(2))
        expected = [plain(result) for result in play(other, 25)]
        for result, wanted in zip(play(one, 25), expected, strict=True):
            mask = result[-1]["action_mask"]
            seen = copy.deepcopy((*result[:-1], mask))
            for array in (*result[:-1], mask):
                array[:] = 1
            assert equal(seen, (*wanted[:-1], wanted[-1]["action_mask"]), exact=True)
            told = {key: value for key, value in result[-1].items() if key != "action_mask"}
            assert equal({**told, "action_mask": seen[-1]}, wanted[-1], exact=True)


def test_infos_are_a_dict() -> None:
    env = vector("NAS-v0", "NextStep")

    def fresh() -> Any:
        env.reset(seed=0)
        return env.step(np.arange(LANES))[-1]

    whole = dict(fresh())
    assert {"action_mask", "_action_mask", "decision", "illegal_action"} <= set(whole)
    assert isinstance(fresh(), dict)
    assert fresh()["decision"].tolist() == [0, 1, 2, 3]
    assert len(fresh()) == len(whole)
    assert list(fresh()) == list(fresh().keys()) == list(whole)
    assert equal({**fresh()}, whole)
    assert equal(dict(fresh().items()), whole)
    assert equal(fresh().copy(), whole)
    assert "decision" in fresh()
    assert "final_info" not in fresh()
    assert "episode" not in fresh()
    assert fresh().get("episode", 3) == 3
    assert fresh().get("action_mask").shape == (LANES, 15)
    with pytest.raises(KeyError, match="evaluation"):
        fresh()["evaluation"]
    for twin in (pickle.loads(pickle.dumps(fresh())), copy.deepcopy(fresh()), copy.copy(fresh())):
        assert type(twin) is dict
        assert equal(twin, whole)
    own = fresh()
    own["episode"] = own["decision"] = 7
    assert own["episode"] == dict(own)["decision"] == 7
    assert own.pop("illegal_action").dtype == object
    assert "illegal_action" not in own
    assert set(own) == {*whole, "episode"} - {"illegal_action"}


def test_gymnasium_wrappers_take_it() -> None:
    episodes = {}
    for name, make in (("one", vector), ("several", singles)):
        env = gym.wrappers.vector.RecordEpisodeStatistics(make("NAS-v0", "NextStep"))
        env.reset(seed=0)
        rng = np.random.default_rng(0)
        found = [env.step(rng.integers(15, size=LANES))[-1] for _ in range(30)]
        episodes[name] = [
            {key: value for key, value in x["episode"].items() if key.strip("_") != "t"}
            for x in found
            if "episode" in x
        ]
    assert len(episodes["one"]) > 3
    assert equal(episodes["one"], episodes["several"], exact=True)


def test_it_pickles_in_mid_episode(env_id: str) -> None:
    env = vector(env_id, "SameStep")
    env.reset(seed=0)
    env.step(np.arange(LANES))
    twin = pickle.loads(pickle.dumps(env))
    for _ in range(20):
        actions = env.action_space.sample()
        assert equal(plain(env.step(actions)), plain(twin.step(actions)), exact=True)


def test_it_renders_every_lane() -> None:
    one, several = (make("NAS-v0", "NextStep", render_mode="ansi") for make in (vector, singles))
    for env in (one, several):
        env.reset(seed=0)
        env.step(np.arange(LANES))
    assert one.render() == several.render()
    assert len(set(one.render())) == LANES
    assert vector("NAS-v0", "NextStep").render() is None
