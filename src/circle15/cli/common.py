"""Options that several commands share; they mean the same everywhere."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from circle15.errors import OutputError, Problem

FIRST_YEAR, LAST_YEAR = 1900, 2200

year_option = click.option(
    "--as-of", type=click.IntRange(FIRST_YEAR, LAST_YEAR), metavar="YEAR", help="Facilities open in that year count."
)


def cache_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--cache`` and ``--no-cache``; see `cache_folder`."""
    command = click.option("--no-cache", is_flag=True, help="Keep no intermediate results and use none.")(command)
    return click.option(
        "--cache",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        envvar="CIRCLE15_CACHE",
        help="Folder for intermediate results.  [env: CIRCLE15_CACHE; default: ~/.cache/circle15]",
    )(command)


def cache_folder(context: click.Context, cache: Path | None, *, no_cache: bool) -> Path | None:
    """Return the folder for intermediate results: the one asked for, else the user's usual place; None for none."""
    if no_cache:
        if context.get_parameter_source("cache") == click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError("--cache and --no-cache exclude each other", context)
        return None
    try:
        folder = cache or _usual()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a user without a home folder
        why = error.strerror if isinstance(error, OSError) else str(error)
        if cache is not None:
            remedy = "Choose another folder with --cache, or none with --no-cache."
            raise OutputError(Problem(f"cannot be made the cache ({why})", str(cache), remedy=remedy)) from error
        if context.obj.verbosity >= 0:
            context.obj.say(f"note: nothing is cached: the usual place cannot be written ({why})")
        return None
    return folder


def _usual() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path("~/.cache").expanduser()) / "circle15"


def from_here(standard: str | None) -> str | None:
    """Return a standard's path as seen from where the command runs; inside a configuration it starts at its folder."""
    is_path = standard is not None and (standard.endswith(".toml") or Path(standard).name != standard)
    return str(Path(standard).resolve()) if standard is not None and is_path else standard
