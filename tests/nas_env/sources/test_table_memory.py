"""A large table is read with little memory besides that of its encoded rows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas
import pytest

ROWS = 300_000
MEASURE = """
import resource, sys
import pandas, sklearn.impute, sklearn.preprocessing, torch
from nas_env.tasks.own_data import own_data

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6

before = peak()
task = own_data(sys.argv[1])
print(task.spec.input_shape[0], peak() - before)
"""


def write_table(path: Path) -> None:
    """Write a table with the columns of the data set `adult`, and a formatted one."""
    rng = np.random.default_rng(0)
    kinds = (8, 16, 7, 15, 6, 5, 2, 42)  # different values of the text columns
    texts = {
        f"text{i}": rng.choice([f"some-text-{x}" for x in range(count)], ROWS)
        for i, count in enumerate(kinds)
    }
    numbers = {
        "age": rng.integers(17, 90, ROWS),
        "weight": rng.integers(12_000, 1_490_400, ROWS),
        "years": rng.integers(1, 17, ROWS),
        "gain": np.where(rng.random(ROWS) < 0.9, 0, rng.integers(100, 99_999, ROWS)),
        "hours": rng.normal(40, 10, ROWS).round(2),
        "price": [f"${x:,.2f}" for x in rng.uniform(1, 1e6, ROWS)],
    }
    label = np.where(numbers["age"] > 40, ">50K", "<=50K")
    pandas.DataFrame({**texts, **numbers, "label": label}).to_csv(path, index=False)


@pytest.mark.expensive
def test_300_000_rows_need_at_most_600_mb(tmp_path: Path) -> None:
    write_table(tmp_path / "large.csv")
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "large.csv")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    width, megabytes = done.stdout.split()
    assert float(megabytes) < 600
    assert int(width) == 98  # 6 numbers and 92 categories, of which one is for 10 rare ones
