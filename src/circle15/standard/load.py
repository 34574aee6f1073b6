"""Find a standard by its id among the shipped ones, or by its path."""

import hashlib
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from circle15.errors import ConfigError, Problem
from circle15.standard.model import Standard
from circle15.toml import did_you_mean, parse_toml, read_bytes

SUFFIX = ".toml"


def shipped_standards() -> tuple[str, ...]:
    """Return the ids of the standards that come with circle15, sorted."""
    return tuple(sorted(f.name.removesuffix(SUFFIX) for f in _shelf().iterdir() if f.name.endswith(SUFFIX)))


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
    path = Path(name)
    if path.suffix.lower() == SUFFIX or path.name != name:
        file = folder / path
        return _parse(read_bytes(file), str(file))
    shipped = shipped_standards()
    if name not in shipped:
        remedy = f"{did_you_mean(name, shipped, 'Shipped')} For a file of your own, give its path, ending in {SUFFIX}."
        raise ConfigError(Problem(f'no standard "{name}" is shipped', remedy=remedy))
    file_name = f"{name}{SUFFIX}"
    return _parse((_shelf() / file_name).read_bytes(), f"standards/{file_name}")


def _shelf() -> Traversable:
    return resources.files("circle15.configs") / "standards"


def _parse(data: bytes, where: str) -> Standard:
    return Standard.parse(parse_toml(data, where), where, hashlib.sha256(data).hexdigest())
