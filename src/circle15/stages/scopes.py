"""Stage 4b: what is asked of towns and the district, and the dated targets."""

import dataclasses

import numpy as np
import numpy.typing as npt
import pandas as pd

from circle15.assess.scopes import (
    CHECK_COLUMNS,
    ROW_COLUMNS,
    Adjacent,
    Areas,
    Stock,
    adjacency_rows,
    presence_rows,
    provision_rows,
    quality_rows,
    summary_row,
    total_rows,
)
from circle15.network.adjacency import nearest_places, straight_m
from circle15.network.snap import as_beginnings
from circle15.stages.run import Inputs, Networks, Run
from circle15.stages.travel import ModeSurvey, lost_facilities, near_any, places_by, renumber
from circle15.standard.requirements import Adjacency, Presence, Provision, Quality, Total
from circle15.standard.resolve import serving_any
from circle15.units import travel_time_s

IntArray = npt.NDArray[np.int64]

LOOK_FURTHER = 10.0
"""A neighbour is looked for up to this many times the distance, so that a fail says how far the nearest is."""


def judge_scopes(
    run: Run, inputs: Inputs, networks: Networks, surveys: dict[str, ModeSurvey]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Judge every requirement of towns and the district.

    Returns
    -------
    rows, checks : DataFrame
        One row a requirement and area (`assess.scopes.ROW_COLUMNS`), and one a requirement and facility where each
        facility has a verdict of its own (`CHECK_COLUMNS`).
    """
    stock = Stock(
        run.standard, inputs.facilities.table, inputs.facilities.covered, inputs.facility_town, run.config.run.as_of
    )
    areas = {scope: _areas(inputs, scope) for scope in ("town", "district")}
    rows, checks = [pd.DataFrame(columns=list(ROW_COLUMNS))], [pd.DataFrame(columns=list(CHECK_COLUMNS))]
    for one in run.standard.requirements:
        if one.scope == "committee":
            continue
        own = areas[one.scope]
        match one:
            case Provision():
                found = provision_rows(one, stock, own)
            case Presence():
                found = presence_rows(one, stock, own)
            case Total():
                found = total_rows(one, stock, own)
            case Quality():
                found, each = quality_rows(one, stock, own)
                checks.append(each)
            case Adjacency():
                near = _adjacent(run, inputs, networks, surveys, one)
                found, each = adjacency_rows(one, stock, own, near)
                checks.append(each)
        rows.append(found)
        if one.scope == "town":
            rows.append(summary_row(found))
    return _joined(rows), _joined(checks)


def _joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else frames[0]


def _areas(inputs: Inputs, scope: str) -> Areas:
    """Return the towns, or the district: with the facilities and the people that lie in them."""
    towns = sorted(inputs.committees["town_id"].unique())
    row_of = {town: row for row, town in enumerate(towns)}
    facility = np.array([row_of.get(town, -1) for town in inputs.facility_town], dtype=np.int64)
    town_of_committee = np.array([row_of[town] for town in inputs.committees["town_id"]], dtype=np.int64)
    people = {
        group: np.bincount(town_of_committee, weights=persons, minlength=len(towns)).astype(np.float64)
        for group, persons in inputs.population.items()
    }
    if scope == "town":
        return Areas("town", tuple(towns), facility, people)
    whole = {group: np.array([persons.sum()]) for group, persons in people.items()}
    return Areas("district", ("",), np.where(facility >= 0, 0, -1), whole)


def _adjacent(run: Run, inputs: Inputs, networks: Networks, surveys: dict[str, ModeSurvey], one: Adjacency) -> Adjacent:
    """Measure how far each facility of one kind is from the nearest of the other, along the streets and straight."""
    table = inputs.facilities.table
    from_row, to_row = (
        np.flatnonzero(table["type_id"].isin(serving_any(run.standard, types)).to_numpy())
        for types in (one.types, one.to_types)
    )
    network = networks.of[one.mode]
    places = places_by(run, inputs, networks, surveys, one.mode)
    shapes = table.geometry.to_numpy()
    own, others = (renumber(places, rows, len(table)) for rows in (from_row, to_row))
    begins = as_beginnings(network, own.xy, own.snapped, run.config.network.max_snap_m)
    own = dataclasses.replace(own, snapped=begins)
    limit_s = float(travel_time_s(one.metres * LOOK_FURTHER, network.access_kmh))
    found = nearest_places(network, own, others, limit_s)
    distance, other = np.full(len(from_row), np.nan), np.full(len(from_row), -1, dtype=np.int64)
    distance[found.origin] = found.distance_m
    other[found.origin] = np.append(to_row, -1)[found.facility]
    lost = lost_facilities(network, places, len(table))
    near_lost = near_any(inputs, np.intersect1d(lost, to_row), shapes[from_row], one.metres)
    return Adjacent(
        row=from_row,
        distance_m=distance,
        straight_m=straight_m(shapes[from_row], shapes[to_row]),
        other=other,
        unknown=np.isin(from_row, lost) | near_lost,
    )
