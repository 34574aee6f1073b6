"""``circle15 compute``: from a configuration to verdicts, files and a table of rates."""

import math
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import click

from circle15.cli.common import begin, cache_folder, cache_options, from_here, out_folder, year_option
from circle15.cli.report import as_json, as_tables
from circle15.cli.terminal import Stages, Terminal
from circle15.percent import text_of_rate

if TYPE_CHECKING:
    from circle15.pipeline import Outcome

EXIT_NOT_MET = 1

EXAMPLE = """
\b
Examples:
  circle15 compute configs/sample.toml
  circle15 compute pudong.toml --as-of 2023 --out out/2023 --fail-under 95
  circle15 compute pudong.toml -q --json > rates.json
"""


@click.command(
    short_help="Judge every committee × type and write the results.",
    epilog=EXAMPLE,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder to write; wins over run.out.")
@year_option
@click.option("--standard", metavar="ID|PATH", help="Hold the district against this standard; wins over run.standard.")
@click.option(
    "--engine", type=click.Choice(["pandana", "scipy"]), help="Engine of the travel times; both give the same verdicts."
)
@cache_options
@click.option("--bom", is_flag=True, help="Begin CSV files with a byte order mark, which some spreadsheets need.")
@click.option("--fresh", is_flag=True, help="Write anew even if the outputs are those that this run would give.")
@click.option(
    "--sensitivity",
    type=click.FloatRange(0, 100, min_open=True, max_open=True),
    metavar="PERCENT",
    help="List the verdicts that turn at speeds so much lower or higher, e.g. 10.",
)
@click.option(
    "--fail-under",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Exit with 1 if the district's item rate is below.",
)
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON document instead of tables.")
@click.option("-q", "--quiet", is_flag=True, help="Print no stages and no notes, errors only.")
@click.option("-v", "--verbose", is_flag=True, help="Print the rows that notes concern, and tracebacks.")
@click.pass_context
def compute(
    context: click.Context,
    *,
    config: Path,
    out: Path | None,
    standard: str | None,
    as_of: int | None,
    engine: str | None,
    cache: Path | None,
    no_cache: bool,
    bom: bool,
    fresh: bool,
    sensitivity: float | None,
    fail_under: float | None,
    json_wanted: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Judge every committee × type of the district that CONFIG describes, and write the results.

    stdout takes the rates by domain with the worst towns and types, stderr the stages and notes.
    """
    for option, percent in (("--fail-under", fail_under), ("--sensitivity", sensitivity)):
        if percent is not None and math.isnan(percent):
            raise click.UsageError(f"{option} needs a number of percent", context)
    terminal = begin(context, quiet=quiet, verbose=verbose)
    store = cache_folder(context, cache, no_cache=no_cache)

    # Late, so that --help and a mistyped option answer at once: these bring the geospatial libraries.
    from circle15.config import load_config  # noqa: PLC0415

    loaded = load_config(config)
    folder = out_folder(loaded, out, "compute")

    from circle15 import pipeline  # noqa: PLC0415

    with Stages(terminal) as stages:
        outcome = pipeline.compute(
            loaded,
            out=folder,
            standard=from_here(standard),
            as_of=as_of,
            engine=engine,
            cache=store,
            bom=bom,
            fresh=fresh,
            sensitivity=sensitivity,
            progress=stages,
        )
    terminal.written = True
    terminal.tell_notes(outcome.notes)
    if outcome.unchanged and terminal.verbosity >= 0:
        terminal.say("unchanged: nothing that decides the outputs has changed since they were written (--fresh redoes)")
    terminal.print_data(as_json(outcome) if json_wanted else as_tables(outcome))
    if fail_under is not None and not _meets(outcome, fail_under, terminal):
        context.exit(EXIT_NOT_MET)


def _meets(outcome: "Outcome", percent: float, terminal: Terminal) -> bool:
    """Return whether the district's item rate reaches `percent`, in exact fractions: 57 of 100 are not below 57 %."""
    district = outcome.results_rates["district"]
    passed = int(district["passed"].sum())
    judged = passed + int(district["failed"].sum())
    if judged == 0:
        terminal.say(f"not met: no item could be judged, so the item rate is not known to reach {percent:g} %")
        return False
    if Fraction(passed, judged) * 100 >= Fraction(str(percent)):
        return True
    rate = text_of_rate(passed / judged)
    terminal.say(f"not met: the item rate is {rate} ({passed} of {judged}), below {percent:g} %")
    return False
