"""The files that come with circle15: templates, texts, standards, mappings.

A command that finds one of them missing tells of a broken installation. It must never look like a fault of what the
user gave it or of the folder that it writes to: `OSError` from here would be told as one.
"""

import sysconfig
from collections.abc import Callable
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from typing import Any

from circle15.errors import Circle15Error, ConfigError, InstallationError, Problem
from circle15.toml import parse_toml

REMEDY = "circle15 is not completely installed, which is no fault of your files: install it anew."


def package_bytes(package: str, name: str) -> bytes:
    """Return a file that comes with circle15.

    Parameters
    ----------
    package : str
        The package that it lies in, e.g. ``circle15.report``.
    name : str
        Its path within the package, with ``/``.

    Raises
    ------
    InstallationError
        If it is missing or cannot be read.
    """
    try:
        return (resources.files(package) / name).read_bytes()
    except (OSError, ModuleNotFoundError) as error:
        raise _broken(package, name, error) from error


def package_text(package: str, name: str) -> str:
    """Return a text file (UTF-8) that comes with circle15; errors as of `package_bytes`."""
    return package_bytes(package, name).decode("utf-8")


def package_toml(package: str, name: str) -> dict[str, Any]:
    """Return the content of a TOML file that comes with circle15; errors as of `package_bytes`."""
    data = package_bytes(package, name)
    try:
        return parse_toml(data, PurePosixPath(name).name)
    except ConfigError as error:
        raise InstallationError(*(Problem(p.what, p.where, p.rows, REMEDY) for p in error.problems)) from error


def package_folder(package: str, name: str) -> dict[str, Traversable]:
    """Return the files of a folder that comes with circle15, by their names, sorted; errors as of `package_bytes`."""
    try:
        files = sorted((item for item in (resources.files(package) / name).iterdir() if item.is_file()), key=_name)
    except (OSError, ModuleNotFoundError) as error:
        raise _broken(package, name, error) from error
    return {item.name: item for item in files if not item.name.startswith(".")}


def package_templates(package: str) -> Callable[[str], str]:
    """Return what finds a template of a package's folder ``templates`` by its name, for ``jinja2.FunctionLoader``.

    Jinja's own loader raises an `OSError` for a template that is missing.
    """
    return lambda name: package_text(package, f"templates/{name}")


def installation_error(path: Path, error: OSError) -> Circle15Error | None:
    """Return what to tell of a file that cannot be read, if it is part of the installation; None if it is not."""
    parts = {Path(__file__).parent, *(Path(sysconfig.get_path(kind)) for kind in ("stdlib", "purelib", "platlib"))}
    if not any(path.resolve().is_relative_to(part.resolve()) for part in parts):
        return None
    return InstallationError(Problem(f"cannot be read ({error.strerror or error})", str(path), remedy=REMEDY))


def _name(item: Traversable) -> str:
    return item.name


def _broken(package: str, name: str, error: Exception) -> InstallationError:
    missing = isinstance(error, FileNotFoundError | ModuleNotFoundError)
    why = "is missing" if missing else f"cannot be read ({getattr(error, 'strerror', None) or error})"
    return InstallationError(Problem(why, f"{package.replace('.', '/')}/{name}", remedy=REMEDY))
