"""``circle15 compute``: from a configuration to verdicts, files and a table of rates."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from circle15.cli.bar import EXIT_NOT_MET, bar_of, meets
from circle15.cli.common import (
    annotate_option,
    begin,
    cache_folder,
    cache_options,
    config_argument,
    fail_under_options,
    from_here,
    out_folder,
    standard_option,
    year_option,
)
from circle15.cli.report import annotate_rates, as_json, as_tables
from circle15.cli.terminal import Stages

if TYPE_CHECKING:
    import pandas as pd

    from circle15.pipeline import Outcome

EXAMPLE = """
\b
Examples:
  circle15 compute configs/sample.toml
  circle15 compute pudong.toml --as-of 2023 --out out/2023 --fail-under 95 --of population
  circle15 compute pudong.toml -q --json > rates.json
"""


@click.command(
    short_help="Judge every committee × type and write the results.",
    epilog=EXAMPLE,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@config_argument
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder to write; wins over run.out.")
@year_option
@standard_option
@click.option(
    "--engine", type=click.Choice(["pandana", "scipy"]), help="Engine of the travel times; both give the same verdicts."
)
@cache_options
@click.option("--archive", is_flag=True, help="Keep the inputs as they were read in the folder, for compare.")
@click.option("--bom", is_flag=True, help="Begin CSV files with a byte order mark, which some spreadsheets need.")
@click.option("--fresh", is_flag=True, help="Write anew even if the outputs are those that this run would give.")
@click.option(
    "--sensitivity",
    type=click.FloatRange(0, 100, min_open=True, max_open=True),
    metavar="PERCENT",
    help="List the verdicts that turn at speeds so much lower or higher, e.g. 10.",
)
@fail_under_options
@annotate_option
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
    archive: bool,
    bom: bool,
    fresh: bool,
    sensitivity: float | None,
    fail_under: float | None,
    of: str | None,
    json_wanted: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Judge every committee × type of the district that CONFIG describes, and write the results.

    stdout takes the rates by domain with the worst towns and types, stderr the stages and notes.
    """
    if sensitivity is not None and math.isnan(sensitivity):
        raise click.UsageError("--sensitivity needs a number of percent", context)
    bar = bar_of(context, fail_under, of)
    terminal = begin(context, quiet=quiet, verbose=verbose, config=config)
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
            archive=archive,
            progress=stages,
        )
    terminal.written = True
    terminal.tell_notes(outcome.notes)
    if outcome.unchanged and terminal.verbosity >= 0:
        terminal.say("unchanged: nothing that decides the outputs has changed since they were written (--fresh redoes)")
    terminal.print_data(as_json(outcome) if json_wanted else as_tables(outcome))
    rates = outcome.results_rates
    annotate_rates(terminal, rates)
    if bar is not None and not meets(bar, rates["district"], lambda: _verdicts(outcome), terminal):
        context.exit(EXIT_NOT_MET)


def _verdicts(outcome: "Outcome") -> "pd.Series":
    """Return the committees' verdicts as they were written, by this run or by the one that it left unchanged."""
    import pandas as pd  # noqa: PLC0415

    return pd.read_csv(outcome.folder / "csv" / "committees.csv", usecols=["verdict"])["verdict"]
