"""Training choices as additional decisions of the same episode, for any space."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, NamedTuple

from nas_env.architecture import Architecture, Candidate, Recipe, Scalar, Shape
from nas_env.errors import InvalidSettingError
from nas_env.registry import unknown_name
from nas_env.spaces.base import SPACES, Choice, Option, SearchSpace, SpaceFactory, Walk

# The values of `chain-joint`: around the default recipe, about a factor of three up and down.
TRAINING: dict[str, tuple[Scalar, ...]] = {
    "optimizer": ("adamw", "sgd"),
    "learning_rate": (0.001, 0.003, 0.01, 0.03, 0.1),
    "weight_decay": (0.0, 0.001, 0.01, 0.1),
    "batch_size": (32, 64, 128),
    "augmentation": ("none", "shift"),
}


class TrainingState(NamedTuple):
    """State of a walk before the architecture: number of choices made, and the last decision."""

    chosen: int
    last: int  # decision, -1 before the first


class Joint(SearchSpace):
    """Choose the training settings first, then the network of any other space.

    Decisions: those of the space keep their numbers; each value of each training choice has one
        additional number. An episode starts with the training choices, in the given order, and
        continues with the space. The choices set the candidate's recipe.
    Observation: given by the environment. The state is the number of training choices made and the
        last of them; then the state of the space, without the training choices, because legality
        does not depend on them. This adds only a few states, and the value of a layer is its
        average over recipes. Only "tokens" contains all training choices.
    Reward: given by the environment.
    Episode end: as in the space.
    Reference: Zela et al., "Towards Automated Deep Learning: Efficient Joint Neural Architecture
        and Hyperparameter Search", 2018. Differs from the paper: training choices come first, so
        that they have the same positions in walks of any length.

    Example:
        >>> from nas_env.spaces import SPACES, Joint
        >>> space = Joint(SPACES.get("chain")(), learning_rate=(0.001, 0.01), batch_size=(32, 64))
        >>> space.choice(space.start()).name
        'learning rate'
        >>> space.decode((16, 17, 0, 14)).recipe.learning_rate
        0.01

    Args:
        space: The space of the architectures.
        name: Name of the joint space; by default "joint " and the name of the space.
        training: The available values of each training choice, a field of `Recipe`.

    Raises:
        UnknownNameError: A training choice is not a field of `Recipe`.
        InvalidSettingError: A choice has fewer than two values, duplicates or an invalid value; no
            choice is given; the space is already a `Joint`.
    """

    def __init__(
        self, space: SearchSpace, name: str | None = None, **training: Iterable[Scalar]
    ) -> None:
        self.offers = {key: _values(key, values) for key, values in training.items()}
        if not training:
            raise InvalidSettingError(
                "A joint space needs at least one training choice. Set one, such as "
                "learning_rate=(0.001, 0.01)."
            )
        if isinstance(space, Joint):
            raise InvalidSettingError(
                f"Space {space.name!r} is already joint. Set all training choices at once."
            )
        self.space = space
        self.name = name or f"joint {space.name}"
        self.modality, self.max_params = space.modality, space.max_params
        self.input_shape, self.num_outputs = space.input_shape, space.num_outputs
        self.additive_cost, self.bounds_cost = space.additive_cost, space.bounds_cost
        self.distinct = space.distinct
        self.names = tuple(self.offers)
        self.values = [(key, x) for key, values in self.offers.items() for x in values]
        self.num_decisions = space.num_decisions + len(self.values)
        self.max_length = len(self.names) + space.max_length
        self.feature_names = ("training choices", *space.feature_names)
        first = len(self.names)
        self.anchors = tuple(
            x._replace(
                position=x.position + first, layer=x.layer + first, earlier=x.earlier + first
            )
            for x in space.anchors
        )

    def start(self) -> TrainingState:
        """Return the state before the first training choice."""
        return TrainingState(0, -1)

    def choice(self, state: Hashable) -> Choice | None:
        """Return the values of the next training choice, or the choice of the space."""
        if isinstance(state, TrainingState):
            name = self.names[state.chosen]
            legal = [d for d, (key, _) in enumerate(self.values, self.first) if key == name]
            return Choice(words(name), tuple(legal), self._options)
        choice = self.space.choice(state)
        return choice and Choice(choice.name, choice.legal, self._options)

    def follow(self, state: Hashable, decision: int) -> Hashable:
        """Return the state after a legal decision."""
        if not isinstance(state, TrainingState):
            return self.space.follow(state, decision)
        if state.chosen + 1 == len(self.names):
            return self.space.start()
        return TrainingState(state.chosen + 1, decision)

    def assemble(self, walk: Walk) -> Candidate:
        """Return the candidate of the space with the chosen recipe."""
        candidate = self.space.candidate(walk[len(self.names) :])
        chosen: dict[str, Any] = dict(self.training(walk))
        return replace(candidate, recipe=replace(candidate.recipe, **chosen), walk=walk)

    def partial(self, walk: Walk) -> Architecture:
        """Return the layers decided so far."""
        return self.space.partial(walk[len(self.names) :])

    def training(self, walk: Walk) -> dict[str, Scalar]:
        """Return the training choices of a legal, possibly incomplete walk, by recipe field."""
        return dict(self.values[decision - self.first] for decision in walk[: len(self.names)])

    def cost(self, state: Hashable, decision: int) -> int:
        """Return the parameters a decision adds; a training choice adds none."""
        return 0 if isinstance(state, TrainingState) else self.space.cost(state, decision)

    def project(self, state: Hashable) -> Hashable:
        """Return the coarser state of the space."""
        return state if isinstance(state, TrainingState) else self.space.project(state)

    def features(self, state: Hashable) -> tuple[float, ...]:
        """Return the share of training choices made, and the features of the space."""
        if isinstance(state, TrainingState):
            return state.chosen / len(self.names), *self.space.features(self.space.start())
        return 1.0, *self.space.features(state)

    def descriptors(self, walk: Walk) -> dict[str, tuple[float, ...]]:
        """Return the descriptors of the space for its part of a walk."""
        return self.space.descriptors(walk[len(self.names) :])

    @property
    def first(self) -> int:
        """The first decision that is a training choice."""
        return self.space.num_decisions

    @cached_property
    def _options(self) -> tuple[Option, ...]:
        added = [
            Option(f"{words(key)} {value}", {key: (value, self.offers[key].index(value))})
            for key, value in self.values
        ]
        return (*self.space.options(), *added)


def words(name: str) -> str:
    """Return the readable name of a recipe field."""
    return name.replace("_", " ")


def _values(name: str, values: Iterable[Scalar]) -> tuple[Scalar, ...]:
    """Return the values of a training choice; raise if they are invalid."""
    if name not in Recipe.__dataclass_fields__:
        raise unknown_name("training choice", name, Recipe.__dataclass_fields__)
    choices = (values,) if isinstance(values, str) else tuple(values)
    if len(choices) < 2 or len(set(choices)) < len(choices):
        raise InvalidSettingError(
            f"Training choice {name} must have at least two different values, got "
            f"{', '.join(map(str, choices)) or 'none'}."
        )
    for value in choices:
        Recipe(**{name: value})  # type: ignore[arg-type]
    return choices


def _over(
    name: str, of: str, input_shape: Shape, num_outputs: int, max_params: int | None
) -> Joint:
    return Joint(SPACES.get(of)(input_shape, num_outputs, max_params), name, **TRAINING)


SPACES.register("chain-joint")(
    SpaceFactory(
        partial(_over, "chain-joint", "chain"),
        "digits",
        (1, 8, 8),
        "The chain, with optimizer, learning rate and other training choices.",
    )
)
