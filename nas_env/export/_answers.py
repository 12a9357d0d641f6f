"""From what a network puts out to an answer: probabilities and names of classes, or numbers."""

from __future__ import annotations

from collections.abc import Sequence

from nas_env.export._layout import Call, lay_out, literal
from nas_env.tasks.base import Task, TaskSpec

REGRESSION = "regression"


def target_of(task: Task) -> tuple[float, float]:
    """Return mean and standard deviation by which a task standardised its targets."""
    return getattr(task, "target_mean", 0.0), getattr(task, "target_sd", 1.0)


def heading(spec: TaskSpec) -> str:
    """Return the end of the sentence that `predict` begins in the head of the file."""
    if spec.problem == REGRESSION:
        return "returns the number that is predicted for samples as they come, in its own unit."
    return "returns the probability of each class for samples as they come."


def outputs(spec: TaskSpec) -> str:
    """Return what the network itself puts out, in words."""
    if spec.problem == REGRESSION:
        return "the standardised target (batch, 1)"
    return f"logits (batch, {spec.num_outputs})"


def constants(spec: TaskSpec, classes: Sequence[str], target: tuple[float, float]) -> list[str]:
    """Return lines with the names of the classes, or mean and standard deviation of the target."""
    if spec.problem == REGRESSION:
        return [f"TARGET_MEAN, TARGET_SD = {target[0]!r}, {target[1]!r}"]
    if not classes:
        return []
    names = Call("", tuple(literal(str(name)) for name in classes), brackets="()")
    return lay_out(names, "CLASSES = ")


def functions(spec: TaskSpec, named: bool) -> list[list[str]]:
    """Return the lines of `predict`, and of `classify` where classes have names."""
    if spec.problem == REGRESSION:
        return [_predict("number that is predicted, (batch,) float64", REGRESSED)]
    predict = _predict(f"probability of each class, (batch, {spec.num_outputs})", PROBABILITIES)
    return [predict, CLASSIFY.splitlines()] if named else [predict]


PROBABILITIES = "network(preprocess(samples)).softmax(dim=1)"
REGRESSED = "network(preprocess(samples))[:, 0].double() * TARGET_SD + TARGET_MEAN"
CLASSIFY = '''\
def classify(network: Network, samples: Tensor) -> list[str]:
    """Return the name of the most probable class of each sample."""
    return [CLASSES[best] for best in predict(network, samples).argmax(dim=1).tolist()]'''


def _predict(what: str, expression: str) -> list[str]:
    return [
        "@torch.inference_mode()",
        "def predict(network: Network, samples: Tensor) -> Tensor:",
        f'    """Return the {what}."""',
        f"    return {expression}",
    ]


def main(spec: TaskSpec, named: bool, example: Sequence[str]) -> list[str]:
    """Return the lines that answer for samples where the file is run.

    Args:
        spec: Shapes of the task.
        named: Whether its classes have names.
        example: An expression for the samples; nothing: random numbers.
    """
    shape = ", ".join(map(str, spec.input_shape))
    samples = [*example, f"torch.rand(2, {shape})  # put yours here, as they come"][0]
    lines = ['if __name__ == "__main__":', "    network = load()", f"    samples = {samples}"]
    if spec.problem == REGRESSION:
        loop = ["for number in predict(network, samples):", '    print(f"{number:.6g}")']
    else:
        label = "{CLASSES[best]}" if named else "class {best}"
        loop = [
            "for probabilities in predict(network, samples):",
            "    best = int(probabilities.argmax())",
            f'    print(f"{label}: {{probabilities[best]:.3f}}")',
        ]
    return [*lines, *(f"    {line}" for line in loop)]
