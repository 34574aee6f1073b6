"""``circle15 init``: a commented configuration and an empty template of each table."""

import json
from pathlib import Path

import click

from circle15.cli.terminal import Terminal
from circle15.errors import OutputError, Problem
from circle15.package_files import package_bytes, package_folder

EXAMPLE = """
\b
Examples:
  circle15 init my-district
  circle15 init my-district --force
  circle15 init my-district -q --json
"""


@click.command(
    short_help="Write a commented configuration and empty tables.",
    epilog=EXAMPLE,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace files of the same names.")
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON document instead of paths.")
@click.option("-q", "--quiet", is_flag=True, help="Don't say what to do next.")
@click.pass_context
def init(context: click.Context, *, folder: Path, force: bool, json_wanted: bool, quiet: bool) -> None:
    """Write a commented configuration and an empty template of each table into DIR.

    stdout takes the paths that were written.
    """
    terminal: Terminal = context.ensure_object(Terminal)
    templates = template_texts()
    present = [name for name in templates if (folder / name).exists()]
    if present and not force:
        remedy = "Take another folder, or replace them with --force. Nothing was written."
        raise OutputError(Problem(f"{', '.join(present)} there already", str(folder), remedy=remedy))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in templates.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        remedy = "Choose another folder."
        place = str(error.filename or folder)
        raise OutputError(Problem(f"cannot be written ({error.strerror})", place, remedy=remedy)) from error
    terminal.written = True
    if not quiet:
        terminal.say(
            f"Next: fill in committees.csv ({folder / 'README.md'} explains the columns). Streets and facilities are "
            f"your own, or come from OpenStreetMap with: circle15 fetch {folder / 'circle15.toml'}"
        )
    paths = [str(folder / name) for name in templates]
    document = {"folder": str(folder), "files": paths}
    as_json = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
    terminal.print_data(f"{as_json}\n" if json_wanted else "".join(f"{path}\n" for path in paths))


def template_texts() -> dict[str, bytes]:
    """Return every template by its file name, the configuration first."""
    names = sorted(package_folder("circle15.configs", "templates"), key=lambda name: (name[-5:] != ".toml", name))
    return {name: package_bytes("circle15.configs", f"templates/{name}") for name in names}
