"""The parts of scripts.studies.pareto, and docs/pareto.md against its results."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_env.errors import InvalidDataError
from nas_env.spaces import SPACES
from scripts.studies.common.experiment import Experiment
from scripts.studies.pareto import curves, method_choice, nsga2
from scripts.studies.pareto.method_choice import Choice, Plan, Run, play, points_of, runs_of
from scripts.studies.pareto.methods import Method, evaluated
from scripts.studies.pareto.page import DeviceRuns, write_page
from scripts.studies.pareto.problem import DEVICES, WORST_ACCURACY, problem
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "pareto.md"
RESULTS = ROOT / "docs" / "pareto" / "results.jsonl"
HAS_PYMOO = "pymoo is not installed"


def method(agent: str, kind: str = "", size: int = 1) -> Method:
    return Method(agent, kind, size)


def test_all_cells_have_the_whole_hypervolume_of_what_is_searched() -> None:
    for device in DEVICES:
        found = problem(device)
        everything = np.arange(len(found.searched))
        searched, reported = found.volumes(everything)
        assert searched == pytest.approx(1.0) and 0.9 < reported < 1.0
        assert found.volumes(found.front(everything))[0] == pytest.approx(1.0)
        assert found.volumes(everything[:0]) == (0.0, 0.0)


def test_nothing_is_selected_by_what_is_reported() -> None:
    """Of two cells the one that is worse in what is searched does not count, if better in tests."""
    found = problem(DEVICES[0])
    searched, reported = found.searched, found.reported
    better, worse = next(
        (a, b)
        for a in range(200)
        for b in range(200)
        if (searched[a] < searched[b]).all() and reported[b, 0] < reported[a, 0]
    )
    both = found.volumes(np.array([better, worse]))
    assert both == found.volumes(np.array([better])) != found.volumes(np.array([worse]))
    area = (1 - WORST_ACCURACY - searched[better, 0]) * (1 - searched[better, 1])
    whole = (1 - WORST_ACCURACY - searched[:, 0].min()) * 1
    assert area / whole < both[0] < 1


@pytest.mark.parametrize("device", DEVICES)
def test_objectives_span_the_latencies(device: str) -> None:
    latency = problem(device).latency_ms
    targets = [x.target for x in method("random", "targets", 5).objectives(device)]  # type: ignore
    assert [float((latency <= x).mean()) for x in targets] == pytest.approx(
        [0.1, 0.3, 0.5, 0.7, 0.9], abs=0.01
    )
    weights = [x.weights for x in method("random", "weights", 3).objectives(device)]  # type: ignore
    costs = [-x["latency_ms"] * latency.max() for x in weights]
    assert costs == pytest.approx([0.01, 0.1, 1.0])
    assert method("random").objectives(device) == [None]


@pytest.mark.parametrize("kind", ["targets", "weights"])
def test_portions_pay_for_no_network_twice(kind: str) -> None:
    walks = evaluated(method("local-search", kind, 3), "edgegpu", 0, 61)
    assert len(walks) == len(set(walks)) == 61
    again = evaluated(method("local-search", kind, 3), "edgegpu", 0, 61)
    assert walks == again
    assert walks != evaluated(method("local-search", kind, 3), "edgegpu", 1, 61)


def test_what_a_portion_leaves_the_next_one_has(monkeypatch: pytest.MonkeyPatch) -> None:
    from scripts.studies.pareto import methods

    limits: list[int] = []

    def portion(*arguments: Any) -> list[tuple[int, ...]]:
        limits.append(arguments[4])
        return [(len(limits), x) for x in range(min(arguments[4], 15))]

    monkeypatch.setattr(methods, "_portion", portion)
    assert len(evaluated(method("random", "weights", 3), "edgegpu", 0, 60)) == 45
    assert limits == [20, 25, 30]


def test_nsga2_asks_for_different_walks() -> None:
    pytest.importorskip("pymoo", reason=HAS_PYMOO)
    found = problem("edgegpu")
    space = SPACES.get("nasbench201")((3, 32, 32), 10, None)
    asked: list[int] = []

    def points(walks: Any) -> Any:
        asked.append(len(walks))
        return found.searched[found.rows(walks)]

    walks = nsga2.search(space, points, 205, 20, seed=3)
    assert len(walks) == len(set(walks)) == 205 == sum(asked) and asked[0] == 20
    assert all(space.check(walk) is None for walk in walks)
    assert walks == nsga2.search(space, lambda x: found.searched[found.rows(x)], 205, 20, seed=3)


def test_nsga2_finds_more_than_random_cells() -> None:
    """Over twelve seeds, 200 random cells have 0.974 of the hypervolume, those of NSGA-II 0.989."""
    pytest.importorskip("pymoo", reason=HAS_PYMOO)
    found, volumes = problem("edgegpu"), []
    for seed in range(4):
        walks = evaluated(method("nsga2", size=20), "edgegpu", seed, 200)
        drawn = np.random.default_rng(seed).choice(len(found.searched), 200, replace=False)
        volumes.append([found.volumes(rows)[0] for rows in (found.rows(walks), drawn)])
    evolved, random = np.mean(volumes, axis=0)
    assert evolved > random + 0.005, (evolved, random)


def test_nsga2_ends_where_nothing_is_left() -> None:
    pytest.importorskip("pymoo", reason=HAS_PYMOO)
    space: Any = SPACES.get("nasbench201")((3, 32, 32), 10, None)

    class Two:
        """The first two decisions of a cell."""

        start, follow = space.start, space.follow

        def choice(self, state: Any) -> Any:
            return space.choice(state) if len(state) < 2 else None

    two: Any = Two()
    walks = nsga2.search(two, lambda x: np.zeros((len(x), 2)), 1000, 4, seed=0)
    assert 4 < len(walks) <= 25 and len(set(walks)) == len(walks)


PLAN = Plan(("local-search", "imagination"), choosing=2, seeds=3)


def choosing(best: str, value: float = 0.9) -> list[Run]:
    labels = [x.label for methods in PLAN.candidates().values() for x in methods]
    return [
        Run("choose", label, device, seed, 9, [0.1, value if label == best else 0.5], [0, 0], 0.0)
        for label in labels
        for device in DEVICES
        for seed in (1000, 1001)
    ]


def test_settings_are_chosen_by_other_seeds_than_the_reported_ones() -> None:
    assert {job["seed"] for job in PLAN.to_choose()} == {1000, 1001}
    choice = Choice(PLAN, choosing("local-search, 10 targets"))
    assert {job["seed"] for job in PLAN.to_report(choice.chosen)} == {0, 1, 2}
    labels = {agent: x.label for agent, x in choice.chosen.items()}
    assert labels["local-search"] == "local-search, 10 targets"
    assert labels["imagination"] == "imagination, 10 targets", "what is best for the others"
    assert labels["random"] == "random"
    with pytest.raises(InvalidDataError, match="no runs of 'nsga2, 6 members'"):
        Choice(PLAN, [])


def test_a_run_is_judged_at_every_point_and_kept_as_plain_values(tmp_path: Path) -> None:
    settings = {"agent": "local-search", "kind": "weights", "size": 2}
    jobs = [{"part": "report", **settings, "device": device, "seed": 1} for device in DEVICES]
    experiment = Experiment(tmp_path / "results.jsonl", {"networks": 24})
    experiment.play(jobs, partial(play, 24), 1, "the command")
    runs = runs_of(experiment, "report")
    assert [run.device for run in runs] == [*DEVICES] and runs_of(experiment, "choose") == []
    for run in runs:
        assert (run.method, run.seed, run.networks) == ("local-search, 2 weights", 1, 24)
        assert len(run.searched) == len(run.reported) == len(points_of(24))
        assert run.searched == sorted(run.searched) and 0 < run.searched[-1] <= 1


def test_intervals_hold_what_they_should() -> None:
    values = np.random.default_rng(0).normal(3.0, 1.0, (400, 2))
    low, high = curves.interval(values)
    error = values.std(axis=0) / 20
    assert np.allclose(high - low, 2 * 1.96 * error, rtol=0.15)
    assert (low < values.mean(axis=0)).all() and (values.mean(axis=0) < high).all()
    ours, theirs = values[:, 0], values[:, 0] - 1.0
    low, high = curves.difference(ours, theirs)
    assert low < 1.0 < high and low > 0.7
    assert curves.difference(np.ones(3), np.ones(4)).tolist() == [0.0, 0.0]


def test_words_follow_the_intervals() -> None:
    choice = Choice(PLAN, choosing("local-search, 3 weights"))
    length = len(points_of(24))
    runs = []
    for agent, share in (("random", 0.5), ("nsga2", 0.7), ("local-search", 0.7)):
        for seed in range(5):
            shares = [share + 0.001 * seed] * length
            label = choice.chosen[agent].label
            runs.append(Run("report", label, "edgegpu", seed, 24, shares, shares, 0.0))
    results = DeviceRuns(runs, choice, "edgegpu", 24)
    assert results.word("nsga2", "random", "searched", 24) == "more"
    assert results.word("random", "nsga2", "reported", 24) == "**less**"
    assert results.word("local-search", "nsga2", "searched", 24) == "no shown difference"
    assert "imagination" not in results.runs


def committed() -> Experiment:
    return Experiment(RESULTS, {"networks": 400})


def test_the_page_is_what_the_committed_results_make(tmp_path: Path) -> None:
    shutil.copytree(RESULTS.parent, tmp_path / "pareto")
    file = Experiment(tmp_path / "pareto" / "results.jsonl", {"networks": 400})
    plan = Plan((*method_choice.CHEAP, *method_choice.DEAR), 5, 30)
    write_page(file, Choice(plan, runs_of(file, "choose")), tmp_path / "pareto.md")
    assert (tmp_path / "pareto.md").read_text("utf-8") == PAGE.read_text("utf-8")


def test_the_committed_results_are_complete() -> None:
    runs, jobs = runs_of(committed(), "report"), [job for job, _ in committed().results()]
    assert len(committed().missing(jobs)) == 0 and len({str(job) for job in jobs}) == len(jobs)
    counts: dict[tuple[str, str], set[int]] = {}
    for run in runs:
        counts.setdefault((run.method, run.device), set()).add(run.seed)
    for (label, _), seeds in counts.items():
        assert seeds >= set(range(30)), label
    assert all("commit" in how["versions"] for how in committed().calls())


@pytest.mark.parametrize("agent", ["random", "local-search", "nsga2"])
def test_committed_runs_come_out_again(agent: str) -> None:
    if agent == "nsga2":
        pytest.importorskip("pymoo", reason=HAS_PYMOO)
    job, result = next(
        (job, result)
        for job, result in committed().results()
        if (job["part"], job["agent"], job["seed"]) == ("report", agent, 1)
    )
    again = play(400, job)
    for name in ("networks", "searched", "reported"):
        assert again[name] == result[name]
