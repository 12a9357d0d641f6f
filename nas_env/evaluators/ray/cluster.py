"""The connection of this process to a Ray cluster, shared by all its evaluators."""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
from typing import Any

from nas_env.errors import InvalidSettingError, WorkerError
from nas_env.extras import require

LOCAL = "local"
LOOPBACK = "127.0.0.1"
# Read by Ray when it is imported. Without this variable, Ray replaces 127.0.0.1 with the network
# address of the machine and listens on all interfaces.
KEEP_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
MEGABYTE = 1_000_000
KNOCK_SECONDS = 10.0  # timeout of a connection to a head; Ray itself waits for minutes
MOST_STARTS = 3

_users: list[str] = []  # address of each user; the last user to leave closes the connection


def checked_address(address: str | None) -> str:
    """Return "local", "auto" or HOST:PORT; None selects RAY_ADDRESS if it is set, else "local".

    Raises:
        InvalidSettingError: The address is not one of these.
    """
    resolved = address or os.environ.get("RAY_ADDRESS") or LOCAL
    if resolved in (LOCAL, "auto") or re.fullmatch(r"[\w.-]+:\d+", resolved):
        return resolved
    raise InvalidSettingError(
        f"Ray address must be 'auto', 'local' or 'HOST:PORT', got {resolved!r}. "
        "Use 'local' for a Ray on this machine only."
    )


def check_installed() -> None:
    """Check that Ray is installed.

    Raises:
        MissingDependencyError: Ray is not installed.
    """
    require("Clusters need", "ray")


def join(address: str) -> None:
    """Connect this process unless it is connected already; start a local Ray for "local".

    Raises:
        InvalidSettingError: No cluster answers at the address, this process is connected to another
            address, or a local Ray would listen on the network.
        WorkerError: Ray could not be started.
    """
    ray = _imported(address)
    if not ray.is_initialized():
        _connect(ray, address)
        _users.append(address)
    elif _users:  # opened by `join`; a connection of the caller is never closed here
        if address != _users[0]:
            raise InvalidSettingError(
                f"Ray address {address!r} differs from {_users[0]!r}, to which this process is "
                "connected. Close the other evaluator first, or use the same address for both."
            )
        _users.append(address)


def leave() -> None:
    """Close the connection if it was opened by `join` and has no other user."""
    if not _users:
        return
    _users.pop()
    if not _users:
        import ray

        ray.shutdown()


def places(cpus: float, gpus: float) -> int:
    """Return the number of evaluations that fit on the live nodes at once, at least 1."""
    wanted = {"CPU": cpus, "GPU": gpus}
    required = {name: share for name, share in wanted.items() if share > 0}
    capacities = [
        min(int(node.get(x, 0) / share) for x, share in required.items()) for node in _alive()
    ]
    return max(1, sum(capacities))


def largest_memory_mb(cpus: float, gpus: float) -> float | None:
    """Return the memory of the largest node that can run an evaluation, or None."""
    fits = [x for x in _alive() if x.get("CPU", 0) >= cpus and x.get("GPU", 0) >= gpus]
    return max((node.get("memory", 0) / MEGABYTE for node in fits), default=None)


def _alive() -> list[dict[str, float]]:
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _imported(address: str) -> Any:
    if address != LOCAL or "ray" in sys.modules:
        import ray

        return ray
    before = os.environ.get(KEEP_LOOPBACK)
    os.environ[KEEP_LOOPBACK] = "0"
    try:
        import ray
    finally:
        if before is None:
            del os.environ[KEEP_LOOPBACK]
        else:
            os.environ[KEEP_LOOPBACK] = before
    return ray


def _connect(ray: Any, address: str) -> None:
    if ":" in address:
        _knock(address)
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == LOCAL:
        settings |= {"include_dashboard": False, "_node_ip_address": LOOPBACK}
    try:
        _begin(ray, 1 if address != LOCAL else MOST_STARTS, address=address, **settings)
    except (ConnectionError, ValueError) as error:
        raise InvalidSettingError(
            f"No Ray cluster answers at {address!r} ({str(error).splitlines()[0]}). Start one with "
            "`ray start --head`, or use address 'local' for a Ray on this machine only."
        ) from None
    if address == LOCAL and ray.util.get_node_ip_address() != LOOPBACK:
        ray.shutdown()
        raise InvalidSettingError(
            "The local Ray would listen on the network, because Ray was imported before this "
            f"evaluator was used. Set {KEEP_LOOPBACK}=0 before importing Ray, or connect with "
            "ray.init()."
        )


def _knock(address: str) -> None:
    """Check that a server listens at HOST:PORT.

    Raises:
        InvalidSettingError: No connection within the timeout.
    """
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), KNOCK_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise InvalidSettingError(
            f"No Ray cluster answers at {address!r} ({error}). Start one with `ray start --head`, "
            "or use address 'local' for a Ray on this machine only."
        ) from None


def _begin(ray: Any, tries: int, **settings: Any) -> None:
    """Call `ray.init`; retry if a node did not start within Ray's fixed limit of 30 s."""
    try:
        ray.init(**settings)
    except (ConnectionError, ValueError):
        raise
    except Exception as error:
        ray.shutdown()
        if tries > 1:
            return _begin(ray, tries - 1, **settings)
        raise WorkerError(
            f"Ray could not be started ({str(error).splitlines()[0]}). Try again when the machine "
            "is less busy, or use workers=N instead."
        ) from error
