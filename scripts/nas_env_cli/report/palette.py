"""Colours of the report for the light and the dark theme, distinguishable if colour-blind.

The contrast with the background is at least 3:1 for lines and marks, and 4.5:1 for text (WCAG 2.2,
AA); `tests/nas_env_cli/report/test_palette.py` computes it. Series also differ by dash and mark.
"""

from __future__ import annotations

SERIES, REFERENCES = 6, 3  # styles of agents, and of random searches

LIGHT = {
    "page": "#f4f6f8",
    "card": "#ffffff",
    "ink": "#16202a",
    "faint": "#4a5763",
    "rule": "#d5dce2",
    "axis": "#77838e",
    "focus": "#0b57d0",
    "heat": "#1f6fb2",
    "path": "#b0410e",
    "s0": "#0067a8",
    "s1": "#b0410e",
    "s2": "#00735a",
    "s3": "#8d3f8f",
    "s4": "#7a5b00",
    "s5": "#3f4ea8",
    "reference": "#66727d",
    "tip": "#16202a",
    "tip-ink": "#ffffff",
    "d-paper": "#ffffff",
    "d-ink": "#16202a",
    "d-faint": "#45525e",
    "d-line": "#5b6873",
    "d-input": "#eceff1",
    "d-convolution": "#cfe3f5",
    "d-pooling": "#fbdcb5",
    "d-linear": "#cdebd6",
    "d-cell": "#dcd6f2",
    "d-merge": "#ffffff",
    "d-other": "#f6efc6",
    "d-head": "#f3cdd6",
}
DARK = {
    "page": "#0f151b",
    "card": "#18212a",
    "ink": "#eef2f5",
    "faint": "#aab6c1",
    "rule": "#303c47",
    "axis": "#7f8d99",
    "focus": "#8ab8ff",
    "heat": "#4f9fdc",
    "path": "#ffa36b",
    "s0": "#5cb8f2",
    "s1": "#ff9a62",
    "s2": "#45cfa8",
    "s3": "#e39ae0",
    "s4": "#e3c14f",
    "s5": "#a3b0ff",
    "reference": "#9aa6b1",
    "tip": "#eef2f5",
    "tip-ink": "#16202a",
    "d-paper": "#18212a",
    "d-ink": "#eef2f5",
    "d-faint": "#bcc7d0",
    "d-line": "#93a1ad",
    "d-input": "#34404b",
    "d-convolution": "#1d4668",
    "d-pooling": "#674319",
    "d-linear": "#1f5236",
    "d-cell": "#433a70",
    "d-merge": "#18212a",
    "d-other": "#544b17",
    "d-head": "#652c3b",
}
HEAT = (0.08, 0.62)  # minimum and maximum opacity of the colour "heat": text on it stays readable


def variables(colours: dict[str, str]) -> str:
    """Return the colours as CSS custom properties."""
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())


def opacity(share: float) -> float:
    """Return the opacity of the colour "heat" for a share in [0, 1]."""
    low, high = HEAT
    return low + (high - low) * min(1.0, max(0.0, share))


def blended(over: str, under: str, opacity: float) -> str:
    """Return the colour of a translucent colour over another.

    Example:
        >>> blended("#ffffff", "#000000", 0.5)
        '#808080'
    """
    pairs = zip(channels(over), channels(under), strict=True)
    return "#" + "".join(f"{round(a * opacity + b * (1 - opacity)):02x}" for a, b in pairs)


def channels(colour: str) -> tuple[int, int, int]:
    """Return red, green and blue of a colour such as "#1f6fb2"."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def contrast(a: str, b: str) -> float:
    """Return the contrast ratio of two colours as WCAG 2 defines it.

    Example:
        >>> round(contrast("#000000", "#ffffff"), 1)
        21.0
    """
    high, low = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = [x / 255 for x in channels(colour)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
