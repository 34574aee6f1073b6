"""A programme as tables: the ledger of suggestions, what becomes of every gap, the bill, and the alternatives."""

from collections.abc import Sequence

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd

from circle15 import tables
from circle15.plan.closing import Programme
from circle15.plan.covering import Coverage
from circle15.plan.reasons import duties, why_open
from circle15.stages.costs import Costs
from circle15.stages.run import Inputs, IntArray, Run
from circle15.stages.siting import Asked
from circle15.units import FloatArray

PROPOSED = "proposed"
"""Column of a candidate that circle15 proposed itself."""


def suggestion_table(
    run: Run, inputs: Inputs, asked: Asked, programme: Programme, costs: Costs, people: FloatArray
) -> gpd.GeoDataFrame:
    """Return the ledger of a programme: one project for each type on each site.

    Parameters
    ----------
    people : float64 array of shape (options,)
        Persons who come within reach of something that they lacked, by option; NaN without population.

    Returns
    -------
    GeoDataFrame
        Columns of `tables.PROJECTS`, then what a reader wants to know of each: ``earliest_year``, ``proposed``,
        ``closes``, ``decides``, ``people``, ``relative_cost``, ``site_cost``, ``runner_up``, ``runner_up_cost``. The
        fixed cost of a site is divided evenly among its projects, so that costs add up. Relative costs stand in a
        column of their own: read again as a ledger's they would be taken for money.
    """
    siting, candidates, chosen = asked.siting, asked.candidates, programme.chosen
    duty = duties(siting, chosen)
    row, site = duty.option, siting.option_site[duty.option]
    here, type_id = candidates.iloc[site], siting.option_type[duty.option]
    on_site = np.bincount(site, minlength=len(candidates))[site]
    zh = {one.id: one.zh for one in run.standard.types}
    ids = _project_ids(
        here["candidate_id"].to_numpy(dtype=object), type_id, set(inputs.facilities.table["facility_id"])
    )
    second = duty.runner_up
    names = siting.site_id[siting.option_site[np.maximum(second, 0)]] if len(siting.option_site) else np.array([])
    types = siting.option_type[np.maximum(second, 0)] if len(siting.option_site) else np.array([])
    own = here["name"].to_numpy(dtype=object)
    # to whole hundredths, and what is left to a site's first project: the shares add up to the site's cost
    share = np.floor(100.0 * siting.fixed_cost[site] / np.maximum(on_site, 1)) / 100.0
    first = np.flatnonzero(np.diff(site, prepend=-1))
    share[first] = siting.fixed_cost[site[first]] - share[first] * (on_site[first] - 1)
    return gpd.GeoDataFrame(
        {
            "project_id": ids,
            "action": "open",
            "facility_id": here["host_facility_id"].to_numpy(dtype=object),
            "town_id": here["town_id"].to_numpy(dtype=object),
            "type_id": type_id,
            "means": here["means"].to_numpy(dtype=object),
            "plan_year": np.nan,
            "start_year": np.nan,
            "open_year": np.nan,
            "status": "planned",
            "units": 1,
            "capacity": costs.capacity(type_id),
            "floor_area_m2": costs.floor_area_m2(type_id),
            "cost": np.nan if costs.relative else siting.option_cost[row] + share,
            "department": [departments_of(run, one) for one in type_id],
            "candidate_id": here["candidate_id"].to_numpy(dtype=object),
            "name": [f"{name} · {zh[one]}" if name else zh[one] for name, one in zip(own, type_id, strict=True)],
            "earliest_year": here["earliest_year"].to_numpy(dtype=np.float64),
            PROPOSED: here[PROPOSED].to_numpy(dtype=bool),
            "closes": duty.closes,
            "decides": duty.decides,
            "people": people[row],
            "relative_cost": siting.option_cost[row] + share if costs.relative else np.nan,
            "site_cost": siting.fixed_cost[site],
            "runner_up": np.where(second >= 0, [f"{n}/{t}" for n, t in zip(names, types, strict=True)], ""),
            "runner_up_cost": duty.runner_up_cost,
        },
        geometry=here.geometry.to_numpy(),
        crs=candidates.crs,
    )


def _project_ids(candidate: tables.TextArray, type_id: tables.TextArray, taken: set[str]) -> list[str]:
    """Return ``<candidate>/<type>``, with a number behind it where a facility is called so already."""
    ids = []
    for one, kind in zip(candidate, type_id, strict=True):
        name, number = f"{one}/{kind}", 2
        while name in taken:
            name, number = f"{one}/{kind}#{number}", number + 1
        ids.append(name)
    return ids


def departments_of(run: Run, type_id: str) -> str:
    """Return who answers for a type: its own departments, else its domain's."""
    (one,) = [t for t in run.standard.types if t.id == type_id]
    (domain,) = [d for d in run.standard.domains if d.id == one.domain]
    return "、".join(one.departments or domain.departments)


def people_by_option(coverage: Coverage, chosen: npt.NDArray[np.bool_]) -> FloatArray:
    """Return the persons who newly meet a requirement by a programme, and whom the option has a part in, by option.

    A person counts once for each requirement that they newly meet; one whom two options serve counts for both.
    """
    served = coverage.reach @ chosen.astype(np.float64) >= coverage.need
    people = coverage.reach.T @ np.where(served, coverage.weight, 0.0)
    return np.where(chosen, np.asarray(people).ravel(), 0.0)


def outcome_table(asked: Asked, programme: Programme, ids: dict[int, str], *, budget: bool) -> pd.DataFrame:
    """Return what becomes of every demand: closed by which projects, or open and why.

    Parameters
    ----------
    ids : dict of int to str
        Project id of each chosen option.
    budget : bool
        Whether a budget was spent.

    Returns
    -------
    DataFrame
        ``scope, scope_id, town_id, type_id, requirement_id, requirement_kind, headline, need, unit, status, reason,
        projects, sites_in_reach``; ``status`` is ``closed`` or ``open``.
    """
    siting, demands = asked.siting, asked.demands
    barred = demands["barred"].to_numpy(dtype=object)
    reason = why_open(siting, programme.chosen, asked.near, asked.elsewhere, barred, budget=budget)
    projects = []
    for row in range(len(demands)):
        at = slice(siting.gives.indptr[row], siting.gives.indptr[row + 1])
        options = siting.gives.indices[at][siting.gives.data[at] > 0]
        projects.append("|".join(ids[int(o)] for o in sorted(options) if programme.chosen[o]))
    columns = [
        "scope",
        "scope_id",
        "town_id",
        "type_id",
        "requirement_id",
        "requirement_kind",
        "headline",
        "need",
        "unit",
    ]
    return demands[columns].assign(
        status=np.where(reason == "", "closed", "open"), reason=reason, projects=projects, sites_in_reach=asked.near
    )


def bill_table(run: Run, suggestions: pd.DataFrame) -> pd.DataFrame:
    """Return what the programme costs: in all, by means, type and town.

    Returns
    -------
    DataFrame
        ``by, key, sites, projects, cost, closes``; ``closes`` adds up what each project has a part in, so a gap that
        two projects close together counts twice.
    """
    parts = [_bill(suggestions, "all", pd.Series("", index=suggestions.index), [""])]
    orders = {
        "means": list(tables.MEANS),
        "type_id": [one.id for one in run.standard.types],
        "town_id": sorted(suggestions["town_id"].unique()),
    }
    parts += [_bill(suggestions, name.removesuffix("_id"), suggestions[name], order) for name, order in orders.items()]
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


def _bill(suggestions: pd.DataFrame, by: str, key: pd.Series, order: Sequence[str]) -> pd.DataFrame:
    rows = [
        {
            "by": by,
            "key": one,
            "sites": int(part["candidate_id"].nunique()),
            "projects": len(part),
            "cost": float(part["cost"].fillna(part["relative_cost"]).sum()),
            "closes": int(part["closes"].sum()),
        }
        for one in order
        if len(part := suggestions[key == one]) or by == "all"
    ]
    return pd.DataFrame(rows, columns=["by", "key", "sites", "projects", "cost", "closes"])


def programme_table(asked: Asked, programmes: Sequence[Programme], people: Sequence[float]) -> pd.DataFrame:
    """Return one row a programme, the suggested one first, and how far the others differ from it.

    Parameters
    ----------
    people : sequence of float
        Persons × requirements who are newly within reach, by programme.
    """
    siting = asked.siting
    first = siting.sites_of(programmes[0].chosen)
    rows = []
    for number, (one, served) in enumerate(zip(programmes, people, strict=True), start=1):
        sites = siting.sites_of(one.chosen)
        rows.append(
            {
                "programme": number,
                "sites": int(sites.sum()),
                "projects": int(one.chosen.sum()),
                "cost": siting.cost(one.chosen),
                "closed": int(one.closed.sum()),
                "open": int((~one.closed).sum()),
                "people": served,
                "sites_of_the_first": int((sites & first).sum()),
                "sites_not_in_the_first": int((sites & ~first).sum()),
                "complete": one.complete,
            }
        )
    return pd.DataFrame(rows)


def candidate_table(asked: Asked, chosen: IntArray, costs: Costs) -> gpd.GeoDataFrame:
    """Return every candidate with the number of demands that it could serve, and whether it was chosen.

    Relative costs are left out: read again as a table of candidates they would be taken for money.
    """
    siting = asked.siting
    demand, option = siting.gives.nonzero()
    pairs = pd.DataFrame({"site": siting.option_site[option], "demand": demand}).drop_duplicates()
    serves = np.bincount(pairs["site"].to_numpy(), minlength=len(siting.site_id))
    used = np.zeros(len(siting.site_id), dtype=bool)
    used[chosen] = True
    fixed = np.full(len(used), np.nan) if costs.relative else siting.fixed_cost
    return asked.candidates.assign(fixed_cost=fixed, serves=serves, chosen=used)
