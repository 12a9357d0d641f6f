"""`nas-env search`: the searches, the retraining of the best networks, and the summary."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import torch

from nas_env.store import SQLStore
from nas_env.tasks.own_data import DataTask
from nas_env.wrappers import Trial
from nas_env_cli.export.exporting import export_run
from nas_env_cli.export.finished import WEIGHTS
from nas_env_cli.export.report_training import best_on_validation
from nas_env_cli.export.retraining import Retrained
from nas_env_cli.interrupts import exit_code, leave_at_the_second_interrupt, resume_command
from nas_env_cli.metric_format import MetricFormat
from nas_env_cli.search.folder import RunFolder
from nas_env_cli.search.looked_up import notes_on
from nas_env_cli.search.options import SearchOptions
from nas_env_cli.search.plan import SearchPlan
from nas_env_cli.search.provenance import versions
from nas_env_cli.search.session import SearchResult
from nas_env_cli.search.sklearn_baselines import Baselines, fit_baselines
from nas_env_cli.search.stages import Stages
from nas_env_cli.search.summary import SearchSummary
from nas_env_cli.search.timetable import Timetable
from nas_env_cli.search.user_data import check_data_of_run, check_same_data, hash_of_data


def run(options: SearchOptions, started: float | None = None) -> int:
    """Run the search for the given options; return the exit code.

    Args:
        options: The options.
        started: `time.monotonic()` when the command started; None: now.
    """
    started = time.monotonic() if started is None else started
    leave_at_the_second_interrupt()
    torch.set_num_threads(1)  # agents and networks are small: one thread is fastest
    path = options.output.output or Path("runs") / datetime.now().strftime("%Y%m%d-%H%M%S")
    resume_hint = f"All evaluations are kept. To resume: {resume_command(path)}"
    begun: list[RunFolder] = []
    return exit_code(
        partial(_run, options, path, started, begun),
        resume_hint,
        lambda: resume_hint if begun else "",
    )


def _run(options: SearchOptions, path: Path, started: float, begun: list[RunFolder]) -> int:
    """Resolve the options, search in a folder, enter it in `begun`, and return the exit code."""
    if options.output.resume:
        check_data_of_run(path, options.data.data)
    if options.data.data is not None:
        print(f"reading {options.data.data}", file=sys.stderr, flush=True)
    plan = SearchPlan.resolve(options)
    if plan.user_data is not None:
        print(plan.user_data.text, flush=True)
    folder = begin(plan, path)
    begun.append(folder)
    print(f"writing to {path}", file=sys.stderr, flush=True)
    times = timetable_of(plan, started)
    times.read(path)
    try:
        if options.output.resume and folder.finished:
            print(f"The search in {path} has finished.\n\n{folder.summary}")
            if options.training.retry_failed:
                print("No network was evaluated again: --retry-failed needs a new search.")
        else:
            search(plan, folder, times, resumed=options.output.resume)
        if options.output.export and times.limited and not (path / WEIGHTS).is_file():
            print(f"No time was left to retrain. To export: nas-env export {path} --train")
        elif options.output.export:
            export_best(plan, path)
    finally:
        times.write(path)
    return 0


def timetable_of(plan: SearchPlan, started: float) -> Timetable:
    """Return how the time limit of a command is divided."""
    is_table = isinstance(plan.task, DataTask) and plan.task.spec.modality == "vector"
    return Timetable(
        plan.options.limits.time,
        compares=len(plan.agents) > 1,
        retrains=plan.trains,
        exports=plan.options.output.export,
        fits=plan.trains and is_table,
        started=started,
    )


def begin(plan: SearchPlan, path: Path) -> RunFolder:
    """Return the run folder, new or resumed.

    Raises:
        IncompatibleError: The data of a resumed search have changed.
        InvalidSettingError: The folder is not empty, or its search had other options.
        StoreError: The store cannot be opened.
    """
    resume, store = plan.options.output.resume, plan.options.output.store
    if resume:
        check_same_data(path, plan.task)
    elif store is not None:
        SQLStore(store).close()  # raises before anything is written
    same_data = resume and bool(hash_of_data(path))
    folder = RunFolder(path, plan.saved, resume, same_data)
    if plan.options.data.data is not None:
        hashed = {"data_hash": getattr(plan.task, "data_hash", "")}
        folder.write_data(plan.user_data.to_json() if plan.user_data else hashed)
    return folder


def search(plan: SearchPlan, folder: RunFolder, times: Timetable, resumed: bool) -> None:
    """Run all searches of a plan, retrain the best networks, write and print the summary."""
    if resumed:
        print("resuming: earlier evaluations come from the store", file=sys.stderr)
    if times.limited:
        print(times.text(), file=sys.stderr, flush=True)
    store = plan.options.output.store or folder.store
    stages = Stages(plan, folder, store, times)
    results = stages.searches()
    name, best = best_found(results)
    spec = plan.task.spec
    folder.write_best(best.candidate, spec, best.score, name)
    retrained, kept = stages.retraining(results) if plan.trains else [], None
    if retrained:
        kept, name = chosen_of(retrained, results)
        best = results[name].best
        folder.write_best(best.candidate, spec, best.score, name)
        folder.write_weights(kept)
    baselines = _baselines(plan, times, opened=bool(retrained))
    summary = SearchSummary(
        settings=settings_of(plan),
        searches=results,
        retrained=retrained,
        test_size=spec.sizes[2],
        seeds=plan.retraining_seeds[: len(retrained[0].scores) if retrained else None],
        fmt=MetricFormat.of(spec),
        notes=notes_on(plan.env_for_reading()),
        remarks=stages.remarks,
        kept=kept,
        sklearn=baselines,
    )
    text = f"# Search with {plan.agent.name} on {spec.name}\n\n{summary.markdown()}"
    folder.write_summary(summary, text)
    print(f"\n{text}\nWritten to {folder.path}")


def _baselines(plan: SearchPlan, times: Timetable, opened: bool) -> Baselines | None:
    """Return models of scikit-learn for a table of the user; None for other tasks."""
    if not plan.trains:
        return None
    return fit_baselines(plan.task, seconds=times.for_sklearn(), test=opened)


def settings_of(plan: SearchPlan) -> dict[str, object]:
    """Return the settings and versions of a search, for its summary."""
    data_hash = getattr(plan.task, "data_hash", "")
    return {**plan.saved, "versions": versions(), "data_hash": data_hash}


def best_found(results: dict[str, SearchResult]) -> tuple[str, Trial]:
    """Return the best network of all searches, after its agent; the chosen agent wins ties."""
    best = {name: result.best for name, result in results.items()}
    name = max(best, key=lambda x: (best[x].evaluation.ok, best[x].score))
    return name, best[name]


def chosen_of(
    retrained: Sequence[Retrained], results: Mapping[str, SearchResult]
) -> tuple[Retrained, str]:
    """Return the retrained network with the best validation score, and the search it is from.

    A network that failed in its search, such as one over a limit, is chosen only if all did.
    """
    owners = {id(result.best.candidate): name for name, result in results.items()}
    pairs = [(x, owners[id(x.candidate)]) for x in retrained]
    valid = [pair for pair in pairs if results[pair[1]].best.evaluation.ok]
    best = best_on_validation([x for x, _ in valid or pairs[:1]])
    return best, owners[id(best.candidate)]


def export_best(plan: SearchPlan, path: Path) -> None:
    """Export the best network of the run.

    Raises:
        FileNotFoundError: The folder of the run has vanished.
    """
    if not path.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    print(export_run(path, task=plan.task))
