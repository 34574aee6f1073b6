"""What a standard is made of, as its TOML file says it: speeds in km/h, times in minutes, everything by its clause.

The classes check one entry each; what entries say of one another is checked in `circle15.standard.check`.
`Standard.parse` does both and tells of everything at once.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, PrivateAttr, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from circle15.errors import ConfigError, Problem, raise_if_any
from circle15.standard.check import contradictions
from circle15.standard.partition import unclear_cases
from circle15.standard.parts import Flag, Id, Part, Percent, Positive, Text, Year, ZoneMode
from circle15.standard.requirements import Adjacency, Presence, Reach, Requirement, Rule
from circle15.toml import did_you_mean, problems_of


class DriveSpeeds(Part):
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


class Speeds(Part):
    """``[speeds_kmh]``: how fast people move, in km/h."""

    walk: Positive
    elderly_walk: Positive | None = None
    cycle: Positive
    drive: DriveSpeeds


class ServiceCircle(Part):
    """``[service_circle]``: the circle that is drawn around each committee, by its zone's mode."""

    minutes: Positive


class Target(Part):
    """``[target]``: the share of committees that is to meet each headline requirement, and by when."""

    percent: Percent
    due: Year
    clause: Text


class DatedTarget(Part):
    """One of ``[[targets]]``: a dated figure of the source, and what it is measured by.

    Attributes
    ----------
    id, zh, en : str
        Its name in outputs.
    domain : str or None
        Id of its domain; None for all of them.
    operator : {">=", "<=", "="}
        How the figure is to be held against what is measured.
    value, unit
        The figure as the source prints it.
    due : int
        The year by which it has to be met.
    clause : str
        The place in the source.
    requirement : str or None
        Id of the requirement whose verdict for the district tells whether the target is met.
    measured_by : str or None
        Otherwise: the district's ``item_rate``; the number of ``domains`` or ``types`` of this standard; the
        ``longest_minutes`` that a headline requirement allows; or the ``ledger`` of projects.
    """

    id: Id
    zh: Text
    en: Text
    domain: Id | None = None
    operator: Literal[">=", "<=", "="]
    value: float
    unit: Text
    due: Year
    clause: Text
    requirement: Id | None = None
    measured_by: Literal["item_rate", "domains", "types", "longest_minutes", "ledger"] | None = None
    note: str = ""

    @model_validator(mode="after")
    def _measured_once(self) -> Self:
        if (self.requirement is None) == (self.measured_by is None):
            raise PydanticCustomError("contradiction", "needs either requirement or measured_by, and not both")
        return self


class ZoneModes(Part):
    """How people of each kind of committee travel in a zone; the keys are `circle15.tables.KINDS`."""

    residents: ZoneMode
    village: ZoneMode


class Zone(Part):
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


class Domain(Part):
    """One of ``[[domains]]``, with the departments that answer for it."""

    id: Id
    zh: Text
    en: Text
    slogan: str = ""
    departments: tuple[Text, ...] = ()
    clause: Text


class FacilityType(Part):
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
    group : str or None
        The population group that it is for, whose rates are given as well; None for everybody.
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
    group: Id | None = None
    note: str = ""


class Host(Part):
    """One of ``[[hosts]]``: which facilities may take in others (复合利用), and which.

    Attributes
    ----------
    id : str
        Its name.
    host_types : tuple of str
        Types whose facilities are the hosts; empty where `committee` is.
    committee : bool
        Whether each committee's own service station, at its centre, is one.
    types : tuple of str
        What a host may take in.
    clause : str
        The place in the source.
    """

    id: Id
    host_types: tuple[Id, ...] = ()
    committee: Flag = False
    types: tuple[Id, ...] = Field(min_length=1)
    clause: Text
    note: str = ""

    @model_validator(mode="after")
    def _some_host(self) -> Self:
        if bool(self.host_types) == self.committee:
            raise PydanticCustomError("contradiction", "needs either host_types or committee = true, and not both")
        return self


class Standard(Part):
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
    targets: tuple[DatedTarget, ...] = ()
    hosts: tuple[Host, ...] = ()
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
        raise_if_any([*found, *_unclear(standard, where)], ConfigError)
        standard._sha256, standard._origin = sha256, where  # noqa: SLF001 - this very class's
        return standard


def _unclear(standard: Standard, where: str) -> list[Problem]:
    """Return what only the whole standard shows: rules that overlap or leave gaps, and a speed that is missing."""
    zones = [zone.id for zone in standard.zones]
    problems = []
    for place, one in enumerate(standard.requirements, start=1):
        if isinstance(one, Reach):
            problems += [
                Problem(
                    f'"requirements[{place}].rules[{number}].zones" names "{zone}", which is no id of "zones"',
                    where,
                    (one.id,),
                    did_you_mean(zone, zones, "Known"),
                )
                for number, rule in enumerate(one.rules, start=1)
                for zone in rule.zones
                if zone not in zones
            ]
            problems += unclear_cases(one, zones, where)
    problems += [*_overlapping(standard, where), *_driven_metres(standard, where), *_untrue_targets(standard, where)]
    if not any(one.scope == "committee" and len(one.types) == 1 for one in standard.requirements):
        what = "no requirement asks for a single type for committees, so there is no item to judge"
        problems.append(Problem(what, where, remedy="Add one, e.g. of kind reach."))
    slow = [one.id for one in standard.requirements if "elderly_walk" in _modes(one)]
    if slow and standard.speeds_kmh.elderly_walk is None:
        remedy = "Add speeds_kmh.elderly_walk in km/h."
        problems.append(Problem('mode = "elderly_walk" without its speed', where, tuple(slow), remedy))
    return problems


def _modes(requirement: Requirement) -> set[str | None]:
    rules: tuple[Rule, ...] = requirement.limits if isinstance(requirement, Reach) else ()
    return {rule.mode for rule in rules} | {getattr(requirement, "mode", None)}


def _overlapping(standard: Standard, where: str) -> list[Problem]:
    """Refuse to ask how near facilities are to themselves: the answer would always be 0 m."""

    def serving(types: Iterable[str]) -> set[str]:
        found, size = set(types), 0
        while size < len(found):
            size = len(found)
            found |= {one.id for one in standard.types if not found.isdisjoint(one.provides)}
        return found

    problems = []
    for one in standard.requirements:
        both = serving(one.types) & serving(one.to_types) if isinstance(one, Adjacency) else set()
        if both:
            what = f"types and to_types have {', '.join(sorted(both))} in common, and each is nearest to itself"
            problems.append(Problem(what, where, (one.id,), "Ask for types that are, and provide, nothing in common."))
    return problems


def _driven_metres(standard: Standard, where: str) -> list[Problem]:
    """Refuse metres by the mode of a zone whose mode is a car's."""
    driven = [zone.id for zone in standard.zones if "drive" in {mode for _, mode in zone.modes}]
    return [
        Problem(
            f"metres by the mode of the zone, which is a car in {', '.join(driven)}", where, (one.id,), "Give minutes."
        )
        for one in standard.requirements
        if driven and isinstance(one, Reach) and any(r.metres and r.mode == "zone" for r in one.limits)
    ]


def _untrue_targets(standard: Standard, where: str) -> list[Problem]:
    """Refuse a target whose figure is none of the requirement's that decides it: it would tell one and test another."""
    by_id = {one.id: one for one in standard.requirements}
    problems = []
    for target in standard.targets:
        one = by_id.get(target.requirement or "")
        if one is None or isinstance(one, Presence):  # of every town, whose number is not the standard's
            continue
        limits = one.limits if isinstance(one, Reach) else ()
        most = {getattr(r, k, None) for r in (one, *limits) for k in ("minutes", "metres")} - {None}
        least = {getattr(one, k, None) for k in ("at_least", "percent")} - {None}
        least |= {standard.target.percent} if isinstance(one, Reach) else set()
        if target.value not in (most if target.operator == "<=" else least):
            what = f"its figure ({target.operator} {target.value:g}) is none of those that {one.id} asks for"
            problems.append(Problem(what, where, (target.id,), "Let them agree, or measure the target otherwise."))
    return problems
