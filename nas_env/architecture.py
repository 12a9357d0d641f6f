"""The value types of the library: layer, architecture, recipe and candidate.

All are frozen, hashable and convertible to and from JSON; none depends on torch.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any

from nas_env.errors import InvalidArchitectureError, InvalidSettingError
from nas_env.registry import unknown_name

Scalar = str | int | float | bool
Shape = tuple[int, ...]
SCHEDULES = ("constant", "cosine", "one-cycle", "step")
OPTIMIZERS = ("adam", "adamw", "sgd")
AUGMENTATIONS = ("none", "shift")


ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical_json(value: object) -> str:
    """Return the JSON text of `value` with sorted keys and no spaces, equal in every process."""
    return ENCODER.encode(value)


def digest(value: object) -> str:
    """Return 32 hexadecimal digits (BLAKE2b, 128 bits) of the canonical JSON of `value`."""
    return hashlib.blake2b(canonical_json(value).encode(), digest_size=16).hexdigest()


def is_count(value: object) -> bool:
    """Whether a value is an integer >= 1."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer: its kind, its settings and its input nodes. Equal if its text is equal.

    Attributes:
        kind: A name in `nas_env.layers.LAYERS`.
        settings: Sorted pairs of name and value.
        inputs: Input nodes: 0 is the network's input, i the output of the i-th layer. Empty means
            the previous node, as in a chain.
    """

    kind: str
    settings: tuple[tuple[str, Scalar], ...] = ()
    inputs: tuple[int, ...] = ()

    @classmethod
    def of(cls, kind: str, inputs: Iterable[int] = (), **settings: Scalar) -> Layer:
        """Return a layer from keyword settings: `Layer.of("conv", channels=8, kernel=3)`."""
        return cls(kind, tuple(sorted(settings.items())), tuple(inputs))

    def __eq__(self, other: object) -> bool:
        return self.text == other.text if isinstance(other, Layer) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.text)

    def __getitem__(self, name: str) -> Any:
        for key, value in self.settings:
            if key == name:
                return value
        raise InvalidArchitectureError(
            f"Layer {self.kind!r} has no setting {name!r}. "
            f"Its settings: {', '.join(key for key, _ in self.settings) or 'none'}."
        )

    def get(self, name: str, default: Scalar) -> Any:
        """Return a setting, or `default` if the layer does not have it."""
        return dict(self.settings).get(name, default)

    def to_json(self) -> dict[str, Any]:
        """Return JSON data from which `from_json` creates an equal layer."""
        data: dict[str, Any] = {"kind": self.kind, **dict(self.settings)}
        return {**data, "inputs": list(self.inputs)} if self.inputs else data

    @cached_property
    def text(self) -> str:
        """JSON text, equal in every process."""
        return canonical_json(self.to_json())

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Layer:
        """Create a layer from the result of `to_json`."""
        rest = {key: value for key, value in data.items() if key not in ("kind", "inputs")}
        return cls.of(data["kind"], data.get("inputs", ()), **rest)


@dataclass(frozen=True)
class Architecture:
    """A network without its classifier head: layers in order of computation.

    The task adds a head that reads the last layer. A layer without inputs reads the previous layer,
    so chains and directed acyclic graphs have the same type.

    Raises:
        InvalidArchitectureError: A layer reads a node that is not before it.
    """

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        if not any(layer.inputs for layer in self.layers):
            return
        plain = []
        for index, layer in enumerate(self.layers):
            for node in layer.inputs:
                if not 0 <= node <= index:
                    raise InvalidArchitectureError(
                        f"Layer {index + 1} must read nodes before it, got node {node}. "
                        f"Use 0 (the input) to {index}."
                    )
            plain.append(Layer(layer.kind, layer.settings) if layer.inputs == (index,) else layer)
        object.__setattr__(self, "layers", tuple(plain))

    def inputs_of(self, index: int) -> tuple[int, ...]:
        """Return the nodes that layer `index` (from 0) reads."""
        return self.layers[index].inputs or (index,)

    @cached_property
    def text(self) -> str:
        """JSON text, equal for equal networks, in every process."""
        return f'{{"layers":[{",".join(layer.text for layer in self.layers)}]}}'

    @cached_property
    def key(self) -> str:
        """32 hexadecimal digits that are equal for equal networks, in every process."""
        return digest(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Return JSON data from which `from_json` creates an equal architecture."""
        return {"layers": [layer.to_json() for layer in self.layers]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Architecture:
        """Create an architecture from the result of `to_json`."""
        return cls(tuple(Layer.from_json(layer) for layer in data["layers"]))


@dataclass(frozen=True)
class Recipe:
    """The training settings of a network; part of the candidate and of its key.

    Attributes:
        optimizer: "adamw", "adam" or "sgd" (momentum 0.9).
        learning_rate: The peak learning rate.
        weight_decay: Decoupled weight decay (AdamW), L2 penalty (Adam, SGD).
        batch_size: Samples per update.
        schedule: "one-cycle" (linear increase over the first 30 %, then cosine decay), "cosine",
            "constant" or "step" (multiplied by `step_factor` every `step_epochs`).
        step_factor: Factor of the "step" schedule.
        step_epochs: Epochs between two steps of the "step" schedule.
        label_smoothing: Share of the target that is spread over all classes in training.
        augmentation: "none", or "shift" (images shifted by up to one eighth of their side).

    Raises:
        InvalidSettingError: A value is out of range.
    """

    optimizer: str = "adamw"
    learning_rate: float = 0.01
    weight_decay: float = 0.01
    batch_size: int = 64
    schedule: str = "one-cycle"
    step_factor: float = 0.2
    step_epochs: int = 5
    label_smoothing: float = 0.0
    augmentation: str = "none"

    def __post_init__(self) -> None:
        for kind, value, choices in (
            ("optimizer", self.optimizer, OPTIMIZERS),
            ("schedule", self.schedule, SCHEDULES),
            ("augmentation", self.augmentation, AUGMENTATIONS),
        ):
            if value not in choices:
                raise unknown_name(kind, value, choices)
        for name, holds, rule in (
            ("learning_rate", 0 < self.learning_rate < math.inf, "> 0 and finite"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, ">= 0 and finite"),
            ("batch_size", is_count(self.batch_size), "an integer >= 1"),
            ("step_factor", 0 < self.step_factor <= 1, "in (0, 1]"),
            ("step_epochs", is_count(self.step_epochs), "an integer >= 1"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "in [0, 1)"),
        ):
            if not holds:
                raise InvalidSettingError(
                    f"Recipe setting {name} must be {rule}, got {getattr(self, name)}."
                )
        for name in ("learning_rate", "weight_decay", "step_factor", "label_smoothing"):
            object.__setattr__(
                self, name, float(getattr(self, name))
            )  # 1 and 1.0 have the same key

    def changes(self) -> dict[str, Scalar]:
        """Return the settings that differ from the default recipe."""
        default = asdict(Recipe())
        return {name: value for name, value in asdict(self).items() if value != default[name]}

    def to_json(self) -> dict[str, Any]:
        """Return JSON data from which `from_json` creates an equal recipe."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Recipe:
        """Create a recipe from the result of `to_json`."""
        known = {item.name for item in fields(cls)}
        for name in data:
            if name not in known:
                raise unknown_name("recipe setting", name, known)
        return cls(**data)


@dataclass(frozen=True)
class Candidate:
    """An architecture and the recipe to train it with; the input of an evaluation.

    Attributes:
        architecture: The network.
        recipe: The training settings.
        walk: The decisions that led to the network. Not part of equality or of the key: two walks
            to the same network are the same candidate.
        parent: The candidate whose trained weights initialize the training, as far as the shapes
            match; or None. Part of equality and of the key.
        function: Text that replaces the architecture in the key, so that networks that a space
            declares equivalent (isomorphic cells) have the same key. If empty, the key uses the
            architecture. Part of equality, because equal candidates have equal keys.
    """

    architecture: Architecture
    recipe: Recipe = field(default_factory=Recipe)
    walk: tuple[int, ...] = field(default=(), compare=False)
    parent: Candidate | None = None
    function: str = ""

    @cached_property
    def key(self) -> str:
        """32 hexadecimal digits that are equal for equal candidates, in every process."""
        own = [self.function or self.architecture.to_json(), self.recipe.to_json()]
        return digest(own if self.parent is None else [*own, self.parent.key])

    @cached_property
    def trained_key(self) -> str:
        """As `key`, but different for equivalent networks with different architectures.

        Their parameters and results differ, so evaluations are stored under this key.
        """
        if not self.function and self.parent is None:
            return self.key
        own = [self.architecture.to_json(), self.recipe.to_json()]
        return digest(own if self.parent is None else [*own, self.parent.trained_key])

    def to_json(self) -> dict[str, Any]:
        """Return JSON data from which `from_json` creates an equal candidate."""
        data: dict[str, Any] = {
            "architecture": self.architecture.to_json(),
            "recipe": self.recipe.to_json(),
            "walk": list(self.walk),
        }
        if self.function:
            data["function"] = self.function
        return data if self.parent is None else {**data, "parent": self.parent.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Candidate:
        """Create a candidate from the result of `to_json`."""
        return cls(
            Architecture.from_json(data["architecture"]),
            Recipe.from_json(data["recipe"]),
            tuple(data.get("walk", ())),
            cls.from_json(data["parent"]) if data.get("parent") else None,
            data.get("function", ""),
        )
