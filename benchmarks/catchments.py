"""Catchments at a district's size: every cell × facility pair in reach, and access by three methods against a peer."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from access import fca, weights

from circle15.assess.catchment import check_balance, two_step, weights_2sfca, weights_gaussian, weights_steps
from circle15.errors import Notes
from circle15.network.catchment import CatchmentPairs, catchment_pairs
from circle15.network.entrances import find_entrances
from circle15.network.snap import snap_to_begin, snap_to_end
from circle15.network.travel import Places
from circle15.stages.run import xy_of
from circle15.units import FloatArray
from setting import District

LIMIT_S = 900.0
STEPS = ((5.0, 1.0), (10.0, 0.68), (15.0, 0.22))
TYPES = (
    "kindergarten", "elderly_care_institution", "elderly_service_center", "elderly_day_care_center", "elderly_canteen",
    "affordable_nursery", "community_health_station", "community_park",
)  # fmt: skip
"""What has a capacity or a floor area: some 2,000 facilities; the parks have many entrances each."""

Weigh = Callable[[FloatArray], FloatArray]
METHODS: dict[str, tuple[Weigh, Callable[[float], float] | None]] = {
    "2sfca": (lambda t: weights_2sfca(t, LIMIT_S), None),
    "e2sfca": (lambda t: weights_steps(t, STEPS), weights.step_fn({60 * m: w for m, w in STEPS})),
    "gaussian": (
        lambda t: weights_gaussian(t, LIMIT_S),
        lambda t: (np.exp(-((t / LIMIT_S) ** 2) / 2) - np.exp(-0.5)) / (1 - np.exp(-0.5)),
    ),
}
"""Our weights, and the function that the package access is handed."""


def measure(loaded: District, seed: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the cost of the pairs by mode, and of the methods on foot with their difference from the peer."""
    assert loaded.inputs.cells is not None
    cell_xy, table = xy_of(loaded.inputs.cells), loaded.inputs.facilities.table
    geometry = table.geometry.to_numpy()[table["type_id"].isin(TYPES).to_numpy()]
    max_snap_m = loaded.run.config.network.max_snap_m
    rows, found = [], {}
    for mode, network in loaded.networks.items():
        xy, facility = find_entrances(network, geometry, max_snap_m, Notes())
        cells = snap_to_begin(network, cell_xy, max_snap_m)
        places = Places(snap_to_end(network, xy, max_snap_m), xy, facility)
        start = time.perf_counter()
        found[mode] = catchment_pairs(network, cells, places, LIMIT_S)
        seconds = time.perf_counter() - start
        sizes = {"nodes": network.nodes, "cells": len(cell_xy), "facilities": len(geometry), "entrances": len(xy)}
        rows.append({"mode": mode, **sizes, "pairs": len(found[mode].cell), "seconds": seconds})
    people = np.asarray(loaded.inputs.persons, dtype=np.float64)
    supply = np.random.default_rng(seed).integers(10, 500, len(geometry)).astype(np.float64)
    return rows, [_method(name, found["walk"], people, supply) for name in METHODS]


def _method(name: str, pairs: CatchmentPairs, people: FloatArray, supply: FloatArray) -> dict[str, Any]:
    weigh, peer = METHODS[name]
    start = time.perf_counter()
    mine = two_step(pairs.cell, pairs.facility, weigh(pairs.time_s), people, supply)
    middle = time.perf_counter()
    demand = pd.DataFrame({"geoid": np.arange(len(people)), "people": people})
    offered = pd.DataFrame({"supply": supply}, index=pd.Index(np.arange(len(supply)), name="geoid"))
    cost = pd.DataFrame({"origin": pairs.cell, "dest": pairs.facility, "cost": pairs.time_s})
    other = fca.two_stage_fca(
        demand, offered, cost, LIMIT_S, demand_name="people", supply_name="supply", weight_fn=peer
    )
    theirs = other.reindex(np.arange(len(people)), fill_value=0.0).to_numpy()
    return {
        "method": name,
        "seconds": middle - start,
        "peer_seconds": time.perf_counter() - middle,
        "largest_access": float(mine.access.max()),
        "largest_difference": float(np.abs(mine.access - theirs).max()),
        "balance_off": check_balance(mine, people),
    }
