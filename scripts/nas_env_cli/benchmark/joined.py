"""Merging of results files, which adds agents to an existing leaderboard."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from nas_env.errors import InvalidSettingError
from nas_env_cli.benchmark.results import SHARED, incumbents, run_starts


class Results(NamedTuple):
    """The rows and settings of a results file, as `read_results` returns them.

    Attributes:
        path: The file, for error messages.
        table: Its rows.
        settings: Its settings.
    """

    path: Path
    table: pa.Table
    settings: dict[str, Any]


def join(parts: Sequence[Results]) -> tuple[pa.Table, dict[str, Any]]:
    """Return the rows and settings of all files together.

    Rows are sorted by agent and environment, in order of appearance, then by seed.

    Raises:
        InvalidSettingError: The files have different limits, a label has two meanings, or two files
            have different rows for the same run.
    """
    first = parts[0]
    settings = copy.deepcopy(first.settings)
    for part in parts[1:]:
        theirs = copy.deepcopy(part.settings)
        for name in SHARED:
            _same(first, part, f"--{name.replace('_', '-')}", settings[name], theirs[name])
        for label, entry in theirs["envs"].items():
            _same(first, part, f"--envs {label}", settings["envs"].setdefault(label, entry), entry)
        for label, entry in theirs["agents"].items():
            _enter(first, part, label, settings["agents"].setdefault(label, entry), entry)
        settings["commands"] += [x for x in theirs["commands"] if x not in settings["commands"]]
    rows = pa.concat_tables(_runs(parts))
    order = [_places(rows["agent"], settings["agents"]), _places(rows["env"], settings["envs"])]
    return rows.take(pa.array(np.lexsort((rows["seed"].to_numpy(), *order[::-1])))), settings


def _places(column: pa.ChunkedArray, labels: dict[str, Any]) -> Any:
    """Return (rows,) the index of each row's label among all labels."""
    places = {label: place for place, label in enumerate(labels)}
    return np.array([places[label] for label in column.to_pylist()], dtype=np.int64)


def _enter(first: Results, part: Results, label: str, merged: Any, entry: Any) -> None:
    """Check that two files agree on a label; merge the stored hyper-parameters by environment."""
    for name in {**merged, **entry}:
        if name != "stored":
            _same(first, part, f"--agents {label}", merged.get(name), entry.get(name))
    for env_id, stored in entry.get("stored", {}).items():
        here = merged.setdefault("stored", {}).setdefault(env_id, stored)
        _same(first, part, f"--agents {label} (stored for {env_id})", here, stored)


def _same(first: Results, part: Results, option: str, expected: Any, value: Any) -> None:
    if json.dumps(expected, sort_keys=True) != json.dumps(value, sort_keys=True):
        raise InvalidSettingError(
            f"{part.path} was made with {option} = {value}, {first.path} with {expected}. Make one "
            "of them again with the same value, or under another label."
        )


def _runs(parts: Sequence[Results]) -> list[pa.Table]:
    """Return the rows of each run; identical runs of two files count once."""
    runs: dict[tuple[str, str, int], tuple[Path, pa.Table]] = {}
    for part in parts:
        starts = run_starts(part.table) if len(part.table) else []
        for start, end in pairwise([*starts, len(part.table)]):
            rows = part.table.slice(start, end - start)
            run = tuple(rows[name][0].as_py() for name in ("agent", "env", "seed"))
            path, earlier = runs.setdefault(run, (part.path, rows))
            if earlier is not rows and _text(earlier) != _text(rows):
                raise InvalidSettingError(
                    f"The run of {run[0]} on {run[1]} with seed {run[2]} is in {path} and, with "
                    f"other rows, in {part.path}. Give the agent another label in one of them."
                )
    return [rows for _, rows in runs.values()] or [parts[0].table]


def _text(rows: pa.Table) -> str:
    """Return the best rows of a run as text, so that missing numbers (NaN) compare equal."""
    return repr(incumbents(rows).to_pylist())
