"""Registries of named objects, with helpful messages for unknown names."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from nas_env.errors import InvalidSettingError, UnknownNameError
from nas_env.plugins import AGENTS_GROUP, GROUP, load_plugins, on_failure

T = TypeVar("T")
S = TypeVar("S")
OWN = ("nas_env", "nas_env_agents", "nas_env_cli")  # packages of this distribution
_discoveries = 0  # in progress; plug-ins are imported only when there are none


def unknown_name(kind: str, name: object, known: Iterable[str]) -> UnknownNameError:
    """Return the error for a name that is not registered, with the closest match."""
    return UnknownNameError(f"Unknown {kind} {name!r}.{choices(name, known)}")


def choices(name: object, known: Iterable[str]) -> str:
    """Return the end of a message about a name: the closest match, and all known names."""
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{hint} Known: {', '.join(names)}."


class Registry(Generic[T]):
    """A mapping of names to objects of one kind.

    The modules of `package` and the plug-ins are imported at the first lookup.

    Args:
        kind: Kind of object for error messages, such as "search space".
        package: Dotted name of the package whose modules register objects here. Modules whose
            names begin with an underscore are not imported.
        exclude: Modules of the package that are not imported, because they register nothing and may
            need optional packages.
    """

    def __init__(
        self, kind: str, package: str | None = None, exclude: tuple[str, ...] = ()
    ) -> None:
        self.kind = kind
        self._exclude = exclude
        self._package = package
        self._imported = package is None
        self._complete = False
        self._entries: dict[str, T] = {}
        self._modules: dict[str, set[str]] = {}

    def register(self, name: str) -> Callable[[S], S]:
        """Return a decorator that registers an object under `name`.

        Raises:
            InvalidSettingError: The name is already registered.
        """

        def enter(entry: S) -> S:
            if foreign:
                self._import_package()  # so that no built-in name can be overridden
            if name in self._entries:
                raise InvalidSettingError(
                    f"The {self.kind} name {name!r} is already registered. Choose another name."
                )
            self._entries[name] = entry  # type: ignore[assignment]
            self._modules[name] = {caller, getattr(entry, "__module__", None) or caller}
            if foreign:
                on_failure(lambda: self.remove(name))
            return entry

        caller = str(sys._getframe(1).f_globals["__name__"])
        foreign = caller.partition(".")[0] not in OWN
        return enter

    def remove(self, name: str) -> None:
        """Remove a name; does nothing if it is not registered."""
        self._entries.pop(name, None)
        self._modules.pop(name, None)

    def modules(self) -> set[str]:
        """Return the names of the modules that have registered objects so far."""
        return {module for modules in self._modules.values() for module in modules}

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
        """Import the modules of the package, then the plug-ins."""
        if self._complete:
            return
        self._import_package()
        if _discoveries:  # a plug-in may need modules that are still being imported
            return
        self._complete = True
        load_plugins(GROUP)
        if str(self._package).startswith("nas_env_agents"):
            load_plugins(AGENTS_GROUP)

    def _import_package(self) -> None:
        global _discoveries
        if self._imported:
            return
        self._imported = True
        _discoveries += 1
        try:
            package = importlib.import_module(str(self._package))
            for module in pkgutil.iter_modules(package.__path__):
                if not module.name.startswith("_") and module.name not in self._exclude:
                    importlib.import_module(f"{self._package}.{module.name}")
        finally:
            _discoveries -= 1
