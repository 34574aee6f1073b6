"""Options that several commands share; they mean the same everywhere."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from circle15.cli import completion
from circle15.cli.bar import MEASURES
from circle15.cli.terminal import Terminal
from circle15.errors import ConfigError, OutputError, Problem


class InOrder(click.Group):
    """A group whose help has its commands in the order in which they were added: that of the work."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands' names."""
        del ctx
        return list(self.commands)


FIRST_YEAR, LAST_YEAR = 1900, 2200

planning_year_option = click.option(
    "--as-of",
    type=click.IntRange(FIRST_YEAR, LAST_YEAR),
    metavar="YEAR",
    help="Year of the detection (suggest, verify), or in which the ledger's status is told (plan).",
)
year_option = click.option(
    "--as-of", type=click.IntRange(FIRST_YEAR, LAST_YEAR), metavar="YEAR", help="Facilities open in that year count."
)

config_argument = click.argument("config", type=click.Path(path_type=Path), shell_complete=completion.configs)
standard_option = click.option(
    "--standard",
    metavar="ID|PATH",
    shell_complete=completion.standards,
    help="Hold the district against this standard; wins over run.standard.",
)


def planning_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what `suggest`, `verify` and `plan` have in common."""
    for option in (
        click.option("-v", "--verbose", is_flag=True, help="Print the rows that notes concern, and tracebacks."),
        click.option("-q", "--quiet", is_flag=True, help="Print no stages and no notes, errors only."),
        click.option("--json", "json_wanted", is_flag=True, help="Print one JSON document instead of tables."),
        click.option(
            "--bom", is_flag=True, help="Begin CSV files with a byte order mark, which some spreadsheets need."
        ),
        cache_options,
        standard_option,
        planning_year_option,
    ):
        command = option(command)
    return command


def fail_under_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--fail-under`` and ``--of``; see `bar.bar_of`."""
    command = click.option(
        "--of", type=click.Choice(MEASURES), help="Rate that --fail-under looks at.  [default: item]"
    )(command)
    return click.option(
        "--fail-under",
        type=click.FloatRange(0, 100),
        metavar="PERCENT",
        help="Exit with 1 if the district's rate is below, or nothing could be judged.",
    )(command)


def annotate_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--annotate``: eager, so that a mistyped value of another option is annotated as well."""

    def note(context: click.Context, parameter: click.Parameter, value: bool) -> None:
        del parameter
        context.ensure_object(Terminal).annotating = value

    return click.option(
        "--annotate",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=note,
        help="Write errors, notes and gaps to stderr as annotations of GitHub Actions.",
    )(command)


def time_limit_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--time-limit``."""
    return click.option(
        "--time-limit",
        type=click.FloatRange(0, min_open=True),
        metavar="SECONDS",
        help="End the search with the best found; such a run is marked as not reproducible.",
    )(command)


def begin(context: click.Context, *, quiet: bool, verbose: bool, config: Path | None = None) -> Terminal:
    """Return the terminal, as talkative as asked for; what names no file is told of `config`."""
    if quiet and verbose:
        raise click.UsageError("-q and -v exclude each other", context)
    terminal = context.ensure_object(Terminal)
    terminal.verbosity = int(verbose) - int(quiet)
    terminal.config = config
    return terminal


def out_folder(config: Any, out: Path | None, command: str) -> Path:
    """Return the folder to write: the one asked for, else that of the configuration with the command's name behind it.

    Raises
    ------
    ConfigError
        If neither is named.
    """
    if out is not None:
        return out
    if config.run.out is None:
        remedy = 'Add out = "…" under [run], or give --out DIR.'
        raise ConfigError(Problem("no folder to write to", str(config.path), remedy=remedy))
    folder = Path(config.run.out)
    return folder if command == "compute" else folder.with_name(f"{folder.name}-{command}")


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
