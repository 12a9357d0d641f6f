"""The plan of a search: the options with all defaults resolved."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import gymnasium

from nas_env.env import NASEnv
from nas_env.errors import IncompatibleError, InvalidSettingError, UnknownNameError
from nas_env.evaluation import Budget
from nas_env.evaluators.training import Training
from nas_env.objectives import OBJECTIVES
from nas_env.registration import ENVIRONMENTS, SURROGATE, TABLE, environment_ids
from nas_env.registry import unknown_name
from nas_env.tasks import Task
from nas_env.wrappers import Limits
from nas_env_agents.common.hyperparameters import preset
from nas_env_cli.key_values import parse_settings
from nas_env_cli.search.options import SearchOptions
from nas_env_cli.search.saved_options import env_settings, read_options, to_json
from nas_env_cli.search.user_data import (
    UserData,
    check_same_data,
    read_task_again,
    read_user_data,
)
from nas_env_cli.specs import AgentSpec, EnvSpec

KNOWN_IDS = {row.id: row for row in ENVIRONMENTS}
LOOK_UP = {TABLE: "tabular", SURROGATE: "surrogate"}  # the evaluator of a family
BASELINE = AgentSpec("random", "random")
PORTFOLIO = "portfolio"  # name of the search of the reference networks
BUDGET = tuple(x.name for x in fields(Budget))
COST = "accuracy-under-cost"
EVALUATIONS = 60  # without a limit on time
DEFAULTS: dict[str, Any] = {"objective": COST, "epochs": 8, "evaluator": "training"}
MAIN_JOB: dict[str, Any] = {"space": "chain-bench", "epochs": 6}  # docs/main-job.md
LEAST = {"seed": 0, "retrain_seeds": 1}


@dataclass(frozen=True)
class SearchPlan:
    """A search with all options resolved.

    Attributes:
        options: The options, complete.
        agent: The agent, with its settings.
        env: The environment's id and the settings of --env-option.
        arguments: Other arguments of the environment, except task, store and observation.
        limits: When the search ends.
        task: The task, with its data.
        trains: Whether networks are trained; if not, nothing is retrained at the end.
        looks_up: Whether a table or a surrogate evaluates, which needs no task and no store.
        user_data: The user's data of a new search; None for another task, and for the search of an
            existing run folder.
    """

    options: SearchOptions
    agent: AgentSpec
    env: EnvSpec
    arguments: Mapping[str, Any]
    limits: Limits
    task: Task
    trains: bool
    looks_up: bool
    user_data: UserData | None = None

    @classmethod
    def resolve(cls, options: SearchOptions) -> SearchPlan:
        """Return the plan for the options of a command line.

        Raises:
            UnknownNameError: A name is not registered.
            InvalidSettingError: A value is out of its range, or an option does not apply.
            NASError: The options contradict each other, or the data cannot be read.
        """
        import_modules(options.search.imports)
        check(options)
        user_data = read_user_data(options)
        if user_data is not None:
            options = options.changed(**user_data.settings)
        plan = cls._of(options, user_data.task if user_data else None)
        if options.output.export and not plan.trains:
            raise InvalidSettingError(
                f"Option --export needs trained networks, but {plan.evaluator_name} trains none. "
                "Use --evaluator training, or nas-env export RUN --train afterwards."
            )
        return replace(plan, user_data=user_data)

    @classmethod
    def of_run(cls, run: Path) -> SearchPlan:
        """Return the plan of the search in a run folder, which may still run.

        Raises:
            InvalidSettingError: The folder has no search.
            InvalidDataError: The data of the search can no longer be read.
            IncompatibleError: The data of the search have changed.
        """
        saved = read_options(run)
        options = SearchOptions.from_json(saved)
        import_modules(options.search.imports)
        task = read_task_again(saved)
        if task is not None:
            check_same_data(run, task)
        plan = cls._of(options, task)
        check_same_data(run, plan.task)
        return plan

    @classmethod
    def _of(cls, options: SearchOptions, task: Task | None) -> SearchPlan:
        """Return the plan for options; `task` is the task of the user's data, if any."""
        agent, env = agent_of(options), env_of(options)
        own = LOOK_UP.get(KNOWN_IDS[env.id].family) if env.id in KNOWN_IDS else None
        looks_up = own is not None and options.search.evaluator in (None, own)
        options = options.changed(agent=agent.name, **_left_out(options, own if looks_up else None))
        limits = options.limits
        if limits.evaluations is None and limits.time is None:
            options = options.changed(evaluations=EVALUATIONS)
        until = _limits_of(options)
        arguments = arguments_of(options)
        data = {} if task is None else {"task": task, "data": None}
        bare = _make(env, {**arguments, **data, "precision": None}, agent)
        inner: Any = bare.unwrapped
        if agent.settings:
            agent.check_settings(bare)
        trains = isinstance(inner.evaluator.unwrapped, Training)
        return cls(options, agent, env, arguments, until, inner.task, trains, looks_up)

    @property
    def agents(self) -> list[AgentSpec]:
        """The agents that search: the chosen agent, then random search unless it is off."""
        compared = self.options.search.compare == "random" and self.agent.name != BASELINE.name
        return [self.agent, BASELINE] if compared else [self.agent]

    @property
    def seed(self) -> int:
        """Seed of agents and environments."""
        return self.options.search.seed

    @property
    def retraining_seeds(self) -> range:
        """Training seeds of the reported networks; no two searches share one."""
        count = self.options.training.retrain_seeds
        first = 1 + self.seed * count
        return range(first, first + count)

    @property
    def evaluator_name(self) -> str:
        """The evaluator or environment that scores networks, for messages."""
        name = self.options.search.evaluator
        return f"evaluator {name!r}" if name else f"environment {self.env.id!r}"

    @property
    def saved(self) -> dict[str, Any]:
        """The content of `options.json`."""
        return to_json(self.options)

    def make_env(self, agent: AgentSpec, store: str | Path | None = None) -> Any:
        """Return an environment of the search.

        Args:
            agent: The agent, which determines the observation.
            store: Store of the evaluations; None: in memory.
        """
        if self.looks_up:
            return _make(self.env, self.arguments, agent)
        more: dict[str, Any] = {"task": self.task, "data": None, "store": store}
        if store is None:
            more["precision"] = None  # "auto" needs a store for its measurements
        return _make(self.env, {**self.arguments, **more}, agent)

    def env_for_reading(self) -> NASEnv:
        """Return the agent's environment without wrappers and store, for reading a run."""
        inner: NASEnv = self.make_env(self.agent).unwrapped
        return inner


def _limits_of(options: SearchOptions) -> Limits:
    """Return the limits of one search; a limit on time is that of the whole command."""
    limits = options.limits
    stored = {} if limits.time is None else {"charge_stored": False}
    return Limits(limits.evaluations, limits.time, limits.until_score, **stored)


def import_modules(names: tuple[str, ...]) -> None:
    """Import modules with registrations; the working directory is on the path.

    Raises:
        UnknownNameError: A module cannot be imported.
    """
    if names and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise UnknownNameError(
                f"Module {name!r} of --import cannot be imported ({error}). Give the name of an "
                "importable module, such as my_plugin for my_plugin.py in the current folder."
            ) from None


def check(options: SearchOptions) -> None:
    """Check options before data are read.

    Raises:
        InvalidSettingError: A number is out of its range, or an option does not apply.
    """
    if options.search.start == "best":
        raise InvalidSettingError(
            "Option --start best needs a store with networks, but a search begins with an empty "
            "store. Give decisions."
        )
    if options.output.resume and options.output.output is None:
        raise InvalidSettingError(
            "Option --resume continues the search in a folder. Give the folder with --output."
        )
    if options.limits.minutes is not None and options.limits.seconds is not None:
        raise InvalidSettingError(
            "Options --minutes and --seconds both limit the time of the command. Give one of them."
        )
    values = dict(options.items())
    for name, least in LEAST.items():
        if values[name] < least:
            raise InvalidSettingError(
                f"Option --{name.replace('_', '-')} must be >= {least}, got {values[name]}."
            )


def agent_of(options: SearchOptions) -> AgentSpec:
    """Return the agent of the options, or the default agent.

    Raises:
        UnknownNameError: No such agent, class or preset.
    """
    search = options.search
    name = search.agent or _default_agent(options)
    settings = parse_settings(search.agent_option, form="--agent-option KEY=VALUE")
    if search.preset is not None:
        preset(name, search.preset)
        settings["preset"] = search.preset
    agent = AgentSpec(name, name, settings)
    agent.load()
    return agent


def _default_agent(options: SearchOptions) -> str:
    if options.search.env == "NASEdit-v0" or env_settings(options).get("mdp") == "edit":
        return "maskable-ppo"
    return "imagination" if (options.training.workers or 1) == 1 else "async-imagination"


def env_of(options: SearchOptions) -> EnvSpec:
    """Return the environment's id with the settings of --env-option.

    Raises:
        UnknownNameError: No such environment.
        InvalidSettingError: A setting was also given as an option.
    """
    name, settings = options.search.env, env_settings(options)
    ids = environment_ids()
    if name not in ids and name not in gymnasium.registry:
        raise unknown_name("environment", name, ids)
    for twice in settings.keys() & options.passed().keys():
        raise InvalidSettingError(
            f"Setting {twice!r} of --env-option was also given as --{twice.replace('_', '-')}. "
            "Leave one of them out."
        )
    return EnvSpec(name, name, settings)


def _left_out(options: SearchOptions, own: str | None) -> dict[str, Any]:
    """Return defaults of omitted options for which the environment has no default."""
    if own is not None:
        return {"evaluator": own}
    row = KNOWN_IDS.get(options.search.env)
    if row is None or not row.trains:
        return {}
    values = {**dict(options.items()), **env_settings(options)}
    task_options = ("space", "task", "data")
    main_job = options.search.env == "NAS-v0" and all(values[name] is None for name in task_options)
    defaults = {**DEFAULTS, **MAIN_JOB} if main_job else DEFAULTS
    return {name: value for name, value in defaults.items() if values[name] is None}


def arguments_of(options: SearchOptions) -> dict[str, Any]:
    """Return the arguments of the environment from the options."""
    passed = options.passed()
    budget = {name: passed.pop(name) for name in BUDGET if name in passed}
    arguments = {**passed, **({"budget": budget} if budget else {})}
    if options.limits.max_latency_ms is not None:
        arguments["latency"] = True
    if "start" in arguments:
        arguments["start"] = parse_start(arguments["start"])
    if arguments.get("objective") == COST:
        cost: Any = OBJECTIVES.get(COST)
        arguments["objective"] = cost(target_params=options.search.target_params)
    if options.training.batch_size is not None:
        arguments["recipe"] = {"batch_size": options.training.batch_size}
    if options.search.env == "NASEdit-v0" or env_settings(options).get("mdp") == "edit":
        arguments["until_score"] = options.limits.until_score
    return arguments


def parse_start(text: str) -> str | list[int]:
    """Parse --start: a word, or decisions."""
    parts = text.split(",")
    return [int(part) for part in parts] if all(x.strip().isdigit() for x in parts) else text


def _make(env: EnvSpec, arguments: Mapping[str, Any], agent: AgentSpec) -> Any:
    """Return an environment with the agent's observation, without arguments that are None.

    Raises:
        IncompatibleError: The environment is not a NASEnv.
    """
    kwargs = {name: value for name, value in arguments.items() if value is not None}
    try:
        instance = EnvSpec(env.label, env.id, {**kwargs, **env.settings}).make(
            agent.observation(env)
        )
    except TypeError as error:
        if env.id in KNOWN_IDS:
            raise
        raise IncompatibleError(
            f"Environment {env.id!r} cannot be searched ({error}). Choose a NASEnv."
        ) from None
    if not isinstance(instance.unwrapped, NASEnv):
        raise IncompatibleError(
            f"Environment {env.id!r} is a {type(instance.unwrapped).__name__} and cannot be "
            "searched. Choose a NASEnv."
        )
    return instance
