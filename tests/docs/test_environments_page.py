"""The programs of docs/environments.md run as they are written, each for itself."""

from __future__ import annotations

import ast
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from nas_env.surrogates import SURROGATES
from scripts.data import accel_nasbench
from tests.support.page_programs import printed
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "environments.md").read_text(encoding="utf-8")
EVALUATION, SEARCH, STOPPED, LATENCY, OWN, MOBILE, MASKED, VECTOR = re.findall(
    r"```python\n(.*?)```", PAGE, re.DOTALL
)
(CSV,) = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)


run = partial(printed, warns=False)


def test_an_episode(tmp_path: Path) -> None:
    (evaluation,) = run(EVALUATION, tmp_path)
    assert "regret_report" in evaluation


@pytest.mark.parametrize(
    ("block", "reason"), [(SEARCH, "simulated_seconds"), (STOPPED, "evaluations")]
)
def test_searches_end_at_their_limit(tmp_path: Path, block: str, reason: str) -> None:
    finished, evaluations, score = run(block, tmp_path)[0].split()
    assert finished == reason
    assert 10 < int(evaluations) <= 500
    assert 0.7 < float(score) < 0.85


def test_a_reward_under_a_limit_on_latency(tmp_path: Path) -> None:
    reward, accuracy, latency_ms = map(float, run(LATENCY, tmp_path)[0].split())
    assert reward == pytest.approx(accuracy * min(1.0, 5.0 / latency_ms))


def test_the_table(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(CSV)
    labels, numbers, *drawn = run(OWN, tmp_path)
    assert ast.literal_eval(labels) == ["conv", "pool", "stop"]
    assert numbers.startswith("0.874 0.88 {")
    assert "conv" in numbers and "pool" in "\n".join(drawn)


def test_the_surrogate(tmp_path: Path) -> None:
    accuracy, latency, params, tau = map(float, run(MOBILE, tmp_path)[0].split())
    assert 0.4 < accuracy < 0.7
    assert 1 < latency < 20
    assert 1e6 < params < 1e7
    assert tau == SURROGATES.get("accel-nasbench")().errors["accuracy"].tau


def test_the_errors_on_the_page_are_those_that_are_shipped() -> None:
    with np.load(ROOT / "nas_env" / "data" / "accel_nasbench.npz") as arrays:
        table, top = accel_nasbench.page(dict(arrays)).split("\n\n")
    assert table in PAGE
    assert top in PAGE.replace("\n", " ")


def test_the_masked_loop_learns(tmp_path: Path) -> None:
    """A random network is about 0.2 below the best."""
    assert float(run(MASKED, tmp_path)[0]) < 0.03


def test_many_lanes_with_stable_baselines(tmp_path: Path) -> None:
    assert 0.8 < float(run(VECTOR, tmp_path)[0]) <= 0.849
