"""What a search can be told on the command line."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from nas_env.errors import InvalidSettingError
from nas_env.evaluators import EVALUATORS
from nas_env.objectives import OBJECTIVES
from nas_env.registration import ENVIRONMENTS, TABLE
from nas_env.registry import Registry, unknown_name
from nas_env.sources import hugging_face, torch_dataset
from nas_env.spaces import SPACES
from nas_env.store.database import shown
from nas_env.tasks import TASKS
from nas_env_agents import AGENTS, observation_of
from nas_env_agents.common.hyperparameters import preset

FREE_ON_RESUME = (
    "output",
    "resume",
    "workers",
    "retry_failed",
    "data_cache",
    "data_memory_mb",
    "export",
)  # other ones must be the same
NAMED_DATA = (torch_dataset.PREFIX, hugging_face.PREFIX)  # no paths
BY_OTHERS = "If left out, what fits the environment, the other options or --data."
AGENT = (
    "If left out maskable-ppo, or on --data imagination, which needs fewer networks "
    "(docs/imagination.md; async-imagination where there are several --workers)."
)
OBJECTIVE = "If left out accuracy-under-cost, or metric on --data."
MADE_UP = "The scores of synthetic are made up and free."


def named(what: str, registry: Registry[Any], more: str = "") -> Any:
    """Return the help of an option that takes a registered name."""
    return tyro.conf.arg(help=f"{what}: {', '.join(registry)}. {more}".strip())


@dataclass(frozen=True)
class Options:
    """Search a network with a reinforcement-learning agent; random search runs beside it.

    The defaults are the main job: masked PPO searches a small convolutional network for
    handwritten digits, 100 trained networks, accuracy under a parameter cost.
    """

    agent: Annotated[str | None, named("Agent", AGENTS, AGENT)] = None
    preset: str | None = None
    """A paper's settings of the agent, by name: metaqnn of q-learning, zoph-le and nasnet of
    reinforce-lstm."""
    env: str = "NAS-v0"
    """Environment id: NAS-v0 (append layers), NASEdit-v0 (change a finished network). Those of
    tables and surrogates are for nas-env benchmark."""
    space: Annotated[str | None, named("Search space", SPACES, BY_OTHERS)] = None
    task: Annotated[str | None, named("Task", TASKS, BY_OTHERS)] = None
    data: str | None = None
    """Your data: an .npz of arrays, a CSV or Parquet file, a folder of images by class or an
    archive of one, torchvision:NAME, huggingface:NAME (docs/own-data.md). What is left out below is
    chosen from them."""
    target: str | None = None
    """Column of --data that is to be predicted."""
    image_size: int | None = None
    """Side of the square that the images of --data are resized to."""
    problem: Literal["classification", "regression"] | None = None
    """If left out, what the targets of --data look like."""
    metric: Literal["accuracy", "balanced_accuracy", "f1", "roc_auc", "mse", "mae"] | None = None
    """What is maximised on --data, or minimised: mse and mae."""
    data_cache: Path | None = None
    """Folder for what of --data does not fit in memory; if left out, a temporary one."""
    data_memory_mb: float | None = None
    """Most memory for samples of --data, in 10^6 bytes; if left out, half of what is free."""
    objective: Annotated[str | None, named("What is maximised", OBJECTIVES, OBJECTIVE)] = None
    target_params: int = 10_000
    """Parameters above which accuracy-under-cost charges."""
    evaluator: Annotated[str, named("How networks are scored", EVALUATORS, MADE_UP)] = "training"
    evaluations: int | None = 100
    """End after so many networks new to this search ("None": no such limit)."""
    seconds: float | None = None
    """End after so many seconds; networks found in the store cost what they cost then."""
    until_score: float | None = None
    """End as soon as a network has this score."""
    epochs: int | None = None
    """Epochs each network is trained; if left out 8, or what suits --data."""
    batch_size: int | None = None
    """Samples per update; if left out what the space says, or what suits --data."""
    start: str | None = None
    """Where episodes of NASEdit-v0 begin: random, or decisions, such as 3,14,18,19,21."""
    max_edits: int | None = None
    """Edits after which an episode of NASEdit-v0 is cut off."""
    reward: str | None = None
    """Reward of NASEdit-v0: improvement, score, best."""
    inherit: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """In NASEdit-v0, begin training with the weights of the network before, where shapes allow."""
    max_params: int | None = None
    """Most parameters a network may have; kept by the mask."""
    max_macs: float | None = None
    """Most multiply-accumulates of a network for one sample; over it counts as a failure, and it is
    not built."""
    max_seconds: float | None = None
    """Most seconds one network may train; over it counts as a failure."""
    max_latency_ms: float | None = None
    """Most milliseconds that a network may take for one sample on this machine, the median of 50
    passes on one thread, measured before training; over it counts as a failure, and it is not
    trained. Means --latency too."""
    max_memory_mb: float | None = None
    """Most memory that training one network is predicted to need, in 10^6 bytes; over it counts as
    a failure, and it is not built."""
    latency: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Measure how long each network takes for one sample on this machine."""
    workers: int | None = None
    """Worker processes that train; a network that breaks one harms nothing else. Several at once
    help agents that learn from rollouts (ppo, maskable-ppo, a2c) and those named async-. If left
    out, networks are trained in this process."""
    store: str | None = None
    """Store that several searches share: path of a SQLite file, or URL of a database
    (postgresql://USER@HOST/NAME). If left out, store.sqlite in the folder of the run."""
    retry_failed: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Evaluate networks that failed before, by the store, once more."""
    retrain_seeds: int = 5
    """Seeds the reported networks are trained anew with."""
    seed: int = 0
    """Seed of agent and environment."""
    device: str = "auto"
    """Where networks are trained: auto, cpu, cuda."""
    precision: Literal["float32", "bfloat16", "auto"] = "float32"
    """Precision of training; auto measures once per store which is faster."""
    output: Path | None = None
    """Folder for the run; runs/DATE-TIME if left out."""
    resume: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Continue the search in the folder of --output; other options are as it was begun."""
    export: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """At the end, write the best network as files to take away, as nas-env export does."""


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Return the options of a command line; with --resume, what is left out is as it was begun.

    Args:
        arguments: The words; None: those of this process.
    """
    description = inspect.cleandoc(Options.__doc__ or "")
    options = tyro.cli(Options, args=arguments, description=description)
    file = options.output / "options.json" if options.output else None
    if not options.resume or file is None or not file.is_file():
        return options
    begun = json.loads(file.read_text(encoding="utf-8"))
    names = {x.name for x in fields(Options)} - set(FREE_ON_RESUME)
    known = {name: value for name, value in begun.items() if name in names}
    if "://" in (begun.get("store") or ""):
        del known["store"]  # it is kept without its password
    flags: dict[str, Any] = {name: True for name, value in known.items() if value is True}
    before = replace(Options(), **{x: y for x, y in known.items() if x not in flags})
    again = tyro.cli(Options, args=arguments, description=description, default=before)
    return replace(again, **flags)  # as a default they could not be said again


def agent_of(options: Options) -> str:
    """Return the agent of a search: the one that is named, else what suits the other options."""
    if options.agent is not None:
        return options.agent
    if options.data is None or options.task is not None or options.env != "NAS-v0":
        return "maskable-ppo"
    return "imagination" if (options.workers or 1) == 1 else "async-imagination"


def check(options: Options) -> None:
    """Refuse what cannot work before anything is written.

    Raises:
        UnknownNameError: No such environment, agent or preset.
        InvalidSettingError: A number is out of its range.
    """
    ids = [row.id for row in ENVIRONMENTS if row.family != TABLE]
    if options.env not in ids:
        raise unknown_name("environment", options.env, ids)
    observation_of(agent_of(options), options.env)
    if options.preset is not None:
        preset(agent_of(options), options.preset)
    if options.start == "best":
        raise InvalidSettingError(
            "A search begins with an empty store: --start best names nothing. Give decisions."
        )
    if options.resume and options.output is None:
        raise InvalidSettingError(
            "Option --resume goes on with the search in a folder. Name it with --output."
        )
    for name, least in (("seed", 0), ("retrain_seeds", 1)):
        if getattr(options, name) < least:
            flag = name.replace("_", "-")
            raise InvalidSettingError(
                f"Option --{flag} must be >= {least}, but is {getattr(options, name)}."
            )


def recorded(options: Options) -> dict[str, Any]:
    """Return the options that make the numbers, as plain data, and where they are kept."""
    data = asdict(replace(options, agent=agent_of(options), output=None, data_cache=None))
    if options.data is not None and not options.data.startswith(NAMED_DATA):
        data["data"] = str(Path(options.data).resolve())
    if options.store is not None:
        path = options.store if "://" in options.store else str(Path(options.store).resolve())
        data["store"] = shown(path)
    for name in FREE_ON_RESUME:
        del data[name]
    return json.loads(json.dumps(data))  # type: ignore[no-any-return]
