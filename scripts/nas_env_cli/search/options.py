"""The options of `nas-env search`.

This module loads neither torch nor a registry, so that `--help` answers at once. Names are
validated by `nas_env_cli.search.plan`.

An option marked with `ToEnv` has the name of an argument of `NASEnv`, of its MDP, or of a field of
`Budget`, and is passed on under that name: to add one, add a field here and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

import tyro

from nas_env_cli.key_values import as_texts

PASSED = "passed to the environment"  # marks an option
T = TypeVar("T")
ToEnv = Annotated[T, PASSED]
Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]
KeyValues = Annotated[
    tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE"), tyro.conf.UseAppendAction
]
Columns = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=KIND"), tyro.conf.UseAppendAction]
Words = Annotated[tuple[str, ...], tyro.conf.arg(metavar="WORD"), tyro.conf.UseAppendAction]
Modules = Annotated[
    tuple[str, ...], tyro.conf.arg(name="import", metavar="MODULE"), tyro.conf.UseAppendAction
]
Problem = Literal["classification", "regression"]
METRICS = ("accuracy", "balanced_accuracy", "f1", "roc_auc", "mse", "mae")
Metric = Literal["accuracy", "balanced_accuracy", "f1", "roc_auc", "mse", "mae"]
FROM_TARGETS = "chosen from the targets"
NO_LIMIT = "no limit"
EVALUATIONS = "60; with --minutes or --seconds no limit"
AGENT = "imagination; with --workers async-imagination, on NASEdit-v0 maskable-ppo"
OBJECTIVE = "accuracy-under-cost; on --data metric; of a table or surrogate, its own"
EVALUATOR = "training; of a table or surrogate, itself"
EPOCHS = "8; of the main job 6; chosen from --data; of a table, its own"
SPACE = "one that fits the task; without --task and --data chain-bench"


def hint(metavar: str, default: str) -> Any:
    """Return how the help shows an option whose default is None."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {default})")


@dataclass(frozen=True)
class DataOptions:
    """The task, or your own data. Omitted options are chosen from the data.

    Example: nas-env search --data houses.csv --target price --metric mae
    """

    task: Annotated[ToEnv[str | None], hint("NAME", "that of the space")] = None
    """Registered task (nas-env list tasks)."""
    data: Annotated[ToEnv[str | None], hint("PATH", "the task's own")] = None
    """Your data: an .npz of arrays, a CSV or Parquet file, a folder of images by class or an
    archive of one, torchvision:NAME, huggingface:NAME (docs/own-data.md)."""
    target: Annotated[str | None, hint("COLUMN", "one called target, label, class or y")] = None
    """Column of --data to predict."""
    image_size: Annotated[int | None, hint("PIXELS", "chosen from the data")] = None
    """Side of the square that the images of --data are resized to."""
    skip_bad_files: Flag = False
    """Leave out images of --data that cannot be read, and list them."""
    problem: Annotated[Problem | None, hint("{classification,regression}", FROM_TARGETS)] = None
    """Kind of problem of --data."""
    metric: Annotated[Metric | None, hint("{" + ",".join(METRICS) + "}", FROM_TARGETS)] = None
    """Metric on --data; mse and mae are minimised, the others maximised."""
    class_weights: Annotated[
        Literal["auto", "balanced", "none"] | None, hint("{auto,balanced,none}", "auto")
    ] = None
    """Weights of classes in the training loss: balanced lets rare classes of --data count as much
    as frequent ones; auto is balanced for the metric balanced_accuracy."""
    data_cache: Annotated[Path | None, hint("FOLDER", "a temporary one")] = None
    """Folder for samples of --data that do not fit in memory."""
    data_memory_mb: Annotated[float | None, hint("MB", "half of what is free")] = None
    """Memory for samples of --data, in 10^6 bytes."""
    column: Columns = ()
    """What a column of --data holds: number, category, text, date or ignore."""
    missing: Words = ()
    """Word that counts as missing in a table, such as --missing=-999."""
    no_default_missing: Flag = False
    """Only empty values and the words of --missing are missing; NA and None may be classes."""


@dataclass(frozen=True)
class ControllerOptions:
    """The environment, and the agent that searches.

    Example: nas-env search --env NASBench201-v0 --env-option dataset=cifar100 --agent q-learning
    """

    agent: Annotated[str | None, hint("NAME", AGENT)] = None
    """Registered agent (nas-env list agents), or MODULE:CLASS."""
    compare: Literal["random", "none"] = "random"
    """Search beside the agent, as comparison; none switches it off."""
    agent_option: KeyValues = ()
    """Setting of the agent, such as discount=0.9."""
    preset: Annotated[str | None, hint("NAME", "none")] = None
    """Settings of the agent from a paper: metaqnn of q-learning, zoph-le and nasnet of
    reinforce-lstm."""
    env: Annotated[str, tyro.conf.arg(metavar="ID")] = "NAS-v0"
    """Environment (nas-env list environments). NAS-v0 appends layers, NASEdit-v0 changes a finished
    network; environments of tables and surrogates look networks up and train nothing."""
    env_option: KeyValues = ()
    """Argument of the environment that has no option of its own, such as dataset=cifar100."""
    imports: Modules = ()
    """Module that registers agents, spaces, tasks, layers or environments of yours."""
    space: Annotated[ToEnv[str | None], hint("NAME", SPACE)] = None
    """Search space (nas-env list spaces)."""
    objective: Annotated[ToEnv[str | None], hint("NAME", OBJECTIVE)] = None
    """What is maximised (nas-env list objectives)."""
    target_params: int = 10_000
    """Parameters above which accuracy-under-cost subtracts a cost."""
    evaluator: Annotated[ToEnv[str | None], hint("NAME", EVALUATOR)] = None
    """How networks are scored (nas-env list evaluators). The synthetic evaluator makes up scores
    without training."""
    start: Annotated[ToEnv[str | None], hint("WALK", "random")] = None
    """First network of an episode that edits: random, or decisions, such as 3,14,18,19,21."""
    max_edits: Annotated[ToEnv[int | None], hint("COUNT", "the environment's own")] = None
    """Edits after which an episode that edits is truncated."""
    reward: Annotated[ToEnv[str | None], hint("NAME", "the environment's own")] = None
    """Reward of NASEdit-v0: improvement, score or best. Of a table: the column to reward."""
    inherit: ToEnv[Flag] = False
    """Begin training with the weights of the network before the edit, where shapes allow."""
    seed: int = 0
    """Seed of agent and environment."""


@dataclass(frozen=True)
class LimitOptions:
    """When the search ends, and what a network may cost. A network over a limit fails.

    Example: nas-env search --evaluations 50 --max-params 20000 --max-seconds 30
    """

    evaluations: Annotated[int | None, hint("COUNT", EVALUATIONS)] = None
    """End after this many networks that are new to this search."""
    minutes: Annotated[float | None, hint("MINUTES", NO_LIMIT)] = None
    """Time limit of the whole command: reading, search, comparison, retraining and export. A
    network that is being trained is stopped. Networks from the store cost no time."""
    seconds: Annotated[float | None, hint("SECONDS", NO_LIMIT)] = None
    """As --minutes, in seconds."""
    until_score: Annotated[float | None, hint("SCORE", NO_LIMIT)] = None
    """End as soon as a network has this score."""
    max_params: Annotated[ToEnv[int | None], hint("COUNT", NO_LIMIT)] = None
    """Maximum parameters of a network; enforced by the action mask."""
    max_macs: Annotated[ToEnv[float | None], hint("COUNT", NO_LIMIT)] = None
    """Maximum multiply-accumulates of a network for one sample; checked before it is built."""
    max_seconds: Annotated[ToEnv[float | None], hint("SECONDS", NO_LIMIT)] = None
    """Maximum training time of one network, in seconds."""
    max_latency_ms: Annotated[ToEnv[float | None], hint("MS", NO_LIMIT)] = None
    """Maximum latency of a network for one sample on this machine (median of 50 passes on one
    thread); measured before training. Implies --latency."""
    max_memory_mb: Annotated[ToEnv[float | None], hint("MB", NO_LIMIT)] = None
    """Maximum predicted memory for training a network, in 10^6 bytes; checked before it is
    built."""

    @property
    def time(self) -> float | None:
        """Seconds of the whole command; None: no limit."""
        return self.seconds if self.minutes is None else 60 * self.minutes


@dataclass(frozen=True)
class TrainingOptions:
    """How networks are trained, during the search and for its report.

    Example: nas-env search --epochs 4 --workers 2 --retrain-seeds 3
    """

    epochs: Annotated[ToEnv[int | None], hint("COUNT", EPOCHS)] = None
    """Epochs of each training."""
    batch_size: Annotated[int | None, hint("COUNT", "chosen by the space or --data")] = None
    """Samples per update."""
    latency: ToEnv[Flag] = False
    """Measure how long each network takes for one sample on this machine."""
    workers: Annotated[ToEnv[int | None], hint("COUNT", "train in this process")] = None
    """Worker processes that train; the search survives the crash of a worker. More workers help
    agents that learn from rollouts (ppo, maskable-ppo, a2c) and those named async-."""
    retry_failed: ToEnv[Flag] = False
    """Evaluate networks again that failed before, according to the store."""
    retrain_seeds: int = 5
    """Number of seeds with which the reported networks are retrained."""
    device: Annotated[ToEnv[str], tyro.conf.arg(metavar="{auto,cpu,cuda}")] = "auto"
    """Device of the trainings."""
    precision: ToEnv[Literal["float32", "bfloat16", "auto"]] = "float32"
    """Precision of the trainings; auto measures once per store which one is faster."""


@dataclass(frozen=True)
class OutputOptions:
    """Where results are written.

    Example: nas-env search --output runs/mine --resume
    """

    output: Annotated[Path | None, hint("FOLDER", "runs/DATE-TIME")] = None
    """Folder of the run."""
    store: Annotated[str | None, hint("PATH|URL", "store.sqlite in the folder of the run")] = None
    """Store shared by several searches: path of a SQLite file, or URL of a database
    (postgresql://USER@HOST/NAME)."""
    resume: Flag = False
    """Continue the search in the folder of --output; other options keep their values."""
    export: Flag = False
    """At the end, export the best network, as nas-env export does."""


@dataclass(frozen=True)
class SearchOptions:
    """Search for a network with a reinforcement-learning agent, and random search as baseline.

    The defaults are the main job (docs/main-job.md): the agent imagination searches a small
    convolutional network for moved and noisy digits (task mnist-small, space chain-bench): 60
    networks, 6 epochs each, accuracy under a parameter cost.
    """

    data: Annotated[DataOptions, tyro.conf.OmitArgPrefixes] = field(default_factory=DataOptions)
    search: Annotated[ControllerOptions, tyro.conf.OmitArgPrefixes] = field(
        default_factory=ControllerOptions
    )
    limits: Annotated[LimitOptions, tyro.conf.OmitArgPrefixes] = field(default_factory=LimitOptions)
    training: Annotated[TrainingOptions, tyro.conf.OmitArgPrefixes] = field(
        default_factory=TrainingOptions
    )
    output: Annotated[OutputOptions, tyro.conf.OmitArgPrefixes] = field(
        default_factory=OutputOptions
    )

    @classmethod
    def of(cls, **values: Any) -> SearchOptions:
        """Return options with the given values, by their names without the group."""
        return cls().changed(**values)

    def changed(self, **values: Any) -> SearchOptions:
        """Return these options with other values, by their names without the group."""
        groups = {}
        for group in fields(self):
            own = getattr(self, group.name)
            names = [x.name for x in fields(own) if x.name in values]
            groups[group.name] = replace(own, **{name: values.pop(name) for name in names})
        if values:
            raise TypeError(f"Unknown options: {', '.join(values)}.")
        return replace(self, **groups)

    def items(self) -> Iterator[tuple[str, Any]]:
        """Yield name and value of each option, without the groups."""
        for group in fields(self):
            own = getattr(self, group.name)
            for x in fields(own):
                yield x.name, getattr(own, x.name)

    def passed(self) -> dict[str, Any]:
        """Return the options for the environment that differ from their defaults."""
        names, defaults = passed_names(type(self)), dict(type(self)().items())
        return {name: x for name, x in self.items() if name in names and x != defaults[name]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SearchOptions:
        """Return the options that `options.json` of a run holds; other entries are ignored."""
        values = {name: data[name] for name, _ in cls().items() if name in data}
        for name in ("agent_option", "env_option"):
            values[name] = as_texts(values.get(name) or {})
        for name in ("imports", "column", "missing"):
            values[name] = tuple(values.get(name) or ())
        return cls.of(**values)


def passed_names(kind: type[SearchOptions]) -> frozenset[str]:
    """Return the names of the options that are passed to the environment."""
    return frozenset(
        name
        for group in fields(kind())
        for name, hint in get_type_hints(
            type(getattr(kind(), group.name)), include_extras=True
        ).items()
        if PASSED in getattr(hint, "__metadata__", ())
    )
