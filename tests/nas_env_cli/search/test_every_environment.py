"""`nas-env search` on every environment id, and the commands that read its run."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nas_env.registration import ENVIRONMENTS, GENERAL, SURROGATE, TABLE, row_of
from nas_env.store import SQLStore
from nas_env_cli.commands import export, plot_q, report, search, watch
from nas_env_cli.search import application
from tests.support.paths import NAS_ENV
from tests.support.programs import run_program

IDS = [row.id for row in ENVIRONMENTS]
MINE = "op,width,valid,tested\na,8,0.1,0.2\na,16,0.4,0.3\nb,8,0.7,0.6\nb,16,0.5,0.9\n"


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the signals of the test's process as they are."""
    monkeypatch.setattr(application, "leave_at_the_second_interrupt", lambda: None)


def words_for(known_id: str, folder: Path) -> list[str]:
    """Return the options that an environment needs."""
    words = ["--env", known_id, "--evaluations", "3", "--output", str(folder / "run")]
    if row_of(known_id).family == GENERAL:
        return [*words, "--evaluator", "synthetic"]
    if known_id == "NASTable-v0":
        (folder / "mine.csv").write_text(MINE)
        settings = ["decisions=['op', 'width']", "reward=valid", "report=tested"]
        return [*words, "--env-option", f"path={folder / 'mine.csv'}", *settings]
    return words


def summary_of(run: Path) -> dict[str, Any]:
    text = (run / "summary.json").read_text(encoding="utf-8")
    return json.loads(text)  # type: ignore[no-any-return]


@pytest.mark.parametrize("known_id", IDS)
def test_a_search_is_run_recorded_and_read(
    known_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = words_for(known_id, tmp_path)
    run = tmp_path / "run"
    assert search.main([*words, "--agent", "random"]) == 0
    shown = capsys.readouterr().out
    found = summary_of(run)["searches"]["random"]
    assert found["evaluations"] == 3 and "retrained" not in summary_of(run)
    store = SQLStore(run / "store.sqlite")
    (recorded,) = store.searches()
    assert [x.score for x in store.entries(recorded.id) if x.new] == found["scores"]
    store.close()
    if row_of(known_id).family == TABLE:
        best = found["best"]["metrics"]
        assert "| report | regret of reward | regret of report |" in shown
        assert f"| {best['report']:.4f} | {best['regret_reward']:.4f} |" in shown
        assert "none was trained" in shown
    if row_of(known_id).family == SURROGATE:
        assert "Held-out error of accuracy: R2 0.98" in shown
        assert "no regret" in shown and "regret of" not in shown
    assert watch.main([str(run), "--once"]) == 0
    assert "3/3" in capsys.readouterr().out
    assert report.main([str(run)]) == 0
    page = (run / "report.html").read_text(encoding="utf-8")
    assert ("none was trained" in page) is (row_of(known_id).family != GENERAL)
    assert search.main([*words, "--agent", "random", "--resume"]) == 0
    assert "has finished" in capsys.readouterr().out


@pytest.mark.parametrize("known_id", ["NASBench201-v0", "NASMobile-v0"])
def test_a_q_table_of_what_was_looked_up_is_drawn(
    known_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    words = [*words_for(known_id, tmp_path), "--agent", "q-learning", "--agent-option", "replay=2"]
    assert search.main(words) == 0
    assert plot_q.main([str(run)]) == 0
    assert (run / "q_table.svg").is_file() and (run / "q_table.png").is_file()
    assert report.main([str(run)]) == 0
    store = SQLStore(run / "store.sqlite")
    agents = {x.info.agent: x.info.settings for x in store.searches()}
    store.close()
    assert agents["q-learning"]["replay"] == 2 and agents["random"] == {}
    capsys.readouterr()
    assert export.main([str(run)]) == 2
    assert f"were looked up by {known_id}, not trained" in capsys.readouterr().err


PLUGIN = """
from nas_env.architecture import Architecture, Candidate, Layer
from nas_env.layers.base import LAYERS, register_layer
from nas_env.layers import layer_type
from nas_env.spaces.base import SPACES, Choice, Option, SearchSpace, SpaceFactory

@register_layer("my-linear")
class MyLinear(type(layer_type(Layer.of("linear", units=2)))):
    pass

class Mine(SearchSpace):
    name, modality, num_decisions, max_length = "mine", "vector", 6, 1

    def __init__(self, input_shape, num_outputs, max_params):
        self.input_shape, self.num_outputs, self.max_params = input_shape, num_outputs, max_params

    def start(self):
        return ()

    def choice(self, state):
        options = tuple(Option(f"{x + 2} units") for x in range(6))
        return None if state else Choice("units", tuple(range(6)), options)

    def follow(self, state, decision):
        return (decision,)

    def assemble(self, walk):
        return Candidate(self.partial(walk), walk=walk)

    def partial(self, walk):
        return Architecture(tuple(Layer.of("my-linear", units=2 + x) for x in walk))

SPACES.register("mine")(SpaceFactory(Mine, "wine", (13,)))

class Stranger:
    observation = "tokens"

    def __init__(self, policy, env, seed, device, first=0):
        self.env, self.seed, self.first = env, seed, first

    def learn(self, total_timesteps, callback=None):
        self.env.reset(seed=self.seed)
        decision = self.first
        while callback.on_step():
            self.env.step(decision % 6)
            self.env.reset()
            decision += 1
"""


def test_a_plug_in_is_imported_here_in_workers_and_on_resume(tmp_path: Path) -> None:
    (tmp_path / "my_plugin.py").write_text(PLUGIN)

    def run(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [*NAS_ENV, *words]
        env = {**os.environ, "COLUMNS": "100"}
        done = run_program(command, tmp_path, env)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done

    words = ["--import", "my_plugin", "--agent", "my_plugin:Stranger", "--agent-option", "first=2"]
    words += ["--space", "mine", "--workers", "2", "--evaluations", "3", "--epochs", "1"]
    run("search", *words, "--retrain-seeds", "1", "--output", "out")
    first = summary_of(tmp_path / "out")
    assert first["searches"]["my_plugin:Stranger"]["outcomes"] == {"ok": 3}
    assert first["settings"]["imports"] == ["my_plugin"]
    best = first["searches"]["my_plugin:Stranger"]["best"]["architecture"]
    assert "my-linear" in json.dumps(best)
    (tmp_path / "out" / "summary.json").unlink()
    run("search", "--output", "out", "--resume")
    again = summary_of(tmp_path / "out")
    name = "my_plugin:Stranger"
    assert again["searches"][name]["scores"] == first["searches"][name]["scores"]
    run("report", "out")
