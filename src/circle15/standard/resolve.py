"""Which rule of a standard holds for which committee, and which facilities serve it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circle15.standard.model import Standard
from circle15.standard.requirements import Band, Conditions, Provision, Quality, Reach, Rule
from circle15.tables import CONDITION_UNKNOWN, NO_ZONE, NOT_REQUIRED
from circle15.units import FloatArray, minutes_to_s, travel_time_s

TextArray = npt.NDArray[np.object_]
CommitteeRequirement = Reach | Provision | Quality
"""The kinds that can speak of a committee."""


@dataclass(frozen=True)
class Traits:
    """What rules can ask of committees; arrays of shape (committees,).

    Attributes
    ----------
    zone, kind : object arrays of str
        Zone ids (``""`` for none) and values of `tables.KINDS`.
    density : float64 array
        People per km² of land; NaN where unknown.
    share : dict of str to float64 array
        Percent of the committee's people in each population group; NaN where unknown.
    """

    zone: TextArray
    kind: TextArray
    density: FloatArray
    share: dict[str, FloatArray]

    @classmethod
    def of(cls, zone: npt.ArrayLike, kind: npt.ArrayLike) -> "Traits":
        """Return the traits of committees of whose people nothing is known."""
        zones = np.asarray(zone, dtype=object)
        return cls(zones, np.asarray(kind, dtype=object), np.full(zones.shape, np.nan), {})


@dataclass(frozen=True)
class Rules:
    """One requirement of committees, resolved for every one of them; arrays of shape (committees,).

    Attributes
    ----------
    requirement_id, type_id : str
        The requirement and the type that it asks for (several are joined by ``|``).
    mode : object array of str
        ``walk``, ``elderly_walk``, ``cycle`` or ``drive``; ``""`` where the rule does not hold.
    threshold_s : float64 array
        Seconds, inclusive; NaN where the rule does not hold.
    reason : object array of str
        ``""`` where a rule holds, else `tables.NO_ZONE`, `tables.NOT_REQUIRED` or `tables.CONDITION_UNKNOWN`.
    min_count : int64 array
        How many facilities there are to be within the threshold.
    headline : bool
        Whether it decides the committee × type item.
    rule : int64 array
        Number of the rule that holds, counted from 1; 0 where none does.
    """

    requirement_id: str
    type_id: str
    mode: TextArray
    threshold_s: FloatArray
    reason: TextArray
    min_count: npt.NDArray[np.int64]
    headline: bool
    rule: npt.NDArray[np.int64]


def serving_types(standard: Standard, type_id: str) -> tuple[str, ...]:
    """Return the type itself, then every type that provides it, directly or through others, in catalogue order.

    Raises
    ------
    ValueError
        If the standard has no such type.
    """
    if type_id not in {one.id for one in standard.types}:
        raise ValueError(f"no type {type_id!r} in the standard {standard.id!r}")
    serving, size = {type_id}, 0
    while size < len(serving):
        size = len(serving)
        serving |= {one.id for one in standard.types if not serving.isdisjoint(one.provides)}
    return (type_id, *(one.id for one in standard.types if one.id in serving and one.id != type_id))


def serving_any(standard: Standard, types: Iterable[str]) -> tuple[str, ...]:
    """Return every type that is or provides one of `types`, each once."""
    return tuple(dict.fromkeys(one for type_id in types for one in serving_types(standard, type_id)))


def speed_kmh(standard: Standard, mode: str) -> float:
    """Return the speed in km/h on foot or by bicycle; a car has none of its own, but one by street class.

    Raises
    ------
    ValueError
        For any other mode.
    """
    if mode == "walk":
        return standard.speeds_kmh.walk
    if mode == "cycle":
        return standard.speeds_kmh.cycle
    if mode == "elderly_walk" and standard.speeds_kmh.elderly_walk is not None:
        return standard.speeds_kmh.elderly_walk
    raise ValueError(f"the mode {mode!r} has no single speed")


def zone_ids(standard: Standard, values: Iterable[str]) -> tuple[TextArray, npt.NDArray[np.bool_]]:
    """Return zones as their ids, from ids, Chinese or English names or aliases; nothing but an exact match counts.

    Parameters
    ----------
    standard : Standard
        Whose zones.
    values : iterable of str, shape (n,)
        As the input has them; ``""`` is no zone.

    Returns
    -------
    ids : object array of str, shape (n,)
        The id; a value that means no zone of the standard stays as it is.
    unknown : bool array of shape (n,)
        True for those.
    """
    id_of = {name: one.id for one in standard.zones for name in (one.id, one.zh, one.en, *one.aliases)} | {"": ""}
    given = _text_array(values)
    ids = _text_array(id_of.get(value, value) for value in given)
    unknown = np.fromiter((value not in id_of for value in given), dtype=np.bool_, count=len(given))
    return ids, unknown


def zone_modes(standard: Standard, zone: npt.ArrayLike, kind: npt.ArrayLike) -> TextArray:
    """Return the mode in which each committee's people travel, by its zone and kind; ``""`` without a zone.

    Parameters
    ----------
    standard : Standard
        Whose zones.
    zone : array of str, shape (committees,)
        Zone ids; ``""`` is no zone.
    kind : array of str, shape (committees,)
        Values of `tables.KINDS`.

    Raises
    ------
    ValueError
        If the shapes differ, or a zone or kind is unknown; inputs are checked before they come here.
    """
    zones, kinds = np.asarray(zone, dtype=object), np.asarray(kind, dtype=object)
    if zones.shape != kinds.shape:
        raise ValueError(f"zone and kind differ in shape: {zones.shape} and {kinds.shape}")
    mode = np.full(zones.shape, "", dtype=object)
    for one in standard.zones:
        for of_kind, its_mode in one.modes:
            mode[(zones == one.id) & (kinds == of_kind)] = its_mode
    lost = (zones != "") & (mode == "")
    if lost.any():
        pairs = sorted({f"{z!r} × {k!r}" for z, k in zip(zones[lost], kinds[lost], strict=True)})
        raise ValueError(f"no mode in the standard {standard.id!r} for zone × kind: {', '.join(pairs)}")
    return mode


def resolve_rules(standard: Standard, requirement: CommitteeRequirement, traits: Traits) -> Rules:
    """Return the rule that a requirement makes for each committee.

    A committee without a zone is exempt from every requirement, those of a fixed mode included: it belongs to no part
    of the district that the standard speaks of. Where a condition asks for a density or share that isn't known, the
    rule is unknown, unless the committee's zone or kind settles it.

    Parameters
    ----------
    standard : Standard
        Whose zones and speeds.
    requirement : Reach, Provision or Quality
        One of its requirements that speak of a committee.
    traits : Traits
        The committees.

    Raises
    ------
    ValueError
        As `zone_modes`; or if two rules hold for a committee, which loading the standard excludes.
    """
    by_zone, n = zone_modes(standard, traits.zone, traits.kind), len(traits.zone)
    limits = requirement.limits if isinstance(requirement, Reach) else (_limit_of(requirement),)
    within_scope = _hold(requirement, traits) if isinstance(requirement, Reach) else np.ones(n, dtype=bool)
    rule = np.zeros(n, dtype=np.int64)
    mode, threshold_s = np.full(n, "", dtype=object), np.full(n, np.nan)
    min_count = np.ones(n, dtype=np.int64)
    for number, one in enumerate(limits, start=1):
        mine = within_scope & (traits.zone != "") & _hold(one, traits)
        if (rule[mine] > 0).any():
            raise ValueError(f"two rules of {requirement.id!r} hold for one committee")
        rule[mine] = number
        if not one.exempt:
            mode[mine] = by_zone[mine] if one.mode == "zone" else one.mode
            threshold_s[mine] = _threshold_s(standard, one, mode[mine])
            min_count[mine] = one.min_count
    reason = np.where(mode == "", NOT_REQUIRED, "").astype(object)
    reason[(rule == 0) & _undecided(requirement, traits)] = CONDITION_UNKNOWN
    reason[traits.zone == ""] = NO_ZONE
    return Rules(
        requirement_id=requirement.id,
        type_id="|".join(requirement.types),
        mode=mode,
        threshold_s=threshold_s,
        reason=reason,
        min_count=min_count,
        headline=requirement.headline,
        rule=rule,
    )


def possible_modes(standard: Standard, zone: npt.ArrayLike, kind: npt.ArrayLike) -> set[str]:
    """Return every mode that some requirement may ask about, whatever the committees' density and people."""
    modes = set(zone_modes(standard, zone, kind)) - {""}
    asked: set[str] = set()
    for one in standard.requirements:
        found = {rule.mode for rule in one.limits} if isinstance(one, Reach) else {getattr(one, "mode", None)}
        asked |= modes if "zone" in found else set()
        asked |= {mode for mode in found if mode not in (None, "zone")}
    return asked


def _limit_of(requirement: Provision | Quality) -> Rule:
    return Rule(minutes=requirement.minutes, mode=requirement.mode)


def _threshold_s(standard: Standard, rule: Rule, mode: TextArray) -> FloatArray:
    """Return the seconds of a rule for committees of these modes: metres are walked or cycled at the mode's speed."""
    if rule.minutes is not None:
        return np.full(len(mode), minutes_to_s(rule.minutes))
    assert rule.metres is not None
    lost = sorted({str(m) for m in mode if m == "drive"})
    if lost:
        raise ValueError(f"{rule.metres:g} m by car are no time: its speed differs from street to street")
    return np.array([float(travel_time_s(rule.metres, speed_kmh(standard, m))) for m in mode], dtype=np.float64)


AT_LIMIT = 1e-9
"""By so much, relatively, a density or share may miss the end of a band that it is at on paper."""


def _hold(conditions: Conditions, traits: Traits) -> npt.NDArray[np.bool_]:
    """Return for which committees all conditions hold; one on an unknown figure does not."""
    hold = _right_place(conditions, traits)
    for band, value in _bands(conditions, traits):
        hold &= np.isfinite(value) & ~_outside(band, value)
    return hold


def _may_hold(conditions: Conditions, traits: Traits) -> npt.NDArray[np.bool_]:
    """Return for which committees no condition is known not to hold."""
    may = _right_place(conditions, traits)
    for band, value in _bands(conditions, traits):
        may &= ~_outside(band, value)
    return may


def _right_place(conditions: Conditions, traits: Traits) -> npt.NDArray[np.bool_]:
    right = np.ones(len(traits.zone), dtype=bool)
    if conditions.zones:
        right &= np.isin(traits.zone.astype(str), conditions.zones)
    if conditions.kinds:
        right &= np.isin(traits.kind.astype(str), conditions.kinds)
    return right


def _outside(band: Band, value: FloatArray) -> npt.NDArray[np.bool_]:
    """Return which values lie outside a band; NaN never does."""
    outside = np.zeros(len(value), dtype=bool)
    if band.at_least is not None:
        outside |= value < band.at_least * (1.0 - AT_LIMIT)
    if band.below is not None:
        outside |= value >= band.below * (1.0 - AT_LIMIT)
    return outside


def _bands(conditions: Conditions, traits: Traits) -> list[tuple[Band, FloatArray]]:
    found: list[tuple[Band, FloatArray]] = []
    if conditions.density_per_km2 is not None:
        found.append((conditions.density_per_km2, traits.density))
    if conditions.share_percent is not None:
        unknown = np.full(len(traits.zone), np.nan)
        found.append((conditions.share_percent, traits.share.get(conditions.share_percent.group, unknown)))
    return found


def _undecided(requirement: CommitteeRequirement, traits: Traits) -> npt.NDArray[np.bool_]:
    """Return for which committees some rule may hold, if only a figure were known."""
    undecided = np.zeros(len(traits.zone), dtype=bool)
    if isinstance(requirement, Reach):
        in_scope = _may_hold(requirement, traits)
        for one in requirement.limits:
            undecided |= in_scope & _may_hold(one, traits)
    return undecided


def _text_array(values: Iterable[str]) -> TextArray:
    array: TextArray = np.array(list(values), dtype=object)
    return array
