"""Environments without training: a table or a surrogate provides the evaluations."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from nas_env.env import NASEnv
from nas_env.errors import IncompatibleError, InvalidSettingError, UnknownNameError
from nas_env.evaluation import Budget
from nas_env.evaluators import EVALUATORS, Evaluator
from nas_env.evaluators.surrogate import EPOCHS, SurrogateEvaluator
from nas_env.evaluators.tabular import Tabular
from nas_env.factories import arguments_of, make_budget, make_objective, mdp_settings
from nas_env.objectives import Objective
from nas_env.objectives.reward import Reward
from nas_env.registration import ENVIRONMENTS, row_of
from nas_env.registry import choices
from nas_env.spaces import SPACES
from nas_env.surrogates import SURROGATES, Surrogate, SurrogateTask
from nas_env.tables import TABLES, Table, TableTask
from nas_env.tables.base import make_table, required_arguments
from nas_env.tasks import TASKS, TaskSpec
from nas_env.vector import vector_form

# The arguments of `NASEnv` that have an effect without training, besides those of the entry points.
PROCESS_ARGUMENTS = ("mdp", "observation", "illegal", "start", "render_mode")


def make_table_env(
    table: str,
    reward: str | None = None,
    report: str | None = None,
    run: int | str | None = None,
    fidelity: int | None = None,
    hardware: str | None = None,
    evaluator: str | Evaluator = "tabular",
    objective: str | Objective | None = None,
    edit_reward: str | None = None,
    budget: Budget | Mapping[str, Any] | None = None,
    max_params: int | None = None,
    env_id: str | None = None,
    **settings: Any,
) -> NASEnv:
    """Create the environment of a table: its search space, and an evaluator that looks up rows.

    Args:
        table: Name of the table.
        reward: Column used as reward. None: the table's default for the fidelity.
        report: Column that is only reported in `info`. None: the table's default.
        run: Training run used as reward if networks were trained several times: a number from 1,
            "mean", or "random" (drawn for each network at a seeded reset). The report is the mean
            of the other runs. None: the table's default.
        fidelity: Epochs after which networks are looked up. None: the table's default. A fidelity
            whose reward is a column of the test split must be selected here explicitly, because
            such a reward is only an upper bound.
        hardware: Device whose latency and energy are added to `info`, also as "latency_ms" and
            "energy_mj" for objectives. "all" adds those of all devices under the device names
            only.
        evaluator: "tabular". Another evaluator ("training" with `task` or `data`) uses the same
            space and the table's default epochs, but not the table.
        objective: None: the reward column.
        edit_reward: The `reward` of `nas_env.mdp.Edit`, with mdp="edit".
        budget: Budget instead of a fidelity.
        max_params: Limit on parameters, kept by the mask.
        env_id: Environment id, which fixes the table.
        settings: Arguments of the table (`dataset`, or `path` and `decisions`) and of `NASEnv`.

    Raises:
        UnknownNameError: No such argument, data set, column or device.
        InvalidSettingError: No such fidelity or run, an argument without effect, or a table
            other than that of the environment id.
        IncompatibleError: The table lacks a metric that the objective or the MDP needs.
        InvalidDataError: The table's file is missing or damaged.
    """
    source = Source("table", table, "tabular", make_table_env, env_id)
    settings = _with_edit_reward(settings, edit_reward)
    if evaluator != source.evaluator:
        chosen = {"reward": reward, "report": report, "run": run, "hardware": hardware}
        loaded = _table_for(evaluator, source, chosen, settings)
        settings |= {"objective": objective or "accuracy", "max_params": max_params}
        limits = _budget(loaded.fidelity, fidelity, budget)
        return NASEnv(space=table, evaluator=evaluator, budget=limits, **settings)
    own = arguments_of(TABLES.get(table))
    settings = source.checked(settings, own, _without_effect(table))
    needs = {name: settings.pop(name) for name in own if name in settings}
    loaded = make_table(table, reward, report, needs)
    space = loaded.make_space(max_params)  # raises if the space cannot keep the limit
    task = TableTask(loaded)
    tabular = Tabular(task, "auto", "float32", reward, report, run, hardware, max_params, fidelity)
    limits = _budget(tabular.default_fidelity, fidelity, budget)
    tabular.check(limits)
    _check_edit(f"Table {loaded.name!r}", tabular.metric_names, settings)
    scored = _table_objective(objective, tabular)
    return NASEnv(
        space=space, task=task, evaluator=tabular, objective=scored, budget=limits, **settings
    )


def _table_for(
    evaluator: object, source: Source, chosen: Mapping[str, Any], settings: Mapping[str, Any]
) -> Table:
    """Return the table whose space and epochs another evaluator uses; raise if it cannot."""
    if source.name not in SPACES:
        raise InvalidSettingError(
            f"The networks of table {source.name!r} cannot be built, so evaluator={evaluator!r} "
            "cannot evaluate them. Use evaluator='tabular'."
        )
    factory = TABLES.get(source.name)
    own = {name: settings.get(name) for name in arguments_of(factory)}
    source.check_evaluator(evaluator, {**chosen, **own}, settings)
    table = factory()
    source.check_data(evaluator, source.name, table.spec, settings)
    return table


def make_surrogate_env(
    surrogate: str,
    hardware: str | None = None,
    evaluator: str | Evaluator = "surrogate",
    objective: str | Objective = "accuracy",
    budget: Budget | Mapping[str, Any] | None = None,
    max_params: int | None = None,
    env_id: str | None = None,
    **settings: Any,
) -> NASEnv:
    """Create the environment of a surrogate: its search space, and an evaluator that predicts.

    There is no regret, because the optimum is unknown: the space has too many networks to list.
    The surrogate is fitted to a sample of them, so its optimum is an extrapolation. The prediction
    for the best network of a search is too optimistic, because a search also selects the errors of
    the model. The held-out errors are in `info["evaluation"]`; see
    `nas_env.evaluators.surrogate`.

    Args:
        surrogate: Name of the surrogate.
        hardware: Device whose metrics are also available without the device name as a prefix, such
            as "latency_ms", for objectives.
        evaluator: "surrogate". Another evaluator ("training" with `task` or `data`) uses the same
            space, but not the surrogate.
        objective: Objective, computed from predicted metrics.
        budget: Budget with another training seed or other limits; the surrogate has one fidelity.
        max_params: Limit on parameters, kept by the mask.
        env_id: Environment id, which fixes the surrogate.
        settings: Arguments of `NASEnv`.

    Raises:
        UnknownNameError: No such argument or device.
        InvalidSettingError: No such fidelity, an argument without effect, or a surrogate other than
            that of the environment id.
        IncompatibleError: The surrogate lacks a metric that the objective or the MDP needs.
        InvalidDataError: The surrogate's file is missing or damaged.
    """
    source = Source("surrogate", surrogate, "surrogate", make_surrogate_env, env_id)
    loaded = SURROGATES.get(surrogate)()
    task = SurrogateTask(loaded)
    if evaluator != source.evaluator:
        source.check_evaluator(evaluator, {"hardware": hardware}, settings)
        source.check_data(evaluator, loaded.space, loaded.spec, settings)
        if settings.get("task") is None and settings.get("data") is None:
            settings["task"] = task
        settings |= {"objective": objective, "budget": budget, "max_params": max_params}
        return NASEnv(space=loaded.space, evaluator=evaluator, **settings)
    settings = source.checked(settings)
    predicting = SurrogateEvaluator(task, hardware=hardware)
    limits = _budget(EPOCHS, None, budget)
    predicting.check(limits)
    _check_edit(f"Surrogate {loaded.name!r}", predicting.metric_names, settings)
    return NASEnv(
        space=loaded.make_space(max_params),
        task=task,
        evaluator=predicting,
        objective=_surrogate_objective(objective, loaded, predicting),
        budget=limits,
        **settings,
    )


# The vector versions with `num_envs` lanes, see `nas_env.vector.NASVectorEnv`.
make_table_vector_env = vector_form(make_table_env)
make_surrogate_vector_env = vector_form(make_surrogate_env)


@dataclass(frozen=True)
class Source:
    """The table or surrogate of an environment; checks the environment's arguments.

    Attributes:
        kind: "table" or "surrogate", also the name of the argument.
        name: Name of the table or surrogate.
        evaluator: Name of the evaluator that uses the table or surrogate.
        make: The entry point of the environment.
        env_id: The environment id, or None.

    Raises:
        InvalidSettingError: The environment id belongs to another table or surrogate.
    """

    kind: str
    name: str
    evaluator: str
    make: Callable[..., NASEnv]
    env_id: str | None = None

    def __post_init__(self) -> None:
        if self.env_id is None or (fixed := row_of(self.env_id).kwargs[self.kind]) == self.name:
            return
        others = [row.id for row in ENVIRONMENTS if row.kwargs.get(self.kind) == self.name]
        remedy = f"Leave it out, or use {others[0]}." if others else "Leave it out."
        raise InvalidSettingError(
            f"{self.env_id} uses {self.kind} {fixed!r}, but {self.kind}={self.name!r} was given. "
            f"{remedy}"
        )

    @property
    def title(self) -> str:
        """Name of the environment in messages."""
        return self.env_id or f"The environment of {self.kind} {self.name!r}"

    def check_evaluator(
        self, evaluator: object, chosen: Mapping[str, Any], settings: Mapping[str, Any]
    ) -> None:
        """Raise if another evaluator is combined with arguments of the table or with a space."""
        if unused := " and ".join(name for name, value in chosen.items() if value is not None):
            raise InvalidSettingError(
                f"Evaluator {evaluator!r} does not use the {self.kind}, so {unused} would have no "
                f"effect. Leave out {unused}, or use evaluator={self.evaluator!r}."
            )
        if (space := settings.get("space")) is not None:
            raise InvalidSettingError(
                f"{self.title} uses the space of its {self.kind}, but space={space!r} was given. "
                "Leave it out, or use NAS-v0."
            )

    def check_data(
        self, evaluator: object, space: str, spec: TaskSpec, settings: Mapping[str, Any]
    ) -> None:
        """Raise if an evaluator needs data that are not part of the package."""
        used = EVALUATORS.get(evaluator) if isinstance(evaluator, str) else evaluator
        has_data = any(settings.get(x) is not None for x in ("task", "data"))
        if has_data or getattr(used, "free", False):
            return
        if TASKS.get(SPACES.get(space).default_task)().spec != spec:
            raise InvalidSettingError(
                f"Evaluator {evaluator!r} needs data, but those of {spec.name!r}, on which the "
                f"networks of {self.kind} {self.name!r} were trained, are not part of nas-env. "
                "Give task=NAME or data=PATH."
            )

    def checked(
        self,
        settings: Mapping[str, Any],
        own: Collection[str] = (),
        without_effect: Collection[str] = (),
    ) -> dict[str, Any]:
        """Return the arguments that have an effect.

        Args:
            settings: The keyword arguments that the entry point does not declare.
            own: Further arguments of the table.
            without_effect: Known arguments that messages do not suggest.

        Raises:
            UnknownNameError: No such argument; the message lists the known ones.
            InvalidSettingError: An argument has no effect here.
        """
        known = {*arguments_of(self.make)[1:], *own, *PROCESS_ARGUMENTS} - {"env_id"}
        known |= set(mdp_settings(settings.get("mdp", "construct")))
        untrained = {
            name: argument.default
            for name, argument in inspect.signature(NASEnv).parameters.items()
            if name not in known and argument.kind is not argument.VAR_KEYWORD
        }
        ineffective = " and ".join(
            x for x, value in untrained.items() if _is_set(settings, x, value)
        )
        if ineffective:
            rows_only = self.kind == "table" and self.name not in SPACES  # no networks to build
            other = "" if rows_only else ", or use evaluator='training'"
            raise InvalidSettingError(
                f"{self.title} trains nothing, so {ineffective} would have no effect. "
                f"Leave out {ineffective}{other}."
            )
        rest = {name: value for name, value in settings.items() if name not in untrained}
        for name in rest:
            if name not in known:
                offered = choices(name, known - set(without_effect))
                raise UnknownNameError(f"{self.title} has no argument {name!r}.{offered}")
        return rest


def _is_set(settings: Mapping[str, Any], name: str, default: object) -> bool:
    """Return whether an argument was given and differs from its default."""
    value = settings.get(name)
    return not (value is None or value is default or (isinstance(value, str) and value == default))


def _with_edit_reward(settings: Mapping[str, Any], edit_reward: str | None) -> dict[str, Any]:
    if edit_reward is None:
        return dict(settings)
    if settings.get("mdp") != "edit":
        raise InvalidSettingError(
            f"edit_reward={edit_reward!r} is a setting of mdp='edit'. Add mdp='edit', or leave it "
            "out."
        )
    return {**settings, "reward": edit_reward}


def _without_effect(table: str) -> set[str]:
    """Return the arguments that have no effect for a table."""
    if required_arguments(TABLES.get(table)):
        return {"run", "hardware"}  # a file
    loaded = TABLES.get(table)()
    several = any(column.ndim == 2 for column in loaded.columns.values())
    effects = {"run": several, "hardware": bool(loaded.hardware)}
    return {name for name, effect in effects.items() if not effect}


def _objective(
    value: str | Objective, title: str, names: Collection[str], remedy: Callable[[set[str]], str]
) -> Objective:
    """Return the objective.

    Raises:
        IncompatibleError: The objective needs a metric that is not in `names`.
    """
    objective = make_objective(value)
    lacking = [name for name in objective.needs if name not in names]
    if not lacking:
        return objective
    name = value if isinstance(value, str) else type(value).__name__
    raise IncompatibleError(
        f"Objective {name!r} needs {' and '.join(lacking)}, which {title} does not have. "
        f"{remedy(set(lacking))} Known: {', '.join(sorted(names))}."
    )


def _table_objective(value: str | Objective | None, tabular: Tabular) -> Objective:
    """Return the objective of a table's environment, by default the reward column."""
    if value is None or value == "reward":
        return _column_reward(tabular.table, tabular)
    remedy = "Leave it out to use the reward column."
    return _objective(
        value, f"table {tabular.table.name!r}", tabular.metric_names, lambda _: remedy
    )


def _column_reward(table: Table, tabular: Tabular) -> Reward:
    """Return the objective that scores the reward column, with the bounds of the column."""
    names = [tabular.reward] if tabular.reward else list(table.rewards.values())
    if table.accuracies and not any(name.startswith("-") for name in names):
        return Reward()
    columns = [table.column(name) for name in names]
    least, greatest = min(x.min() for x in columns), max(x.max() for x in columns)
    return Reward(float(least), float(greatest) if greatest > least else float(least) + 1.0)


def _surrogate_objective(
    value: str | Objective, surrogate: Surrogate, predicting: SurrogateEvaluator
) -> Objective:
    def remedy(lacking: set[str]) -> str:
        devices = surrogate.hardware.items()
        fitting = [repr(x) for x, metrics in devices if lacking <= {*metrics, "ms_per_image"}]
        return f"Give hardware={' or '.join(fitting)}." if fitting else "Choose another."

    title = f"surrogate {surrogate.name!r} with hardware={predicting.hardware!r}"
    return _objective(
        value, title, predicting.metric_names - predicting.held_out_errors.keys(), remedy
    )


def _check_edit(title: str, names: Collection[str], settings: Mapping[str, Any]) -> None:
    """Raise IncompatibleError if mdp="edit" needs a store, trained weights or a missing metric."""
    observation, start = settings.get("observation"), settings.get("start")
    reasons = []
    if isinstance(start, str) and start == "best":
        reasons.append("start='best' needs a store, and nothing is stored")
    if settings.get("inherit"):
        reasons.append("inherit=True needs trained weights, and nothing is trained")
    for name, metric in (("loss-bins", "loss"), ("accuracy-bins", "accuracy")):
        if observation == name and metric not in names:
            reasons.append(f"observation={name!r} needs {metric}, which is not available")
    if reasons:
        raise IncompatibleError(
            f"{title} works without training: {'; '.join(reasons)}. Leave it out, or use another "
            "evaluator."
        )


def _budget(usual: int, fidelity: int | None, budget: Budget | Mapping[str, Any] | None) -> Budget:
    """Return the budget of a fidelity: a number of epochs of the default schedule."""
    if budget is not None and fidelity is not None:
        raise InvalidSettingError(
            f"Both fidelity={fidelity} and a budget were given. Give one of them."
        )
    if isinstance(budget, Mapping | None):
        budget = {"epochs": usual, **(budget or {})}
    return make_budget(budget).at_fidelity(fidelity)
