"""The browser of tests: one for all of a process, for it can drive one alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

PATIENCE_MS = 60_000  # for the browser to start


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
            executable_path=program, args=["--no-sandbox"], timeout=PATIENCE_MS
        )
        try:
            yield running
        finally:
            running.close()
