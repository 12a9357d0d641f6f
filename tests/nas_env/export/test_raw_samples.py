"""Networks of own data of every kind: from the samples as they come to the answer, bit for bit."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from PIL import Image
from torch import nn

from nas_env.architecture import Architecture, Layer
from nas_env.export import _formats, export, write_source
from nas_env.export.folder import load_module
from nas_env.sources import preprocessing
from nas_env.tasks.own_data import DataTask, own_data
from tests.support.hidden_packages import hide_onnx
from tests.support.made_data import Pairs, image, table
from tests.support.written_network import as_if_trained, complaints, run

VECTOR = Architecture((Layer.of("linear", units=6),))
CONVOLUTION = Architecture((Layer.of("conv", channels=4, kernel=3),))
STRANGE = (
    *('"""', "it's", 'a "b"', "back\\", "two\nlines", "{x}", "<script>"),
    *("猫\u202e", "\udcff", "😀"),
)
# Runs the program after it where nothing but torch, numpy and Pillow can be imported.
ALONE = """
import sys
class Refuse:
    def find_spec(self, name, *rest):
        if name.split(".")[0] in ("nas_env", "agents", "pandas", "sklearn", "scipy", "onnxruntime"):
            raise ImportError(f"{name} is refused")
sys.meta_path.insert(0, Refuse())
import json
import torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
import network
raw = torch.load("raw.pt", weights_only=True)
loaded = network.load()
samples = network.encode(raw) if hasattr(network, "encode") else raw
with torch.inference_mode():
    outputs = loaded(network.preprocess(samples))
found = {"x": network.preprocess(samples), "outputs": outputs}
found["answer"] = network.predict(loaded, samples)
torch.save(found, "found.pt")
if hasattr(network, "classify"):
    print(json.dumps(network.classify(loaded, samples)))
"""


def mixed_folder(root: Path, mode: str) -> Path:
    """Write images by class of mixed sizes and kinds, some turned; colour ones if asked for."""
    for label, name in enumerate(("cat", "dog", 'owl "x"')):
        (root / name).mkdir(parents=True)
        for number in range(10):
            size = (8 + number % 3, 6 + label)
            made = image(number + 100 * label, label, size, mode if number else "L")
            exif = Image.Exif()
            exif[0x0112] = 6 if number == 3 else 1
            suffix = "jpg" if number == 4 else "png"
            made.save(root / name / f"{number}.{suffix}", exif=exif)
    deep = np.arange(80, dtype=np.uint16).reshape(8, 10) * 700
    Image.fromarray(deep).save(root / "cat" / "0.png")
    return root


def files(task: DataTask, root: Path) -> list[str]:
    """Return the images of the validation split, as they were read."""
    every = sorted(path for path in root.rglob("*") if path.is_file())
    return [str(every[row]) for row in task.data.rows["validation"]]


def rows_of(task: DataTask, made: pandas.DataFrame) -> list[dict[str, Any]]:
    """Return the validation rows as plain values, None where one is missing."""
    part = made.iloc[task.data.rows["validation"]].astype(object)
    return part.where(part.notna(), None).to_dict("records")  # type: ignore[no-any-return]


def vectors(folder: Path) -> tuple[DataTask, Any]:
    rng = np.random.default_rng(0)
    x, y = rng.normal(5, 3, (60, 4)), 1e6 + rng.normal(0, 50, 60)
    np.savez(folder / "mine.npz", x=x, y=y)
    task = own_data(folder / "mine.npz", metric="mae")
    return task, torch.from_numpy(x[task.data.rows["validation"]])


def arrays_of_images(folder: Path, memory: float | None = None) -> tuple[DataTask, Any]:
    x = np.random.default_rng(0).integers(0, 256, (60, 6, 5, 3), dtype=np.uint8)
    np.savez(folder / "mine.npz", x=x, y=np.arange(60) % 3)
    task = own_data(folder / "mine.npz", metric="f1", max_memory_mb=memory)
    raw = x[task.data.rows["validation"]].transpose(0, 3, 1, 2)
    return task, torch.from_numpy(np.ascontiguousarray(raw))


def streamed(folder: Path) -> tuple[DataTask, Any]:
    task, raw = arrays_of_images(folder, 0.001)
    assert not task.data.in_memory
    return task, raw


def images(mode: str) -> Callable[[Path], tuple[DataTask, Any]]:
    def made(folder: Path) -> tuple[DataTask, Any]:
        root = mixed_folder(folder / "images", mode)
        task = own_data(root, image_size=(7, 5))
        return task, files(task, root)

    return made


def transparent(kind: str) -> Callable[[Path], tuple[DataTask, Any]]:
    """Return what writes white and black drawings on nothing, for which the background is grey."""

    def made(folder: Path) -> tuple[DataTask, Any]:
        root = folder / "images"
        for label, grey in enumerate((0, 255, 90)):
            (root / str(label)).mkdir(parents=True)
            for number in range(10):
                pixels = np.zeros((7, 6, 4), np.uint8)
                pixels[number % 5 : number % 5 + 2, 1:4] = (grey, grey, grey, 255)
                pixels[6, number % 6] = (grey, grey, grey, 255 if kind == "GIF" else 100)
                Image.fromarray(pixels).save(root / str(label) / f"{number}.{kind.lower()}")
        task = own_data(root, image_size=(7, 5))
        assert task.preprocessing[0]["background"] == 128
        return task, files(task, root)

    return made


def deep(dtype: Any) -> Callable[[Path], tuple[DataTask, Any]]:
    """Return what writes grey images of a type of number of more than 8 bits."""

    def made(folder: Path) -> tuple[DataTask, Any]:
        root, rng = folder / "images", np.random.default_rng(0)
        for label in range(3):
            (root / str(label)).mkdir(parents=True)
            for number in range(10):
                pixels = rng.integers(100, 180, (8, 6)) + 20 * label
                path = root / str(label) / f"{number}.tiff"
                Image.fromarray(pixels.astype(dtype)).save(path)
        task = own_data(root, image_size=(7, 5))
        assert task.preprocessing[0]["limits"] == [100.0, 219.0]
        return task, files(task, root)

    return made


def labelled_rows(folder: Path) -> tuple[DataTask, Any]:
    made = table(90)
    made["words"] = np.random.default_rng(1).choice(STRANGE[:-3], 90)
    made['is "it"\n{}'] = np.random.default_rng(2).choice(["yes", "no"], 90)
    made["rare"] = [f"w{x % 40:02}" for x in range(90)]
    task = own_data(made, metric="roc_auc")
    assert any(x.get("rare") for x in task.preprocessing[0]["columns"])
    return task, rows_of(task, made)


def priced_rows(folder: Path) -> tuple[DataTask, Any]:
    made = table(90).rename(columns={"label": "sold"})
    made["price"] = np.random.default_rng(1).normal(3e5, 7e4, 90)
    made.to_csv(folder / "mine.csv", index=False)
    task = own_data(folder / "mine.csv", target="price")
    return task, rows_of(task, pandas.read_csv(folder / "mine.csv"))


KINDS = {
    "vectors": vectors,
    "arrays of images": arrays_of_images,
    "more than fits in memory": streamed,
    "grey images": images("L"),
    "colour images": images("RGB"),
    "transparent images": transparent("PNG"),
    "icons with a transparent colour": transparent("GIF"),
    "images of 16 bits": deep(np.uint16),
    "images of floating-point numbers": deep(np.float32),
    "rows with classes": labelled_rows,
    "rows with numbers": priced_rows,
}


def network_of(task: DataTask) -> tuple[Architecture, nn.Module]:
    architecture = CONVOLUTION if task.spec.modality == "image" else VECTOR
    network: Any = as_if_trained(architecture, task.spec).eval()
    if task.spec.modality == "image":
        network = network.to(memory_format=torch.channels_last)
    return architecture, network


def alone(folder: Path, raw: Any) -> tuple[dict[str, torch.Tensor], Any]:
    """Return what an exported file makes of raw samples without this package."""
    torch.save(raw, folder / "raw.pt")
    command = [sys.executable, "-I", "-c", ALONE, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=170)
    assert done.returncode == 0, done.stderr
    return torch.load(folder / "found.pt", weights_only=True), done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_raw_samples_become_the_searched_networks_outputs(
    monkeypatch: pytest.MonkeyPatch, kind: str, tmp_path: Path
) -> None:
    hide_onnx(monkeypatch)
    task, raw = KINDS[kind](tmp_path)
    architecture, network = network_of(task)
    export(architecture, network.state_dict(), task, tmp_path / "out")
    x, y = task.tensors("validation")
    x = x[:]  # what is streamed, as a tensor
    found, told = alone(tmp_path / "out", raw)
    assert torch.equal(found["x"], x)
    with torch.inference_mode():
        outputs = network(x)
    assert torch.equal(found["outputs"], outputs)
    if task.spec.problem == "regression":
        assert found["answer"].shape == y.shape and not told
        wanted = task.data.y[task.data.rows["validation"]]
        error = np.abs(found["answer"].numpy() - wanted).mean()
        assert error == pytest.approx(task.validate(network)["mae"], rel=1e-5)
    else:
        torch.testing.assert_close(found["answer"], outputs.softmax(1))
        names = json.loads(told)
        assert names == [task.classes[best] for best in outputs.argmax(1)]
        right = np.mean([name == task.classes[label] for name, label in zip(names, y, strict=True)])
        assert right == pytest.approx(task.validate(network)["accuracy"])


@pytest.mark.parametrize("kind", ["grey images", "rows with classes"])
def test_numpy_does_the_same(kind: str, tmp_path: Path) -> None:
    task, raw = KINDS[kind](tmp_path)
    if kind == "rows with classes":
        raw = {name: [row[name] for row in raw] for name in raw[0]}
    steps = json.loads(json.dumps(task.preprocessing))
    assert np.array_equal(preprocessing.apply(steps, raw), task.tensors("validation")[0])


def test_every_missing_value_of_pandas_is_filled_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hide_onnx(monkeypatch)
    made = table(90)
    task = own_data(made)
    part = made.iloc[sorted({*task.data.rows["validation"], 3, 5})]  # these miss values
    plain = part.drop(columns="label").to_dict("records")
    raw = [{k: pandas.NA if pandas.isna(x) else x for k, x in row.items()} for row in plain]
    assert sum(value is pandas.NA for row in raw for value in row.values()) == 2
    expected = np.asarray(task.data.x[part.index.to_numpy()])
    columns = {name: [row[name] for row in raw] for name in raw[0]}
    found = preprocessing.apply(task.preprocessing, columns)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    export(VECTOR, network_of(task)[1].state_dict(), task, tmp_path)
    encoded = load_module(tmp_path).encode(raw)
    np.testing.assert_allclose(encoded.numpy(), expected, rtol=1e-6)


def test_the_plain_data_say_what_outputs_mean(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hide_onnx(monkeypatch)
    task, _ = vectors(tmp_path)
    export(VECTOR, network_of(task)[1].state_dict(), task, tmp_path)
    data = json.loads((tmp_path / "network.json").read_text())
    assert data["preprocessing"] == task.preprocessing
    assert data["target"] == {"mean": task.target_mean, "sd": task.target_sd}
    assert data["problem"] == "regression" and "classes" not in data
    program = [sys.executable, "-I", str(tmp_path / "network.py")]
    done = subprocess.run(program, capture_output=True, text=True)
    assert all(abs(float(line) - 1e6) < 1e5 for line in done.stdout.splitlines()), done.stderr
    assert len(done.stdout.splitlines()) == 2


@pytest.mark.parametrize("kind", ["vectors", "more than fits in memory", "rows with classes"])
def test_int8_is_measured_by_the_tasks_own_metric(kind: str, tmp_path: Path) -> None:
    task, _ = KINDS[kind](tmp_path)
    architecture, network = network_of(task)
    found = export(architecture, network.state_dict(), task, tmp_path)
    assert found.quantised is not None and not found.left_out
    before, after = found.quantised.quality
    assert before == pytest.approx(task.validate(network)[task.spec.metric], rel=1e-4)
    run_int8 = _formats.runner(tmp_path / "network.int8.onnx")
    x, y = (part[:] for part in task.tensors("validation"))
    outputs = torch.from_numpy(run_int8(x.numpy()))
    assert after == pytest.approx(task.problem.measure([(outputs, y)])[task.spec.metric])
    with torch.inference_mode():
        assert not torch.equal(outputs, network(x))
    import onnx

    (output,) = onnx.load(tmp_path / "network.onnx").graph.output
    assert output.name == ("standardised" if task.spec.problem == "regression" else "logits")


def test_strange_names_stay_names(tmp_path: Path) -> None:
    x = {name: np.arange(60.0) + place for place, name in enumerate(STRANGE)}
    made = pandas.DataFrame(x).assign(target=[STRANGE[place % 10] for place in range(60)])
    task = DataTask(own_data(made).data, name='x"""\nraise SystemExit\\')
    text = write_source(VECTOR, task.spec, task.preprocessing, task.classes).text
    names = run(text)
    assert names["CLASSES"] == task.classes and set(task.classes) == set(STRANGE)
    assert tuple(names["COLUMNS"]) == STRANGE
    assert text.encode("utf-8").isascii() is False  # what can be printed stays readable
    assert "\u202e" not in text


def test_pil_images_of_a_torch_data_set_can_be_given_again(tmp_path: Path) -> None:
    pictures = [image(number, number % 3, mode="RGB") for number in range(45)]
    task = own_data(Pairs(pictures, [number % 3 for number in range(45)]))
    names = run_with_pillow(task)
    raw = [pictures[row] for row in task.data.rows["validation"]]
    assert torch.equal(names["preprocess"](names["encode"](raw)), task.tensors("validation")[0])
    wrong = Image.fromarray(np.zeros((8, 6), np.float32))
    with pytest.raises(ValueError, match="image mode 'F'; save it with 8 bits a channel"):
        names["encode"]([wrong])
    tensors = own_data(Pairs(torch.rand(45, 3, 4, 4), [number % 3 for number in range(45)]))
    assert [step["step"] for step in tensors.preprocessing] == ["standardise"]


def run_with_pillow(task: DataTask) -> dict[str, Any]:
    text = write_source(CONVOLUTION, task.spec, task.preprocessing, task.classes).text
    assert complaints(text) == ""
    names: dict[str, Any] = {"__name__": "written", "__file__": "/nowhere/network.py"}
    exec(compile(text, "network.py", "exec"), names)
    return names


def test_every_kind_of_image_is_decoded_as_it_was_read() -> None:
    rng = np.random.default_rng(0)
    colour = ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV")
    modes = ("1", "L", "LA", "La", *colour, "I;16", "I;16B", "I;16L", "I", "F")
    more: list[dict[str, Any]] = [{}, {"background": 0}, {"background": 128}]
    for channels, settings in itertools.product((1, 3), more):
        step = {"step": "image", "channels": channels, "size": [5, 4], "limits": [9.0, 700.5]}
        step |= settings
        names = run_step(step)
        for mode in modes:
            made = of_mode(mode, rng)
            expected = preprocessing.apply([step], [made])
            assert np.array_equal(names["encode"]([made]), expected), (mode, step)


def run_step(step: dict[str, Any]) -> dict[str, Any]:
    from nas_env.tasks import TaskSpec

    shape = (step["channels"], *step["size"])
    text = write_source(CONVOLUTION, TaskSpec("probe", 1, "image", shape, 3), [step]).text
    names: dict[str, Any] = {"__name__": "written", "__file__": "/nowhere/network.py"}
    exec(compile(text, "network.py", "exec"), names)
    return names


def of_mode(mode: str, rng: np.random.Generator) -> Image.Image:
    """Return an image of a mode, of another size than is wanted."""
    if mode.startswith("I;16"):
        pixels = rng.integers(0, 65536, (9, 7)).astype(">u2" if mode == "I;16B" else "<u2")
        return Image.frombytes(mode, (7, 9), pixels.tobytes())
    if mode in "IF":
        values = rng.normal(300, 500, (9, 7))
        return Image.fromarray(values.astype(np.int32 if mode == "I" else np.float32))
    size = len(Image.new(mode, (7, 9)).tobytes())
    return Image.frombytes(mode, (7, 9), rng.integers(0, 256, size, dtype=np.uint8).tobytes())
