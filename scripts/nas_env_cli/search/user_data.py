"""A search on somebody's own data: what they are, and what is chosen where nothing was said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas_env.errors import IncompatibleError, InvalidDataError, InvalidSettingError
from nas_env.factories import make_space
from nas_env.sources import ReadOptions, Suggestion, read_data, suggest, summarise
from nas_env.spaces import Joint, SearchSpace
from nas_env.tasks import Task
from nas_env.tasks.own_data import DataTask
from nas_env_cli.search.options import NAMED_DATA

CHOSEN = ("space", "objective", "batch_size", "epochs", "max_params")


@dataclass(frozen=True)
class OwnData:
    """Data with what is searched on them.

    Attributes:
        task: The task.
        settings: Value of "metric" and of each option in `CHOSEN`: what was said, else what is
            chosen.
        text: What is shown before the search begins.
    """

    task: DataTask
    settings: Mapping[str, Any]
    text: str

    def to_json(self) -> dict[str, Any]:
        """Return summary, hash, preprocessing and what was chosen, as plain data."""
        return {
            "summary": self.task.summary.to_json(),
            "data_hash": self.task.data_hash,
            "preprocessing": self.task.preprocessing,
            "target": {"mean": self.task.target_mean, "sd": self.task.target_sd},
            "chosen": dict(self.settings),
        }


def own_data(
    data: Path | str, reading: ReadOptions, metric: str | None, given: Mapping[str, Any]
) -> OwnData:
    """Read data and choose what to search with.

    Args:
        data: See `nas_env.tasks.own_data.own_data`.
        reading: What the user says about the data.
        metric: What is maximised or minimised; None: what suits the data.
        given: Value of each option in `CHOSEN`, None where nothing was said.

    Raises:
        NASError: The data break a rule, or do not fit what was said.
    """
    found = read_data(data, reading)
    summary = summarise(found)
    suggestion = suggest(summary)
    task = DataTask(found, metric or str(suggestion.metric.value))
    settings = {**_settings(suggestion, given, task), "metric": task.spec.metric}
    said = {**given, "metric": metric}
    if settings["max_params"] is None:  # the space cannot keep it
        said["max_params"] = "none"
    if settings["batch_size"] is None:
        said["batch_size"] = "as the space decides"
    return OwnData(task, settings, f"{task.summary.text()}\n{suggestion.text(said)}")


def own_task(options: Mapping[str, Any]) -> DataTask | None:
    """Return the task of a search on own data again, read as it was then; of another search, None.

    Args:
        options: Options of the search, as its folder keeps them.

    Raises:
        NASError: The data cannot be read any more.
    """
    if options.get("data") is None or options["task"] is not None:
        return None
    check_data_are_there(options)
    names = ("target", "image_size", "problem")
    data = read_data(options["data"], ReadOptions(**{name: options[name] for name in names}))
    return DataTask(data, options["metric"])


def check_data_are_there(options: Mapping[str, Any], more: str = "") -> None:
    """Refuse to read the data of a search anew where they are gone.

    Args:
        options: Options of the search, as its folder keeps them.
        more: What else can be done than to put them back, as the end of the sentence.

    Raises:
        InvalidDataError: There is nothing where they were.
    """
    data = options.get("data")
    if data is None or data.startswith(NAMED_DATA) or Path(data).exists():
        return
    raise InvalidDataError(
        f"{data}: no such file or folder. The search read its data from there. Put them back{more}."
    )


def moved_to(data: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a search with the place where its data are now.

    Raises:
        InvalidSettingError: It was no search on data of its own.
    """
    if options.get("data") is None:
        raise InvalidSettingError(
            f"The search had no --data, so --data {data} means nothing to its run. Leave it out."
        )
    return {**options, "data": data if data.startswith(NAMED_DATA) else str(Path(data).resolve())}


def check_same_data(run: Path, task: Task, before: str | None = None) -> None:
    """Refuse data that are not those of a search.

    Args:
        run: Folder of the search.
        task: What was made of the data now.
        before: Hash of the data of the search; None: what its `data.json` says, if anything.

    Raises:
        IncompatibleError: They are other data.
    """
    if before is None:
        file = run / "data.json"
        kept = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        before = kept.get("data_hash")  # nothing where an older version began the search
    found = getattr(task, "data_hash", "")
    if before is not None and found != before:
        raise IncompatibleError(
            f"The data of task {task.spec.name!r} have the hash {found[:16]}, but those of the "
            f"search in {run} had {before[:16]}. Bring the old data back, or search anew; also if "
            "another version of nas-env searched, which read the same data otherwise."
        )


def _settings(suggestion: Suggestion, given: Mapping[str, Any], task: DataTask) -> dict[str, Any]:
    chosen: dict[str, Any] = {"objective": "metric"}
    for name in CHOSEN:
        if given.get(name) is not None:
            chosen[name] = given[name]
        elif name != "objective":
            chosen[name] = getattr(suggestion, name).value
    space = make_space(chosen["space"], task, None)
    if given.get("max_params") is None and not _keeps(chosen["space"], task, chosen["max_params"]):
        chosen["max_params"] = None
    if given.get("batch_size") is None and _decides_batch(space):
        chosen["batch_size"] = None
    return chosen


def _keeps(space: str, task: DataTask, max_params: int) -> bool:
    try:
        make_space(space, task, max_params)
    except InvalidSettingError:
        return False
    return True


def _decides_batch(space: SearchSpace) -> bool:
    return isinstance(space, Joint) and "batch_size" in space.names
