"""One TOML file describes one district and year. Unknown keys are errors, and each names the nearest known one."""

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator

from circle15.errors import ConfigError, Problem
from circle15.toml import problems_of, read_toml

Datum = Literal["wgs84", "gcj02", "bd09"]
"""What longitudes and latitudes are measured against: WGS 84 (CGCS2000 is the same here), or a Chinese map's offset."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RunConfig(_Section):
    """``[run]``: what is computed and where it goes."""

    name: str = Field(min_length=1)
    standard: str = Field(min_length=1)
    as_of: int = Field(ge=1900, le=2200)
    out: str | None = None
    crs: str | None = None


class NetworkConfig(_Section):
    """``[network]``: the streets and how points reach them."""

    source: str
    layer: str | None = None
    crs: str | None = None
    datum: Datum = "wgs84"
    ballpark: bool = False
    engine: Literal["scipy", "pandana"] = "scipy"
    max_snap_m: float = Field(default=300.0, gt=0)
    min_component_nodes: int = Field(default=100, ge=1)
    ferries: bool = False
    gated_compounds: bool = False
    access: str = Field(default="osm", min_length=1)


class _LayerConfig(_Section):
    """The keys that every vector or table input shares."""

    layer: str | None = None
    crs: str | None = None
    encoding: str | None = None
    datum: Datum = "wgs84"
    ballpark: bool = False
    columns: dict[str, str] = {}
    set: dict[str, str | int | float] = {}
    where: str | None = None


class SourceConfig(_LayerConfig):
    """An input that is a file of its own."""

    source: str


class AreasConfig(SourceConfig):
    """``[committees.areas]``: the committees' polygons, when their centres come from another file."""


class WaterConfig(SourceConfig):
    """``[committees.water]``: polygons of water, which are no land when a density is counted."""


class CommitteesConfig(SourceConfig):
    """``[committees]``: the units of detection."""

    areas: AreasConfig | None = None
    water: WaterConfig | None = None


class CensusConfig(SourceConfig):
    """``[population.census]``: official totals by town or committee, to which the cells are scaled."""

    by: Literal["town", "committee"]


class PopulationConfig(SourceConfig):
    """``[population]``: a raster of persons per pixel, or cells as points or polygons."""

    groups: dict[str, str] = {}
    cell_size_m: float | None = Field(default=None, gt=0)
    census: CensusConfig | None = None


class EntrancesConfig(SourceConfig):
    """``[facilities.entrances]``: the entrances of a source's facilities, one point a row."""


class FacilitiesConfig(_LayerConfig):
    """One ``[[facilities]]`` source: a file, or the network's own."""

    source: str | None = None
    type: str | None = None
    type_column: str | None = None
    mapping: str | None = None
    from_osm: bool = False
    covers: list[str] | None = None
    drop_duplicates: bool = False
    entrances: EntrancesConfig | None = None


class OverridesConfig(SourceConfig):
    """``[overrides]``: verdicts that somebody checked in the field; they are applied last and marked."""


class CandidatesConfig(SourceConfig):
    """``[candidates]``: sites that `suggest` may choose from; without it, sites are proposed."""


class ProjectsConfig(SourceConfig):
    """``[projects]``: the ledger that `verify` and `plan` apply."""


Means = Literal["reuse", "compound", "new"]
Figure = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PlanYear = Annotated[int, Field(ge=1900, le=2200)]


class TypeFigures(_Section):
    """``[suggest.types.<type>]``: what a new facility of the type costs, needs and offers."""

    cost: Figure | None = None
    floor_area_m2: Figure | None = None
    capacity: Figure | None = None


class WeightsConfig(_Section):
    """``[suggest.weights]``: how much more a person counts, by town, zone, kind of committee and population group."""

    towns: dict[str, Weight] = {}
    zones: dict[str, Weight] = {}
    kinds: dict[Literal["residents", "village"], Weight] = {}
    groups: dict[str, Weight] = {}


class SuggestConfig(_Section):
    """``[suggest]``: what is to be closed, and at what cost."""

    also: list[str] = []
    gap: float = Field(default=0.01, ge=0, lt=1)
    slack: float = Field(default=0.05, ge=0)
    currency: str = ""
    fixed_cost: dict[Means, Figure] = {}
    types: dict[str, TypeFigures] = {}
    weights: WeightsConfig = WeightsConfig()


class PlanConfig(_Section):
    """``[plan]``: the years of the programme, their budgets and milestones."""

    years: list[PlanYear] = Field(min_length=1)
    budgets: list[Figure] = []
    started_percent: list[Annotated[float, Field(ge=0, le=100)]] = [33.3333, 100.0]
    build_years: int = Field(default=0, ge=0, le=20)

    @field_validator("years")
    @classmethod
    def _one_after_the_other(cls, years: list[int]) -> list[int]:
        if any(b - a != 1 for a, b in pairwise(years)):
            raise ValueError("years have to follow one another, e.g. [2021, 2022, 2023]")
        return years


class FetchConfig(_Section):
    """``[fetch]``: what ``circle15 fetch`` gets from OpenStreetMap beside the network."""

    facilities: str = "osm_facilities.gpkg"
    mapping: str = "osm"
    overpass_url: str | None = None
    buffer_m: float | None = Field(default=None, gt=0)


class LedgerConfig(_Section):
    """A configuration of a ledger alone, which only counts projects; paths inside are relative to `folder`."""

    run: RunConfig
    projects: ProjectsConfig | None = None
    plan: PlanConfig | None = None
    _path: Path = PrivateAttr(default=Path("config.toml"))

    @property
    def plan_years(self) -> list[int]:
        """The years of the programme; without ``[plan]`` the three after the run's year."""
        return self.plan.years if self.plan else [self.run.as_of + n for n in (1, 2, 3)]

    @property
    def path(self) -> Path:
        """The file that this configuration was read from."""
        return self._path

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from."""
        return self._path.resolve().parent

    def resolve(self, source: str) -> Path:
        """Return the path of an input named in this configuration."""
        return self.folder / source


class Config(LedgerConfig):
    """A whole run configuration."""

    network: NetworkConfig
    committees: CommitteesConfig
    population: PopulationConfig | None = None
    facilities: list[FacilitiesConfig] = Field(min_length=1)
    overrides: OverridesConfig | None = None
    candidates: CandidatesConfig | None = None
    suggest: SuggestConfig = SuggestConfig()
    fetch: FetchConfig | None = None


DISTRICT = ("network", "committees", "facilities")
"""Sections without any of which a configuration is of a ledger alone."""


def load_config(path: Path) -> Config:
    """Read and check a run configuration.

    Raises
    ------
    ConfigError
        If the file is missing, not TOML, or has unknown, missing or ill-typed keys; all of them at once.
    """
    config = _validated(read_toml(path), Config, path)
    problems = _contradictions(config, str(path))
    if problems:
        raise ConfigError(*problems)
    return config


def load_plan_config(path: Path) -> LedgerConfig:
    """Read a run configuration, or one of a ledger alone: it has no section of a district.

    Raises
    ------
    ConfigError
        As `load_config`.
    """
    raw = read_toml(path)
    return load_config(path) if any(name in raw for name in DISTRICT) else _validated(raw, LedgerConfig, path)


T = TypeVar("T", bound=LedgerConfig)


def _validated(raw: dict[str, Any], kind: type[T], path: Path) -> T:
    try:
        config = kind.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(*problems_of(error, kind, str(path))) from None
    config._path = path  # noqa: SLF001 - pydantic's private attribute of this very module
    return config


def _contradictions(config: Config, where: str) -> list[Problem]:
    problems = []
    for number, item in enumerate(config.facilities, start=1):
        place = f"{where}, facilities[{number}]"
        if item.from_osm == (item.source is not None):
            problems.append(Problem("needs either source or from_osm = true, and not both", place))
        elif item.from_osm and (item.type or item.type_column):
            problems.append(
                Problem("from_osm takes its types from a mapping", place, remedy="Remove type and type_column.")
            )
        elif item.from_osm and item.datum != "wgs84":
            problems.append(Problem(f'datum = "{item.datum}" contradicts from_osm', place, remedy="OSM is WGS 84."))
        elif item.source is not None and (item.type is None) == (item.type_column is None):
            problems.append(
                Problem("needs either type or type_column, and not both", place, remedy='E.g. type = "kindergarten".')
            )
        elif item.mapping and item.type:
            problems.append(Problem("mapping needs type_column, not type", place))
    return problems
