"""What a search does where nothing was said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nas_env.errors import InvalidSettingError
from nas_env_cli.search.folder import RunFolder
from nas_env_cli.search.options import Options, agent_of, parse, recorded

MINE = Options(data="mine.csv")


@pytest.mark.parametrize(
    ("options", "agent"),
    [
        (Options(), "maskable-ppo"),
        (Options(agent="dqn"), "dqn"),
        (MINE, "imagination"),
        (replace(MINE, agent="dqn"), "dqn"),
        (replace(MINE, workers=1), "imagination"),
        (replace(MINE, workers=2), "async-imagination"),
        (replace(MINE, env="NASEdit-v0"), "maskable-ppo"),
        (Options(data="mine.npz", task="arrays"), "maskable-ppo"),  # as it always was
    ],
)
def test_the_agent_suits_the_other_options_and_is_recorded(options: Options, agent: str) -> None:
    assert agent_of(options) == agent
    assert recorded(options)["agent"] == agent


def test_what_is_left_out_on_resume_is_as_it_was_begun(tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["--data", "mine.csv", "--latency", "--max-latency-ms", "2.5"]
    words += ["--evaluations", "8", "--seed", "3"]
    begun = parse([*words, "--output", str(run), "--data-cache", str(tmp_path)])
    RunFolder(run, recorded(begun), resume=False)
    again = parse(["--output", str(run), "--resume", "--workers", "2"])
    assert recorded(again) == recorded(begun)
    assert (again.resume, again.workers, again.data_cache) == (True, 2, None)
    RunFolder(run, recorded(again), resume=True)
    said = parse([*words, "--output", str(run), "--resume"])  # as the program says after Ctrl-C
    assert recorded(said) == recorded(begun)
    other = parse(["--output", str(run), "--resume", "--evaluations", "9"])
    assert (other.evaluations, other.seed) == (9, 3)
    with pytest.raises(InvalidSettingError, match=r"begun with evaluations=8, not 9\..*--store "):
        RunFolder(run, recorded(other), resume=True)
    fresh = parse(["--output", str(run)])
    assert fresh == Options(output=run), "without --resume nothing is taken from there"


def test_a_store_whose_password_is_not_kept_is_given_again(tmp_path: Path) -> None:
    store = "postgresql://me:secret@host/name"
    begun = parse(["--store", store, "--output", str(tmp_path)])
    RunFolder(tmp_path, recorded(begun), resume=False)
    assert "secret" not in (tmp_path / "options.json").read_text()
    without = parse(["--output", str(tmp_path), "--resume"])
    assert without.store is None
    with pytest.raises(InvalidSettingError, match="Give --store again: its password is not kept"):
        RunFolder(tmp_path, recorded(without), resume=True)
    again = parse(["--output", str(tmp_path), "--resume", "--store", store])
    assert recorded(again) == recorded(begun)
