"""Runs the searches of the cases as commands, and reads what they left."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import IO, Any

from nas_env.errors import NASError
from nas_env.store import SQLStore
from nas_env_cli.export.finished import FinishedRun
from nas_env_cli.metric_format import MetricFormat
from nas_env_cli.search.folder import token_of
from nas_env_cli.search.plan import BASELINE as RANDOM_SEARCH
from nas_env_cli.search.plan import PORTFOLIO
from scripts.studies.cases.definitions import Case
from scripts.studies.cases.exported import exported_score

ROOT = Path(__file__).resolve().parents[3]
RANDOM = RANDOM_SEARCH.name
TAIL = 2000  # characters of the output of a failed command


@dataclass(frozen=True)
class Places:
    """Where the data and runs of the cases are; relative paths are in the repository.

    Attributes:
        data: Folder of the data.
        runs: Folder of the runs.
    """

    data: Path
    runs: Path

    def data_of(self, name: str, case: Case) -> Path:
        """Return the path of the data of a case."""
        return self.data / f"{name}{case.data.suffix}"

    def run_of(self, name: str, seed: int) -> Path:
        """Return the folder of a search."""
        return self.runs / f"{name}-{seed}"


def search_command(case: Case, data: Path, run: Path, seed: int, minutes: float) -> list[str]:
    """Return the command of a search as a user types it."""
    ends = ["--minutes", f"{minutes:g}", "--seed", str(seed), "--export", "--output", str(run)]
    return ["nas-env", "search", "--data", str(data), *case.options, *ends]


def searched(case: Case, data: Path, run: Path, seed: int, minutes: float) -> dict[str, Any]:
    """Search, or continue an interrupted search, and return its record.

    Raises:
        NASError: The search failed.
    """
    command = search_command(case, data, run, seed, minutes)
    resumed = (ROOT / run / "options.json").is_file()
    begun = time.monotonic()
    run_command([*command, *["--resume"] * resumed], ROOT / run.with_name(f"{run.name}.log"))
    wall = round(time.monotonic() - begun, 1)
    record = record_of(ROOT / run, ROOT / data)
    how = {"command": shlex.join(command), "resumed": resumed, "wall_seconds": wall}
    return {**how, **record}


def run_command(words: Sequence[str], log: Path) -> None:
    """Run a command in the root of the repository; its output goes to the end of a file.

    Ctrl-C is passed on, and the command may finish what it is doing.

    Raises:
        NASError: The command failed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    program = {
        "nas-env": [sys.executable, "-m", "nas_env_cli"],
        "python": [sys.executable],
    }[words[0]]
    with log.open("a", encoding="utf-8") as output:
        print(shlex.join(words), file=output, flush=True)
        with _process([*program, *words[1:]], output) as process:
            code = process.wait()
    if code:
        tail = log.read_text("utf-8")[-TAIL:]
        raise NASError(
            f"Exit code {code} from {shlex.join(words)}; its output is in {log}:\n{tail}"
        )


@contextmanager
def _process(words: Sequence[str], output: IO[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a process that is interrupted, and has ended, when the block ends."""
    process = subprocess.Popen(
        words, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait()


def record_of(run: Path, data: Path) -> dict[str, Any]:
    """Return the record of a finished search, as plain data.

    Args:
        run: Folder of the search.
        data: Its data.

    Raises:
        NASError: There was no time to retrain, so nothing was exported.
    """
    finished = FinishedRun.read(run)
    if not finished.summary.get("retrained"):
        raise NASError(f"The search in {run} had no time to retrain a network. Raise --minutes.")
    task: Any = finished.task
    fmt = MetricFormat.of(task.spec)
    summary = finished.summary
    rows = {
        name: row
        for name in (finished.agent, PORTFOLIO, RANDOM)
        for row in summary["retrained"]
        if row["name"].startswith(f"best of {name}")
    }
    kept = rows[finished.found_by]
    export = run / "export"
    int8 = export / "network.int8.onnx"
    return {
        "metric": fmt.metric,
        "sizes": list(task.spec.sizes),
        "networks": summary["searches"][finished.agent]["evaluations"],
        "kept": {"search": finished.found_by, **_tested(kept, fmt)},
        "own": _tested(rows[finished.agent], fmt) if finished.agent in rows else None,
        "portfolio": _tested(rows[PORTFOLIO], fmt) if PORTFOLIO in rows else None,
        "equal_seconds": after_equal_seconds(run, finished.agent, fmt.metric),
        "sklearn": best_of_sklearn(summary, fmt),
        "seconds": json.loads((run / "time.json").read_text("utf-8"))["spent"],
        "int8_bytes": int8.stat().st_size if int8.is_file() else None,
        "validation_score": {
            "evaluated": kept["validation_scores"][0],
            "exported": exported_score(task, data, export),
        },
        "verdicts": summary["verdicts"],
    }


def _tested(row: Mapping[str, Any], fmt: MetricFormat) -> dict[str, Any]:
    """Return the test metric of a retrained network for each training seed, and its size."""
    reference = row.get("reference", "")
    return {"reference": reference, "params": row["params"], "tests": list(row[fmt.key])}


def best_of_sklearn(summary: Mapping[str, Any], fmt: MetricFormat) -> dict[str, Any] | None:
    """Return scikit-learn's model that is best on the validation split, if there is one."""
    models = summary.get("sklearn", {}).get("models", [])
    return max(models, key=lambda x: fmt.sign * x["validation"], default=None)


def after_equal_seconds(run: Path, agent: str, metric: str) -> dict[str, Any]:
    """Return the best validation metric of the agent and of random search after equal seconds.

    The seconds end with the last network of the search that ended earlier. None: a search has no
    network that was trained by then.
    """
    names = {"agent": agent, "random": RANDOM}
    with closing(SQLStore(run / "store.sqlite")) as store:
        ids = {search.info.token: search.id for search in store.searches()}
        tokens = {who: token_of(run, name) for who, name in names.items()}
        entries = {who: store.entries(ids[x]) for who, x in tokens.items() if x in ids}
    seconds = min(max(x.seconds for x in rows) for rows in entries.values() if rows)
    best: dict[str, Any] = dict.fromkeys(names)
    for who, rows in entries.items():
        trained = [x for x in rows if x.seconds <= seconds and x.evaluation.ok]
        if trained:
            best[who] = max(trained, key=lambda x: x.score).evaluation.metrics[metric]
    return {"seconds": seconds, **best}


def mean_test(network: Mapping[str, Any]) -> float:
    """Return the mean test metric of a network over its training seeds."""
    return fmean(network["tests"])
