"""A module as handwritten source: its class, its settings, and its name in the searched network."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from nas_env.errors import InvalidArchitectureError

WORDS = {"AdaptiveAvgPool2d": "pool", "AvgPool2d": "pool", "MaxPool2d": "pool"}
WORDS |= {"BatchNorm2d": "norm", "BatchNorm1d": "norm", "Conv2d": "conv", "ZeroPad2d": "pad"}
TENSORS = ("nn.Parameter", "nn.Buffer")
# Modules without weights that are shorter as a function call; {0} is the input.
CALLS = {
    "nn.ReLU": "functional.relu({0})",
    "nn.ELU": "functional.elu({0})",
    "nn.GELU": "functional.gelu({0})",
    "nn.SiLU": "functional.silu({0})",
    "nn.Tanh": "torch.tanh({0})",
    "nn.Sigmoid": "torch.sigmoid({0})",
    "nn.Flatten": "{0}.flatten(1)",
}


@dataclass(frozen=True)
class Setting:
    """A setting of a module.

    Attributes:
        name: Name of the argument of the class.
        value: Value of the argument.
        implicit: Whether the value is the default, so that it can be left out.
        positional: Whether it is a positional argument.
    """

    name: str
    value: Any
    implicit: bool = False
    positional: bool = False


@dataclass(frozen=True)
class Part:
    """A call that makes a module.

    Attributes:
        maker: Callable that makes it: "nn.Conv2d", "nn.Sequential", or a function or class that is
            defined earlier in the file.
        settings: Arguments of the call.
        names: Pairs of a name below the part and its name in the searched network.
        parts: Modules in "nn.Sequential".
        block: Computation of a module with several paths, before it has a class.
    """

    maker: str
    settings: tuple[Setting, ...] = ()
    names: tuple[tuple[str, str], ...] = ()
    parts: tuple[Part, ...] = ()
    block: Any = field(default=None, compare=False)

    @property
    def word(self) -> str:
        """First word of its attribute name, such as "conv"."""
        name = self.maker.rpartition(".")[2]
        if self.maker in TENSORS:
            return self.names[0][1].rpartition(".")[2]
        if name == "Sequential":
            words = [part.word for part in self.parts]
            return next((x for x in ("conv", "linear") if x in words), words[-1])
        return WORDS.get(name) or (name.lower() if self.maker in CALLS else snake(name))

    @property
    def call(self) -> str | None:
        """Equivalent function call, or None if there is none."""
        plain = all(setting.implicit for setting in self.settings)
        return CALLS.get(self.maker) if plain else None


def snake(name: str) -> str:
    """Return the name of a class in snake case: "SqueezeExcite" becomes "squeeze_excite".

    Example:
        >>> snake("SqueezeExcite"), snake("MBConv"), snake("mb-conv")
        ('squeeze_excite', 'mb_conv', 'mb_conv')
    """
    letters = ""
    for before, letter, after in zip(" " + name, name, name[1:] + " ", strict=False):
        starts = before.islower() or (before.isupper() and after.islower())
        letters += "_" if letter.isupper() and starts else ""
        letters += letter.lower()
    return letters.replace("-", "_")


def is_torch(module: nn.Module) -> bool:
    """Return whether a module is one of torch's own and has no children."""
    return type(module).__module__.startswith("torch.nn.") and not any(module.children())


def leaf(module: nn.Module, path: str) -> Part:
    """Return the part of one of torch's own modules; its settings are read from its attributes.

    Args:
        module: The module.
        path: Its name in the searched network.

    Raises:
        InvalidArchitectureError: A setting has no attribute of the same name.
    """
    name = type(module).__name__
    if getattr(nn, name, None) is not type(module):
        raise InvalidArchitectureError(
            f"Module {type(module).__qualname__} at {path!r} is not available in torch.nn under "
            "its name. Build the layer from modules of torch.nn."
        )
    return Part(f"nn.{name}", tuple(_settings(module)), (("", path),))


def _settings(module: nn.Module) -> Iterator[Setting]:
    signature = inspect.signature(type(module).__init__)
    own = list(signature.parameters.values())[1:]
    parameters = [x for x in own if x.name not in ("device", "dtype")]
    for index, parameter in enumerate(parameters):
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        value = _value(module, parameter.name)
        required = parameter.default is parameter.empty
        plain = _single(parameter.default)
        implicit = not required and (
            value == plain or (plain is None and value == _value(module, "kernel_size"))
        )
        positional = index == 0 or (required and index == 1)
        yield Setting(parameter.name, value, implicit, positional)


def _value(module: nn.Module, name: str) -> Any:
    """Return a setting as it is written; a pair of equal numbers becomes one number."""
    if not hasattr(module, name):
        if name == "kernel_size":
            return ...
        raise InvalidArchitectureError(
            f"Setting {name!r} of nn.{type(module).__name__} cannot be read from the module. "
            "Build the layer from other modules of torch.nn."
        )
    value = getattr(module, name)
    if name == "bias":
        return isinstance(value, Tensor) or value is True
    return _single(value)


def _single(value: Any) -> Any:
    pair = isinstance(value, tuple) and len(value) == 2
    return value[0] if pair and value[0] == value[1] else value


def tensor(value: Tensor, path: str, trained: bool) -> Part:
    """Return the part of a parameter or buffer that a module owns directly."""
    settings = [Setting("shape", tuple(value.shape), positional=True)]
    if value.dtype is not torch.float32:
        settings.append(Setting("dtype", value.dtype))
    maker = "nn.Parameter" if trained else "nn.Buffer"
    return Part(maker, tuple(settings), (("", path),))


def sequence(parts: Sequence[Part]) -> Part:
    """Return parts in sequence as one part; a single part is returned unchanged."""
    if len(parts) == 1:
        return parts[0]
    return Part("nn.Sequential", names=tuple(_numbered(parts)), parts=tuple(parts))


def _numbered(parts: Sequence[Part]) -> Iterator[tuple[str, str]]:
    for number, part in enumerate(parts):
        yield from ((joined(str(number), new), old) for new, old in part.names)


def joined(name: str, rest: str) -> str:
    """Join two parts of a dotted name; either may be empty."""
    return f"{name}.{rest}" if name and rest else name or rest
