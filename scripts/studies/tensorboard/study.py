"""Make the pictures of docs/tensorboard.md: a search in a running TensorBoard.

Needs Chromium (apt-get install chromium) and playwright.
Example: python -m scripts.studies tensorboard runs/mine/tensorboard --output docs/tensorboard
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.request import urlopen

import tyro

from nas_env.errors import InvalidSettingError, NASError
from scripts.studies.report.study import chromium, keep

WIDTH, HEIGHT = 1280, 800
ALL = 1440  # pixels down, for a drawing and what is below it
PATIENCE = 60.0  # seconds until TensorBoard has read everything
PATIENCE_MS = 60_000
CURVES = "search/(best_score|mean_score|params|unique)"
PICTURES = "tf-image-loader img"
LINES = "tf-hparams-parallel-coords-plot g.foreground path"
SCORE = "tf-hparams-parallel-coords-view #colorByListBox paper-item"


@dataclass(frozen=True)
class Options:
    """Make the pictures of docs/tensorboard.md."""

    events: Annotated[Path, tyro.conf.Positional]
    """Folder of event files that a search wrote."""
    output: Path = Path("docs/tensorboard")
    """Folder of the pictures."""


def run(options: Options) -> int:
    """Write the pictures and return the exit code."""
    from playwright.sync_api import sync_playwright

    program = chromium()
    options.output.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            photograph(browser, options.events, options.output)
        finally:
            browser.close()
    print(f"Written to {options.output}")
    return 0


def photograph(browser: Any, folder: Path, output: Path) -> None:
    """Write a picture of the curves, of the drawings and heat maps, and of the rows."""
    with tensorboard(folder / "search") as address:
        for name, show, height in (
            ("scalars", show_curves, HEIGHT),
            ("images", show_images, ALL),
        ):
            page = browser.new_page(viewport={"width": WIDTH, "height": height})
            show(page, address)
            keep(page.screenshot(), output / f"{name}.png")
    with tensorboard(folder / "networks") as address:
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        show_rows(page, address)
        keep(page.screenshot(), output / "hparams.png")


def show_curves(page: Any, address: str) -> None:
    """Show the curves of a search, and wait until they are drawn."""
    page.goto(f"{address}/?tagFilter={CURVES}#timeseries", timeout=PATIENCE_MS)
    page.locator("line-chart svg path").first.wait_for(state="attached", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Settings").first.click()
    page.wait_for_timeout(2000)  # the charts adapt to the remaining width


def show_images(page: Any, address: str) -> None:
    """Show drawings and heat maps, and wait until the visible ones are loaded."""
    page.goto(f"{address}/#images", timeout=PATIENCE_MS)
    page.locator(PICTURES).first.wait_for(timeout=PATIENCE_MS)
    page.wait_for_load_state("networkidle", timeout=PATIENCE_MS)


def show_rows(page: Any, address: str) -> None:
    """Show the parallel coordinates of all networks, coloured by score, and wait for the lines."""
    page.goto(f"{address}/#hparams", timeout=PATIENCE_MS)
    page.get_by_text("Parallel Coordinates View").click(timeout=PATIENCE_MS)
    page.locator(LINES).first.wait_for(state="attached", timeout=PATIENCE_MS)
    page.locator(SCORE).filter(has_text="score").evaluate("item => item.click()")
    page.wait_for_load_state("networkidle", timeout=PATIENCE_MS)


@contextmanager
def tensorboard(folder: Path) -> Iterator[str]:
    """Run TensorBoard on a free port of 127.0.0.1 until the block ends; give its address.

    Raises:
        InvalidSettingError: The folder has no event files.
        NASError: TensorBoard does not show all runs within a minute.
    """
    runs = {file.parent for file in folder.rglob("*tfevents*")}
    if not runs:
        raise InvalidSettingError(
            f"Folder {folder} has no event files. Use the folder of a search."
        )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    words = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder)]
    process = subprocess.Popen(
        [*words, "--host", "127.0.0.1", "--port", port],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}", len(runs), process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def wait_for(address: str, runs: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until TensorBoard has read the given number of runs."""
    end = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < end:
        try:
            with urlopen(f"{address}/data/runs", timeout=PATIENCE) as answer:
                if len(json.load(answer)) >= runs:
                    return
        except OSError:
            pass
        time.sleep(0.2)
    raise NASError(
        f"TensorBoard at {address} did not show {runs} runs within {PATIENCE:.0f} s. Test it with: "
        "tensorboard --logdir RUN/tensorboard."
    )
