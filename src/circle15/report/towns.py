"""One town's page (一街镇一策), ready to print: its rates, gaps, projects, types and committees; no script."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import shapely

from circle15.network.survey import SEARCH_FACTOR
from circle15.outputs.dictionary import Lang
from circle15.report.embedded import AREA_TOLERANCE_M
from circle15.report.facts import ITEM_COUNTS, Facts
from circle15.report.page import both, changes_lead, common, label_of, records, starts_in, subject_label, template, text
from circle15.report.scale import length_text, round_length
from circle15.tables import TOO_FAR, VERDICTS
from circle15.units import SECONDS_PER_MINUTE

MAP_UNITS = 1000.0
"""Longer side of a town's drawing, in the units of its own."""
SCALE_UNITS = 60.0
"""Height of what stands below it: the bar of its scale."""


def town_html(facts: Facts, town: str, lang: Lang, back: str) -> str:
    """Return the page of one town.

    Parameters
    ----------
    town : str
        Its id.
    lang : {"zh", "en"}
        The language that it shows.
    back : str
        Name of the district's page, two folders up.
    """
    run = facts.run
    committees = facts.committees[facts.committees["town_id"] == town]
    projects, cost = None, math.nan
    if "projects" in run.layers:
        projects = _projects(facts, town)
        cost = sum(row["cost"] for row in projects if not math.isnan(row["cost"]))
    return template("town.html.j2").render(
        **common(facts, lang),
        town=town,
        back=back,
        rates=_rates(facts, town),
        drawing=_drawing(facts, committees),
        verdicts=VERDICTS,
        gaps=_gaps(facts, town),
        projects=projects,
        cost=cost,
        changes=changes_lead(facts, town),
        requirements=_requirements(facts, town),
        types=_types(facts, town),
        committees=[{"population": None} | row for row in records(committees.drop(columns="geometry"))],
    )


def _rates(facts: Facts, town: str) -> list[dict[str, Any]]:
    """Return the town's rates; of a ledger before it and after each year's projects."""
    effects = facts.run.table("effects")
    if not len(effects):
        own = facts.run.table("towns")
        return [row | {"label": town} for row in records(own[own["town_id"] == town])]
    own = effects[(effects["by"] == "town") & (effects["key"] == town)]
    rows = records(own)
    for row in rows:
        year = "" if pd.isna(row["year"]) else f" {row['year']:.0f}"
        row["label"] = text(str(row["state"])) + year
    return rows


def _requirements(facts: Facts, town: str) -> list[dict[str, Any]]:
    """Return what is asked of the town as a whole."""
    table, labels = facts.run.table("requirements"), _type_labels(facts)
    if not len(table):
        return []
    own = table[(table["scope"] == "town") & (table["scope_id"] == town) & (table["requirement_kind"] != "reach")]
    return [row | {"label": subject_label(row["subject"], labels)} for row in records(own)]


def _type_labels(facts: Facts) -> dict[str, Any]:
    return {one.id: label_of(one) for one in facts.types}


def _gaps(facts: Facts, town: str) -> list[dict[str, Any]]:
    gaps, labels = facts.run.table("gaps"), _type_labels(facts)
    own = gaps[gaps["town_id"] == town] if len(gaps) else gaps
    name_of = dict(zip(facts.committees["committee_id"], facts.committees["name"], strict=True))
    changes = facts.run.table("changes")
    became = {(row["committee_id"], row["type_id"]): row["status"] for row in records(changes)}
    facility = facts.facility_names
    return [
        {
            **row,
            "committee": name_of.get(row["committee_id"]) or row["committee_id"],
            "label": labels.get(row["type_id"], row["type_id"]),
            "change": became.get((row["committee_id"], row["type_id"]), ""),
            "nearest": facility.get(row["facility_id"], row["facility_id"]),
            "time": _time(row),
            "limit": clock(row["threshold_s"], up=False),
        }
        for row in records(own)
    ]


def _time(gap: Mapping[str, Any]) -> str:
    """Return the time to the nearest; of one that was looked for in vain, where the search ended."""
    if math.isnan(gap["time_s"]) and gap["reason"] == TOO_FAR:
        return f"> {clock(SEARCH_FACTOR * gap['threshold_s'], up=False)}"
    return clock(gap["time_s"], up=True)


def clock(seconds: float, *, up: bool) -> str:
    """Return seconds as minutes:seconds, rounded up for a fail: none may seem to be within."""
    if math.isnan(seconds):
        return "–"
    whole = math.ceil(seconds - 1e-9) if up else math.floor(seconds + 1e-9)
    return f"{whole // int(SECONDS_PER_MINUTE)}:{whole % int(SECONDS_PER_MINUTE):02d}"


def _projects(facts: Facts, town: str) -> list[dict[str, Any]]:
    table, labels = facts.run.table("projects"), _type_labels(facts)
    own = table[(table["town_id"] == town) & (table["marginal"] == "")]
    return [
        row | {"label": labels.get(row["type_id"], row["type_id"]), "starts": starts_in(row)} for row in records(own)
    ]


def _types(facts: Facts, town: str) -> list[dict[str, Any]]:
    here = (facts.committees["town_id"] == town).to_numpy()
    rows = []
    for one in facts.types:
        verdicts = facts.items[one.id].to_numpy()[here]
        counts = {column: int((verdicts == verdict).sum()) for verdict, column in ITEM_COUNTS.items()}
        judged = counts["passed"] + counts["failed"]
        share = counts["passed"] / judged if judged else math.nan
        note = "" if one.id in facts.headline else text("not_headline")
        rows.append({**counts, "label": both(one.zh, one.en), "note": note, "item_rate": share})
    return rows


def _drawing(facts: Facts, committees: pd.DataFrame) -> dict[str, Any] | None:
    """Return the town's committees as paths of an SVG, north up; points where a committee has no area.

    Each has its number in the list of committees, and there is a bar of a round number of metres.
    """
    areas = facts.run.layers.get("committee_areas")
    shape_of = {} if areas is None else dict(zip(areas["committee_id"], areas.geometry, strict=True))
    shapes = [shape_of.get(one) for one in committees["committee_id"]]
    geometry = np.array(
        [a if a is not None else p for a, p in zip(shapes, committees.geometry, strict=True)], dtype=object
    )
    placed = ~shapely.is_missing(geometry)
    if not placed.any():
        return None
    west, south, east, north = shapely.total_bounds(geometry[placed])
    size = max(east - west, north - south, 1.0)
    pad, scale = 0.04 * size, MAP_UNITS / (1.08 * size)

    def at(x: float, y: float) -> tuple[float, float]:
        return round((x - west + pad) * scale, 1), round((north + pad - y) * scale, 1)

    drawn: dict[str, list[dict[str, Any]]] = {"shapes": [], "points": []}
    names = committees["name"].where(committees["name"] != "", committees["committee_id"])
    for number, (shape, verdict, name) in enumerate(zip(geometry, committees["verdict"], names, strict=True), 1):
        if shape is None:
            continue
        inside = shapely.point_on_surface(shape)
        x, y = at(inside.x, inside.y)
        own = {"verdict": verdict, "name": name, "number": number, "x": x, "y": y}
        if shape.geom_type == "Point":
            drawn["points"].append(own)
        else:
            drawn["shapes"].append({**own, "path": _path(shapely.simplify(shape, AREA_TOLERANCE_M), at)})
    wide, high = (round((span + 2 * pad) * scale, 1) for span in (east - west, north - south))
    metres = round_length(size / 4)
    bar = {"length": round(metres * scale, 1), "y": high, "label": length_text(metres)}
    return {**drawn, "box": f"0 0 {wide} {round(high + SCALE_UNITS, 1)}", "bar": bar, "line": 1.5, "dot": 9}


def _path(shape: shapely.Geometry, at: Any) -> str:
    parts = []
    for polygon in shapely.get_parts(shape):
        for ring in (polygon.exterior, *polygon.interiors):
            corners = [at(x, y) for x, y in shapely.get_coordinates(ring)[:-1]]
            parts.append("M" + " ".join(f"{x} {y}" for x, y in corners) + "Z")
    return "".join(parts)
