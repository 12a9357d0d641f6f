"""What made a number: versions, the git commit, the machine."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("nas-env", "torch", "gymnasium", "stable-baselines3", "sb3-contrib", "numpy")


def versions() -> dict[str, str]:
    """Return versions of Python and packages, the git commit and the machine."""
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    git = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        commit = subprocess.run(git, capture_output=True, text=True, timeout=10, check=False)
        found["commit"] = commit.stdout.strip() or "unknown"
    except OSError:
        found["commit"] = "unknown"
    found["machine"] = f"{cpu_model()}, {os.cpu_count()} cores"
    return found


def cpu_model() -> str:
    """Return the processor's name, with the matrix formats that training may use."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    values = dict(line.split(":", 1) for line in lines if ":" in line)
    info = {key.strip(): value.strip() for key, value in values.items()}
    flags = set(info.get("flags", "").split())
    special = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags]
    return f"{info.get('model name', platform.machine())} ({', '.join(special) or 'no AVX'})"
