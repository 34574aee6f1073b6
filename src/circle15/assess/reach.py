"""Reach: whether enough facilities of the type lie within the threshold of the committee.

The verdict of method 1 of the plan: ``c_ik = 1 if min_j t_ij <= T_k else 0``, the threshold inclusive.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from circle15 import tables
from circle15.standard.resolve import Rules
from circle15.units import FloatArray, within

BoolArray = npt.NDArray[np.bool_]
TextArray = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Access:
    """What the network says about one requirement; arrays of shape (committees,).

    Attributes
    ----------
    on_network : bool array
        Whether the committee lies near enough to the network of its mode.
    time_s, distance_m : float64 arrays
        To the nearest facility, NaN where none was reached within the search limit.
    facility : int64 array
        Row of the nearest facility, -1 where none was reached.
    count_within : int64 array
        Facilities within the threshold.
    any_path : bool array
        Whether any path leads to a facility, however long.
    lost_nearby : bool array
        Whether a facility that is off the network lies within the threshold by straight line.
    """

    on_network: BoolArray
    time_s: FloatArray
    distance_m: FloatArray
    facility: npt.NDArray[np.int64]
    count_within: npt.NDArray[np.int64]
    any_path: BoolArray
    lost_nearby: BoolArray


def judge(rules: Rules, access: Access, covered: bool, exists: bool) -> tuple[TextArray, TextArray]:
    """Return each committee's verdict and reason under one reach requirement.

    Parameters
    ----------
    rules : Rules
        Mode and threshold of each committee, or why none applies.
    access : Access
        What the network says.
    covered : bool
        Whether a source claims to know every facility of the type.
    exists : bool
        Whether any facility serves the type.

    Returns
    -------
    verdict, reason : object arrays of str, shape (committees,)
        Values of `tables.VERDICTS` and keys of `tables.REASONS`.

    Notes
    -----
    Conditions are tried in this order; the first that holds decides. Without a source that covers the type nobody
    passes, even beside a facility that happens to be known: a rate of passes and unknowns would always be 100 %.
    """
    applies = rules.reason == ""
    some = within(access.time_s, np.where(applies, rules.threshold_s, -1.0))
    conditions: list[tuple[BoolArray, str, str]] = [
        (rules.reason == tables.NO_ZONE, "exempt", tables.NO_ZONE),
        (rules.reason == tables.CONDITION_UNKNOWN, "unknown", tables.CONDITION_UNKNOWN),
        (~applies, "exempt", tables.NOT_REQUIRED),
        (~access.on_network, "unknown", tables.OFF_NETWORK),
        (np.full(len(applies), not covered), "unknown", tables.NO_FACILITY_DATA),
        (access.count_within >= rules.min_count, "pass", tables.WITHIN),
        (np.full(len(applies), not exists), "fail", tables.NONE_EXISTS),
        (access.lost_nearby, "unknown", tables.FACILITY_OFF_NETWORK),
        (some, "fail", tables.TOO_FEW),
        (access.any_path, "fail", tables.TOO_FAR),
    ]
    chosen = [c[0] for c in conditions]
    verdict = np.select(chosen, [c[1] for c in conditions], default="fail").astype(object)
    reason = np.select(chosen, [c[2] for c in conditions], default=tables.NONE_REACHABLE).astype(object)
    return verdict, reason


def disc_leaves(extent: shapely.Geometry, xy: FloatArray, radius_m: FloatArray) -> BoolArray:
    """Return which discs around the points reach beyond an area.

    Parameters
    ----------
    extent : shapely geometry
        The area that is known; a point or a line has no inside, so every disc leaves it.
    xy : float64 array of shape (points, 2)
        Centres in metres.
    radius_m : float64 array of shape (points,)
        Radii in metres; a disc that just touches the boundary from inside doesn't leave. NaN never leaves.
    """
    asked = np.isfinite(radius_m)
    if shapely.area(extent) == 0:
        return asked
    points = shapely.points(xy)
    shapely.prepare(extent)
    inside = shapely.contains(extent, points)
    to_edge = shapely.distance(shapely.boundary(extent), points)
    return np.asarray(asked & (~inside | (to_edge < np.where(asked, radius_m, 0.0))))
