"""Edits: they follow from the options, lead to legal walks, and each does what its name says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from nas_env.architecture import Layer
from nas_env.errors import IllegalDecisionError
from nas_env.network import build, predict
from nas_env.spaces import SPACES, SearchSpace, Walk
from nas_env.spaces.edits import EDITS, WIDTHS, Neighbour
from nas_env.tasks import TaskSpec

Make = Callable[..., SearchSpace]
Spec = Callable[[SearchSpace], TaskSpec]


def random_edits(space: SearchSpace, count: int, seed: int = 0) -> list[tuple[Walk, Neighbour]]:
    """Return so many random edits, one after the other, from a random walk; [] if it has none."""
    rng = np.random.default_rng(seed)
    walk, found = space.sample(rng), []
    for _ in range(count):
        if not (neighbours := space.edits(walk)):
            break
        found.append((walk, neighbours[rng.integers(len(neighbours))]))
        walk = found[-1][1].walk
    return found


def can_grow(space: SearchSpace) -> bool:
    """Say whether options name kinds of layers and walks have different numbers of them."""
    rng = np.random.default_rng(0)
    counts = {len(space.edit_rules.layers(space.sample(rng))) for _ in range(50)}
    return len(counts) > 1 and any("kind" in option.fields for option in space.options())


def has_widths(space: SearchSpace) -> bool:
    """Say whether options name widths, which may then be made wider and narrower."""
    return any(field in option.fields for option in space.options() for field in WIDTHS)


def test_200_random_edits_lead_to_legal_walks_that_build(
    make_space: Make, spec_for: Spec, space_name: str
) -> None:
    space = make_space(space_name)
    spec = spec_for(space)
    edits = random_edits(space, 200)
    for number, (before, (edit, position, after)) in enumerate(edits):
        assert edit in space.edit_rules.edits
        assert edit != "stop"
        assert 0 <= position <= len(space.edit_rules.layers(before))
        assert space.check(after) is None
        assert after != before
        assert predict(space.decode(after).architecture, spec).params > 0
        if number % 10:
            continue  # building is slow
        with torch.device("meta"):  # shapes without the arithmetic of the large presets
            network = build(space.decode(after).architecture, spec)
            assert network(torch.zeros(2, *spec.input_shape)).shape == (2, spec.num_outputs)
    assert len({edit for _, (edit, _, _) in edits}) >= 3 * can_grow(space) + 2 * has_widths(space)


def test_what_was_added_can_be_removed_and_what_was_toggled_toggled_back(
    make_space: Make, space_name: str
) -> None:
    space = make_space(space_name)
    back = {"toggle dropout": "toggle dropout", "toggle normalisation": "toggle normalisation"}
    back |= dict.fromkeys(("add at the end", "add in the middle"), "remove")
    seen = set()
    for before, (edit, _, after) in random_edits(space, 100):
        if edit in back:
            assert before in [x.walk for x in space.edits(after) if x.edit == back[edit]]
            seen.add(edit)
    assert ("add in the middle" in seen) is can_grow(space)


def test_no_layers_beyond_the_stated_maximum(make_space: Make, space_name: str) -> None:
    space = make_space(space_name)
    rng = np.random.default_rng(0)
    counts = [len(space.edit_rules.layers(space.sample(rng, "walks"))) for _ in range(200)]
    assert max(counts) == space.edit_rules.max_layers


def test_edits_respect_the_parameter_limit(make_space: Make) -> None:
    space = make_space("chain-editable", None, 10, 3000)
    spec = TaskSpec("probe", 1, "image", (1, 8, 8), 10)
    for _, (_, _, after) in random_edits(space, 50):
        assert predict(space.decode(after).architecture, spec).params <= 3000


def test_an_illegal_walk_has_no_edits(make_space: Make) -> None:
    with pytest.raises(IllegalDecisionError, match="not complete"):
        make_space("chain").edits((0,))


def names(space: SearchSpace, walk: Walk) -> list[str]:
    return [space.options()[decision].label for decision in walk]


def walk_of(space: SearchSpace, *labels: str) -> Walk:
    known = [option.label for option in space.options()]
    return tuple(known.index(label) for label in labels)


# A convolution and a fully connected layer, each with its details.
DETAILED = (
    ("conv 16, 3x3", "relu", "batch normalisation", "no dropout"),
    ("max-pool 2x2, stride 2",),
    ("linear 64", "elu", "no dropout"),
)


def only(space: SearchSpace, walk: Walk, edit: str, position: int) -> list[str]:
    (found,) = [x for x in space.edits(walk) if (x.edit, x.position) == (edit, position)]
    return names(space, found.walk)


@pytest.mark.parametrize(
    ("edit", "position", "changed"),
    [
        ("widen", 0, {0: ("conv 32, 3x3", *DETAILED[0][1:])}),
        ("widen", 2, {2: ("linear 128", *DETAILED[2][1:])}),
        ("narrow", 0, {0: ("conv 8, 3x3", *DETAILED[0][1:])}),
        ("change activation", 0, {0: ("conv 16, 3x3", "elu", *DETAILED[0][2:])}),
        ("change activation", 2, {2: ("linear 64", "tanh", "no dropout")}),
        ("change kernel", 0, {0: ("conv 16, 1x1", *DETAILED[0][1:])}),
        ("change kernel", 1, {1: ("max-pool 3x3, stride 2",)}),
        ("toggle normalisation", 0, {0: (*DETAILED[0][:2], "no normalisation", "no dropout")}),
        ("toggle dropout", 0, {0: (*DETAILED[0][:3], "dropout 0.2")}),
        ("remove", 1, {1: ()}),
    ],
)
def test_each_edit_changes_just_what_it_names(
    make_space: Make, edit: str, position: int, changed: dict[int, tuple[str, ...]]
) -> None:
    space = make_space("chain-editable", (1, 4, 4))
    start = walk_of(space, *(label for layer in DETAILED for label in layer), "stop")
    after = [changed.get(index, layer) for index, layer in enumerate(DETAILED)]
    expected = [*(label for layer in after for label in layer), "stop"]
    assert only(space, start, edit, position) == expected


def test_what_a_layer_has_no_field_for_is_not_offered(make_space: Make) -> None:
    space = make_space("chain-editable", (1, 4, 4))
    start = walk_of(space, *(label for layer in DETAILED for label in layer), "stop")
    offered = {(x.edit, x.position) for x in space.edits(start)}
    for edit, position in (
        ("change activation", 1),  # pooling has none
        ("toggle normalisation", 2),  # nor has a fully connected layer a normalisation
        ("change kernel", 2),
        ("widen", 1),
        ("remove", 0),  # pooling would come first
    ):
        assert (edit, position) not in offered
    plain = make_space("chain")  # activation and normalisation are fixed there
    edits = {x.edit for _, x in random_edits(plain, 300)}
    assert edits == {*EDITS[:5], "change kernel"}


def test_an_added_layer_has_the_details_of_the_one_before(make_space: Make) -> None:
    space = make_space("chain-editable", (1, 4, 4))
    start = walk_of(space, "conv 16, 3x3", "tanh", "no normalisation", "dropout 0.2", "stop")
    added = [names(space, x.walk)[4:-1] for x in space.edits(start) if x.edit == "add at the end"]
    assert ["conv 8, 1x1", "tanh", "no normalisation", "dropout 0.2"] in added
    assert ["linear 64", "tanh", "dropout 0.2"] in added
    assert ["global average pool"] in added
    assert len(added) == 14  # 8 convolutions, 2 poolings, 3 widths, the global pooling


def test_dropout_of_the_mlp_is_a_decision_of_its_own_and_is_toggled_too(make_space: Make) -> None:
    space = make_space("mlp")
    start = walk_of(space, "linear 16", "linear 8, tanh", "stop")
    assert only(space, start, "toggle dropout", 0) == [
        "linear 16",
        "dropout 0.2",
        "linear 8, tanh",
        "stop",
    ]
    assert only(space, start, "change activation", 1) == ["linear 16", "linear 8", "stop"]


def test_chain_editable_is_chain_with_details(make_space: Make) -> None:
    space = make_space("chain-editable")
    walk = walk_of(space, "conv 16, 3x3", "tanh", "no normalisation", "dropout 0.2", "stop")
    conv = Layer.of("conv", channels=16, kernel=3, stride=1, batch_norm=False, activation="tanh")
    assert space.decode(walk).architecture.layers == (conv, Layer.of("dropout", rate=0.2))
    plain = make_space("chain")
    details = {"relu", "elu", "tanh", "batch normalisation", "no normalisation"}
    details |= {"no dropout", "dropout 0.2"}
    labels = [option.label for option in space.options()]
    assert [x for x in labels if x not in details] == [x.label for x in plain.options()]
    default = walk_of(space, "conv 8, 1x1", "relu", "batch normalisation", "no dropout", "stop")
    assert space.decode(default).key == plain.decode(walk_of(plain, "conv 8, 1x1", "stop")).key
    assert SPACES.get("chain-editable").default_task == "digits"
