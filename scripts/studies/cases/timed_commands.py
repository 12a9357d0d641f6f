"""Commands as a user types them, run one after the other; finished ones are not run again."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas_env.errors import NASError
from nas_env.files import write_atomically
from nas_env_cli.search.provenance import versions

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Steps:
    """The commands of a case, and the file of their times and outputs.

    Attributes:
        file: Path of the file.
        commands: As a user types them in the root of the repository.
    """

    file: Path
    commands: Sequence[str]

    def run(self) -> None:
        """Run the commands that are missing.

        Raises:
            NASError: A command failed.
        """
        done = self.done()
        self.file.parent.mkdir(parents=True, exist_ok=True)
        for number, command in enumerate(self.commands[len(done) :], start=len(done) + 1):
            print(f"{number}/{len(self.commands)}: {command}", file=sys.stderr, flush=True)
            self._clear(command)
            done.append({"command": command, **_run(command), "versions": versions()})
            self._begun.unlink()
            write_atomically(self.file, json.dumps(done, indent=1))

    @property
    def _begun(self) -> Path:
        """A file with the running or interrupted command."""
        return self.file.with_suffix(".begun")

    def _clear(self, command: str) -> None:
        """Remove the files of an interrupted run of the command, and record that it starts."""
        if self._begun.is_file() and self._begun.read_text("utf-8") == command:
            for path in left_by(shlex.split(command)):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        self._begun.write_text(command, encoding="utf-8")

    def done(self) -> list[dict[str, Any]]:
        """Return the records of finished commands, up to the first command that changed."""
        records = json.loads(self.file.read_text("utf-8")) if self.file.is_file() else []
        same = [x["command"] == y for x, y in zip(records, self.commands, strict=False)]
        count = (*same, False).index(False)
        return list(records[:count])


def left_by(words: Sequence[str]) -> list[Path]:
    """Return the files of an interrupted command that would make it fail when run again."""
    if words[:2] == ["nas-env", "search"]:
        return [ROOT / words[words.index("--output") + 1]]
    return [ROOT / words[4]] if "scripts.studies.cases.example_data" in words else []


def _run(command: str) -> dict[str, Any]:
    words = shlex.split(command)
    if words[0] == "python":
        words[0] = sys.executable
    elif words[0] == "nas-env":
        words[:1] = [sys.executable, "-m", "nas_env_cli"]
    begun = time.monotonic()
    ended = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if ended.returncode:
        raise NASError(f"Exit code {ended.returncode} from {command}\n{ended.stdout}")
    output = ended.stdout.replace(f"{ROOT}/", "")  # paths as a user would type them
    return {"seconds": round(time.monotonic() - begun, 1), "output": output}
