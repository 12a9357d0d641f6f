"""The evaluator `ray` on a local Ray."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import pytest

import nas_env  # noqa: F401 - registers the environments
from nas_env import extras
from nas_env.architecture import Candidate
from nas_env.errors import InvalidSettingError, MissingDependencyError, WorkerError
from nas_env.evaluation import Budget, Outcome
from nas_env.evaluators import Cached, Halving
from nas_env.evaluators.parallel import Parallel
from nas_env.evaluators.ray import Ray, cluster
from nas_env.network import predict
from nas_env.store import open_store
from tests.nas_env.evaluators.ray.ray_doubles import SPEC, Noted, executions, widths
from tests.support.paths import ROOT

# Ray is not imported here: how it is first imported decides where it listens.
pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="needs nas-env[ray]")

BUDGET = Budget(epochs=1)


@pytest.fixture
def on_ray(tmp_path: Path, local_ray: None) -> Iterator[Ray]:
    with Ray(Noted(tmp_path), "local", memory_mb=100, max_retries=1) as made:
        yield made


def test_a_batch_comes_in_order_and_equal_ones_are_evaluated_once(
    on_ray: Ray, tmp_path: Path
) -> None:
    batch = [widths(x) for x in (4, 9, 4, 6, 5, 4)]
    found = on_ray.evaluate(batch, BUDGET)
    assert sorted(executions(tmp_path)) == sorted({x.key for x in batch})
    assert found == Noted(tmp_path).evaluate(batch, BUDGET)
    assert on_ray.evaluate([], BUDGET) == []


def test_what_is_under_way_is_not_begun_again(on_ray: Ray, tmp_path: Path) -> None:
    futures = [on_ray.submit(widths(x), BUDGET) for x in (5, 7, 5)]
    other = on_ray.submit(widths(5), replace(BUDGET, training_seed=1))
    assert len({id(x) for x in futures}) == 3
    assert futures[0].result(60) == futures[2].result(60) != futures[1].result(60)
    assert other.result(60).ok
    assert sorted(executions(tmp_path)) == sorted(widths(x).key for x in (5, 5, 7))


def test_no_more_than_the_slots_are_in_flight(tmp_path: Path, local_ray: None) -> None:
    with Ray(Noted(tmp_path), "local", memory_mb=100, slots=1) as ray:
        futures = [ray.submit(widths(x), BUDGET) for x in range(4, 10)]
        jobs = ray._connected()
        assert len(jobs.running) <= 1 <= len(jobs.waiting)
        assert all(x.result(60).ok for x in futures)
        assert ray.slots == 1
    assert executions(tmp_path) == [widths(x).key for x in range(4, 10)]  # one process, in turn


def test_a_network_that_kills_its_process_is_an_outcome_and_not_repeated(
    on_ray: Ray, tmp_path: Path
) -> None:
    found = on_ray.evaluate([widths(4), widths(13), widths(5)], BUDGET)
    assert [x.outcome for x in found] == [Outcome.OK, Outcome.CRASHED, Outcome.OK]
    assert "SIGKILL" in found[1].message
    assert sorted(executions(tmp_path)) == sorted(widths(x).key for x in (4, 5, 13))


def test_a_lost_process_is_replaced_and_its_evaluation_begun_again(
    on_ray: Ray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = on_ray.evaluate([widths(14), widths(5)], BUDGET)
    assert [x.outcome for x in found] == [Outcome.CRASHED, Outcome.OK]
    assert "was lost 2 times" in found[0].message
    assert executions(tmp_path).count(widths(14).key) == 2
    assert caplog.text.count("Ray lost an evaluation") == 2


def test_what_runs_out_of_memory_twice_is_an_outcome(
    on_ray: Ray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    def get(reference: Any) -> Any:
        ray.get(reference)
        raise ray.exceptions.OutOfMemoryError("Too much.")

    jobs = on_ray._connected()
    stand_in = SimpleNamespace(get=get, exceptions=ray.exceptions, cancel=ray.cancel)
    monkeypatch.setattr(jobs, "ray", stand_in)
    (found,) = on_ray.evaluate([widths(5)], BUDGET)
    assert found.outcome is Outcome.OUT_OF_MEMORY
    assert "Too much" in found.message
    assert len(executions(tmp_path)) == 2


def test_what_fits_no_node_is_too_large(on_ray: Ray, tmp_path: Path) -> None:
    with Ray(Noted(tmp_path), "local", memory_mb=1e9) as ray:
        (found,) = ray.evaluate([widths(5)], BUDGET)
    assert found.outcome is Outcome.TOO_LARGE
    assert "the largest node has" in found.message
    assert executions(tmp_path) == []


def test_a_refusal_of_the_evaluator_comes_through(on_ray: Ray) -> None:
    with pytest.raises(InvalidSettingError, match="Fifteen is refused") as raised:
        on_ray.evaluate([widths(15)], BUDGET)
    assert type(raised.value) is InvalidSettingError


def test_results_are_stored_and_not_asked_for_again(on_ray: Ray, tmp_path: Path) -> None:
    store = open_store(tmp_path.parent / f"{tmp_path.name}.sqlite")
    cached = Cached(on_ray, store)
    batch = [widths(x) for x in (4, 5, 6)]
    assert cached.evaluate(batch, BUDGET) == cached.evaluate(batch, BUDGET)
    assert len(executions(tmp_path)) == 3


def test_closing_gives_up_what_is_under_way_and_the_next_evaluation_begins_anew(
    tmp_path: Path, local_ray: None
) -> None:
    ray = Ray(Noted(tmp_path, seconds=30), "local", memory_mb=100, slots=1)
    futures = [ray.submit(widths(x), BUDGET) for x in (4, 5)]
    ray.close()
    for future in futures:
        with pytest.raises(CancelledError):
            future.result(10)
    ray.close()
    ray.evaluator = Noted(tmp_path)
    assert ray.evaluate([widths(6)], BUDGET)[0].ok
    ray.close()


def test_an_error_of_ray_reaches_who_waits_and_the_next_evaluation_connects_anew(
    on_ray: Ray, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = on_ray._connected()
    monkeypatch.setattr(jobs, "_finish", lambda _: 1 / 0)
    future = on_ray.submit(widths(5), BUDGET)
    assert isinstance(future.exception(60), ZeroDivisionError)
    assert on_ray.submit(widths(6), BUDGET).result(60).ok
    assert on_ray._connected() is not jobs


def test_a_pickle_has_no_connection(on_ray: Ray) -> None:
    assert on_ray.evaluate([widths(4)], BUDGET)[0].ok
    copy = pickle.loads(pickle.dumps(on_ray))
    assert copy._jobs is None
    assert (copy.fingerprint, copy.settings.cpus, copy.settings.address) == ("noted", 1.0, "local")


def training_bytes(candidate: Candidate) -> int:
    cost = predict(candidate.architecture, SPEC)
    return cost.training_bytes(candidate.recipe.batch_size)


def candidate_of_mb(megabytes: float) -> Candidate:
    """Return a network of about so many predicted megabytes."""
    none, thousand = (training_bytes(widths(units)) for units in (1, 1001))
    return widths(1 + int((megabytes * 1e6 - none) * 1000 / (thousand - none)))


def test_memory_is_asked_for_in_few_sizes(tmp_path: Path) -> None:
    ray = Ray(Noted(tmp_path), "local", memory_mb=100)
    asked = {ray.resources(candidate_of_mb(x), BUDGET, None)["memory"] for x in range(1, 200, 9)}
    assert asked == {164_000_000, 228_000_000, 356_000_000}
    for megabytes in (1, 70, 199):
        candidate = candidate_of_mb(megabytes)
        needed = training_bytes(candidate)
        assert needed == pytest.approx(megabytes * 1e6, rel=0.01)
        assert ray.resources(candidate, BUDGET, None)["memory"] >= 100_000_000 + needed
    small = Budget(epochs=1, max_memory_mb=1)  # then the evaluator inside refuses it
    assert ray.resources(candidate_of_mb(199), small, None)["memory"] == 164_000_000
    assert ray.resources(candidate_of_mb(199), BUDGET, 300.0)["memory"] == 300_000_000
    shared = Ray(Noted(tmp_path), "local", cpus=2, gpus=0.25, memory_mb=100)
    wanted = shared.resources(candidate_of_mb(199), BUDGET, None)
    assert wanted == {"num_cpus": 2, "num_gpus": 0.25, "memory": 164_000_000}


def test_places_follow_the_nodes_that_are_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [{"CPU": 3.0, "memory": 2e9}, {"CPU": 8.0, "GPU": 2.0, "memory": 4e9}, {}]
    monkeypatch.setattr(cluster, "_alive", lambda: nodes)
    assert cluster.places(1, 0) == 11
    assert cluster.places(2, 0) == 5
    assert cluster.places(1, 0.25) == 8
    assert cluster.places(0, 1) == 2
    assert cluster.places(16, 0) == 1
    assert cluster.largest_memory_mb(1, 0) == 4000
    assert cluster.largest_memory_mb(1, 4) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"address": "ray://head:10001"}, "Ray address must be 'auto'"),
        ({"cpus": -1}, "cpus must be >= 0"),
        ({"gpus": 1.5}, "a fraction of one or a whole number"),
        ({"cpus": 0}, "Give cpus or gpus"),
        ({"slots": 0}, "slots must be >= 1"),
        ({"max_retries": -1}, "max_retries must be >= 0"),
    ],
)
def test_a_wrong_setting_is_refused(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidSettingError, match=message):
        Ray(Noted(tmp_path), **settings)


def test_a_gpu_must_be_asked_for(tmp_path: Path) -> None:
    evaluator: Any = Noted(tmp_path)
    evaluator.device = "cuda"
    with pytest.raises(InvalidSettingError, match="gpus=0"):
        Ray(evaluator)
    assert Ray(evaluator, gpus=0.5).settings.gpus == 0.5


def test_workers_around_workers_are_refused(tmp_path: Path) -> None:
    for evaluator in (Parallel(Noted(tmp_path)), Ray(Noted(tmp_path))):
        with pytest.raises(InvalidSettingError, match="has workers already"):
            Ray(evaluator)
    with pytest.raises(InvalidSettingError, match="Ray and has workers already"):
        Parallel(Halving(Ray(Noted(tmp_path))))
    with pytest.raises(InvalidSettingError, match="its own workers"):
        gym.make("NAS-v0", evaluator="ray", device="cpu", workers=2)


def run_page(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run the first Python block of docs/cluster.md as a script."""
    page = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    script = tmp_path / "on_ray.py"
    script.write_text(page.split("```python\n")[1].split("```")[0], encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    return subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={**env, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_script_of_the_page_runs_on_this_machine_alone(tmp_path: Path) -> None:
    done = run_page(tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 8
    assert all(0 < float(line.split()[1]) <= 1 for line in done.stdout.splitlines())
    assert len(open_store(tmp_path / "store.sqlite")) == 8


def test_a_start_that_fails_is_tried_again_and_then_refused() -> None:
    def init(**settings: Any) -> None:
        called.append(settings)
        if len(called) < succeeds_at:
            raise Exception("The current node timed out during startup.")

    called: list[dict[str, Any]] = []
    ray = SimpleNamespace(init=init, shutdown=lambda: None)
    succeeds_at = 3
    cluster._begin(ray, 3, address="local")
    assert called == [{"address": "local"}] * 3
    called.clear()
    succeeds_at = 4
    with pytest.raises(WorkerError, match="timed out during startup"):
        cluster._begin(ray, 3, address="local")
    assert len(called) == 3


def test_what_cannot_be_sent_is_refused(tmp_path: Path) -> None:
    evaluator: Any = Noted(tmp_path)
    evaluator.call = lambda: None
    with pytest.raises(InvalidSettingError, match="cannot be sent to a cluster"):
        Ray(evaluator, "local").evaluate([widths(4)], BUDGET)


def test_one_process_has_one_cluster(on_ray: Ray, tmp_path: Path) -> None:
    with pytest.raises(InvalidSettingError, match="differs from 'local'"):
        Ray(Noted(tmp_path), "127.0.0.1:6379").evaluate([widths(4)], BUDGET)


def test_the_address_may_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert Ray(Noted(tmp_path)).settings.address == "local"
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert Ray(Noted(tmp_path)).settings.address == "head:6379"
    assert Ray(Noted(tmp_path), "auto").settings.address == "auto"


def test_a_head_that_does_not_answer_is_refused_at_once(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    began = time.monotonic()
    with pytest.raises(InvalidSettingError, match="No Ray cluster answers"):
        cluster._connect(None, address)
    assert time.monotonic() - began < cluster.KNOCK_SECONDS + 5


def test_without_ray_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"nas-env\[ray\]"):
        Ray(Noted(tmp_path))
