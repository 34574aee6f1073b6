"""``circle15 verify``: the same detection with a ledger's projects applied."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from circle15.cli.bar import EXIT_NOT_MET, bar_of, meets
from circle15.cli.common import (
    annotate_option,
    begin,
    cache_folder,
    config_argument,
    fail_under_options,
    from_here,
    out_folder,
    planning_options,
)
from circle15.cli.report import annotate_rates
from circle15.cli.tables import as_document, as_text, plain_table
from circle15.cli.terminal import Stages
from circle15.percent import text_of_rate

if TYPE_CHECKING:
    import pandas as pd

    from circle15.planning.proof import Verified

EXAMPLE = """
\b
Examples:
  circle15 verify configs/sample.toml
  circle15 verify pudong.toml --as-of 2023 --status done
  circle15 verify pudong.toml --fail-under 95 --of committee
  circle15 verify pudong.toml -q --json > proof.json
"""
ALL_STATUSES = ("planned", "started", "done")


@click.command(
    short_help="Detect again with the projects of a ledger; before, after, proof.",
    epilog=EXAMPLE,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@config_argument
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder to write [default: <run.out>-verify]."
)
@click.option(
    "--status",
    "statuses",
    type=click.Choice(ALL_STATUSES),
    multiple=True,
    help="Only projects of this status count (repeatable) [default: all].",
)
@fail_under_options
@annotate_option
@planning_options
@click.pass_context
def verify(
    context: click.Context,
    *,
    config: Path,
    out: Path | None,
    statuses: tuple[str, ...],
    fail_under: float | None,
    of: str | None,
    standard: str | None,
    as_of: int | None,
    cache: Path | None,
    no_cache: bool,
    bom: bool,
    json_wanted: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Apply the ledger of [projects] in CONFIG, detect again, and hold that against the detection without.

    Both detections are of one year, by default the ledger's last. Says of each gap whether it is closed, left or
    opened, and of each project what it contributes.
    """
    bar = bar_of(context, fail_under, of)
    terminal = begin(context, quiet=quiet, verbose=verbose, config=config)
    store = cache_folder(context, cache, no_cache=no_cache)
    from circle15.config import load_config  # noqa: PLC0415 - brings the geospatial libraries

    loaded = load_config(config)
    folder = out_folder(loaded, out, "verify")
    from circle15.planning import proof  # noqa: PLC0415

    with Stages(terminal) as stages:
        found = proof.verify(
            loaded,
            out=folder,
            standard=from_here(standard),
            as_of=as_of,
            statuses=statuses or ALL_STATUSES,
            cache=store,
            bom=bom,
            progress=stages,
        )
    terminal.written = True
    terminal.tell_notes(found.notes)
    terminal.print_data(_document(found) if json_wanted else _tables(found))
    annotate_rates(terminal, found.tables)
    if bar is not None and not meets(bar, found.tables["district"], lambda: _verdicts(found.tables), terminal):
        context.exit(EXIT_NOT_MET)


def _verdicts(tables: Mapping[str, "pd.DataFrame"]) -> "pd.Series":
    """Return the committees' verdicts with the projects: all headline verdicts of a committee must hold."""
    from circle15.assess.rates import judge_committees  # noqa: PLC0415

    verdicts = tables["verdicts"]
    return judge_committees(verdicts[verdicts["headline"].astype(bool)])["verdict"]


def _document(found: "Verified") -> str:
    own: dict[str, Any] = {"folder": str(found.folder), "as_of": found.as_of}
    shown = {name: found.tables[name] for name in ("effects", "changes", "projects")}
    return as_document(own, shown, found.notes, found.files, found.timings)


def rates_table(effects: Any) -> Any:
    """Return the district's rates before and after each year."""
    table = plain_table("state", "items", "committees", "population", "passed", "failed", "unknown")
    for row in effects[effects["by"] == "district"].to_dict("records"):
        state = "before" if row["state"] == "before" else f"after {row['year']:.0f}"
        rates = [text_of_rate(float(row[c])) for c in ("item_rate", "committee_rate", "population_rate")]
        table.add_row(state, *rates, *(f"{int(row[c])}" for c in ("passed", "failed", "unknown")))
    return table


def _tables(found: "Verified") -> str:
    changes, projects = found.tables["changes"], found.tables["projects"]
    status = changes["status"].value_counts()
    projects = projects[projects["marginal"] == ""]  # rows that only count tell of projects that stand in others
    applied = projects[projects["applied"].astype(bool)]
    idle = applied[applied["redundant_for_reach"].fillna(value=False).astype(bool)]
    counts = ", ".join(
        f"{int(status.get(one, 0))} {one}" for one in ("closed", "left", "opened", "unsettled", "settled")
    )
    lines = [
        f"as of {found.as_of}: {len(applied)} of {len(projects)} projects applied; gaps: {counts}",
        f"{len(idle)} projects that nobody's reach would miss"
        + (f": {', '.join(idle['project_id'].head(5))}{', …' if len(idle) > 5 else ''}" if len(idle) else ""),  # noqa: PLR2004
        f"{found.folder}: {', '.join(sorted(found.files))}, run.json",
    ]
    return as_text([rates_table(found.tables["effects"])], lines)
