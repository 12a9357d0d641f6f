"""Edits: small changes that lead from one complete walk of a space to another.

They are derived from the options and their fields, so every space supports them without extra code.
A layer is a decision whose option has a "kind", together with the following decisions without a
kind (such as its activation and dropout). In a space without kinds every decision is a separate
layer, and no layer can be added or removed. Each training choice is a separate position before the
layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from nas_env.architecture import Recipe
from nas_env.spaces.automaton import Automaton
from nas_env.spaces.choice import Option, Walk

EDITS = (
    "add at the end",
    "add in the middle",
    "remove",
    "widen",
    "narrow",
    "change activation",
    "change kernel",
    "toggle normalisation",
    "toggle dropout",
    "stop",
)
ADD_END, ADD_MIDDLE, REMOVE, WIDEN, NARROW, *CHANGES, STOP = EDITS
CHANGE_KERNEL, CHANGE_TRAINING = "change kernel", "change training"
TRAINING = frozenset(Recipe.__dataclass_fields__)
WIDTHS = ("channels", "units", "width")
# The fields that an edit may change; their order defines wider, narrower and the next value.
FIELDS = {
    WIDEN: WIDTHS,
    NARROW: WIDTHS,
    "change activation": ("activation",),
    # In a cell the choices are operations, their input states and the combination of the results.
    CHANGE_KERNEL: ("kernel", "operation", "state", "combination", "skip"),
    "toggle normalisation": ("normalisation", "batch_norm"),
    "toggle dropout": ("dropout",),
    CHANGE_TRAINING: tuple(sorted(TRAINING)),
}
# Kinds that are not layers but belong to the previous layer, and the edits that toggle them.
MODIFIERS = {"batch-norm": "toggle normalisation", "dropout": "toggle dropout"}
CACHE_SIZE = 10_000


class Neighbour(NamedTuple):
    """A complete legal walk that is one edit away.

    Attributes:
        edit: A name in `EditRules.edits`, never "stop".
        position: Index of the changed layer, or the new index of an added layer. Training choices
            count as layers before the first.
        walk: The walk after the edit.
    """

    edit: str
    position: int
    walk: Walk


class EditRules:
    """The edits of one space.

    Args:
        automaton: The compiled space.
        options: All decisions of the space in order of their numbers.
        max_params: Maximum number of parameters, or None.

    Attributes:
        max_layers: Maximum number of layers of a walk.
        edits: The names of the edits: `EDITS`, with "change training" before "stop" if the space
            has training choices.
    """

    def __init__(
        self, automaton: Automaton, options: Sequence[Option], max_params: int | None
    ) -> None:
        self._next: list[list[int]] = automaton.next_state.tolist()
        self._final: list[bool] = automaton.final.tolist()
        self._cost: list[list[int]] = [] if automaton.cost is None else automaton.cost.tolist()
        self._limit = self._most = max_params
        self._fields = [dict(option.fields) for option in options]
        kinds = [str(fields["kind"][0]) if "kind" in fields else "" for fields in self._fields]
        self._kinds = kinds
        self._stops = [d for d, kind in enumerate(kinds) if kind == "stop"]
        self._layers = [d for d, k in enumerate(kinds) if k not in ("", "stop", *MODIFIERS)]
        self._plain = not self._layers  # no kinds: every decision is a layer
        self._training = {d: n for d, x in enumerate(self._fields) for n in x if n in TRAINING}
        self._changes = [*CHANGES, CHANGE_TRAINING] if self._training else CHANGES
        self.edits = (*EDITS[:-1], CHANGE_TRAINING, STOP) if self._training else EDITS
        self._siblings = [self._find_siblings(d) for d in range(len(kinds))]
        self.max_layers = self._longest()
        self._known: dict[Walk, tuple[Neighbour, ...]] = {}

    def words(self, edit: str) -> str:
        """Return the name of an edit in this space; without kernels it changes operations."""
        kernels = any("kernel" in fields for fields in self._fields)
        operations = any("operation" in fields for fields in self._fields)
        return "change operation" if edit == CHANGE_KERNEL and operations and not kernels else edit

    def where(self, position: int) -> str:
        """Return the name of a neighbour's position: "layer 1", or a training choice."""
        names = list(dict.fromkeys(self._training.values()))
        if position < len(names):
            return names[position].replace("_", " ")
        return f"layer {position - len(names) + 1}"

    def layers(self, walk: Walk) -> list[Walk]:
        """Return the decisions of each layer of a walk, without a final "stop"."""
        layers: list[Walk] = []
        for decision in walk:
            if decision in self._stops:
                break
            if not layers or self._is_layer(decision):
                layers.append((decision,))
            else:
                layers[-1] = (*layers[-1], decision)
        return layers

    def neighbours(self, walk: Walk) -> tuple[Neighbour, ...]:
        """Return all walks that are one edit away from a complete legal walk; cached."""
        if walk not in self._known:
            if len(self._known) >= CACHE_SIZE:
                self._known.clear()
            self._known[walk] = self._neighbours(walk)
        return self._known[walk]

    def _neighbours(self, walk: Walk) -> tuple[Neighbour, ...]:
        layers = self.layers(walk)
        self._most = self._limit
        if self._limit is not None and (spent := self.place(walk)[1]) > self._limit:
            self._most = spent - 1  # over the limit: each edit must remove parameters
        neighbours = [Neighbour(ADD_END, len(layers), x) for x in self._added(layers, len(layers))]
        for position in range(len(layers)):
            neighbours += [
                Neighbour(ADD_MIDDLE, position, x) for x in self._added(layers, position)
            ]
        for position in range(len(layers)):
            rest = layers[:position] + layers[position + 1 :]
            if not self._plain and (after := self._completed(rest)):
                neighbours.append(Neighbour(REMOVE, position, after))
        for edit in (WIDEN, NARROW, *self._changes):
            for position in range(len(layers)):
                changed = self._changed(layers, position, edit)
                neighbours += [Neighbour(edit, position, walk) for walk in changed]
        return tuple(neighbours)

    def _added(self, layers: list[Walk], position: int) -> Iterator[Walk]:
        """Yield the walks with one more layer; details are its neighbour's or the first."""
        before = [decision for layer in layers[:position] for decision in layer]
        beside = layers[max(position - 1, 0)] if layers else ()
        node = self._end(before)
        for decision in self._layers if node is not None else ():
            added = self._with_details((*before, decision), beside)
            if added and (after := self._completed([added, *layers[position:]])):
                yield after

    def _with_details(self, walk: Walk, beside: Walk) -> Walk | None:
        """Return the walk with the details of its last layer decided, or None if illegal."""
        while (node := self._end(walk)) is not None and not self._final[node]:
            legal = [d for d, child in enumerate(self._next[node]) if child >= 0]
            if any(self._kinds[decision] for decision in legal):
                return walk
            like = [decision for decision in legal if decision in beside]
            walk = (*walk, (like or legal)[0])
        return None if node is None else walk

    def _changed(self, layers: list[Walk], position: int, edit: str) -> Iterator[Walk]:
        """Yield the walk with each detail of a layer changed to the nearest legal value."""
        layer = layers[position]
        for changes in (*self._substituted(layer, edit), self._toggled(layer, edit)):
            for changed in changes:
                after = self._completed([*layers[:position], changed, *layers[position + 1 :]])
                if after:
                    yield after
                    break

    def _substituted(self, layer: Walk, edit: str) -> list[list[Walk]]:
        """Return, per decision of a layer, the layers with another field value, nearest first."""
        return [
            [
                (*layer[:index], other, *layer[index + 1 :])
                for field in FIELDS[edit]
                for other in _in_turn(self._siblings[decision].get(field, []), decision, edit)
            ]
            for index, decision in enumerate(layer)
        ]

    def _toggled(self, layer: Walk, edit: str) -> Iterator[Walk]:
        """Yield the layer with one modifier removed, or with one missing modifier added."""
        kinds = [kind for kind, toggles in MODIFIERS.items() if toggles == edit]
        present = [decision for decision in layer if self._kinds[decision] in kinds]
        if present:
            yield tuple(decision for decision in layer if decision not in present)
            return
        for decision, kind in enumerate(self._kinds):
            if kind in kinds:
                yield (*layer, decision)

    def _completed(self, layers: Iterable[Walk]) -> Walk | None:
        """Return the complete legal walk of these layers, or None if there is none."""
        body = tuple(decision for layer in layers for decision in layer)
        for tail in ((), *((stop,) for stop in self._stops)):
            node = self._end((*body, *tail))
            if node is not None and self._final[node]:
                walk = (*body, *tail)
                return walk if self._affordable(walk) else None
        return None

    def _end(self, walk: Iterable[int]) -> int | None:
        """Return the state after a walk, or None if a decision is illegal."""
        node = 0
        for decision in walk:
            node = self._next[node][decision]
            if node < 0:
                return None
        return node

    def _affordable(self, walk: Walk) -> bool:
        return self._most is None or self.place(walk)[1] <= self._most

    def place(self, walk: Walk) -> tuple[int, int]:
        """Return the state after a legal walk, and its additive cost (0 without additive costs)."""
        node = spent = 0
        for decision in walk:
            spent += self._cost[node][decision] if self._cost else 0
            node = self._next[node][decision]
        return node, spent

    def _find_siblings(self, decision: int) -> dict[str, list[int]]:
        """Return, by field, the options that differ from this one only in that field."""
        mine = self._fields[decision]
        siblings: dict[str, list[int]] = {}
        for name in mine:
            rest = {key: value for key, value in mine.items() if key != name}
            alike = [
                other
                for other, fields in enumerate(self._fields)
                if name in fields and {k: v for k, v in fields.items() if k != name} == rest
            ]
            siblings[name] = sorted(alike, key=lambda other: self._fields[other][name][1])
        return siblings

    def _longest(self) -> int:
        """Return the maximum number of layers of a walk, by a backward pass over the states."""
        most: dict[int, int] = {}
        stack = [0]
        while stack:
            node = stack[-1]
            children = {d: child for d, child in enumerate(self._next[node]) if child >= 0}
            if todo := [child for child in children.values() if child not in most]:
                stack += todo
                continue
            counts = (most[child] + self._is_layer(d) for d, child in children.items())
            most[stack.pop()] = max(counts, default=0)
        return most[0]

    def _is_layer(self, decision: int) -> bool:
        return self._plain or decision in self._layers or decision in self._training


def _in_turn(siblings: list[int], decision: int, edit: str) -> list[int]:
    """Return the other values in the order in which an edit tries them."""
    index = siblings.index(decision) if decision in siblings else 0
    smaller, larger = siblings[:index], siblings[index + 1 :]
    if edit == WIDEN:
        return larger
    if edit == NARROW:
        return smaller[::-1]
    return larger + smaller
