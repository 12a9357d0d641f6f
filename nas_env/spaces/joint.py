"""Training choices as further decisions of the same episode, over any space."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, NamedTuple

from nas_env.architecture import Architecture, Candidate, Recipe, Scalar, Shape
from nas_env.errors import InvalidSettingError
from nas_env.registry import unknown_name
from nas_env.spaces.base import SPACES, Choice, Option, SearchSpace, SpaceFactory, Walk

# What `chain-joint` offers: around the default recipe, a factor of about three each way.
TRAINING: dict[str, tuple[Scalar, ...]] = {
    "optimizer": ("adamw", "sgd"),
    "learning_rate": (0.001, 0.003, 0.01, 0.03, 0.1),
    "weight_decay": (0.0, 0.001, 0.01, 0.1),
    "batch_size": (32, 64, 128),
    "augmentation": ("none", "shift"),
}


class TrainingState(NamedTuple):
    """Where a walk stands that has not reached the architecture: choices made, and the last one."""

    chosen: int
    last: int  # decision, -1 before the first


class Joint(SearchSpace):
    """First choose how to train, then the network of any other space.

    Decisions: those of the space keep their numbers; after them comes one for each value of each
        training choice. An episode begins with the training choices, in the order in which they
        were given, and goes on with the space. They land in the candidate's recipe.
    Observation: given by the environment. The state is the training choices made and the last of
        them; then that of the space, which has forgotten them, for nothing that is legal depends on
        them. So there are only a few states more, and the value of a layer is its average over
        recipes. Only "tokens" holds them all.
    Reward: given by the environment.
    Episode end: as in the space.
    Reference: Zela et al., "Towards Automated Deep Learning: Efficient Joint Neural Architecture
        and Hyperparameter Search", 2018. That training choices come first is ours: they
        stand at the same positions in every walk, however long it is.

    Example:
        >>> from nas_env.spaces import SPACES, Joint
        >>> space = Joint(SPACES.get("chain")(), learning_rate=(0.001, 0.01), batch_size=(32, 64))
        >>> space.choice(space.start()).name
        'learning rate'
        >>> space.decode((16, 17, 0, 14)).recipe.learning_rate
        0.01

    Args:
        space: Where the architecture comes from.
        name: Its own name; "joint " and the space's unless told otherwise.
        training: For each training choice, a field of `Recipe`, the values that are on offer.

    Raises:
        UnknownNameError: A recipe has no such field.
        InvalidSettingError: A choice offers fewer than two values, one twice or one that a recipe
            refuses; there is no choice; the space is a `Joint` already.
    """

    def __init__(
        self, space: SearchSpace, name: str | None = None, **training: Iterable[Scalar]
    ) -> None:
        self.offers = {key: _values(key, values) for key, values in training.items()}
        if not training:
            raise InvalidSettingError(
                "A joint space needs a training choice, but has none. Give one, such as "
                "learning_rate=(0.001, 0.01)."
            )
        if isinstance(space, Joint):
            raise InvalidSettingError(
                f"Space {space.name!r} is joint already. Give all training choices at once."
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
        """Return the values of the next training choice, or what the space offers."""
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
        """Return the space's candidate with the chosen recipe."""
        candidate = self.space.candidate(walk[len(self.names) :])
        chosen: dict[str, Any] = dict(self.training(walk))
        return replace(candidate, recipe=replace(candidate.recipe, **chosen), walk=walk)

    def partial(self, walk: Walk) -> Architecture:
        """Return the layers decided so far."""
        return self.space.partial(walk[len(self.names) :])

    def training(self, walk: Walk) -> dict[str, Scalar]:
        """Return the training choices of a legal walk, complete or not, by field of the recipe."""
        return dict(self.values[decision - self.first] for decision in walk[: len(self.names)])

    def cost(self, state: Hashable, decision: int) -> int:
        """Return the parameters a decision adds; a training choice adds none."""
        return 0 if isinstance(state, TrainingState) else self.space.cost(state, decision)

    def project(self, state: Hashable) -> Hashable:
        """Return the space's coarser state."""
        return state if isinstance(state, TrainingState) else self.space.project(state)

    def features(self, state: Hashable) -> tuple[float, ...]:
        """Return the share of training choices made, and the space's features."""
        if isinstance(state, TrainingState):
            return state.chosen / len(self.names), *self.space.features(self.space.start())
        return 1.0, *self.space.features(state)

    def descriptors(self, walk: Walk) -> dict[str, tuple[float, ...]]:
        """Return the space's numbers for its part of a walk."""
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
    """Return a field of the recipe as a reader would write it."""
    return name.replace("_", " ")


def _values(name: str, values: Iterable[Scalar]) -> tuple[Scalar, ...]:
    """Return the values of a training choice, or refuse them."""
    if name not in Recipe.__dataclass_fields__:
        raise unknown_name("training choice", name, Recipe.__dataclass_fields__)
    found = (values,) if isinstance(values, str) else tuple(values)
    if len(found) < 2 or len(set(found)) < len(found):
        raise InvalidSettingError(
            f"Training choice {name} must offer at least two different values, but offers "
            f"{', '.join(map(str, found)) or 'none'}."
        )
    for value in found:
        Recipe(**{name: value})  # type: ignore[arg-type]
    return found


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
