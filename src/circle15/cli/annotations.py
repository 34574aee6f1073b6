"""Workflow commands of GitHub Actions: lines by which a step marks files and puts messages on a run's summary."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["error", "warning", "notice"]

SHOWN = 8
"""GitHub shows ten annotations of a kind a step: so many of a list, one that tells how many more, one of our own."""


@dataclass(frozen=True)
class Annotation:
    """One message.

    Attributes
    ----------
    kind : {"error", "warning", "notice"}
        How grave it is.
    message : str
        What it says; may have several lines.
    title : str
        Its heading.
    file : str
        The file that it concerns, relative to the repository; empty for none.
    """

    kind: Kind
    message: str
    title: str = ""
    file: str = ""

    def __str__(self) -> str:
        """Return the line that the runner reads."""
        named = (("file", self.file), ("title", self.title))
        properties = ",".join(f"{name}={_property(value)}" for name, value in named if value)
        return f"::{self.kind}{' ' if properties else ''}{properties}::{_data(self.message)}"


def cut(found: Sequence[Annotation], rest_in: str) -> list[Annotation]:
    """Return the first `SHOWN` annotations, and one more that says how many are left out and where all are."""
    rest = len(found) - SHOWN
    if rest <= 0:
        return list(found)
    more = Annotation(found[-1].kind, f"{rest} more: {rest_in} has them all", f"{rest} more", found[-1].file)
    return [*found[:SHOWN], more]


def file_of(where: str, config: Path | None) -> str:
    """Return the file that a message is about, as GitHub names it.

    Parameters
    ----------
    where : str
        As errors have it: a path from here or from the configuration's folder, perhaps with a layer, section or key
        behind it.
    config : Path or None
        Stands for what names no file.

    Returns
    -------
    str
        Relative to ``GITHUB_WORKSPACE`` or else to the current folder, with ``/``; empty for what lies elsewhere.
    """
    folders = [Path(), *([config.parent] if config else [])]
    names = [where, where.split(": ", 1)[0], where.split(" ", 1)[0]] if where else []
    every = [folder / name for name in names for folder in folders]
    found = next((path for path in every if _is_file(path)), config)
    root = Path(os.environ.get("GITHUB_WORKSPACE") or ".").resolve()
    if found is None or not found.resolve().is_relative_to(root):
        return ""
    return found.resolve().relative_to(root).as_posix()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a whole sentence is no path
        return False


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
