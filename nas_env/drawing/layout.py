"""Layout of boxes and arrows: layers from top to bottom, with separate lanes for long arrows.

The steps are those of Sugiyama's method: ranks by longest path, dummy nodes on long edges, an order
within each rank that crosses few edges, and positions that keep edges straight. This module
replaces graphviz, because pip cannot install the graphviz program, and because a drawing must have
the same bytes on every machine. The layers of a network are in order of computation, so there are
no cycles to break, and the remaining steps are short.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nas_env.drawing.graphs import Node, Panel

SIZE, SMALL = 13.0, 11.0  # font sizes
PAD, ROUND = 12.0, 26.0  # beside a label; width and height of a plus
ACROSS, DOWN, LANE = 20.0, 32.0, 14.0  # space between boxes, rows, and passing arrows
SWEEPS = 8
HEAD = 5.0  # length of an arrow head
Point = tuple[float, float]
NARROW, WIDE = "fijlt.,:;|! '()", "mwMW"


@dataclass(frozen=True)
class Box:
    """A node with the centre and the size of its box."""

    node: Node
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Arranged:
    """A panel with positions: its boxes, and the points of each arrow."""

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[tuple[Point, ...], ...]
    width: float
    height: float


@dataclass
class _Place:
    """A node or a dummy node during the layout."""

    rank: int
    width: float
    height: float
    above: list[int]
    below: list[int]
    x: float = 0.0


def text_width(text: str, size: float) -> float:
    """Return an upper estimate of the width of a text in a plain sans-serif font."""
    units = sum(0.36 if x in NARROW else 0.92 if x in WIDE else 0.6 for x in text)
    return units * size


def box_size(node: Node) -> tuple[float, float]:
    """Return the width and height of a node's box."""
    if node.label == "+":
        return ROUND, ROUND
    width = max(*(text_width(x, SIZE) for x in node.lines), text_width(node.detail, SMALL))
    return max(64.0, width + 2 * PAD), 10 + 18.0 * len(node.lines) + (16.0 if node.detail else 0)


def arrange(panel: Panel) -> Arranged:
    """Return the positions of a panel's boxes and arrows; the top left corner is (0, 0)."""
    if not panel.nodes:
        return Arranged(panel.title, (), (), ROUND, 0.0)
    places, chains = _with_dummies(panel.nodes)
    rows = _rows(places)
    _order(places, rows)
    _spread(places, rows)
    heights = [max(places[x].height for x in row) for row in rows]
    tops = [sum(heights[:rank]) + DOWN * rank for rank in range(len(rows))]
    left = min(x.x - x.width / 2 for x in places)
    right = max(x.x + x.width / 2 for x in places)

    def middle(number: int) -> tuple[float, float]:
        place = places[number]
        return place.x - left, tops[place.rank] + heights[place.rank] / 2

    boxes = tuple(
        Box(node, *middle(number), places[number].width, places[number].height)
        for number, node in enumerate(panel.nodes)
    )
    arrows = []
    for chain in chains:
        (x, y), (u, v) = middle(chain[0]), middle(chain[-1])
        half, end = places[chain[0]].height / 2, places[chain[-1]].height / 2
        passed = [(middle(x), heights[places[x].rank] / 2) for x in chain[1:-1]]
        through = [(a, b + side) for (a, b), half_row in passed for side in (-half_row, half_row)]
        arrows.append(((x, y + half), *through, (u, v - end)))
    return Arranged(panel.title, boxes, tuple(arrows), right - left, tops[-1] + heights[-1])


def segments(points: Sequence[Point]) -> list[tuple[Point, ...]]:
    """Return the segments of an arrow: the end of a line, or two control points and the end.

    The arrow passes each point vertically, and ends where its head begins.
    """
    (x, y), *rest = points
    curve: list[tuple[Point, ...]] = []
    for number, (u, v) in enumerate(rest):
        v = v - HEAD if number == len(rest) - 1 else v
        if abs(u - x) < 0.5:
            curve.append(((u, v),))
        else:
            bend = max(10.0, (v - y) * 0.55)
            curve.append(((x, y + bend), (u, v - bend), (u, v)))
        x, y = u, v
    return curve


def _with_dummies(nodes: Sequence[Node]) -> tuple[list[_Place], list[list[int]]]:
    """Return nodes and dummy nodes, and each edge as a chain of their indices."""
    ranks: list[int] = []
    for node in nodes:
        ranks.append(max((ranks[x] + 1 for x in node.reads), default=0))
    last = max(ranks)
    read = {x for node in nodes for x in node.reads}
    if len(nodes) - 1 not in read:
        ranks[-1] = last
    places = [_Place(r, *box_size(n), [], []) for r, n in zip(ranks, nodes, strict=True)]
    chains, lanes = [], dict[tuple[int, int], int]()  # arrows from the same node share a lane
    for number, node in enumerate(nodes):
        for start in dict.fromkeys(node.reads):
            chain = [start]
            for rank in range(ranks[start] + 1, ranks[number]):
                if (start, rank) not in lanes:
                    lanes[start, rank] = len(places)
                    places.append(_Place(rank, LANE, 0.0, [], []))
                    _tie(places, chain[-1], lanes[start, rank])
                chain.append(lanes[start, rank])
            _tie(places, chain[-1], number)
            chains.append([*chain, number])
    return places, chains


def _tie(places: Sequence[_Place], above: int, below: int) -> None:
    places[above].below.append(below)
    places[below].above.append(above)


def _rows(places: Sequence[_Place]) -> list[list[int]]:
    rows: list[list[int]] = [[] for _ in range(max(x.rank for x in places) + 1)]
    for number, place in enumerate(places):
        rows[place.rank].append(number)
    return rows


def _order(places: Sequence[_Place], rows: list[list[int]]) -> None:
    """Sort each row by the mean position of its neighbours; keep the best of all sweeps."""
    best, best_rows = _crossings(places, rows), [list(row) for row in rows]
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            at = {x: i for line in rows for i, x in enumerate(line)}
            size = {x: len(line) for line in rows for x in line}

            share = {x: (at[x] + 0.5) / size[x] for x in at}
            tied = {x: places[x].above if down else places[x].below for x in row}
            mean = {x: sum(share[y] for y in ys) / len(ys) for x, ys in tied.items() if ys}
            row.sort(key=(share | mean).__getitem__)
        now = _crossings(places, rows)
        if now < best:
            best, best_rows = now, [list(row) for row in rows]
    for row, order in zip(rows, best_rows, strict=True):
        row[:] = order


def _crossings(places: Sequence[_Place], rows: Sequence[Sequence[int]]) -> int:
    """Return the number of crossings of edges between adjacent rows."""
    at = {x: i for row in rows for i, x in enumerate(row)}
    total = 0
    for row in rows:
        ends = [sorted(at[b] for b in places[a].below) for a in row]
        flat = [x for group in ends for x in group]
        total += sum(a > b for i, a in enumerate(flat) for b in flat[i + 1 :])
    return total


def _spread(places: Sequence[_Place], rows: Sequence[Sequence[int]]) -> None:
    """Set each x close to the neighbours, in the order of the row and without overlaps."""
    for row in rows:
        _settle(places, row, [0.0] * len(row))
    for sweep in range(2 * SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else list(reversed(rows)):
            wanted = []
            for number in row:
                place = places[number]
                tied = (place.above if down else place.below) or place.above + place.below
                wanted.append(sum(places[x].x for x in tied) / len(tied) if tied else place.x)
            _settle(places, row, wanted)


def _settle(places: Sequence[_Place], row: Sequence[int], wanted: Sequence[float]) -> None:
    """Place a row close to the wanted positions; overlapping blocks move together."""
    offsets, total = [], 0.0
    for i, number in enumerate(row):
        if i:
            before = places[row[i - 1]]
            gap = LANE / 2 if 0.0 in (before.height, places[number].height) else ACROSS
            total += before.width / 2 + gap + places[number].width / 2
        offsets.append(total)
    blocks: list[tuple[float, float, int]] = []  # position, weight, members
    for number, want, offset in zip(row, wanted, offsets, strict=True):
        weight = 1.0 if places[number].height else 4.0  # long edges stay straight
        block = (want - offset, weight, 1)
        while blocks and blocks[-1][0] >= block[0]:
            position, heavy, members = blocks.pop()
            both = heavy + block[1]
            block = ((position * heavy + block[0] * block[1]) / both, both, members + block[2])
        blocks.append(block)
    spots = [position for position, _, members in blocks for _ in range(members)]
    for number, spot, offset in zip(row, spots, offsets, strict=True):
        places[number].x = spot + offset
