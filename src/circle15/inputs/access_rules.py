"""The rules on who may use a street, as a file: ``configs/access/osm.toml`` describes the form.

A district's own file extends one that circle15 ships and names only what differs. `circle15.inputs.osm_access` applies
the rules to the tags of a way or a barrier.
"""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from circle15.errors import ConfigError, Problem
from circle15.package_files import package_folder
from circle15.toml import did_you_mean, problems_of, read_toml

SUFFIX = ".toml"
DEFAULT = "osm"
"""The rules that hold where ``[network] access`` names no others."""


def _small(words: frozenset[str]) -> frozenset[str]:
    """Return words as they are compared: without regard to capitals."""
    return frozenset(word.strip().casefold() for word in words)


Words = Annotated[frozenset[str], Field(min_length=1), AfterValidator(_small)]
WordsOrNone = Annotated[frozenset[str], AfterValidator(_small)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Values(_Part):
    """Words of access tags. A word in none of the lists says nothing."""

    open: Words
    closed: Words
    residents: WordsOrNone

    @model_validator(mode="after")
    def _no_word_twice(self) -> Self:
        if both := sorted(self.open & self.closed):
            raise ValueError(f"{', '.join(both)}: a word is either open or closed")
        if strange := sorted(self.residents - self.closed):
            raise ValueError(f"{', '.join(strange)}: words for residents are closed to everybody else")
        return self


class Classes(_Part):
    """Values of ``highway`` by what they are closed and open to before any access tag is read."""

    nobody: WordsOrNone
    closed_to_walk: WordsOrNone
    closed_to_cycle: WordsOrNone
    open_to_drive: WordsOrNone
    other: WordsOrNone


class FastRoadCondition(_Part):
    """What the tags of a fast road say; all that is given has to hold.

    Attributes
    ----------
    kmh : float or None
        ``maxspeed`` is at least this, inclusive.
    lanes_each_way : int or None
        So many lanes a direction at least, inclusive.
    one_way, bridge, tunnel : bool or None
        Whether it is one.
    tags : dict of str to frozenset of str
        Tag → values of which it has one.
    """

    kmh: float | None = Field(default=None, gt=0)
    lanes_each_way: int | None = Field(default=None, ge=1)
    one_way: bool | None = None
    bridge: bool | None = None
    tunnel: bool | None = None
    tags: dict[str, Words] = {}

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("a condition that asks for nothing would hold for every road")
        return self


class FastRoads(_Part):
    """Classes that are closed on foot and by bicycle where their tags tell of a fast road without a way beside it."""

    classes: Words
    any: tuple[FastRoadCondition, ...]
    unless: tuple[dict[str, Words], ...] = ()


class Boarding(_Part):
    """Where a journey may not begin or end although the mode travels there."""

    closed_classes: WordsOrNone
    bridges_on_the_ground: WordsOrNone
    tunnels_with_doors: WordsOrNone


class BarrierRules(_Part):
    """Values of ``barrier`` that shut out everybody, whatever has wheels, or cars."""

    closed_to_all: WordsOrNone
    closed_to_wheels: WordsOrNone
    closed_to_cars: WordsOrNone


class AccessRules(_Part):
    """A whole file of rules, with what it extends filled in."""

    name: str = ""
    values: Values
    classes: Classes
    fast_roads: dict[str, FastRoads] = {}
    boarding: Boarding
    barriers: BarrierRules


def rules_paths(name: str, folder: Path) -> tuple[Path, ...]:
    """Return the files of access rules: the one named, then each that it extends in turn.

    Parameters
    ----------
    name : str
        Id of rules that circle15 ships (``osm``, ``cn``), or the path of a ``.toml`` file.
    folder : Path
        The folder that a relative path starts from.

    Raises
    ------
    ConfigError
        If there is no such file, or files extend one another in a circle.
    """
    return tuple(path for path, _ in _files(name, folder))


def load_rules(name: str = DEFAULT, folder: Path = Path()) -> AccessRules:
    """Read and check access rules; arguments as of `rules_paths`.

    Raises
    ------
    ConfigError
        If a file is missing or no TOML, or the rules have unknown, missing or ill-typed keys, all of them at once.
    """
    files = _files(name, folder)
    raw: dict[str, Any] = {}
    for _, own in reversed(files):
        raw = _laid_over(raw, own)
    try:
        return AccessRules.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(*problems_of(error, AccessRules, str(files[0][0]))) from None


def _files(name: str, folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    files: list[tuple[Path, dict[str, Any]]] = []
    parent: Any = name
    while parent is not None:
        path = _path(parent, folder, files[-1][0] if files else None)
        if path in (seen for seen, _ in files):
            chain = " → ".join(seen.name for seen, _ in files)
            raise ConfigError(Problem(f"extends itself: {chain} → {path.name}", str(path), remedy="Extend another."))
        raw = read_toml(path)
        parent = raw.pop("extends", None)
        files.append((path, raw))
        folder = path.parent
    return files


def _path(name: object, folder: Path, asking: Path | None) -> Path:
    """Return the file that a name means: an id of the shipped ones, or a path that ends in ``.toml``."""
    where = str(asking) if asking else "[network] access"
    if not isinstance(name, str) or not name:
        raise ConfigError(Problem("extends has to be the name of access rules", where, remedy='E.g. extends = "osm".'))
    if name.endswith(SUFFIX):
        return (folder / name).resolve()
    shelf = package_folder("circle15.configs", "access")
    shipped = [file.removesuffix(SUFFIX) for file in shelf if file.endswith(SUFFIX)]
    if name not in shipped:
        remedy = (
            f"{did_you_mean(name, shipped, 'Shipped')} A file of your own is named by its path, ending in {SUFFIX}."
        )
        raise ConfigError(Problem(f'there are no access rules "{name}"', where, remedy=remedy))
    return Path(str(shelf[f"{name}{SUFFIX}"]))


def _laid_over(lower: dict[str, Any], upper: dict[str, Any]) -> dict[str, Any]:
    """Return tables with every key of `upper` in the place of the same key of `lower`, table by table."""
    joined = dict(lower)
    for key, value in upper.items():
        below = joined.get(key)
        joined[key] = _laid_over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return joined
