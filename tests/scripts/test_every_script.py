"""Every script runs as a command with tiny arguments and leaves what it promises."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from nas_env.objectives import OBJECTIVES
from nas_env.registration import ENVIRONMENTS, TABLE
from nas_env.spaces import SPACES
from nas_env_cli.main import COMMANDS
from scripts.bench.__main__ import BENCHMARKS
from scripts.data.__main__ import NAMES
from scripts.studies.__main__ import pages
from scripts.studies.common.experiment import Experiment
from tests.support.paths import ROOT, program
from tests.support.programs import run_program

ALONE = sorted(
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    for folder in ("integrations", "studies/cases")
    for path in (ROOT / "scripts" / folder).rglob("*.py")
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
)
PROGRAMS = [
    *ALONE,
    "scripts.bench",
    *(f"scripts.bench {name}" for name in BENCHMARKS),
    *(f"scripts.data {name}" for name in NAMES),
]
STUDIES = [f"scripts.studies {name}" for name in pages()]
SCRIPTS = [*PROGRAMS, *STUDIES, *(f"nas-env {name}" for name in COMMANDS)]
KEPT = ("docs", "nas_env/data")  # what a script with an --output of its own leaves alone


def run(command: str, out: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a script as a user does, in the root of the repository; {out} is a folder."""
    done = run_program(program(command.format(out=out)))
    assert done.returncode == code, f"{command}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def table(page: Path, number: int = 0) -> list[list[str]]:
    """Return the cells of a page's table, without its heading."""
    blocks = re.findall(r"(?:^\|.*\n)+", page.read_text(encoding="utf-8"), re.MULTILINE)
    lines = blocks[number].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def number(cell: str) -> float:
    """Return the first number of a cell."""
    return float(cell.split()[0].replace(",", ""))


def check_cases(out: Path) -> None:
    page = (out / "cases.md").read_text(encoding="utf-8")
    for name in ("digits", "mnist-15k", "photographs", "adult", "california-housing", "diabetes"):
        assert f"Not run yet: `python -m scripts.studies cases {name}`." in page


def check_example_data(out: Path) -> None:
    import pandas
    from sklearn.datasets import load_diabetes

    frame = load_diabetes(as_frame=True, scaled=False).frame
    pandas.testing.assert_frame_equal(pandas.read_csv(out / "table.csv"), frame, check_dtype=False)
    again = run("scripts.studies.cases.example_data diabetes {out}/table.csv", out, code=2).stderr
    assert "table.csv exists already. Remove it or choose another." in again


def check_startup(out: Path) -> None:
    rows = table(out / "startup.md")
    assert [row[0] for row in rows] == ["`import gymnasium`", "`import nas_env`", "difference"]
    assert min(number(row[1]) for row in rows[:2]) > 0
    assert rows[1][2] == "no"  # torch


def check_memory(out: Path) -> None:
    rows = table(out / "memory.md")
    nas_env, torch, search = sorted(rows, key=lambda row: number(row[1]))
    assert (nas_env[0], torch[0]) == ("`import nas_env`", "`import torch`")
    assert search[0] == "search, 2 networks"
    assert "epochs of each: 1, retraining seeds: 1" in (out / "memory.md").read_text()


def check_steps(out: Path) -> None:
    rows = table(out / "steps.md")
    assert [row[3] for row in rows if row[0].startswith("CartPole")] == ["1.00 (1.00 to 1.00)"]
    assert sum(row[0].startswith("NAS-v0") for row in rows) == 8
    assert sum(row[0].startswith("NASBench201-v0") for row in rows) == len(rows) - 9 == 4
    assert all(number(row[1]) > 1 and number(row[2]) > 0 for row in rows)


def check_tables(out: Path) -> None:
    rows = table(out / "tables.md")
    assert {row[0].strip("`") for row in rows} == {
        row.id
        for row in ENVIRONMENTS
        if row.family == TABLE and row.id != "NASTable-v0"  # a file of anybody's
    }
    assert all(0 < number(row[1]) < 60 and 10 < number(row[2]) < 1000 for row in rows)


def check_vector(out: Path) -> None:
    rows = table(out / "vector.md")
    assert [row[2] for row in rows if row[0].startswith("CartPole")] == ["1.00 (1.00 to 1.00)"]
    assert [row[3] for row in rows if "SyncVectorEnv" in row[0]] == ["1.0 (1.0 to 1.0)"]
    assert sum(row[0].startswith("NASBench201-v0") for row in rows) == 10
    assert all(number(row[1]) > 0 for row in rows)


def check_ppo_share(out: Path) -> None:
    rows = table(out / "ppo_share.md")
    assert [row[0].split(",")[0] for row in rows] == ["PPO", "PPO", "MaskablePPO"]
    assert all(number(row[1]) > 0 and 0 < number(row[2]) < 100 for row in rows)
    assert "NASEnv.step, including the functions it calls" in (out / "ppo_share.md").read_text()


def check_store(out: Path) -> None:
    rows = table(out / "store.md")
    page = (out / "store.md").read_text()
    assert [row[0] for row in rows] in (["SQLite", "PostgreSQL"], ["SQLite"])
    assert len(rows) == 2 or "PostgreSQL was left out: PostgreSQL is not installed" in page
    for row in rows:
        assert all(number(cell) > 0 for cell in row[1:5])
        assert row[5] == "0"


def check_training(out: Path) -> None:
    rows = table(out / "training.md")
    plain = [row for row in rows if row[1].startswith("plain loop")]
    assert [row[3] for row in plain] == ["1.00 (1.00 to 1.00)"] * 2  # digits, larger images
    assert sum("1 random networks" in row[1] for row in rows) == 1
    for row in rows:
        assert number(row[3]) > 0
        assert not row[4] or 0 < number(row[4]) <= 100
    assert "skipped" not in (out / "training.md").read_text()


def check_engine(out: Path) -> None:
    rows = table(out / "engine.md")
    plain, inline, parallel, auto, start = rows
    assert plain[2] == "1.00 (1.00 to 1.00)"
    assert parallel[0] == "`Parallel`, 2 workers"
    assert inline[3] == parallel[3]  # the same accuracies
    assert auto[0].startswith('`Parallel`, 2 workers, `precision="auto"`: ')
    assert all(number(row[1]) > 0 for row in (plain, inline, parallel, auto))
    page = (out / "engine.md").read_text(encoding="utf-8")
    assert "in several, bit for bit. **It holds" in page
    assert "default of" in page and start[0].startswith("start of")


def check_overhead(out: Path) -> None:
    rows = {row[0]: number(row[1]) for row in table(out / "overhead.md")}
    itself, hit, pool, _, ray, _ = rows.values()
    assert 0 < itself < min(hit, pool, ray)
    assert (out / "overhead.md").read_text(encoding="utf-8").count("Aim: ") == 3


def check_engine_memory(out: Path) -> None:
    rows = table(out / "engine_memory.md")
    assert [row[0] for row in rows] == ["parent", "worker 1", "worker 2"]
    assert all(number(row[1]) > 50 and number(row[2]) > 50 for row in rows)
    assert (out / "engine_memory.png").read_bytes()[:4] == b"\x89PNG"


def check_benchmarks(out: Path) -> None:
    check_startup(out)
    check_steps(out)
    unknown = run("scripts.bench stepps", out, code=2).stderr
    assert "Did you mean 'steps'" in unknown


def test_every_module_with_options_is_run_by_name() -> None:
    for folder, names in (("bench", BENCHMARKS), ("data", NAMES)):
        files = (ROOT / "scripts" / folder).glob("*.py")
        runs = {x.stem for x in files if "\ndef run(" in x.read_text(encoding="utf-8")}
        assert runs == set(names)


def check_main_job(out: Path) -> None:
    said = (out / "page.md").read_text(encoding="utf-8")
    page = out / "page.md"
    runs = [json.loads((out / seed / "summary.json").read_text()) for seed in "01"]
    for name, best, *_ in table(page):
        scores = [summary["searches"][name]["best"]["score"] for summary in runs]
        assert best == f"{statistics.mean(scores):.4f} ± {statistics.stdev(scores):.4f}"
    retrained = {row[0]: number(row[1]) for row in table(page, 1)}
    assert list(retrained) == ["best of q-learning", "best of portfolio", "best of random"]
    accuracies = [x for summary in runs for x in summary["retrained"][0]["test_accuracies"]]
    scores_of = {row[0]: number(row[2]) for row in table(page, 1)}
    for other, words in (("random", "random search"), ("portfolio", "the reference")):
        pattern = rf"Retrained, test score: q-learning against {words} ([-+][\d.]+)"
        (difference,) = re.findall(pattern, said)
        expected = scores_of["best of q-learning"] - scores_of[f"best of {other}"]
        assert float(difference) == pytest.approx(expected, abs=0.0002)
    assert retrained["best of q-learning"] == pytest.approx(
        100 * statistics.mean(accuracies), abs=0.006
    )
    assert "Search seeds 0, 1. " in page.read_text()
    assert "of 2 seeds" in page.read_text()
    assert (out / "page" / "progress.svg").is_file()


def check_embedded_data(out: Path) -> None:
    made = {path.name for path in out.glob("made/*")}
    mnist = (ROOT.parent / "shared" / "data" / "mnist_15k.npz").is_file()  # else left as it is
    assert made == {"digits.npz", "wine.npz", "breast_cancer.npz"} | (
        {"mnist_small.npz"} if mnist else set()
    )
    for path in (ROOT / "nas_env" / "data" / name for name in sorted(made)):
        with np.load(path) as old, np.load(out / "made" / path.name) as new:
            assert old.files == new.files
            for key in old.files:
                assert old[key].dtype == new[key].dtype
                assert np.array_equal(old[key], new[key])


def check_chain_page(out: Path) -> None:
    with np.load(ROOT / "nas_env" / "data" / "chain_bench.npz") as arrays:
        scores = arrays["hits"][:, :, -1].mean(axis=1) / arrays["sizes"][0]
    quantiles = table(out / "chain.md")[0]
    assert quantiles[0] == "validation, %"
    assert number(quantiles[1]) == round(100 * scores.min(), 2)
    assert number(quantiles[-1]) == round(100 * scores.max(), 2)
    places = table(out / "chain.md", 1)
    assert [row[0] for row in places][:3] == ["1", "2", "5"]
    assert number(places[0][1]) == number(quantiles[-1])
    assert {path.name for path in (out / "chain").iterdir()} == {"scores.png", "landscape.png"}


def check_edits(out: Path) -> None:
    searches = results_of(out / "edits.md")
    assert all(search["found_after"] <= 6 <= search["evaluations"] for search in searches)
    rows = table(out / "edits.md")
    assert 2 * len(rows) == len(searches) >= 18
    for name, best, *_ in rows:
        scores = [search["score"] for search in searches if search["method"] == name]
        assert best.startswith(f"{statistics.mean(scores):.4f} ± ")
    again = run(f"scripts.studies edits-with-training {EDITS} --seeds 1", out).stderr
    assert not again, "a finished search was run again"


def check_q_table(out: Path) -> None:
    assert (out / "q.png").read_bytes()[:4] == b"\x89PNG"
    assert "</svg>" in (out / "q.svg").read_text()
    assert "holds no search" in run("nas-env plot-q {out}/absent", out, code=2).stderr


def check_report(out: Path) -> None:
    summary = json.loads((out / "run" / "summary.json").read_text())
    page = (out / "page.html").read_text(encoding="utf-8")
    for search in summary["searches"].values():
        assert f"{search['best']['score']:.4f}" in page
    assert "Q-table by depth" in page and 'id="best-0"' in page
    assert "holds no search" in run("nas-env report {out}/absent", out, code=2).stderr
    assert "No run is given" in run("nas-env report", out, code=2).stderr


def check_compression(out: Path) -> None:
    rows = table(out / "compression.md")
    assert [row[0].split(",")[0] for row in rows] == ["before", "after"]
    assert (out / "store.sqlite").is_file()


def check_scaling(out: Path) -> None:
    page = out / "scaling.md"
    assert "scripts.studies scaling --workers 4 50 --seeds 2" in page.read_text()
    for scale in (2, 3, 4):
        rows = table(page, scale)
        shares = [number(cell.replace("%", "")) for row in rows for cell in row[1:]]
        assert len(rows) == 5
        assert all(0 < share <= 100 for share in shares)
        assert shares[:2] >= shares[2:4]  # a stream keeps workers at least as busy as batches
    searches = table(page, 5)
    assert [row[0] for row in searches] == ["1"] * 3 + ["4"] * 3 + ["50"] * 3
    assert all(80 < number(row[2]) < 94.38 for row in searches)
    for name in ("efficiency", "quality"):
        assert "</svg>" in (out / "scaling" / f"{name}.svg").read_text()


def check_halving(out: Path) -> None:
    full, *halved, some = table(out / "halving.md")
    assert full[1] == "54 (1.000)" and full[-1] == "3 of 3"
    assert [row[0].split(", ")[1] for row in halved] == ["eta 3", "eta 2", "eta 3"]
    for row in halved:
        assert 0 < float(row[1].split("(")[1].strip(")")) < 1
        assert number(row[3]) <= 0  # in the run that is searched, full training is never beaten
        assert number(row[3]) == pytest.approx(number(row[2]) - number(full[2]), abs=0.02)
    assert some[0].startswith("full training of the first")
    trained, continued = table(out / "halving.md", 1)
    assert (trained[1], continued[1]) == ("27", "15")  # 9 once, 3 of them twice more
    assert number(continued[2]) > 0
    text = (out / "halving.md").read_text()
    assert len(re.findall(r"\*\*The aim (holds|does not hold)\.\*\*", text)) == 3
    assert "must be >= 2" in run("scripts.studies halving --seeds 1", out, code=2).stderr


def check_sweep(out: Path) -> None:
    page = out / "sweep.md"
    for agent, settings in enumerate((9, 5), start=1):  # reinforce, masked-dqn
        rows = table(page, agent)
        assert len(rows) == settings
        assert rows[0][0] == "as stored"
        assert all(row[-1] == "2" for row in rows)  # one search in each of two landscapes
        assert all(number(row[2]) >= number(row[1]) for row in rows)
    assert "--spaces strings-3x3 chain" in page.read_text()
    again = run(f"scripts.studies sweep {SWEEP.format(out=out)}", out)
    assert not again.stderr, "a finished search was run again"
    assert "Did you mean 'ppo'" in run("scripts.studies sweep --agents ppoo", out, code=2).stderr


def check_walkthrough(out: Path) -> None:
    names = {path.name for path in (out / "walk").iterdir()}
    assert names == {"free.svg", "free.png", "trained.svg", "trained.png"}
    page = (out / "walk.md").read_text(encoding="utf-8")
    assert "$" not in page.replace("$$", ""), "a place of the template is not filled"
    assert "random search" in page
    for picture in re.findall(r"\]\((\S+\.(?:png|svg))\)", page):
        assert (out / picture).is_file()


def check_decisions(out: Path) -> None:
    rows = table(out / "decisions.md")
    assert [row[0].split(", ")[1] for row in rows] == ["tree", "policy", "tree", "policy"]
    assert all(0 < number(row[1]) <= number(row[2]) <= number(row[3]) for row in rows)


def check_study(out: Path) -> None:
    page = (out / "study.md").read_text(encoding="utf-8")
    assert "$" not in page, "a place of the template is not filled"
    assert page.count("Not run yet") == 10
    batches = table(out / "study.md", 2)
    assert [row[0] for row in batches][:2] == ["`imagination`", "`batch_size 2`"]
    assert batches[0][2] == "1.00 [1.00, 1.00]"
    assert all(number(row[1].lstrip("≥ ")) > 8 for row in batches)
    assert (out / "study" / "idea.svg").is_file()
    unknown = run("scripts.studies imagination optimun --page {out}/study.md", out, code=2)
    assert "Did you mean 'optimum'" in unknown.stderr


def check_pareto(out: Path) -> None:
    page = (out / "pareto.md").read_text(encoding="utf-8")
    assert "$" not in page, "a place of the template is not filled"
    assert {row[0] for row in table(out / "pareto.md")} == {"`random`", "`reinforce`"}
    runs = results_of(out / "pareto.md")
    reported = [run for run in runs if run["part"] == "report"]
    assert len(reported) == 2 * 2 * 3 and len(runs) > len(reported)
    rows = {row[0].strip("`").split(",")[0]: row for row in table(out / "pareto.md", 2)}
    assert set(rows) == {"nsga2", "random", "reinforce"}
    for agent, row in rows.items():
        last = [
            run["searched"][-1]
            for run in reported
            if run["agent"] == agent and run["device"] == "edgegpu"
        ]
        assert number(row[-1]) == pytest.approx(100 * statistics.mean(last), abs=0.005)
    for device in ("edgegpu", "raspi4"):
        assert "</svg>" in (out / "pareto" / f"curves-{device}.svg").read_text()
    again = run(f"scripts.studies pareto {PARETO}", out)
    assert not again.stderr, "a finished run was played again"
    wrong = run("scripts.studies pareto --agents reinforced --page {out}/none.md", out, code=2)
    assert "Did you mean 'reinforce'" in wrong.stderr


def check_spaces(out: Path) -> None:
    assert [row[0] for row in table(out / "spaces.md")] == [f"`{name}`" for name in SPACES]
    assert [row[0] for row in table(out / "spaces.md", 4)] == [f"`{name}`" for name in OBJECTIVES]
    assert "of 3 random networks" in (out / "spaces.md").read_text()


def results_of(page: Path) -> list[dict[str, Any]]:
    """Return the results of an experiment's page, each with the values of its job."""
    found = Experiment(page.with_suffix("") / "results.jsonl", {}).results()
    return [{**job, **result} for job, result in found]


def check_transfer(out: Path) -> None:
    found, rows = results_of(out / "transfer.md"), table(out / "transfer.md")
    assert [row[0] for row in rows] == ["`random`", "nobody (random cells)"]
    for agent, row in zip(("random", "random cells"), rows, strict=True):
        tests = [100 * x["accuracy"] for x in found if x["agent"] == agent]
        assert row[1] == "2" == str(len(tests))
        assert row[3] == f"{statistics.mean(tests):.2f} ± {statistics.stdev(tests):.2f}"
    assert len({tuple(x["walk"]) for x in found}) == 4, "cells of seeds and groups differ"
    page = (out / "transfer.md").read_text()
    assert "`random` against `random cells`" in page and "less than 0.333" in page
    again = run(f"scripts.studies transfer {TRANSFER.format(out=out)}", out)
    assert not again.stderr, "a finished job was run again"
    other = run(f"scripts.studies transfer {TRANSFER.format(out=out)} --channels 3", out, code=2)
    assert "was created with the settings" in other.stderr
    absent = run("scripts.studies transfer --source {out}/none --page {out}/x.md", out, code=2)
    assert "no such file" in absent.stderr
    wrong = run(
        "scripts.studies transfer --source {out}/images.npz --page {out}/x.md",
        out,
        code=2,
    )
    assert "must have the arrays x_train, y_train, x_test, y_test" in wrong.stderr


def check_joint(out: Path) -> None:
    found, rows = results_of(out / "joint.md"), table(out / "joint.md")
    assert [row[1] for row in rows] == ["network, fixed recipe", "network and recipe"]
    for kind, row in zip(("fixed recipe", "joint"), rows, strict=True):
        tests = [100 * statistics.mean(x["tests"]) for x in found if x["kind"] == kind]
        assert row[4] == f"{statistics.mean(tests):.2f} ± {statistics.stdev(tests):.2f}"
    assert all(not x["recipe"] for x in found if x["kind"] == "fixed recipe")
    chosen = [name for x in found for name in x["recipe"]]
    page = (out / "joint.md").read_text()
    assert chosen and all(re.search(rf"- {name}: .*: \d of 2", page) for name in chosen)


class Try(NamedTuple):
    """How a script is tried.

    Attributes:
        arguments: What makes it short; {out} is an empty folder with `images.npz` and `pixels.npz`.
        check: Looks at what it left in that folder.
        before: Commands that it needs to have been run.
    """

    arguments: str
    check: Callable[[Path], None]
    before: tuple[str, ...] = ()


Q_LEARNING = "nas-env search --agent q-learning --device cpu"
SEARCH = f"{Q_LEARNING} --evaluations 4 --epochs 1 --retrain-seeds 2"
PARETO = "--seeds 2 --choosing 1 --networks 24 --agents reinforce --page {out}/pareto.md"
EDITS = "--evaluator synthetic --evaluations 6 --store {out}/store.sqlite --page {out}/edits.md"
SWEEP = (
    "--agents reinforce masked-dqn --spaces strings-3x3 chain --seeds 1 --cheap-seeds 1 "
    "--evaluations 5 --page {out}/sweep.md"
)
TRANSFER = (
    "--agents random --seeds 2 --networks 2 --images 30 --epochs 1 --large-images 30 "
    "--large-epochs 1 --large-repeats 1 --large-channels 4 --processes 1 "
    "--source {out}/pixels.npz --store {out}/store.sqlite --page {out}/transfer.md"
)
TRIES = {
    "scripts.bench": Try("startup steps --quick --output {out}", check_benchmarks),
    "scripts.bench decisions": Try("--repeats 1 --evaluations 12 --output {out}", check_decisions),
    "scripts.studies imagination": Try(
        "batches --seeds 1 --folder {out}/runs --source {out}/none --page {out}/study.md",
        check_study,
    ),
    "scripts.bench engine": Try(
        "--repeats 1 --networks 3 --images 60 --mnist {out}/images.npz --output {out}",
        check_engine,
    ),
    "scripts.bench engine_memory": Try(
        "--evaluations 80 --batch 10 --output {out}", check_engine_memory
    ),
    "scripts.bench memory": Try(
        "--repeats 1 --evaluations 2 --epochs 1 --retrain-seeds 1 --output {out}", check_memory
    ),
    "scripts.bench overhead": Try("--repeats 1 --evaluations 20 --output {out}", check_overhead),
    "scripts.bench ppo_share": Try("--repeats 1 --steps 2048 --output {out}", check_ppo_share),
    "scripts.bench startup": Try("--repeats 1 --output {out}", check_startup),
    "scripts.bench steps": Try("--repeats 1 --steps 200 --output {out}", check_steps),
    "scripts.bench store": Try(
        "--repeats 1 --evaluations 30 --processes 2 --output {out}", check_store
    ),
    "scripts.bench tables": Try("--repeats 1 --output {out}", check_tables),
    "scripts.bench training": Try(
        "--repeats 1 --epochs 1 --mnist-epochs 1 --networks 1 --mnist {out}/images.npz "
        "--output {out}",
        check_training,
    ),
    "scripts.studies chain-bench": Try("--page {out}/chain.md", check_chain_page),
    "scripts.bench vector": Try(
        "--repeats 1 --seconds 0.01 --lanes 16 --sync-lanes 4 --output {out}", check_vector
    ),
    "scripts.studies edits-with-training": Try(f"{EDITS} --seeds 2 --processes 1", check_edits),
    "scripts.studies compression": Try(
        "--agents random --evaluations 2 --epochs 1 --seeds 2 --latency-repeats 2 "
        "--store {out}/store.sqlite --page {out}/compression.md",
        check_compression,
    ),
    "scripts.studies cases": Try("--page {out}/cases.md", check_cases),
    "scripts.studies.cases.example_data": Try("diabetes {out}/table.csv", check_example_data),
    "scripts.studies halving": Try(
        "--batch 9 --seeds 3 --epochs 3 --task digits --page {out}/halving.md", check_halving
    ),
    "scripts.studies main-job": Try(
        "{out}/1 {out}/0 --page {out}/page.md",
        check_main_job,
        (f"{SEARCH} --seed 0 --output {{out}}/0", f"{SEARCH} --seed 1 --output {{out}}/1"),
    ),
    "scripts.studies joint": Try(
        "--agents random --seeds 2 --networks 2 --epochs 1 --retrain-seeds 2 "
        "--store {out}/store.sqlite --page {out}/joint.md",
        check_joint,
    ),
    "scripts.data datasets": Try("--output {out}/made", check_embedded_data),
    "scripts.studies pareto": Try(PARETO, check_pareto),
    "nas-env report": Try(
        "{out}/run --output {out}/page.html",
        check_report,
        (f"{Q_LEARNING} --evaluator synthetic --evaluations 20 --output {{out}}/run",),
    ),
    "nas-env plot-q": Try(
        "{out}/run --output {out}/q",
        check_q_table,
        (f"{Q_LEARNING} --evaluator synthetic --evaluations 20 --output {{out}}/run",),
    ),
    "scripts.studies scaling": Try(
        "--workers 4 50 --seeds 2 --trainings 2 --wall-trainings 2 --counts 20 "
        "--measured {out} --page {out}/scaling.md",
        check_scaling,
    ),
    "scripts.studies spaces": Try("--networks 3 --page {out}/spaces.md", check_spaces),
    "scripts.studies sweep": Try(SWEEP, check_sweep),
    "scripts.studies transfer": Try(TRANSFER, check_transfer),
    "scripts.studies walkthrough": Try(
        "--free-episodes 20 --episodes 2 --edits 2 --seeds 2 --epochs 1 "
        "--comparison {out}/edits/results.jsonl --store {out}/walk.sqlite --page {out}/walk.md",
        check_walkthrough,
        (f"scripts.studies edits-with-training {EDITS} --seeds 1 --processes 1",),
    ),
}
TESTED_ELSEWHERE = {
    "nas-env benchmark": "tests/nas_env_cli/benchmark/test_benchmark.py",
    "nas-env describe": "tests/nas_env_cli/test_main.py",
    "nas-env export": "tests/nas_env_cli/export/test_export_run.py",
    "nas-env leaderboard": "tests/nas_env_cli/benchmark/test_benchmark.py",
    "nas-env list": "tests/nas_env_cli/test_main.py",
    "nas-env pareto": "tests/nas_env_cli/test_pareto.py",
    "scripts.data chain_bench": "tests/scripts/data/test_chain_bench.py",
    "scripts.data nasbench_tables": "tests/scripts/data/test_nasbench_tables.py",
    "scripts.studies metaqnn": "tests/scripts/studies/test_metaqnn.py",
    "scripts.studies nb201-protocol": "tests/nas_env_cli/benchmark/test_replay.py",
    "nas-env replay": "tests/nas_env_cli/benchmark/test_replay.py",
    "scripts.studies.cases.baselines": "tests/scripts/studies/test_baselines.py",
    "scripts.studies q-table": "tests/docs/test_q_table_page.py",
    "scripts.studies readme": "tests/docs/test_readme.py",
    "scripts.studies report": "tests/nas_env_cli/report/test_report_in_browser.py",
    "scripts.studies tensorboard": "tests/scripts/studies/test_tensorboard.py",
    "nas-env retrain": "tests/nas_env_cli/export/test_export_run.py",
    "nas-env search": "tests/nas_env_cli/search/test_search.py",
    "nas-env watch": "tests/nas_env_cli/report/test_watch.py",
    "scripts.integrations.cleanrl_ppo": "tests/scripts/integrations/test_cleanrl.py",
}


def kept_files() -> dict[Path, int]:
    """Return when each file that a script might overwrite was written."""
    files = [path for folder in KEPT for path in (ROOT / folder).rglob("*.*")]
    return {path: path.stat().st_mtime_ns for path in files if path.suffix in (".md", ".npz")}


@pytest.mark.parametrize("script", [name for name in SCRIPTS if name not in TESTED_ELSEWHERE])
def test_script_runs(script: str, tmp_path: Path) -> None:
    if script not in TRIES:
        pytest.fail(f"{script} is never run. Add it to TRIES with tiny arguments and a check.")
    labels = np.arange(120) % 3
    images = np.random.default_rng(0).normal(size=(120, 12, 12)) + labels[:, None, None]
    np.savez(tmp_path / "images.npz", x=images, y=labels)
    pixels = np.random.default_rng(0).integers(0, 256, (120, 28, 28), dtype=np.uint8)
    digits = np.arange(120) % 10
    parts = {"x_train": pixels[:90], "y_train": digits[:90]}
    np.savez(tmp_path / "pixels.npz", **parts, x_test=pixels[90:], y_test=digits[90:])
    before = kept_files()
    for command in TRIES[script].before:
        run(command, tmp_path)
    run(f"{script} {TRIES[script].arguments}", tmp_path)
    TRIES[script].check(tmp_path)
    assert kept_files() == before, "it wrote outside its --output"


@pytest.mark.parametrize("script", TESTED_ELSEWHERE)
def test_the_other_test_names_the_script(script: str) -> None:
    test = ROOT / TESTED_ELSEWHERE[script]
    text = test.read_text(encoding="utf-8")
    module, _, page = script.partition(" ")
    assert page in text and (module in text or module.replace(".", "/") in text)


def test_the_tables_name_scripts_that_exist() -> None:
    assert set(TRIES) | set(TESTED_ELSEWHERE) <= set(SCRIPTS)
    assert not set(TRIES) & set(TESTED_ELSEWHERE)
