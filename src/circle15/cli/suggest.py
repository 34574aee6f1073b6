"""``circle15 suggest``: from gaps to a ledger of projects that closes them."""

import contextlib
import math
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from circle15.cli.common import (
    begin,
    cache_folder,
    config_argument,
    from_here,
    out_folder,
    planning_options,
    time_limit_option,
)
from circle15.cli.tables import as_document, as_text, money, plain_table
from circle15.cli.terminal import Stages

if TYPE_CHECKING:
    from circle15.planning.begin import Stop
    from circle15.planning.siting import Suggested

EXIT_INTERRUPTED = 130

EXAMPLE = """
\b
Examples:
  circle15 suggest configs/sample.toml
  circle15 suggest pudong.toml --budget 12000 --time-limit 600
  circle15 suggest pudong.toml --by town --alternatives 2 --json > programme.json
"""


@click.command(
    short_help="Propose where to close the gaps, by which means, at what cost.",
    epilog=EXAMPLE,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@config_argument
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder to write [default: <run.out>-suggest]."
)
@click.option(
    "--budget",
    type=click.FloatRange(0, min_open=True),
    metavar="COST",
    help="Serve the most people for so much, instead of closing every gap at least cost.",
)
@click.option(
    "--by",
    type=click.Choice(["district", "town"]),
    default="district",
    show_default=True,
    help="Whether a site may serve committees of other towns than its own.",
)
@click.option(
    "--alternatives", type=click.IntRange(0, 20), default=0, metavar="K", help="Further programmes that differ most."
)
@time_limit_option
@planning_options
@click.pass_context
def suggest(
    context: click.Context,
    *,
    config: Path,
    out: Path | None,
    budget: float | None,
    by: str,
    alternatives: int,
    time_limit: float | None,
    standard: str | None,
    as_of: int | None,
    cache: Path | None,
    no_cache: bool,
    bom: bool,
    json_wanted: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Close every gap of the district that CONFIG describes at least cost, or serve the most people for a budget.

    Writes csv/suggestions.csv, a ledger that [projects] reads, and why each gap that stays open does. Ctrl-C while the
    search goes on ends it with the best found.
    """
    if budget is not None and not math.isfinite(budget):
        raise click.UsageError("--budget needs a number; without it, every gap is closed", context)
    terminal = begin(context, quiet=quiet, verbose=verbose)
    store = cache_folder(context, cache, no_cache=no_cache)
    from circle15.config import load_config  # noqa: PLC0415 - brings the geospatial libraries

    loaded = load_config(config)
    folder = out_folder(loaded, out, "suggest")
    from circle15.planning import siting  # noqa: PLC0415
    from circle15.planning.begin import Stop  # noqa: PLC0415

    stop = Stop()
    with Stages(terminal) as stages, interruptible(stop):
        found = siting.suggest(
            loaded,
            out=folder,
            standard=from_here(standard),
            as_of=as_of,
            budget=budget,
            by_town=by == "town",
            alternatives=alternatives,
            time_limit_s=time_limit,
            cache=store,
            bom=bom,
            stop=stop,
            progress=stages,
        )
    terminal.written = True
    terminal.tell_notes(found.notes)
    terminal.print_data(_document(found) if json_wanted else _tables(found, loaded.suggest.currency))
    if found.stopped:
        terminal.say("interrupted; the best found was written")
        context.exit(EXIT_INTERRUPTED)


@contextlib.contextmanager
def interruptible(stop: "Stop") -> Iterator[None]:
    """Take Ctrl-C (or a polite kill) during a search for the wish to end it with the best found."""

    def ask(number: int, frame: FrameType | None) -> None:
        del number, frame
        if not stop.listening:
            raise KeyboardInterrupt
        stop.asked.set()  # nothing may be raised here: this runs inside the solver

    before = {one: signal.signal(one, ask) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _document(found: "Suggested") -> str:
    own: dict[str, Any] = {"folder": str(found.folder), "solver": found.solver}
    shown = {name: found.tables[name] for name in ("bill", "programmes", "suggestions", "outcomes")}
    return as_document(own, shown, found.notes, found.files, found.timings)


def _tables(found: "Suggested", currency: str) -> str:
    """Return the bill by means and town, why gaps stay open, and what the solver says."""
    bill, outcomes, solver = found.tables["bill"], found.tables["outcomes"], found.solver
    unit = "" if solver["relative_costs"] else currency
    parts: list[Any] = []
    for by, title in (("means", "means"), ("town", "town")):
        table = plain_table(title, "sites", "projects", f"cost {unit}".strip())
        for row in bill[bill["by"] == by].to_dict("records"):
            table.add_row(str(row["key"]) or "–", f"{row['sites']}", f"{row['projects']}", money(row["cost"]))
        parts.append(table)
    open_ = outcomes[outcomes["status"] == "open"]
    if len(open_):
        table = plain_table("why gaps stay open", "gaps")
        for reason, count in open_["reason"].value_counts().sort_index().items():
            table.add_row(str(reason), f"{count}")
        parts.append(table)
    programmes = found.tables["programmes"]
    if len(programmes) > 1:
        table = plain_table("programme", "sites", "projects", "cost", "closed", "sites of the first")
        for row in programmes.to_dict("records"):
            figures = [f"{row[c]}" for c in ("sites", "projects")]
            table.add_row(
                str(row["programme"]), *figures, money(row["cost"]), f"{row['closed']}", f"{row['sites_of_the_first']}"
            )
        parts.append(table)
    closed = int((outcomes["status"] == "closed").sum())
    first = programmes.iloc[0]
    lines = [
        f"{closed} of {len(outcomes)} gaps closed by {first['projects']} projects on {first['sites']} sites, "
        f"cost {money(first['cost'])} {unit}".rstrip(),
        f"{solver['objective']}: {money(solver['value'])}, bound {money(solver['bound'])}, "
        f"gap {100 * solver['gap']:.2f} %" + ("" if solver["complete"] else " · search not complete"),
        f"{found.folder}: {', '.join(sorted(found.files))}, run.json",
    ]
    changing = [note.text for note in found.notes.items if note.code == "suggest.facilities_change"]
    return as_text(parts, [*changing, *lines])
