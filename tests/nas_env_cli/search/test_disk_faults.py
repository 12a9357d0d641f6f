"""A full disk, a folder that vanishes, or one without write permission: nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from nas_env.store import SQLStore
from tests.support.injected_fault import FAULTS, repair
from tests.support.paths import NAS_ENV, ROOT
from tests.support.programs import SEARCHED, run_program
from tests.support.tiny_search import TINY, script

SEARCH = ("search", "--task", "digits", *TINY, "--epochs", 1, "--retrain-seeds", 1)
CLI = "nas_env_cli.search"
MOMENTS = {  # before which call of which function: the number of trained networks that are kept
    (f"{CLI}.application:begin", 1): None,
    (f"{CLI}.session:SearchEvents", 1): 0,
    ("nas_env.store:SQLStore.put", 2): 1,
    (f"{CLI}.events:SearchEvents.log", 2): 2,
    (f"{CLI}.network_rows:NetworkRows.write", 3): 3,
    (f"{CLI}.record:SearchRecord.end", 1): 3,
    (f"{CLI}.folder:RunFolder.write_agent", 1): 4,
    (f"{CLI}.folder:RunFolder.write_best", 1): 4,
    (f"{CLI}.folder:RunFolder.write_weights", 1): 4,
    (f"{CLI}.folder:RunFolder.write_summary", 1): 4,
    (f"{CLI}.application:export_best", 1): 4,
}
CASES = [x for x in product(MOMENTS, FAULTS) if x != (next(iter(MOMENTS)), "vanishes")]


def kept(run: Path) -> list[dict[str, object]]:
    """Return the evaluations in the store of a run."""
    if not (run / "store.sqlite").is_file():
        return []
    store = SQLStore(run / "store.sqlite")
    try:
        return store.rows()
    finally:
        store.close()


def faulty(
    run: Path, kind: str, at: str, number: int, *more: str
) -> subprocess.CompletedProcess[str]:
    """Run the search with a fault."""
    env = {"FAULT_KIND": kind, "FAULT_AT": at, "FAULT_CALL": str(number), "FAULT_FOLDER": run}
    words = (*SEARCH, "--output", run, *more, "--import", "tests.support.injected_fault")
    env = {**os.environ, "PYTHONPATH": SEARCHED, **{name: str(x) for name, x in env.items()}}
    return run_program([*NAS_ENV, *map(str, words)], ROOT, env)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the networks of the search without a fault, in order."""
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    script(*SEARCH, "--output", run)
    return networks(run)


def networks(run: Path) -> list[str]:
    store = SQLStore(run / "store.sqlite")
    try:
        every = [x.candidate.key for s in store.searches() for x in store.entries(s.id)]
    finally:
        store.close()
    return every


@pytest.mark.parametrize(("moment", "kind"), CASES)
def test_a_fault_is_said_and_the_search_goes_on_after_it(
    moment: tuple[str, int], kind: str, undisturbed: list[str], tmp_path: Path
) -> None:
    run = tmp_path / "here" / "run"
    run.parent.mkdir()
    export = ["--export"] * moment[0].endswith("export_best")
    done = faulty(run, kind, *moment, *export)
    said = done.stdout + done.stderr
    assert "the fault occurs" in done.stderr, said
    assert "Traceback" not in said and "Exception" not in said, said
    repair(run, kind)
    before = kept(run)
    if done.returncode == 0:  # nothing had to be written any more, or open files go on
        assert (run / "summary.json").is_file(), said
    else:
        assert done.returncode == 2, said
        (error,) = (x for x in done.stderr.splitlines() if x.startswith("error: "))
        assert str(run) in error or "file" in error.lower(), error
    expected = MOMENTS[moment]
    if expected is None and done.returncode == 2:
        assert not (run / "token").is_file() and "To resume" not in said
        shutil.rmtree(run, ignore_errors=True)
        script(*SEARCH, "--output", run)
    else:
        assert expected is None or len(before) >= expected
        assert done.returncode == 0 or "All evaluations are kept. To resume: " in done.stderr
        script("search", "--output", run, "--resume", *export)
        assert (run / "export" / "card.md").is_file() == bool(export)
    assert networks(run) == undisturbed
    assert kept(run)[: len(before)] == before
    assert json.loads((run / "summary.json").read_text())["searches"]["q-learning"]
    assert not list(run.rglob("*.part"))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of a real file system of 2 MB; skip where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the permission to mount a tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full_is_said(disk: Path, undisturbed: list[str]) -> None:
    (disk / "filler").write_bytes(bytes(1_750_000))  # some evaluations fit beside it
    run = disk / "run"
    done = script(*SEARCH, "--output", run, code=2)
    (error,) = (x for x in done.stderr.splitlines() if x.startswith("error: "))
    assert "Free some" in error and "Traceback" not in done.stderr
    before = kept(run)
    (disk / "filler").unlink()
    if "To resume" in done.stderr:
        script("search", "--output", run, "--resume")
        assert networks(run) == undisturbed and kept(run)[: len(before)] == before


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("finished") / "run"
    script(*SEARCH, "--output", run)
    script("retrain", run, "--top", 1, "--seeds", 1, "--epochs", 1)
    return run


OUTPUTS = {  # what a finished run still gets: the command that writes it
    "report.html": ("report",),
    "retrained.md": ("retrain", "--top", 1, "--seeds", 1, "--epochs", 1, "--again"),
    "retrained.json": ("retrain", "--top", 1, "--seeds", 1, "--epochs", 1, "--again"),
    "export/card.md": ("export",),
    "export/network.py": ("export",),
    "export/weights.pt": ("export",),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_folder_in_the_place_of_a_file_is_said(finished: Path, name: str, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    command, *words = OUTPUTS[name]
    if name.startswith("export/"):
        script("export", run)
    (run / name).unlink(missing_ok=True)
    (run / name / "inside").mkdir(parents=True)
    done = script(command, run, *words, code=2)
    (error,) = (x for x in done.stderr.splitlines() if x.startswith("error: "))
    assert str(run / name.partition("/")[0]) in error
    assert (run / name / "inside").is_dir() and not list(run.rglob("*.part"))
    shutil.rmtree(run / name)
    if command == "export":
        shutil.rmtree(run / "export")
    script(command, run, *words)
    assert (run / name).is_file()
