"""Environments whose networks stand in a table."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from typing import Any

import gymnasium

from nas_env.env import NASEnv
from nas_env.errors import IncompatibleError, InvalidSettingError, UnknownNameError
from nas_env.evaluation import Budget
from nas_env.evaluators import EVALUATORS
from nas_env.evaluators.tabular import Tabular
from nas_env.factories import make_budget, make_objective, mdp_settings
from nas_env.objectives import Objective
from nas_env.objectives.reward import Reward
from nas_env.registry import choices
from nas_env.spaces import SPACES
from nas_env.tables import TABLES, Table, TableTask
from nas_env.tasks import TASKS
from nas_env.vector import vector_form

FIXED = ("table", "settings")  # not for whoever makes an environment
ENVIRONMENT = ("mdp", "observation", "illegal", "start", "render_mode")  # passed on to NASEnv
# Where networks are looked up:
USELESS = ("space", "task", "data", "store", "device", "precision", "latency", "workers")


def make_table_env(
    table: str,
    reward: str | None = None,
    report: str | None = None,
    run: int | str | None = None,
    fidelity: int | None = None,
    hardware: str | None = None,
    evaluator: str = "tabular",
    objective: str | Objective | None = None,
    edit_reward: str | None = None,
    budget: Budget | Mapping[str, Any] | None = None,
    max_params: int | None = None,
    **settings: Any,
) -> NASEnv:
    """Return the environment of a table: its space, and an evaluator that looks networks up.

    Args:
        table: Name of the table.
        reward: Column that is rewarded; None: the table's own for the fidelity.
        report: Column that is reported, in `info` only; None: the table's own.
        run: Where networks were trained several times: which training is rewarded, from 1, "mean",
            or "random" (drawn for each network at a seeded reset). The report is the mean of the
            others. None: the table's own.
        fidelity: Epochs after which networks are looked up; None: the table's own. Epochs whose
            reward is a column of the test split must be named here: an upper bound.
        hardware: A device whose latency and energy are in `info` too, also as "latency_ms" and
            "energy_mj" for objectives; or "all", by the devices' names alone.
        evaluator: "tabular"; another name makes an environment of the same space and with the
            table's own epochs that does not look anything up ("training" with `task` or `data`).
        objective: None: the rewarded column.
        edit_reward: The `reward` of `nas_env.mdp.Edit`, with mdp="edit".
        budget: Instead of a fidelity.
        max_params: Limit on parameters, kept by the mask.
        settings: What the table needs (`dataset`, or `path` and `decisions`), and whatever
            `NASEnv` takes.

    Raises:
        UnknownNameError: No such argument, data set, column or device.
        InvalidSettingError: No such fidelity or run, or an argument that means nothing here.
        IncompatibleError: The table does not give what the objective or the process needs.
        InvalidDataError: The table's file is missing or damaged.
    """
    chosen = {"reward": reward, "report": report, "run": run, "hardware": hardware}
    settings = _with_edit_reward(settings, edit_reward)
    if evaluator != "tabular":
        _check_evaluator(table, evaluator, {**settings, **chosen})
        _check_task(table, evaluator, settings)
        settings |= {"objective": objective or "accuracy", "max_params": max_params}
        limits = _budget(TABLES.get(table)().fidelity, fidelity, budget)
        return NASEnv(space=table, evaluator=evaluator, budget=limits, **settings)
    needs, settings = _split(table, settings)
    found = make_table(table, reward, report, needs)
    if hardware is not None and not found.hardware:
        raise InvalidSettingError(
            f"Table {found.name!r} knows no devices, but hardware={hardware!r} was given. Leave "
            "it out."
        )
    space = found.make_space(max_params)  # refuses a limit that it cannot keep
    task = TableTask(found)
    tabular = Tabular(task, "auto", "float32", reward, report, run, hardware, max_params, fidelity)
    limits = _budget(tabular.usual, fidelity, budget)
    tabular.check(limits)
    check_edit(f"Table {found.name!r}", tabular.names, settings)
    made = table_objective(objective, tabular)
    return NASEnv(
        space=space, task=task, evaluator=tabular, objective=made, budget=limits, **settings
    )


make_table_vector_env = vector_form(make_table_env)
"""The vector form: `num_envs` lanes, see `nas_env.vector.NASVectorEnv`."""


def make_table(
    name: str, reward: str | None, report: str | None, needs: Mapping[str, Any]
) -> Table:
    """Return a registered table; a file is also told which columns are used.

    Raises:
        InvalidSettingError: The table needs an argument that is missing.
    """
    factory = TABLES.get(name)
    columns = {"reward": reward, "report": report} if "reward" in _arguments(name) else {}
    missing = [
        x
        for x, argument in inspect.signature(factory).parameters.items()
        if argument.default is argument.empty and needs.get(x) is None
    ]
    if missing:
        raise InvalidSettingError(
            f"Table {name!r} needs {' and '.join(missing)}, which were not given. "
            "NASTable-v0 needs path=FILE, decisions=[columns] and reward=column."
        )
    return factory(**needs, **columns)


def table_objective(given: str | Objective | None, tabular: Tabular) -> Objective:
    """Return the objective of a table's environment: by default the rewarded column.

    Raises:
        IncompatibleError: It needs a metric that the table does not give.
    """
    if given in (None, "reward"):
        return column_reward(tabular.table, tabular)
    made = make_objective(given)
    lacking = [name for name in made.needs if name not in tabular.names]
    if lacking:
        raise IncompatibleError(
            f"Objective {given if isinstance(given, str) else type(given).__name__!r} needs "
            f"{' and '.join(lacking)}, which table {tabular.table.name!r} does not give. Leave it "
            f"out to score the rewarded column. Known: {', '.join(sorted(tabular.names))}."
        )
    return made


def column_reward(table: Table, tabular: Tabular) -> Reward:
    """Return the objective of a table: its rewarded column, within the column's bounds."""
    names = [tabular.reward] if tabular.reward else list(table.rewards.values())
    if table.accuracies and not any(name.startswith("-") for name in names):
        return Reward()
    columns = [table.column(name) for name in names]
    least, greatest = min(x.min() for x in columns), max(x.max() for x in columns)
    return Reward(float(least), float(greatest) if greatest > least else float(least) + 1.0)


def _arguments(table: str) -> list[str]:
    return list(inspect.signature(TABLES.get(table)).parameters)


def _with_edit_reward(settings: Mapping[str, Any], edit_reward: str | None) -> dict[str, Any]:
    if edit_reward is None:
        return dict(settings)
    if settings.get("mdp") != "edit":
        raise InvalidSettingError(
            f"edit_reward={edit_reward!r} is a setting of mdp='edit'. Give mdp='edit' too, or "
            "leave it out."
        )
    return {**settings, "reward": edit_reward}


def _check_evaluator(table: str, evaluator: object, given: Mapping[str, Any]) -> None:
    """Refuse another evaluator where nothing can be built, or where the table is asked for."""
    if table not in SPACES:
        raise InvalidSettingError(
            f"The networks of table {table!r} cannot be built, so evaluator={evaluator!r} has "
            "nothing to evaluate. Use evaluator='tabular'."
        )
    names = ("reward", "report", "run", "hardware", *_arguments(table))
    if useless := [name for name in dict.fromkeys(names) if given.get(name) is not None]:
        raise InvalidSettingError(
            f"Evaluator {evaluator!r} does not use the table, from which {' and '.join(useless)} "
            "choose. Leave them out, or use evaluator='tabular'."
        )


def _check_task(table: str, evaluator: object, settings: Mapping[str, Any]) -> None:
    """Refuse another space, and training where nobody said on what.

    Raises:
        InvalidSettingError: A space was given, or a task is missing that is not the table's own.
    """
    if (space := settings.get("space")) is not None:
        raise InvalidSettingError(
            f"{_id_of(table)} has the space of its table, but space={space!r} was given. Leave it "
            "out, or make NAS-v0 with it."
        )
    chosen = EVALUATORS.get(evaluator) if isinstance(evaluator, str) else evaluator
    if getattr(chosen, "free", False) or any(settings.get(x) is not None for x in ("task", "data")):
        return
    own = TASKS.get(SPACES.get(table).default_task)().spec
    if own != (spec := TABLES.get(table)().spec):
        raise InvalidSettingError(
            f"Evaluator {evaluator!r} needs data, and those of {spec.name!r}, on which the "
            f"networks of table {table!r} were trained, do not come along. Give task=NAME or "
            "data=PATH."
        )


def _id_of(table: str) -> str:
    """Return the environment id of a table, or what to call one that has none."""
    ids = [x for x, spec in gymnasium.registry.items() if spec.kwargs.get("table") == table]
    return ids[0] if ids else f"Table {table!r}"


def _split(table: str, settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the table needs and what the environment takes; refuse what is neither.

    Raises:
        UnknownNameError: No such argument; the message lists them.
        InvalidSettingError: An argument means nothing where networks are looked up.
    """
    own, ours = _arguments(table), inspect.signature(make_table_env).parameters
    process = mdp_settings(settings.get("mdp", "construct"))
    known = {*own, *ours, *ENVIRONMENT, *process} - set(FIXED)
    given = {name: value for name, value in settings.items() if name not in USELESS}
    if useless := [name for name in USELESS if settings.get(name) is not None]:
        other = ", or use evaluator='training'" if table in SPACES else ""
        raise InvalidSettingError(
            f"Networks of table {table!r} are looked up, so {' and '.join(useless)} would mean "
            f"nothing. Leave out what means nothing{other}."
        )
    for name in given:
        if name not in known:
            told = choices(name, known - _meaningless(table))
            raise UnknownNameError(f"{_id_of(table)} has no argument {name!r}.{told}")
    needs = {name: given.pop(name) for name in own if name in given and name not in ours}
    return needs, given


def _meaningless(table: str) -> set[str]:
    """Return the arguments that choose nothing in a table, as far as that is known beforehand."""
    factory = TABLES.get(table)
    arguments = inspect.signature(factory).parameters.values()
    if any(argument.default is argument.empty for argument in arguments):
        return {"run", "hardware"}  # a file
    found = factory()
    several = any(column.ndim == 2 for column in found.columns.values())
    known = {"run": several, "hardware": bool(found.hardware)}
    return {name for name, there in known.items() if not there}


def check_edit(what: str, names: Collection[str], settings: Mapping[str, Any]) -> None:
    """Refuse settings of mdp="edit" that mean nothing where networks are not trained.

    Args:
        what: What knows the networks' numbers, such as "Table 'nasbench201'".
        names: Names of these numbers.
        settings: Arguments of the environment.

    Raises:
        IncompatibleError: One of them needs what is not there.
    """
    observation, start = settings.get("observation"), settings.get("start")
    reasons = []
    if isinstance(start, str) and start == "best":
        reasons.append("start='best' needs a store, and nothing is stored")
    if settings.get("inherit"):
        reasons.append("inherit=True needs trained weights, and nothing is trained")
    for name, metric in (("loss-bins", "loss"), ("accuracy-bins", "accuracy")):
        if observation == name and metric not in names:
            reasons.append(f"observation={name!r} needs {metric}, which it does not give")
    if reasons:
        raise IncompatibleError(
            f"{what} answers without training: {'; '.join(reasons)}. Leave it out, or use another "
            "evaluator."
        )


def _budget(usual: int, fidelity: int | None, budget: Budget | Mapping[str, Any] | None) -> Budget:
    """Return the budget of a fidelity: so many epochs of the usual schedule."""
    if budget is not None and fidelity is not None:
        raise InvalidSettingError(
            f"Both fidelity={fidelity} and a budget were given. Give one of them."
        )
    if isinstance(budget, Mapping | None):
        budget = {"epochs": usual, **(budget or {})}
    return make_budget(budget).at_fidelity(fidelity)
