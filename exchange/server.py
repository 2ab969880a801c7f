"""The web server: gunicorn with threads, configured in code, with the job workers beside it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from exchange.application import clear_spool, create_app, make_operations
from exchange.config import Settings
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


def run_worker(settings: Settings) -> Operations:
    """Start the job workers of a process of their own (setting jobs = external) and return; the caller waits."""
    operations = make_operations(settings)
    operations.services.jobs.start()
    return operations


def _memory_folder() -> str | None:
    """Return a folder in memory for gunicorn's heartbeat, so that a slow disk is not taken for a dead worker."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else tempfile.gettempdir()  # noqa: S108 - gunicorn makes a private file there


def _start_jobs(worker: Any) -> None:
    operations: Operations = worker.app.callable.extensions["exchange"]
    if operations.services.settings.jobs == "in-process":
        operations.services.jobs.start()


def _stop_jobs(_arbiter: Any, worker: Any) -> None:
    application = getattr(worker.app, "callable", None)
    if application is not None:
        application.extensions["exchange"].services.jobs.stop()
        application.extensions["exchange"].database.dispose()
