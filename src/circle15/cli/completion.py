"""What the shell offers after a Tab: configurations, standards, types of facilities.

Nothing here brings the geospatial libraries, and nothing fails: a half-typed line is no error.
"""

import os
from pathlib import Path

import click
from click.shell_completion import CompletionItem, shell_complete

from circle15.errors import Circle15Error

VARIABLE = "_CIRCLE15_COMPLETE"
"""Set by the shell's script to what it asks for, e.g. ``bash_source``."""


def answer(command: click.Command) -> int | None:
    """Answer the shell if it asks for a script or for what could follow; return the exit code, None if it does not."""
    asked = os.environ.get(VARIABLE)
    return shell_complete(command, {}, "circle15", VARIABLE, asked) if asked else None


def configs(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Leave files and folders to the shell, which knows how to go down into them."""
    del context, parameter
    return [CompletionItem(incomplete, type="file")]


def standards(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the shipped standards by id, and files where none begins so: bash takes one or the other."""
    from circle15.standard.load import shipped_standards  # noqa: PLC0415 - late, as everywhere here

    shipped = [CompletionItem(name, help="shipped") for name in shipped_standards() if name.startswith(incomplete)]
    return shipped or configs(context, parameter, incomplete)


def types(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the types of the standard that the line names, by itself or by its configuration."""
    del parameter
    try:
        return [
            CompletionItem(name, help=text) for name, text in _types(context).items() if name.startswith(incomplete)
        ]
    except (Circle15Error, OSError, KeyError, TypeError, ValueError):
        return []


def _types(context: click.Context) -> dict[str, str]:
    from circle15.standard.load import load_standard  # noqa: PLC0415
    from circle15.toml import read_toml  # noqa: PLC0415

    # An option that still waits for its value ends click's reading: arguments before it are left where they were.
    first = next((str(one) for one in context.args), None)
    takes_config = any(one.name == "config" for one in context.command.get_params(context))
    name = context.params.get("standard") or (None if takes_config else first)
    config = context.params.get("config") or (first if takes_config else None)
    folder = Path()
    if name is None and config is not None:
        folder = Path(config).parent
        name = read_toml(Path(config))["run"]["standard"]
    loaded = load_standard(str(name), folder)
    return {one.id: f"{one.zh} {one.en}" for one in loaded.types}
