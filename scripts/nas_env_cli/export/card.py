"""The model card of an exported network: description, origin, quality and limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import sqrt
from pathlib import Path
from typing import Any

from nas_env.architecture import Candidate
from nas_env.export import Exported
from nas_env.export.calibration import Calibration
from nas_env.layers import layer_type
from nas_env.markup import markdown
from nas_env.network import predict
from nas_env.tasks import Task, TaskSpec
from nas_env.tasks._class_weights import weights_in_words
from nas_env.tasks.own_data import DataTask
from nas_env_cli.export.finished import FinishedRun, Trained
from nas_env_cli.export.usage import data_name, title, usage
from nas_env_cli.metric_format import MetricFormat

LIMITS = """\
- It was evaluated only on samples like those of {task}. Test it before you use it on samples from
  another source, such as another camera, another hospital or another year.
- It was selected by its {metric} on the validation split, so that value is optimistic. The test
  split {opened}. Each further use makes it less independent.
- {split}
- {answer}
- The 8-bit {metric} was measured on the validation split with onnxruntime on a CPU; other hardware
  may round differently."""
SHARE = """\
One split of the data was used. With another split of the same size, the accuracy of any network
  changes by about {error:.2f} points (one standard error with {size} test samples)."""
SPLIT = """\
One split of the data was used, with {size} test samples. The variation of {metric} between splits
  was not measured."""
CLASSES = """\
It always predicts one of {outputs} classes. {calibrated}, and it is not protected against
  adversarial samples."""
UNCALIBRATED = "Its probabilities are not calibrated"
CALIBRATED = """\
Its probabilities are calibrated for samples like those of the validation split, on which the
  temperature was fitted and the calibration error was measured"""
KEPT = "at most {most}; the weights are those of epoch {kept}, the best on validation"
WEIGHTED = (
    "the training loss weighted each class, {words}. The probabilities therefore fit data in which "
    "all classes are about equally frequent"
)
NUMBERS = """\
It always predicts a number, even for samples far from the training data, and gives no uncertainty.
  It is not protected against adversarial samples."""


def write_card(run: FinishedRun, trained: Trained, exported: Exported, folder: Path) -> str:
    """Return the card as Markdown.

    Args:
        run: The search.
        trained: The exported weights.
        exported: The exported files.
        folder: The folder of the files.
    """
    task = run.task
    parts = [
        f"# {title(run)}",
        _network(run.task, trained, exported),
        f"## How to use it\n\n{usage(run)}",
        f"## Data\n\n{_bullets(_data(task))}",
        f"## How it was found\n\n{_search(run)}",
        f"## How it was trained\n\n{_bullets(_training(run.task, trained))}",
        f"## How good it is\n\n{_quality(run, trained, exported)}",
        f"## Files\n\n{_files(exported, folder)}",
        f"## Limits\n\n{_limits(run, trained, exported)}",
        f"## Versions\n\n{_bullets(_versions(run))}",
    ]
    return "\n\n".join(parts) + "\n"


def _bullets(values: Mapping[str, Any]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in values.items())


def _network(task: Task, trained: Trained, exported: Exported) -> str:
    spec, networks = task.spec, trained.networks
    costs = [predict(x.candidate.architecture, spec) for x in networks]
    unused = sum(x.params for x in costs) - exported.params
    outputs = "standardised target" if spec.problem == "regression" else "logits"
    unread = f" ({unused:,} more in the search that no output depends on)" if unused else ""
    many = f" in an ensemble of {len(networks)} networks" if trained.members else ""
    different = {x.candidate.architecture.key: x.candidate for x in networks}
    return (
        f"Input (batch, {', '.join(map(str, spec.input_shape))}), output (batch, "
        f"{spec.num_outputs}) {outputs}; {exported.params:,} parameters{many}{unread}, "
        f"{sum(x.macs for x in costs):,} multiply-accumulates a sample.\n\n"
        + "\n\n".join(map(_layers, different.values()))
    )


def _layers(candidate: Candidate) -> str:
    labels = [layer_type(layer).label(layer) for layer in candidate.architecture.layers]
    return (
        f"Layers: {'; '.join(labels)}; and a fully connected output layer. Key of the candidate: "
        f"`{candidate.key}`."
    )


def _data(task: Task) -> dict[str, Any]:
    train, validation, test = task.spec.sizes
    steps = [step["step"] for step in getattr(task, "preprocessing", [])]
    how = "By a fixed seed of the task."
    if isinstance(task, DataTask):
        how = markdown(" ".join(task.data.notes))  # contains column names
    return {
        "task": f"{task.spec.name}, version {task.spec.version}",
        "SHA-256 of all three splits": f"`{getattr(task, 'data_hash', '') or 'unknown'}`",
        "metric": _metric(task.spec),
        "split": f"{train:,} training, {validation:,} validation, {test:,} test samples. {how}",
        "preprocessing": ", ".join(steps) or "none declared by the task",
    }


def _metric(spec: TaskSpec) -> str:
    words = MetricFormat.of(spec).words
    if spec.higher_is_better:
        return words
    unit = "the square of the target's unit" if spec.metric == "mse" else "the target's unit"
    baseline = f"the best constant guess has {spec.baseline_error:.5g} on the training split"
    return f"{words}, in {unit}; {baseline}"


def _search(run: FinishedRun) -> str:
    compared = run.agent != "random" and "random" in run.summary["searches"]
    baseline = "; random search is the baseline" if compared else ""
    lines = [
        f"Objective {run.options['objective']}, search seed {run.options['seed']}, "
        f"{run.epochs} epochs per network{baseline}. {_kept(run)}",
        "",
        "| search | new networks | total epochs | total seconds | best validation score |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, x in run.summary["searches"].items():
        lines.append(
            f"| {name} | {x['evaluations']} | {x['charged_epochs']:,} "
            f"| {x['charged_seconds']:,.0f} | {x['best']['score']:.4f} |"
        )
    verdicts = [f"- {line}" for line in run.summary["verdicts"]]
    return "\n".join([*lines, "", *verdicts])


def _kept(run: FinishedRun) -> str:
    """Return the limits of a network in the search."""
    names = ("max_params", "max_macs", "max_latency_ms", "max_memory_mb", "max_seconds")
    values = {name: x for name in names if (x := run.options.get(name)) is not None}
    limits = ", ".join(f"{name} {value:,}" for name, value in values.items())
    return f"Limits of a network: {limits}." if limits else "Networks had no limits."


def _training(task: Task, trained: Trained) -> dict[str, Any]:
    recipes = dict.fromkeys(_recipe(x.candidate) for x in trained.networks)
    seeds = sorted({x.seed for x in trained.networks})
    values = {
        "recipe" if len(recipes) == 1 else "recipes": "; ".join(recipes),
        "epochs": trained.epochs,
        "training seed" if len(seeds) == 1 else "training seeds": ", ".join(map(str, seeds)),
        "weights": trained.origin,
    }
    if trained.kept_epoch is not None:
        values["epochs"] = KEPT.format(most=trained.epochs, kept=trained.kept_epoch)
    if isinstance(task, DataTask) and task.class_weights is not None:
        words = weights_in_words(task.class_weights, task.classes)
        values["class weights"] = WEIGHTED.format(words=markdown(words))
    return values


def _recipe(candidate: Candidate) -> str:
    return ", ".join(f"{key} {value}" for key, value in candidate.recipe.to_json().items())


def _quality(run: FinishedRun, trained: Trained, exported: Exported) -> str:
    rows = list(_measures(run, trained, exported))
    lines = ["| what | value |", "| --- | ---: |", *(f"| {a} | {b} |" for a, b in rows)]
    return "\n".join(lines)


def _measures(
    run: FinishedRun, trained: Trained, exported: Exported
) -> Iterator[tuple[str, object]]:
    fmt, validation = run.metric_format, exported.validation.get(run.metric_format.metric)
    if validation is not None:
        nats = run.task.spec.problem == "classification"
        unit = "nats" if nats else "squared standard deviations of the target"
        yield f"validation {fmt.title}", fmt.number(validation)
        yield f"validation loss, {unit}", f"{exported.validation['loss']:.4f}"
    if trained.tested:
        yield f"test {fmt.title}", fmt.number(trained.tested[0])
        if validation is not None:
            points = ", points" if fmt.fraction else ""
            gap = fmt.signed(validation - trained.tested[0])
            yield f"validation minus test {fmt.words}{points}", gap
        seeds = f"over {len(trained.tested)} training seeds"
        percent = ", %" if fmt.fraction else ""
        if not trained.members:
            yield f"test {fmt.words} {seeds}{percent}", fmt.spread(trained.tested)
    if exported.calibration is not None:
        yield from _calibration(exported.calibration)
    latency = (run.retrained or {}).get("latency_ms")
    is_best = trained.candidate.key == run.candidate.key and not trained.members
    if latency is not None and is_best:
        most = run.options.get("max_latency_ms")
        over = f" (over the limit of {most:g})" if most is not None and latency > most else ""
        yield "latency of a sample, measured for the report, ms", f"{latency:.3g}{over}"
    if exported.onnx_difference is not None:
        yield "largest difference of an ONNX output", f"{exported.onnx_difference:.1e}"
    if exported.quantised is not None:
        yield (
            f"validation {fmt.words} in float32, in 8-bit integers{', %' * fmt.fraction}",
            ", ".join(map(fmt.number, exported.quantised.quality)),
        )
        first, last = exported.quantised.size
        yield "bytes in float32, in 8-bit integers (ONNX)", f"{first:,}, {last:,}"


def _calibration(x: Calibration) -> Iterator[tuple[str, object]]:
    limit = " (a limit of the search)" if x.at_a_limit else ""
    yield "temperature, fitted on the validation split", f"{x.temperature:g}{limit}"
    yield (
        "expected calibration error on validation, before and after, %",
        f"{100 * x.before:.2f}, {100 * x.after:.2f}",
    )


def _files(exported: Exported, folder: Path) -> str:
    lines = ["| file | bytes | content |", "| --- | ---: | --- |"]
    for name, what in exported.files.items():
        lines.append(f"| `{name}` | {(folder / name).stat().st_size:,} | {what} |")
    lines += [
        "",
        "The outputs of `network.py` were compared with those of the searched network and are "
        "identical, bit for bit. The other formats take the output of its `preprocess`.",
    ]
    lines += [f"- `{name}` was left out: {why}." for name, why in exported.left_out.items()]
    return "\n".join(lines)


def _limits(run: FinishedRun, trained: Trained, exported: Exported) -> str:
    task = run.task
    size = max(1, task.spec.sizes[2])
    most = 100 * sqrt(0.25 / size)  # largest standard error of a share
    metric = MetricFormat.of(task.spec).words
    split = SHARE.format(error=most, size=size)
    if metric != "accuracy":
        split = SPLIT.format(size=size, metric=metric)
    calibrated = UNCALIBRATED if exported.calibration is None else CALIBRATED
    answer = CLASSES.format(outputs=task.spec.num_outputs, calibrated=calibrated)
    if task.spec.problem == "regression":
        answer = NUMBERS
    values = {"task": data_name(run), "metric": metric, "opened": trained.opened}
    return LIMITS.format(**values, split=split, answer=answer)


def _versions(run: FinishedRun) -> dict[str, Any]:
    return dict(run.summary["settings"].get("versions", {}))
