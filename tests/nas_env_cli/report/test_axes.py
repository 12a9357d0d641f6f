"""The numbers on axes: there are some, they differ, and none runs into the next."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from nas_env.drawing.layout import text_width
from nas_env_cli.report.frame import BOTTOM, HEIGHT, TICK, X, Y, axes
from nas_env_cli.report.scales import Scale, linear, logarithmic

BELOW = f'y="{HEIGHT - BOTTOM + 18:g}"'
RANGES = [
    (0.001, 0.0042),
    (0.09, 0.4),
    (0.075, 0.11),
    (1.3, 1.31),
    (1.0, 1e7),
    (20_001, 20_020),
    (7, 7),
]


def ticks(x: Scale, y: Scale) -> list[tuple[float, str]]:
    """Return places and texts of the numbers below the x-axis."""
    found = [str(part) for part in axes(x, y, "x", "y") if BELOW in part]
    places = [re.search(r' x="([^"]+)"', part) for part in found]
    texts = [re.search(r">([^<]*)<", part) for part in found]
    return [(float(a[1]), b[1]) for a, b in zip(places, texts, strict=True) if a and b]


@pytest.mark.parametrize("scale", [logarithmic, linear])
@pytest.mark.parametrize(("low", "high"), RANGES)
def test_numbers_do_not_run_into_each_other(scale: type, low: float, high: float) -> None:
    found = ticks(scale([low, high], *X), linear([0.0, 1.0], *Y))
    assert len(found) >= 2
    assert len({text for _, text in found}) == len(found)
    ends = [
        (at - text_width(text, TICK) / 2, at + text_width(text, TICK) / 2) for at, text in found
    ]
    for (_, end), (begin, _) in pairwise(ends):
        assert begin > end + 4
