"""Environments whose networks stand in a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nas_env.env import NASEnv
from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Budget
from nas_env.evaluators.tabular import Tabular
from nas_env.objectives import Objective
from nas_env.objectives.reward import Reward
from nas_env.resolve import make_budget
from nas_env.spaces import SPACES
from nas_env.tables import TABLES, Table, TableTask
from nas_env.vector import vector_form


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
        hardware: A device whose latency and energy are in `info` too, or "all".
        evaluator: "tabular"; another name makes an environment of the same space that does not
            use the table ("training" with `task` or `data`).
        objective: None: the rewarded column.
        edit_reward: The `reward` of `nas_env.mdp.Edit`, with mdp="edit".
        budget: Instead of a fidelity.
        max_params: Limit on parameters, kept by the mask.
        settings: What the table needs (`dataset`, or `path` and `decisions`), and whatever
            `NASEnv` takes.

    Raises:
        UnknownNameError: No such data set, column or device.
        InvalidSettingError: No such fidelity or run.
        InvalidDataError: The table's file is missing or damaged.
    """
    if edit_reward is not None:
        settings["reward"] = edit_reward
    needs: dict[str, Any] = {
        x: settings.pop(x) for x in ("dataset", "path", "decisions") if x in settings
    }
    if evaluator != "tabular":
        if table not in SPACES:
            raise InvalidSettingError(
                f"The networks of table {table!r} cannot be built, so evaluator={evaluator!r} has "
                "nothing to evaluate. Use evaluator='tabular'."
            )
        given = {"objective": objective or "accuracy", "budget": budget, "max_params": max_params}
        return NASEnv(**{"space": table, "evaluator": evaluator, **given, **settings})
    found = make_table(table, reward, report, needs)
    space = found.make_space(max_params)  # refuses a limit that it cannot keep
    task = TableTask(found)
    tabular = Tabular(task, "auto", "float32", reward, report, run, hardware, max_params, fidelity)
    limits = _budget(found, reward, fidelity, budget)
    tabular.check(limits)
    return NASEnv(
        space=space,
        task=task,
        evaluator=tabular,
        objective=objective or column_reward(found, tabular),
        budget=limits,
        **settings,
    )


make_table_vector_env = vector_form(make_table_env)
"""The vector form: `num_envs` lanes, see `nas_env.vector.NASVectorEnv`."""


def make_table(
    name: str, reward: str | None, report: str | None, needs: Mapping[str, Any]
) -> Table:
    """Return a registered table; a file is also told which columns are used."""
    columns = {"reward": reward, "report": report} if name == "file" else {}
    factory = TABLES.get(name)
    try:
        return factory(**needs, **columns)
    except TypeError as error:
        if "argument" not in str(error):
            raise
        raise InvalidSettingError(
            f"Table {name!r} cannot be made from {sorted(needs)} ({error}). "
            "NASTable-v0 needs path=FILE, decisions=[columns] and reward=column."
        ) from None


def column_reward(table: Table, tabular: Tabular) -> Reward:
    """Return the objective of a table: its rewarded column, within the column's bounds."""
    if table.accuracies:
        return Reward()
    names = [tabular.reward] if tabular.reward else list(table.rewards.values())
    columns = [table.column(name) for name in names]
    least, greatest = min(x.min() for x in columns), max(x.max() for x in columns)
    return Reward(float(least), float(greatest) if greatest > least else float(least) + 1.0)


def _budget(
    table: Table,
    reward: str | None,
    fidelity: int | None,
    budget: Budget | Mapping[str, Any] | None,
) -> Budget:
    """Return the budget of a fidelity, by default of the rewarded column's or the table's own."""
    if budget is not None:
        if fidelity is not None:
            raise InvalidSettingError(
                f"Both fidelity={fidelity} and a budget were given. Give one of them."
            )
        return make_budget(budget)
    if fidelity is None:
        fidelity = table.fidelity if reward is None else table.epochs_of(reward)
    return Budget(epochs=fidelity)
