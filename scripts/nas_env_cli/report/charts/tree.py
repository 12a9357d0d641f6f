"""The tree of visited decisions: width by visits, colour by mean score."""

from __future__ import annotations

from nas_env.drawing.layout import text_width
from nas_env.markup import Content, Markup
from nas_env_cli.report.data import SearchData
from nas_env_cli.report.decisions import Branch, tree_of
from nas_env_cli.report.frame import area, card, label, mark, picture
from nas_env_cli.report.palette import opacity

TITLE = "Tree of visited decisions"
WIDTH, ROW, DEPTH, LEAST = 1000.0, 34.0, 8, 3.0


def tree(name: str, search: SearchData) -> Markup:
    """Return the chart of all walks of a search, repeats included."""
    walks = [(trial["labels"], trial["score"]) for trial in search["trials"]]
    root = tree_of(walks, DEPTH)
    means = [x.mean for x in _all(root)]
    span = min(means), max(means)
    parts: list[Content] = []
    narrow = _draw(root, (), 0.0, WIDTH, span, root.visits, parts)
    depth = 1 + max(x.depth for x in _all(root))
    about = (
        "Each row is one more decision. The width of a box shows the visits of its prefix, the "
        f"strength of its colour their mean score ({span[0]:.4f} to {span[1]:.4f})."
    )
    if narrow:
        about += f" Left out: {narrow} prefixes too narrow to see."
    if any(len(labels) > DEPTH for labels, _ in walks):
        about += f" The first {DEPTH} decisions."
    drawn = picture(TITLE, about, parts, width=WIDTH, height=ROW * depth)
    return card(name, TITLE, drawn, about, wide=True)


def _all(branch: Branch) -> list[Branch]:
    return [branch, *(x for child in branch.children.values() for x in _all(child))]


def _draw(
    branch: Branch,
    before: tuple[str, ...],
    left: float,
    width: float,
    span: tuple[float, float],
    visits: int,
    parts: list[Content],
) -> int:
    """Draw a branch and its descendants; return the number of branches too narrow to draw."""
    path = (*before, branch.label) if branch.depth else ()
    parts.append(_box(branch, path, left, width, span))
    narrow = 0
    for child in sorted(branch.children.values(), key=lambda x: -x.visits):
        wide = WIDTH * child.visits / visits
        if wide < LEAST:
            narrow += 1
            continue
        narrow += _draw(child, path, left, wide, span, visits, parts)
        left += wide
    return narrow


def _box(
    branch: Branch, path: tuple[str, ...], left: float, width: float, span: tuple[float, float]
) -> Markup:
    share = (branch.mean - span[0]) / ((span[1] - span[0]) or 1.0)
    walk = " \u2192 ".join(path) or "start"
    tip = f"{walk}\n{branch.visits} visits\nmean score {branch.mean:.4f}, best {branch.best:.4f}"
    box = area(left, ROW * branch.depth, max(1.0, width - 1.5), ROW - 2)
    drawn = mark("rect", tip, class_="cell heat", rx=3, fill_opacity=opacity(share), **box)
    text = _fitting(branch.label, width - 10)
    words = label(left + width / 2, ROW * branch.depth + 20, text, class_="inside") if text else ""
    return Markup(drawn + words)


def _fitting(text: str, width: float) -> str:
    """Return a text, shortened to fit; "" if fewer than three characters fit."""
    if text_width(text, 12) <= width:
        return text
    while text and text_width(text + "\u2026", 12) > width:
        text = text[:-1]
    return f"{text.strip(' ,')}\u2026" if len(text) >= 3 else ""
