"""``circle15 report``: from a run's folder to a page, a workbook, a page for each town, and pictures."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from circle15.cli.common import begin
from circle15.cli.terminal import Stages

if TYPE_CHECKING:
    from circle15.report.write import Reported

EXAMPLE = """
\b
Examples:
  circle15 report out/sample
  circle15 report out/sample-verify --lang en --figures
  circle15 report out/2023 --out public/2023 -q --json > files.json
"""


@click.command(
    short_help="Make a page, a workbook and pictures of a run.",
    epilog=EXAMPLE,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder to write [default: <RUN>-report].")
@click.option(
    "--lang",
    type=click.Choice(["zh", "en"]),
    default="zh",
    show_default=True,
    help="Language of workbook and pictures, and that the page opens in.",
)
@click.option("--figures", is_flag=True, help="Draw maps and charts for slides, as PNG and SVG.")
@click.option("--no-towns", is_flag=True, help="Leave out each town's page and workbook.")
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON document instead of the files' names.")
@click.option("-q", "--quiet", is_flag=True, help="Print no stages and no notes, errors only.")
@click.option("-v", "--verbose", is_flag=True, help="Print tracebacks.")
@click.pass_context
def report(
    context: click.Context,
    *,
    run: Path,
    out: Path | None,
    lang: str,
    figures: bool,
    no_towns: bool,
    json_wanted: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Make material for people of RUN, the folder that compute, verify or plan wrote.

    One HTML file that opens from a disk without a network (map, rates, gaps, method; Chinese and English), an Excel
    workbook, a page and a workbook for each town, and pictures for slides with --figures.
    """
    terminal = begin(context, quiet=quiet, verbose=verbose)
    named = run if run.name not in ("", "..") else run.resolve()
    folder = out if out is not None else named.with_name(f"{named.name}-report")
    from circle15.report.write import report as write  # noqa: PLC0415 - brings the geospatial libraries

    with Stages(terminal) as stages:
        found = write(
            run, out=folder, lang="zh" if lang == "zh" else "en", towns=not no_towns, figures=figures, progress=stages
        )
    terminal.written = True
    terminal.tell_notes(found.notes)
    terminal.print_data(_document(found) if json_wanted else _names(found))


def _names(found: "Reported") -> str:
    """Return where to look first, and how much else there is."""
    towns = sum(name.endswith("/index.html") for name in found.files)
    pictures = sum(name.startswith("figures/") for name in found.files)
    lines = [str(found.folder / name) for name in ("report.html", "report.xlsx") if name in found.files]
    if towns:
        lines.append(f"{found.folder / 'towns'}: {towns} towns, a page and a workbook each")
    if pictures:
        lines.append(f"{found.folder / 'figures'}: {pictures} pictures")
    return "\n".join(lines) + "\n"


def _document(found: "Reported") -> str:
    document = {
        "folder": str(found.folder),
        "notes": [{"code": n.code, "count": n.count, "text": n.text} for n in dict.fromkeys(found.notes.items)],
        "files": found.files,
        "timings": found.timings,
    }
    return json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
