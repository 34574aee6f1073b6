"""One run at a time writes to a folder."""

import contextlib
import json
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from circle15.errors import OutputError, Problem

HALF_WRITTEN_S = 10.0
"""A lock without readable content is being written; after this time its writer has died over it."""

_held: set[str] = set()
"""Locks of this very process."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the only right to write to `folder`.

    The lock is a file beside the folder that tells who holds it; that of a process which is no longer alive is taken
    over, unless it ran on another machine.

    Raises
    ------
    OutputError
        If another run holds it.
    """
    path = place_beside(folder, "lock")
    token = uuid.uuid4().hex
    _take(path, token, folder)
    _held.add(token)
    try:
        yield
    finally:
        _held.discard(token)
        path.unlink(missing_ok=True)


def place_beside(folder: Path, ending: str) -> Path:
    """Return a hidden name beside `folder` for what is not part of a run.

    Inside it where beside it is another file system (a mounted volume) or a folder that we may not write to.
    """
    outside = not (folder.is_mount() or (folder.exists() and not os.access(folder.parent, os.W_OK)))
    return (folder.parent if outside else folder) / f".{folder.name}.circle15.{ending}"


def _take(path: Path, token: str, folder: Path) -> None:
    content = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "token": token})
    for _ in range(2):
        with contextlib.suppress(FileExistsError), path.open("x", encoding="utf-8") as file:
            file.write(content)
            return
        held = _read(path)
        if _is_alive(path, held):
            break
        _remove_dead(path, held, token)
    who = _owner(_read(path))
    raise OutputError(
        Problem(
            f"another run is writing to this folder{who}",
            str(folder),
            remedy=f"Wait for it or choose another --out; if no run is alive, delete {path}.",
        )
    )


def _remove_dead(path: Path, held: str, token: str) -> None:
    """Take a dead run's lock away; if another process took it over meanwhile, give that one back."""
    aside = path.with_name(f"{path.name}.{token}")
    try:
        path.replace(aside)
    except FileNotFoundError:
        return
    if _read(aside) != held:
        with contextlib.suppress(OSError):
            os.link(aside, path)
    aside.unlink()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _parsed(held: str) -> dict[str, object]:
    try:
        document = json.loads(held)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _owner(held: str) -> str:
    holder = _parsed(held)
    return f" (process {holder.get('pid')} on {holder.get('host')})" if holder else ""


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _is_alive(path: Path, held: str) -> bool:
    holder = _parsed(held)
    pid = holder.get("pid")
    if not isinstance(pid, int):
        return _age_s(path) < HALF_WRITTEN_S
    if holder.get("host") != socket.gethostname() or os.name == "nt":
        return True  # it cannot be asked (on Windows, signal 0 would end it)
    if pid == os.getpid():
        return holder.get("token") in _held  # else a dead process had our number, as happens in containers
    with contextlib.suppress(PermissionError):  # it is alive and someone else's
        try:
            os.kill(pid, 0)
        except (ProcessLookupError, OverflowError):
            return False
    return True
