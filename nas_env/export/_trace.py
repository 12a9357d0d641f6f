"""Traces the computation of a module with torch.fx; no code here depends on the kind of layer."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from nas_env.errors import InvalidArchitectureError
from nas_env.export._layout import literal
from nas_env.export._parts import Part, is_torch, joined, leaf, sequence, tensor

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
ATOM, TIMES, PLUS, ANY = 3, 2, 1, 0  # precedence of the last operator of an expression
OPERATORS: dict[Any, tuple[str, int]] = {
    torch.add: ("+", PLUS),
    operator.add: ("+", PLUS),
    operator.sub: ("-", PLUS),
    operator.mul: ("*", TIMES),
    torch.mul: ("*", TIMES),
    operator.truediv: ("/", TIMES),
}
NAMES: dict[Any, str] = {
    torch.cat: "concat",
    torch.add: "sum",
    operator.add: "sum",
    operator.mul: "product",
}


@dataclass(frozen=True)
class Step:
    """One step of a computation.

    Attributes:
        value: Name of the output.
        reads: Names of the inputs.
        part: The module that is called, or None.
        template: Without a module, the expression, with {0}, {1}, ... for the inputs.
        word: Suggested name for a variable that holds the output.
        level: Precedence of the last operator of the expression.
    """

    value: str
    reads: tuple[str, ...]
    part: Part | None = None
    template: str = ""
    word: str = "value"
    level: int = ATOM


@dataclass(frozen=True)
class Block:
    """A computation with one or several inputs.

    Attributes:
        name: Suggested name for its class.
        inputs: Names of its inputs, and whether each is read.
        steps: Steps in order.
        output: Name of the value that is returned.
    """

    name: str
    inputs: tuple[tuple[str, bool], ...]
    steps: tuple[Step, ...]
    output: str

    @property
    def parts(self) -> list[Part]:
        """Its modules in order."""
        return [step.part for step in self.steps if step.part is not None]


class _Root(nn.Module):
    inputs: int

    def __init__(self, block: nn.Module, inputs: int) -> None:
        super().__init__()
        self.block = block
        self.inputs = inputs

    def forward(self, inputs: tuple[Tensor, ...]) -> Any:
        return self.block(*(inputs[index] for index in range(self.inputs)))


class _Tracer(fx.Tracer):
    """Traces into containers and into modules without weights or children; others are leaves."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if module_qualified_name == "block":
            return is_torch(m)
        return is_torch(m) or (not isinstance(m, CONTAINERS) and holds(m))


def holds(module: nn.Module) -> bool:
    """Return whether a module contains weights or modules of torch."""
    tensors = [*module.parameters(), *module.buffers()]
    return bool(tensors) or any(is_torch(x) and x is not module for x in module.modules())


def trace(module: nn.Module, inputs: int, path: str, name: str) -> Block:
    """Return the computation of a module, without steps whose output is not read.

    Args:
        module: The module; the values of its weights are not used.
        inputs: Number of input tensors.
        path: Its name in the searched network.
        name: Suggested name for its class.

    Raises:
        InvalidArchitectureError: The computation depends on the values of tensors, or cannot be
            written as source.
    """
    root = _Root(module, inputs)
    try:
        graph = _Tracer().trace(root)
    except (AttributeError, RuntimeError, TypeError, ValueError, fx.proxy.TraceError) as error:
        raise InvalidArchitectureError(
            f"Module {type(module).__name__} at {path!r} cannot be written as source ({error}). "
            "Write a forward that torch.fx can trace: its steps must not depend on tensor values."
        ) from error
    _without_zeros(graph)
    _without_unread(graph)
    return fused(_Reader(root, path).block(graph, name))


def _without_zeros(graph: fx.Graph) -> None:
    """Remove zeros from sums, and merges with a single input."""
    for node in list(graph.nodes):
        if node.target in (torch.add, operator.add) and len(node.args) == 2:
            first, second = node.args
            remaining = second if is_zero(first) else first if is_zero(second) else None
        elif node.target is torch.cat and len(node.args[0]) == 1:
            remaining = node.args[0][0]
        else:
            continue
        if remaining is not None:
            node.replace_all_uses_with(remaining)


def _without_unread(graph: fx.Graph) -> None:
    for node in reversed(list(graph.nodes)):
        if not node.users and node.op not in ("output", "placeholder"):
            graph.erase_node(node)


def is_zero(node: Any) -> bool:
    """Return whether a step multiplies by zero."""
    return isinstance(node, fx.Node) and node.target is operator.mul and node.args[1:] == (0.0,)


class _Reader:
    """Converts the graph of a traced module to steps."""

    def __init__(self, root: _Root, path: str) -> None:
        self.root, self.path = root, path
        self.called: set[str] = set()

    def block(self, graph: fx.Graph, name: str) -> Block:
        inputs: dict[int, str] = {}
        steps: list[Step] = []
        output = ""
        entry = next(iter(graph.nodes))  # the tuple of all inputs
        for node in graph.nodes:
            if node.op == "output":
                output = self._output(node.args[0], name)
            elif node.target is operator.getitem and node.args[0] is entry:
                inputs[node.args[1]] = node.name
            elif node is not entry:
                steps.append(self._step(node))
        arguments = tuple(
            (inputs.get(i, f"unread{i}"), i in inputs) for i in range(self.root.inputs)
        )
        return Block(name, arguments, tuple(steps), output)

    def _output(self, value: Any, name: str) -> str:
        if isinstance(value, fx.Node):
            return value.name
        raise InvalidArchitectureError(
            f"Module {name} at {self.path!r} returns a {type(value).__name__}. Return one tensor."
        )

    def _step(self, node: fx.Node) -> Step:
        if node.op == "call_module":
            self._check_call(node)
            part = self._part(str(node.target), len(node.args))
            reads = tuple(x.name for x in node.args if isinstance(x, fx.Node))
            if part.block is not None:
                reads = tuple(
                    x for x, (_, read) in zip(reads, part.block.inputs, strict=True) if read
                )
            return Step(node.name, reads, part, word=part.word)
        if node.op == "get_attr":
            if node.target not in self.root.state_dict():
                raise InvalidArchitectureError(
                    f"Module {type(self.root.block).__name__} at {self.path!r} reads a tensor that "
                    "is not in its state dict. Make it a parameter or a persistent buffer."
                )
            value = operator.attrgetter(str(node.target))(self.root)
            trained = isinstance(value, nn.Parameter)
            part = tensor(value, self._path(node.target), trained)
            return Step(node.name, (), part, word=part.word)
        return _call(node)

    def _check_call(self, node: fx.Node) -> None:
        """Raise if the call of a module cannot be written correctly."""
        plain = all(isinstance(x, fx.Node) for x in node.args)
        weighs = bool(self.root.get_submodule(str(node.target)).state_dict())
        if node.kwargs or not plain or (weighs and node.target in self.called):
            raise InvalidArchitectureError(
                f"Module {self._path(node.target)!r} cannot be written: an argument is not a "
                "tensor by position, or it has weights and is called twice. Call each module with "
                "weights once, with positional tensors."
            )
        self.called.add(str(node.target))

    def _part(self, target: str, inputs: int) -> Part:
        module, path = self.root.get_submodule(target), self._path(target)
        if is_torch(module):
            return leaf(module, path)
        block = trace(module, inputs, path, type(module).__name__)
        return Part(block.name, block=block)

    def _path(self, target: Any) -> str:
        return joined(self.path, str(target).removeprefix("block").removeprefix("."))


def _call(node: fx.Node) -> Step:
    """Return the step of a function or a method."""
    reads: list[str] = []

    def text(value: Any) -> str:
        if isinstance(value, fx.Node):
            reads.append(value.name)
            return f"{{{len(reads) - 1}}}"
        if isinstance(value, list | tuple):
            inner = ", ".join(map(text, value))
            return f"({inner},)" if isinstance(value, tuple) and len(value) == 1 else f"[{inner}]"
        return literal(value)

    words = [text(x) for x in node.args]
    words += [f"{key}={text(value)}" for key, value in node.kwargs.items()]
    template, level = _template(node, words)
    return Step(node.name, tuple(reads), None, template, NAMES.get(node.target, "value"), level)


def _template(node: fx.Node, words: list[str]) -> tuple[str, int]:
    """Return the expression of a call, and the precedence of its last operator."""
    if node.op == "call_method":
        return f"{words[0]}.{node.target}({', '.join(words[1:])})", ATOM
    if node.target is operator.getitem:
        return f"{words[0]}[{words[1]}]", ATOM
    function: Callable[..., Any] = node.target  # type: ignore[assignment]
    if function in OPERATORS and len(words) == 2:
        sign, level = OPERATORS[function]
        return f"{words[0]} {sign} {words[1]}", level
    name = fx.node._get_qualified_name(function)
    name = name.replace("torch.nn.functional.", "functional.")
    return f"{name}({', '.join(words)})", ATOM


def fused(block: Block) -> Block:
    """Return a block in which each chain of modules is one step."""
    return replace(block, steps=tuple(_fused(block)))


def _fused(block: Block) -> Iterator[Step]:
    readers = [value for step in block.steps for value in step.reads]
    run: list[Step] = []

    def close() -> Iterator[Step]:
        if run:
            part = sequence([step.part for step in run if step.part is not None])
            yield Step(run[-1].value, run[0].reads, part, word=part.word)
            run.clear()

    for step in block.steps:
        chained = step.part is not None and len(step.reads) == 1
        follows = run and step.reads == (run[-1].value,) and readers.count(run[-1].value) == 1
        if not (chained and follows):
            yield from close()
        if chained:
            run.append(step)
        else:
            yield step
    yield from close()
