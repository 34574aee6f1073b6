"""Pandana's hierarchy against SciPy's bounded searches: what each costs, and that both say the same."""

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from circle15.network.snap import snap_to_begin, snap_to_end
from circle15.network.travel import Engine, Pairs, Places, Router, nearest
from circle15.stages.run import Networks
from circle15.stages.travel import survey_modes
from circle15.stages.verdicts import judge_all
from setting import District, Questions, Watch, with_engine

Row = dict[str, Any]

ENGINES: tuple[Engine, ...] = ("pandana", "scipy")


def whole_stage(district: District) -> tuple[Row, dict[str, float]]:
    """Run the travel stage and the verdicts with both engines; return how they agree, and the seconds of each."""
    seconds, found = {}, {}
    agreement: Row = {}
    for engine in ENGINES:
        run = with_engine(district.run, engine)
        networks = Networks(district.networks, "benchmark")
        start = time.perf_counter()
        surveys = survey_modes(run, district.inputs, networks, district.book)
        seconds[engine] = time.perf_counter() - start
        verdicts = judge_all(run, district.inputs, surveys, district.book).verdicts
        found[engine] = verdicts.sort_values(["committee_id", "requirement_id"], ignore_index=True)
        for mode, one in surveys.items():
            agreement[f"{engine}: hierarchy of {mode}"] = "built" if "hierarchy" in vars(one.router) else "not built"
    one, other = (found[engine] for engine in ENGINES)
    exact = ["committee_id", "requirement_id", "verdict", "reason", "count_within"]
    differ = (one[exact].astype(str) != other[exact].astype(str)).any(axis=1)
    agreement |= {
        "verdicts": len(one),
        "verdicts that differ": int(differ.sum()),
        "largest difference in s": _apart(one["time_s"].to_numpy(float), other["time_s"].to_numpy(float)),
    }
    return agreement, seconds


def by_query(district: District) -> list[Row]:
    """Time each query alone, mode by mode, and hold the pairs of both engines against each other."""
    return [_one_mode(district, asked) for asked in district.questions]


def _one_mode(district: District, asked: Questions) -> Row:
    network, watch = district.networks[asked.mode], Watch()
    max_snap_m = district.run.config.network.max_snap_m
    with watch.on("snap"):
        origins = snap_to_begin(network, asked.committee_xy, max_snap_m)
        cells = snap_to_begin(network, asked.cell_xy, max_snap_m)
        places = {
            type_id: Places(snap_to_end(network, xy, max_snap_m), xy, facility)
            for type_id, (xy, facility) in asked.entrances.items()
        }
    limit_s = np.full(len(origins), asked.threshold_s)
    routers = {e: Router(network, origins, asked.committee_xy, limit_s, e) for e in ENGINES}
    with watch.on("hierarchy built"):
        _ = routers["pandana"].hierarchy
    with watch.on("ranges of committees"):
        _ = routers["scipy"].ranges
    pairs: dict[str, list[Pairs]] = {}
    for engine, router in routers.items():
        with watch.on("pairs by hierarchy" if engine == "pandana" else "pairs by ranges"):
            pairs[engine] = [router.pairs_within(one, limit_s, (asked.threshold_s,)) for one in places.values()]
    with watch.on("nearest for committees"):
        for one in places.values():
            nearest(network, origins, one, 3 * asked.threshold_s)
    with watch.on("nearest for cells"):
        for one in places.values():
            nearest(network, cells, one, 3 * asked.threshold_s)
    seconds = watch.seconds
    return {
        "mode": asked.mode,
        "nodes": network.nodes,
        "edges": len(network.u),
        **seconds,
        "by pandana": seconds["hierarchy built"] + seconds["pairs by hierarchy"],
        "by scipy": seconds["ranges of committees"] + seconds["pairs by ranges"],
        **_compare(pairs["pandana"], pairs["scipy"]),
        "unit_s": routers["pandana"].hierarchy.tick_s,
        "bound on error in s": routers["pandana"].hierarchy.error_s,
        "error in sample in s": routers["pandana"].hierarchy.sample_error_s,
    }


def _compare(one: list[Pairs], other: list[Pairs]) -> Row:
    """Return the number of pairs, how many only one engine has, and the largest difference in time."""
    lone, apart, total = 0, 0.0, 0
    for a, b in zip(one, other, strict=True):
        keys = [p.origin * (1 << 32) + p.facility for p in (a, b)]
        both, at_a, at_b = np.intersect1d(*keys, assume_unique=True, return_indices=True)
        total += len(b.origin)
        lone += len(a.origin) + len(b.origin) - 2 * len(both)
        apart = max(apart, float(np.abs(a.time_s[at_a] - b.time_s[at_b]).max(initial=0.0)))
    return {"pairs within": total, "pairs of one engine only": lone, "pairs apart by s": apart}


def _apart(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Return the largest difference; infinite where only one of the two has a time."""
    if (np.isnan(one) != np.isnan(other)).any():
        return float("inf")
    return float(np.nanmax(np.abs(one - other), initial=0.0))
