"""The title and the usage section of a model card."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nas_env.export.preprocessing import steps_of, write_steps
from nas_env.markup import code
from nas_env.tasks.own_data import DataTask
from nas_env_cli.export.finished import FinishedRun
from nas_env_cli.search.saved_options import NAMED_DATA

KINDS = (("numeric", "numbers"), ("categorical", "text"), ("date", "dates"))
MOST_NAMES = 50  # classes or columns that the card lists
OF_TABLE = """\
import csv

from network import {answer}, encode, load

with open("new.csv", newline="", encoding="utf-8-sig") as file:
    rows = list(csv.DictReader(file, delimiter=","))  # or the separator of your file
print({answer}(load(), encode(rows)))"""
OF_IMAGES = """\
from network import {answer}, encode, load

print({answer}(load(), encode(["one.png", "two.png"])))"""
OF_TENSORS = """\
import torch

from network import {constants}{answer}, load

samples = {example}  # replace by your samples, in the form of the data
print({answer}(load(), samples))"""
NOTES = {
    OF_TABLE: "Empty cells are missing values, and numbers have decimal points.",
    OF_IMAGES: "Images may have any size. Reading them needs Pillow.",
    OF_TENSORS: (
        "Samples are tensors or NumPy arrays in the form of the data, before any preprocessing."
    ),
}


def data_name(run: FinishedRun) -> str:
    """Return the name of the data for the card; for own data, the name of the file or folder."""
    data = run.options.get("data")
    if data is None:
        return run.task.spec.name
    return code(data if data.startswith(NAMED_DATA) else Path(data).name)


def title(run: FinishedRun) -> str:
    """Return the title of the card."""
    if run.options.get("data") is None:
        return f"A network for {data_name(run)}"
    target, spec = _target(run), run.task.spec
    what = f"distinguishes {spec.num_outputs} classes"
    if target or spec.problem == "regression":
        what = f"predicts {code(target) if target else 'a number'}"
    return f"A network that {what}, trained on {data_name(run)}"


def usage(run: FinishedRun) -> str:
    """Return the inputs and outputs of the network and an example program, as Markdown."""
    task, spec = run.task, run.task.spec
    first = next(iter(getattr(task, "preprocessing", [])), {"step": ""})["step"]
    program = {"columns": OF_TABLE, "image": OF_IMAGES}.get(first, OF_TENSORS)
    has_class_names = spec.problem == "classification" and len(getattr(task, "classes", ())) > 0
    shape = ", ".join(map(str, spec.input_shape))
    example = write_steps(steps_of(task)).example.replace("{shape}", shape)
    text = program.format(
        answer="classify" if has_class_names else "predict",
        constants="MEAN, SD, " if "MEAN" in example else "",
        example=example,
    )
    lines = "\n".join(f"- {line}" for line in _names(run))
    return (
        f"{lines}\n\nIn the folder of this card, with torch installed:\n\n"
        f"```python\n{text}\n```\n\n"
        f"{NOTES[program]}"
    )


def _names(run: FinishedRun) -> Iterator[str]:
    """Yield sentences on the prediction and the columns that it needs."""
    task, target = run.task, _target(run)
    classes = [str(x) for x in getattr(task, "classes", ())]
    what = f"It predicts the column {code(target)}" if target else "It predicts"
    if task.spec.problem == "regression":
        yield f"{what}{':' if target else ''} a number."
    elif classes:
        yield f"{what}{', ' if target else ' '}one of these classes: {_listed(classes)}."
    else:
        yield f"{what} one of {task.spec.num_outputs} classes, given as an index."
    for step in getattr(task, "preprocessing", []):
        for kind, words in KINDS:
            names = [x["name"] for x in step.get("columns", ()) if x["kind"] == kind]
            if names:
                yield f"It needs columns of {words}: {_listed(names)}."


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return ", ".join(map(code, names[:MOST_NAMES])) + more


def _target(run: FinishedRun) -> str | None:
    """Return the target column if the data are a table."""
    task: Any = run.task
    return (task.data.target or None) if isinstance(task, DataTask) else None
