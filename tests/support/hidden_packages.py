"""Optional packages that seem not to be installed."""

from __future__ import annotations

import pytest

from nas_env import extras


def hide(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Let `nas_env.extras` find none of these packages; all others stay as they are."""
    find_spec = extras.find_spec
    monkeypatch.setattr(
        extras, "find_spec", lambda name: None if name in packages else find_spec(name)
    )


def hide_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide what writes ONNX files, so that an export takes less time."""
    hide(monkeypatch, *extras.EXTRAS["onnx"])
