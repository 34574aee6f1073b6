"""Find a standard by its id among the shipped ones, or by its path."""

import hashlib
from pathlib import Path

from circle15.errors import ConfigError, Problem
from circle15.package_files import package_bytes, package_folder
from circle15.standard.model import Standard
from circle15.toml import did_you_mean, parse_toml, read_bytes

PACKAGE, FOLDER = "circle15.configs", "standards"
SUFFIX = ".toml"


def shipped_standards() -> tuple[str, ...]:
    """Return the ids of the standards that come with circle15, sorted."""
    return tuple(sorted(n.removesuffix(SUFFIX) for n in package_folder(PACKAGE, FOLDER) if n.endswith(SUFFIX)))


def load_standard(name: str, folder: Path) -> Standard:
    """Read and check a standard.

    Parameters
    ----------
    name : str
        The id of a shipped standard, or the path of a TOML file: what ends in ``.toml`` or has a folder in it.
    folder : Path
        Where a relative path starts.

    Raises
    ------
    ConfigError
        If there is no such standard, or with everything that is wrong in its file.
    """
    data, where = standard_bytes(name, folder)
    return parse_standard(data, where)


def standard_bytes(name: str, folder: Path) -> tuple[bytes, str]:
    """Return the content of a standard's file and what messages call it; errors as of `load_standard`."""
    path = Path(name)
    if path.suffix.lower() == SUFFIX or path.name != name:
        file = folder / path
        return read_bytes(file), str(file)
    shipped = shipped_standards()
    if name not in shipped:
        remedy = f"{did_you_mean(name, shipped, 'Shipped')} For a file of your own, give its path, ending in {SUFFIX}."
        raise ConfigError(Problem(f'no standard "{name}" is shipped', remedy=remedy))
    file_name = f"{name}{SUFFIX}"
    return package_bytes(PACKAGE, f"{FOLDER}/{file_name}"), f"{FOLDER}/{file_name}"


def parse_standard(data: bytes, where: str) -> Standard:
    """Return the standard that the content of a file says; `where` is what messages call it."""
    return Standard.parse(parse_toml(data, where), where, hashlib.sha256(data).hexdigest())
