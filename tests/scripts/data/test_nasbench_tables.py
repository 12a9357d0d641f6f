"""`scripts.data nasbench_tables` makes the shipped tables again from their sources."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.paths import ROOT

SOURCE = ROOT.parent / "shared" / "data"
UNITS = ("_ms", "_mj")  # of hardware metrics, NaN where not measured
NAMES = ("nasbench201", "nasbench201_hardware", "nasbench_macro", "nasbench_graph")
FITTED = "accel_nasbench"  # by linear algebra, whose last digits are the machine's


def test_the_shipped_numbers_come_out_again(tmp_path: Path) -> None:
    if not SOURCE.is_dir():
        pytest.skip("the source tables are not beside this checkout")
    command = [sys.executable, "-m", "scripts.data", "nasbench_tables", "--source", str(SOURCE)]
    done = subprocess.run(
        [*command, "--output", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    total = 0
    for name in NAMES:
        path = ROOT / "nas_env" / "data" / f"{name}.npz"
        with np.load(path) as shipped, np.load(tmp_path / f"{name}.npz") as made:
            assert shipped.files == made.files
            for array in shipped.files:
                assert shipped[array].dtype == made[array].dtype
                assert np.array_equal(shipped[array], made[array], equal_nan=array[-3:] in UNITS)
        total += path.stat().st_size
    assert total < 6_000_000
    path = ROOT / "nas_env" / "data" / f"{FITTED}.npz"
    with np.load(path) as shipped, np.load(tmp_path / path.name) as made:
        assert shipped.files == made.files
        for array in shipped.files:
            assert shipped[array].dtype == made[array].dtype
            assert np.allclose(shipped[array], made[array], rtol=1e-5, atol=1e-7)
    assert path.stat().st_size < 100_000
    assert "nasbench_graph.npz: 1." in done.stdout
