"""``circle15 fetch``: streets and facilities around the committees, from OpenStreetMap."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from circle15.cli.common import begin, config_argument
from circle15.cli.terminal import Stages, Terminal
from circle15.errors import Circle15Error, Notes

if TYPE_CHECKING:
    from circle15.config import Config
    from circle15.inputs.fetch import Fetched

EXAMPLE = """
\b
Examples:
  circle15 fetch my-district.toml
  circle15 fetch my-district.toml --overpass-url https://overpass.example.org/api --fresh
"""


@click.command(
    short_help="Get streets and facilities from OpenStreetMap.",
    epilog=EXAMPLE,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@config_argument
@click.option("--overpass-url", metavar="URL", help="Ask this Overpass server; wins over fetch.overpass_url.")
@click.option("--fresh", is_flag=True, help="Fetch again what is there, and replace it.")
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON document instead of lines for CONFIG.")
@click.option("-q", "--quiet", is_flag=True, help="Print no stages and no notes, errors only.")
@click.option("-v", "--verbose", is_flag=True, help="Print the rows that notes concern, and tracebacks.")
@click.pass_context
def fetch(
    context: click.Context,
    *,
    config: Path,
    overpass_url: str | None,
    fresh: bool,
    json_wanted: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Get the streets and the facilities around the committees that CONFIG names, from OpenStreetMap.

    Writes network.source and fetch.facilities. stdout takes the lines that make the facilities part of CONFIG.
    """
    terminal = begin(context, quiet=quiet, verbose=verbose)

    # Late, so that --help and a mistyped option answer at once: these bring the geospatial libraries.
    from circle15.config import load_config  # noqa: PLC0415

    loaded = load_config(config)

    from circle15.inputs import fetch as library  # noqa: PLC0415

    notes = Notes()
    try:
        with Stages(terminal) as stages:
            fetched = library.fetch(loaded, overpass_url=overpass_url, fresh=fresh, notes=notes, progress=stages)
            stages.done()
    except Circle15Error as error:
        error.notes = notes
        raise
    terminal.written = True
    terminal.tell_notes(notes)
    if terminal.verbosity >= 0:
        _tell(terminal, fetched)
    terminal.print_data(_document(loaded, fetched, notes) if json_wanted else snippet(loaded, fetched))


def _tell(terminal: Terminal, fetched: "Fetched") -> None:
    if fetched.reach_m is not None:
        terminal.say(
            f"asked for {fetched.reach_m:,.0f} m around every committee; data © OpenStreetMap contributors, ODbL"
        )
    for path in (fetched.network, fetched.facilities):
        terminal.say(f"{path}: {'kept, it was there (--fresh fetches again)' if path in fetched.kept else 'written'}")


def _document(config: "Config", fetched: "Fetched", notes: Notes) -> str:
    document = {
        "network": {"path": str(fetched.network), "kept": fetched.network in fetched.kept},
        "facilities": {"path": str(fetched.facilities), "kept": fetched.facilities in fetched.kept},
        "reach_m": fetched.reach_m,
        "covers": list(fetched.covers),
        "snippet": snippet(config, fetched),
        "notes": [{"code": n.code, "count": n.count, "text": n.text} for n in dict.fromkeys(notes.items)],
    }
    return json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def snippet(config: "Config", fetched: "Fetched") -> str:
    """Return the lines that make fetched facilities a source of the configuration."""
    source = os.path.relpath(fetched.facilities, config.folder).replace(os.sep, "/")
    lines = [f'    "{name}",' for name in fetched.covers]
    return "\n".join(
        ["[[facilities]]", f'source = "{source}"', 'type_column = "type_id"', "covers = [", *lines, "]", ""]
    )
