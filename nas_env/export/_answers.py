"""Source that converts network outputs to class probabilities and names, or to numbers."""

from __future__ import annotations

from collections.abc import Sequence

from nas_env.export._layout import Call, lay_out, literal
from nas_env.tasks.base import Task, TaskSpec

REGRESSION = "regression"


def target_of(task: Task) -> tuple[float, float]:
    """Return the mean and standard deviation with which a task standardised its targets."""
    return getattr(task, "target_mean", 0.0), getattr(task, "target_sd", 1.0)


def heading(spec: TaskSpec) -> str:
    """Return the end of the sentence about `predict` in the module docstring of the file."""
    if spec.problem == REGRESSION:
        return "returns the predicted number for each raw sample, in the unit of the target."
    return "returns the probability of each class for raw samples."


def outputs(spec: TaskSpec) -> str:
    """Return a description of the network's outputs."""
    if spec.problem == REGRESSION:
        return "the standardised target (batch, 1)"
    return f"logits (batch, {spec.num_outputs})"


def constants(spec: TaskSpec, classes: Sequence[str], target: tuple[float, float]) -> list[str]:
    """Return the lines of the class names, or of the target's mean and standard deviation."""
    if spec.problem == REGRESSION:
        return [f"TARGET_MEAN, TARGET_SD = {target[0]!r}, {target[1]!r}"]
    if not classes:
        return []
    names = Call("", tuple(literal(str(name)) for name in classes), brackets="()")
    return lay_out(names, "CLASSES = ")


def functions(spec: TaskSpec, has_class_names: bool) -> list[list[str]]:
    """Return the lines of `predict`, and of `classify` if the classes have names."""
    if spec.problem == REGRESSION:
        return [_predict("predicted numbers, (batch,) float64", REGRESSED)]
    predict = _predict(f"probability of each class, (batch, {spec.num_outputs})", PROBABILITIES)
    return [predict, CLASSIFY.splitlines()] if has_class_names else [predict]


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


def main(spec: TaskSpec, has_class_names: bool, example: str) -> list[str]:
    """Return the lines that predict for example samples when the file is run.

    Args:
        spec: Shapes of the task.
        has_class_names: Whether its classes have names.
        example: An expression for the samples, in which "{shape}" stands for the input shape.
    """
    shape = ", ".join(map(str, spec.input_shape))
    samples = f"samples = {example.replace('{shape}', shape)}  # put your samples here"
    lines = ['if __name__ == "__main__":', "    network = load()", f"    {samples}"]
    if spec.problem == REGRESSION:
        loop = ["for number in predict(network, samples):", '    print(f"{number:.6g}")']
    else:
        label = "{CLASSES[best]}" if has_class_names else "class {best}"
        loop = [
            "for probabilities in predict(network, samples):",
            "    best = int(probabilities.argmax())",
            f'    print(f"{label}: {{probabilities[best]:.3f}}")',
        ]
    return [*lines, *(f"    {line}" for line in loop)]
