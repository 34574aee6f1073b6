"""What sites and types cost, need and offer: the candidates' table, else the configuration, else relative figures.

Figures of the two kinds never mix: relative costs stand for money only where no money is named anywhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd

from circle15.errors import InputError, Problem
from circle15.inputs.formats import nearest
from circle15.stages.run import IntArray, Run
from circle15.standard.resolve import serving_types
from circle15.tables import MEANS
from circle15.units import FloatArray

TextArray = npt.NDArray[np.object_]

RELATIVE = dict(zip(MEANS, (1.0, 2.0, 4.0), strict=True))
"""Where nobody names money, by means: the fixed cost of a site, and by what the cost of a type is multiplied, which is
1 for itself and 1 for every type that it provides. So reuse comes before compound before new: our reading of the plan's
order 盘活存量、复合利用、规划完善."""


@dataclass(frozen=True)
class Costs:
    """Figures of sites and types.

    Attributes
    ----------
    fixed, room_m2 : float64 arrays of shape (sites,)
        Fixed cost; floor area, infinite where it isn't limited.
    relative : bool
        Whether costs are circle15's relative figures and no money.
    by_site : dict of str to float64 array of shape (sites,)
        Cost of a type on each site, by type; NaN where the table doesn't say.
    any_type : float64 array of shape (sites,)
        Cost of any type on each site; NaN likewise.
    by_type : dict of str to float
        Cost of a type where the table doesn't say.
    factor : float64 array of shape (sites,)
        By what `by_type` is multiplied on each site: 1 for money.
    area, capacities : dict of str to float
        Floor area in m² and capacity of a new facility, by type.
    """

    fixed: FloatArray
    room_m2: FloatArray
    relative: bool
    by_site: dict[str, FloatArray]
    any_type: FloatArray
    by_type: dict[str, float]
    factor: FloatArray
    area: dict[str, float] = field(default_factory=dict)
    capacities: dict[str, float] = field(default_factory=dict)

    def of(self, site: IntArray, type_id: TextArray) -> FloatArray:
        """Return the cost of each option beside its site's fixed cost; NaN where nobody says."""
        cost = self.any_type[site]
        for name in np.unique(type_id.astype(str)):
            mine = type_id == name
            own = self.by_site.get(name, np.full(len(self.fixed), np.nan))[site[mine]]
            found = np.where(np.isnan(own), cost[mine], own)
            cost[mine] = np.where(np.isnan(found), self.by_type.get(name, np.nan) * self.factor[site[mine]], found)
        return cost

    def area_m2(self, type_id: TextArray) -> FloatArray:
        """Return the floor area that each option takes on its site; 0 where nobody says how much."""
        return np.nan_to_num(self.floor_area_m2(type_id))

    def floor_area_m2(self, type_id: TextArray) -> FloatArray:
        """Return the floor area of a new facility of each type; NaN where nobody says."""
        return np.array([self.area.get(t, np.nan) for t in type_id], dtype=np.float64)

    def capacity(self, type_id: TextArray) -> FloatArray:
        """Return the capacity of a new facility of each type; NaN where nobody says."""
        return np.array([self.capacities.get(t, np.nan) for t in type_id], dtype=np.float64)


def find_costs(run: Run, candidates: gpd.GeoDataFrame, options: tuple[IntArray, npt.NDArray[np.object_]]) -> Costs:
    """Return what the sites and the types that they may take in cost.

    Parameters
    ----------
    candidates : GeoDataFrame
        Columns of `tables.CANDIDATES`, and ``cost_<type>`` where the table has them.
    options : (int64 array, object array of str)
        Site and type of each option.

    Raises
    ------
    InputError
        If money is named for some sites or types and not for others.
    """
    suggest = run.config.suggest
    fixed = candidates["fixed_cost"].to_numpy(dtype=np.float64)
    any_type = candidates["cost"].to_numpy(dtype=np.float64)
    by_site = {
        str(name).removeprefix("cost_"): pd.to_numeric(candidates[name]).to_numpy(dtype=np.float64)
        for name in candidates.columns
        if str(name).startswith("cost_")
    }
    given = dict(suggest.types)
    money = bool(suggest.fixed_cost) or any(one.cost is not None for one in given.values())
    money |= bool(np.isfinite(fixed).any() or np.isfinite(any_type).any())
    money |= any(np.isfinite(of).any() for of in by_site.values())
    means = candidates["means"].to_numpy(dtype=object)
    default = dict(suggest.fixed_cost) if money else RELATIVE
    fixed = np.where(np.isnan(fixed), [default.get(one, np.nan) for one in means], fixed)
    by_type = {name: one.cost for name, one in given.items() if one.cost is not None}
    if not money:
        by_type = {t: float(_served(run, t)) for t in (one.id for one in run.standard.types)}
        text = (
            "no costs are named: a site costs 1 (reuse), 2 (compound) or 4 (new), and so does a type there, times 1 "
            "and 1 more for each that it provides; these figures only rank programmes and are no money"
        )
        run.notes.add("suggest.relative_costs", len(candidates), text)
    room = candidates["floor_area_m2"].to_numpy(dtype=np.float64)
    area = {name: one.floor_area_m2 for name, one in given.items() if one.floor_area_m2 is not None}
    found = Costs(
        fixed,
        np.where(np.isnan(room), np.inf, room),
        not money,
        by_site,
        any_type,
        by_type,
        np.ones(len(candidates)) if money else fixed,
        area,
        {name: one.capacity for name, one in given.items() if one.capacity is not None},
    )
    _refuse_half(run, candidates, found, options)
    types = sorted(set(options[1]))
    unmeasured = [t for t in types if t not in area]
    if np.isfinite(room).any() and unmeasured:
        text = (
            f"{len(unmeasured)} types have no floor_area_m2 in [suggest.types], so sites have room for any number of "
            f"them: {', '.join(unmeasured)}"
        )
        run.notes.add("suggest.no_floor_area", len(unmeasured), text, unmeasured)
    return found


def _refuse_half(
    run: Run, candidates: gpd.GeoDataFrame, costs: Costs, options: tuple[IntArray, npt.NDArray[np.object_]]
) -> None:
    """Refuse to set money against nothing: a cost that is missing would be the cheapest of all."""
    ids, problems = candidates["candidate_id"], []
    where = run.config.candidates.source if run.config.candidates else str(run.config.path)
    missing = np.isnan(costs.fixed)
    if missing.any():
        what, remedy = (
            '"fixed_cost" is missing where other costs are named',
            "Fill it in, or give suggest.fixed_cost by means.",
        )
        problems.append(Problem(what, where, tuple(ids[missing]), remedy))
    site, type_id = options
    gone = np.isnan(costs.of(site, type_id))
    for name in sorted(set(type_id[gone])):
        what = f"the cost of {name} is missing where other costs are named"
        remedy = f'Fill in "cost" or "cost_{name}", or give suggest.types.{name}.cost.'
        problems.append(Problem(what, where, tuple(ids.iloc[site[gone & (type_id == name)]]), remedy))
    if problems:
        raise InputError(*problems)


def _served(run: Run, type_id: str) -> int:
    """Return how many types a facility of a type serves: itself, and all that it provides."""
    return sum(type_id in serving_types(run.standard, one.id) for one in run.standard.types)


def unknown_names(run: Run) -> list[Problem]:
    """Return the names in ``[suggest]`` that the standard does not have, each with the nearest one that it has."""
    standard, suggest = run.standard, run.config.suggest
    asked: tuple[tuple[str, Iterable[str], list[str]], ...] = (
        ("suggest.types", suggest.types, [t.id for t in standard.types]),
        ("suggest.also", suggest.also, [one.id for one in standard.requirements]),
        ("suggest.weights.zones", suggest.weights.zones, [one.id for one in standard.zones]),
    )
    where = str(run.config.path)
    return [
        Problem(f'{key} names "{name}", which the standard does not have', where, (), nearest(name, names))
        for key, given, names in asked
        for name in given
        if name not in names
    ]
