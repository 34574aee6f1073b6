"""``circle15 plan``: a ledger by year, its milestones, and one plan for each town."""

from pathlib import Path
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
from circle15.cli.suggest import EXIT_INTERRUPTED, interruptible
from circle15.cli.tables import as_document, as_text, money, plain_table
from circle15.cli.terminal import Stages
from circle15.cli.verify import rates_table
from circle15.percent import text_of_milestone, text_of_percent

if TYPE_CHECKING:
    import pandas as pd

    from circle15.planning.programme import Planned

EXAMPLE = """
\b
Examples:
  circle15 plan configs/sample.toml
  circle15 plan configs/plans/pudong-2021-2023.toml
  circle15 plan pudong.toml --as-of 2022 -q --json > progress.json
"""


@click.command(
    short_help="Put a ledger into years, hold it against the milestones, write each town's plan.",
    epilog=EXAMPLE,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@config_argument
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder to write [default: <run.out>-plan]."
)
@time_limit_option
@planning_options
@click.pass_context
def plan(
    context: click.Context,
    *,
    config: Path,
    out: Path | None,
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
    """Give the planned projects of CONFIG's ledger a year each, most people earliest, and write the programme.

    Milestones and yearly budgets of [plan] are kept to. Writes a folder a town (一街镇一策). A CONFIG without network,
    committees and facilities has its ledger counted only. --as-of is the year in which its status is told.
    """
    terminal = begin(context, quiet=quiet, verbose=verbose)
    store = cache_folder(context, cache, no_cache=no_cache)
    from circle15.config import load_plan_config  # noqa: PLC0415 - brings the geospatial libraries

    loaded = load_plan_config(config)
    folder = out_folder(loaded, out, "plan")
    from circle15.planning import programme  # noqa: PLC0415
    from circle15.planning.begin import Stop  # noqa: PLC0415

    stop = Stop()
    with Stages(terminal) as stages, interruptible(stop):
        found = programme.plan(
            loaded,
            out=folder,
            standard=from_here(standard),
            as_of=as_of,
            time_limit_s=time_limit,
            cache=store,
            bom=bom,
            stop=stop,
            progress=stages,
        )
    terminal.written = True
    terminal.tell_notes(found.notes)
    terminal.print_data(_document(found) if json_wanted else _tables(found))
    if stop.asked.is_set():
        terminal.say("interrupted; the best schedule found was written")
        context.exit(EXIT_INTERRUPTED)


def _document(found: "Planned") -> str:
    own: dict[str, Any] = {"folder": str(found.folder), "towns": found.towns}
    shown = {n: t for n, t in found.tables.items() if n in SHOWN}
    return as_document(own, shown, found.notes, found.files, found.timings)


SHOWN = ("milestones", "programme", "figures", "disagreements", "effects", "changes", "ledger_targets")


def _tables(found: "Planned") -> str:
    tables = found.tables
    parts: list[Any] = [_milestones(tables["milestones"])]
    if "programme" in tables:
        table = plain_table("year", "starts", "opens", "cost", "budget", "started")
        for row in tables["programme"].to_dict("records"):
            figures = [f"{row['starts']}", f"{row['opens']}", money(row["cost"]), money(row["budget"])]
            table.add_row(f"{row['year']}", *figures, text_of_percent(row["started_percent"]))
        parts += [table, rates_table(tables["effects"])]
    else:
        parts.append(_domains(tables["figures"]))
    lines = [f"{len(tables['disagreements'])} disagreements within the ledger's own figures"]
    if found.towns:
        lines.append(f"{len(found.towns)} towns' plans below {found.folder / 'towns'}")
    files = sorted(name for name in found.files if not name.startswith("towns/"))
    lines.append(f"{found.folder}: {', '.join(files)}, run.json")
    return as_text(parts, lines)


def _milestones(milestones: "pd.DataFrame") -> Any:
    table = plain_table("milestone", "due", "asked", "is", "as planned", "verdict")
    for row in milestones.to_dict("records"):
        names = ("target", "value", "value_planned")
        shares = [text_of_milestone(row[name], row["target"], row["basis"]) for name in names]
        table.add_row(str(row["milestone"]), f"{row['due']}", *shares, f"{row['verdict']} ({row['reason']})")
    return table


def _domains(figures: "pd.DataFrame") -> Any:
    """Return the figures by domain: every basis has its own column, and they are never added up."""
    bases = list(dict.fromkeys(figures["basis"]))
    rows = figures[figures["by"].isin(["domain", "all"])]
    table = plain_table("domain", *bases)
    for key in dict.fromkeys(rows["key"]):
        cells = []
        for basis in bases:
            own = rows[(rows["key"] == key) & (rows["basis"] == basis)]
            cells.append("–" if own.empty else f"{own['projects'].iloc[0]:.0f}{'+' * bool(own['at_least'].iloc[0])}")
        table.add_row(str(key) or "all", *cells)
    return table
