"""Which rule of a standard holds for which committee, and which facilities serve it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circle15.standard.model import Requirement, Standard
from circle15.tables import NO_ZONE, NOT_REQUIRED
from circle15.units import FloatArray

TextArray = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Rules:
    """One reach requirement, resolved for every committee; arrays of shape (committees,).

    Attributes
    ----------
    requirement_id, type_id : str
        The requirement and the type that it asks for.
    mode : object array of str
        ``walk``, ``cycle`` or ``drive``; ``""`` where the rule does not hold.
    threshold_s : float64 array
        Seconds, inclusive; NaN where the rule does not hold.
    reason : object array of str
        ``""`` where the rule holds, else `tables.NO_ZONE` or `tables.NOT_REQUIRED`.
    min_count : int
        How many facilities there are to be within the threshold.
    headline : bool
        Whether it decides the committee × type item.
    """

    requirement_id: str
    type_id: str
    mode: TextArray
    threshold_s: FloatArray
    reason: TextArray
    min_count: int
    headline: bool


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


def speed_kmh(standard: Standard, mode: str) -> float:
    """Return the speed in km/h of ``walk`` or ``cycle``; a car has none of its own, but one by street class.

    Raises
    ------
    ValueError
        For any other mode.
    """
    if mode == "walk":
        return standard.speeds_kmh.walk
    if mode == "cycle":
        return standard.speeds_kmh.cycle
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


def resolve_reach(standard: Standard, requirement: Requirement, zone: npt.ArrayLike, kind: npt.ArrayLike) -> Rules:
    """Return the rule that a reach requirement makes for each committee.

    A committee without a zone is exempt from every requirement, those of a fixed mode included: it belongs to no part
    of the district that the standard speaks of.

    Parameters
    ----------
    standard : Standard
        Whose zones.
    requirement : Requirement
        One of its requirements.
    zone, kind : arrays of str, shape (committees,)
        As for `zone_modes`.

    Raises
    ------
    ValueError
        As `zone_modes`.
    """
    by_zone, zones = zone_modes(standard, zone, kind), np.asarray(zone, dtype=object)
    reason = np.full(zones.shape, "", dtype=object)
    if requirement.zones:
        reason[~np.isin(zones.astype(str), requirement.zones)] = NOT_REQUIRED
    reason[zones == ""] = NO_ZONE
    holds = reason == ""
    asked = by_zone if requirement.mode == "zone" else np.full(zones.shape, requirement.mode, dtype=object)
    return Rules(
        requirement_id=requirement.id,
        type_id=requirement.type,
        mode=np.where(holds, asked, "").astype(object),
        threshold_s=np.where(holds, requirement.threshold_s, np.nan),
        reason=reason,
        min_count=requirement.min_count,
        headline=requirement.headline,
    )


def _text_array(values: Iterable[str]) -> TextArray:
    array: TextArray = np.array(list(values), dtype=object)
    return array
