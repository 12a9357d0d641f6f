"""A headless Chromium that lives as long as the tests, and pages in it that close themselves."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PATIENCE_MS = 30_000


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Return a running browser; without it the test is skipped, or fails where it must."""
    try:
        playwright = pytest.importorskip("playwright.sync_api", reason="playwright is missing")
        program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
        if program is None:
            pytest.skip("chromium is not installed. Run: apt-get install chromium")
    except pytest.skip.Exception as reason:
        if os.environ.get("NAS_ENV_NEEDS_CHROMIUM"):
            pytest.fail(f"NAS_ENV_NEEDS_CHROMIUM is set, but: {reason}")
        raise
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(
            executable_path=program, args=["--no-sandbox"], timeout=2 * PATIENCE_MS
        )
        try:
            yield running
        finally:
            running.close()


class Opened:
    """A page of the report in the browser, with what it complained about and asked for."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: self.requests.append(request.url))

    def value(self, script: str) -> Any:
        """Return what a script in the page returns."""
        return self.page.evaluate(script)


@pytest.fixture
def open_page(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """Return what opens HTML from a file, in a theme and a width."""
    pages = []

    def open_it(html: str, theme: str = "light", width: int = 1280) -> Opened:
        file = tmp_path / f"{theme}-{width}.html"
        file.write_text(html, encoding="utf-8")
        size = {"width": width, "height": 800}
        page = browser.new_page(viewport=size, color_scheme=theme)
        pages.append(page)
        opened = Opened(page)
        page.goto(file.as_uri())
        return opened

    yield open_it
    for page in pages:
        page.close()
