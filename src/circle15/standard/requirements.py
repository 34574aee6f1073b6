"""The six kinds of requirement, as a standard's file says them.

A requirement of scope ``committee`` gives one verdict a committee; one of scope ``town`` or ``district`` one verdict a
town, or a single one. Every threshold is inclusive. What a requirement says of a committee may differ by the
committee's zone, kind, density and age structure: each of its `rules` then names its conditions, and for every
committee exactly one rule holds (`circle15.standard.partition` proves it when the standard is loaded).
"""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from circle15.standard.parts import Count, Flag, Id, NotNegative, Part, Percent, Positive, Text, Year
from circle15.tables import KINDS
from circle15.toml import UNKNOWN_KIND

KINDS_OF_REQUIREMENT = ("reach", "provision", "quality", "adjacency", "presence", "total")

TravelMode = Literal["zone", "walk", "elderly_walk", "cycle", "drive"]
Measure = Literal["count", "capacity", "floor_area_m2"]


def _wrong(what: str) -> PydanticCustomError:
    return PydanticCustomError("contradiction", what)


def _each_once(types: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(types)) < len(types):
        raise _wrong("names a type twice")
    return types


Types = Annotated[tuple[Id, ...], Field(min_length=1), AfterValidator(_each_once)]


class Band(Part):
    """A half-open interval: from `at_least` to less than `below`; without one of them it is open there."""

    at_least: NotNegative | None = None
    below: Positive | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.at_least is None and self.below is None:
            raise _wrong("needs at_least, below or both")
        if self.at_least is not None and self.below is not None and self.at_least >= self.below:
            raise _wrong("at_least has to be less than below")
        return self

    def holds(self, value: float) -> bool:
        """Return whether a value lies in the interval; NaN never does."""
        return (self.at_least is None or value >= self.at_least) and (self.below is None or value < self.below)


class ShareBand(Band):
    """An interval of the share, in percent, that one population group has in a committee's people."""

    group: Id


class Conditions(Part):
    """Which committees are meant: all conditions that are given have to hold.

    Attributes
    ----------
    zones, kinds : tuple of str
        Empty for all.
    density_per_km2 : Band or None
        People per km² of land.
    share_percent : ShareBand or None
        Share of a population group.
    """

    zones: tuple[Id, ...] = ()
    kinds: tuple[Literal["residents", "village"], ...] = ()
    density_per_km2: Band | None = None
    share_percent: ShareBand | None = None


class _Limit(Conditions):
    """How near: `minutes` by `mode`, or `metres` along the streets of `mode`."""

    minutes: Positive | None = None
    metres: Positive | None = None
    mode: TravelMode | None = None
    min_count: Count = 1

    def _check_limit(self) -> None:
        if (self.minutes is None) == (self.metres is None):
            raise _wrong("needs either minutes or metres, and not both")
        if self.mode is None:
            raise _wrong('needs a mode, e.g. mode = "zone"')
        if self.metres is not None and self.mode == "drive":
            raise _wrong("metres can't be asked of a car, whose speed differs from street to street: give minutes")


class Rule(_Limit):
    """What one group of committees has to reach; or ``exempt = true``, if nothing is asked of it."""

    exempt: Literal[True] | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.exempt is None:
            self._check_limit()
        elif {"minutes", "metres", "mode", "min_count"} & self.model_fields_set:
            raise _wrong("an exempt rule asks for nothing: remove minutes, metres, mode and min_count")
        return self


class _Requirement(Part):
    """What all kinds have.

    Attributes
    ----------
    id : str
        Its name in every output.
    clause : str
        The place in the source.
    note : str
        What a reader has to know of it.
    headline : bool
        Whether it decides the committee × type item; of several headline requirements of a type, all have to pass.
    due : int or None
        The year from which it has to be met; None for always. Of towns and the district only.
    checked : str or None
        How far its figure was held against the source's text, where that is not the whole file's.
    """

    id: Id
    clause: Text
    note: str = ""
    headline: Flag = False
    due: Year | None = None
    checked: Literal["text", "secondary", "widely_cited", "commonly_cited", "our_reading"] | None = None

    @model_validator(mode="after")
    def _decides_items(self) -> Self:
        types = getattr(self, "types", ())
        if self.headline and (getattr(self, "scope", "") != "committee" or len(types) != 1):
            raise _wrong("only what is asked of a committee for one type can be headline")
        if self.due is not None and getattr(self, "scope", "") == "committee":
            raise _wrong("only what is asked of a town or the district can be due in a year")
        return self


class Reach(_Requirement, _Limit):
    """At least `min_count` facilities of a type within `minutes` or `metres` of the committee.

    Attributes
    ----------
    type : str
        Id of the type that is to be reached.
    minutes, metres : float
        Threshold, inclusive; one of the two.
    mode : {"zone", "walk", "elderly_walk", "cycle", "drive"}
        How; ``zone`` is by the mode of the committee's zone and kind.
    min_count : int
        How many facilities there are to be within the threshold.
    rules : tuple of Rule
        Instead of one limit, several that share the committees among themselves.
    """

    kind: Literal["reach"]
    type: Id
    scope: Literal["committee"] = "committee"
    rules: tuple[Rule, ...] = ()
    headline: Flag

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if not self.rules:
            self._check_limit()
        elif {"minutes", "metres", "mode", "min_count"} & self.model_fields_set:
            raise _wrong("minutes, metres, mode and min_count belong into the rules, where there are any")
        return self

    @property
    def types(self) -> tuple[str, ...]:
        """The type, as the other kinds name theirs."""
        return (self.type,)

    @property
    def limits(self) -> tuple[Rule, ...]:
        """Every rule; a requirement without any is its own, for the committees that it speaks of."""
        if self.rules:
            return self.rules
        return (Rule(minutes=self.minutes, metres=self.metres, mode=self.mode, min_count=self.min_count),)


class Step(Part):
    """Up to so many minutes (inclusive) a person counts with this weight (E2SFCA)."""

    minutes: Positive
    weight: Positive


class Provision(_Requirement):
    """Enough of what facilities offer for the people: by town or district, or by catchment for each committee.

    Attributes
    ----------
    types : tuple of str
        One type, or several that are added up.
    scope : {"committee", "town", "district"}
        ``committee`` is by catchment.
    measure : {"count", "capacity", "floor_area_m2"}
        What is added up.
    unit : str
        Its unit, for people: ``m²``, ``beds``, ``places``.
    per : float
        So many people share `at_least`.
    group : str
        The population group that shares it; ``total`` for everybody.
    at_least : float
        What is asked for, inclusive.
    method : {"2sfca", "e2sfca", "gaussian"}
        Of a catchment.
    minutes, mode
        Size of a catchment, inclusive.
    steps : tuple of Step
        Of ``e2sfca``; the last one ends at `minutes`.
    """

    kind: Literal["provision"]
    types: Types
    scope: Literal["committee", "town", "district"]
    measure: Measure
    unit: Text
    per: Positive = 1000.0
    group: Id = "total"
    at_least: Positive
    method: Literal["2sfca", "e2sfca", "gaussian"] | None = None
    minutes: Positive | None = None
    mode: TravelMode | None = None
    steps: tuple[Step, ...] = ()

    @model_validator(mode="after")
    def _sound(self) -> Self:
        own = {"method", "minutes", "mode", "steps"} & self.model_fields_set
        if self.scope != "committee":
            if own:
                raise _wrong(f"{', '.join(sorted(own))} belong to catchments, whose scope is committee")
            return self
        if self.method is None or self.minutes is None or self.mode is None:
            raise _wrong("a catchment needs method, minutes and mode")
        if (self.method == "e2sfca") != bool(self.steps):
            raise _wrong("steps belong to the method e2sfca, which needs them")
        ends, weights = [s.minutes for s in self.steps], [s.weight for s in self.steps]
        if self.steps and (ends != sorted(set(ends)) or ends[-1] != self.minutes):
            raise _wrong("steps have to ascend, and the last one to end at minutes")
        if self.steps and (weights != sorted(weights, reverse=True) or weights[0] > 1):
            raise _wrong("the weights of steps have to fall, from 1 or less")
        return self

    @property
    def unit_of_value(self) -> str:
        """The unit of its value: so much for so many people of the group."""
        return f"{self.unit} per {self.per:g} people" + ("" if self.group == "total" else f" of {self.group}")


class Quality(_Requirement):
    """Facilities that meet an attribute: their share, or for a committee one that it reaches.

    Attributes
    ----------
    types : tuple of str
        Whose facilities.
    scope : {"committee", "town", "district"}
        ``committee``: a facility with the attribute within `minutes` by `mode`.
    attribute : str
        A column of the facilities' files.
    equals : bool, float or str
        The value that is asked for; one of these three.
    one_of : tuple of str
        Values of which one is asked for.
    at_least : float
        A number that is to be reached, inclusive.
    percent : float
        The share that is asked for in a town or the district, inclusive.
    """

    kind: Literal["quality"]
    types: Types
    scope: Literal["committee", "town", "district"]
    attribute: Id
    equals: Annotated[bool, Field(strict=True)] | Annotated[float, Field(strict=True)] | Text | None = None
    one_of: tuple[Text, ...] = ()
    at_least: float | None = None
    percent: Percent | None = None
    minutes: Positive | None = None
    mode: TravelMode | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if sum((self.equals is not None, bool(self.one_of), self.at_least is not None)) != 1:
            raise _wrong("needs one of equals, one_of and at_least")
        if self.scope == "committee":
            if self.minutes is None or self.mode is None or self.percent is not None:
                raise _wrong("of a committee, quality needs minutes and mode, and no percent")
        elif self.percent is None or self.minutes is not None or self.mode is not None:
            raise _wrong("of a town or district, quality needs percent, and neither minutes nor mode")
        return self


class Adjacency(_Requirement):
    """The share of facilities with one of other types within `metres` along the streets.

    Attributes
    ----------
    types, to_types : tuple of str
        From which facilities, to which.
    metres : float
        Inclusive.
    mode : {"walk", "cycle"}
        Whose streets.
    percent : float
        The share that is asked for, inclusive.
    """

    kind: Literal["adjacency"]
    types: Types
    to_types: Types
    scope: Literal["town", "district"]
    metres: Positive
    mode: Literal["walk", "cycle"] = "walk"
    percent: Percent


class Presence(_Requirement):
    """At least so many facilities in every town, or in the district."""

    kind: Literal["presence"]
    types: Types
    scope: Literal["town", "district"] = "town"
    at_least: Count = 1


class Total(_Requirement):
    """A dated sum for the district: of the stock, or of what was added since a year.

    Attributes
    ----------
    types : tuple of str
        Of which facilities.
    measure, unit
        What is added up.
    at_least : float
        Inclusive.
    since : int or None
        Only facilities that opened in this year or later count.
    due : int
        Always named.
    """

    kind: Literal["total"]
    types: Types
    scope: Literal["district"] = "district"
    measure: Measure
    unit: Text
    at_least: Positive
    since: Year | None = None
    due: Year


def _kind_of(value: object) -> str | None:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return kind if isinstance(kind, str) else None


Requirement = Annotated[
    Annotated[Reach, Tag("reach")]
    | Annotated[Provision, Tag("provision")]
    | Annotated[Quality, Tag("quality")]
    | Annotated[Adjacency, Tag("adjacency")]
    | Annotated[Presence, Tag("presence")]
    | Annotated[Total, Tag("total")],
    Discriminator(
        _kind_of,
        custom_error_type=UNKNOWN_KIND,
        custom_error_message=f"no such kind of requirement; known: {', '.join(KINDS_OF_REQUIREMENT)}",
    ),
]
"""One of the six kinds, told apart by ``kind``."""

assert set(KINDS) == {"residents", "village"}
