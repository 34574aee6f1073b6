"""What a standard is made of, as its TOML file says it: speeds in km/h, times in minutes, everything by its clause.

The classes check one entry each; what entries say of one another is checked in `circle15.standard.check`.
`Standard.parse` does both and tells of everything at once.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, ValidationError
from pydantic_core import PydanticCustomError

from circle15.errors import ConfigError, raise_if_any
from circle15.standard.check import contradictions
from circle15.toml import problems_of
from circle15.units import minutes_to_s

KINDS_OF_REQUIREMENT = ("reach",)
"""The kinds that can be judged. Provision, quality, adjacency, presence and total come later."""


def _as_id(text: str) -> str:
    # Ids stand in lists joined by "|", in file names and in CSV columns.
    if not re.fullmatch(r"[\w.-]+", text):
        raise PydanticCustomError("bad_id", 'an id has only letters, digits, "_", "-" and "."')
    return text


def _as_kind(text: str) -> str:
    if text not in KINDS_OF_REQUIREMENT:
        known = ", ".join(KINDS_OF_REQUIREMENT)
        raise PydanticCustomError("unknown_kind", "no such kind of requirement yet; known: {known}", {"known": known})
    return text


Text = Annotated[str, Field(min_length=1)]
Id = Annotated[str, AfterValidator(_as_id)]
Flag = Annotated[bool, Field(strict=True)]
Count = Annotated[int, Field(strict=True, ge=1)]
Year = Annotated[int, Field(strict=True, ge=1900, le=2200)]
# Strict, since 1 minute is not what `minutes = true` means.
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Percent = Annotated[float, Field(strict=True, gt=0, le=100, allow_inf_nan=False)]
Mode = Literal["walk", "cycle", "drive"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class DriveSpeeds(_Part):
    """``[speeds_kmh.drive]``: a car's speed in km/h by the street's class (OSM's ``highway``), and for all others.

    The one table whose keys are open, since the classes are the street data's own.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Positive] = Field(init=False)

    default: Positive

    @property
    def by_class(self) -> dict[str, float]:
        """Street class → km/h, without the default."""
        return dict(self.__pydantic_extra__)


class Speeds(_Part):
    """``[speeds_kmh]``: how fast people move, in km/h."""

    walk: Positive
    elderly_walk: Positive | None = None
    cycle: Positive
    drive: DriveSpeeds


class ServiceCircle(_Part):
    """``[service_circle]``: the circle that is drawn around each committee, by its zone's mode."""

    minutes: Positive


class Target(_Part):
    """``[target]``: the share of committees that is to meet each headline requirement, and by when."""

    percent: Percent
    due: Year
    clause: Text


class ZoneModes(_Part):
    """How people of each kind of committee travel in a zone; the keys are `circle15.tables.KINDS`."""

    residents: Mode
    village: Mode


class Zone(_Part):
    """One of ``[[zones]]``: decides the mode of requirements whose own mode is ``zone``.

    Attributes
    ----------
    id, zh, en : str
        Inputs may name the zone by any of them, or by one of `aliases`.
    modes : ZoneModes
        Mode by kind of committee.
    aliases : tuple of str
        Other ways in which inputs write the zone.
    """

    id: Id
    zh: Text
    en: Text
    modes: ZoneModes
    aliases: tuple[Text, ...] = ()


class Domain(_Part):
    """One of ``[[domains]]``, with the departments that answer for it."""

    id: Id
    zh: Text
    en: Text
    slogan: str = ""
    departments: tuple[Text, ...] = ()
    clause: Text


class FacilityType(_Part):
    """One of ``[[types]]`` of facilities.

    Attributes
    ----------
    id, zh, en : str
        The id is what facilities' ``type_id`` holds.
    domain : str
        Id of its domain.
    tier : {"community", "district"}
        Whom it serves.
    named_in : str
        Which part of the source names it.
    clause : str
        The place in the source.
    departments : tuple of str
        Only where they are not its domain's.
    provides : tuple of str
        Types whose requirements a facility of this type meets too; what those provide, it provides as well.
    note : str
        What a reader has to know of it.
    """

    id: Id
    zh: Text
    en: Text
    domain: Id
    tier: Literal["community", "district"]
    named_in: Text
    clause: Text
    departments: tuple[Text, ...] = ()
    provides: tuple[Id, ...] = ()
    note: str = ""


class Requirement(_Part):
    """One of ``[[requirements]]``: a testable rule.

    Attributes
    ----------
    id : str
        Its name in every output.
    kind : str
        One of `KINDS_OF_REQUIREMENT`.
    type : str
        Id of the type that is to be reached.
    minutes : float
        Threshold, inclusive.
    mode : {"zone", "walk", "cycle", "drive"}
        How; ``zone`` is by the mode of the committee's zone and kind.
    min_count : int
        How many facilities there are to be within the threshold.
    headline : bool
        Whether it decides the committee × type item. Of several headline requirements of a type, all have to pass.
    clause : str
        The place in the source.
    zones : tuple of str
        Zones where it holds; empty for all.
    note : str
        What a reader has to know of it.
    """

    id: Id
    kind: Annotated[str, AfterValidator(_as_kind)]
    type: Id
    minutes: Positive
    mode: Literal["zone", "walk", "cycle", "drive"]
    min_count: Count = 1
    headline: Flag
    clause: Text
    zones: tuple[Id, ...] = ()
    note: str = ""

    @property
    def threshold_s(self) -> float:
        """The threshold in seconds, inclusive."""
        return minutes_to_s(self.minutes)


class Standard(_Part):
    """A whole standard: who must reach what, how fast, how much of it, by whose clause. Made by `Standard.parse`.

    Attributes
    ----------
    id, zh, en : str
        Its name and titles.
    status : {"official", "reconstructed", "draft"}
        Where its content comes from; what is not official says why in `note`.
    source : str
        The document that the clauses are places of.
    """

    id: Id
    zh: Text
    en: Text
    status: Literal["official", "reconstructed", "draft"]
    note: str = ""
    source: Text
    speeds_kmh: Speeds
    service_circle: ServiceCircle
    target: Target
    zones: tuple[Zone, ...] = Field(min_length=1)
    domains: tuple[Domain, ...] = Field(min_length=1)
    types: tuple[FacilityType, ...] = Field(min_length=1)
    requirements: tuple[Requirement, ...] = Field(min_length=1)
    _sha256: str = PrivateAttr(default="")
    _origin: str = PrivateAttr(default="")

    @property
    def sha256(self) -> str:
        """Hash of the file that the standard was read from, in hexadecimal digits."""
        return self._sha256

    @property
    def origin(self) -> str:
        """The file that the standard was read from, as messages name it."""
        return self._origin

    @classmethod
    def parse(cls, raw: Mapping[str, Any], where: str, sha256: str = "") -> Self:
        """Return the standard that a TOML file's content describes.

        Parameters
        ----------
        raw : mapping
            The content.
        where : str
            File, for messages and `origin`.
        sha256 : str
            Hash of the file.

        Raises
        ------
        ConfigError
            With every problem of the file: unknown, missing or wrong keys, and entries that contradict one another.
        """
        found = contradictions(raw, where)
        try:
            standard = cls.model_validate(raw)
        except ValidationError as error:
            raise ConfigError(*problems_of(error, cls, where, raw), *found) from None
        raise_if_any(found, ConfigError)
        standard._sha256, standard._origin = sha256, where  # noqa: SLF001 - this very class's
        return standard
