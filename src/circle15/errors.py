"""One root error. Each error says what is wrong, where, and the way out; the exit code follows from its kind."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

ROWS_SHOWN = 5


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an input.

    Attributes
    ----------
    what : str
        What is wrong, as a sentence without a full stop.
    where : str
        File, layer or key that it was found in; empty if the message says it.
    rows : tuple of str
        Labels of the rows concerned (an id, or ``row N`` counted from 1); the message shows the first few.
    remedy : str
        What to do about it.
    """

    what: str
    where: str = ""
    rows: tuple[str, ...] = ()
    remedy: str = ""

    def __str__(self) -> str:
        """Return the message as a person reads it: place, fault, the first rows, remedy."""
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.rows:
            shown = ", ".join(self.rows[:ROWS_SHOWN])
            more = len(self.rows) - ROWS_SHOWN
            plural = "s" if len(self.rows) > 1 else ""
            text += f" ({len(self.rows)} row{plural}: {shown}{f', and {more} more' if more > 0 else ''})"
        return f"{text}. {self.remedy}" if self.remedy else f"{text}."


class Circle15Error(Exception):
    """The root of every error that circle15 raises on purpose."""

    exit_code: ClassVar[int] = 4

    def __init__(self, *problems: Problem | str) -> None:
        self.problems: tuple[Problem, ...] = tuple(p if isinstance(p, Problem) else Problem(p) for p in problems)
        self.notes = Notes()  # what the run had to tell before it failed
        super().__init__("\n".join(str(p) for p in self.problems))


class ConfigError(Circle15Error, ValueError):
    """The command line, the configuration or the standard is wrong."""

    exit_code = 2


class InputError(Circle15Error, ValueError):
    """An input file is missing, unreadable or breaks its table's contract."""

    exit_code = 3


class ComputeError(Circle15Error, RuntimeError):
    """The computation could not be finished or did not pass its own checks."""

    exit_code = 4


class OutputError(Circle15Error, OSError):
    """An output could not be written."""

    exit_code = 5


class InstallationError(Circle15Error, RuntimeError):
    """A file that comes with circle15 is missing or cannot be read: nothing that the user gave is wrong."""

    exit_code = 70


@dataclass(frozen=True)
class Note:
    """Something dropped, assumed or left out that the reader must know of.

    Attributes
    ----------
    code : str
        Stable name, e.g. ``facilities.off_network``.
    count : int
        How many things it concerns.
    text : str
        The sentence for stderr and ``run.json``.
    rows : tuple of str
        Labels of the things concerned, where they have any.
    """

    code: str
    count: int
    text: str
    rows: tuple[str, ...] = ()


@dataclass
class Notes:
    """The notes of one run, in the order in which they were made."""

    items: list[Note] = field(default_factory=list)

    def add(self, code: str, count: int, text: str, rows: Iterable[object] = ()) -> None:
        """Record a note; a count of 0 is nothing to tell and is left out."""
        if count:
            self.items.append(Note(code, int(count), text, tuple(str(r) for r in rows)))


def counted(count: int, one: str, many: str) -> str:
    """Return a count with its thousands apart and the words for one or for several, e.g. ``1 cell lies``."""
    return f"{count:,} {one if count == 1 else many}"


def raise_if_any(problems: Sequence[Problem], kind: type[Circle15Error] = InputError) -> None:
    """Raise one error that names all `problems`, if there are any."""
    if problems:
        raise kind(*problems)
