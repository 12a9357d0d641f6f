"""Agents on `NASEdit-v0`, hill climbing, and the pictures of a Q-table."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from nas_env.errors import UnknownNameError
from nas_env.wrappers import Limits
from nas_env_agents import AGENTS, make_agent, observation_of
from nas_env_agents.common.asynchronous import Asynchronous
from nas_env_agents.common.episodic import Step
from nas_env_agents.q_learning import QLearning
from nas_env_cli.search.q_table import depths, draw_q, greedy_path, grouped, picture_of
from nas_env_cli.search.session import run_search
from tests.support.tiny_space import all_scores, tiny_env


def edit_env(observation: str = "loss-bins", **settings) -> gym.Env:
    return gym.make("NASEdit-v0", evaluator="synthetic", observation=observation, **settings)


EDITING = [name for name in AGENTS if not issubclass(AGENTS.get(name), Asynchronous)]


@pytest.mark.parametrize("name", EDITING)
def test_every_agent_edits_and_repeats_itself(name):
    def trials():
        env = edit_env(observation_of(name, "NASEdit-v0"))
        return run_search(name, env, Limits(evaluations=40), seed=1)

    one, other = trials(), trials()
    assert one.reason == "evaluations"
    assert one.tracker.evaluations in (40, 41)  # a new episode begins with one more network
    assert one.evaluations == 40
    assert max(x.evaluations for x in one.trials) == 40
    walks = [x.candidate.walk for x in one.tracker.trials]
    assert walks == [x.candidate.walk for x in other.tracker.trials]
    assert len(set(walks)) >= 40
    assert one.best.score == max(x.score for x in one.tracker.trials)


def test_the_tutorials_settings_are_the_ones_used():
    agent = make_agent("q-learning", edit_env(), seed=0)
    assert agent.q.shape == (100, 10)
    assert (agent.q == 0).all()
    assert (agent.learning_rate, agent.discount, agent.epsilon) == (0.1, 0.9, 0.1)
    agent.learn(1)
    assert agent.memory
    assert observation_of("q-learning", "NASEdit-v0") == "loss-bins"
    assert observation_of("q-learning", "NAS-v0") == "state"


def test_online_learning_updates_after_each_step():
    env = edit_env()
    agent = QLearning(env, online=True, replay=0, learning_rate=0.5, initial_value=0.0)
    mask = np.ones(10, dtype=bool)
    agent.end_step(Step(7, 2, 1.0, 8, mask, False))
    assert agent.q[7, 2] == 0.5
    agent.end_episode([Step(7, 2, 1.0, 8, mask, False)])
    assert agent.q[7, 2] == 0.5  # not a second time
    assert agent.visits[7, 2] == 1


@pytest.mark.parametrize(
    ("objective", "value", "expected"),
    [
        ("accuracy", "middle", 0.5),
        ("negative-loss", "middle", -5.0),
        ("negative-loss", "optimistic", 0),
    ],
)
def test_initial_values_follow_the_objective(objective, value, expected):
    env = gym.make("NAS-v0", evaluator="synthetic", observation="state", objective=objective)
    assert (QLearning(env, initial_value=value).q == expected).all()
    with pytest.raises(UnknownNameError, match=r"initial value 'midle'. Did you mean 'middle'"):
        QLearning(env, initial_value="midle")


def test_hill_climbing_only_moves_up_and_tries_nothing_twice():
    env = tiny_env("tokens")
    agent = make_agent("hill-climbing", env, seed=0)
    moves = []
    tell = agent.tell

    def watched(walk, score):
        before, present = agent.score, agent.present
        tell(walk, score)
        if present is not None and agent.present != present:
            moves.append(agent.score > before)

    agent.tell = watched
    agent.learn(600)
    assert moves
    assert all(moves)
    assert agent.best_score >= np.quantile(all_scores(), 0.99)
    neighbours = {x.walk for x in agent.space.edits(agent.best)}
    assert agent.space.check(agent.best) is None
    assert agent.best not in neighbours


def test_hill_climbing_begins_from_the_start_that_was_given():
    start = edit_env().unwrapped.space.sample(np.random.default_rng(5))
    env = edit_env("tokens", start=start)
    result = run_search("hill-climbing", env, Limits(evaluations=10), 0)
    walks = [x.candidate.walk for x in result.tracker.trials]
    assert walks[0] == start
    space = env.unwrapped.space
    assert walks[1] in [x.walk for x in space.edits(start)]


def test_the_picture_of_loss_bins_tells_unvisited_from_zero():
    agent = make_agent("q-learning", edit_env(), seed=0)
    agent.learn(300)
    picture = picture_of(agent)
    assert picture.values.shape == (100, 10)
    assert np.array_equal(np.isnan(picture.values), agent.visits == 0)
    assert picture.rows[0].startswith("<")
    assert picture.actions[-1] == "stop"
    assert picture.visits.sum() == agent.num_timesteps
    figure = draw_q(picture)
    image = figure.axes[0].images[0]
    assert image.cmap.name == "hot"
    bad = image.cmap(np.ma.masked_invalid([np.nan]))[0]
    drawn = image.cmap(np.linspace(0, 1, 256))
    assert np.abs(drawn[:, :3] - bad[:3]).sum(axis=1).min() > 0.3  # no value has this colour
    assert figure.axes[0].get_ylabel() == "validation loss, nats, in 100 bins"


def test_the_picture_of_construct_is_depth_by_layer():
    agent = make_agent("q-learning", tiny_env("state"), seed=0)
    agent.learn(400)
    picture = picture_of(agent)
    assert picture.rows_title == "decisions so far"
    assert picture.values.shape == (5, len(agent.env.unwrapped.space.options()))
    assert np.nansum(picture.visits) == agent.num_timesteps
    first = agent.q[0][agent.visits[0] > 0]
    assert np.allclose(picture.values[0][~np.isnan(picture.values[0])], first)
    rows = [row for row, _ in picture.path]
    assert rows == sorted(rows)
    assert picture.actions[picture.path[-1][1]] == "stop"
    draw_q(picture)


def test_depths_and_groups():
    space = tiny_env("state").unwrapped.space
    found = depths(space)
    for number, state in enumerate(space.automaton().states):
        assert found[number] == state.depth + state.stopped
    q, visits = np.array([[1.0, 5.0], [3.0, 0.0]]), np.array([[1, 0], [3, 0]])
    values, counts = grouped(q, visits, np.array([0, 0]), 1)
    assert values[0, 0] == pytest.approx(2.5)  # (1 * 1 + 3 * 3) / 4
    assert np.isnan(values[0, 1])
    assert counts.tolist() == [[4, 0]]


def test_the_greedy_path_follows_what_was_seen():
    agent = QLearning(edit_env(), initial_value=0.0)
    mask = np.ones(10, dtype=bool)
    episode = [
        Step(5, 1, 0.1, 6, mask, False),
        Step(6, 2, 0.2, 7, mask, False),
        Step(7, 9, 0.0, 7, mask, True),
    ]
    for step in episode:
        agent.end_step(step)
    agent.memory.append(episode)
    agent.q[5, 1], agent.q[6, 2], agent.q[7, 9] = 0.3, -0.2, 0.0
    agent.q[5, 4] = 9.0  # never visited, hence not followed
    assert greedy_path(agent) == [(5, 1), (6, 2), (7, 9)]


def test_the_table_goes_to_tensorboard(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run_search("q-learning", edit_env(), Limits(evaluations=30), 0, tensorboard=tmp_path)
    events = EventAccumulator(str(tmp_path / "search" / "q-learning"), size_guidance={"images": 0})
    events.Reload()
    assert len(events.Images("search/q_values")) == 5


def test_hill_climbing_stops_where_a_space_is_exhausted():
    env = gym.make(
        "NASEdit-v0",
        space="mlp",
        task="wine",
        evaluator="synthetic",
        observation="tokens",
        max_params=160,
    )
    assert env.unwrapped.space.size() == 4
    result = run_search("hill-climbing", env, Limits(evaluations=9), 0)
    assert result.reason == "stagnation"
    assert result.evaluations == 4
    assert result.tracker.episodes > 90


def test_hill_climbing_goes_on_where_it_was_saved(tmp_path):
    agent = make_agent("hill-climbing", tiny_env("tokens"), seed=0)
    agent.learn(100)
    agent.save(tmp_path / "agent")
    again = AGENTS.get("hill-climbing").load(tmp_path / "agent", tiny_env("tokens"))
    assert again.tried == agent.tried
    assert [agent.propose() for _ in range(5)] == [again.propose() for _ in range(5)]
