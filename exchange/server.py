"""The web server: gunicorn with threads, configured in code, with the job workers beside it."""

from __future__ import annotations

import errno
import socket
import tempfile
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from exchange import faults, files
from exchange.application import clear_spool, create_app, make_operations
from exchange.config import Settings
from exchange.config_rules import parse_bind
from exchange.errors import SettingsError
from exchange.operations import Operations


class Server(BaseApplication):
    """`exchange serve`: each worker makes its own application after the fork; one of them runs the jobs in its process."""

    def __init__(self, settings: Settings, *, quiet: bool = False) -> None:
        self._settings = settings
        self._quiet = quiet
        super().__init__()

    def load_config(self) -> None:
        options: dict[str, Any] = {
            "bind": self._settings.bind,
            "workers": self._settings.workers,
            "threads": self._settings.threads,
            "worker_class": "gthread",
            "control_socket_disable": True,
            "worker_tmp_dir": _memory_folder(),
            "timeout": 120,
            "graceful_timeout": 20,
            "keepalive": 5,
            "loglevel": "warning" if self._quiet else self._settings.log_level,
            "accesslog": None,
            "proc_name": "exchange",
            "post_worker_init": _start_jobs,
            "worker_exit": _stop_jobs,
            "limit_request_line": 8190,
        }
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        return create_app(self._settings)

    def run(self) -> None:
        if self._settings.jobs != "external":
            clear_spool(self._settings)
        super().run()


def require_free(bind: str) -> None:
    """Raise SettingsError where nothing can listen at an address; gunicorn would try for five seconds and say it in a log."""
    place = parse_bind(bind)
    try:
        if isinstance(place, Path):
            _require_free_socket(place)
        elif place is not None:
            with socket.socket(socket.AF_INET6 if ":" in place[0] else socket.AF_INET) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(place)
    except OSError as error:
        fault = faults.of(error)
        raise SettingsError(
            (f"Nothing can listen at {bind}: {fault.reason}", f"无法监听 {bind}：{fault.reason}"),
            ("Stop what is there, or choose another address with --bind, such as --bind 127.0.0.1:8001.",
             "请停止占用的程序，或用 --bind 指定其他地址，例如 --bind 127.0.0.1:8001。"),
            field="bind",
        ) from error  # fmt: skip


def _require_free_socket(path: Path) -> None:
    """Raise OSError where a program answers at the socket, or where it cannot be made; one that was left behind is replaced."""
    files.require_writable(path.parent)
    if not path.exists():
        return
    if not path.is_socket():
        raise FileExistsError(errno.EEXIST, "File exists", str(path))
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise OSError(errno.EADDRINUSE, "Address already in use")


def run_worker(settings: Settings) -> Operations:
    """Start the job workers of a process of their own (setting jobs = external) and return; the caller waits."""
    operations = make_operations(settings)
    operations.services.log.start()
    operations.services.jobs.start()
    return operations


def _memory_folder() -> str | None:
    """Return a folder in memory for gunicorn's heartbeat, so that a slow disk is not taken for a dead worker."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else tempfile.gettempdir()  # noqa: S108 - gunicorn makes a private file there


def _start_jobs(worker: Any) -> None:
    operations: Operations = worker.app.callable.extensions["exchange"]
    operations.services.log.start()
    if operations.services.settings.jobs == "in-process":
        operations.services.jobs.start()


def _stop_jobs(_arbiter: Any, worker: Any) -> None:
    application = getattr(worker.app, "callable", None)
    if application is not None:
        operations: Operations = application.extensions["exchange"]
        operations.services.jobs.stop()
        operations.services.log.stop()
        operations.database.dispose()
