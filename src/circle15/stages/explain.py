"""One verdict and what it rests on: the rule that held, the ways to the nearest facilities, what would turn it."""

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from circle15.assess.assemble import Judged
from circle15.errors import ConfigError, Problem
from circle15.network.route import Route, nearest_few, route
from circle15.stages.run import Inputs, Networks, Run, xy_of
from circle15.stages.travel import ModeSurvey, places_by, renumber
from circle15.standard.model import Standard
from circle15.standard.requirements import Conditions, Provision, Quality, Reach
from circle15.standard.resolve import CommitteeRequirement, Rules, Traits, serving_any, speed_kmh
from circle15.tables import OVERRIDDEN, REASONS
from circle15.toml import did_you_mean
from circle15.units import SECONDS_PER_MINUTE, within

NEAREST = 3
"""So many facilities are named."""


@dataclass(frozen=True)
class NearFacility:
    """One of the nearest facilities: along the streets and straight."""

    facility_id: str
    name: str
    type_id: str
    source: str
    time_s: float
    distance_m: float
    straight_m: float
    within: bool
    leg_m: tuple[float, float]


@dataclass(frozen=True)
class Explanation:
    """One requirement of one committee, explained.

    Attributes
    ----------
    requirement_id, kind, clause, note : str
        The requirement, the place it comes from, and what its reader has to know.
    verdict, reason, meaning : str
        The verdict, its reason code, and what that means.
    headline, edge_affected : bool
        As in the table *verdicts*.
    rule : str
        Which rule held, and why it did.
    asked : str
        What it asks for.
    found : str
        What there is.
    turns : tuple of str
        What would turn the verdict.
    mode : str
        How people travel; ``""`` where nothing is asked.
    threshold_s, time_s : float
        NaN where there is none.
    nearest : tuple of NearFacility
        At most `NEAREST`, nearest first.
    way : Route or None
        To the nearest.
    computed : str
        The verdict before somebody's from the field took its place; ``""`` if nobody's did.
    """

    requirement_id: str
    kind: str
    clause: str
    note: str
    verdict: str
    reason: str
    meaning: str
    headline: bool
    edge_affected: bool
    rule: str
    asked: str
    found: str
    turns: tuple[str, ...]
    mode: str
    threshold_s: float
    time_s: float
    nearest: tuple[NearFacility, ...] = ()
    way: Route | None = None
    computed: str = ""


@dataclass(frozen=True)
class Case:
    """Everything that is said of one committee and type.

    Attributes
    ----------
    committee : dict of str to str
        ``committee_id, name, kind, town_id, zone``.
    type_id, type_name : str
        The type, and its names.
    explanations : tuple of Explanation
        One a requirement of the type, in the standard's order.
    override : dict of str to str or None
        Who decided otherwise in the field, when and why.
    routes : GeoDataFrame
        The ways and legs of every requirement, in EPSG:4326.
    """

    committee: dict[str, str]
    type_id: str
    type_name: str
    explanations: tuple[Explanation, ...]
    override: dict[str, str] | None = None
    routes: gpd.GeoDataFrame = field(default_factory=gpd.GeoDataFrame)


def check_type(standard: Standard, type_id: str) -> None:
    """Raise a `ConfigError` unless some requirement of committees names the type."""
    known = [t.id for t in standard.types]
    if type_id not in known:
        raise ConfigError(
            Problem(f'no type "{type_id}"', f"standard {standard.id}", remedy=did_you_mean(type_id, known))
        )
    if not any(type_id in one.types for one in standard.requirements if one.scope == "committee"):
        what = f'no requirement of committees is about "{type_id}"'
        raise ConfigError(Problem(what, f"standard {standard.id}", remedy="See circle15 standards show."))


def row_of_committee(inputs: Inputs, committee: str) -> int:
    """Return the row of a committee, or raise a `ConfigError` that names the nearest id."""
    ids = list(inputs.committees["committee_id"])
    if committee not in ids:
        near = difflib.get_close_matches(committee, ids, n=1)
        remedy = f'Did you mean "{near[0]}"?' if near else f"There are {len(ids)}, from {ids[0]} to {ids[-1]}."
        raise ConfigError(Problem(f'no committee "{committee}"', remedy=remedy))
    return ids.index(committee)


@dataclass(frozen=True)
class _Stand:
    """What the explanation of a committee is drawn from."""

    run: Run
    inputs: Inputs
    networks: Networks
    surveys: dict[str, ModeSurvey]
    traits: Traits
    row: int


def explain_one(
    run: Run,
    inputs: Inputs,
    networks: Networks,
    surveys: dict[str, ModeSurvey],
    traits: Traits,
    judged: Sequence[Judged],
    row: int,
    type_id: str,
    overrides: pd.DataFrame | None,
) -> Case:
    """Explain every requirement of one type for one committee.

    Parameters
    ----------
    judged : sequence of Judged
        Requirements that name the type, judged for all committees, overrides applied.
    row : int
        The committee's row.
    type_id : str
        The type.
    overrides : DataFrame or None
        The table of overrides.
    """
    stand = _Stand(run, inputs, networks, surveys, traits, row)
    found = tuple(_explain(stand, one) for one in judged)
    committee = inputs.committees.iloc[row]
    names = {t.id: f"{t.zh} {t.en}" for t in run.standard.types}
    label = {key: str(committee[key]) for key in ("committee_id", "name", "kind", "town_id", "zone")}
    mine = None
    if overrides is not None:
        rows = overrides[(overrides["committee_id"] == label["committee_id"]) & (overrides["type_id"] == type_id)]
        mine = {str(k): str(v) for k, v in rows.iloc[0].items()} if len(rows) else None
    return Case(label, type_id, names[type_id], found, mine, _routes(inputs, row, found))


def _explain(stand: _Stand, one: Judged) -> Explanation:
    row, rules, requirement = stand.row, one.rules, one.requirement
    mode, threshold_s = str(rules.mode[row]), float(rules.threshold_s[row])
    near: tuple[NearFacility, ...] = ()
    way = None
    if mode and one.value is None:
        near, way = _nearest(stand, requirement, mode, threshold_s)
    reason, verdict = str(one.reason[row]), str(one.verdict[row])
    computed = "" if one.computed is None else str(one.computed[row])
    return Explanation(
        requirement_id=requirement.id,
        kind=requirement.kind,
        clause=requirement.clause,
        note=requirement.note,
        verdict=verdict,
        reason=reason,
        meaning=REASONS[reason],
        headline=requirement.headline,
        edge_affected=bool(one.edge_affected[row]),
        rule=_rule(stand, requirement, rules),
        asked=_asked(stand, requirement, rules),
        found=_found(one, row, near),
        turns=_turns(stand, one, near),
        mode=mode,
        threshold_s=threshold_s,
        time_s=near[0].time_s if near else float("nan"),
        nearest=near,
        way=way,
        computed=computed,
    )


# the nearest facilities --------------------------------------------------------------------------------------------


def _nearest(
    stand: _Stand, requirement: CommitteeRequirement, mode: str, threshold_s: float
) -> tuple[tuple[NearFacility, ...], Route | None]:
    """Find the nearest facilities that serve the requirement, by an exact search of its own."""
    table = stand.inputs.facilities.table
    serving = np.flatnonzero(table["type_id"].isin(serving_any(stand.run.standard, requirement.types)).to_numpy())
    network = stand.networks.of[mode]
    places = renumber(places_by(stand.run, stand.inputs, stand.networks, stand.surveys, mode), serving, len(table))
    xy = xy_of(stand.inputs.committees)[[stand.row]]
    origin = stand.run.snap_to_begin(stand.networks, mode, xy)
    found = nearest_few(network, origin, places, NEAREST)
    near, first = [], None
    for facility, time_s in zip(found.facility.tolist(), found.time_s.tolist(), strict=True):
        way = route(network, origin, xy[0], places.of_one(facility))
        first = first or way
        entry = table.iloc[serving[facility]]
        near.append(
            NearFacility(
                facility_id=str(entry["facility_id"]),
                name=str(entry["name"]),
                type_id=str(entry["type_id"]),
                source=str(entry["source"]),
                time_s=time_s,
                distance_m=way.distance_m if way else float("nan"),
                straight_m=float(shapely.distance(entry["geometry"], shapely.Point(xy[0]))),
                within=bool(within(np.array([time_s]), threshold_s)[0]),
                leg_m=(float(way.first_leg.length), float(way.last_leg.length)) if way else (0.0, 0.0),
            )
        )
    return tuple(near), first


def _routes(inputs: Inputs, row: int, found: Sequence[Explanation]) -> gpd.GeoDataFrame:
    """Return the ways to the nearest facilities: one line a leg and one along the streets, with its length."""
    entries: list[dict[str, object]] = []
    shapes: list[shapely.Geometry] = []
    for one in found:
        if one.way is None:
            continue
        way, near = one.way, one.nearest[0]
        for part, shape in (("first_leg", way.first_leg), ("way", way.way), ("last_leg", way.last_leg)):
            base = {"requirement_id": one.requirement_id, "facility_id": near.facility_id, "mode": one.mode}
            entries.append({**base, "part": part, "length_m": round(float(shape.length), 1)})
            shapes.append(shape)
    entries.append({"part": "committee", "requirement_id": "", "facility_id": "", "mode": "", "length_m": 0.0})
    shapes.append(inputs.committees.geometry.iloc[row])
    return gpd.GeoDataFrame(pd.DataFrame(entries), geometry=shapes, crs=inputs.crs).to_crs(4326)


# words -------------------------------------------------------------------------------------------------------------


def _rule(stand: _Stand, requirement: CommitteeRequirement, rules: Rules) -> str:
    """Say which rule held and which of its conditions the committee meets."""
    row, number = stand.row, int(rules.rule[stand.row])
    committee = f"zone {stand.traits.zone[row] or 'none'}, kind {stand.traits.kind[row]}"
    if not isinstance(requirement, Reach):
        return f"the only one, for every committee with a zone ({committee})"
    figures = _figures(stand, [requirement, *requirement.limits])
    told = ", ".join([committee, *figures])
    if number == 0:
        return f"none ({told})"
    which = f"rules[{number}] of {len(requirement.rules)}" if requirement.rules else "the only one"
    asks = _conditions(requirement.limits[number - 1]) or _conditions(requirement)
    return f"{which}, {f'which holds where {asks}' if asks else 'which holds everywhere'} ({told})"


def _figures(stand: _Stand, every: Sequence[Conditions]) -> list[str]:
    row, figures = stand.row, []
    if any(c.density_per_km2 for c in every):
        figures.append(f"{stand.traits.density[row]:,.0f} people per km² of land")
    for group in sorted({c.share_percent.group for c in every if c.share_percent}):
        share = stand.traits.share.get(group)
        figures.append(f"{group}: {'unknown' if share is None else f'{share[row]:.1f} %'}")
    return figures


def _conditions(conditions: Conditions) -> str:
    parts = []
    if conditions.zones:
        parts.append(f"the zone is {' or '.join(conditions.zones)}")
    if conditions.kinds:
        parts.append(f"the kind is {' or '.join(conditions.kinds)}")
    for band, what in ((conditions.density_per_km2, "people per km²"), (conditions.share_percent, "percent")):
        if band is not None:
            group = f" of {band.group}" if hasattr(band, "group") else ""
            low = f"at least {band.at_least:g}" if band.at_least is not None else ""
            high = f"below {band.below:g}" if band.below is not None else ""
            parts.append(f"there are {' and '.join(t for t in (low, high) if t)} {what}{group}")
    return " and ".join(parts)


def _asked(stand: _Stand, requirement: CommitteeRequirement, rules: Rules) -> str:
    row = stand.row
    mode, threshold_s = str(rules.mode[row]), float(rules.threshold_s[row])
    if not mode:
        return "nothing"
    how = f"within {_minutes(threshold_s)} by {mode}{_speed(stand, mode)}"
    if isinstance(requirement, Provision):
        return f"{requirement.at_least:g} {requirement.unit} per {requirement.per:g} people, shared {how}"
    number = int(rules.min_count[row])
    what = "facility" if number == 1 else "facilities"
    limit = requirement.limits[int(rules.rule[row]) - 1] if isinstance(requirement, Reach) else None
    metres = f" ({limit.metres:g} m along the streets)" if limit is not None and limit.metres is not None else ""
    having = f" with {requirement.attribute}" if isinstance(requirement, Quality) else ""
    return f"{number} {what}{having} {how}{metres}"


def _speed(stand: _Stand, mode: str) -> str:
    return "" if mode == "drive" else f" at {speed_kmh(stand.run.standard, mode):g} km/h"


def _found(one: Judged, row: int, near: Sequence[NearFacility]) -> str:
    if one.value is not None:
        value = one.value[row]
        return "no figure" if np.isnan(value) else f"{value:.3g} {one.unit}"
    if one.rules.reason[row] != "":
        return "nothing that is asked"
    if not one.access.on_network[row]:
        return "nothing: the committee is off the network"
    if not near:
        return "no facility that any path leads to"
    inside = int(one.access.count_within[row])
    first = near[0]
    return (
        f"{inside} within; the nearest is {first.facility_id} in {_minutes(first.time_s)} ({first.distance_m:,.0f} m)"
    )


def _turns(stand: _Stand, one: Judged, near: Sequence[NearFacility]) -> tuple[str, ...]:
    """Say what would turn the verdict."""
    row = stand.row
    verdict, reason = str(one.verdict[row]), str(one.reason[row])
    if reason == OVERRIDDEN:
        return ("taking the override away",)
    if verdict == "unknown":
        return (f"knowing more: {REASONS[reason]}",)
    if verdict == "exempt":
        return ()
    if one.value is not None:
        short = one.target - one.value[row]
        if verdict == "fail":
            return (f"{short:.3g} {one.unit} more",)
        return (f"more than {max(-short, 0.0):.3g} {one.unit} less",)
    return _turns_pass(one, row, near) if verdict == "pass" else _turns_fail(one, row, near)


def _turns_pass(one: Judged, row: int, near: Sequence[NearFacility]) -> tuple[str, ...]:
    """Say how far a pass is from a fail: how much slower, and without how many facilities."""
    number, inside = int(one.rules.min_count[row]), int(one.access.count_within[row])
    threshold_s = float(one.rules.threshold_s[row])
    found = []
    deciding_s = float(one.access.time_s[row]) if number == 1 else near[number - 1].time_s if number <= len(near) else 0
    if deciding_s and not _in_metres(one, row):
        found.append(f"speeds more than {_percent(1.0 - deciding_s / threshold_s)} lower")
    if one.requirement.kind == "reach":
        lost = inside - number + 1
        named = " and ".join(f.facility_id for f in near[:lost])
        which = named if lost <= len(near) else f"all {lost} within"
        found.append(f"the closing of {which}" if number == 1 else f"the closing of any {lost} of the {inside} within")
    return tuple(found)


def _turns_fail(one: Judged, row: int, near: Sequence[NearFacility]) -> tuple[str, ...]:
    """Say what is missing: facilities, a shorter way, higher speeds."""
    number, inside = int(one.rules.min_count[row]), int(one.access.count_within[row])
    threshold_s = float(one.rules.threshold_s[row])
    if one.requirement.kind == "quality":
        more = ["the attribute at one of those that are within"] if inside else []
        return (*more, f"a facility that has it within {_minutes(threshold_s)}")
    missing = number - inside
    found = [f"{missing} more {'facility' if missing == 1 else 'facilities'} within {_minutes(threshold_s)}"]
    if len(near) >= number:
        time_s = near[number - 1].time_s
        if missing == 1:
            found.append(f"a way {_minutes(time_s - threshold_s, up=True)} shorter to {near[number - 1].facility_id}")
        if not _in_metres(one, row):
            found.append(f"speeds at least {_percent(time_s / threshold_s - 1.0)} higher")
    return tuple(found)


def _percent(share: float) -> str:
    """Return a share as percent, rounded up: speeds that much higher are enough, and that much lower are no fewer."""
    percent = 100.0 * share
    places = 1 if percent >= 1 else 3
    return f"{math.ceil(round(percent * 10**places, 6)) / 10**places:.{places}f} %"


def _in_metres(one: Judged, row: int) -> bool:
    rule = int(one.rules.rule[row])
    return isinstance(one.requirement, Reach) and rule > 0 and one.requirement.limits[rule - 1].metres is not None


def _minutes(seconds: float, *, up: bool = False) -> str:
    """Return a duration in minutes and seconds, to the tenth (`up`: not below it); to the thousandth below a tenth."""
    tenths = math.ceil(round(seconds * 10, 3)) / 10 if up else round(seconds, 1)
    shown = tenths if tenths % SECONDS_PER_MINUTE and seconds >= 1 else round(seconds, 3)
    minutes, rest = divmod(shown, SECONDS_PER_MINUTE)
    if not round(rest, 3):
        return f"{minutes:.0f} min"
    if minutes and round(rest, 1) >= SECONDS_PER_MINUTE:  # 59.996 s reads as 60
        return f"{minutes + 1:.0f} min"
    return f"{minutes:.0f} min {rest:.4g} s" if minutes else f"{rest:.4g} s"
