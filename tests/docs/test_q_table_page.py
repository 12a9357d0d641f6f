"""The programs of docs/q-table.md run as they are printed and make the committed picture."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from nas_env.errors import NASError
from scripts.studies.q_table import study
from tests.support.page_programs import printed
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "q-table.md").read_text(encoding="utf-8")
PICTURE = Path("q-table") / "heat-map.png"
UNVISITED = np.array([0x8F, 0xB3, 0xD9]) / 255


def test_the_picture_is_drawn_by_the_program_of_the_page(tmp_path: Path) -> None:
    """`python -m scripts.studies q-table` draws what is committed."""
    assert f"({PICTURE.as_posix()})" in PAGE
    assert study.run(study.Options(output=tmp_path)) == 0
    drawn = matplotlib.image.imread(tmp_path / PICTURE.name)
    committed = matplotlib.image.imread(ROOT / "docs" / PICTURE)
    assert drawn.shape == committed.shape
    assert np.abs(drawn - committed).max() < 0.02


def test_unvisited_cells_have_a_colour_of_their_own() -> None:
    pixels = matplotlib.image.imread(ROOT / "docs" / PICTURE)[..., :3]
    unvisited = (np.abs(pixels - UNVISITED) < 0.01).all(axis=-1).mean()
    assert 0.05 < unvisited < 0.95


def test_the_second_table_learns(tmp_path: Path) -> None:
    program = study.programs()[1]
    first, _, last = printed(program, tmp_path, warns=False)[0].split()
    assert 0 < float(first) < float(last) - 0.1 <= 0.9


def test_a_program_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "programs", lambda: ["raise SystemExit('no table')"])
    with pytest.raises(NASError, match="A program of q-table"):
        study.run(study.Options(output=tmp_path))
