"""A running TensorBoard in headless Chromium: every network a line, every drawing a picture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from nas_env.wrappers import Limits
from nas_env_cli.search.session import run_search
from scripts.studies.tensorboard.study import (
    LINES,
    PICTURES,
    show_images,
    show_rows,
    tensorboard,
)
from tests.support.programs import run_program
from tests.support.report_runs import environment

EVALUATIONS = 12
NOISE = ("Three.js", "is deprecated")  # what TensorBoard itself complains about


@pytest.fixture(scope="module")
def events(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("events")
    for agent in ("q-learning", "random"):
        run_search(agent, environment(agent), Limits(EVALUATIONS), 0, tensorboard=folder)
    return folder


def test_lines_and_drawings_are_shown(browser: Any, events: Path) -> None:
    complaints: list[str] = []

    def opened() -> Any:
        page = browser.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(request.url))
        return page

    with tensorboard(events / "networks") as address:
        page = opened()
        show_rows(page, address)
        assert page.locator(LINES).count() == 2 * EVALUATIONS
        axes = page.locator("tf-hparams-parallel-coords-plot text").all_text_contents()
        assert {"agent", "decision 01", "decision 02", "score", "params", "-"} <= set(axes)
        page.close()
    with tensorboard(events / "search") as address:
        page = opened()
        show_images(page, address)
        sizes = page.locator(PICTURES).evaluate_all("all => all.map(x => x.naturalWidth)")
        assert len(sizes) == 3, "two drawings and a Q-table"
        assert min(sizes) > 100
        page.close()
    assert [x for x in complaints if not any(noise in x for noise in NOISE)] == []


def test_pictures_for_the_docs_are_made(events: Path, tmp_path: Path) -> None:
    words = ["-m", "scripts.studies", "tensorboard", str(events), "--output", str(tmp_path)]
    done = run_program([sys.executable, *words])
    assert done.returncode == 0, done.stderr
    assert {x.name for x in tmp_path.iterdir()} == {"scalars.png", "images.png", "hparams.png"}
    for path in tmp_path.iterdir():
        with Image.open(path) as picture:
            assert picture.size[0] == 1280
            assert len(picture.convert("RGB").getcolors(2**24)) > 20


def test_a_folder_without_events_is_refused(tmp_path: Path) -> None:
    words = [
        "-m",
        "scripts.studies",
        "tensorboard",
        str(tmp_path),
        "--output",
        str(tmp_path / "x"),
    ]
    done = run_program([sys.executable, *words])
    assert done.returncode == 2
    assert "has no event files" in done.stderr or "need Chromium" in done.stderr
