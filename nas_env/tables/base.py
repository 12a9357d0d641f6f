"""Benchmark tables: one row per walk of a search space, and named numeric columns."""

from __future__ import annotations

import inspect
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_env.errors import InvalidDataError, InvalidSettingError, UnknownNameError
from nas_env.registry import Registry, unknown_name
from nas_env.spaces import SPACES, SearchSpace
from nas_env.tasks.base import TaskSpec, TaskWithoutData

Numbers = NDArray[np.float64]
DAMAGES = (  # raised when a damaged or unsuitable file is read
    AttributeError,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True, eq=False)
class Table:
    """A search space with an evaluation of every network.

    Attributes:
        name: The registered name, with the data set if there are several.
        walks: (rows, max_length) int16 decisions of each row, -1 after the last.
        columns: Possible reward and report columns by name: (rows,), or (rows, runs) if each
            network was trained several times. Accuracies are fractions.
        rewards: Maps each fidelity (epochs) to its default reward column. The first is the default
            fidelity.
        report: The default report column.
        run: The default run used as reward; see `nas_env.evaluators.tabular`.
        make_space: Called with a parameter limit or None; returns the search space.
        spec: The task that the networks were trained for.
        metrics: Further metrics of each row, such as "params" and "macs".
        losses: Maps fidelities to validation losses in nats, (rows,) or (rows, runs), if known.
        seconds: Maps fidelities to simulated seconds of one evaluation, (rows,), if known.
        networks: (rows,) index of each row's network, equal if two walks lead to the same one.
            None: every row is a different network.
        hardware: Maps devices to metrics by name; NaN if not measured.
        accuracies: Whether the columns are accuracies.
        test_columns: Columns of a test split; as rewards they are upper bounds.
    """

    name: str
    walks: NDArray[np.int16]
    columns: Mapping[str, Numbers]
    rewards: Mapping[int, str]
    report: str
    make_space: Callable[[int | None], SearchSpace]
    spec: TaskSpec
    run: int | str = "mean"
    metrics: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    losses: Mapping[int, Numbers] = field(default_factory=dict)
    seconds: Mapping[int, Numbers] = field(default_factory=dict)
    networks: NDArray[np.int64] | None = None
    hardware: Mapping[str, Mapping[str, Numbers]] = field(default_factory=dict)
    accuracies: bool = True
    test_columns: frozenset[str] = frozenset()

    @property
    def fidelities(self) -> tuple[int, ...]:
        """Epochs after which networks were measured, ascending."""
        return tuple(sorted(self.rewards))

    @property
    def fidelity(self) -> int:
        """The default fidelity."""
        return next(iter(self.rewards))

    def epochs_of(self, column: str) -> int:
        """Return the fidelity whose reward is a column, or the default if there is none."""
        bare = column.removeprefix("-")
        of_it = [k for k, name in self.rewards.items() if name.removeprefix("-") == bare]
        return of_it[0] if of_it else self.fidelity

    def column(self, name: str) -> Numbers:
        """Return a column; a minus sign before its name negates the values.

        Raises:
            UnknownNameError: No such column; the message lists the known ones.
        """
        bare = name.removeprefix("-") if isinstance(name, str) else name
        if isinstance(bare, str) and bare in self.metrics and bare not in self.columns:
            raise UnknownNameError(
                f"{bare!r} is a metric of table {self.name!r}, not a reward or report column. "
                "Limit parameters with max_params, or use an objective such as "
                f"'accuracy-under-cost'. Columns: {', '.join(sorted(self.columns))}."
            )
        if not isinstance(bare, str) or bare not in self.columns:
            raise unknown_name(f"column of table {self.name!r}", bare, self.columns)
        return -self.columns[bare] if bare != name else self.columns[bare]


class TableTask(TaskWithoutData):
    """The task that a table's networks were trained for, without its data."""

    def __init__(self, table: Table) -> None:
        super().__init__(table.spec, "table", table.name)
        self.table = table


class Embedded(Mapping[str, NDArray[Any]]):
    """The arrays of an `.npz` file in `nas_env/data`, each read on first access.

    Args:
        name: Name of the file.
        remedy: The command that recreates the file.
        prefix: Only arrays with this prefix are included; the keys omit it.

    Raises:
        InvalidDataError: The file is missing or damaged, or lacks a requested array.
    """

    def __init__(self, name: str, remedy: str, prefix: str = "") -> None:
        self.path = Path(str(files("nas_env.data") / name))
        self.remedy = remedy
        self.prefix = prefix
        self._read: dict[str, NDArray[Any]] = {}
        self._names = [x.removeprefix(prefix) for x in self._open(list) if x.startswith(prefix)]

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._names:
            raise self._damaged(f"no array {self.prefix + name!r}")
        if name not in self._read:
            self._read[name] = self._open(lambda file: file[self.prefix + name])
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def check(self, rows: int, *names: str) -> None:
        """Raise if arrays do not have one entry per row.

        Raises:
            InvalidDataError: An array has another number of rows, or is missing.
        """
        for name in names:
            if (shape := self[name].shape)[:1] != (rows,):
                raise self._damaged(
                    f"array {self.prefix + name!r} of shape {shape} does not fit {rows} networks"
                )

    def _open(self, use: Callable[[Any], Any]) -> Any:
        try:
            with np.load(self.path, allow_pickle=False) as file:
                return use(file)
        except DAMAGES as error:
            raise self._damaged(str(error) or type(error).__name__) from None

    def _damaged(self, reason: str) -> InvalidDataError:
        return InvalidDataError(
            f"{self.path}: the table is missing or damaged ({reason}). Reinstall the "
            f"package, or recreate the file: {self.remedy}."
        )


def space_of(spec: TaskSpec, name: str, max_params: int | None) -> SearchSpace:
    """Create the registered space of a name for a task."""
    return SPACES.get(name)(spec.input_shape, spec.num_outputs, max_params)


def one_of(kind: str, name: str | None, known: Mapping[str, Any] | list[str], default: str) -> str:
    """Return the name, or the default for None.

    Raises:
        UnknownNameError: No such name; the message lists the known ones.
    """
    if name is None:
        return default
    if not isinstance(name, str) or name not in known:
        raise unknown_name(kind, name, known)
    return name


TABLES: Registry[Callable[..., Table]] = Registry("table", package="nas_env.tables")


def required_arguments(factory: Callable[..., Table]) -> list[str]:
    """Return the names of the required arguments of a table."""
    arguments = inspect.signature(factory).parameters.items()
    return [name for name, argument in arguments if argument.default is argument.empty]


def make_table(
    name: str, reward: str | None, report: str | None, needs: Mapping[str, Any]
) -> Table:
    """Create a registered table.

    Args:
        name: The registered name.
        reward: Reward column, for tables that read only selected columns.
        report: Report column, for the same tables.
        needs: Other arguments of the table, by name.

    Raises:
        UnknownNameError: No such table.
        InvalidSettingError: An argument that the table needs is missing.
    """
    factory = TABLES.get(name)
    reads_columns = "reward" in inspect.signature(factory).parameters
    columns = {"reward": reward, "report": report} if reads_columns else {}
    missing = [name for name in required_arguments(factory) if needs.get(name) is None]
    if missing:
        raise InvalidSettingError(
            f"Table {name!r} needs {' and '.join(missing)}. "
            "NASTable-v0 needs path=FILE, decisions=[columns] and reward=column."
        )
    return factory(**needs, **columns)
