"""Facts of the chain grammar and of the presets of MetaQNN (Baker et al., ICLR 2017)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable
from itertools import pairwise

import numpy as np
import pytest

from nas_env.architecture import Architecture, Layer
from nas_env.errors import IncompatibleError
from nas_env.layers import layer_type
from nas_env.spaces import SearchSpace, Walk
from nas_env.spaces.chain import ChainSpace, ChainState

Make = Callable[..., SearchSpace]
NAMES = ("chain", "metaqnn-svhn", "metaqnn-cifar10", "metaqnn-mnist")
PAPER = ("metaqnn-svhn", "metaqnn-cifar10")
SPATIAL = ("conv", "max-pool", "global-average-pool")


def sampled(space: SearchSpace, count: int = 300) -> list[Walk]:
    rng = np.random.default_rng(0)
    walks = [space.sample(rng, "decisions") for _ in range(count)]
    return walks + [space.sample(rng, "walks") for _ in range(100)]


def placed(space: SearchSpace, walk: Walk) -> list[tuple[Layer, tuple[int, ...]]]:
    """Return the decided layers, without dropout, with the shape each reads."""
    assert isinstance(space, ChainSpace)
    shape, found = space.input_shape, []
    for decision in walk[:-1]:
        layer = space.layers[decision]
        found.append((layer, shape))
        shape = layer_type(layer).output_shape(layer, [shape])
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_rules_hold_in_sampled_walks(make_space: Make, name: str) -> None:
    space = make_space(name)
    assert isinstance(space, ChainSpace)
    grammar = space.grammar
    for walk in sampled(space):
        assert walk[-1] == space.stop
        assert space.stop not in walk[:-1]
        assert 1 <= len(walk) - 1 <= grammar.max_depth
        layers = placed(space, walk)
        kinds = [layer.kind for layer, _ in layers]
        assert kinds[0] not in ("max-pool", "global-average-pool")
        assert ("max-pool", "max-pool") not in list(pairwise(kinds))
        flat = [len(shape) == 1 for _, shape in layers]
        assert not any(f and kind in SPATIAL for f, kind in zip(flat, kinds, strict=True))
        for layer, shape in layers:
            if layer.kind in ("conv", "max-pool"):
                assert layer["kernel"] <= min(shape[1:])


@pytest.mark.parametrize("name", NAMES)
def test_the_rules_of_fully_connected_layers(make_space: Make, name: str) -> None:
    space = make_space(name)
    assert isinstance(space, ChainSpace)
    grammar, most = space.grammar, 0
    for walk in sampled(space):
        linears = [
            (layer["units"], shape)
            for layer, shape in placed(space, walk)
            if layer.kind == "linear"
        ]
        widths = [units for units, _ in linears]
        most = max(most, len(widths))
        assert widths == sorted(widths, reverse=True)
        if linears and len(linears[0][1]) == 3 and grammar.linear_max_side is not None:
            assert max(linears[0][1][1:]) <= grammar.linear_max_side
    assert most >= 2
    assert grammar.max_linears is None or most == grammar.max_linears == 2


@pytest.mark.parametrize("name", NAMES)
def test_stop_is_the_only_way_on_at_the_depth_limit(make_space: Make, name: str) -> None:
    space = make_space(name)
    assert isinstance(space, ChainSpace)
    at_limit = [
        state
        for state in space.automaton().states
        if isinstance(state, ChainState)
        and state.depth == space.grammar.max_depth
        and not state.stopped
    ]
    assert at_limit
    for state in at_limit:
        choice = space.choice(state)
        assert choice is not None
        assert choice.legal == (space.stop,)
    start = space.choice(space.start())
    assert start is not None
    assert space.stop not in start.legal


def test_the_default_offers_pooling_and_linear_only_where_they_fit(make_space: Make) -> None:
    space = make_space("chain", (1, 8, 8))
    labels = [option.label for option in space.options()]

    def legal(*walk: str) -> set[str]:
        state: Hashable = space.start()
        for label in walk:
            state = space.follow(state, labels.index(label))
        choice = space.choice(state)
        assert choice is not None
        return {labels[decision] for decision in choice.legal}

    pool, conv = "max-pool 2x2, stride 2", "conv 8, 3x3"
    convs = {label for label in labels if label.startswith("conv")}
    assert legal() == convs
    assert "linear 32" not in legal(conv)  # 8x8
    assert {"linear 32", "linear 128"} <= legal(conv, pool)  # 4x4
    assert pool not in legal(conv, pool)
    assert legal(conv, pool, "linear 64") == {"linear 64", "linear 32", "stop"}
    assert legal(conv, pool, "linear 64", "linear 64") == {"stop"}
    assert legal(conv, "global average pool") == {"linear 128", "linear 64", "linear 32", "stop"}
    tiny = legal(conv, pool, conv, pool, conv, pool)  # 1x1 at the depth limit
    assert tiny == {"stop"}
    assert legal(conv, pool, conv, pool, conv) >= {"linear 32", pool}
    assert "max-pool 3x3, stride 2" not in legal(conv, pool, conv, pool, conv)  # 2x2


@pytest.mark.parametrize("name", PAPER)
def test_the_paper_presets_have_the_printed_options(make_space: Make, name: str) -> None:
    space = make_space(name)
    assert isinstance(space, ChainSpace)
    grammar = space.grammar
    assert set(grammar.convolutions) == {(c, k, 1) for c in (64, 128, 256, 512) for k in (1, 3, 5)}
    assert set(grammar.pools) == {(5, 3), (3, 2), (2, 2)}
    assert set(grammar.linears) == {512, 256, 128}
    assert grammar.max_linears == 2
    assert grammar.max_depth == {"metaqnn-svhn": 12, "metaqnn-cifar10": 18}[name]
    recipe = grammar.recipe
    assert (recipe.optimizer, recipe.learning_rate, recipe.batch_size) == ("adam", 0.001, 128)
    assert (recipe.schedule, recipe.step_factor, recipe.step_epochs) == ("step", 0.2, 5)


@pytest.mark.parametrize("name", PAPER)
def test_linear_layers_come_in_the_two_small_bins(make_space: Make, name: str) -> None:
    space = make_space(name)
    assert isinstance(space, ChainSpace)
    linears = set(range(len(space.layers) - 4, len(space.layers) - 1))
    assert {space.layers[x].kind for x in linears} == {"linear"}
    for state in space.automaton().states:
        assert isinstance(state, ChainState)
        choice = space.choice(state)
        if choice is None or len(state.shape) == 1 or state.depth == space.grammar.max_depth:
            continue
        assert bool(linears & set(choice.legal)) is (state.shape[1] <= 7)


def test_the_mnist_preset_has_the_printed_options(make_space: Make) -> None:
    space = make_space("metaqnn-mnist")
    assert isinstance(space, ChainSpace)
    grammar = space.grammar
    assert {channels for channels, _, _ in grammar.convolutions} == {60, 120, 240}
    assert grammar.max_depth == 15
    assert grammar.max_linears is grammar.linear_max_side is None
    assert grammar.activation == "elu"
    assert "global average pool" not in {
        option.label
        for walk in sampled(space, 100)
        for option in [space.options()[x] for x in walk]
    }


def rates(network: Architecture) -> list[tuple[int, float]]:
    return [(i, x["rate"]) for i, x in enumerate(network.layers) if x.kind == "dropout"]


def test_dropout_is_placed_as_in_the_paper(make_space: Make) -> None:
    space = make_space("metaqnn-svhn")
    assert isinstance(space, ChainSpace)
    five = space.decode((0, 1, 0, 1, 0, space.stop)).architecture
    assert rates(five) == [(2, 1 / 4), (5, 2 / 4)]  # after every two layers, i / 2n
    assert rates(space.decode((0, space.stop)).architecture) == []
    mnist = make_space("metaqnn-mnist")
    assert isinstance(mnist, ChainSpace)
    widest = next(i for i, x in enumerate(mnist.layers) if x.kind == "linear")
    assert rates(mnist.decode((0, widest, widest + 1, mnist.stop)).architecture) == [
        (2, 0.5),
        (4, 0.5),
    ]


@pytest.mark.parametrize(("side", "size_bin"), [(32, 8), (8, 8), (7, 4), (4, 4), (3, 1), (1, 1)])
def test_the_projection_bins_the_map_size(make_space: Make, side: int, size_bin: int) -> None:
    state = ChainState(3, 0, (64, side, side), 0, False)
    assert make_space("metaqnn-svhn").project(state) == (3, 0, size_bin, 0, False)


def test_the_bins_make_a_transition_stochastic(make_space: Make) -> None:
    space = make_space("metaqnn-svhn")
    after: dict[tuple[Hashable, int], set[Hashable]] = defaultdict(set)
    automaton = space.automaton()
    for number, state in enumerate(automaton.states):
        for decision in np.flatnonzero(automaton.legal[number]):
            target = automaton.states[automaton.next_state[number, decision]]
            after[space.project(state), int(decision)].add(space.project(target))
    assert max(map(len, after.values())) > 1
    assert len({space.project(state) for state in automaton.states}) < automaton.num_states


def test_vectors_are_refused(make_space: Make) -> None:
    with pytest.raises(IncompatibleError, match="such as 'mlp'"):
        make_space("chain", (13,))
