"""The commands. The only room that prints, asks or exits.

Exit codes: 0 done; 1 done, and the standard is not met (only with ``--fail-under``); 2 usage or configuration; 3 bad
input; 4 failed while computing; 5 output cannot be written; 70 a bug, or a file that comes with circle15 is missing;
130 interrupted.
"""

import contextlib
import gc
import io
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import click

from circle15 import __version__
from circle15.cli import completion
from circle15.cli.annotations import SHOWN, Annotation, file_of
from circle15.cli.check import check
from circle15.cli.common import InOrder
from circle15.cli.compare import compare
from circle15.cli.compute import compute
from circle15.cli.explain import explain
from circle15.cli.fetch import fetch
from circle15.cli.init import init
from circle15.cli.plan import plan
from circle15.cli.report_command import report
from circle15.cli.standards import standards
from circle15.cli.suggest import suggest
from circle15.cli.terminal import Terminal, mute_stdout
from circle15.cli.verify import verify
from circle15.errors import Circle15Error, ComputeError

EXIT_USAGE = 2
EXIT_BUG = 70
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
"""Of a help text that nobody reads to its end, as every Unix command does; a run that is done stays 0."""
PROBLEMS_SHOWN = 50
GC_THRESHOLDS = (200_000, 20, 100)
"""Tables of text are millions of objects without cycles: looking through them as often as Python does takes 10 %."""


EXAMPLE = """
\b
The order of the work:
  1. init: a configuration and tables to fill in; fetch: streets and
     facilities from OpenStreetMap. Or begin with configs/sample.toml.
  2. check: what compute would refuse or doubt.
  3. compute: verdicts, rates, gaps. explain: why one verdict is what it is.
  4. suggest: where to close the gaps. verify: the proof. plan: the years.
  5. report: pages, workbook, maps. compare: what changed between two runs.

\b
Examples:
  circle15 check configs/sample.toml
  circle15 compute configs/sample.toml
  circle15 explain configs/sample.toml --committee 999001001 --type primary_school
  circle15 compute --help

\b
Exit codes: 0 done, 1 below --fail-under, 2 command line or configuration,
3 input, 4 computing, 5 output, 70 a bug, 130 interrupted.
"""


@click.group(
    cls=InOrder,
    epilog=EXAMPLE,
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
)
@click.version_option(__version__)
@click.pass_context
def circle15(context: click.Context) -> None:
    """Find out what every committee reaches within 15 minutes, held against one standard."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(EXIT_USAGE)


circle15.add_command(init)
circle15.add_command(fetch)
circle15.add_command(check)
circle15.add_command(compute)
circle15.add_command(explain)
circle15.add_command(suggest)
circle15.add_command(verify)
circle15.add_command(plan)
circle15.add_command(report)
circle15.add_command(compare)
circle15.add_command(standards)


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    code = completion.answer(circle15)
    if code is not None:
        sys.exit(code)
    signal.signal(signal.SIGTERM, _interrupt)
    gc.set_threshold(*GC_THRESHOLDS)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows no Chinese is no reason to fail
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code; every message goes to stderr."""
    terminal = Terminal()
    code = 0
    try:
        # Not click's own main(): it takes an EOFError anywhere for Ctrl-C, and leaves with 1 on a broken pipe.
        with circle15.make_context("circle15", list(arguments), obj=terminal) as context:
            circle15.invoke(context)
    except click.exceptions.Exit as leave:
        code = leave.exit_code
    except click.UsageError as error:
        if error.ctx is not None:
            terminal.say(error.ctx.get_usage())
        terminal.annotating = "--annotate" in arguments  # an unknown option ends the reading of all others
        terminal.fail(f"error: {error.format_message()}", title="usage")
        code = error.exit_code
    except Circle15Error as error:
        terminal.tell_notes(error.notes)
        _tell(terminal, error)
        code = error.exit_code
    except MemoryError:
        _explain(terminal)
        terminal.fail("error: not enough memory. Free some, or take a smaller area.")
        code = ComputeError.exit_code
    except KeyboardInterrupt:
        terminal.say(f"interrupted; {'the files were' if terminal.written else 'nothing was'} written")
        code = EXIT_INTERRUPTED
    except BrokenPipeError:
        mute_stdout()
        code = EXIT_BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - the last resort: whatever it is, it is our fault
        _explain(terminal)
        hint = "" if terminal.verbosity > 0 else " (-v shows where)"
        name = type(error).__name__
        terminal.fail(f"error: a bug in circle15 {__version__}: {name}: {error}{hint}. Please report it.")
        code = EXIT_BUG
    return code


def _tell(terminal: Terminal, error: Circle15Error) -> None:
    told = [Annotation("error", str(one), "", file_of(one.where, terminal.config)) for one in error.problems]
    terminal.annotate(told)
    for problem in error.problems[SHOWN if terminal.annotating else 0 : PROBLEMS_SHOWN]:
        terminal.say(f"error: {problem}")
    more = len(error.problems) - PROBLEMS_SHOWN
    if more > 0:
        terminal.say(f"error: and {more} more of them.")


def _explain(terminal: Terminal) -> None:
    if terminal.verbosity > 0:
        terminal.say(traceback.format_exc().rstrip())


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Treat a polite kill like Ctrl-C, so that a run cleans up after itself."""
    del number, frame
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough, cleaning up must not be cut short
    raise KeyboardInterrupt
