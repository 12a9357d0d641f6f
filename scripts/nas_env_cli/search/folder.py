"""The run folder: the files of a search, and the check of options when it is resumed."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4, uuid5

from nas_env.architecture import Candidate
from nas_env.drawing import draw_svg, save_svg
from nas_env.errors import InvalidSettingError
from nas_env.files import replacing, write_atomically
from nas_env.rendering import draw
from nas_env.tasks.base import TaskSpec
from nas_env_cli.search.options import SearchOptions
from nas_env_cli.search.saved_options import read_options, to_json
from nas_env_cli.search.summary import SearchSummary
from nas_env_cli.specs import file_name

if TYPE_CHECKING:
    from nas_env_cli.export.retraining import Retrained

LIMITS = ("evaluations", "minutes", "seconds", "until_score")


class RunFolder:
    """The folder of one search.

    It contains `options.json`, `token` (the search's name in its store), `store.sqlite` (unless the
    store is elsewhere), `tensorboard/`, `agents/`, and at the end `summary.md`, `summary.json`,
    `best.json`, `best.svg`, `best.png` and `best.safetensors`.

    A search is resumed by running it again with the same options. Earlier evaluations come from the
    store, so the agent quickly repeats its decisions up to the interruption. With a limit of
    seconds, it repeats them only approximately, because schedules then follow the clock. An
    asynchronous agent does not repeat decisions: it recalls the stored evaluations in order.

    Args:
        path: The folder.
        options: Options of the search as plain data.
        resume: Whether to continue the search in the folder.
        same_data: Whether the data are known to be those of the search, so that their path may
            differ.

    Raises:
        InvalidSettingError: The folder is not empty and `resume` is False, there is nothing to
            continue, or the options differ from those of the interrupted search.
    """

    def __init__(
        self, path: Path, options: dict[str, Any], resume: bool, same_data: bool = False
    ) -> None:
        self.path = path
        if path.exists() and not path.is_dir():
            raise InvalidSettingError(f"Output {path} is a file. Give a folder.")
        used = path.is_dir() and any(path.iterdir())
        if used and not resume:
            raise InvalidSettingError(
                f"Output folder {path} is not empty. Choose another one, or add --resume to "
                "continue the search in it."
            )
        if resume:
            self._check_same(options, {"data"} if same_data else set())
        path.mkdir(parents=True, exist_ok=True)
        self._write("options.json", json.dumps(options, indent=2))
        if not (path / "token").is_file():
            self._write("token", uuid4().hex)

    def token(self, name: str) -> str:
        """Return the name of the search of an agent in the store."""
        return token_of(self.path, name)

    @property
    def store(self) -> Path:
        """Default path of the store."""
        return self.path / "store.sqlite"

    @property
    def tensorboard(self) -> Path:
        """Folder of the event files."""
        return self.path / "tensorboard"

    @property
    def finished(self) -> bool:
        """Whether the search in this folder has finished."""
        return (self.path / "summary.json").is_file()

    @property
    def summary(self) -> str:
        """Text of `summary.md`."""
        return (self.path / "summary.md").read_text(encoding="utf-8")

    def write_data(self, data: dict[str, Any]) -> None:
        """Write the hash and the description of data as `data.json`."""
        self._write("data.json", json.dumps(data, indent=2))

    def write_best(self, candidate: Candidate, spec: TaskSpec, score: float, found_by: str) -> None:
        """Write the best network and the search that found it, as JSON and as drawings."""
        data = {"key": candidate.key, **candidate.to_json(), "score": score, "task": spec.name}
        data["found_by"] = found_by
        self._write("best.json", json.dumps(data, indent=2))
        title, training = f"score {score:.4f}", candidate.recipe.changes()
        with replacing(self.path / "best.svg") as part:
            save_svg(draw_svg(candidate.architecture, spec, title, training=training), part)
        figure = draw(candidate.architecture, spec, title, training=training)
        with replacing(self.path / "best.png") as part:
            figure.savefig(part, dpi=150, format="png")

    @staticmethod
    def agent_in(run: Path, name: str) -> Path:
        """Return the path of a saved agent for `save` and `load`."""
        return run / "agents" / file_name(name)

    def write_agent(self, name: str, agent: Any) -> None:
        """Save the agent after its search, if it has a method `save`."""
        path = self.agent_in(self.path, name)
        path.parent.mkdir(exist_ok=True)
        if hasattr(agent, "save"):
            agent.save(path)

    def write_weights(self, retrained: Retrained) -> None:
        """Write the weights of the first retraining seed as `best.safetensors`."""
        from safetensors.torch import save

        if retrained.weights is not None:
            weights = {key: x.contiguous() for key, x in retrained.weights.items()}
            write_atomically(self.path / "best.safetensors", save(weights))

    def write_summary(self, summary: SearchSummary, text: str) -> None:
        """Write the summaries; `summary.json` marks the search as finished."""
        self._write("summary.md", text)
        self._write("summary.json", json.dumps(summary.to_json(), indent=2))

    def _check_same(self, options: dict[str, Any], free: Collection[str]) -> None:
        if not (self.path / "options.json").is_file():
            raise InvalidSettingError(
                f"There is no search to continue in {self.path}. Leave out --resume."
            )
        begun = {**to_json(SearchOptions()), **read_options(self.path)}
        for name, value in options.items():
            if begun.get(name) != value and name not in free:
                raise InvalidSettingError(
                    f"The search in {self.path} was begun with {name}={begun.get(name)!r}, not "
                    f"{value!r}. {self._remedy(name, value, begun.get('store'))}"
                )

    def _remedy(self, name: str, value: Any, store: str | None) -> str:
        """Return the remedy for an option that differs."""
        if name == "store" and value is None:
            return "Give --store again: its password is not kept."
        other = "Leave the option out, or give another output folder."
        if name not in LIMITS:
            return other
        where = "the same --store" if store else f"--store {self.store}"
        return f"{other} To search further, begin one with {where}, which has all evaluations."

    def _write(self, name: str, text: str) -> None:
        """Write a file atomically."""
        write_atomically(self.path / name, text)


def token_of(path: Path, name: str) -> str:
    """Return the name in the store of the search of an agent, for the run folder `path`."""
    return uuid5(UUID((path / "token").read_text(encoding="utf-8")), name).hex
