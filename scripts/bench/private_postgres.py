"""A PostgreSQL server of one's own on loopback, for tests and measurements."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

USER = "postgres"
START_SECONDS = 60.0
CARELESS = ("fsync=off", "full_page_writes=off")  # a killed server still loses nothing


class NoPostgreSQL(Exception):
    """There is no server to start; the text says why."""


class PrivatePostgres:
    """A server in a temporary folder, on 127.0.0.1 and a free port; nothing else is touched.

    As root it runs as the user postgres, or nobody where there is none: the server refuses root.

    Args:
        durable: Whether a commit waits for the disk, so that a power cut loses nothing.

    Raises:
        NoPostgreSQL: The programs are not installed, or it does not start.
    """

    def __init__(self, durable: bool = True) -> None:
        self.programs = _programs()
        self.port = _free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="nas-env-postgresql-"))
        self._durable = durable
        self._as_user = _unprivileged()
        if self._as_user:
            os.chown(self.folder, self._as_user["user"], self._as_user["group"])
        self._server: subprocess.Popen[bytes] | None = None
        self.run("initdb", "-D", "data", "-U", USER, "-E", "UTF8", "--locale=C", "--auth=trust")
        self.start()

    def __enter__(self) -> PrivatePostgres:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def url(self, database: str = "postgres") -> str:
        """Return the SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://{USER}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> str:
        """Make a database and return its URL."""
        self.run("createdb", database)
        return self.url(database)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", f"port={self.port}"]
        settings += [] if self._durable else CARELESS
        options = [part for setting in settings for part in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [str(self.programs / "postgres"), "-D", str(self.folder / "data"), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **self._as_user,
            )
        asks = [str(self.programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        end = time.monotonic() + START_SECONDS
        while subprocess.run(asks, cwd=self.folder).returncode:
            if self._server.poll() is not None or time.monotonic() > end:
                self.stop()
                log_text = (self.folder / "log").read_text(errors="replace")
                raise NoPostgreSQL(f"PostgreSQL did not start: {log_text[-500:]}")
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: connections are cut, what was committed stays.

        Args:
            how: SIGINT to put everything in order first, SIGQUIT for leaving as it stands.
        """
        if self._server is not None and self._server.poll() is None:
            self._server.send_signal(how)
            self._server.wait(START_SECONDS)

    def remove(self) -> None:
        """Stop the server and delete its folder."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs as its superuser, against this server."""
        address = {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": USER}
        command = [str(self.programs / program), *arguments]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, **address},
            capture_output=True,
            text=True,
            **self._as_user,
        )
        if done.returncode:
            raise NoPostgreSQL(f"{program} failed: {done.stderr.strip()[-500:]}")


def _programs() -> Path:
    """Return the folder of the server's programs, the newest where there are several."""
    debian = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    servers = sorted(debian, key=lambda path: float(path.parts[-3]))
    if servers:
        return servers[-1].parent
    if (program := shutil.which("postgres")) is None:
        raise NoPostgreSQL("PostgreSQL is not installed (no program `postgres`)")
    return Path(program).resolve().parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _unprivileged() -> dict[str, Any]:
    """Return the arguments with which root starts a process as somebody else."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    account = names.get("postgres") or names["nobody"]
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
