"""The tidy results file: its columns, reading, writing, and selection of the best rows."""

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

KEY = b"benchmark"  # metadata key in the schema of a Parquet file
NUMBERS = ("score", "report", "regret_reward", "regret_report", "simulated_seconds")
SCHEMA = pa.schema(
    [
        ("agent", pa.string()),
        ("env", pa.string()),
        ("seed", pa.int64()),
        ("query", pa.int64()),  # unique networks so far, including this one
        ("trial", pa.int64()),  # evaluations so far, including repeats
        ("episode", pa.int64()),
        ("walk", pa.string()),  # decisions, such as "3,0,4"
        ("repeated", pa.bool_()),
        *((name, pa.float64()) for name in NUMBERS),
    ]
)
SHARED = ("limit", "simulated_seconds", "charge_repeats", "charge_isomorphs")  # by all runs
NEEDED = (*SHARED, "agents", "envs", "commands")  # settings of a results file
ROWS_AT_ONCE = 200_000


class Row(NamedTuple):
    """One scored network of one run; a number that the environment does not report is NaN.

    Attributes:
        agent: Label of the agent.
        env: Label of the environment.
        seed: Seed of agent and environment.
        query: Unique networks of the run so far, including this one.
        trial: Evaluations of the run so far, including repeats and this one.
        episode: Episodes of the run so far; an episode of edits has several evaluations.
        walk: The decisions as text, such as "3,0,4".
        repeated: Whether the run had scored this network before.
        score: The score that the agent received.
        report: The number that papers publish for this network.
        regret_reward: Best score in the table minus this score.
        regret_report: Best report in the table minus this report.
        simulated_seconds: Training time of all networks of the run so far.
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
    """Return the rows in which the best score so far rises, and the first and last row of each run.

    The rows of a run must be contiguous and in order. Of equal scores, the first one is the best.
    The result determines the best network after any number of queries, evaluations or episodes.
    The function is idempotent.
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
    """Writes tables in batches of many rows. Created by `writing_results`.

    Args:
        writer: A writer of pyarrow.
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
        """Write the buffered rows."""
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting))
        self._waiting, self._rows = [], 0


@contextmanager
def writing_results(path: Path, settings: dict[str, Any]) -> Iterator[ResultWriter]:
    """Yield a writer to a Parquet file, or to a CSV file if its name ends in .csv.

    The file is replaced atomically. The settings go into the metadata of the Parquet schema, or
    into a first line of the CSV file that begins with "#".

    Args:
        path: The file.
        settings: Settings of the runs, as plain data.
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
    """Write tables and the settings of their runs to a file."""
    with writing_results(path, settings) as writer:
        for table in tables:
            writer.write(table)


def read_results(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    """Return the rows of a results file, and the settings of its runs.

    Raises:
        InvalidDataError: The file is missing, cannot be read, or lacks columns or settings.
    """
    if path.is_dir():
        raise InvalidDataError(f"{path} is a folder. Give a file in it: {path / 'best.parquet'}.")
    check_name(path)
    if not path.is_file():
        raise InvalidDataError(f"{path}: no such file. Give a file written by nas-env benchmark.")
    try:
        table, text = _read_csv(path) if path.suffix == ".csv" else _read_parquet(path)
        settings = json.loads(text)
        check_settings(settings)
        return table.select(SCHEMA.names).cast(SCHEMA), settings
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise InvalidDataError(
            f"{path}: not a results file ({error}). Give a file written by nas-env benchmark, or "
            "run the benchmark again."
        ) from None


def check_settings(settings: dict[str, Any]) -> None:
    """Raise ValueError if the settings of a results file lack an entry."""
    if missing := [name for name in NEEDED if name not in settings]:
        raise ValueError(f"its settings lack {' and '.join(missing)}")


def check_name(path: Path) -> None:
    """Check the suffix of a results file.

    Raises:
        InvalidSettingError: The name ends neither in .parquet nor in .csv.
    """
    if path.suffix not in (".parquet", ".csv"):
        raise InvalidSettingError(
            f"Results file {path.name!r} must end in .parquet or .csv. Rename it."
        )


def _read_parquet(path: Path) -> tuple[pa.Table, str]:
    table = pq.read_table(path)
    return table.replace_schema_metadata(), (table.schema.metadata or {})[KEY].decode()


def _read_csv(path: Path) -> tuple[pa.Table, str]:
    with path.open("rb") as stream:
        first = stream.readline().decode()
        if not first.startswith("# "):
            raise ValueError("its first line has no settings")
        types = {item.name: item.type for item in SCHEMA}
        options = pa.csv.ConvertOptions(column_types=types, null_values=[])
        return pa.csv.read_csv(stream, convert_options=options), first[2:]
