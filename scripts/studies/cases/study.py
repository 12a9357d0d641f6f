"""Three cases from data to an exported network: docs/cases.md.

Example: python -m scripts.studies cases digits
"""

from __future__ import annotations

import json
import shlex
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from scripts.studies.cases.passengers_table import Rows, lines, numbers
from scripts.studies.cases.timed_commands import ROOT, Steps
from scripts.studies.common.pages import save_page

TEMPLATE = Path(__file__).with_name("template.md")
DATA, RUNS = "data", "runs"
SPLITS = range(5)
TORCH_ONLY = f"{RUNS}/torch-only"
SHOWN, ONE = "docs/cases", "--themes light --widths 1280 --spaces"  # pictures: of the report only
ALONE = (  # with torch only: the predictions for three images of noise
    f'{TORCH_ONLY}/bin/python -c "import torch, sys; sys.path.insert(0, sys.argv[1]); '
    "from network import load, predict; "
    'print(predict(load(), torch.randint(0, 256, (3, %s))))" '
)
CASES = {
    "digits": (
        f"python -m scripts.studies.cases.example_data digits {DATA}/digits",
        f"nas-env search --data {DATA}/digits --evaluations 25 --output {RUNS}/digits",
        f"nas-env retrain {RUNS}/digits --top 3 --seeds 3 --epochs 20",
        f"nas-env export {RUNS}/digits",
        f"nas-env report {RUNS}/digits",
        f"python -m scripts.studies report {RUNS}/digits --output {SHOWN}/digits {ONE}",
        f"python -m venv {TORCH_ONLY}",
        f"{TORCH_ONLY}/bin/pip install --quiet -c constraints.txt torch",
        f"{ALONE % '1, 28, 28'}{RUNS}/digits/export",
    ),
    "passengers": tuple(
        command
        for seed in SPLITS
        for table, run in [(f"{DATA}/passengers-{seed}.csv", f"{RUNS}/passengers-{seed}")]
        for command in (
            f"python -m scripts.studies.cases.example_data passengers {table} --seed {seed}",
            f"nas-env search --data {table} --target survived --max-params 2000 "
            f"--evaluations 60 --seed {seed} --output {run}",
            f"nas-env retrain {run} --top 5 --seeds 3 --epochs 50",
            f"nas-env export {run}",
            f"python -m scripts.studies.cases.baselines {table} --target survived --settings 120 "
            f"--output {run}/baselines.json",
        )
    ),
    "objects": (
        f"python -m scripts.studies.cases.example_data objects {DATA}/objects",
        f"nas-env search --data {DATA}/objects --max-latency-ms 1 --evaluations 60 "
        f"--output {RUNS}/objects",
        f"nas-env retrain {RUNS}/objects --top 2 --seeds 2 --epochs 10",
        f"nas-env export {RUNS}/objects",
        f"nas-env report {RUNS}/objects",
        f"python -m scripts.studies report {RUNS}/objects --output {SHOWN}/objects {ONE}",
        f"{ALONE % '3, 32, 32'}{RUNS}/objects/export",
    ),
}


@dataclass(frozen=True)
class Options:
    """Three cases from data to an exported network; the same command resumes."""

    names: Annotated[
        tuple[Literal["digits", "passengers", "objects"], ...], tyro.conf.Positional
    ] = field(default_factory=tuple)
    """Cases to run; none: only write the page from existing results."""
    page: Path = ROOT / "docs" / "cases.md"
    """The page; times and outputs go into the folder with its name."""


def run(options: Options) -> int:
    """Run the cases, save their outputs, and write the page."""
    folder = options.page.with_suffix("")
    steps = {name: Steps(folder / f"{name}.json", CASES[name]) for name in CASES}
    for name in options.names:
        steps[name].run()
    table = folder / "table.json"
    if "passengers" in options.names:
        tables = [numbers(ROOT / RUNS / f"passengers-{seed}") for seed in SPLITS]
        table.write_text(json.dumps(tables, indent=1), encoding="utf-8")
    splits = json.loads(table.read_text("utf-8")) if table.is_file() else []
    done = {name: x.done() for name, x in steps.items()}
    save_page(options.page, page(done, splits))
    return 0


def page(done: Mapping[str, Sequence[Mapping[str, Any]]], splits: Sequence[Rows]) -> str:
    """Return the page.

    Args:
        done: Records of the finished commands of each case.
        splits: The table of the passengers, one for each split.
    """
    values = {}
    for name, steps in done.items():
        whole = len(steps) == len(CASES[name])
        values[name] = (
            case(steps) if whole else f"Not run yet: `python -m scripts.studies cases {name}`."
        )
    table = "\n".join(lines(splits)) if splits else ""
    return string.Template(TEMPLATE.read_text("utf-8")).substitute(values, table=table)


def case(steps: Sequence[Mapping[str, Any]]) -> str:
    """Return the commands of a case with their times and outputs."""
    parts = ["```bash", *map(timed, steps), "```"]
    for step in steps:
        if text := excerpt(step):
            parts += ["", text]
    how = [", ".join(f"{key} {x}" for key, x in step["versions"].items()) for step in steps]
    parts += ["", *(f"Made with {versions}." for versions in dict.fromkeys(how))]
    return "\n".join(parts)


def timed(step: Mapping[str, Any]) -> str:
    """Return a command with its time."""
    seconds = step["seconds"]
    time = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
    return f"{step['command']}  # {time}"


def excerpt(step: Mapping[str, Any]) -> str:
    """Return the part of a command's output that the page shows."""
    command, output = step["command"], step["output"].strip()
    if "nas-env search" in command:
        summary: str = output[output.index("# Search with") :].partition("\n")[2]
        return summary.partition("How it was made:")[0].strip()
    if "nas-env retrain" in command:
        return str(output.partition("\nWritten to")[0].strip())
    if output and ("nas-env export" in command or " -c " in command):
        return f"```text\n{output}\n```"
    if "scripts.studies report" in command:
        words = shlex.split(command)
        folder = Path(words[words.index("--output") + 1]).relative_to("docs")
        pictures = {"The report": "light-1280", "Further down": "light-1280-below"}
        return "\n".join(f"![{x}: {words[4]}]({folder}/{pictures[x]}.png)" for x in pictures)
    return ""
