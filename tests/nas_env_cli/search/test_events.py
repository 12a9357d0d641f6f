"""What TensorBoard reads of a search is what the store has of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2, backend_context
from tensorboard.plugins.hparams.get_experiment import Handler as GetExperiment
from tensorboard.plugins.hparams.list_session_groups import Handler as ListSessionGroups

from nas_env.architecture import Candidate
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators.base import Evaluator, failed
from nas_env.store import Entry, SQLStore
from nas_env.wrappers import Limits, TrackSearch, Trial
from nas_env_agents import make_agent, observation_of
from nas_env_cli.search.events import TABLES
from nas_env_cli.search.labels import Labels
from nas_env_cli.search.network_rows import MISSING, NetworkRows
from nas_env_cli.search.policy_table import picture_of_agent, values_of
from nas_env_cli.search.session import run_search
from tests.support.paths import ROOT

EVERYTHING = {"scalars": 0, "images": 0, "tensors": 0}
EVALUATIONS = 30


class Odd(Evaluator):
    """Scores by the length of a walk; those of three layers fail, and have no parameters."""

    fingerprint = "odd"

    def evaluate(self, candidates: Any, budget: Budget) -> list[Evaluation]:
        return [self._one(x) for x in candidates]

    def _one(self, candidate: Candidate) -> Evaluation:
        length = len(candidate.walk)
        if length == 4:
            return failed(Outcome.DIVERGED, "the loss is NaN", seconds=0.25)
        metrics = {"accuracy": length / 10, "loss": 1.0, "params": 100.0 * length}
        return Evaluation(Outcome.OK, metrics, epochs=1, seconds=0.5)


def environment(agent: str, store: Path | None = None, evaluator: Any = "synthetic") -> Any:
    kind = observation_of(agent, "NAS-v0")
    return gym.make("NAS-v0", evaluator=evaluator, observation=kind, store=store)


def search(folder: Path, agent: str = "q-learning", **settings: Any) -> Any:
    env = environment(agent, folder / "store.sqlite", Odd())
    return run_search(
        agent, env, Limits(EVALUATIONS), 0, tensorboard=folder / "events", token="one", **settings
    )


def entries(folder: Path) -> list[Entry]:
    store = SQLStore(folder / "store.sqlite")
    try:
        return store.entries(store.searches()[0].id)
    finally:
        store.close()


def read(folder: Path, agent: str = "q-learning") -> EventAccumulator:
    events = EventAccumulator(str(folder / "events" / "search" / agent), EVERYTHING)
    events.Reload()
    return events


def curve(events: EventAccumulator, name: str) -> list[tuple[int, float]]:
    return [(x.step, x.value) for x in events.Scalars(f"search/{name}")]


def hparams(folder: Path) -> tuple[list[Any], list[Any]]:
    """Return the columns and the rows as TensorBoard's plugin reads them."""
    runs = EventMultiplexer().AddRunsFromDirectory(str(folder))
    runs.Reload()
    provider = MultiplexerDataProvider(runs, str(folder))
    context = backend_context.Context(base_plugin.TBContext(data_provider=provider))
    request = api_pb2.ListSessionGroupsRequest(
        start_index=0,
        slice_size=10_000,
        allowed_statuses=[api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE],
    )
    asked = api_pb2.GetExperimentRequest()
    columns = GetExperiment(RequestContext(), context, "", asked).run().hparam_infos
    found = ListSessionGroups(RequestContext(), context, "", request).run()
    return list(columns), sorted(found.session_groups, key=lambda x: x.name)


def metrics_of(row: Any) -> Mapping[str, float]:
    return {x.name.tag: x.value for x in row.metric_values}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("searched")
    search(made)
    return made


def test_curves_are_those_of_the_store(folder: Path) -> None:
    events, stored = read(folder), entries(folder)
    steps = np.cumsum([x.new for x in stored])
    scores = np.array([x.score for x in stored])
    known = [x.evaluation.metrics.get("params") for x in stored]
    expected = {
        "score": scores,
        "return": scores,
        "best_score": np.maximum.accumulate(scores),
        "unique_networks": steps,
        "repeats": np.arange(1, len(stored) + 1) - steps,
        "failed": np.cumsum([not x.evaluation.ok for x in stored]),
        "seconds": [x.evaluation.seconds for x in stored],
        "from_store": np.cumsum([not x.new for x in stored]),
    }
    for name, values in expected.items():
        found = curve(events, name)
        assert [step for step, _ in found] == steps.tolist(), name
        assert [value for _, value in found] == pytest.approx(list(values)), name
    pairs = [(int(s), x) for s, x in zip(steps, known, strict=True) if x is not None]
    assert curve(events, "params") == pairs
    assert 0 < sum(not x.evaluation.ok for x in stored) < len(stored)


def test_the_page_names_every_tag(folder: Path) -> None:
    page = (ROOT / "docs" / "tensorboard.md").read_text(encoding="utf-8")
    events = read(folder)
    tags = [x for kind in ("scalars", "images", "tensors") for x in events.Tags()[kind]]
    own = {x.removesuffix("/text_summary") for x in tags if x.startswith("search/")}
    assert len(own) == 14
    assert [x for x in own if f"`{x}`" not in page] == []


def test_each_new_best_is_drawn_and_told(folder: Path) -> None:
    events, best, steps, step = read(folder), -np.inf, [], 0
    for entry in entries(folder):
        step += entry.new
        if entry.score > best:
            best = entry.score
            steps.append(step)
    drawings = events.Images("search/best_network")
    assert [x.step for x in drawings] == steps
    assert all(x.encoded_image_string.startswith(b"\x89PNG") for x in drawings)
    texts = events.Tensors("search/best_layers/text_summary")
    assert [x.step for x in texts] == steps
    told = texts[-1].tensor_proto.string_val[0].decode()
    assert f"score {best:.4f}" in told and "classifier 10" in told


def test_every_network_is_a_row(folder: Path) -> None:
    new = [x for x in entries(folder) if x.new]
    columns, rows = hparams(folder / "events")
    space = environment("q-learning").unwrapped.space
    labels, width = Labels(space), space.max_length
    assert [x.name for x in rows] == [
        f"networks/q-learning/{number:06d}" for number in range(1, EVALUATIONS + 1)
    ]
    names = {f"decision {place:02d}" for place in range(1, width + 1)}
    assert {x.name for x in columns} == {"agent"} | names
    for row, entry in zip(rows, new, strict=True):
        words = labels.of(entry.candidate.walk)
        decided = [row.hparams[name].string_value for name in sorted(names)]
        assert decided == words + [MISSING] * (width - len(words))
        assert row.hparams["agent"].string_value == "q-learning"
        evaluation = entry.evaluation
        kept = {k: v for k, v in evaluation.metrics.items() if k == "params"}
        told = {"score": entry.score, "seconds": evaluation.seconds, **kept}
        assert metrics_of(row) == pytest.approx(told)
        ok = api_pb2.STATUS_SUCCESS if evaluation.ok else api_pb2.STATUS_FAILURE
        assert row.sessions[0].status == ok


def test_a_search_that_goes_on_doubles_nothing(tmp_path: Path) -> None:
    search(tmp_path)
    before, rows = curve(read(tmp_path), "score"), hparams(tmp_path / "events")[1]
    search(tmp_path)
    assert curve(read(tmp_path), "score") == before
    again = hparams(tmp_path / "events")[1]
    assert [(x.name, metrics_of(x)) for x in again] == [(x.name, metrics_of(x)) for x in rows]


def test_what_is_not_finite_and_what_is_late_has_no_place(tmp_path: Path) -> None:
    env = environment("random")
    walk = env.unwrapped.space.sample(np.random.default_rng(0))
    candidate = env.unwrapped.space.decode(walk)
    rows = NetworkRows(tmp_path / "networks", env.unwrapped.space, "random")
    strange = Evaluation(Outcome.DIVERGED, {"params": float("inf")})
    rows.write(Trial(1, 1, True, candidate, strange, float("nan"), 0.0, distinct=1))
    rows.write(Trial(2, 1, False, candidate, strange, 0.5, 0.0, distinct=1))
    rows.write(Trial(3, 1001, True, candidate, strange, 0.5, 0.0, distinct=1001))
    rows.write(Trial(4, 1002, True, candidate, strange, 0.5, 0.0, distinct=1002, best=True))
    _, found = hparams(tmp_path)
    assert [x.name for x in found] == ["networks/000001", "networks/001002"]
    assert [metrics_of(x) for x in found] == [{"seconds": 0.0}, {"score": 0.5, "seconds": 0.0}]


def test_rewards_of_an_episode_are_added_up() -> None:
    env = gym.make("NASEdit-v0", evaluator="synthetic", observation="tokens", max_edits=5)
    tracker, total, seen = TrackSearch(env, Limits(50)), 0.0, 0
    tracker.reset(seed=0)
    for _ in range(5):
        _, reward, *_ = tracker.step(int(np.flatnonzero(tracker.action_masks())[0]))
        total += float(reward)
        if len(tracker.trials) > seen:
            seen = len(tracker.trials)
            assert tracker.trials[-1].rewards == pytest.approx(total)
    assert seen > 1
    tracker.reset()
    assert tracker.trials[-1].rewards == 0


@pytest.mark.parametrize(
    ("name", "settings", "tag"),
    [
        ("dqn", {}, "q_values"),
        ("masked-dqn", {}, "q_values"),
        ("maskable-ppo", {"n_steps": 16, "batch_size": 16}, "policy"),
        ("a2c", {}, "policy"),
        ("reinforce", {}, "policy"),
    ],
)
def test_heat_maps_come_in_time_and_change_nothing(
    tmp_path: Path, name: str, settings: dict[str, Any], tag: str
) -> None:
    limits = Limits(10)
    plain = run_search(name, environment(name), limits, 0, **settings)
    shown = run_search(name, environment(name), limits, 0, tensorboard=tmp_path, **settings)
    assert [x.walk for x in shown.trials] == [x.walk for x in plain.trials]
    events = EventAccumulator(str(tmp_path / "search" / name), EVERYTHING)
    events.Reload()
    steps = [x.step for x in events.Images(f"search/{tag}")]
    assert 1 <= len(steps) <= TABLES and steps[-1] == 10


def test_a_heat_map_is_the_mean_over_states() -> None:
    env = environment("maskable-ppo")
    agent, mdp = make_agent("maskable-ppo", env, 0), env.unwrapped.mdp
    walks = [env.unwrapped.space.sample(np.random.default_rng(seed)) for seed in range(3)]
    picture = picture_of_agent(agent, env, walks)
    assert picture is not None and picture.quantity == "probability"
    start = mdp.begin(np.random.default_rng(0)).state
    first = values_of(agent, mdp, [start])[0]
    assert picture.values[0] == pytest.approx(first, nan_ok=True)
    assert np.nansum(first) == pytest.approx(1)
    assert picture.path[0] == (0, int(np.nanargmax(first)))
    seconds = [mdp.take(start, walk[0], illegal=False).state for walk in walks if len(walk) > 1]
    values = values_of(agent, mdp, seconds)
    legal = ~np.isnan(values)
    mean = np.nansum(values, axis=0)[legal.any(axis=0)] / legal.sum(axis=0)[legal.any(axis=0)]
    assert picture.values[1][legal.any(axis=0)] == pytest.approx(mean)
    assert picture.visits.sum() == sum(map(len, walks))


def test_agents_that_tell_nothing_have_no_heat_map() -> None:
    env = environment("random")
    walk = env.unwrapped.space.sample(np.random.default_rng(0))
    assert picture_of_agent(make_agent("random", env, 0), env, [walk]) is None
