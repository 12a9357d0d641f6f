"""The kinds of registered entries: spaces, tasks, agents, ..., environments."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nas_env.errors import MissingDependencyError, UnknownNameError
from nas_env.registration import environment_ids
from nas_env.registry import Registry
from nas_env_cli.catalogue.docstrings import Docstring, first_sentence, module_docstring


@dataclass(frozen=True)
class Kind:
    """A kind of registered entries.

    Attributes:
        plural: Argument of `nas-env list`, such as "spaces".
        name: Singular, such as "search space".
        names: Returns the registered names.
        entry: Returns the entry of a name.
        describe: Returns one sentence about a name.
        option: The option of `nas-env search` that takes a name, or None.
    """

    plural: str
    name: str
    names: Callable[[], list[str]]
    entry: Callable[[str], Any]
    describe: Callable[[str], str]
    option: str | None = None


def _registered(
    plural: str,
    name: str,
    registry: Callable[[], Registry[Any]],
    describe: Callable[[Any], str] = lambda entry: first_sentence(Docstring.of(entry).summary),
) -> Kind:
    return Kind(
        plural,
        name,
        lambda: registry().names(),
        lambda x: registry().get(x),
        lambda x: describe(registry().get(x)),
        f"--{plural.removesuffix('s')}",
    )


def _spaces() -> Registry[Any]:
    from nas_env.spaces import SPACES

    return SPACES


def _tasks() -> Registry[Any]:
    from nas_env.tasks import TASKS

    return TASKS


def _agents() -> Registry[Any]:
    from nas_env_agents import AGENTS

    return AGENTS


def _evaluators() -> Registry[Any]:
    from nas_env.evaluators import EVALUATORS

    return EVALUATORS


def _objectives() -> Registry[Any]:
    from nas_env.objectives import OBJECTIVES

    return OBJECTIVES


def _describe_space(factory: Any) -> str:
    described: str = getattr(factory, "description", "")
    return described or first_sentence(Docstring.of(type(factory())).summary)


def environment_spec(name: str) -> Any:
    """Return Gymnasium's specification of an environment id."""
    import gymnasium

    return gymnasium.registry[name]


def source_of(spec: Any) -> Any:
    """Return the entry that characterises an environment: its table, surrogate, MDP or class."""
    from nas_env.mdp import MDPS
    from nas_env.surrogates import SURROGATES
    from nas_env.tables import TABLES

    registries: dict[str, Registry[Any]] = {"table": TABLES, "surrogate": SURROGATES, "mdp": MDPS}
    for argument, registry in registries.items():
        if argument in spec.kwargs:
            return registry.get(spec.kwargs[argument])
    return maker_of(spec)


def maker_of(spec: Any) -> Any:
    """Return the class or function that creates an environment."""
    from gymnasium.envs.registration import load_env_creator

    point = spec.entry_point
    return load_env_creator(point) if isinstance(point, str) else point


def describe_environment(name: str) -> str:
    """Return one sentence about an environment id."""
    spec = environment_spec(name)
    for argument, how in (("table", "Looked up"), ("surrogate", "Predicted")):
        if argument in spec.kwargs:
            about = first_sentence(module_docstring(source_of(spec)).summary)
            return f"{how}, not trained: {about[:1].lower()}{about[1:]}"
    return first_sentence(Docstring.of(source_of(spec)).summary)


KINDS = {
    kind.plural: kind
    for kind in (
        _registered("spaces", "search space", _spaces, _describe_space),
        _registered("tasks", "task", _tasks),
        _registered("agents", "agent", _agents),
        _registered("evaluators", "evaluator", _evaluators),
        _registered("objectives", "objective", _objectives),
        Kind(
            "environments",
            "environment",
            environment_ids,
            environment_spec,
            describe_environment,
            "--env",
        ),
    )
}


def kinds_of(name: str) -> list[Kind]:
    """Return the kinds in which a name is registered, without kinds that are not installed."""
    return [kind for kind in KINDS.values() if name in names_or_none(kind)]


def names_or_none(kind: Kind) -> list[str]:
    """Return the names of a kind; empty if a required package is missing."""
    try:
        return kind.names()
    except MissingDependencyError:
        return []


def unknown(name: str) -> UnknownNameError:
    """Return the error for an unknown name, with close matches of all kinds."""
    kind_names = {x: kind.name for kind in KINDS.values() for x in names_or_none(kind)}
    lower = {x.lower(): x for x in kind_names}
    near = difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.5)
    listed = ", ".join(f"{lower[x]!r} ({kind_names[lower[x]]})" for x in near)
    hint = f" Did you mean {listed}?" if near else ""
    return UnknownNameError(f"Nothing is named {name!r}.{hint} nas-env list shows all names.")
