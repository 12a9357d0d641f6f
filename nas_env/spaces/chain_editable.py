"""`chain-editable`: the chain, with activation, normalisation and dropout decided for each layer.

Reference: Baker et al., ICLR 2017, for the grammar of the layers. The details after each layer are
an addition, so that every edit of `nas_env.spaces.edits` is applicable.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import NamedTuple, cast

from nas_env.architecture import Architecture, Candidate, Layer, Shape
from nas_env.layers import layer_type
from nas_env.spaces.base import SPACES, Choice, Option, SpaceFactory, Walk
from nas_env.spaces.chain import CONV, DEFAULT, LINEAR, ChainSpace, ChainState, Grammar

DETAILS = {CONV: ("activation", "normalisation", "dropout"), LINEAR: ("activation", "dropout")}
VALUES: dict[str, tuple[str | float, ...]] = {
    "activation": ("relu", "elu", "tanh"),
    "normalisation": ("none", "batch"),
    "dropout": (0.0, 0.2),
}


@dataclass(frozen=True)
class Detail:
    """One decision about the previous layer."""

    field: str
    value: str | float
    order: int

    @property
    def label(self) -> str:
        """Short label for tables."""
        if self.field == "dropout":
            return f"dropout {self.value:g}" if self.value else "no dropout"
        if self.field == "normalisation":
            return "batch normalisation" if self.value == "batch" else "no normalisation"
        return str(self.value)


class EditableState(NamedTuple):
    """The state of the chain, and the undecided details of the last layer."""

    chain: ChainState
    due: tuple[str, ...]


class EditableChainSpace(ChainSpace):
    """Append one layer after another, each with its details, then stop.

    Decisions: the layers of `chain`; after a convolution, its activation, normalisation and
        dropout; after a fully connected layer, its activation and dropout; and "stop" (the last
        number). The grammar is that of `chain`.
    Observation: given by the environment; the state is that of the chain, with the undecided
        details.
    Reward: given by the environment.
    Episode end: "stop", the only legal decision at the depth limit.
    Reference: Baker et al., ICLR 2017, for the layers.

    Example:
        >>> from nas_env.spaces import SPACES
        >>> space = SPACES.get("chain-editable")(input_shape=(1, 8, 8), num_outputs=10)
        >>> [option.label for option in space.options()][-8:-5]
        ['relu', 'elu', 'tanh']
    """

    def __init__(
        self,
        grammar: Grammar,
        name: str,
        input_shape: Shape,
        num_outputs: int,
        max_params: int | None = None,
    ) -> None:
        super().__init__(grammar, name, input_shape, num_outputs, max_params)
        self.details = tuple(
            Detail(field, value, order)
            for field, values in VALUES.items()
            for order, value in enumerate(values)
        )
        self.first_detail = len(self.layers)
        self.stop = self.first_detail + len(self.details)
        self.num_decisions = self.stop + 1
        self.max_length = (1 + len(DETAILS[CONV])) * grammar.max_depth + 1
        self.feature_names = (*self.feature_names, "details due")

    def start(self) -> EditableState:  # type: ignore[override]
        """Return the state of the empty network."""
        return EditableState(super().start(), ())

    def choice(self, state: Hashable) -> Choice | None:
        """Return the values of the next detail, or the next layers; None after "stop"."""
        chain, due = cast(EditableState, state)
        if due:
            legal = tuple(d for d, x in self._numbered() if x.field == due[0])
            return Choice(f"{due[0]} of layer {chain.depth}", legal, self._options)
        choice = super().choice(chain)
        return choice and Choice(choice.name, choice.legal, self._options)

    def follow(self, state: Hashable, decision: int) -> EditableState:  # type: ignore[override]
        """Return the state after a legal decision."""
        chain, due = cast(EditableState, state)
        if due:
            return EditableState(chain, due[1:])
        return EditableState(super().follow(chain, decision), DETAILS.get(self._kind(decision), ()))

    def partial(self, walk: Walk) -> Architecture:
        """Return the layers decided so far; undecided details have their first value."""
        layers: list[Layer] = []
        for decision in walk:
            if decision < self.first_detail:
                layers.append(_detailed(self.layers[decision], "normalisation", "none"))
            elif decision < self.stop:
                detail = self.details[decision - self.first_detail]
                if detail.field != "dropout":
                    layers[-1] = _detailed(layers[-1], detail.field, detail.value)
                elif detail.value:
                    layers.append(Layer.of("dropout", rate=detail.value))
        return Architecture(tuple(layers))

    def assemble(self, walk: Walk) -> Candidate:
        """Return the network of a complete walk, with the grammar's recipe."""
        return Candidate(self.partial(walk), self.grammar.recipe, walk)

    def cost(self, state: Hashable, decision: int) -> int:
        """Return the parameters a decision adds; the normalisation includes the bias."""
        chain, due = cast(EditableState, state)
        if due:
            if due[0] != "normalisation":
                return 0
            return chain.shape[0] * (2 if self._detail(decision).value == "batch" else 1)
        bias = self.layers[decision]["channels"] if self._kind(decision) == CONV else 0
        if not bias:
            return super().cost(chain, decision)
        bare = _detailed(self.layers[decision], "normalisation", "none")
        return layer_type(bare).params(bare, [chain.shape]) - int(bias)

    def project(self, state: Hashable) -> Hashable:
        """Return the coarser state of the chain, and the undecided details."""
        chain, due = cast(EditableState, state)
        return super().project(chain), due

    def features(self, state: Hashable) -> tuple[float, ...]:
        """Return the features of the chain, and the scaled number of undecided details."""
        chain, due = cast(EditableState, state)
        return (*super().features(chain), len(due) / len(VALUES))

    @cached_property
    def _options(self) -> tuple[Option, ...]:
        *layers, stop = super()._options
        details = [Option(x.label, {x.field: (x.value, x.order)}) for x in self.details]
        return (*layers, *details, stop)

    def _numbered(self) -> list[tuple[int, Detail]]:
        return list(enumerate(self.details, start=self.first_detail))

    def _detail(self, decision: int) -> Detail:
        return self.details[decision - self.first_detail]

    def _kind(self, decision: int) -> str:
        if self.first_detail <= decision < self.stop:
            return self._detail(decision).field
        return super()._kind(decision)


@lru_cache(maxsize=10_000)
def _detailed(layer: Layer, field: str, value: str | float) -> Layer:
    """Return the layer with one detail set, if its kind has it."""
    name, value = ("batch_norm", value == "batch") if field == "normalisation" else (field, value)
    settings = dict(layer.settings)
    return (
        Layer(layer.kind, tuple(sorted({**settings, name: value}.items())))
        if name in settings
        else layer
    )


SPACES.register("chain-editable")(
    SpaceFactory(
        partial(EditableChainSpace, DEFAULT, "chain-editable"),
        "digits",
        (1, 8, 8),
        "The chain, with activation, normalisation and dropout of each layer.",
    )
)
