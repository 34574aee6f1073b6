"""Stage 5: what is drawn, and what `run.json` tells of the run."""

import functools
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely

from circle15 import tables
from circle15.assess.coverage import ASSIGNED, OFF_NETWORK, OUTSIDE
from circle15.network.travel import Router, find_ranges
from circle15.stages.run import Inputs, Run
from circle15.stages.travel import ModeSurvey
from circle15.standard.resolve import zone_modes
from circle15.units import FloatArray, minutes_to_s

IntArray = npt.NDArray[np.int64]


def draw(run: Run, inputs: Inputs, surveys: dict[str, ModeSurvey]) -> gpd.GeoDataFrame:
    """Draw each committee's circle by its zone's mode; a committee without a zone has none."""
    committees, n = inputs.committees, len(inputs.committees)
    by_zone = zone_modes(run.standard, committees["zone"].to_numpy(), committees["kind"].to_numpy())
    limit = minutes_to_s(run.standard.service_circle.minutes)
    shape, mode_of = np.full(n, None, dtype=object), np.full(n, "", dtype=object)
    for mode, one in surveys.items():
        mine = by_zone == mode
        if not mine.any():
            continue
        limit_s = np.where(mine, limit, np.nan)
        drawn = run.kept(functools.partial(_draw_mode, one.router, limit_s), "circles", one.key, limit_s)
        shape[mine], mode_of[mine] = drawn[mine], mode
    has = np.array([geometry is not None for geometry in shape], dtype=bool)
    return gpd.GeoDataFrame(
        {
            "committee_id": committees["committee_id"].to_numpy()[has],
            "mode": mode_of[has],
            "threshold_s": limit,
            "area_m2": shapely.area(shape[has]),
        },
        geometry=shape[has],
        crs=inputs.crs,
    )


def _draw_mode(router: Router, limit_s: FloatArray, _: object) -> npt.NDArray[np.object_]:
    """Draw from the ranges that the router has made already, where they go far enough."""
    from circle15.network.circles import draw_circles  # noqa: PLC0415 - brings rasterio and SciPy's images

    enough = "ranges" in router.__dict__ and not (router.limit_s < limit_s).any()
    ranges = router.ranges if enough else find_ranges(router.network, router.origins, limit_s)
    return draw_circles(router.network, ranges, router.origins, router.xy, limit_s)


def counts(inputs: Inputs, results: tables.Results) -> dict[str, int]:
    """Return how many there are of everything."""
    return {
        "committees": len(inputs.committees),
        "facilities": len(inputs.facilities.table),
        "cells": 0 if inputs.cells is None else len(inputs.cells),
        "verdicts": len(results.verdicts),
        "gaps": len(results.gaps),
        "circles": len(results.circles),
        **{f"verdicts_{v}": int((results.verdicts.verdict == v).sum()) for v in tables.VERDICTS},
    }


def balance(inputs: Inputs) -> dict[str, float]:
    """Return the people by what became of them; the parts add up to the total."""
    if inputs.cells is None:
        return {}
    parts = {name: float(inputs.persons[inputs.cell_status == name].sum()) for name in (ASSIGNED, OUTSIDE, OFF_NETWORK)}
    return {"total": float(inputs.persons.sum()), **parts}


def engine_figures(surveys: dict[str, ModeSurvey]) -> dict[str, Any]:
    """Return the size of each mode's network, and how far its two searches were apart."""
    figures: dict[str, Any] = {}
    for mode, one in surveys.items():
        network = one.router.network
        figures[mode] = {
            "engine": one.router.engine,
            "nodes": network.nodes,
            "edges": len(network.u),
            "length_km": round(float(network.length_m.sum()) / 1000.0, 3),
            "disagreement_s": max(s.disagreement_s for pairs in one.surveys.values() for s, _ in pairs),
        }
    return figures
