"""What users give to exported files: arrays, nothing, or the wrong thing; and the demonstration."""

from __future__ import annotations

import subprocess
import sys
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from PIL import Image

from nas_env.export import _formats, export
from nas_env.export.folder import load_module
from nas_env.tasks.own_data import DataTask
from tests.nas_env.export.test_raw_samples import KINDS, network_of
from tests.support.hidden_packages import hide_onnx

TENSORS = ("vectors", "arrays of images")
ROWS = ("rows with classes", "rows with numbers")
FILES = ("grey images", "colour images")
DTYPES = ("float64", "float32", "float16", "int64", "uint8", "bool")
Exported = tuple[ModuleType, DataTask, Any]


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Exported]:
    """Return the module, the task and raw samples of an export of each kind of data."""
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        hide_onnx(patch)
        for kind in (*TENSORS, *ROWS, *FILES):
            folder = tmp_path_factory.mktemp("kind")
            task, raw = KINDS[kind](folder)
            architecture, network = network_of(task)
            export(architecture, network.state_dict(), task, folder / "out")
            made[kind] = load_module(folder / "out"), task, raw
    return made


@pytest.mark.parametrize(("kind", "dtype"), list(product((*TENSORS, *ROWS, *FILES), DTYPES)))
def test_arrays_get_the_answers_of_tensors(
    exports: dict[str, Exported], kind: str, dtype: str
) -> None:
    module, task, _ = exports[kind]
    x = np.random.default_rng(0).uniform(0, 99, (3, *task.spec.input_shape)).astype(dtype)
    network = module.load()
    answers = module.predict(network, x)
    assert torch.equal(answers, module.predict(network, torch.from_numpy(x)))
    assert len(answers) == 3 and answers.isfinite().all()


@pytest.mark.parametrize("kind", (*TENSORS, *ROWS, *FILES))
def test_no_samples_get_no_answers(exports: dict[str, Exported], kind: str) -> None:
    module, task, _ = exports[kind]
    empty = np.zeros((0, *task.spec.input_shape))
    samples = [empty] if kind in TENSORS else [empty, module.encode([]), module.encode(())]
    for x in samples:
        assert module.preprocess(x).shape == (0, *task.spec.input_shape)
        assert len(module.predict(module.load(), x)) == 0
        if hasattr(module, "classify"):
            assert module.classify(module.load(), x) == []


@pytest.mark.parametrize("kind", (*TENSORS, *ROWS, *FILES))
def test_what_is_no_batch_is_refused_with_what_to_give(
    exports: dict[str, Exported], kind: str
) -> None:
    module, task, raw = exports[kind]
    shape = task.spec.input_shape
    needed = f"samples must be a tensor or a NumPy array (batch, {', '.join(map(str, shape))})"
    hint = "" if kind in TENSORS else ", as encode returns it"
    for wrong in ([], [1, 2], raw if isinstance(raw, list) else list(raw), None, "one.png"):
        with pytest.raises(TypeError) as refused:
            module.predict(module.load(), wrong)
        assert str(refused.value) == needed + hint
    for other in (shape, (2, *shape, 1), (2, *shape[:-1], shape[-1] + 1), (2, *shape[:-1], 1)):
        with pytest.raises(ValueError, match="samples must be") as unfit:
            module.predict(module.load(), np.zeros(other))
        assert str(unfit.value) == f"{needed}, got {other}"


@pytest.mark.parametrize("kind", ROWS)
def test_a_data_frame_is_encoded_as_its_rows(exports: dict[str, Exported], kind: str) -> None:
    module, _, rows = exports[kind]
    assert torch.equal(module.encode(pandas.DataFrame(rows)), module.encode(rows))
    assert torch.equal(module.encode(rows[0]), module.encode(rows[:1]))
    assert torch.equal(module.encode(iter(rows)), module.encode(rows))
    for wrong in ([[1, 2]], np.zeros((2, 3)), "age"):
        with pytest.raises(TypeError, match="rows must map column names to values"):
            module.encode(wrong)


@pytest.mark.parametrize("kind", FILES)
def test_an_array_is_no_image_file(exports: dict[str, Exported], kind: str) -> None:
    module, _, _ = exports[kind]
    array = np.zeros((6, 6), np.uint8)
    with pytest.raises(TypeError, match=r"use PIL\.Image\.fromarray for arrays"):
        module.encode([array])
    assert len(module.encode([Image.fromarray(array)])) == 1


@pytest.mark.parametrize("kind", (*TENSORS, *ROWS, *FILES))
def test_the_demonstration_has_samples_like_those_of_the_data(
    exports: dict[str, Exported], kind: str
) -> None:
    module, task, _ = exports[kind]
    text = Path(str(module.__file__)).read_text(encoding="utf-8")
    (line,) = (x.strip() for x in text.splitlines() if x.startswith("    samples = "))
    torch.manual_seed(0)
    samples = eval(line.partition(" = ")[2], vars(module))
    x = module.preprocess(samples)
    train, _ = task.tensors("train")
    assert x.isfinite().all() and (x != 0).any()
    low, high = train.amin() - 3, train.amax() + 3  # standardised
    assert low <= x.amin() and x.amax() <= high
    if kind in FILES:
        assert samples.amin() >= 0 and samples.amax() <= 255
    done = subprocess.run(
        [sys.executable, str(module.__file__)], capture_output=True, text=True, timeout=170
    )
    assert done.returncode == 0 and len(done.stdout.splitlines()) == len(samples)


def test_the_program_names_the_torch_that_wrote_it(exports: dict[str, Exported]) -> None:
    module, _, _ = exports["vectors"]
    version = torch.__version__.partition("+")[0]
    assert version == _formats.TORCH and version.count(".") == 2
    extra = {"torch_version": ""}
    program = Path(str(module.__file__)).with_name("network.pt2")
    torch.export.load(program, extra_files=extra)
    assert extra == {"torch_version": version}
