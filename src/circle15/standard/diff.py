"""What differs between two standards: entry by entry, and which verdicts of committees that could change.

A verdict follows from what is asked of a committee: by which mode, how far, how many, of which serving types, under
which kind of requirement, and whether it decides the item. Two standards that ask the same of a case give the same
verdict on the same data; where they ask otherwise, the verdict could change. Ids, names, clauses and notes ask nothing.

How far is compared in metres on foot and by bicycle (minutes times speed), since the same metres are the same verdict
at any speed. By car it is minutes and every speed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from circle15.standard.model import Standard
from circle15.standard.requirements import Band, Provision, Quality, Reach
from circle15.standard.resolve import (
    CommitteeRequirement,
    Rules,
    Traits,
    resolve_rules,
    serving_any,
    speed_kmh,
)
from circle15.tables import CONDITION_UNKNOWN, KINDS
from circle15.units import SECONDS_PER_MINUTE, distance_m

SECTIONS = ("zones", "domains", "types", "requirements", "targets")
TABLES = ("speeds_kmh", "service_circle", "target")
TEXTS = ("id", "zh", "en", "status", "note", "source")
DECIMALS = 6
"""Metres and seconds are compared to a millionth."""


@dataclass(frozen=True)
class Change:
    """One difference between two files.

    Attributes
    ----------
    section : str
        ``standard`` for a key outside of all sections.
    id : str
        The entry, where the section is a list.
    what : {"added", "removed", "changed"}
        In the second standard, against the first.
    key : str
        The key that changed; empty for a whole entry.
    before, after
        What stands there; None for nothing.
    """

    section: str
    id: str
    what: str
    key: str = ""
    before: Any = None
    after: Any = None


@dataclass(frozen=True)
class VerdictCase:
    """Committees of one type of facility whose verdicts could change.

    Attributes
    ----------
    type_id, zone, kind : str
        The type, and the committees' zone and kind.
    density : tuple of two floats or None
        From and below how many people per km² of land; None where no rule on the type asks, ``(nan, nan)`` where it is
        unknown.
    shares : tuple of (str, (float, float))
        The same for the share of population groups, in percent.
    headline : bool
        Whether the item could change; otherwise only what is reported beside it.
    before, after : tuple of str
        What the two standards ask, in words.
    """

    type_id: str
    zone: str
    kind: str
    density: tuple[float, float] | None
    shares: tuple[tuple[str, tuple[float, float]], ...]
    headline: bool
    before: tuple[str, ...]
    after: tuple[str, ...]


# entries -------------------------------------------------------------------------------------------------------------


def changes(first: Standard, second: Standard) -> list[Change]:
    """Return what was added, removed and changed from the first standard to the second, in the order of the file."""
    old, new = first.model_dump(mode="json"), second.model_dump(mode="json")
    found = [Change("standard", "", "changed", k, old[k], new[k]) for k in TEXTS if old[k] != new[k]]
    for table in TABLES:
        found += _by_key(table, "", _flat(old[table]), _flat(new[table]))
    for section in SECTIONS:
        found += _entries(section, old[section], new[section])
    return found


def _entries(section: str, old: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]) -> list[Change]:
    before, after = {one["id"]: one for one in old}, {one["id"]: one for one in new}
    found = [Change(section, name, "removed") for name in before if name not in after]
    found += [Change(section, name, "added") for name in after if name not in before]
    for name, entry in before.items():
        if name in after:
            found += _by_key(section, name, entry, after[name])
    return found


def _by_key(section: str, name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    keys = [key for key in dict.fromkeys([*old, *new]) if old.get(key) != new.get(key)]
    return [Change(section, name, "changed", key, old.get(key), new.get(key)) for key in keys]


def _flat(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with the keys of tables in it joined to theirs."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= {f"{key}.{k}": v for k, v in _flat(value).items()} if isinstance(value, dict) else {key: value}
    return flat


# verdicts ------------------------------------------------------------------------------------------------------------


def verdict_cases(first: Standard, second: Standard) -> list[VerdictCase]:
    """Return every case (type × zone × kind, and density and shares where rules ask for them) that could change.

    A type, zone or rule that only one of the standards has asks nothing in the other.
    """
    types = dict.fromkeys([*(t.id for t in first.types), *(t.id for t in second.types)])
    return [case for type_id in types for case in _cases_of_type(first, second, type_id)]


def changes_for(cases: Iterable[VerdictCase], traits: Traits) -> dict[str, npt.NDArray[np.bool_]]:
    """Return for each type with a case which of some committees it concerns; bool arrays of shape (committees,)."""
    concerned: dict[str, npt.NDArray[np.bool_]] = {}
    for case in cases:
        mask = (traits.zone == case.zone) & (traits.kind == case.kind)
        if case.density is not None:
            mask &= _within(traits.density, case.density)
        for group, piece in case.shares:
            mask &= _within(traits.share.get(group, np.full(len(mask), np.nan)), piece)
        concerned[case.type_id] = concerned.get(case.type_id, np.zeros(len(mask), dtype=bool)) | mask
    return concerned


def _within(value: npt.NDArray[np.float64], piece: tuple[float, float]) -> npt.NDArray[np.bool_]:
    return np.isnan(value) if np.isnan(piece[0]) else (value >= piece[0]) & (value < piece[1])


def _cases_of_type(first: Standard, second: Standard, type_id: str) -> list[VerdictCase]:
    every = [*_of_type(first, type_id), *_of_type(second, type_id)]
    conditions = [c for one in every if isinstance(one, Reach) for c in (one, *one.limits)]
    bands = [c.density_per_km2 for c in conditions if c.density_per_km2]
    densities: list[tuple[float, float] | None] = [*_pieces(bands)] if bands else [None]
    shared = [c.share_percent for c in conditions if c.share_percent]
    groups = sorted({band.group for band in shared})
    pieces = [_pieces([band for band in shared if band.group == g]) for g in groups]
    zones = dict.fromkeys([*(z.id for z in first.zones), *(z.id for z in second.zones)])
    cases = list(product(zones, KINDS, densities, product(*pieces)))
    traits = Traits(
        _texts(zone for zone, *_ in cases),
        _texts(kind for _, kind, *_ in cases),
        np.array([np.nan if piece is None else piece[0] for _, _, piece, _ in cases], dtype=np.float64),
        {g: np.array([shares[i][0] for *_, shares in cases], dtype=np.float64) for i, g in enumerate(groups)},
    )
    old, new = _asked(first, type_id, traits), _asked(second, type_id, traits)
    found = []
    for row, (zone, kind, density, shares) in enumerate(cases):
        if _keys(old[row]) == _keys(new[row]):
            continue
        item = _keys(one for one in old[row] if one.headline) != _keys(one for one in new[row] if one.headline)
        named = tuple(zip(groups, shares, strict=True))
        before, after = tuple(a.words for a in old[row]), tuple(a.words for a in new[row])
        found.append(VerdictCase(type_id, zone, kind, density, named, item, before, after))
    return found


def _pieces(bands: Sequence[Band]) -> list[tuple[float, float]]:
    """Return the pieces into which intervals cut all figures, and one for a figure that is unknown."""
    ends = sorted({0.0} | {end for b in bands for end in (b.at_least, b.below) if end is not None})
    return [*zip(ends, [*ends[1:], np.inf], strict=True), (np.nan, np.nan)]


@dataclass(frozen=True)
class _Asked:
    """What one requirement asks of one case: a key that is equal where the verdict is, and words."""

    headline: bool
    key: tuple[Any, ...]
    words: str


def _keys(asked: Iterable[_Asked]) -> list[str]:
    return sorted(repr((one.headline, *one.key)) for one in asked)


def _of_type(standard: Standard, type_id: str) -> list[CommitteeRequirement]:
    return [
        one
        for one in standard.requirements
        if isinstance(one, Reach | Provision | Quality) and one.scope == "committee" and type_id in one.types
    ]


def _asked(standard: Standard, type_id: str, traits: Traits) -> list[list[_Asked]]:
    """Return what is asked of each case; nothing where no rule holds, or an exempt one, or the zone is unknown here."""
    asked: list[list[_Asked]] = [[] for _ in traits.zone]
    known = np.flatnonzero(np.isin(traits.zone.astype(str), [zone.id for zone in standard.zones]))
    part = Traits(
        traits.zone[known], traits.kind[known], traits.density[known], {g: v[known] for g, v in traits.share.items()}
    )
    for one in _of_type(standard, type_id):
        rules = resolve_rules(standard, one, part)
        for row, case in enumerate(known):
            if rules.mode[row] or rules.reason[row] == CONDITION_UNKNOWN:
                asked[case].append(_one(standard, one, rules, row))
    return asked


def _one(standard: Standard, one: CommitteeRequirement, rules: Rules, row: int) -> _Asked:
    what, words = _what(standard, one)
    if rules.reason[row] == CONDITION_UNKNOWN:
        return _Asked(one.headline, (*what, "unknown"), f"{one.id}: {words}, unknown without density or people")
    mode, threshold_s, count = str(rules.mode[row]), float(rules.threshold_s[row]), int(rules.min_count[row])
    far, far_words = _how_far(standard, mode, threshold_s)
    number = f"{count} × " if count > 1 else ""
    return _Asked(one.headline, (*what, mode, far, count), f"{one.id}: {number}{words} within {far_words}")


def _how_far(standard: Standard, mode: str, threshold_s: float) -> tuple[tuple[Any, ...], str]:
    minutes = f"{threshold_s / SECONDS_PER_MINUTE:g} min by {mode}"
    if mode == "drive":
        speeds = standard.speeds_kmh
        by_class = sorted(speeds.drive.by_class.items())
        return (round(threshold_s, DECIMALS), speeds.walk, speeds.drive.default, *by_class), minutes
    speed = speed_kmh(standard, mode)
    metres = float(distance_m(threshold_s, speed))
    return (round(metres, DECIMALS),), f"{minutes} at {speed:g} km/h ({metres:,.0f} m)"


def _what(standard: Standard, one: CommitteeRequirement) -> tuple[tuple[Any, ...], str]:
    """Return what is asked for apart from how far, and in words; ids that only name a requirement are left out."""
    serving = tuple(sorted(serving_any(standard, one.types)))
    told = " or ".join(serving)
    if isinstance(one, Quality):
        wanted = (one.attribute, one.equals, one.one_of, one.at_least)
        return ("quality", serving, repr(wanted)), f"{told} with {one.attribute}"
    if isinstance(one, Provision):
        steps = tuple((step.minutes, step.weight) for step in one.steps)
        sizes = (one.measure, one.per, one.group, one.at_least, one.method, steps)
        told = f"{one.at_least:g} {one.unit} of {told} per {one.per:g} people of {one.group} by {one.method}"
        return ("provision", tuple(sorted(one.types)), serving, sizes), told
    return ("reach", serving), told


def _texts(values: Iterable[str]) -> npt.NDArray[np.object_]:
    array: npt.NDArray[np.object_] = np.array(list(values), dtype=object)
    return array
