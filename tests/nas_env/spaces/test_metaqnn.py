"""The top networks that MetaQNN's authors published are legal walks of the presets.

Sources, transcribed as they are printed, without the softmax that ends each:
- Tables A2 (CIFAR-10), A3 (SVHN) and A4 (MNIST) of the paper as the authors host it:
  `static/baker_et_al_reinforcement_networks_iclr_final.pdf` in github.com/bowenbaker/metaqnn,
  commit 3f009e8 (November 2016, "under review at ICLR 2017").
- `index.html` of the same repository, the page bowenbaker.github.io/metaqnn, commit a25847f (July
  2017). Its MNIST networks come from the later search, in the space of table 1.

C512,5,1 is a convolution of 512 channels, kernel 5, stride 1; P3,2 a pooling of kernel 3, stride 2;
FC512 a fully connected layer. The tables also print parameters; ours are other numbers, and
the text does not say how maps are padded, so that no test can hold them to each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from nas_env.spaces import SearchSpace
from nas_env.spaces.chain import ChainSpace, ChainState

Make = Callable[..., SearchSpace]
KINDS = {"C": "conv", "P": "max-pool", "FC": "linear", "GAP": "global-average-pool"}
FIELDS = {
    "C": ("channels", "kernel", "stride"),
    "P": ("kernel", "stride"),
    "FC": ("units",),
    "GAP": (),
}
RGB, GREY = (3, 32, 32), (1, 28, 28)

# By space and shape of the images: tables A2, A3 and A4.
PAPER = {
    ("metaqnn-cifar10", RGB): (
        "C512,5,1 C256,3,1 C256,5,1 C256,3,1 P5,3 C512,3,1 C512,5,1 P2,2",
        "C128,1,1 C512,3,1 C64,1,1 C128,3,1 P2,2 C256,3,1 P2,2 C512,3,1 P3,2",
        "C128,3,1 C128,1,1 C512,5,1 P2,2 C128,3,1 P2,2 C64,3,1 C64,5,1",
        "C256,3,1 C256,3,1 P5,3 C256,1,1 C128,3,1 P2,2 C128,3,1",
        "C64,3,1 C128,3,1 P5,3 C256,3,1 P3,2 FC512 FC128",
    ),
    ("metaqnn-svhn", RGB): (
        "C128,3,1 P2,2 C64,5,1 C512,5,1 C256,3,1 C512,3,1 P2,2 C512,3,1 C256,5,1 C256,3,1 "
        "C128,5,1 C64,3,1",
        "C128,1,1 C256,5,1 C128,5,1 P2,2 C256,5,1 C256,1,1 C256,3,1 C256,3,1 C256,5,1 C512,5,1 "
        "C256,3,1 C128,3,1",
        "C128,5,1 C128,3,1 C64,5,1 P5,3 C128,3,1 C512,5,1 C256,5,1 C128,5,1 C128,5,1 C128,3,1",
        "C128,1,1 C256,5,1 C128,5,1 C256,3,1 C256,5,1 P2,2 C128,1,1 C512,3,1 C256,5,1 P2,2 "
        "C64,5,1 C64,1,1",
        "C128,1,1 C256,5,1 C128,5,1 C256,5,1 C256,5,1 C256,1,1 P3,2 C128,1,1 C256,5,1 C512,5,1 "
        "C256,3,1 C128,3,1",
    ),
    ("metaqnn-mnist", GREY): (
        "C240,4,1 C120,2,1 C120,2,1 P3,2 C120,3,1 C120,3,1 P3,2 FC50",
        "C120,4,1 C120,2,1 C120,2,1 P10,4 C240,2,1 FC250 FC100",
        "C240,7,1 P3,2 C120,5,2 FC50",
        "C240,4,1 C120,2,1 C120,2,1 P10,4 FC250",
        "C120,4,1 C120,2,1 P5,1 C60,5,3 C60,3,1 P2,1 FC250 FC250",
    ),
}
PAGE = {
    ("metaqnn-cifar10", RGB): (
        "C128,5,1 C512,3,1 P2,2 C128,1,1 C128,5,1 P3,2 C512,3,1",
        "C256,3,1 C128,1,1 C128,3,1 C128,3,1 P5,3 C128,3,1",
        "C64,3,1 C128,3,1 P5,3 C256,3,1 P3,2 FC512 FC128",
        "C64,5,1 C512,3,1 C512,1,1 C64,1,1 C128,5,1 P3,2 C512,5,1 C512,3,1 P5,3",
        "C128,5,1 C512,3,1 P2,2 C128,1,1 C128,5,1 P3,2",
    ),
    ("metaqnn-svhn", RGB): (
        "C64,1,1 C128,3,1 C64,5,1 C512,5,1 C256,1,1 C256,5,1 C128,1,1 C256,5,1 P3,2 C512,5,1 "
        "C256,3,1 C128,3,1",
        "C128,1,1 C256,5,1 C128,5,1 P2,2 C256,5,1 C256,1,1 C256,3,1 C256,3,1 C256,5,1 C512,5,1 "
        "C256,3,1 C128,3,1",
        "C128,5,1 C128,3,1 C64,5,1 P5,3 C128,3,1 C512,5,1 C256,5,1 C128,5,1 C128,5,1 C128,3,1",
        "C128,3,1 P2,2 C64,1,1 C256,1,1 C256,5,1 C128,1,1 C128,5,1 C512,3,1 C256,5,1 C256,1,1 "
        "C128,3,1 C64,1,1",
        "C128,1,1 C256,5,1 C128,5,1 C512,5,1 C256,1,1 C256,5,1 P5,3 C128,5,1 C128,5,1 C128,5,1 "
        "C64,1,1 C128,5,1",
    ),
    ("metaqnn-svhn", GREY): (
        "C512,5,1 C128,5,1 C128,5,1 C128,3,1 C256,3,1 C512,5,1 C256,3,1 C128,3,1",
        "C64,1,1 C256,3,1 P2,2 C512,3,1 C256,1,1 P5,3 C256,3,1 C512,3,1 FC512",
        "C64,1,1 C256,5,1 C256,5,1 C512,1,1 C64,3,1 P5,3 C256,5,1 C256,5,1 C512,5,1 C64,1,1 "
        "C128,5,1 C512,5,1",
        "C512,5,1 C128,5,1 C128,5,1 C128,1,1 P2,2 C512,5,1 C256,3,1 C128,3,1",
        "C256,3,1 C256,5,1 C512,3,1 C256,5,1 C512,1,1 P5,3 C256,3,1 C64,3,1 C256,5,1 C512,3,1 "
        "C128,5,1 C512,5,1",
        "C64,3,1 C128,3,1 C512,1,1 C256,1,1 C256,5,1 C128,3,1 P5,3 C512,1,1 C512,3,1 C128,5,1",
        "C128,3,1 C64,1,1 C64,3,1 C64,5,1 P2,2 C128,3,1 P3,2 C512,3,1 FC512 FC128",
        "C128,3,1 C512,3,1 P2,2 C256,3,1 C128,5,1 C64,1,1 C64,5,1 C512,5,1 GAP",
        "C64,5,1 C512,5,1 P3,2 C256,5,1 C256,3,1 C256,3,1 C128,1,1 C256,3,1 C256,5,1 C64,1,1 "
        "C256,3,1 C64,3,1",
        "C512,1,1 C128,3,1 C128,5,1 C64,1,1 C256,5,1 C64,1,1 P5,3 C512,1,1 C512,3,1 C256,3,1 "
        "C256,5,1 C256,5,1",
    ),
}


def walk_of(space: ChainSpace, text: str) -> tuple[int, ...]:
    """Return the decisions of a printed network; a layer that is not on offer is a KeyError."""
    numbers = {
        (layer.kind, *(layer[name] for name in FIELDS[short])): number
        for number, layer in enumerate(space.layers)
        for short, kind in KINDS.items()
        if kind == layer.kind
    }
    walk = []
    for word in text.split():
        short, values = re.fullmatch(r"([A-Z]+)([\d,]*)", word).groups()
        walk.append(numbers[KINDS[short], *map(int, filter(None, values.split(",")))])
    return (*walk, space.stop)


ROWS = [
    (name, shape, text)
    for published in (PAPER, PAGE)
    for (name, shape), rows in published.items()
    for text in rows
]


@pytest.mark.parametrize(("name", "shape", "text"), ROWS)
def test_a_published_network_is_a_legal_walk(
    make_space: Make, name: str, shape: tuple[int, ...], text: str
) -> None:
    space = make_space(name, shape)
    assert isinstance(space, ChainSpace)
    walk = walk_of(space, text)
    assert space.check(walk) is None
    built = [x for x in space.decode(walk).architecture.layers if x.kind != "dropout"]
    assert [x.kind for x in built] == [KINDS[re.match("[A-Z]+", x)[0]] for x in text.split()]


def test_so_many_networks_were_published() -> None:
    assert [len(rows) for rows in PAPER.values()] == [5, 5, 5]
    assert [len(rows) for rows in PAGE.values()] == [5, 5, 10]


@pytest.mark.parametrize("name", ["metaqnn-svhn", "metaqnn-cifar10"])
def test_each_state_is_in_the_bin_of_its_map(make_space: Make, name: str) -> None:
    space = make_space(name)
    seen = set()
    for state in space.automaton().states:
        assert isinstance(state, ChainState)
        if len(state.shape) == 1:
            continue
        depth, last, size_bin, *_ = space.project(state)
        assert (depth, last) == (state.depth, state.last)
        side = state.shape[1]
        assert size_bin == (8 if side > 7 else 4 if side >= 4 else 1)
        seen.add((size_bin, side))
    assert {size_bin for size_bin, _ in seen} == {1, 4, 8}
    assert {(8, 8), (4, 7), (4, 4), (1, 3)} <= seen, "the edges of the bins are reached"
