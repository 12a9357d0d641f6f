"""The report in headless Chromium: nothing to complain about, hover, click, keys, themes, phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from nas_env_cli.report.page import page
from nas_env_cli.report.palette import DARK, LIGHT, channels
from tests.nas_env_cli.report.test_report_page import CHARTS, LONGER, NASTY
from tests.support.paths import program
from tests.support.programs import run_program
from tests.support.report_runs import make_run, read

pytestmark = pytest.mark.usefixtures("browser")
PHONE = 375
PATIENCE_MS = 30_000
OpenPage = Callable[..., Any]
FRONT = "#pareto [data-drawing]"


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
    for opened in pages:
        opened.close()


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("runs")
    mine = read(make_run(folder / "mine"))
    runs = [replace(mine, data=mine.data | {"longer": LONGER})]
    runs.append(read(make_run(folder / "other", "random", 12, reference=False), "random"))
    return page(runs)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, PHONE])
def test_all_is_there_and_nothing_is_wrong(
    open_page: OpenPage, html: str, theme: str, width: int
) -> None:
    opened = open_page(html, theme, width)
    for name in (*CHARTS, "longer-0"):
        box = opened.page.locator(f"#{name}").bounding_box()
        assert box["width"] > 250 and box["height"] > 50
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
    charts = opened.value("document.querySelectorAll('svg.chart [data-tip]').length")
    assert charts > 100
    assert opened.value("document.documentElement.scrollWidth") == width, "no sideways scrolling"
    assert opened.complaints == []
    assert [x for x in opened.requests if x != opened.page.url] == []
    paper = opened.value("getComputedStyle(document.body).backgroundColor")
    expected = {"light": LIGHT, "dark": DARK}[theme]["page"]
    assert paper == f"rgb({', '.join(map(str, channels(expected)))})"


def test_letters_of_charts_can_be_read_on_a_phone(open_page: OpenPage, html: str) -> None:
    opened = open_page(html, width=PHONE)
    sizes = opened.value(
        "[...document.querySelectorAll('svg.chart text')].map(x =>"
        " parseFloat(getComputedStyle(x).fontSize) *"
        " Math.hypot(x.getScreenCTM().a, x.getScreenCTM().b))"
    )
    assert len(sizes) > 50
    assert min(sizes) >= 10


def test_numbers_on_axes_do_not_run_into_each_other(open_page: OpenPage, html: str) -> None:
    opened = open_page(html)
    places = opened.value(
        "[...document.querySelectorAll('svg.chart')].map(x => [...x.querySelectorAll('.tick')]"
        ".filter(t => t.getAttribute('text-anchor') == 'middle')"
        ".map(t => [t.getBoundingClientRect().top, t.getBoundingClientRect().left,"
        " t.getBoundingClientRect().right]))"
    )
    rows = [sorted(x) for x in places if x]
    assert len(rows) > 3
    for row in rows:
        for (top, _, end), (below, begin, _) in pairwise(row):
            assert below > top + 5 or begin > end


def test_hovering_tells_what_a_mark_is(open_page: OpenPage, html: str) -> None:
    opened = open_page(html)
    for chart in ("progress-networks", "pareto", "heat-0", "tree-0", "times", "phases-0"):
        mark = opened.page.locator(f"#{chart} [data-tip]").first
        mark.scroll_into_view_if_needed()
        opened.page.wait_for_timeout(100)  # scrolling hides what was told before
        mark.hover()
        tip = opened.page.locator("#tip")
        assert tip.is_visible()
        assert tip.text_content() == mark.get_attribute("data-tip")
        box = tip.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 1280
    opened.page.mouse.move(2, 2)
    assert tip.is_hidden()


def test_a_click_on_the_front_opens_the_drawing(open_page: OpenPage, html: str) -> None:
    opened = open_page(html)
    mark = opened.page.locator(FRONT).last
    mark.click()
    drawing = opened.page.locator("#dialog svg.drawing")
    assert drawing.is_visible()
    told = mark.get_attribute("data-tip").split("score ")[1].split()[0]
    assert f"score {told}" in drawing.text_content()
    assert "classifier 10" in drawing.text_content()
    opened.page.locator("#close").click()
    assert drawing.count() == 0
    assert opened.complaints == []


def test_everything_can_be_reached_with_keys(open_page: OpenPage, html: str) -> None:
    opened = open_page(html)
    keys, tip = opened.page.keyboard, opened.page.locator("#tip")
    opened.page.locator("#pareto svg.chart").focus()
    marks = opened.page.locator("#pareto [data-tip]")
    keys.press("ArrowRight")
    assert tip.text_content() == marks.first.get_attribute("data-tip")
    keys.press("ArrowRight")
    assert tip.text_content() == marks.nth(1).get_attribute("data-tip")
    keys.press("End")
    last = marks.last
    assert tip.text_content() == last.get_attribute("data-tip")
    keys.press("Escape")
    assert tip.is_hidden()
    keys.press("Enter")
    assert opened.page.locator("#dialog svg.drawing").is_visible()
    keys.press("Escape")
    assert opened.page.locator("#dialog").is_hidden()
    assert last.evaluate("x => x === document.activeElement"), "the focus comes back"
    opened.page.locator(".thumb").first.focus()
    keys.press("Enter")
    assert opened.page.locator("#dialog svg.drawing").is_visible()


def test_what_a_mark_tells_stays_where_its_focus_scrolls(open_page: OpenPage, html: str) -> None:
    opened = open_page(html, width=PHONE)
    opened.page.locator("#parallel-0 svg.chart").focus()
    opened.page.keyboard.press("End")
    opened.page.wait_for_timeout(200)
    tip = opened.page.locator("#tip")
    assert tip.is_visible()
    box = tip.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= PHONE


def test_the_button_changes_the_theme(open_page: OpenPage, html: str) -> None:
    opened = open_page(html)
    button = opened.page.locator("#theme")
    colour = "getComputedStyle(document.querySelector('.card')).backgroundColor"
    light = opened.value(colour)
    assert button.text_content() == "Dark colours"
    button.click()
    assert opened.value(colour) != light
    assert button.text_content() == "Light colours"
    assert button.get_attribute("aria-pressed") == "true"
    boxes = "getComputedStyle(document.querySelector('.thumb rect.d-convolution')).fill"
    assert opened.value(boxes) == f"rgb({', '.join(map(str, channels(DARK['d-convolution'])))})"
    button.click()
    assert opened.value(colour) == light


def test_names_from_data_are_text(open_page: OpenPage, tmp_path: Any) -> None:
    run = read(make_run(tmp_path / "run", "random", 8, reference=False), "random", name=NASTY)
    opened = open_page(page([run]))
    assert NASTY in opened.page.locator("h1").text_content()
    assert NASTY in opened.page.title()
    assert opened.complaints == []


def test_the_policy_forbids_the_network(open_page: OpenPage, html: str) -> None:
    opened = open_page(html)
    refused = opened.value(
        """new Promise(done => {
            document.addEventListener("securitypolicyviolation", x => done(x.violatedDirective));
            fetch("http://127.0.0.1:9/").then(() => done("fetched"), () => {});
            setTimeout(() => done("nothing happened"), 5000);
        })"""
    )
    assert refused == "connect-src"


def test_pictures_for_the_docs_are_made(tmp_path: Path) -> None:
    command = "nas-env search --agent random --evaluator synthetic --evaluations 5"
    run, made, one = (str(tmp_path / x) for x in ("run", "made", "one"))
    script = ["scripts.studies", "report", run]
    for words in (
        [*command.split(), "--output", run],
        [*script, "--output", made, "--spaces", "mlp"],
        [*script, "--output", one, "--themes", "dark", "--widths", str(PHONE), "--spaces"],
    ):
        done = run_program(program(" ".join(words)))
        assert done.returncode == 0, done.stderr
    names = {
        f"{t}-{w}{b}.png" for t in ("light", "dark") for w in (1280, 375) for b in ("", "-below")
    }
    assert {x.name for x in Path(made).iterdir()} == names | {"mlp.svg"}
    assert {x.name for x in Path(one).iterdir()} == {"dark-375.png", "dark-375-below.png"}
    with Image.open(tmp_path / "made" / "dark-375.png") as dark:
        assert dark.size[0] == PHONE
        assert dark.convert("RGB").getpixel((2, 2)) == channels(DARK["page"])
