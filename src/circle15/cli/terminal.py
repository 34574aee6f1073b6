"""What goes to stderr: stages with their time, notes, messages."""

import contextlib
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column
from rich.text import Text

from circle15.cli.annotations import SHOWN, Annotation, cut, file_of
from circle15.errors import ROWS_SHOWN, Note, Notes, OutputError, Problem

TELL_EVERY_S = 10.0
"""Where lines stay, a long stage says no more often how far it is."""
WIDE = 72
"""Narrower terminals show no bar, no rate and no time gone: how far and how long still."""


@dataclass
class Terminal:
    """Stderr of one command, as talkative as asked for.

    Attributes
    ----------
    verbosity : int
        Below 0 only errors, 0 stages and notes, above 0 also rows and tracebacks.
    written : bool
        Whether the run's files are in place, for what an interruption says.
    annotating : bool
        Whether errors and notes are written as annotations of GitHub Actions.
    config : Path or None
        The run's configuration, of which annotations tell that name no other file.
    """

    verbosity: int = 0
    written: bool = False
    annotating: bool = False
    config: Path | None = None
    _deaf: bool = field(default=False, init=False)

    def say(self, text: str) -> None:
        """Print a line to stderr; if nobody reads it any more (a closed pipe), say no more and go on."""
        if self._deaf:
            return
        try:
            click.echo(text, err=True)
        except OSError:  # a closed pipe, a full disk: nobody hears us, and the run is worth more than its messages
            self._deaf = True

    def print_data(self, text: str) -> None:
        """Print what was asked for to stdout; a reader that has enough (``| head``) is no failure of the run.

        Raises
        ------
        OutputError
            If stdout cannot take it (a file on a full disk).
        """
        try:
            click.echo(text, nl=False)
        except BrokenPipeError:
            mute_stdout()
        except OSError as error:
            mute_stdout()
            remedy = f"{'The files are written; send' if self.written else 'Send'} stdout elsewhere."
            raise OutputError(Problem(f"cannot be written ({error.strerror})", "stdout", remedy=remedy)) from error

    def fail(self, text: str, where: str = "", title: str = "") -> None:
        """Say why the command does not leave with 0."""
        if self.annotating:
            text = text.removeprefix("error: ")  # the runner writes that itself
            self.annotate([Annotation("error", text, title, file_of(where, self.config))])
        else:
            self.say(text)

    def annotate(self, found: Sequence[Annotation], rest_in: str = "the step's log") -> None:
        """Write annotations, if they are wanted: as many as GitHub shows, and where the rest is told."""
        if self.annotating:
            for one in cut(found, rest_in):
                self.say(str(one))

    def tell_notes(self, notes: Notes) -> None:
        """Print each note once; where annotations are wanted, the first ones as such."""
        every = list(dict.fromkeys(notes.items))
        file = file_of("", self.config)
        told = [Annotation("warning", f"{note.text}{self._rows(note)}", note.code, file) for note in every]
        self.annotate(told, "run.json")
        if self.verbosity < 0:
            return
        for note in every[SHOWN if self.annotating else 0 :]:
            self.say(f"note: {note.text}{self._rows(note)}")

    def _rows(self, note: Note) -> str:
        if self.verbosity < 1 or not note.rows:
            return ""
        shown = note.rows[:ROWS_SHOWN]
        return f" ({', '.join(shown)}{', …' if note.count > len(shown) else ''})"


def mute_stdout() -> None:
    """Send the rest to nowhere: Python flushes stdout once more when it ends, and would complain then."""
    with contextlib.suppress(OSError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Stages:
    """Shows the stages of a run (`pipeline.Progress`).

    On a terminal a moving line for the stage under way; there and elsewhere one plain line for each that is over. A
    context manager: whatever happens inside, the moving line is gone and the cursor is back afterwards.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        console = Console(stderr=True)
        shown = terminal.verbosity >= 0 and console.is_terminal and not console.is_dumb_terminal
        self._live = _bar(console) if shown else None
        self._name = ""
        self._start = 0.0
        self._told = 0.0
        self._steps = 0
        self._total: int | None = None

    def __enter__(self) -> "Stages":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def stage(self, name: str, total: int | None = None) -> None:
        """Begin a stage of `total` steps, if they can be counted."""
        self.done()
        self._name, self._start = name, time.perf_counter()
        self._told, self._steps, self._total = self._start, 0, total
        if self._live:
            self._live.add_task(name, total=total)

    def advance(self, n: int = 1) -> None:
        """Finish `n` steps of the stage."""
        self._steps += n
        if self._live and self._live.task_ids:
            self._live.advance(self._live.task_ids[-1], n)
        elif self._total and self._steps < self._total:
            gone = time.perf_counter() - self._start
            left = left_in_words(gone / self._steps * (self._total - self._steps))
            self.tell(f"{self._steps} of {self._total}, {left}")

    def tell(self, text: str) -> None:
        """Show how far a stage without steps is: beside the moving line, elsewhere a line every few seconds."""
        now = time.perf_counter()
        if self._live and self._live.task_ids:
            self._live.update(self._live.task_ids[-1], description=f"{self._name}: {text}")
        elif self._terminal.verbosity >= 0 and now - self._told >= TELL_EVERY_S:
            self._terminal.say(f"{self._name}: {text}")
            self._told = now

    def done(self) -> None:
        """End the stage, if one is under way."""
        if not self._name:
            return
        line = f"{self._name} … {time.perf_counter() - self._start:.1f} s"
        self._name = ""
        if self._live:
            for task in self._live.task_ids:
                self._live.remove_task(task)
            self._live.console.print(line, highlight=False, markup=False)
        elif self._terminal.verbosity >= 0:
            self._terminal.say(line)


class _Count(MofNCompleteColumn):
    """Steps done of how many, where a stage has steps."""

    def render(self, task: Task) -> Text:
        return Text() if task.total is None else super().render(task)


class _Rate(ProgressColumn):
    """Steps a second, or a minute where they take longer."""

    def render(self, task: Task) -> Text:
        return Text(rate_in_words(task.speed) if task.total is not None else "", style="progress.data.speed")


class _Left(ProgressColumn):
    """Time left, as far as the steps so far tell."""

    max_refresh = 0.5  # figures that flicker can't be read

    def render(self, task: Task) -> Text:
        return Text(left_in_words(task.time_remaining), style="progress.remaining")


def rate_in_words(per_second: float | None) -> str:
    """Return a speed in steps, ``""`` where it isn't known yet."""
    if not per_second:
        return ""
    return f"{per_second:,.0f}/s" if per_second >= 1 else f"{60 * per_second:.1f}/min"


def left_in_words(seconds: float | None) -> str:
    """Return how long it still takes, ``""`` where that isn't known."""
    if seconds is None:
        return ""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} left" if hours else f"{minutes}:{rest:02} left"


def _bar(console: Console) -> Progress:
    wide = console.width >= WIDE
    what = Column(no_wrap=True, overflow="ellipsis", ratio=None if wide else 1)
    columns: list[ProgressColumn] = [SpinnerColumn(), TextColumn("{task.description}", markup=False, table_column=what)]
    columns += [BarColumn(), _Count(), _Rate(), TimeElapsedColumn(), _Left()] if wide else [_Count(), _Left()]
    return Progress(*columns, console=console, transient=True, expand=not wide)
