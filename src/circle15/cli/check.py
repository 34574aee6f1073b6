"""``circle15 check``: everything that compute would refuse or doubt, all at once."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from circle15.cli.annotations import Annotation, file_of
from circle15.cli.check_report import as_document, as_lines, last_line
from circle15.cli.common import (
    annotate_option,
    begin,
    cache_folder,
    cache_options,
    config_argument,
    from_here,
    standard_option,
    year_option,
)
from circle15.cli.terminal import Stages, Terminal

if TYPE_CHECKING:
    from circle15.stages.check import Report

EXAMPLE = """
\b
Examples:
  circle15 check configs/sample.toml
  circle15 check pudong.toml -v > faults.txt
  circle15 check pudong.toml -q --json
  circle15 check pudong.toml -q --annotate
"""


@click.command(
    short_help="Find everything that compute would refuse or doubt.",
    epilog=EXAMPLE,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@config_argument
@year_option
@standard_option
@cache_options
@annotate_option
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON document instead of text.")
@click.option("-q", "--quiet", is_flag=True, help="Print no stages and no last line.")
@click.option("-v", "--verbose", is_flag=True, help="Print every row instead of the first 20.")
@click.pass_context
def check(
    context: click.Context,
    *,
    config: Path,
    as_of: int | None,
    standard: str | None,
    cache: Path | None,
    no_cache: bool,
    json_wanted: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Find everything that compute would refuse or doubt in CONFIG and the files that it names.

    stdout takes what was found, stderr the stages and whether compute would run. Exits with the code that compute would
    end with; doubts don't count.
    """
    terminal = begin(context, quiet=quiet, verbose=verbose, config=config)
    store = cache_folder(context, cache, no_cache=no_cache)

    from circle15.stages.check import check as look  # noqa: PLC0415 - brings the geospatial libraries

    with Stages(terminal) as stages:
        report = look(config, standard=from_here(standard), as_of=as_of, cache=store, progress=stages)
        stages.done()
    terminal.print_data(as_document(report) if json_wanted else as_lines(report, every_row=verbose))
    _annotate(terminal, report)
    if terminal.verbosity >= 0:
        terminal.say(last_line(report))
    context.exit(report.exit_code)


def _annotate(terminal: Terminal, report: "Report") -> None:
    """Annotate problems as errors and doubts as warnings, in their files."""
    faults = [Annotation("error", str(one), "", file_of(one.where, terminal.config)) for one in report.problems]
    terminal.annotate(faults, "stdout")
    doubts = [
        Annotation("warning", f"{one.what}. {one.remedy}".rstrip(), one.code, file_of(one.where, terminal.config))
        for one in report.doubts
    ]
    terminal.annotate(doubts, "stdout")
    terminal.annotate([Annotation("notice", last_line(report), "check", file_of("", terminal.config))])
