"""Finds samples and labels among named arrays: `x_train`, `train_images`, `X_valid` and so on."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nas_env.errors import InvalidDataError
from nas_env.sources.base import NOT_SAID, SPLIT_NAMES, TEST, TRAIN, VALIDATION

LAYOUTS = (
    "`x`, `y` or `x_train`, `y_train`[, `x_val`, `y_val`], `x_test`, `y_test`, or the same with "
    "other words, such as `train_images`, `train_labels`"
)
PARTS = {"": NOT_SAID, "_train": TRAIN, "_val": VALIDATION, "_test": TEST}
WANTED = tuple(f"{axis}{part}" for axis in "xy" for part in PARTS)
AXES = {
    **dict.fromkeys(("x", "image", "images", "data", "samples", "features", "inputs"), "x"),
    **dict.fromkeys(("y", "label", "labels", "target", "targets"), "y"),
}
LABELS = ("label", "labels")


def named(source: str, names: Sequence[str]) -> dict[str, str]:
    """Return the name of the array for each of the roles, such as "x_train".

    Raises:
        InvalidDataError: Two arrays have the same role.

    Example:
        >>> named("mine.npz", ["X_valid", "valid_labels", "weights"])
        {'x_val': 'X_valid', 'y_val': 'valid_labels'}
    """
    exact = {name: name for name in names if name in WANTED}
    if set(exact) == {"x", "y"}:
        return exact
    roles = dict(exact)
    others = {name: role for name in names if name not in exact and (role := role_of(name))}
    split = any("_" in role for role in (*exact, *others.values()))
    for name, role in others.items():
        if role in exact or (split and "_" not in role):
            continue
        if role in roles:
            raise InvalidDataError(
                f"{source}: the arrays {roles[role]} and {name} have the same meaning, {role}. "
                "Keep one of them."
            )
        roles[role] = name
    return {role: roles[role] for role in WANTED if role in roles}


def role_of(name: str) -> str | None:
    """Return the role of an array by its name; None if it has none.

    Example:
        >>> role_of("train_images"), role_of("Y"), role_of("weights")
        ('x_train', 'y', None)
    """
    words = re.split(r"[_\-. ]", name.lower())
    axes = [AXES[word] for word in words if word in AXES]
    splits = [SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES]
    if len(axes) != 1 or len(splits) > 1 or len(words) != len(axes) + len(splits):
        return None
    suffix = {split: part for part, split in PARTS.items()}
    return axes[0] + suffix[splits[0] if splits else NOT_SAID]


def says_labels(name: str) -> bool:
    """Return whether the name of an array says that it holds labels."""
    return any(word in LABELS for word in re.split(r"[_\-. ]", name.lower()))
