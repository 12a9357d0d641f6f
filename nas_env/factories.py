"""Factories that turn the arguments of `NASEnv` into objects."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nas_env import registry
from nas_env.architecture import is_count
from nas_env.errors import IncompatibleError, InvalidSettingError
from nas_env.evaluation import Budget
from nas_env.evaluators import (
    EVALUATORS,
    Evaluator,
    EvaluatorWrapper,
    Latency,
    Parallel,
    with_store,
)
from nas_env.evaluators.ray import Ray
from nas_env.mdp import MDP, MDPS, Edit
from nas_env.objectives import OBJECTIVES, Objective, TaskMetric
from nas_env.spaces import SPACES, Joint, SearchSpace
from nas_env.store import Store
from nas_env.tasks import TASKS, Task, TaskSpec, needs_data

DEFAULT_SPACES = {"image": "chain", "vector": "mlp"}
TASK_METRICS = {"accuracy", "balanced_accuracy", "f1", "roc_auc", "mse", "mae", "r2"}


def make_task(
    space: str | SearchSpace | None,
    task: str | Task | None,
    data: Any,
) -> Task:
    """Return the task that the arguments of `NASEnv` select."""
    if isinstance(task, Task):
        return task
    if task is None:
        task = "own-data" if data is not None else _default_task(space)
    factory = TASKS.get(task)
    if data is None and needs_data(task):
        raise InvalidSettingError(f"Task {task!r} needs data. Give data=PATH of a file or folder.")
    if data is not None and "data" not in inspect.signature(factory).parameters:
        raise InvalidSettingError(
            f"Task {task!r} takes no data. Leave out task or data, or give task='own-data'."
        )
    return factory() if data is None else factory(data=data)


def _default_task(space: str | SearchSpace | None) -> str:
    if isinstance(space, Joint) and space.name not in SPACES:
        space = space.space  # training choices fit every task
    name = space.name if isinstance(space, SearchSpace) else space or "chain"
    if isinstance(space, SearchSpace) and name not in SPACES:
        raise InvalidSettingError(
            f"Space {name!r} is not registered, so it has no default task. Give task=NAME; "
            f"known: {', '.join(TASKS)}."
        )
    return SPACES.get(name).default_task


def make_space(
    space: str | SearchSpace | None,
    task: Task,
    max_params: int | None,
    recipe: Mapping[str, Any] | None = None,
) -> SearchSpace:
    """Return the search space that the arguments of `NASEnv` select.

    Raises:
        IncompatibleError: The space does not fit the task.
    """
    fitting = _fitting_space(space, task, max_params)
    return fitting.trained_with(**recipe) if recipe else fitting


def _fitting_space(
    space: str | SearchSpace | None, task: Task, max_params: int | None
) -> SearchSpace:
    spec = task.spec
    if isinstance(space, SearchSpace):
        if max_params is not None and max_params != space.max_params:
            raise InvalidSettingError(
                f"max_params={max_params} cannot be set on a space that was passed as an "
                "object. Pass max_params to the space itself."
            )
        chosen = space
    else:
        name = space or DEFAULT_SPACES[spec.modality]
        factory = SPACES.get(name)
        modality = factory().modality
        if modality == spec.modality:
            return factory(spec.input_shape, spec.num_outputs, max_params)
        chosen = factory()
    if chosen.modality != spec.modality:
        fitting = [name for name in SPACES if SPACES.get(name)().modality == spec.modality]
        raise IncompatibleError(
            f"Space {chosen.name!r} builds networks for {chosen.modality} tasks, but task "
            f"{spec.name!r} is of modality {spec.modality!r}. Spaces that fit: "
            f"{', '.join(fitting)}."
        )
    wanted = (chosen.input_shape or spec.input_shape, chosen.num_outputs or spec.num_outputs)
    if wanted != (spec.input_shape, spec.num_outputs):
        raise IncompatibleError(
            f"Space {chosen.name!r} expects inputs of shape {wanted[0]} and {wanted[1]} classes, "
            f"but task {spec.name!r} has {spec.input_shape} and {spec.num_outputs}. "
            "Create the space for this task."
        )
    return chosen


def make_objective(value: str | Objective | None, spec: TaskSpec | None = None) -> Objective:
    """Return the objective that the argument selects; None selects the metric of the task.

    Raises:
        IncompatibleError: The objective needs a metric that evaluations of the task lack.
    """
    if spec is None:
        return OBJECTIVES.get(value or "accuracy")() if not isinstance(value, Objective) else value
    own = spec.metric if spec.metric == "accuracy" else "metric"
    name = own if value is None else value
    if name == "metric":
        return TaskMetric.of(spec)
    objective = OBJECTIVES.get(name)() if isinstance(name, str) else name
    lacking = [x for x in objective.needs if x in TASK_METRICS and x not in spec.reports]
    if lacking:
        raise IncompatibleError(
            f"Objective {name if isinstance(name, str) else type(objective).__name__!r} needs the "
            f"metric {lacking[0]!r}, but evaluations of task {spec.name!r} ({spec.problem}) have "
            f"{', '.join(spec.reports)}. Use objective='metric', the metric of the task."
        )
    return objective


def make_budget(budget: Budget | Mapping[str, Any] | None) -> Budget:
    """Return the budget that the argument describes."""
    if isinstance(budget, Budget):
        return budget
    if not isinstance(budget, Mapping | None):
        raise InvalidSettingError(
            f"budget must be a Budget or a dict, got {budget!r}. Give one such as {{'epochs': 8}}."
        )
    setting_names = list(Budget.__dataclass_fields__)
    for name in budget or {}:
        if name not in setting_names:
            raise registry.unknown_name("budget setting", name, setting_names)
    return Budget(**dict(budget or {}))


def make_evaluator(
    evaluator: str | Evaluator,
    task: Task,
    store: Store,
    objective: Objective,
    device: str,
    precision: str,
    latency: Latency | Mapping[str, Any] | bool | None,
    retry_failed: bool,
    workers: int | None,
) -> Evaluator:
    """Return the evaluator that the arguments select, wrapped with workers and a store.

    Raises:
        IncompatibleError: The evaluator was created for another task, or the objective needs a
            latency that the evaluator does not measure.
        InvalidSettingError: The number of workers is not valid or has no effect, or the evaluator
            cannot measure latency.
    """
    if isinstance(evaluator, Evaluator):
        chosen = _same_task(evaluator, task, latency)
    else:
        chosen = _by_name(evaluator, task, store, device, precision, latency)
    _check_latency(objective, chosen)
    return with_store(_with_workers(chosen, workers), store, objective, retry_failed)


def _same_task(evaluator: Evaluator, task: Task, latency: Any) -> Evaluator:
    """Return the evaluator; raise if it was created for another task."""
    own = getattr(evaluator.unwrapped, "task", task)
    if own.fingerprint != task.fingerprint:
        raise IncompatibleError(
            f"The evaluator was created for task {own.spec.name!r}, but the environment has "
            f"{task.spec.name!r}. Create both for the same task."
        )
    if Latency.of(latency) is not None:
        raise InvalidSettingError(
            f"latency={latency!r} has no effect on an evaluator that was passed as an object. Use "
            "Training(task, latency=True)."
        )
    return evaluator


def _by_name(
    name: str, task: Task, store: Store, device: str, precision: str, latency: Any
) -> Evaluator:
    """Return a registered evaluator for the task."""
    factory, measured = EVALUATORS.get(name), Latency.of(latency)
    settings = {} if measured is None else {"latency": measured}
    if measured is not None and "latency" not in inspect.signature(factory).parameters:
        raise InvalidSettingError(
            f"Evaluator {name!r} cannot measure latency, but latency={latency!r} was given. Use "
            "evaluator='training', or leave it out."
        )
    if precision == "auto" and not getattr(factory, "free", False):
        precision = _settled_precision(factory, task, store, device)
    evaluator: Evaluator = factory(task=task, device=device, precision=precision, **settings)
    return evaluator


def _check_latency(objective: Objective, evaluator: Evaluator) -> None:
    """Raise if an objective needs a latency that the evaluator does not measure."""
    if "latency_ms" in objective.needs and not evaluator.measures_latency:
        raise IncompatibleError(
            f"Objective {type(objective).__name__} needs latency_ms, which evaluator "
            f"{type(evaluator.unwrapped).__name__} does not measure here. Give latency=True with "
            "evaluator='training', or to Training itself."
        )


def check_budget(budget: Budget, evaluator: Evaluator) -> None:
    """Raise if a budget limits a latency that the evaluator does not measure.

    Raises:
        IncompatibleError: The evaluator does not measure latency before training.
    """
    if budget.max_latency_ms is not None and getattr(evaluator.unwrapped, "latency", None) is None:
        raise IncompatibleError(
            f"The budget has max_latency_ms={budget.max_latency_ms}, which evaluator "
            f"{type(evaluator.unwrapped).__name__} does not measure here. Give latency=True with "
            "evaluator='training', or to Training itself."
        )


def _with_workers(evaluator: Evaluator, workers: int | None) -> Evaluator:
    """Return the evaluator with worker processes around its innermost evaluator."""
    if workers is None:
        return evaluator
    if not is_count(workers):
        raise InvalidSettingError(
            f"workers must be an integer >= 1, got {workers!r}. Leave it out to train in "
            "this process."
        )
    if evaluator.free:
        raise InvalidSettingError(
            f"workers={workers} would have no effect: {type(evaluator).__name__} is faster than "
            "communication with a worker process. Leave it out."
        )
    outer = evaluator
    while isinstance(outer, EvaluatorWrapper) and isinstance(outer.evaluator, EvaluatorWrapper):
        outer = outer.evaluator
    if not isinstance(outer, EvaluatorWrapper):
        return Parallel(evaluator, workers)
    if isinstance(outer, Ray):
        raise InvalidSettingError(
            f"workers={workers} was given, but a Ray cluster has its own workers. Leave it out."
        )
    if evaluator.slots > 1 or isinstance(outer, Parallel):
        raise InvalidSettingError(
            f"workers={workers} was given, but the evaluator already runs {evaluator.slots} "
            "evaluations at once. Leave one of them out."
        )
    outer.evaluator = Parallel(outer.evaluator, workers)
    return evaluator


def _settled_precision(factory: Any, task: Task, store: Store, device: str) -> str:
    """Return the stored precision for "auto"; measure and store it if there is none."""
    name = f"precision/{task.fingerprint}/{device}"
    if store.setting(name) is None:
        evaluator: Any = factory(task=task, device=device, precision="auto").unwrapped
        store.set(name, evaluator.precision)
    verdict = store.setting(name)
    return verdict or "float32"


def checked_start(start: str | Sequence[int] | None, mdp: MDP) -> str | Sequence[int] | None:
    """Return the start of episodes; raise if the MDP always starts with an empty network."""
    if start is None or isinstance(mdp, Edit) or (isinstance(start, str) and start == "random"):
        return start
    raise InvalidSettingError(
        f"Episodes start with an empty network here, but start={start!r} was given. Leave it "
        "out, or use mdp='edit'."
    )


def checked_render_mode(mode: str | None, supported: Sequence[str]) -> str | None:
    """Return a render mode; raise if it is unknown."""
    if mode is not None and mode not in supported:
        raise registry.unknown_name("render mode", mode, supported)
    return mode


def checked_action(action: Any, mdp: MDP) -> int:
    """Return an action as an integer."""
    try:
        return operator.index(action)
    except TypeError:
        raise InvalidSettingError(
            f"Action {action!r} must be an integer. Use 0 to {mdp.action_space.n - 1}, "
            "not an array."
        ) from None


RESET_OPTIONS = ("start", "fidelity")


def checked_options(options: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the options of a reset; raise if one is unknown."""
    if not isinstance(options, Mapping | None):
        raise InvalidSettingError(
            f"Reset options must be a dict or None, got {options!r}. "
            f"Known: {', '.join(RESET_OPTIONS)}."
        )
    for name in options or {}:
        if name not in RESET_OPTIONS:
            raise registry.unknown_name("reset option", name, RESET_OPTIONS)
    return options or {}


def draw_training_seed(rng: np.random.Generator) -> int:
    """Draw the training seed of an environment at a seeded reset."""
    return int(rng.integers(2**31))


def make_mdp(
    name: str,
    space: SearchSpace,
    observation: str | None,
    illegal: str | None,
    objective: Objective,
    settings: Mapping[str, Any],
    make: Callable[..., Any],
) -> MDP:
    """Return the MDP that the arguments select.

    Args:
        name: Name of the MDP.
        space: The search space.
        observation: Name of the observation. None: the default of the MDP.
        illegal: Mode for illegal actions. None: the default of the MDP.
        objective: The objective, which defines the score of a failure.
        settings: Settings specific to the MDP.
        make: The environment class, whose arguments an error message lists.

    Raises:
        UnknownNameError: The MDP has no such setting.
    """
    setting_names = mdp_settings(name)
    for setting in settings:
        if setting not in setting_names:
            raise registry.unknown_name(
                f"argument of NASEnv with mdp={name!r}",
                setting,
                [*setting_names, *arguments_of(make)],
            )
    return MDPS.get(name)(space, observation, illegal, objective.failure, **settings)


def mdp_settings(name: str) -> list[str]:
    """Return the names of the settings that are specific to an MDP."""
    shared = arguments_of(MDP)
    return [x for x in arguments_of(MDPS.get(name)) if x not in shared]


def arguments_of(make: Callable[..., Any]) -> list[str]:
    """Return the names of the arguments of a function or class, without `**settings`."""
    arguments = inspect.signature(make).parameters.items()
    return [name for name, x in arguments if x.kind is not x.VAR_KEYWORD]
