"""Source of ensembles of networks, and of the temperature of classifiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nas_env.export import _answers as answers
from nas_env.export._layout import Call, lay_out, statement
from nas_env.export._network import Written
from nas_env.tasks.base import TaskSpec

OLD, NEW = "networks", "members"  # the list of networks in `Ensemble`, and in the written class


def last_statements(forward: Sequence[str], temperature: float | None) -> list[str]:
    """Return the statements of `forward` that divide the returned logits by the temperature."""
    if temperature is None:
        return list(forward)
    *before, last = forward
    logits = f"logits = {last.removeprefix('return ')}"
    return [*before, logits, "return logits / TEMPERATURE"]


def network_class(
    name: str, text: str, written: Written, spec: TaskSpec, temperature: float | None = None
) -> list[str]:
    """Return the class of a network.

    Args:
        name: Name of the class.
        text: Its docstring.
        written: The statements of its methods.
        spec: Shapes of the task.
        temperature: See `last_statements`.
    """
    return [
        f"class {name}(nn.Module):",
        f'    """{text}"""',
        "",
        "    def __init__(self) -> None:",
        "        super().__init__()",
        *written.init,
        "",
        f"    def forward(self, {written.entry}: Tensor) -> Tensor:",
        f'        """Return {answers.outputs(spec)} of preprocessed samples."""',
        *(x for line in last_statements(written.forward, temperature) for x in statement(line, 8)),
    ]


def ensemble_class(members: Sequence[str], spec: TaskSpec, temperature: float | None) -> list[str]:
    """Return the class of the ensemble; `members` are the names of its networks' classes."""
    listed = Call("nn.ModuleList", (Call("", tuple(f"{x}()" for x in members), brackets="[]"),))
    what, outputs = "predictions", "the mean standardised target (batch, 1)"
    forward = ["return outputs.mean(dim=0)"]
    if spec.problem != answers.REGRESSION:
        what = "probabilities"
        outputs = f"logarithms (batch, {spec.num_outputs}) of the mean probabilities"
        mean = "outputs.log_softmax(dim=2).logsumexp(dim=0)"
        forward = [f"return {mean} - math.log(len(self.{NEW}))"]
    stacked = f"outputs = torch.stack([member(x) for member in self.{NEW}])"
    return [
        "class Network(nn.Module):",
        f'    """The ensemble: the mean of the {what} of {len(members)} networks."""',
        "",
        "    def __init__(self) -> None:",
        "        super().__init__()",
        *lay_out(listed, f"self.{NEW} = ", indent=8),
        "",
        "    def forward(self, x: Tensor) -> Tensor:",
        f'        """Return {outputs} of preprocessed samples."""',
        *(
            x
            for line in last_statements([stacked, *forward], temperature)
            for x in statement(line, 8)
        ),
    ]


def ensemble_names(members: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the modules of a written ensemble with their names in `Ensemble`."""
    return {
        f"{NEW}.{place}.{new}": f"{OLD}.{place}.{old}"
        for place, names in enumerate(members)
        for new, old in names.items()
    }
