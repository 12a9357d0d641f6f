"""What holds for every registered agent."""

from __future__ import annotations

import inspect

import gymnasium
import numpy as np
import pytest
from stable_baselines3.common.callbacks import (
    BaseCallback,
    CheckpointCallback,
    EvalCallback,
    EveryNTimesteps,
    StopTrainingOnMaxEpisodes,
)
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from nas_env.errors import (
    IncompatibleError,
    InvalidDataError,
    InvalidSettingError,
    UnknownNameError,
)
from nas_env.reward_wrappers import RankReward
from nas_env.wrappers import Limits, TrackSearch
from nas_env_agents import AGENTS, make_agent
from nas_env_agents.common.base import settings_of
from nas_env_agents.common.episodic import EpisodicAgent
from nas_env_agents.common.hyperparameters import _table, hyperparameters, preset, presets
from nas_env_agents.common.walks import WalkAgent
from nas_env_cli.search.session import run_search
from tests.support.tiny_space import tiny_env

NAMES = AGENTS.names()
UNMASKED = ("a2c", "dqn", "ppo")
MASKED = tuple(name for name in NAMES if name not in UNMASKED)


def trials(name: str, seed: int, evaluations: int = 30):
    env = tiny_env(AGENTS.get(name).observation)
    return run_search(name, env, Limits(evaluations=evaluations), seed)


@pytest.mark.parametrize("name", NAMES)
def test_two_searches_with_one_seed_are_equal(name):
    walks = [[x.candidate.walk for x in trials(name, 3).tracker.trials] for _ in range(2)]
    assert walks[0] == walks[1]
    assert len(set(walks[0])) >= 30


@pytest.mark.parametrize("name", NAMES)
def test_other_seeds_make_other_searches(name):
    one, other = (trials(name, seed).tracker.trials for seed in (0, 1))
    assert [x.candidate.walk for x in one] != [x.candidate.walk for x in other]


@pytest.mark.parametrize("name", NAMES)
def test_a_search_ends_at_its_limit(name):
    result = trials(name, 0)
    assert result.reason == "evaluations"
    assert result.tracker.evaluations == 30
    assert result.best.score == max(x.score for x in result.tracker.trials)


@pytest.mark.parametrize("name", NAMES)
def test_a_search_stops_at_a_score(name):
    env = tiny_env(AGENTS.get(name).observation)
    result = run_search(name, env, Limits(evaluations=300, until_score=0.55), 0)
    assert result.reason == "score"
    assert result.tracker.trials[-1].score >= 0.55
    assert all(x.score < 0.55 for x in result.tracker.trials[:-1])


@pytest.mark.parametrize("name", MASKED)
def test_masked_agents_never_act_illegally(name):
    assert trials(name, 0).tracker.illegal_actions == 0


@pytest.mark.parametrize("name", NAMES)
def test_save_and_load_predict_alike(name, tmp_path):
    cls = AGENTS.get(name)
    env = tiny_env(cls.observation)
    agent = make_agent(name, env, seed=0)
    agent.learn(300)
    agent.save(tmp_path / "agent")
    loaded = cls.load(tmp_path / "agent", env=env)
    extra = {}
    observation, info = env.reset(seed=0)
    if name in MASKED:
        extra["action_masks"] = info["action_mask"].astype(bool)
    for _ in range(5):
        predictions = [
            x.predict(observation, deterministic=True, **extra)[0] for x in (agent, loaded)
        ]
        assert predictions[0] == predictions[1]


EPISODIC = [name for name in NAMES if issubclass(AGENTS.get(name), EpisodicAgent)]


@pytest.mark.parametrize("content", [b"hello", b"PK\x03\x04 cut", b"", "number", "other"])
def test_what_is_no_saved_agent_is_refused(content, tmp_path):
    path, env = tmp_path / "agent.npz", tiny_env("tokens")
    if content == "other":
        make_agent("local-search", env).save(path)
    elif content == "number":
        np.savez(path, settings=np.array("5"))
    else:
        path.write_bytes(content)
    with pytest.raises(InvalidDataError, match="not a Reinforce that was saved"):
        AGENTS.get("reinforce").load(path, env)


def test_an_agent_is_saved_under_the_whole_name(tmp_path):
    env = tiny_env("tokens")
    for size in (4, 5):
        agent = make_agent("regularized-evolution", env, population_size=size)
        agent.save(tmp_path / f"evolution.{size}")
    loaded = AGENTS.get("regularized-evolution").load(tmp_path / "evolution.4", env)
    assert loaded.population_size == 4


@pytest.mark.parametrize("name", EPISODIC)
def test_an_agent_of_one_environment_refuses_several(name):
    lanes = DummyVecEnv([lambda: tiny_env(AGENTS.get(name).observation)] * 2)
    with pytest.raises(IncompatibleError, match="plays one environment, but was given 2 lanes"):
        make_agent(name, lanes)


@pytest.mark.parametrize("name", NAMES)
def test_callback_stops_learning(name):
    class StopAt(BaseCallback):
        def _on_step(self) -> bool:
            return self.num_timesteps < 37

    agent = make_agent(name, tiny_env(AGENTS.get(name).observation), seed=0)
    agent.learn(10_000, StopAt())
    assert agent.num_timesteps == 37


@pytest.mark.parametrize("name", NAMES)
def test_every_hyperparameter_is_known_and_has_a_source(name):
    sections = dict(_table().get(name, {}))
    named = sections.pop("presets", {})
    for section in (*sections.values(), *named.values()):
        for entry in section.values():
            assert entry["source"]
    make_agent(name, tiny_env(AGENTS.get(name).observation), **hyperparameters(name, "NAS-v0"))


@pytest.mark.parametrize(
    ("name", "paper"), [(name, paper) for name in NAMES for paper in presets(name)]
)
def test_a_preset_is_taken_over_the_stored_values_and_under_the_given_ones(name, paper):
    stored, values = hyperparameters(name, "NAS-v0"), preset(name, paper)
    assert settings_of(name, "NAS-v0", {"preset": paper}) == {**stored, **values}
    first = next(iter(values))
    given = {"preset": paper, first: "other"}
    assert settings_of(name, "NAS-v0", given) == {**stored, **values, first: "other"}
    arguments = inspect.signature(AGENTS.get(name)).parameters
    known = {*arguments, *getattr(AGENTS.get(name), "NAMES", ())}
    assert set(values) <= known


def test_a_preset_that_is_not_there_is_refused():
    with pytest.raises(UnknownNameError, match="Did you mean 'metaqnn'"):
        make_agent("q-learning", tiny_env("state"), preset="metaqn")
    with pytest.raises(InvalidSettingError, match="'random' has no presets"):
        make_agent("random", tiny_env("state"), preset="metaqnn")


def test_unknown_agent_is_refused_with_a_suggestion():
    with pytest.raises(UnknownNameError, match="Did you mean 'ppo'"):
        make_agent("ppoo", tiny_env("tokens"))


def test_schedules_follow_the_share_of_the_limit():
    env = TrackSearch(tiny_env("state"), Limits(evaluations=27))
    agent = make_agent("q-learning", env, seed=0)
    expected = {0: 1.0, 14: 1.0, 15: 0.9, 16: 0.8, 17: 0.7, 18: 0.6, 26: 0.1, 27: 0.1}
    for evaluations, epsilon in expected.items():
        env.evaluations = evaluations
        assert agent.epsilon == epsilon
    ppo_env = TrackSearch(tiny_env("tokens"), Limits(evaluations=10))
    ppo = make_agent("ppo", ppo_env)
    ppo_env.evaluations = 4
    ppo._update_current_progress_remaining(1, 10_000)
    assert np.isclose(ppo._current_progress_remaining, 0.6)


WALKING = [name for name in EPISODIC if issubclass(AGENTS.get(name), WalkAgent)]


class Negated(gymnasium.RewardWrapper):
    """Makes the worst network the best one."""

    def reward(self, reward):
        return -reward


@pytest.mark.parametrize("name", WALKING)
def test_agents_that_are_told_scores_refuse_what_they_cannot_search(name):
    with pytest.raises(IncompatibleError, match=r"Negated does not change.*Remove the wrapper"):
        make_agent(name, Negated(tiny_env("tokens")))
    with pytest.raises(IncompatibleError, match=r"CartPoleEnv has none. Give an environment"):
        make_agent(name, gymnasium.make("CartPole-v1"))
    make_agent(name, RankReward(tiny_env("tokens")))  # leaves scores as they are


@pytest.mark.parametrize("given", [None, "NAS-v0"])
def test_what_is_no_environment_is_refused(given):
    with pytest.raises(IncompatibleError, match="'ppo' needs an environment, but was given"):
        make_agent("ppo", given)


@pytest.mark.parametrize("steps", [0, -5, 1.5, "x", None])
@pytest.mark.parametrize("name", ["random", "imagination"])
def test_steps_that_are_no_count_are_refused(name, steps):
    agent = make_agent(name, tiny_env("tokens"))
    with pytest.raises(InvalidSettingError, match="total_timesteps must be an integer >= 1"):
        agent.learn(steps)


@pytest.mark.parametrize("name", EPISODIC)
def test_the_verbs_of_stable_baselines3(name, tmp_path):
    env = tiny_env(AGENTS.get(name).observation)
    agent = make_agent(name, env, seed=0)
    rewards, _ = evaluate_policy(agent, env, 2, return_episode_rewards=True, warn=False)
    assert len(rewards) == 2
    ends = StopTrainingOnMaxEpisodes(5)
    keeps = CheckpointCallback(10, str(tmp_path))
    agent.learn(10_000, [ends, keeps], log_interval=1, reset_num_timesteps=True)
    assert ends.n_episodes == 5
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files and all(file.endswith("_steps.zip") for file in files)
    loaded = type(agent).load((tmp_path / files[0]).with_suffix(""), env)
    assert loaded.num_timesteps == int(files[0].split("_")[-2])
    seen = []
    agent.learn(20, [lambda told, _: seen.append(told["dones"]) or True], reset_num_timesteps=True)
    assert len(seen) == agent.num_timesteps >= 20
    with pytest.raises(IncompatibleError, match="EvalCallback evaluates in a second environment"):
        agent.learn(20, [EveryNTimesteps(8, EvalCallback(Monitor(env)))])


def test_a_file_of_another_agent_or_another_environment_is_refused(tmp_path):
    make_agent("random", tiny_env("tokens")).save(tmp_path / "random")
    with pytest.raises(InvalidDataError, match=r"not a LocalSearch .*it is a RandomSearch"):
        AGENTS.get("local-search").load(tmp_path / "random", tiny_env("tokens"))
    with pytest.raises(InvalidDataError, match=r"its observations: .*; here: "):
        AGENTS.get("random").load(tmp_path / "random", tiny_env("features"))


def test_an_agent_of_one_environment_takes_no_batch_of_observations():
    agent = make_agent("random", tiny_env("tokens"))
    observation, _ = agent.env.reset(seed=0)
    action, _ = agent.predict(observation)
    several, _ = agent.predict(observation[None])
    assert np.shape(action) == () and np.shape(several) == (1,)
    with pytest.raises(IncompatibleError, match="was given 2 observations"):
        agent.predict(np.stack([observation, observation]))
    with pytest.raises(
        IncompatibleError, match="episode of this RandomSearch's environment is over"
    ):
        agent.predict(observation, action_masks=np.zeros(agent.env.action_space.n, bool))
