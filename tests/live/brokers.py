"""Throw-away brokers: each a process of its own on a free port of this machine, in a folder of its own, gone at the end.

    with Redis() as redis:
        redis.url
        redis.kill(); redis.start()                # a crash, as with kill -9, and a new start with what is on disk
        redis.freeze(); redis.thaw()               # SIGSTOP, SIGCONT
        redis.save(); ...; redis.restore()         # start again with what was on disk at the time of ``save``

A broker of another kind says how it is started (``command``), reached (``url``), and, where that takes more than a connection, when it is ready.
As root they run as nobody: PostgreSQL insists, and the others need no more.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Self

START_S = 20.0
USER = "nobody"


class Broker(ABC):
    """``durable``: keeps what it has acknowledged through a crash. ``port`` stays the same for all its lives."""

    needs: ClassVar[str]
    """The command that must be installed: for ``pytest.mark.needs``."""

    def __init__(self, *, durable: bool = False) -> None:
        self.durable = durable
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{type(self).__name__.lower()}-"))
        self._saved = Path(f"{self.folder}.saved")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._give_away()
        try:
            self.prepare()
            self.start()
        except BaseException:  # a time-out of the test, too: who does not get in is not let out, and the broker would live on
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self._saved, ignore_errors=True)

    # ---- what each kind says

    @property
    @abstractmethod
    def url(self) -> str: ...

    @abstractmethod
    def command(self) -> list[str]:
        """How to start it in the foreground, on ``port`` of 127.0.0.1, with its data in ``folder``."""

    def prepare(self) -> None:  # noqa: B027  # most need nothing
        """Once, before the first start."""

    def is_ready(self) -> bool:
        """Does it answer?"""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def flush(self) -> None:  # noqa: B027  # nor this
        """Let everything be on disk that ``save`` shall copy."""

    # ---- its life

    def start(self) -> None:
        with open(self.folder / "log", "ab") as log:
            self._process = self._spawn(self.command(), stdout=log, stderr=log)
        until = time.monotonic() + START_S
        while not self.is_ready():
            if time.monotonic() > until or self._process.poll() is not None:
                raise RuntimeError(f"{self.command()[0]} does not answer; its log ends:\n{(self.folder / 'log').read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """As with kill -9: nothing is written any more."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def save(self) -> None:
        self.flush()
        shutil.rmtree(self._saved, ignore_errors=True)
        shutil.copytree(self.folder, self._saved)

    def restore(self) -> None:
        self.kill()
        shutil.rmtree(self.folder)
        shutil.copytree(self._saved, self.folder)
        self._give_away()
        self.start()

    # ---- inside

    def run(self, *command: str) -> None:
        """A command that ends by itself, as the broker's user."""
        process = self._spawn(list(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output, _ = process.communicate(timeout=60)
        if process.returncode:
            raise RuntimeError(f"{command} failed: {output.decode(errors='replace')[-2000:]}")

    def _spawn(self, command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        user: dict[str, Any] = {"user": USER, "group": pwd.getpwnam(USER).pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        return subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, **user, **options)

    def _give_away(self) -> None:
        if os.geteuid() == 0:
            owner = pwd.getpwnam(USER)
            for path in [self.folder, *self.folder.rglob("*")]:
                os.chown(path, owner.pw_uid, owner.pw_gid)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            raise RuntimeError("it does not run")
        self._process.send_signal(number)


class Redis(Broker):
    needs = "redis-server"

    def __init__(self, *options: str, durable: bool = False) -> None:
        super().__init__(durable=durable)
        self._options = options

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        journal = ["--appendonly", "yes", "--appendfsync", "always"] if self.durable else ["--appendonly", "no"]
        return ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder), *journal, *self._options]

    def is_ready(self) -> bool:
        """While it loads its data it answers with an error."""
        try:
            return self.say("PING").startswith("+PONG")
        except OSError:
            return False

    def flush(self) -> None:
        if not (answer := self.say("SAVE")).startswith("+OK"):
            raise RuntimeError(f"SAVE: {answer}")

    def say(self, line: str) -> str:
        """The beginning of the answer to an inline command."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(line.encode() + b"\r\n")
            return connection.recv(4096).decode(errors="replace")


class Nats(Broker):
    """With JetStream. What is not ``durable`` has lost its disk when it was killed."""

    needs = "nats-server"

    def __init__(self, config: str = "", *, durable: bool = False) -> None:
        super().__init__(durable=durable)
        self._config = config

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        return ["nats-server", "-c", str(self.folder / "conf")]

    def prepare(self) -> None:
        (self.folder / "conf").write_text(f'listen: 127.0.0.1:{self.port}\nmax_payload: 8MB\njetstream {{ store_dir: "{self.folder}/data" }}\n{self._config}')

    def kill(self) -> None:
        super().kill()
        if not self.durable:
            shutil.rmtree(self.folder / "data", ignore_errors=True)


class Postgres(Broker):
    """What is not ``durable`` has lost its disk when it was killed."""

    needs = "postgres"

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def command(self) -> list[str]:
        return [*(found("postgres"), "-D", str(self.folder / "db"), "-p", str(self.port), "-h", "127.0.0.1", "-k", ""), *_FAST]

    def prepare(self) -> None:
        """Each its copy of what ``initdb`` makes once: that takes a second."""
        if _TEMPLATES:
            shutil.copytree(_TEMPLATES[0], self.folder / "db")
            self._give_away()
            return
        self.run(found("initdb"), "-D", str(self.folder / "db"), *("-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N", "--wal-segsize=1"))
        template = tempfile.mkdtemp(prefix="postgres-template-")
        shutil.copytree(self.folder / "db", f"{template}/db")
        atexit.register(shutil.rmtree, template, ignore_errors=True)
        _TEMPLATES.append(f"{template}/db")

    def is_ready(self) -> bool:
        return subprocess.run([found("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)], timeout=10).returncode == 0

    def flush(self) -> None:
        self.run(found("psql"), "-q", "-c", "CHECKPOINT", self.url)

    def kill(self) -> None:
        """Each connection has a process of its own."""
        children = self._children()
        super().kill()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        if not self.durable:
            shutil.rmtree(self.folder / "db", ignore_errors=True)

    def start(self) -> None:
        if not (self.folder / "db").exists():
            self.prepare()
        super().start()

    def _signal(self, number: signal.Signals) -> None:
        super()._signal(number)
        for child in self._children():
            os.kill(child, number)

    def _children(self) -> list[int]:
        if self._process is None:
            return []
        return [int(child) for child in Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()]


_FAST = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=40", "-c", "shared_buffers=32MB")
"""What is committed stays with the operating system: that survives the death of a process."""
_TEMPLATES: list[str] = []


def found(command: str) -> str:
    """Debian keeps PostgreSQL's commands off the path."""
    path = os.pathsep.join([os.environ["PATH"], *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin")))])
    return shutil.which(command, path=path) or command


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
