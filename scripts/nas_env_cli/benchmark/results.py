"""The tidy file of results: its columns, how it is written and read, and what is kept of a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from nas_env.errors import InvalidDataError, InvalidSettingError
from nas_env.files import replacing

KEY = b"benchmark"  # of the metadata in the schema of a Parquet file
NUMBERS = ("score", "report", "regret_reward", "regret_report", "simulated_seconds")
SCHEMA = pa.schema(
    [
        ("agent", pa.string()),
        ("env", pa.string()),
        ("seed", pa.int64()),
        ("query", pa.int64()),  # unique networks so far, this one included
        ("trial", pa.int64()),  # evaluations so far, repeats included
        ("episode", pa.int64()),
        ("walk", pa.string()),  # decisions, "3,0,4"
        ("repeated", pa.bool_()),
        *((name, pa.float64()) for name in NUMBERS),
    ]
)
SHARED = ("limit", "simulated_seconds", "charge_repeats", "charge_isomorphs")  # by all runs
NEEDED = (*SHARED, "agents", "envs", "commands")  # settings of a file of results
ROWS_AT_ONCE = 200_000


class Row(NamedTuple):
    """One scored network of one run; a number that the environment does not know is NaN.

    Attributes:
        agent: Label of the agent.
        env: Label of the environment.
        seed: Seed of agent and environment.
        query: Unique networks of the run so far, this one included.
        trial: Evaluations of the run so far, repeats and this one included.
        episode: Episodes of the run so far; one that edits has several evaluations.
        walk: The decisions, as text: "3,0,4".
        repeated: Whether the run had scored this network before.
        score: What the agent was told.
        report: What papers report of this network.
        regret_reward: Best score in the table minus this one's.
        regret_report: Best report in the table minus this one's.
        simulated_seconds: What the run's networks so far took to train.
    """

    agent: str
    env: str
    seed: int
    query: int
    trial: int
    episode: int
    walk: str
    repeated: bool
    score: float
    report: float = np.nan
    regret_reward: float = np.nan
    regret_report: float = np.nan
    simulated_seconds: float = np.nan


def table_of(rows: Sequence[Row]) -> pa.Table:
    """Return rows as a table."""
    columns: list[Any] = list(zip(*rows, strict=True)) or [[] for _ in SCHEMA]
    arrays = [
        pa.array(column, type=item.type) for column, item in zip(columns, SCHEMA, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def incumbents(table: pa.Table) -> pa.Table:
    """Return the rows where the best score so far rises, and the last row of each run.

    Rows of a run stand together and in order. Of equal scores the first stays the best. What is
    returned comes back unchanged when given again, and says as much about the best so far after
    any number of queries, evaluations or episodes as all rows do.
    """
    if not len(table):
        return table
    starts = np.append(run_starts(table), len(table))
    scores = np.nan_to_num(table["score"].to_numpy(), nan=-np.inf)
    mask = np.zeros(len(table), bool)
    for start, end in pairwise(starts):
        best = np.maximum.accumulate(scores[start:end])
        mask[start:end] = np.diff(best, prepend=-np.inf) > 0
        mask[start] = mask[end - 1] = True
    return table.filter(pa.array(mask))


def run_starts(table: pa.Table) -> Any:
    """Return (runs,) the index of each run's first row."""
    changed = np.zeros(len(table), bool)
    changed[0] = True
    for name in ("agent", "env", "seed"):
        codes = table[name].combine_chunks()
        if name != "seed":
            codes = codes.dictionary_encode().indices
        values = codes.to_numpy()
        changed[1:] |= values[1:] != values[:-1]
    return np.flatnonzero(changed)


class ResultWriter:
    """Collects tables and writes many rows at a time. Opened by `writing_results`.

    Args:
        writer: Writes tables, as those of pyarrow.
    """

    def __init__(self, writer: Any) -> None:
        self._writer = writer
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        self._waiting.append(table)
        self._rows += len(table)
        if self._rows >= ROWS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Write the rows that are waiting."""
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting))
        self._waiting, self._rows = [], 0


@contextmanager
def writing_results(path: Path, settings: dict[str, Any]) -> Iterator[ResultWriter]:
    """Yield a writer to one file, Parquet or (if its name ends in .csv) CSV, whole or not at all.

    The settings go into the schema's metadata, or into a first line that begins with "#".

    Args:
        path: The file.
        settings: What made the rows, as plain data.
    """
    check_name(path)
    text = json.dumps(settings)
    with replacing(path) as part, ExitStack() as stack:
        writer: Any
        if path.suffix == ".csv":
            stream = stack.enter_context(part.open("wb"))
            stream.write(f"# {text}\n".encode())
            writer = pa.csv.CSVWriter(stream, SCHEMA)
        else:
            schema = SCHEMA.with_metadata({KEY: text.encode()})
            writer = pq.ParquetWriter(part, schema, compression="zstd")
        results = ResultWriter(stack.enter_context(writer))
        yield results
        results.flush()


def write_results(path: Path, tables: Iterable[pa.Table], settings: dict[str, Any]) -> None:
    """Write tables to one file with the settings that made them."""
    with writing_results(path, settings) as writer:
        for table in tables:
            writer.write(table)


def read_results(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    """Return the rows of a file, and the settings that made them.

    Raises:
        InvalidDataError: The file is missing, cannot be read, or lacks columns or settings.
    """
    if path.is_dir():
        raise InvalidDataError(f"{path} is a folder. Give a file of it: {path / 'best.parquet'}.")
    check_name(path)
    if not path.is_file():
        raise InvalidDataError(f"{path}: no such file. Give one that nas-env benchmark wrote.")
    try:
        table, text = _read_csv(path) if path.suffix == ".csv" else _read_parquet(path)
        settings = json.loads(text)
        check_settings(settings)
        return table.select(SCHEMA.names).cast(SCHEMA), settings
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise InvalidDataError(
            f"{path}: not a file of results ({error}). Give a file that nas-env benchmark "
            "wrote, or make it again."
        ) from None


def check_settings(settings: dict[str, Any]) -> None:
    """Raise ValueError if settings of results lack an entry."""
    if missing := [name for name in NEEDED if name not in settings]:
        raise ValueError(f"its settings lack {' and '.join(missing)}")


def check_name(path: Path) -> None:
    """Refuse a file name of another format.

    Raises:
        InvalidSettingError: It ends neither in .parquet nor in .csv.
    """
    if path.suffix not in (".parquet", ".csv"):
        raise InvalidSettingError(
            f"File of results {path.name!r} must end in .parquet or .csv. Give such a name."
        )


def _read_parquet(path: Path) -> tuple[pa.Table, str]:
    table = pq.read_table(path)
    return table.replace_schema_metadata(), (table.schema.metadata or {})[KEY].decode()


def _read_csv(path: Path) -> tuple[pa.Table, str]:
    with path.open("rb") as stream:
        first = stream.readline().decode()
        if not first.startswith("# "):
            raise ValueError("its first line holds no settings")
        types = {item.name: item.type for item in SCHEMA}
        options = pa.csv.ConvertOptions(column_types=types, null_values=[])
        return pa.csv.read_csv(stream, convert_options=options), first[2:]
