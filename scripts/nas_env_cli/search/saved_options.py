"""`options.json` of a run folder: the options of its search as plain data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nas_env.errors import InvalidSettingError
from nas_env.store.database import shown
from nas_env_cli.key_values import parse_settings
from nas_env_cli.search.options import SearchOptions

FREE_ON_RESUME = (  # may differ when a search is resumed, and are not saved
    "output",
    "resume",
    "workers",
    "retry_failed",
    "data_cache",
    "data_memory_mb",
    "export",
)
FILE_SETTINGS = ("path", "data")  # environment settings that name a file
NAMED_DATA = ("torchvision:", "huggingface:")  # prefixes of data that are not a path


def to_json(options: SearchOptions) -> dict[str, Any]:
    """Return the options that determine the numbers, and where evaluations are stored."""
    saved = {name: x for name, x in options.items() if name not in FREE_ON_RESUME}
    saved["agent_option"] = parse_settings(saved["agent_option"])
    saved["env_option"] = env_settings(options)
    if (data := saved["data"]) is not None:
        saved["data"] = absolute_data(data)
    if (store := saved["store"]) is not None:
        saved["store"] = shown(store if "://" in store else str(Path(store).resolve()))
    return json.loads(json.dumps(saved))  # type: ignore[no-any-return]


def env_settings(options: SearchOptions) -> dict[str, Any]:
    """Return the settings of --env-option, with absolute paths of files."""
    settings = parse_settings(options.search.env_option, form="--env-option KEY=VALUE")
    for name in FILE_SETTINGS:
        value = settings.get(name)
        if isinstance(value, str) and Path(value).exists():
            settings[name] = str(Path(value).resolve())
    return settings


def absolute_data(data: str) -> str:
    """Return --data as an absolute path; a named data set is returned unchanged."""
    return data if data.startswith(NAMED_DATA) else str(Path(data).resolve())


def read_options(run: Path) -> dict[str, Any]:
    """Return the options of the search in a run folder.

    Raises:
        InvalidSettingError: The folder has no search.
    """
    file = run / "options.json"
    if not file.is_file():
        raise InvalidSettingError(f"{run} holds no search. Give the --output folder of a search.")
    return json.loads(file.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def begun_with(run: Path) -> SearchOptions:
    """Return the options of the search in a run folder, to resume it.

    A store with a password is left out: `options.json` does not hold the password.
    """
    saved = {name: x for name, x in read_options(run).items() if name not in FREE_ON_RESUME}
    if "://" in (saved.get("store") or ""):
        del saved["store"]
    return SearchOptions.from_json(saved)
