"""Finds the common source of several modules of one structure, and the parameters that differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nas_env.export._layout import Call, literal
from nas_env.export._parts import Part, Setting

WIDTHS = ("channels", "features", "groups")  # endings of the settings that count channels


@dataclass(frozen=True)
class Common:
    """Common source of modules of one structure.

    Attributes:
        parameters: Pairs of a name and its value in each module.
        calls: The call that makes each part, by position.
    """

    parameters: tuple[tuple[str, tuple[Any, ...]], ...]
    calls: tuple[Call, ...]

    def settings(self, index: int) -> tuple[Setting, ...]:
        """Return the arguments of the module with this index; channels are positional."""
        count = next((i for i, x in enumerate(self.parameters) if not is_width(x[0])), None)
        return tuple(
            Setting(name, values[index], positional=count is None or place < count)
            for place, (name, values) in enumerate(self.parameters)
        )

    @property
    def heading(self) -> list[str]:
        """Parameters with their types, as in a function definition."""
        return [f"{name}: {_type(values)}" for name, values in self.parameters]


@dataclass(frozen=True)
class _Column:
    """The values of one setting of one part in all modules."""

    setting: str
    values: tuple[Any, ...]

    @property
    def counts_channels(self) -> bool:
        return is_width(self.setting)

    @property
    def key(self) -> tuple[str, tuple[Any, ...]]:
        """Key of the parameter; columns with equal keys share one parameter."""
        name = "channels" if self.counts_channels else self.setting.rstrip("0123456789")
        return name, self.values


def is_width(setting: str) -> bool:
    """Return whether a setting counts channels, judged by its name."""
    return setting.rstrip("0123456789").endswith(WIDTHS)


def flattened(parts: Sequence[Part]) -> list[Part]:
    """Return modules in order, with each sequence replaced by its modules."""
    return [x for part in parts for x in (part.parts or (part,))]


def unify(modules: Sequence[Sequence[Part]]) -> Common:
    """Return the common source of modules of one structure.

    Args:
        modules: The parts of each module, as `flattened` returns them, with equal makers.
    """
    positions = list(zip(*modules, strict=True))
    varying = [x for parts in positions for x in _columns(parts) if len(set(x.values)) > 1]
    names = _names(varying)
    calls = tuple(Call(parts[0].maker, tuple(_arguments(parts, names))) for parts in positions)
    used = {name: key for key, name in names.items() if _is_used(name, calls)}
    return Common(tuple((name, key[1]) for name, key in used.items()), calls)


def _columns(parts: Sequence[Part]) -> Iterator[_Column]:
    for settings in zip(*(part.settings for part in parts), strict=True):
        yield _Column(settings[0].name, tuple(x.value for x in settings))


def _is_used(name: str, calls: Sequence[Call]) -> bool:
    words = [str(x).rpartition("=")[2].split()[0] for call in calls for x in call.arguments]
    return name in words


def _names(columns: Sequence[_Column]) -> dict[tuple[str, tuple[Any, ...]], str]:
    """Return a name for each set of values: channels first, the others in order."""
    widths = list(dict.fromkeys(x.key for x in columns if x.counts_channels))
    last = [x.key for x in columns if x.counts_channels][-1:]
    names = dict(zip(widths, _width_names(widths, columns, last), strict=True))
    for column in columns:
        if column.key not in names:
            names[column.key] = _free(column.key[0], names.values())
    return names


def _width_names(
    widths: Sequence[Any], columns: Sequence[_Column], last: Sequence[Any]
) -> list[str]:
    first = next((x for x in columns if x.counts_channels), None)
    if first is None or len(widths) == 1:
        return ["channels"] * len(widths)
    enters = first.setting.startswith("in_") or first.setting == "channels"
    names: list[str] = []
    for key in widths:
        if enters and key == first.key:
            name = "channels" if [key] == list(last) else "in_channels"
        else:
            name = "out_channels" if [key] == list(last) else "hidden_channels"
        names.append(_free(name, names))
    return names


def _free(name: str, taken: Any) -> str:
    number, unique = 1, name
    while unique in taken:
        number += 1
        unique = f"{name}{number}"
    return unique


def _arguments(parts: Sequence[Part], names: dict[Any, str]) -> Iterator[str]:
    """Yield the arguments of the parts at one position; differing values become parameters."""
    columns = list(_columns(parts))
    for index, column in enumerate(columns):
        own = [part.settings[index] for part in parts]
        if all(x.implicit for x in own):
            continue
        text = names.get(column.key) if len(set(column.values)) > 1 else literal(own[0].value)
        kernel = next((x for x in columns if x.setting == "kernel_size"), None)
        if column.setting == "padding" and kernel is not None and _halves(column, kernel):
            text = f"{names[kernel.key]} // 2"
        yield str(text) if own[0].positional else f"{own[0].name}={text}"


def _halves(padding: _Column, kernel: _Column) -> bool:
    """Return whether kernel sizes differ and each padding is half its kernel size."""
    numbers = all(isinstance(x, int) for x in (*padding.values, *kernel.values))
    pairs = zip(padding.values, kernel.values, strict=True)
    return len(set(kernel.values)) > 1 and numbers and all(p == k // 2 for p, k in pairs)


def _type(values: Sequence[Any]) -> str:
    names = {
        f"tuple[{', '.join(type(x).__name__ for x in value)}]"
        if isinstance(value, tuple)
        else type(value).__name__
        for value in values
    }
    return " | ".join(sorted(names))
