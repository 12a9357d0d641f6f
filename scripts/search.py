"""Search a network with a reinforcement-learning agent and say honestly what came out."""

from __future__ import annotations

import inspect
import json
import signal
import sys
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import gymnasium
import torch
import tyro

import nas_env  # noqa: F401 - registers the environments
from agents import AGENTS, observation_of
from agents.hyperparameters import preset
from agents.search import SearchResult, run_search
from agents.search.exporting import check_export, export_run, told
from agents.search.folder import RunFolder
from agents.search.interrupt import INTERRUPTED, how_to_go_on, leave_at_the_second_interrupt
from agents.search.own_data import CHOSEN, OwnData, own_data
from agents.search.progress import Progress
from agents.search.provenance import versions
from agents.search.reference import reference_candidate
from agents.search.report import Report
from agents.search.retraining import Retrained, retrain
from agents.search.shown import Shown
from nas_env.env import NASEnv
from nas_env.errors import InvalidSettingError, NASError
from nas_env.evaluators import EVALUATORS, innermost
from nas_env.evaluators.training import Training, over_limit
from nas_env.network import predict
from nas_env.objectives import OBJECTIVES, Objective
from nas_env.registration import ENVIRONMENTS
from nas_env.registry import Registry, unknown_name
from nas_env.sources import ReadOptions
from nas_env.spaces import SPACES
from nas_env.store import SQLStore
from nas_env.store.database import shown
from nas_env.tasks import TASKS, Task
from nas_env.wrappers import Limits

FREE_ON_RESUME = (
    "output",
    "resume",
    "workers",
    "retry_failed",
    "data_cache",
    "data_memory_mb",
    "export",
)  # other ones must be the same
BASELINE = "random"
BY_OTHERS = "If left out, what fits the environment, the other options or --data."
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

    agent: Annotated[str, named("Agent", AGENTS)] = "maskable-ppo"
    preset: str | None = None
    """A paper's settings of the agent, by their name in agents/hyperparameters.toml: metaqnn of
    q-learning, zoph-le and nasnet of reinforce-lstm."""
    env: str = "NAS-v0"
    """Environment id: NAS-v0 (append layers), NASEdit-v0 (change a finished network). Those of
    tables and surrogates are for scripts/benchmark.py."""
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
    max_memory_mb: float | None = None
    """Most memory that training one network is predicted to need, in 10^6 bytes; over it counts as
    a failure, and it is not built."""
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
    """Continue the search in the folder of --output; give the same other options."""
    export: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """At the end, write the best network as files to take away, as scripts/export.py does."""


def main(options: Options) -> int:
    """Run the search and return the exit code."""
    leave_at_the_second_interrupt()
    torch.set_num_threads(1)  # agents and networks are small: one thread is fastest
    path = options.output or Path("runs") / datetime.now().strftime("%Y%m%d-%H%M%S")
    try:
        return search(options, path)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # one that comes while the process ends
        print(f"\nInterrupted. All evaluations are kept. {how_to_go_on(path)}", file=sys.stderr)
        return INTERRUPTED
    except (NASError, gymnasium.error.Error) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def search(options: Options, path: Path) -> int:
    """Run agent and random search, train the best networks anew, write and print the report."""
    check(options)
    options, data = with_data(options)
    limits = Limits(options.evaluations, options.seconds, options.until_score)
    probe = make_env(options, options.agent, None, data.task if data else None)
    if options.export:
        check_export(options.evaluator, innermost(probe.evaluator), data is not None)
    if options.store is not None and not options.resume:
        SQLStore(options.store).close()  # a wrong one is refused before anything is written
    folder = RunFolder(path, recorded(options), options.resume)
    if data is not None:
        folder.write_data(data.to_json())
    print(f"writing to {path}", file=sys.stderr, flush=True)
    if options.resume and folder.finished:
        print(f"The search in {path} has finished.\n\n{folder.summary}")
        if options.retry_failed:
            print(
                "Nothing was tried again: --retry-failed helps a new search over the same --store."
            )
        take_away(options, path)
        return 0
    if options.resume:
        print("going on: what was evaluated before is answered by the store", file=sys.stderr)
    searches = {}
    for name in dict.fromkeys((options.agent, BASELINE)):
        env = make_env(options, name, store_of(options, folder), probe.task)
        settings = {"preset": options.preset} if options.preset and name == options.agent else {}
        searches[name] = run_one(name, env, limits, options.seed, folder, settings)
        folder.write_agent(name, searches[name].agent)
    best = searches[options.agent].best
    spec = probe.task.spec
    folder.write_best(best.candidate, spec, best.score)
    report = make_report(options, probe, folder, searches)
    text = f"# Search with {options.agent} on {spec.name}\n\n{report.markdown()}"
    folder.write_report(report, text)
    print(f"\n{text}\nWritten to {path}")
    take_away(options, path)
    return 0


def take_away(options: Options, path: Path) -> None:
    """Write the best network as files that need nothing of this repository, where asked for."""
    if options.export:
        print(told(*export_run(path)))


def check(options: Options) -> None:
    """Refuse what cannot work before anything is written.

    Raises:
        UnknownNameError: No such environment, agent or preset.
        InvalidSettingError: A number is out of its range.
    """
    ids = [row.id for row in ENVIRONMENTS if "table" not in row.kwargs]
    if options.env not in ids:
        raise unknown_name("environment", options.env, ids)
    observation_of(options.agent, options.env)
    if options.preset is not None:
        preset(options.agent, options.preset)
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


def with_data(options: Options) -> tuple[Options, OwnData | None]:
    """Return the options with nothing left out, and own data where there are some; show them."""
    if options.data is None or options.task is not None:
        for name in ("target", "image_size", "problem", "metric", "data_cache", "data_memory_mb"):
            if getattr(options, name) is not None:
                raise InvalidSettingError(
                    f"Option --{name.replace('_', '-')} is about --data. Give --data, without "
                    "--task."
                )
        standard = {"objective": "accuracy-under-cost", "epochs": 8}
        left_out: dict[str, Any] = {
            key: value for key, value in standard.items() if getattr(options, key) is None
        }
        return replace(options, **left_out), None
    size, folder, memory = options.image_size, options.data_cache, options.data_memory_mb
    reading = ReadOptions(options.target, size, options.problem, folder, memory)
    given = {name: getattr(options, name) for name in CHOSEN}
    data = own_data(options.data, reading, options.metric, given)
    print(data.text, flush=True)
    return replace(options, **data.settings), data


def store_of(options: Options, folder: RunFolder) -> str | Path:
    """Return where the evaluations of a run are kept."""
    return options.store or folder.store


def make_env(
    options: Options, agent: str, store: str | Path | None, task: Task | None = None
) -> Any:
    """Return the environment for an agent; without a store, its bare form for a first check."""
    optional: dict[str, Any] = {"space": options.space, "task": options.task, "data": options.data}
    if task is not None:
        optional = {"space": options.space, "task": task}
    if options.batch_size is not None:
        optional["recipe"] = {"batch_size": options.batch_size}
    optional |= {"start": start_of(options.start), "max_edits": options.max_edits}
    optional |= {"reward": options.reward, "inherit": options.inherit or None}
    optional |= {"workers": options.workers}
    if options.env == "NASEdit-v0":
        optional["until_score"] = options.until_score
    env = gymnasium.make(
        options.env,
        objective=objective(options),
        evaluator=options.evaluator,
        observation=observation_of(agent, options.env),
        budget={
            "epochs": options.epochs,
            "max_seconds": options.max_seconds,
            "max_memory_mb": options.max_memory_mb,
            "max_macs": options.max_macs,
        },
        store=store,
        retry_failed=options.retry_failed,
        max_params=options.max_params,
        device=options.device,
        precision=options.precision if store else "float32",
        **{key: value for key, value in optional.items() if value is not None},
    )
    return env if store else env.unwrapped


def start_of(text: str | None) -> str | list[int] | None:
    """Return the start that an option names: a word, or the decisions of a walk."""
    parts = (text or "").split(",")
    return [int(part) for part in parts] if all(x.strip().isdigit() for x in parts) else text


def objective(options: Options) -> str | Objective | None:
    """Return the objective that the options name."""
    if options.objective == "accuracy-under-cost":
        return OBJECTIVES.get(options.objective)(target_params=options.target_params)
    return options.objective


def run_one(
    name: str,
    env: Any,
    limits: Limits,
    seed: int,
    folder: RunFolder,
    settings: dict[str, Any],
) -> SearchResult:
    """Run one search with progress and event files."""
    progress = Progress(name)
    try:
        token = folder.token(name)
        events = folder.tensorboard
        return run_search(name, env, limits, seed, events, progress, token, **settings)
    finally:
        progress.close()
        env.close()


def make_report(
    options: Options, env: NASEnv, folder: RunFolder, searches: dict[str, SearchResult]
) -> Report:
    """Train the best networks and the reference anew, where networks are trained at all."""
    settings = {**recorded(options), "versions": versions()}
    settings["data_hash"] = getattr(env.task, "data_hash", "")
    first = 1 + options.seed * options.retrain_seeds  # no two searches share a retraining seed
    seeds = range(first, first + options.retrain_seeds)
    retrained: list[Retrained] = []
    searching = make_env(options, options.agent, store_of(options, folder), env.task)
    evaluator = innermost(searching.unwrapped.evaluator)
    if isinstance(evaluator, Training):
        retrained = retrain_all(options, env, evaluator, searches, seeds)
        folder.write_weights(retrained[0])
    spec = env.task.spec
    return Report(settings, searches, retrained, spec.sizes[2], list(seeds), Shown.of(spec))


def retrain_all(
    options: Options,
    env: NASEnv,
    evaluator: Training,
    searches: dict[str, SearchResult],
    seeds: range,
) -> list[Retrained]:
    """Return the agent's best, random search's best and the reference, trained anew."""
    networks = {f"best of {name}": x.best.candidate for name, x in searches.items()}
    recipe = searches[options.agent].best.candidate.recipe
    networks["hand-made reference"] = reference_candidate(env.task.spec, recipe)
    found = []
    for name, candidate in networks.items():
        print(f"training anew with {len(seeds)} seeds: {name}", file=sys.stderr, flush=True)
        budget = replace(env.budget, training_seed=0)
        cost = predict(candidate.architecture, env.task.spec)
        if over_limit(cost, candidate.recipe.batch_size, budget):
            name = f"{name} (over the limit)"
        found.append(retrain(name, candidate, evaluator, env.objective, budget, seeds))
    return found


def recorded(options: Options) -> dict[str, Any]:
    """Return the options that make the numbers, as plain data, and where they are kept."""
    data = asdict(replace(options, output=None, data_cache=None))
    if options.data is not None and ":" not in options.data:
        data["data"] = str(Path(options.data).resolve())
    if options.store is not None:
        path = options.store if "://" in options.store else str(Path(options.store).resolve())
        data["store"] = shown(path)
    for name in FREE_ON_RESUME:
        del data[name]
    return json.loads(json.dumps(data))  # type: ignore[no-any-return]


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options, description=inspect.cleandoc(Options.__doc__ or ""))))
