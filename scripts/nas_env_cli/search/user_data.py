"""The user's data of a search: reading, choice of settings, and checks for later commands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nas_env.errors import IncompatibleError, InvalidDataError, InvalidSettingError
from nas_env.factories import make_space
from nas_env.sources import COLUMN_KINDS, ReadOptions, Suggestion, read_data, suggest, summarise
from nas_env.spaces import Joint, SearchSpace
from nas_env.tasks import Task
from nas_env.tasks.own_data import ClassWeights, DataTask
from nas_env_cli.search.options import SearchOptions
from nas_env_cli.search.saved_options import NAMED_DATA, absolute_data

CHOSEN = ("space", "objective", "batch_size", "epochs", "max_params")
MOVED = ", or give their new path with --data PATH"
ABOUT_DATA = (
    *("target", "image_size", "problem", "metric", "class_weights", "data_cache"),
    *("data_memory_mb", "column", "missing", "no_default_missing", "skip_bad_files"),
)
CLASS_WEIGHTS: Mapping[str | None, ClassWeights] = {
    None: "auto",
    "auto": "auto",
    "balanced": True,
    "none": False,
}


@dataclass(frozen=True)
class UserData:
    """The task of the user's data, and the settings of its search.

    Attributes:
        task: The task.
        settings: Value of "metric" and of each option in `CHOSEN`: requested, or else suggested.
        text: Summary of the data and the reasons for the settings, for the terminal.
    """

    task: DataTask
    settings: Mapping[str, Any]
    text: str

    def to_json(self) -> dict[str, Any]:
        """Return summary, hash, preprocessing and settings as plain data."""
        return {
            "summary": self.task.summary.to_json(),
            "data_hash": self.task.data_hash,
            "preprocessing": self.task.preprocessing,
            "target": {"mean": self.task.target_mean, "sd": self.task.target_sd},
            "chosen": dict(self.settings),
        }


def read_user_data(options: SearchOptions) -> UserData | None:
    """Read the data of --data and choose settings; None without --data.

    Raises:
        InvalidSettingError: An option about data was given without data.
        NASError: The data are invalid, or do not fit the options.
    """
    values = dict(options.items())
    if values["data"] is None or values["task"] is not None:
        _refuse_options_about_data(values)
        return None
    reading = replace(
        reading_options(values),
        cache=values["data_cache"],
        max_memory_mb=values["data_memory_mb"],
    )
    requested = {name: values[name] for name in CHOSEN}
    weights = CLASS_WEIGHTS[values["class_weights"]]
    return choose_settings(values["data"], reading, values["metric"], requested, weights)


def reading_options(values: Mapping[str, Any]) -> ReadOptions:
    """Return how the data of a run are read.

    Args:
        values: The run's options by name, or its `options.json`.

    Raises:
        InvalidSettingError: --column has another form than NAME=KIND.
    """
    columns = {}
    for text in values.get("column") or ():
        name, sign, kind = text.rpartition("=")
        if not sign:
            raise InvalidSettingError(
                f"Option --column {text!r} is not NAME=KIND. Write --column {text}=number, or "
                f"another of {', '.join(COLUMN_KINDS)}."
            )
        columns[name] = kind
    return ReadOptions(
        target=values["target"],
        image_size=values["image_size"],
        problem=values["problem"],
        columns=columns,
        missing=tuple(values.get("missing") or ()),
        default_missing=not values.get("no_default_missing"),
        skip_bad_files=bool(values.get("skip_bad_files")),
    )


def choose_settings(
    path: Path | str,
    reading: ReadOptions,
    metric: str | None,
    requested: Mapping[str, Any],
    class_weights: ClassWeights = "auto",
) -> UserData:
    """Read data and choose the settings of a search.

    Args:
        path: See `nas_env.tasks.own_data.own_data`.
        reading: Options for reading the data.
        metric: Metric of the task; None: the metric suggested for the data.
        requested: Value of each option in `CHOSEN`; None: it is chosen here.
        class_weights: See `nas_env.tasks.own_data.DataTask`.

    Raises:
        NASError: The data are invalid, or do not fit the requested values.
    """
    data = read_data(path, reading)
    suggestion = suggest(summarise(data))
    chosen_metric = metric or str(suggestion.metric.value)
    task = DataTask(data, chosen_metric, class_weights=class_weights)
    settings = {**_settings(suggestion, requested, task), "metric": task.spec.metric}
    explained = {**requested, "metric": metric}
    if settings["max_params"] is None:  # the space has no such limit
        explained["max_params"] = "none"
    if settings["batch_size"] is None:
        explained["batch_size"] = "as the space decides"
    return UserData(task, settings, f"{task.summary.text()}\n{suggestion.text(explained)}")


def read_task_again(saved: Mapping[str, Any]) -> DataTask | None:
    """Return the task of a run on the user's data; None for a run on another task.

    Args:
        saved: The run's `options.json`.

    Raises:
        NASError: The data can no longer be read.
    """
    if saved.get("data") is None or saved["task"] is not None:
        return None
    check_data_exist(saved)
    data = read_data(saved["data"], reading_options(saved))
    weights = CLASS_WEIGHTS[saved.get("class_weights", "none")]  # runs without it had none
    return DataTask(data, saved["metric"], class_weights=weights)


def check_data_exist(saved: Mapping[str, Any], remedy: str = "") -> None:
    """Check that the data of a run exist.

    Args:
        saved: The run's `options.json`.
        remedy: An alternative to restoring the data, as the end of the sentence.

    Raises:
        InvalidDataError: The path of the data does not exist.
    """
    data = saved.get("data")
    if data is None or data.startswith(NAMED_DATA) or Path(data).exists():
        return
    raise InvalidDataError(
        f"{data}: no such file or folder. The search read its data from there. Put them back"
        f"{remedy}."
    )


def check_data_of_run(run: Path, data: str | None) -> None:
    """Check that the data of a search that is resumed exist, if it is given no other path.

    Args:
        run: Folder of the search.
        data: Option --data of the resumed search.

    Raises:
        InvalidDataError: The path of the data does not exist.
    """
    file = run / "options.json"
    saved = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    if data is not None and saved.get("data") == absolute_data(data):
        check_data_exist(saved, MOVED)


def moved_to(data: str, saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a run with another path of its data.

    Raises:
        InvalidSettingError: The search had no data of the user.
    """
    if saved.get("data") is None:
        raise InvalidSettingError(
            f"The search had no --data, so --data {data} does not apply to its run. Leave it out."
        )
    return {**saved, "data": absolute_data(data)}


def hash_of_data(run: Path) -> str | None:
    """Return the hash in `data.json` of a run; None without that file, "" without a hash."""
    file = run / "data.json"
    if not file.is_file():
        return None
    return str(json.loads(file.read_text(encoding="utf-8"))["data_hash"])


def check_same_data(run: Path, task: Task, before: str | None = None) -> None:
    """Check that data have not changed since a search.

    Args:
        run: Folder of the search.
        task: The task with the current data.
        before: Hash of the data of the search; None: the one in its `data.json`, if any.

    Raises:
        IncompatibleError: The data have changed.
    """
    if before is None:
        before = hash_of_data(run)
    if before is None:
        return
    now = getattr(task, "data_hash", "")
    if now != before:
        raise IncompatibleError(
            f"The data of task {task.spec.name!r} have the hash {now[:16]}, but those of the "
            f"search in {run} had {before[:16]}. Bring the old data back, or search again. Search "
            "again also if another version of nas-env read the same data differently."
        )


def _refuse_options_about_data(values: Mapping[str, Any]) -> None:
    for name in ABOUT_DATA:
        if values[name] not in (None, (), False):
            raise InvalidSettingError(
                f"Option --{name.replace('_', '-')} is about --data. Give --data, without --task."
            )


def _settings(
    suggestion: Suggestion, requested: Mapping[str, Any], task: DataTask
) -> dict[str, Any]:
    chosen: dict[str, Any] = {"objective": "metric"}
    for name in CHOSEN:
        if requested.get(name) is not None:
            chosen[name] = requested[name]
        elif name != "objective":
            chosen[name] = getattr(suggestion, name).value
    space = make_space(chosen["space"], task, None)
    if requested.get("max_params") is None and not _keeps(
        chosen["space"], task, chosen["max_params"]
    ):
        chosen["max_params"] = None
    if requested.get("batch_size") is None and _decides_batch(space):
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
