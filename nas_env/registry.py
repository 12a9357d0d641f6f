"""Registries: a name, the object behind it, and a helpful message when the name is unknown."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from nas_env.errors import InvalidSettingError, UnknownNameError

T = TypeVar("T")
S = TypeVar("S")


def unknown_name(kind: str, name: object, known: Iterable[str]) -> UnknownNameError:
    """Return the error for a name that is not registered, with the nearest known one."""
    return UnknownNameError(f"Unknown {kind} {name!r}.{choices(name, known)}")


def choices(name: object, known: Iterable[str]) -> str:
    """Return the end of a message about a name: the nearest known one, and all."""
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{hint} Known: {', '.join(names)}."


class Registry(Generic[T]):
    """A table of names of one kind; the modules of `package` are imported at the first look-up.

    Args:
        kind: What is registered, as it reads in an error message, such as "search space".
        package: Dotted name of the package whose modules register themselves here; those whose
            name begins with an underscore are left alone.
        exclude: Modules of the package that register nothing, and may need more than is installed.
    """

    def __init__(
        self, kind: str, package: str | None = None, exclude: tuple[str, ...] = ()
    ) -> None:
        self.kind = kind
        self._exclude = exclude
        self._package = package
        self._discovered = package is None
        self._entries: dict[str, T] = {}
        self._modules: set[str] = set()

    def register(self, name: str) -> Callable[[S], S]:
        """Return a decorator that enters an object under `name`.

        Raises:
            InvalidSettingError: The name is taken.
        """

        def enter(entry: S) -> S:
            if name in self._entries:
                raise InvalidSettingError(
                    f"The {self.kind} name {name!r} is already registered. Choose another name."
                )
            self._entries[name] = entry  # type: ignore[assignment]
            self._modules |= {caller, getattr(entry, "__module__", None) or caller}
            return entry

        caller = str(sys._getframe(1).f_globals["__name__"])
        return enter

    def modules(self) -> set[str]:
        """Return the names of the modules in which something was registered so far."""
        return set(self._modules)

    def get(self, name: str) -> T:
        """Return the object registered as `name`.

        Raises:
            UnknownNameError: No such name; the message lists the known ones.
        """
        self._discover()
        try:
            return self._entries[name]
        except (KeyError, TypeError):
            raise unknown_name(self.kind, name, self._entries) from None

    def names(self) -> list[str]:
        """Return all registered names, sorted."""
        self._discover()
        return sorted(self._entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        self._discover()
        return name in self._entries

    def _discover(self) -> None:
        if self._discovered:
            return
        self._discovered = True
        package = importlib.import_module(str(self._package))
        for module in pkgutil.iter_modules(package.__path__):
            if not module.name.startswith("_") and module.name not in self._exclude:
                importlib.import_module(f"{self._package}.{module.name}")
