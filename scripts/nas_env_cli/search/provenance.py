"""Provenance of results: versions, the git commit, the machine."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("nas-env", "torch", "gymnasium", "stable-baselines3", "sb3-contrib", "numpy")
CODE = ("nas_env", "agents", "scripts", "pyproject.toml")


def versions() -> dict[str, str]:
    """Return versions of Python and packages, the git commit and the machine.

    "code" is "as committed", or "changed since" if the checkout differs from the commit.
    """
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    result = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            result[package] = version(package)
        except PackageNotFoundError:
            result[package] = "not installed"
    result["commit"] = _git("rev-parse", "HEAD") or "unknown"
    result["code"] = (
        "changed since" if _git("status", "--porcelain", "--", *CODE) else "as committed"
    )
    result["machine"] = f"{cpu_model()}, {os.cpu_count()} cores"
    return result


def _git(*arguments: str) -> str:
    """Return the output of git for this checkout; "" without git or checkout."""
    git = ["git", "-C", str(Path(__file__).parents[2]), *arguments]
    try:
        done = subprocess.run(git, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def cpu_model() -> str:
    """Return the name of the processor, with its vector and matrix extensions."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    values = dict(line.split(":", 1) for line in lines if ":" in line)
    info = {key.strip(): value.strip() for key, value in values.items()}
    flags = set(info.get("flags", "").split())
    special = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags]
    return f"{info.get('model name', platform.machine())} ({', '.join(special) or 'no AVX'})"
