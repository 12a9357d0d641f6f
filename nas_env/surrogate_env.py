"""Environments whose networks' numbers are predicted by a surrogate."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from nas_env.env import NASEnv
from nas_env.errors import IncompatibleError, InvalidSettingError, UnknownNameError
from nas_env.evaluation import Budget
from nas_env.evaluators import EVALUATORS, Evaluator
from nas_env.evaluators.surrogate import EPOCHS, SurrogateEvaluator
from nas_env.factories import make_budget, make_objective, mdp_settings
from nas_env.objectives import Objective
from nas_env.registry import choices
from nas_env.surrogates import SURROGATES, Surrogate, SurrogateTask
from nas_env.table_env import ENVIRONMENT, USELESS, check_edit
from nas_env.vector import vector_form

FIXED = ("surrogate", "settings")  # not for whoever makes an environment


def make_surrogate_env(
    surrogate: str,
    hardware: str | None = None,
    evaluator: str | Evaluator = "surrogate",
    objective: str | Objective = "accuracy",
    budget: Budget | Mapping[str, Any] | None = None,
    max_params: int | None = None,
    **settings: Any,
) -> NASEnv:
    """Return the environment of a surrogate: its space, and an evaluator that predicts.

    The optimum is not known, so there is no regret: a surrogate answers for more networks than can
    be listed. It is fitted to a sample of them, so its optimum is an extrapolation, and what a
    search finds best is predicted too well, for selecting by a model selects its errors too. The
    held-out errors are in `info["evaluation"]`; see `nas_env.evaluators.surrogate`.

    Args:
        surrogate: Name of the surrogate.
        hardware: A device whose numbers are metrics without its name before them too, such as
            "latency_ms", which objectives ask for.
        evaluator: "surrogate"; another one evaluates the same space by itself ("training" with
            `task` or `data`).
        objective: What is rewarded; its metrics must be among those predicted.
        budget: Only its training seed and limits may differ: the surrogate has one fidelity.
        max_params: Limit on parameters, kept by the mask.
        settings: Whatever `NASEnv` takes.

    Raises:
        UnknownNameError: No such argument or device.
        InvalidSettingError: A fidelity that there is not, or an argument that means nothing here.
        IncompatibleError: The surrogate does not give what the objective or the process needs.
        InvalidDataError: The surrogate's file is missing or damaged.
    """
    found = SURROGATES.get(surrogate)()
    task = SurrogateTask(found)
    if evaluator != "surrogate":
        _check_evaluator(found, evaluator, hardware, settings)
        if settings.get("task") is None and settings.get("data") is None:
            settings["task"] = task
        settings |= {"objective": objective, "budget": budget, "max_params": max_params}
        return NASEnv(space=found.space, evaluator=evaluator, **settings)
    settings = _checked(settings)
    predicting = SurrogateEvaluator(task, hardware=hardware)
    if isinstance(budget, Mapping | None):
        budget = {"epochs": EPOCHS, **(budget or {})}
    limits = make_budget(budget)
    predicting.check(limits)
    check_edit(f"Surrogate {found.name!r}", predicting.names, settings)
    return NASEnv(
        space=found.make_space(max_params),
        task=task,
        evaluator=predicting,
        objective=_objective(objective, predicting),
        budget=limits,
        **settings,
    )


make_surrogate_vector_env = vector_form(make_surrogate_env)
"""The vector form: `num_envs` lanes, see `nas_env.vector.NASVectorEnv`."""


def _objective(given: str | Objective, predicting: SurrogateEvaluator) -> Objective:
    """Return the objective, or refuse one of a metric that is not predicted."""
    made = make_objective(given)
    lacking = [name for name in made.needs if name not in predicting.names]
    if not lacking:
        return made
    devices = predicting.surrogate.hardware
    by_device = [x for x, metrics in devices.items() if set(lacking) <= {*metrics, "ms_per_image"}]
    remedy = f"Give hardware={' or '.join(map(repr, by_device))}" if by_device else "Choose another"
    known = sorted(predicting.names - predicting.stated.keys())
    raise IncompatibleError(
        f"Objective {given if isinstance(given, str) else type(given).__name__!r} needs "
        f"{' and '.join(lacking)}, which surrogate {predicting.surrogate.name!r} with hardware="
        f"{predicting.hardware!r} does not give. {remedy}. Known: {', '.join(known)}."
    )


def _check_evaluator(
    found: Surrogate, evaluator: str | Evaluator, hardware: str | None, settings: Mapping[str, Any]
) -> None:
    """Refuse another evaluator where the surrogate is asked for, or data are missing."""
    if hardware is not None:
        raise InvalidSettingError(
            f"Evaluator {evaluator!r} does not use the surrogate, from which hardware={hardware!r} "
            "chooses. Leave it out, or use evaluator='surrogate'."
        )
    if settings.get("space") is not None:
        raise InvalidSettingError(
            f"The space is that of surrogate {found.name!r}, {found.space!r}, but space="
            f"{settings['space']!r} was given. Leave it out, or make NAS-v0 with it."
        )
    chosen = EVALUATORS.get(evaluator) if isinstance(evaluator, str) else evaluator
    if getattr(chosen, "free", False) or any(settings.get(x) is not None for x in ("task", "data")):
        return
    raise InvalidSettingError(
        f"Evaluator {evaluator!r} needs data, and those of {found.spec.name!r}, on which the "
        f"networks of surrogate {found.name!r} were trained, do not come along. Give task=NAME or "
        "data=PATH."
    )


def _checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the environment; refuse what is none, or means nothing here."""
    if useless := [name for name in USELESS if settings.get(name) is not None]:
        raise InvalidSettingError(
            f"Networks are predicted and not trained, so {' and '.join(useless)} would mean "
            "nothing. Leave out what means nothing, or use evaluator='training'."
        )
    process = mdp_settings(settings.get("mdp", "construct"))
    ours = inspect.signature(make_surrogate_env).parameters
    known = {*ours, *ENVIRONMENT, *process} - set(FIXED)
    given = {name: value for name, value in settings.items() if name not in USELESS}
    for name in given:
        if name not in known:
            raise UnknownNameError(
                f"An environment of a surrogate has no argument {name!r}.{choices(name, known)}"
            )
    return given
