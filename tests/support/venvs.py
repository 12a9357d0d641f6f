"""Fresh virtual environments with this project's wheel, without a download of gigabytes.

The wheel is installed by pip. What it depends on is not: the packages that it declares, and what
those declare, are links to the ones of the running environment. All else cannot be imported, so a
dependency that is not declared is missing, as it is on a user's machine.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


class Venv:
    """A virtual environment in a folder.

    Attributes:
        bin: Its folder of programs.
        packages: Its folder of packages.
    """

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.bin = folder / "bin"
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.packages = folder / "lib" / version / "site-packages"

    def install(self, *what: Path | str) -> None:
        """Install wheels or projects, without what they depend on."""
        target = ("--python", str(self.bin / "python"))
        words = [*PIP, *target, "install", "--quiet", "--no-deps", *map(str, what)]
        done = subprocess.run(words, capture_output=True, text=True, env=outside())
        assert done.returncode == 0, done.stderr

    def link(self, requirements: Iterable[str]) -> None:
        """Link installed distributions, and what they depend on, into the environment."""
        for name in closure(requirements):
            for path in metadata.distribution(name).files or ():
                top = path.parts[0]
                if top in ("..", "__pycache__") or top.endswith(".pth"):
                    continue
                source = Path(str(metadata.distribution(name).locate_file(top)))
                if not (self.packages / top).exists():
                    (self.packages / top).symlink_to(source)

    def run(
        self, *words: str | Path, cwd: Path, code: int = 0, seconds: float = 170
    ) -> subprocess.CompletedProcess[str]:
        """Run one of its programs in a folder, without this checkout on the path."""
        program, *rest = map(str, words)
        done = subprocess.run(
            [str(self.bin / program), *rest],
            cwd=cwd,
            env=outside(),
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        assert done.returncode == code, f"{words}: {done.stdout}{done.stderr}"
        return done


def outside() -> dict[str, str]:
    """Return the environment variables of somebody who has no checkout."""
    kept = {name: x for name, x in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "OMP_NUM_THREADS": "1"}


def closure(requirements: Iterable[str]) -> list[str]:
    """Return the installed distributions that are needed, without this project's own."""
    found: dict[str, set[str]] = {}  # distribution to the extras that were asked for
    waiting = [Requirement(x) for x in requirements]
    while waiting:
        needed = waiting.pop()
        name, extras = canonical(needed.name), needed.extras or {""}
        if name == "nas-env" or extras <= found.get(name, set()):
            continue
        found[name] = found.get(name, set()) | extras
        for text in metadata.distribution(name).requires or ():
            inner = Requirement(text)
            if wanted(inner, extras | {""}):
                waiting.append(inner)
    return sorted(found)


def wanted(requirement: Requirement, extras: Iterable[str]) -> bool:
    """Return whether a requirement holds on this machine under one of some extras."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras)


def canonical(name: str) -> str:
    """Return the name of a distribution as indexes write it."""
    return re.sub(r"[-_.]+", "-", name).lower()
