"""Replay of results: the same seed and decisions must give the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
import pyarrow as pa

from nas_env.errors import InvalidDataError, NASError
from nas_env.mdp import Edit
from nas_env_cli.specs import EnvSpec

COMPARED = ("score", "report", "regret_reward", "regret_report")
Numbers = dict[str, float]


def play_walk(
    env: gymnasium.Env[Any, Any], walk: Sequence[int], seed: int | None = None
) -> Numbers:
    """Reset, take the decisions of a walk, and return the numbers of the network.

    Raises:
        InvalidDataError: A decision is not legal, or the walk is not complete.
    """
    inner: Any = env.unwrapped
    edits = isinstance(inner.mdp, Edit)
    info = env.reset(seed=seed, options={"start": walk} if edits else None)[1]
    for decision in () if edits else walk:
        if not (0 <= decision < len(info["action_mask"]) and info["action_mask"][decision]):
            raise InvalidDataError(f"Decision {decision} of the walk {walk} is not legal.")
        info = env.step(decision)[4]
    if "evaluation" not in info:
        raise InvalidDataError(f"The walk {walk} is not complete.")
    return {name: float(info["evaluation"].get(name, np.nan)) for name in COMPARED}


def decisions(text: str) -> tuple[int, ...]:
    """Return the decisions of a walk in the format of a results file, such as "3,0,4"."""
    return tuple(int(part) for part in text.split(",") if part)


def sample_rows(table: pa.Table, count: int | None, seed: int = 0) -> tuple[pa.Table, Any]:
    """Return `count` rows drawn without replacement (None: all), and their row numbers from 0."""
    if count is None or count >= len(table):
        return table, np.arange(len(table))
    chosen = np.sort(np.random.default_rng(seed).choice(len(table), count, replace=False))
    return table.take(pa.array(chosen)), chosen


def replay(
    table: pa.Table,
    envs: dict[str, Any],
    numbers: Sequence[int],
    tell: Callable[[int], Any] = lambda done: None,
) -> str | None:
    """Replay rows and return a description of the first difference, or None.

    Args:
        table: The rows.
        envs: Id and settings of the environments by label, from the settings of the file.
        numbers: Number of each row in its file, from 0, for the message.
        tell: Called with the number of rows replayed so far.
    """
    environments = {
        label: EnvSpec(label, envs[label]["id"], envs[label]["settings"]).make()
        for label in table["env"].unique().to_pylist()
    }
    played: dict[tuple[str, int, str], Numbers] = {}
    for done, (number, row) in enumerate(zip(numbers, table.to_pylist(), strict=True)):
        key = (row["env"], row["seed"], row["walk"])
        try:
            if key not in played:
                played[key] = play_walk(
                    environments[row["env"]], decisions(row["walk"]), row["seed"]
                )
            wrong = _difference(row, played[key])
        except (NASError, ValueError) as error:
            wrong = str(error)
        if wrong:
            return (
                f"Row {number}: {row['agent']} on {row['env']}, seed {row['seed']}, query "
                f"{row['query']}, walk {row['walk']}: {wrong}"
            )
        tell(done + 1)
    return None


def _difference(row: dict[str, Any], played: Numbers) -> str:
    for name in COMPARED:
        if not (
            row[name] == played[name] or (row[name] != row[name] and played[name] != played[name])
        ):
            return f"{name} is {row[name]!r} in the file, but {played[name]!r} in the replay"
    return ""
