"""The figures that a page carries for its map and lists, small enough to be opened from a disk.

Places are whole metres from the south-western corner of all that is shown; lines are differences of such places. Text
that repeats stands once and is named by its position.
"""

import math
from collections.abc import Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from circle15.network.survey import SEARCH_FACTOR
from circle15.outputs.colours import STEPS, step_labels
from circle15.outputs.dictionary import load_dictionary
from circle15.report.facts import Facts
from circle15.tables import TRAVEL_MODES, VERDICTS
from circle15.units import FloatArray

BoolArray = npt.NDArray[np.bool_]

LETTER = dict(zip(VERDICTS, "pfux", strict=True))
"""Verdict → its letter in the page's strings, one letter a committee."""
AREA_TOLERANCE_M = 5.0
CIRCLE_TOLERANCE_M = 10.0
"""How far a drawn border may lie from the true one; no verdict comes from a drawn border."""


def embed(facts: Facts) -> dict[str, Any]:
    """Return what the page's script reads, of plain JSON types.

    Parameters
    ----------
    facts : Facts
        Of a run of ``compute``, ``verify`` or ``plan``.
    """
    corner = _corner(facts)
    types = [one.id for one in facts.types]
    document: dict[str, Any] = {
        "committees": _committees(facts, corner),
        "towns": _towns(facts, corner),
        "types": [
            {"id": one.id, "zh": one.zh, "en": one.en, "domain": domain, "headline": one.id in facts.headline}
            for one, domain in zip(facts.types, facts.run.table("types")["domain"], strict=True)
        ],
        "domains": [{"id": one.id, "zh": one.zh, "en": one.en} for one in facts.domains],
        "items": ["".join(LETTER[v] for v in facts.items[name]) for name in types],
        "facilities": _facilities(facts, corner, types),
        "circles": _circles(facts, corner),
        "projects": _projects(facts, corner),
        "changes": _changes(facts, types),
    }
    document |= _requirements(facts, document["facilities"]["id"])
    document["gaps"] = _gaps(facts, document)
    document["search_factor"] = SEARCH_FACTOR
    document["currency"] = facts.currency
    document["steps"] = {"bounds": list(STEPS), "labels": step_labels()}
    return document


def _corner(facts: Facts) -> FloatArray:
    """Return the south-western corner of everything that has a place, in whole metres."""
    bounds = [layer.total_bounds[:2] for layer in facts.run.layers.values() if len(layer)]
    corners = np.array([one for one in bounds if np.isfinite(one).all()])
    return np.floor(corners.min(axis=0)) if len(corners) else np.zeros(2)


def _whole(values: pd.Series | FloatArray) -> list[int | None]:
    """Return numbers as whole ones; None for a missing one."""
    return [None if np.isnan(one) else round(one) for one in np.asarray(values, dtype=np.float64).tolist()]


def _places(geometry: gpd.GeoSeries, corner: FloatArray) -> tuple[list[int | None], list[int | None]]:
    points = shapely.point_on_surface(geometry.to_numpy())
    return _whole(shapely.get_x(points) - corner[0]), _whole(shapely.get_y(points) - corner[1])


def _rings(shape: shapely.Geometry | None, corner: FloatArray) -> list[list[int]]:
    """Return the rings of an area (or none) as x, y, and then differences of x and y, in whole metres."""
    found = []
    for part in [] if shape is None else shapely.get_parts(shape):
        if part.geom_type != "Polygon":
            continue
        for ring in (part.exterior, *part.interiors):
            xy = np.rint(shapely.get_coordinates(ring) - corner).astype(np.int64)
            steps = np.diff(xy, axis=0)
            moved = steps[(steps != 0).any(axis=1)]
            if len(moved) > 2:  # noqa: PLR2004 - fewer make no area
                found.append([*xy[0].tolist(), *moved.ravel().tolist()])
    return found


def _simplified(shapes: npt.NDArray[np.object_], tolerance_m: float) -> npt.NDArray[np.object_]:
    return np.asarray(shapely.simplify(shapes, tolerance_m), dtype=object)


def _committees(facts: Facts, corner: FloatArray) -> dict[str, Any]:
    table = facts.committees
    x, y = _places(table.geometry, corner)
    areas = facts.run.layers.get("committee_areas")
    rings: list[list[list[int]]] | None = None
    if areas is not None:
        # neighbours keep their common border: they are simplified together
        areas = areas[areas.geometry.notna()]
        shapes = np.asarray(shapely.coverage_simplify(areas.geometry.to_numpy(), AREA_TOLERANCE_M), dtype=object)
        of = dict(zip(areas["committee_id"], shapes, strict=True))
        rings = [_rings(of.get(one), corner) for one in table["committee_id"]]
    towns = {one: n for n, one in enumerate(facts.towns)}
    zones = facts.run.table("zones")
    zone_of = {one: n for n, one in enumerate(zones["zone"])} if len(zones) else {}
    return {
        "id": table["committee_id"].tolist(),
        "name": table["name"].tolist(),
        "town": [towns[one] for one in table["town_id"]],
        "zone": [zone_of.get(one) for one in table["zone"]],
        "people": _whole(table["population"]) if "population" in table else None,
        "verdict": "".join(LETTER[one] for one in table["verdict"]),
        "passed": _whole(table["passed"]),
        "failed": _whole(table["failed"]),
        "x": x,
        "y": y,
        "area": rings,
    }


def _towns(facts: Facts, corner: FloatArray) -> dict[str, Any]:
    layer = facts.run.layers.get("towns")
    shapes = {} if layer is None else dict(zip(layer["town_id"], layer.geometry, strict=True))
    zones = facts.run.table("zones")
    return {
        "id": facts.towns,
        "border": [
            _rings(None if shapes.get(one) is None else shapely.simplify(shapes[one], AREA_TOLERANCE_M), corner)
            for one in facts.towns
        ],
        "zones": [{"zh": row["name_zh"] or row["zone"], "en": row["name_en"] or row["zone"]} for row in _rows(zones)],
    }


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return table.to_dict("records")  # type: ignore[return-value]


def _facilities(facts: Facts, corner: FloatArray, types: Sequence[str]) -> dict[str, Any]:
    layer = facts.run.layers.get("facilities")
    if layer is None or not len(layer):
        return {"id": [], "name": [], "type": [], "x": [], "y": []}
    number = {one: n for n, one in enumerate(types)}
    serving = facts.run.table("verdicts")["facility_id"]  # of a type without a requirement, that provides another
    shown = layer["type_id"].isin(number) | layer["facility_id"].isin(serving)
    layer = layer[shown & ~layer.geometry.isna()].sort_values("facility_id")
    x, y = _places(layer.geometry, corner)
    return {
        "id": layer["facility_id"].tolist(),
        "name": layer["name"].fillna("").tolist(),
        "type": [number.get(one, -1) for one in layer["type_id"]],
        "x": x,
        "y": y,
    }


def _circles(facts: Facts, corner: FloatArray) -> list[list[list[Any]]] | None:
    """Return for each committee its service circles: mode, seconds, rings; None where the run drew none."""
    layer = facts.run.layers.get("service_circles")
    if layer is None:
        return None
    shapes = _simplified(layer.geometry.to_numpy(), CIRCLE_TOLERANCE_M)
    of: dict[str, list[list[Any]]] = {}
    for committee, mode, seconds, shape in zip(
        layer["committee_id"], layer["mode"], layer["threshold_s"], shapes, strict=True
    ):
        of.setdefault(committee, []).append([mode, round(seconds), _rings(shape, corner)])
    return [of.get(one, []) for one in facts.committees["committee_id"]]


def _seconds(time_s: FloatArray, failed: BoolArray) -> list[float | None]:
    """Return times to the tenth, of a fail upwards and else downwards: none reads as on the other side of its limit."""
    tenths = np.where(failed, np.ceil(np.round(time_s * 10, 6)), np.floor(np.round(time_s * 10, 6))) / 10
    return [None if np.isnan(one) else int(one) if one == int(one) else one for one in tenths.tolist()]


def _held_against(values: pd.Series, others: pd.Series) -> list[float | None] | None:
    """Return values to the thousandth, whole where that would make them equal to others that they are not.

    None instead of a list where there are none: most requirements are of time alone.
    """
    if values.isna().all():
        return None
    pairs = zip(values.tolist(), others.tolist(), strict=True)
    return [
        None if np.isnan(one) else one if round(one, 3) == round(other, 3) and one != other else round(one, 3)
        for one, other in pairs
    ]


def _tenths_down(share: FloatArray) -> list[float | None]:
    """Return shares of 1 as percent, rounded down to a tenth; 0.57 × 1000 is 569.9…, and means 57.0."""
    tenths = np.floor(np.round(share * 1000, 6)) / 10
    return [None if np.isnan(one) else one for one in tenths.tolist()]


def _requirements(facts: Facts, facility_ids: list[str]) -> dict[str, Any]:
    """Return every requirement with its verdict, reason, time, nearest facility and people for each committee."""
    verdicts = facts.run.table("verdicts")
    ids = facts.committees["committee_id"].tolist()
    types = {one.id: n for n, one in enumerate(facts.types)}
    row_of = {one: n for n, one in enumerate(facility_ids)}
    reasons = sorted(verdicts["reason"].unique())
    reason_of = {one: n for n, one in enumerate(reasons)}
    found = []
    for name, rows in verdicts.groupby("requirement_id", sort=True):
        own = rows.set_index("committee_id").reindex(ids)
        limit_s = own["threshold_s"].to_numpy(dtype=np.float64)
        people, covered, unsure = (
            own[c].to_numpy(dtype=np.float64) for c in ("population", "population_covered", "population_unknown")
        )
        known = people - np.nan_to_num(unsure)
        share = np.divide(covered, known, out=np.full(len(own), np.nan), where=known > 0)
        type_id, kind, modes = str(own["type_id"].iloc[0]), str(own["requirement_kind"].iloc[0]), own["mode"]
        found.append(
            {
                "id": str(name),
                "type": types.get(type_id, -1),
                "types": type_id,
                "kind": kind,
                "headline": bool(own["headline"].iloc[0]),
                "decides": str(name) in facts.requirement_of.get(type_id, []),
                "verdict": "".join(LETTER[one] for one in own["verdict"]),
                "reason": [reason_of[one] for one in own["reason"]],
                "mode": modes.tolist() if len(set(modes)) > 1 else str(modes.iloc[0]),
                "limit": [None if np.isnan(one) else math.floor(one + 1e-6) for one in limit_s.tolist()],
                "time": _seconds(own["time_s"].to_numpy(dtype=np.float64), np.array(own["verdict"] == "fail")),
                "facility": [row_of.get(one) for one in own["facility_id"]],
                "covered": _tenths_down(share),
                "value": _held_against(own["value"], own["target"]),
                "target": _held_against(own["target"], own["value"]),
                "unit": next((one for one in own["unit"].dropna() if one), ""),
            }
        )
    book = load_dictionary()
    units = sorted({str(one["unit"]) for one in found} - {""})
    codes = {one: book.code(one) for one in (*reasons, *VERDICTS, *TRAVEL_MODES, *units)}
    return {
        "requirements": found,
        "reasons": reasons,
        "codes": {
            one: {"zh": entry.zh, "en": entry.en, "why_zh": entry.meaning_zh, "why_en": entry.meaning_en}
            for one, entry in codes.items()
        },
    }


def _gaps(facts: Facts, document: dict[str, Any]) -> list[list[Any]]:
    """Return the gaps as committee, requirement, people affected, facilities missing; each by its position."""
    gaps = facts.run.table("gaps")
    committee = {one: n for n, one in enumerate(document["committees"]["id"])}
    requirement = {one["id"]: n for n, one in enumerate(document["requirements"])}
    if not len(gaps):
        return []
    return [
        [committee[c], requirement[r], people, missing]
        for c, r, people, missing in zip(
            gaps["committee_id"],
            gaps["requirement_id"],
            _whole(gaps["population_affected"]),
            _whole(gaps["shortfall_count"]),
            strict=True,
        )
    ]


def _projects(facts: Facts, corner: FloatArray) -> list[dict[str, Any]] | None:
    """Return the ledger of a verification or plan; None for a detection."""
    layer = facts.projects
    if layer is None:
        return None
    x, y = _places(layer.geometry, corner)
    columns = ("project_id", "action", "type_id", "town_id", "means", "status", "department", "name", "facility_id")
    text = layer[list(columns)].fillna("")
    years = {name: _whole(pd.to_numeric(layer[name])) for name in ("plan_year", "start_year", "open_year")}
    numbers: dict[str, list[Any]] = {name: _whole(pd.to_numeric(layer[name])) for name in ("closes", "people", "units")}
    numbers["cost"] = [None if np.isnan(one) else round(one, 3) for one in pd.to_numeric(layer["cost"]).tolist()]
    applied = layer["applied"].astype(bool).tolist()
    others = years | numbers | {"x": x, "y": y, "applied": applied}
    return [row | {name: values[n] for name, values in others.items()} for n, row in enumerate(_rows(text))]


def _changes(facts: Facts, types: Sequence[str]) -> list[list[Any]] | None:
    """Return the items that a ledger changes, or that stay gaps: committee, type, what became of it, before, after."""
    table = facts.run.tables.get("changes")
    if table is None:
        return None
    committee = {one: n for n, one in enumerate(facts.committees["committee_id"])}
    number = {one: n for n, one in enumerate(types)}
    return [
        [committee[c], number[t], status, LETTER[before], LETTER[after]]
        for c, t, status, before, after in table[["committee_id", "type_id", "status", "before", "after"]].itertuples(
            index=False
        )
        if t in number
    ]
