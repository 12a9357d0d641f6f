"""Folders and archives as systems and tools leave them: hidden folders, links, odd names."""

from __future__ import annotations

import io
import itertools
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nas_env.errors import InvalidDataError, InvalidSettingError
from nas_env.sources import ReadOptions, read_data
from nas_env.sources.image_folder import BY_CONTENT, image_suffixes
from tests.support.made_data import Pairs, image, image_folder, pixels, table

SYSTEM_FOLDERS = (
    *(".ipynb_checkpoints", "__MACOSX", "@eaDir", ".Trash", ".Trash-1000", "$RECYCLE.BIN"),
    *("System Volume Information", ".thumbnails", "lost+found", "__pycache__", ".AppleDouble"),
    *(".git", ".cache", "#recycle", "$Recycle.Bin", ".Spotlight-V100"),
)
SYSTEM_FILES = ("._0.png", ".DS_Store", "Thumbs.db", "desktop.ini", ".hidden.png", "~$0.png")
PLACES = {"at the top": "", "in a split": "train", "in a class": "train/cat"}


def hidden_note(place: str, name: str) -> str:
    return f"Hidden and system files and folders were left out: 1: {place}/{name}."


@pytest.mark.parametrize("name", SYSTEM_FOLDERS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("packed", ["", "zip", "tar"])
def test_system_folders_are_left_out_and_told(
    name: str, place: str, packed: str, tmp_path: Path
) -> None:
    root = image_folder(tmp_path / "data", splits=("train", "test"), each=5)
    plain = read_data(root)
    hidden = root / PLACES[place] / name
    shutil.copytree(root / "train" / "cat", hidden)  # copies, as of an editor
    shutil.copytree(root / "train" / "dog", hidden / "dog")
    data: Any = root
    if packed:
        data = shutil.make_archive(str(tmp_path / "mine"), packed, root)
    read = read_data(data)
    for split in ("train", "validation", "test"):
        assert np.array_equal(pixels(read, split), pixels(plain, split))
    parent = PLACES[place].rpartition("/")[2]
    if parent:
        assert hidden_note(parent, name) in read.notes
    else:
        assert any(f"/{name}." in x and "Hidden and system" in x for x in read.notes)


@pytest.mark.parametrize("name", SYSTEM_FILES)
def test_system_files_are_left_out_and_told(name: str, tmp_path: Path) -> None:
    root = image_folder(tmp_path)
    plain = read_data(root)
    shutil.copy(root / "cat" / "0.png", root / "dog" / name)
    data = read_data(root)
    assert np.array_equal(pixels(data, "train"), pixels(plain, "train"))
    assert hidden_note("dog", name) in data.notes


# ---- links ----


def followed(root: Path) -> None:
    """Put five images of cats into another folder, and a link to it into the class."""
    (root.parent / "elsewhere" / "deeper").mkdir(parents=True)
    for number in range(5):
        shutil.move(root / "cat" / f"{number}.png", root.parent / "elsewhere" / "deeper")
    (root / "cat" / "more").symlink_to(root.parent / "elsewhere", target_is_directory=True)


def around(root: Path) -> None:
    (root / "cat" / "again").symlink_to(root / "cat", target_is_directory=True)
    (root / "cat" / "all").symlink_to(root, target_is_directory=True)


def twice(root: Path) -> None:
    (root / "cat" / "inner").mkdir()
    shutil.move(root / "cat" / "0.png", root / "cat" / "inner")
    (root / "cat" / "a").symlink_to(root / "cat" / "inner", target_is_directory=True)


def mutual(root: Path) -> None:
    """Link two folders outside to each other."""
    for name, other in (("one", "two"), ("two", "one")):
        (root.parent / name).mkdir()
        (root.parent / name / "next").symlink_to(root.parent / other, target_is_directory=True)
    shutil.move(root / "cat" / "0.png", root.parent / "two")
    (root / "cat" / "one").symlink_to(root.parent / "one", target_is_directory=True)


def broken(root: Path) -> None:
    (root / "cat" / "gone.png").symlink_to(root / "nowhere.png")
    (root / "dog" / "self").symlink_to(root / "dog" / "self")


def whole_class(root: Path) -> None:
    shutil.move(root / "cat", root.parent / "cats")
    (root / "cat").symlink_to(root.parent / "cats", target_is_directory=True)


LINKS: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "followed": (followed, ["Links to folders were followed: 1: cat/more."]),
    "around": (
        around,
        ["Links to folders that are read already were left out: 2: cat/again, cat/all."],
    ),
    "twice": (twice, ["Links to folders that are read already were left out: 1: cat/a."]),
    "mutual": (
        mutual,
        [
            "Links to folders that are read already were left out: 1: next/next.",
            "Links to folders were followed: 2: cat/one, one/next.",
        ],
    ),
    "broken": (broken, ["Links that lead to nothing were left out: 2: cat/gone.png, dog/self."]),
    "a whole class": (whole_class, []),
}


@pytest.mark.parametrize("case", LINKS)
def test_links_are_followed_once_or_told(case: str, tmp_path: Path) -> None:
    change, notes = LINKS[case]
    root = image_folder(tmp_path / "images")
    plain = read_data(root)
    change(root)
    data = read_data(root)
    assert np.bincount(data.y).tolist() == [10, 10, 10]
    for number in range(3):
        both = [np.asarray(x.x[:])[x.y == number] for x in (data, plain)]
        assert np.array_equal(*(np.sort(x.reshape(10, -1), axis=0) for x in both))
    assert [x for x in data.notes if "Links" in x] == notes


def test_a_folder_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = image_folder(tmp_path / "images")
    listed = Path.iterdir

    def refuse(path: Path) -> Any:
        if path.name == "dog":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(InvalidDataError, match=r"images/dog: the folder cannot be read \(Permiss"):
        read_data(root)


# ---- files that cannot be read ----

DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda content: content[: len(content) * 2 // 3],
    "empty": lambda content: b"",
    "text": lambda content: b"<html>404 not found</html>",
    "zeros": lambda content: bytes(len(content)),
    "head alone": lambda content: content[:20],
}


def damaged_folder(root: Path, damage: str, count: int) -> list[str]:
    """Write images of which some are damaged, and return the names of these."""
    image_folder(root, each=10)
    names = [f"{label}/{number}.png" for number in range(count) for label in ("cat", "owl")]
    for name in names:
        (root / name).write_bytes(DAMAGE[damage]((root / name).read_bytes()))
    return sorted(names)


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("packed", ["", "zip"])
def test_all_damaged_files_are_named_at_once_or_left_out(
    damage: str, count: int, packed: str, tmp_path: Path
) -> None:
    names = damaged_folder(tmp_path / "images", damage, count)
    data: Any = tmp_path / "images"
    if packed:
        data = shutil.make_archive(str(tmp_path / "mine"), packed, data)
    with pytest.raises(InvalidDataError) as refused:
        read_data(data)
    assert f"{len(names)} images or samples cannot be read" in str(refused.value)
    assert all(f"{data}/{name} (" in str(refused.value) for name in names)
    assert "skip_bad_files=True (--skip-bad-files)" in str(refused.value)
    read = read_data(data, ReadOptions(skip_bad_files=True))
    assert len(read.y) == 30 - len(names)
    listing = ", ".join(names)
    assert f"Images that cannot be read were left out: {len(names)}: {listing}." in read.notes


def test_a_long_list_of_damaged_files_is_cut_with_the_count(tmp_path: Path) -> None:
    image_folder(tmp_path, each=20)
    for path in (tmp_path / "owl").iterdir():
        path.write_bytes(b"")
    for number in range(5):
        (tmp_path / "cat" / f"{number}.png").write_bytes(b"")
    with pytest.raises(InvalidDataError, match=r"25 images .* and 5 more\. Remove or replace") as x:
        read_data(tmp_path)
    assert str(x.value).count(".png (") == 20


def test_samples_of_torch_that_cannot_be_read_are_named_or_left_out(tmp_path: Path) -> None:
    class Files(Pairs):
        """Opens image files."""

        def __getitem__(self, index: int) -> tuple[Any, Any]:
            return Image.open(self.x[index]), self.y[index]

    damaged_folder(tmp_path, "cut off", 2)
    paths = sorted(tmp_path.rglob("*.png"))
    data = {"train": Files(paths, [path.parent.name for path in paths])}
    message = r"4 images or samples .*: sample 0 of train \(.*sample 1 of .*sample 21 of train"
    with pytest.raises(InvalidDataError, match=message):
        read_data(data)
    read = read_data(data, ReadOptions(skip_bad_files=True))
    assert np.bincount(read.y).tolist() == [8, 10, 8]
    names = ", ".join(f"sample {number} of train" for number in (0, 1, 20, 21))
    assert f"Samples that cannot be read were left out: 4: {names}." in read.notes
    assert read.x.shape[0] == 26
    first = np.asarray(Image.open(paths[2]))
    assert np.array_equal(read.x[0][0], first)


def test_images_of_hugging_face_that_cannot_be_read_are_named_or_left_out(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    damaged_folder(tmp_path, "text", 1)
    paths = sorted(map(str, tmp_path.rglob("*.png")))
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("string")})
    labels = [Path(path).parent.name for path in paths]
    data = datasets.Dataset.from_dict({"image": paths, "label": labels}, features)
    with pytest.raises(InvalidDataError, match=r"2 images or samples .*row 0 \(.*row 20 \("):
        read_data(data)
    read = read_data(data, ReadOptions(skip_bad_files=True))
    assert "Images that cannot be read were left out: 2: row 0, row 20." in read.notes
    assert np.bincount(read.y).tolist() == [9, 10, 9]
    assert np.array_equal(read.x[9][0], np.asarray(Image.open(paths[10])))


@pytest.mark.parametrize("data", [table(), {"x": np.zeros((30, 3)), "y": np.arange(30) % 2}])
def test_leaving_out_files_applies_to_images_alone(data: Any) -> None:
    with pytest.raises(InvalidSettingError, match="skip_bad_files=True does not apply to"):
        read_data(data, ReadOptions(skip_bad_files=True))


# ---- names of images ----


GREYS = np.array([[0, 90], [90, 255]], np.uint8).repeat(16, axis=0).repeat(16, axis=1)


def saved(kind: str) -> bytes:
    stream = io.BytesIO()
    try:
        Image.fromarray(GREYS).save(stream, kind)
        with Image.open(io.BytesIO(stream.getvalue())) as kept:
            kept.load()
            return stream.getvalue() if kept.size == GREYS.shape else b""
    except Exception:  # Pillow does not write it, or does not read it
        return b""


Image.init()
WRITTEN = {kind: content for kind in sorted(Image.SAVE) if (content := saved(kind))}
SUFFIXES = sorted(
    suffix
    for suffix, kind in Image.registered_extensions().items()
    if kind in WRITTEN and kind not in ("PDF", "EPS", "SPIDER")
)


def folder_of(root: Path, name: str, content: bytes) -> Path:
    for label, number in itertools.product("ab", range(5)):
        path = root / label / name.format(number)
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(content)
    return root


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("upper", [False, True])
def test_everything_that_pillow_reads_is_an_image(suffix: str, upper: bool, tmp_path: Path) -> None:
    content = WRITTEN[Image.registered_extensions()[suffix]]
    name = f"{{}}{suffix.upper() if upper else suffix}"
    data = read_data(folder_of(tmp_path, name, content))
    assert len(data.y) == 10
    assert np.abs(data.x[:].astype(int) - GREYS).max() <= 3
    assert not any("by their content" in note for note in data.notes)


def test_the_suffixes_that_are_common_are_among_them() -> None:
    common = {".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm"}
    assert {*common, ".pgm", ".ico", ".jp2", ".tga", ".mpo"} <= image_suffixes()
    assert not {".pdf", ".mpg", ".h5", ".hdf", ".eps", ".grib"} & image_suffixes()
    assert (".avif" in image_suffixes()) == ("AVIF" in WRITTEN)


@pytest.mark.parametrize("kind", sorted({*BY_CONTENT} & {*WRITTEN}))
@pytest.mark.parametrize("name", ["{}", "{}.image", "{}.0", "photo{}.JPG_large"])
def test_images_of_unknown_suffix_are_found_by_their_content(
    kind: str, name: str, tmp_path: Path
) -> None:
    root = folder_of(tmp_path, name, WRITTEN[kind])
    (root / "a" / "README").write_text("BM, GIF, P5: the first letters of some images")
    data = read_data(root)
    assert np.abs(data.x[:].astype(int) - GREYS).max() <= 3
    assert f"Files that are images by their content: 10, such as {name.format(0)}." in data.notes
    assert "Files that are not images were left out: 1, such as README." in data.notes


@pytest.mark.parametrize("name", ["a.pdf", "a.h5", "a.txt", "a.dng", "a.mp4", "a.csv", "a"])
def test_what_is_no_image_stays_none(name: str, tmp_path: Path) -> None:
    root = image_folder(tmp_path)
    (root / "cat" / name).write_bytes(WRITTEN["TIFF"] if name.endswith("dng") else b"%PDF-1.4 no")
    data = read_data(root)
    assert len(data.y) == 30
    assert f"Files that are not images were left out: 1, such as {name}." in data.notes


# ---- archives of Windows ----


@pytest.mark.parametrize("folders", [False, True])
@pytest.mark.parametrize("top", ["", "my data\\"])
def test_a_zip_file_with_backslashes_is_read(folders: bool, top: str, tmp_path: Path) -> None:
    plain = image_folder(tmp_path / "images", splits=("train", "test"), each=5)
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        for path in sorted(plain.rglob("*")):
            name = top + str(path.relative_to(plain)).replace(os.sep, "\\")
            if path.is_dir() and folders:
                archive.writestr(f"{name}\\", b"")
            elif path.is_file():
                archive.writestr(name, path.read_bytes())
    data = read_data(tmp_path / "mine.zip")
    assert data.classes == ("cat", "dog", "owl")
    assert np.array_equal(pixels(data, "test"), pixels(read_data(plain), "test"))


@pytest.mark.parametrize("name", ["..\\out.png", "C:\\out.png", "\\out.png", "a\\..\\..\\out.png"])
def test_backslashes_lead_nowhere_outside(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        archive.writestr(name, b"harm")
    with pytest.raises(InvalidDataError, match=r"would unpack outside its folder\. Nothing was"):
        read_data(tmp_path / "mine.zip")
    assert not list(tmp_path.rglob("out.png"))


def test_a_link_in_a_tar_file_is_refused(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "images")
    (root / "cat" / "more").symlink_to(root / "dog", target_is_directory=True)
    with tarfile.open(tmp_path / "mine.tar", "w") as archive:
        archive.add(root, "images")
    with pytest.raises(InvalidDataError, match=r"cat/more' is a link .*Pack the files themselves"):
        read_data(tmp_path / "mine.tar")


def test_images_beside_the_class_folders_are_found_by_content_too(tmp_path: Path) -> None:
    image_folder(tmp_path)
    image(1, 1).save(tmp_path / "stray", "PNG")
    assert "Images outside the class folders were left out: 1, such as stray." in (
        read_data(tmp_path).notes
    )
