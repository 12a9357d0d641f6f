"""Experiments of studies: jobs run in processes, and a file of results allows to resume.

A job is a dictionary of plain values, such as `{"agent": "random", "seed": 0}`. The file holds one
object of JSON a line:

| line | when it is written |
| --- | --- |
| `{"call": {"command": ..., "settings": ..., "versions": ..., "seeds": ...}}` | a call begins |
| `{"job": {...}, "result": ...}` | a job has finished |
| `{"seconds": ...}` | the call ends, also by an error or Ctrl-C |

A job with a complete line is not played again.
"""

from __future__ import annotations

import json
import multiprocessing
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple, Self

from nas_env.errors import InvalidSettingError
from nas_env_cli.search.provenance import versions
from nas_env_cli.worker_process import end_with_parent, one_thread_each

ROOT = Path(__file__).resolve().parents[3]
PROGRESS_SECONDS = 20.0  # between two lines of progress
Job = dict[str, Any]


class Finished(NamedTuple):
    """A job and its result."""

    job: Job
    result: Any


class Experiment:
    """The results of one experiment.

    Args:
        file: The file of results; created when the first job is played.
        settings: Options that all results of the file share.

    Raises:
        InvalidSettingError: The file was created with other settings.
    """

    def __init__(self, file: Path, settings: Mapping[str, Any]) -> None:
        self.file, self.settings = file, dict(settings)
        for call in self.calls():
            changed = sorted(x for x in self.settings if call["settings"].get(x) != settings[x])
            if changed:
                was, now = ({x: y.get(x) for x in changed} for y in (call["settings"], settings))
                raise InvalidSettingError(
                    f"{file} was created with the settings {was}, got {now}. Use the same "
                    "settings, or another --page."
                )

    @classmethod
    def beside(cls, page: Path, settings: Mapping[str, Any]) -> Self:
        """Return the experiment of a page: `results.jsonl` in the folder of the page's name."""
        return cls(page.with_suffix("") / "results.jsonl", settings)

    def results(self) -> list[Finished]:
        """Return the finished jobs, in the order in which they finished."""
        lines = (line for line in self._lines() if "job" in line)
        return [Finished(line["job"], line["result"]) for line in lines]

    def calls(self) -> list[dict[str, Any]]:
        """Return how the results were made: one entry for each call that played jobs.

        Each has `command`, `settings`, `versions`, `seeds` and `seconds`. If they are not known,
        `seeds` is empty and `seconds` is None.
        """
        entries: list[dict[str, Any]] = []
        for line in self._lines():
            if "call" in line:
                entries.append({"seeds": [], "seconds": None, **line["call"]})
            elif "seconds" in line:
                entries[-1]["seconds"] = line["seconds"]
        return entries

    def missing(self, jobs: Iterable[Job]) -> list[Job]:
        """Return the jobs that have no result yet, each once."""
        done = {_key(finished.job) for finished in self.results()}
        return list({_key(job): job for job in jobs if _key(job) not in done}.values())

    def play(
        self, jobs: Iterable[Job], play: Callable[[Job], Any], processes: int, command: str = ""
    ) -> None:
        """Play the jobs that have no result yet; Ctrl-C keeps those that have finished.

        Args:
            jobs: All jobs.
            play: Plays one job in another process and returns plain values; can be pickled.
            processes: Jobs at once, with one thread each; 0: one after another in this process.
            command: Command line to record; if empty, the one that was typed.
        """
        missing = self.missing(jobs)
        if not missing:
            return
        call: dict[str, Any] = {"command": command or typed_command(), "settings": self.settings}
        seeds = sorted({x["seed"] for x in missing if "seed" in x})
        call |= {"versions": versions(), "seeds": seeds}
        self._append({"call": call})
        started = last_shown = time.monotonic()
        try:
            for number, finished in enumerate(played(missing, play, processes), start=1):
                self._append(finished._asdict())
                now = time.monotonic()
                if now - last_shown > PROGRESS_SECONDS or number in (1, len(missing)):
                    last_shown = now
                    minutes_left = (now - started) / number * (len(missing) - number) / 60
                    progress = (
                        f"{number}/{len(missing)} jobs, about {minutes_left:.1f} minutes left"
                    )
                    print(f"{progress}; {describe(finished.job)}", file=sys.stderr, flush=True)
        finally:
            self._append({"seconds": round(time.monotonic() - started, 1)})

    def _append(self, line: Mapping[str, Any]) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        cut = self.file.is_file() and not self.file.read_bytes().endswith(b"\n")
        with self.file.open("a", encoding="utf-8") as file:
            file.write("\n" * cut + json.dumps(line) + "\n")

    def _lines(self) -> Iterator[dict[str, Any]]:
        for line in self.file.read_text("utf-8").splitlines() if self.file.is_file() else []:
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue


def played(jobs: Sequence[Job], play: Callable[[Job], Any], processes: int) -> Iterator[Finished]:
    """Yield each job with its result as soon as it has finished.

    The processes end when this one ends, and immediately if the caller stops.
    """
    if processes == 0:
        yield from (Finished(job, play(job)) for job in jobs)
        return
    one_thread_each()
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(processes, len(jobs)), spawn, _begin_worker)
    futures: dict[Future[Any], Job] = {pool.submit(play, job): job for job in jobs}
    try:
        for future in as_completed(futures):
            yield Finished(futures[future], future.result())
    except BaseException:
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_worker() -> None:
    """Prepare a worker process. It ignores Ctrl-C, because its parent ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()


def describe(job: Job) -> str:
    """Return the values of a job as text."""
    return ", ".join(f"{name} {value}" for name, value in job.items())


def typed_command() -> str:
    """Return the command of a study as it was typed."""
    return shlex.join(["python", "-m", "scripts.studies", *sys.argv[1:]])


def require_at_least(options: Any, **least: int) -> None:
    """Check the lower bounds of options.

    Args:
        options: Options of a study.
        **least: Smallest allowed value by name.

    Raises:
        InvalidSettingError: An option is below its bound.
    """
    for name, bound in least.items():
        if (value := getattr(options, name)) < bound:
            flag = name.replace("_", "-")
            raise InvalidSettingError(f"Option --{flag} must be >= {bound}, but is {value}.")


def _key(job: Job) -> str:
    return json.dumps(job, sort_keys=True)
