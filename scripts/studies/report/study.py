"""Make the pictures of docs/report.md: the report in two themes and widths, and drawings.

Needs Chromium (apt-get install chromium) and playwright.
Example: python -m scripts.studies report runs/mine --output docs/report
"""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import gymnasium
import numpy as np
import tyro
from PIL import Image

import nas_env  # noqa: F401 - registers the environments
from nas_env.drawing import draw_svg, save_svg
from nas_env.errors import MissingDependencyError
from nas_env_cli.commands.report import read_all
from nas_env_cli.report.page import page

DRAWN = (
    "chain",
    "skip-chain",
    "nasnet-cell",
    "enas-macro",
    "block-qnn",
    "nasbench201",
    "mobile",
    "mlp",
    "chain-joint",
)
HEIGHT = 1500  # pixels
COLOURS = 256


@dataclass(frozen=True)
class Options:
    """Make the pictures of docs/report.md."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of finished searches."""
    output: Path = Path("docs/report")
    """Folder of the pictures."""
    themes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    """Themes of the report."""
    widths: tuple[int, ...] = (1280, 375)
    """Widths of the window, in pixels."""
    seed: int = 1
    """Seed of the random networks, one for each space."""
    spaces: tuple[str, ...] = DRAWN
    """Spaces whose networks are drawn."""


def run(options: Options) -> int:
    """Write the pictures and return the exit code."""
    program = chromium()
    html = page(read_all(options.runs))
    options.output.mkdir(parents=True, exist_ok=True)
    photograph(html, program, options)
    for name in options.spaces:
        draw_space(name, options.seed, options.output / f"{name}.svg")
    print(f"Written to {options.output}")
    return 0


def chromium() -> str:
    """Return the path of Chromium.

    Raises:
        MissingDependencyError: It is not installed.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise MissingDependencyError(
            "Pictures need Chromium, which is not installed. Run: apt-get install chromium."
        )
    return program


def photograph(html: str, program: str, options: Options) -> None:
    """Write pictures of the page at its top and further below, in each theme and width."""
    from playwright.sync_api import sync_playwright

    with TemporaryDirectory() as folder, sync_playwright() as driver:
        file = Path(folder) / "report.html"
        file.write_text(html, encoding="utf-8")
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            for theme, width in product(options.themes, options.widths):
                picture = options.output / f"{theme}-{width}.png"
                viewport: Any = {"width": width, "height": HEIGHT}
                browser_page = browser.new_page(viewport=viewport, color_scheme=theme)
                browser_page.goto(file.as_uri())
                keep(browser_page.screenshot(), picture)
                browser_page.locator("#heat-0").evaluate("x => x.scrollIntoView()")
                keep(browser_page.screenshot(), picture.with_stem(f"{picture.stem}-below"))
                browser_page.close()
        finally:
            browser.close()


def keep(picture: bytes, path: Path) -> None:
    """Write a PNG with few colours, to keep the file small."""
    image: Any = Image.open(io.BytesIO(picture)).convert("RGB")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def draw_space(name: str, seed: int, path: Path) -> None:
    """Write the drawing of a random network of a space."""
    env: Any = gymnasium.make("NAS-v0", space=name, evaluator="synthetic").unwrapped
    candidate = env.space.decode(env.space.sample(np.random.default_rng(seed)))
    training = candidate.recipe.changes()
    save_svg(draw_svg(candidate.architecture, env.task.spec, name, training=training), path)
