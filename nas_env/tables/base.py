"""What a benchmark table is: one row per walk of a search space, and named columns of numbers."""

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
DAMAGES = (  # what reading a damaged or another file raises
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
    """A search space of which every network is known.

    Attributes:
        name: The registered name, with the data set where there are several.
        walks: (rows, max_length) int16 decisions of each row, -1 after the last.
        columns: What may be rewarded or reported, by name: (rows,), or (rows, runs) where each
            network was trained several times. Accuracies are fractions.
        rewards: Fidelity (epochs) to the column that is rewarded there unless told otherwise; the
            first is the table's own fidelity.
        report: The column that is reported unless told otherwise.
        run: Which run is rewarded unless told otherwise; see `nas_env.evaluators.tabular`.
        make_space: Called with a parameter limit or None; returns the search space.
        spec: The task the networks were trained for.
        metrics: More numbers of each row: "params", "macs", and whatever else is known.
        losses: Fidelity to the validation loss in nats, (rows,) or (rows, runs), where known.
        seconds: Fidelity to the simulated seconds of one evaluation, (rows,), where known.
        networks: (rows,) number of each row's network, equal where two walks lead to one; None:
            every row has a network of its own.
        hardware: Device to its metrics by name; NaN where not measured.
        accuracies: Whether the columns are accuracies.
        test_columns: Columns of a test split: an upper bound as a reward.
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
        """Epochs after which networks are looked up unless told otherwise."""
        return next(iter(self.rewards))

    def epochs_of(self, column: str) -> int:
        """Return the fidelity of a column, the table's own where it is no fidelity's reward."""
        bare = column.removeprefix("-")
        of_it = [k for k, name in self.rewards.items() if name.removeprefix("-") == bare]
        return of_it[0] if of_it else self.fidelity

    def column(self, name: str) -> Numbers:
        """Return a column; a minus sign before its name turns the sign of its numbers.

        Raises:
            UnknownNameError: No such column; the message lists them.
        """
        bare = name.removeprefix("-") if isinstance(name, str) else name
        if isinstance(bare, str) and bare in self.metrics and bare not in self.columns:
            raise UnknownNameError(
                f"{bare!r} is a metric of table {self.name!r} and no column that is rewarded or "
                "reported. Limit parameters by max_params, or give an objective such as "
                f"'accuracy-under-cost'. Columns: {', '.join(sorted(self.columns))}."
            )
        if not isinstance(bare, str) or bare not in self.columns:
            raise unknown_name(f"column of table {self.name!r}", bare, self.columns)
        return -self.columns[bare] if bare != name else self.columns[bare]


class TableTask(TaskWithoutData):
    """The task that a table's networks were trained for; their data do not come along."""

    def __init__(self, table: Table) -> None:
        super().__init__(table.spec, "table", table.name)
        self.table = table


class Embedded(Mapping[str, NDArray[Any]]):
    """The arrays of an `.npz` file of `nas_env/data`, read one by one when they are asked for.

    Args:
        name: Name of the file.
        remedy: The command that makes the file again.
        prefix: Only arrays whose names begin so; names are given without it.

    Raises:
        InvalidDataError: The file is missing or damaged, or lacks an array that is asked for.
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
        """Refuse arrays that have not one entry for each row.

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
            f"{self.path}: the table is missing or damaged ({reason}). Install the package "
            f"again, or make the file anew: {self.remedy}."
        )


def space_of(spec: TaskSpec, name: str, max_params: int | None) -> SearchSpace:
    """Return the registered space of a name, made for a task."""
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
    """Return the names of the arguments without which a table cannot be made."""
    arguments = inspect.signature(factory).parameters.items()
    return [name for name, argument in arguments if argument.default is argument.empty]


def make_table(
    name: str, reward: str | None, report: str | None, needs: Mapping[str, Any]
) -> Table:
    """Return a registered table.

    Args:
        name: The registered name.
        reward: Column that is rewarded, for a table that reads only the columns it is asked for.
        report: Column that is reported, for the same.
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
