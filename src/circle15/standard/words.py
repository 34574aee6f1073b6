"""What a standard says, in words: each requirement in one line, and what data it needs."""

from collections.abc import Iterable

from circle15.standard.model import Standard
from circle15.standard.requirements import (
    Adjacency,
    Band,
    Conditions,
    Presence,
    Provision,
    Quality,
    Reach,
    Requirement,
    Rule,
    ShareBand,
    Total,
)

MODES = {
    "zone": "by the mode of the zone",
    "walk": "on foot",
    "elderly_walk": "on foot at the elderly speed",
    "cycle": "by bicycle",
    "drive": "by car",
}
CHECKED = {
    "text": "read in the text",
    "secondary": "quoted by a secondary text",
    "widely_cited": "widely cited, text not checked",
    "commonly_cited": "commonly cited, text not checked",
    "our_reading": "our reading",
}
NOT_SAID = "as the whole file"
"""Of a figure whose requirement doesn't say how far it was checked."""


def in_words(one: Requirement) -> str:
    """Return what a requirement asks, in one line."""
    match one:
        case Reach():
            told = _reach(one)
        case Provision():
            told = _provision(one)
        case Quality():
            told = _quality(one)
        case Adjacency():
            told = f"{one.percent:g} % of those of {_area(one.scope)} with {_or(one.to_types)} within {one.metres:g} m "
            told += MODES[one.mode]
        case Presence():
            told = f"at least {one.at_least} in {_area(one.scope)}"
        case Total():
            told = f"at least {one.at_least:g} {one.unit}{_measured(one.measure)} in the district"
            told += f", added since {one.since}" if one.since else ""
    return told + (f", by {one.due}" if one.due else "")


def conditions_in_words(conditions: Conditions) -> str:
    """Return which committees are meant; empty for all."""
    parts = []
    if conditions.zones:
        parts.append(f"zone {_or(conditions.zones)}")
    if conditions.kinds:
        parts.append(f"kind {_or(conditions.kinds)}")
    if conditions.density_per_km2:
        parts.append(f"{_band(conditions.density_per_km2)} people per km²")
    if conditions.share_percent:
        parts.append(f"{_band(conditions.share_percent)} % of {conditions.share_percent.group}")
    return ", ".join(parts)


def checked_in_words(one: Requirement) -> str:
    """Return how far a requirement's figure was held against the source's text."""
    return CHECKED[one.checked] if one.checked else NOT_SAID


def needs(standard: Standard) -> dict[str, list[str]]:
    """Return what data beside places and times requirements need, with their ids.

    The keys are ``density`` (people per km² of land), ``group <id>``, ``capacity of <type>``, ``floor_area_m2 of
    <type>``, ``attribute <name> of <type>`` and ``opens of <type>``.
    """
    found: dict[str, list[str]] = {}
    for one in standard.requirements:
        for need in dict.fromkeys(_needs(one)):
            found.setdefault(need, []).append(one.id)
    for group, types in _groups_of_types(standard).items():
        found.setdefault(f"group {group}", []).extend(types)
    return found


def _groups_of_types(standard: Standard) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in standard.types:
        if one.group:
            found.setdefault(one.group, []).append(one.id)
    return found


def _needs(one: Requirement) -> Iterable[str]:
    if isinstance(one, Reach):
        for conditions in (one, *one.limits):
            if conditions.density_per_km2:
                yield "density"
            if conditions.share_percent:
                yield f"group {conditions.share_percent.group}"
    if isinstance(one, Provision):
        yield f"group {one.group}"
    if isinstance(one, Provision | Total) and one.measure != "count":
        yield from (f"{one.measure} of {type_id}" for type_id in one.types)
    if isinstance(one, Total) and one.since:
        yield from (f"opens of {type_id}" for type_id in one.types)
    if isinstance(one, Quality):
        yield from (f"attribute {one.attribute} of {type_id}" for type_id in one.types)


def _reach(one: Reach) -> str:
    if not one.rules:
        where = conditions_in_words(one)
        return _limit(one.limits[0]) + (f" where {where}" if where else "")
    rules = [f"{_limit(rule)} where {conditions_in_words(rule) or 'nothing else holds'}" for rule in one.rules]
    where = conditions_in_words(one)
    return (f"where {where}: " if where else "") + "; ".join(rules)


def _limit(rule: Rule) -> str:
    if rule.exempt:
        return "nothing"
    far = f"{rule.minutes:g} min" if rule.minutes is not None else f"{rule.metres:g} m"
    return f"{rule.min_count} within {far} {MODES[rule.mode or 'zone']}"


def _provision(one: Provision) -> str:
    people = "people" if one.group == "total" else f"people of {one.group}"
    told = f"{one.at_least:g} {one.unit}{_measured(one.measure)} per {one.per:g} {people}"
    if one.scope != "committee":
        return f"{told} in {_area(one.scope)}"
    assert one.minutes is not None
    assert one.mode is not None
    return f"{told} by catchment ({one.method}) of {one.minutes:g} min {MODES[one.mode]}"


def _quality(one: Quality) -> str:
    wanted = f"at least {one.at_least:g}" if one.at_least is not None else _or(one.one_of) or _value(one.equals)
    what = f"{one.attribute} = {wanted}" if one.at_least is None else f"{one.attribute} {wanted}"
    if one.scope != "committee":
        return f"{one.percent:g} % of those of {_area(one.scope)} with {what}"
    assert one.minutes is not None
    assert one.mode is not None
    return f"1 with {what} within {one.minutes:g} min {MODES[one.mode]}"


def _value(value: bool | float | str | None) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _measured(measure: str) -> str:
    return "" if measure == "count" else f" ({measure})"


def _area(scope: str) -> str:
    return "every town" if scope == "town" else "the district"


def _band(band: Band | ShareBand) -> str:
    low = f"at least {band.at_least:g}" if band.at_least is not None else ""
    high = f"below {band.below:g}" if band.below is not None else ""
    return " and ".join(part for part in (low, high) if part)


def _or(names: Iterable[str]) -> str:
    return " or ".join(names)
