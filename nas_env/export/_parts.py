"""A module as a person would make it: its class, its settings, and where it comes from."""

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
# What has no weights and is shorter as a call; {0} is its input.
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
        name: As the class calls it.
        value: What it is.
        implicit: Whether it would be the same if it was left out.
        positional: Whether it is given without its name.
    """

    name: str
    value: Any
    implicit: bool = False
    positional: bool = False


@dataclass(frozen=True)
class Part:
    """A module in the making.

    Attributes:
        maker: What makes it: "nn.Conv2d", "nn.Sequential", or a name that is written above.
        settings: What it is made with.
        names: Pairs of a name below the part and the name the searched network has for it.
        parts: What "nn.Sequential" holds.
        block: What a module of several paths holds, before it has a class.
    """

    maker: str
    settings: tuple[Setting, ...] = ()
    names: tuple[tuple[str, str], ...] = ()
    parts: tuple[Part, ...] = ()
    block: Any = field(default=None, compare=False)

    @property
    def word(self) -> str:
        """The word its name begins with, such as "conv"."""
        name = self.maker.rpartition(".")[2]
        if self.maker in TENSORS:
            return self.names[0][1].rpartition(".")[2]
        if name == "Sequential":
            words = [part.word for part in self.parts]
            return next((x for x in ("conv", "linear") if x in words), words[-1])
        return WORDS.get(name) or (name.lower() if self.maker in CALLS else snake(name))

    @property
    def call(self) -> str | None:
        """The call that does the same without a module, where there is one."""
        plain = all(setting.implicit for setting in self.settings)
        return CALLS.get(self.maker) if plain else None


def snake(name: str) -> str:
    """Return a class's name in small letters: "SqueezeExcite" is "squeeze_excite".

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
    """Return whether a module is one of torch's own that holds no others."""
    return type(module).__module__.startswith("torch.nn.") and not any(module.children())


def leaf(module: nn.Module, path: str) -> Part:
    """Return one of torch's own modules, its settings read from its attributes.

    Args:
        module: The module.
        path: Its name in the searched network.

    Raises:
        InvalidArchitectureError: A setting leaves no attribute of its name.
    """
    name = type(module).__name__
    if getattr(nn, name, None) is not type(module):
        raise InvalidArchitectureError(
            f"Module {type(module).__qualname__} at {path!r} is not in torch.nn by its name. "
            "Build the layer of modules that torch.nn names."
        )
    return Part(f"nn.{name}", tuple(_settings(module)), (("", path),))


def _settings(module: nn.Module) -> Iterator[Setting]:
    signature = inspect.signature(type(module).__init__)
    own = list(signature.parameters.values())[1:]
    known = [x for x in own if x.name not in ("device", "dtype")]
    for index, parameter in enumerate(known):
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
    """Return a setting as it is written: a pair of equal numbers is one number."""
    if not hasattr(module, name):
        if name == "kernel_size":
            return ...
        raise InvalidArchitectureError(
            f"Setting {name!r} of nn.{type(module).__name__} cannot be read from the module. "
            "Build the layer of other modules of torch.nn."
        )
    value = getattr(module, name)
    if name == "bias":
        return isinstance(value, Tensor) or value is True
    return _single(value)


def _single(value: Any) -> Any:
    pair = isinstance(value, tuple) and len(value) == 2
    return value[0] if pair and value[0] == value[1] else value


def tensor(value: Tensor, path: str, trained: bool) -> Part:
    """Return a parameter or a buffer that a module holds itself."""
    settings = [Setting("shape", tuple(value.shape), positional=True)]
    if value.dtype is not torch.float32:
        settings.append(Setting("dtype", value.dtype))
    maker = "nn.Parameter" if trained else "nn.Buffer"
    return Part(maker, tuple(settings), (("", path),))


def sequence(parts: Sequence[Part]) -> Part:
    """Return several parts, one after the other, as one; a single one as it is."""
    if len(parts) == 1:
        return parts[0]
    return Part("nn.Sequential", names=tuple(_numbered(parts)), parts=tuple(parts))


def _numbered(parts: Sequence[Part]) -> Iterator[tuple[str, str]]:
    for number, part in enumerate(parts):
        yield from ((joined(str(number), new), old) for new, old in part.names)


def joined(name: str, rest: str) -> str:
    """Return two parts of a dotted name as one."""
    return f"{name}.{rest}" if name and rest else name or rest
