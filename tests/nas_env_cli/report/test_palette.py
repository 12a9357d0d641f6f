"""Colours of the report: contrast by WCAG 2.2, level AA, in both themes."""

from __future__ import annotations

import re

import pytest

from nas_env_cli.report.page import FOLDER
from nas_env_cli.report.palette import DARK, HEAT, LIGHT, blended, contrast

THEMES = {"light": LIGHT, "dark": DARK}
TEXT, GRAPHICS = 4.5, 3.0


@pytest.mark.parametrize("theme", THEMES)
def test_text_can_be_read(theme: str) -> None:
    c = THEMES[theme]
    pairs = [(ink, paper) for ink in ("ink", "faint") for paper in ("page", "card")]
    pairs += [("tip-ink", "tip")]
    boxes = [x for x in c if x.startswith("d-") and x not in ("d-ink", "d-faint", "d-line")]
    assert len(boxes) == 9
    pairs += [(ink, box) for ink in ("d-ink", "d-faint") for box in boxes]
    found = {pair: contrast(c[pair[0]], c[pair[1]]) for pair in pairs}
    assert min(found.values()) >= TEXT, found


@pytest.mark.parametrize("theme", THEMES)
def test_text_on_the_strongest_and_the_faintest_heat_can_be_read(theme: str) -> None:
    c = THEMES[theme]
    for opacity in HEAT:
        assert contrast(c["ink"], blended(c["heat"], c["card"], opacity)) >= TEXT


@pytest.mark.parametrize("theme", THEMES)
def test_lines_and_marks_can_be_seen(theme: str) -> None:
    c = THEMES[theme]
    drawn = [*(f"s{n}" for n in range(6)), "reference", "axis", "path"]
    found = {name: contrast(c[name], c["card"]) for name in drawn}
    found["focus"] = min(contrast(c["focus"], c[x]) for x in ("card", "page"))
    found["d-line"] = contrast(c["d-line"], c["d-paper"])
    assert min(found.values()) >= GRAPHICS, found


def test_both_themes_name_the_same_colours_and_the_style_uses_no_other() -> None:
    assert LIGHT.keys() == DARK.keys()
    css = (FOLDER / "page.css").read_text(encoding="utf-8")
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", css)) - {"c"}
    assert used <= LIGHT.keys()
    literal = re.findall(r"#[0-9a-f]{3,8}\b", css)
    assert literal == []
