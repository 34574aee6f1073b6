"""What is to be closed, by which sites: gaps and candidates → the arrays of `plan.problem` and `plan.covering`.

A candidate reaches a committee by the same search, the same threshold and the same rule as a facility does in a
detection, so that what is promised here is what a verification finds.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from circle15 import tables
from circle15.assess.assemble import Judged
from circle15.assess.supply import supply_of
from circle15.errors import ConfigError, Problem, counted, raise_if_any
from circle15.inputs.formats import nearest
from circle15.network.travel import Places
from circle15.plan.covering import Coverage, gather
from circle15.plan.problem import Siting
from circle15.stages.catchments import modes_of_cells, pair_weights
from circle15.stages.costs import Costs, unknown_names
from circle15.stages.run import Inputs, Networks, Run, xy_of
from circle15.stages.travel import ModeSurvey, all_pairs, lost_facilities, place_shapes, with_inside
from circle15.stages.verdicts import count_of_cells
from circle15.standard.model import Standard
from circle15.standard.requirements import Presence, Provision, Quality, Reach, Requirement, Total
from circle15.standard.resolve import serving_any
from circle15.units import FloatArray, minutes_to_s, within

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
TextArray = npt.NDArray[np.object_]

DEMAND_COLUMNS = (
    *("scope", "scope_id", "committee", "town_id", "type_id", "requirement_id", "requirement_kind", "headline"),
    *("need", "unit", "barred"),
)


Options = tuple[IntArray, TextArray]
"""Row of the site and type of each option, by site and then by type."""


@dataclass(frozen=True)
class SitePairs:
    """Candidate × committee within a limit by one mode; arrays of shape (pairs,)."""

    committee: IntArray
    site: IntArray
    time_s: FloatArray


@dataclass(frozen=True)
class Asked:
    """A siting problem with what its rows stand for.

    Attributes
    ----------
    siting : Siting
        The arrays; sites are the rows of `candidates`.
    demands : DataFrame
        One row a demand of the siting, `DEMAND_COLUMNS`; ``barred`` says why no site can close it, ``""`` if one may.
    candidates : GeoDataFrame
        Columns of `tables.CANDIDATES`.
    near : int64 array of shape (demands,)
        How many sites are in reach at all, whatever they may take in.
    elsewhere : bool array of shape (demands,)
        Whether another town's site may take in what is asked, and is in reach.
    """

    siting: Siting
    demands: pd.DataFrame
    candidates: gpd.GeoDataFrame
    near: IntArray
    elsewhere: BoolArray


def find_demands(
    run: Run, inputs: Inputs, judged: Sequence[Judged], scopes: pd.DataFrame, also: Sequence[str]
) -> pd.DataFrame:
    """Return everything that fails and is to be closed: gaps, and what `also` names.

    Parameters
    ----------
    judged : sequence of Judged
        Every requirement of committees, overrides included.
    scopes : DataFrame
        Requirements of towns and the district (`stages.scopes.judge_scopes`).
    also : sequence of str
        Ids of requirements that are to be closed beside the headline ones.

    Returns
    -------
    DataFrame
        `DEMAND_COLUMNS`, in the order of the standard's requirements and then of the committees or areas.
    """
    frames = [_of_committees(inputs, one) for one in judged if one.requirement.headline or one.requirement.id in also]
    of_areas = [one for one in run.standard.requirements if one.scope != "committee" and one.id in also]
    frames += [_of_areas(run, inputs, one, scopes) for one in of_areas]
    filled = [frame for frame in frames if len(frame)]
    if not filled:
        return pd.DataFrame(columns=list(DEMAND_COLUMNS))
    return pd.concat(filled, ignore_index=True)


def _of_committees(inputs: Inputs, one: Judged) -> pd.DataFrame:
    row = np.flatnonzero(one.verdict == "fail")
    if isinstance(one.requirement, Provision):
        assert one.value is not None
        need, unit = one.target - one.value[row], one.unit
    else:
        need, unit = (one.rules.min_count[row] - one.access.count_within[row]).astype(np.float64), "facilities"
    barred = np.full(len(row), "", dtype=object)
    if isinstance(one.requirement, Quality):
        barred[:] = tables.NEEDS_ATTRIBUTE
    barred[one.reason[row] == tables.OVERRIDDEN] = tables.OVERRIDDEN
    committees = inputs.committees.iloc[row]
    return pd.DataFrame(
        {
            "scope": "committee",
            "scope_id": committees["committee_id"].to_numpy(),
            "committee": row,
            "town_id": committees["town_id"].to_numpy(),
            "type_id": one.rules.type_id,
            "requirement_id": one.requirement.id,
            "requirement_kind": one.requirement.kind,
            "headline": one.requirement.headline,
            "need": np.maximum(need, np.where(barred == "", 0.0, 1.0)),
            "unit": unit,
            "barred": barred,
        }
    )


def _of_areas(run: Run, inputs: Inputs, one: Requirement, scopes: pd.DataFrame) -> pd.DataFrame:
    """Return what towns or the district lack by one requirement; what is due within the plan counts, too."""
    rows = scopes[(scopes["requirement_id"] == one.id) & (scopes["scope"] == one.scope)]
    due = (rows["reason"] == tables.NOT_DUE) & (rows["due"].fillna(0) <= run.config.plan_years[-1])
    rows = rows[(rows["verdict"] == "fail") | due]
    need = (rows["target"] - rows["value"]).to_numpy(dtype=np.float64)
    unit = "facilities"
    if isinstance(one, Provision):
        people = inputs.population[one.group]
        town = inputs.committees["town_id"].to_numpy()
        sums = {"": people.sum(), **{name: people[town == name].sum() for name in rows["scope_id"] if name}}
        need = need * np.array([sums[name] for name in rows["scope_id"]]) / one.per
    if isinstance(one, Provision | Total):
        unit = one.unit
    barred = "" if isinstance(one, Provision | Presence | Total) else tables.NEEDS_ATTRIBUTE
    return pd.DataFrame(
        {
            "scope": rows["scope"].to_numpy(),
            "scope_id": rows["scope_id"].to_numpy(),
            "committee": -1,
            "town_id": rows["scope_id"].to_numpy(),
            "type_id": rows["subject"].to_numpy(),
            "requirement_id": rows["requirement_id"].to_numpy(),
            "requirement_kind": rows["requirement_kind"].to_numpy(),
            "headline": False,
            "need": need,
            "unit": unit,
            "barred": barred,
        }
    )


@dataclass(frozen=True)
class Sites:
    """Candidates on the networks of every mode that is surveyed.

    Attributes
    ----------
    candidates : GeoDataFrame
        Columns of `tables.CANDIDATES`, ``town_id`` filled in.
    places : dict of str to Places
        By mode; ``facility`` is the candidate's row.
    """

    candidates: gpd.GeoDataFrame
    places: dict[str, Places]


def place_sites(run: Run, networks: Networks, candidates: gpd.GeoDataFrame) -> Sites:
    """Put candidates on the streets, and leave out (counted) those that no mode reaches."""
    geometry = candidates.geometry.to_numpy()
    lost = np.ones(len(candidates), dtype=bool)
    places = {}
    for mode in networks.of:
        own = place_shapes(run, networks, mode, geometry)
        if mode != "drive":  # a site that only cars reach serves nobody on foot
            gone = np.zeros(len(candidates), dtype=bool)
            gone[lost_facilities(networks.of[mode], own, len(candidates))] = True
            lost &= gone
        places[mode] = with_inside(run, networks, mode, own, geometry)
    ids = candidates["candidate_id"][lost]
    text = (
        f"{counted(int(lost.sum()), 'candidate lies', 'candidates lie')} more than "
        f"{run.config.network.max_snap_m:g} m from any street that one can board on foot or by bicycle, and can serve "
        "nobody"
    )
    run.notes.add("candidates.off_network", int(lost.sum()), text, ids)
    return Sites(candidates, places)


def build_siting(
    run: Run,
    inputs: Inputs,
    networks: Networks,
    surveys: dict[str, ModeSurvey],
    judged: Sequence[Judged],
    demands: pd.DataFrame,
    sites: Sites,
    costs: Costs,
    options: Options,
    *,
    by_town: bool,
) -> Asked:
    """Make the siting problem of demands and sites.

    Parameters
    ----------
    demands : DataFrame
        From `find_demands`.
    options : (int64 array, object array of str)
        Site and type of each option (`find_options`).
    by_town : bool
        Whether a site serves only the committees of its own town.
    """
    option_site, option_type = options
    of_option = _Options(run.standard, option_site, option_type, costs)
    rows: list[IntArray] = [np.empty(0, np.int64)]
    columns: list[IntArray] = [np.empty(0, np.int64)]
    values: list[FloatArray] = [np.empty(0)]
    near, elsewhere = np.zeros(len(demands), dtype=np.int64), np.zeros(len(demands), dtype=bool)
    rules_of = {one.requirement.id: one for one in judged}
    wanted = [one for one in rules_of.values() if one.requirement.id in set(demands["requirement_id"])]
    asked_modes = {str(mode) for one in wanted for mode in np.unique(one.rules.mode.astype(str))}
    reach = {mode: _within(one, sites.places[mode]) for mode, one in surveys.items() if mode in asked_modes}
    town = sites.candidates["town_id"].to_numpy(dtype=object)
    for requirement in run.standard.requirements:
        mine = np.flatnonzero((demands["requirement_id"] == requirement.id).to_numpy())
        if not len(mine):
            continue
        part = demands.iloc[mine]
        if isinstance(requirement, Reach):
            demand, site, gives = _reached(part, rules_of[requirement.id], reach)
        elif isinstance(requirement, Provision) and requirement.scope == "committee":
            demand, site, gives = _shared(run, inputs, networks, rules_of[requirement.id], part, sites)
        else:
            demand, site = _in_area(part, town)
            gives = np.ones(len(demand))
        allowed = (
            (town[site] == part["town_id"].to_numpy()[demand]) | (not by_town) | (part["scope"].iloc[0] != "committee")
        )
        near[mine] = np.bincount(demand[allowed], minlength=len(mine))
        abroad, _ = of_option.serving(site[~allowed], requirement)
        elsewhere[mine[demand[~allowed][abroad]]] = True
        open_ = allowed & (part["barred"].to_numpy()[demand] == "")
        pair, option = of_option.serving(site[open_], requirement)
        offer = of_option.offers(requirement)[option]
        rows.append(mine[demand[open_][pair]])
        columns.append(option)
        values.append(gives[open_][pair] * offer)
    matrix = sparse.csr_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
        shape=(len(demands), len(option_site)),
    )
    siting = Siting(
        sites.candidates["candidate_id"].to_numpy(dtype=object),
        costs.fixed,
        costs.room_m2,
        option_site,
        option_type,
        costs.of(option_site, option_type),
        costs.area_m2(option_type),
        demands["need"].to_numpy(dtype=np.float64),
        matrix,
    )
    return Asked(siting, demands, sites.candidates, near, elsewhere)


def find_options(standard: Standard, asked: Collection[str], candidates: gpd.GeoDataFrame) -> Options:
    """Return every type that each site may take in: those it names, else the types of which something is asked.

    Parameters
    ----------
    asked : collection of str
        Ids of the types of which something is asked.
    """
    in_order = [t.id for t in standard.types]
    site, type_id = [], []
    useful = {s for t in asked for s in serving_any(standard, (t,))}
    for row, types in enumerate(candidates["types"]):
        own = [t for t in types.split("|") if t in useful] if types else [t for t in in_order if t in asked]
        site += [row] * len(own)
        type_id += sorted(own)
    return np.array(site, dtype=np.int64), np.array(type_id, dtype=object)


class _Options:
    """Which options of a site serve a requirement, and how much they offer it."""

    def __init__(self, standard: Standard, site: IntArray, type_id: TextArray, costs: Costs) -> None:
        self._standard, self._site, self._type, self._costs = standard, site, type_id, costs

    def serving(self, site: IntArray, requirement: Requirement) -> tuple[IntArray, IntArray]:
        """Return every option that serves a requirement on each site, as (position in `site`, option)."""
        serving = serving_any(self._standard, requirement.types)
        options = np.flatnonzero(np.isin(self._type.astype(str), serving))
        first = np.searchsorted(self._site[options], site, side="left")
        last = np.searchsorted(self._site[options], site, side="right")
        count = last - first
        pair = np.repeat(np.arange(len(site)), count)
        at = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
        return pair, options[at]

    def offers(self, requirement: Requirement) -> FloatArray:
        """Return what each option offers for sure: 1 where facilities are counted, else its capacity or floor area."""
        if not isinstance(requirement, Provision | Total):
            return np.ones(len(self._type))
        table = pd.DataFrame(
            {
                "type_id": self._type,
                "capacity": self._costs.capacity(self._type),
                "floor_area_m2": self._costs.floor_area_m2(self._type),
            }
        )
        return supply_of(self._standard, table, requirement.types, requirement.measure).low


def _within(one: ModeSurvey, places: Places) -> SitePairs:
    """Return every candidate within each committee's longest threshold by one mode."""
    thresholds = tuple(float(t) for t in np.unique(one.router.limit_s[np.isfinite(one.router.limit_s)]))
    pairs = one.router.pairs_within(places, one.router.limit_s, thresholds)
    return SitePairs(pairs.origin, pairs.facility, pairs.time_s)


def _reached(part: pd.DataFrame, one: Judged, reach: dict[str, SitePairs]) -> tuple[IntArray, IntArray, FloatArray]:
    """Return the sites within the threshold of each gap's committee."""
    number = np.full(len(one.verdict), -1, dtype=np.int64)
    number[part["committee"].to_numpy()] = np.arange(len(part))
    demand, site = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for mode, found in reach.items():
        limit_s = np.where(one.rules.mode == mode, one.rules.threshold_s, -1.0)
        inside = within(found.time_s, limit_s[found.committee]) & (number[found.committee] >= 0)
        demand.append(number[found.committee[inside]])
        site.append(found.site[inside])
    return np.concatenate(demand), np.concatenate(site), np.ones(sum(map(len, demand)))


def _in_area(part: pd.DataFrame, town: TextArray) -> tuple[IntArray, IntArray]:
    """Return the sites in each town, or in any of the district's."""
    pairs = [
        (row, np.flatnonzero(town == name) if name else np.flatnonzero(town != ""))
        for row, name in enumerate(part["scope_id"])
    ]
    demand = np.concatenate([np.full(len(sites), row, dtype=np.int64) for row, sites in pairs])
    return demand, np.concatenate([sites for _, sites in pairs])


def _shared(
    run: Run, inputs: Inputs, networks: Networks, one: Judged, part: pd.DataFrame, sites: Sites
) -> tuple[IntArray, IntArray, FloatArray]:
    """Return how much one unit at each site adds to what each committee's people have, by catchment.

    A facility's supply is shared by all who reach it, whatever others there are: what a site adds is its supply times
    Σ_k P_k W_kj over the committee's cells ÷ (Σ_k P_k W_kj over all cells · the committee's people).
    """
    requirement = one.requirement
    assert isinstance(requirement, Provision)
    assert requirement.minutes is not None
    assert inputs.cells is not None
    people = inputs.group(requirement.group)
    assert people is not None
    limit_s = minutes_to_s(requirement.minutes)
    mode_of_cell, xy = modes_of_cells(requirement, one.rules, inputs), xy_of(inputs.cells)
    known = np.zeros(len(people), dtype=bool)
    cells, site, weight = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0)]
    for mode in networks.of:
        rows = np.flatnonzero(mode_of_cell == mode)
        if not len(rows):
            continue
        snapped = run.snap_to_begin(networks, mode, xy[rows])
        known[rows] = snapped.on_network
        pairs = all_pairs(run, networks.key, networks.of[mode], snapped, sites.places[mode], limit_s)
        cells.append(rows[pairs.cell])
        site.append(pairs.facility)
        weight.append(pair_weights(requirement, pairs.time_s, limit_s))
    cell, of_site = np.concatenate(cells), np.concatenate(site)
    demand_of_cell = np.where(known, people, 0.0)[cell] * np.concatenate(weight)
    n, count = len(inputs.committees), len(sites.candidates)
    whole = np.bincount(of_site, weights=demand_of_cell, minlength=count)
    own = inputs.cell_committee[cell] >= 0
    matrix = sparse.csr_matrix(
        (demand_of_cell[own], (inputs.cell_committee[cell][own], of_site[own])), shape=(n, count)
    )
    told = np.where(known, people, 0.0)
    ours = inputs.cell_committee >= 0
    persons = np.bincount(inputs.cell_committee[ours], weights=told[ours], minlength=n)
    chosen = matrix[part["committee"].to_numpy()].tocoo()
    use = chosen.data > 0  # cells without people are in reach of sites, and share nothing
    row, col = chosen.row[use].astype(np.int64), chosen.col[use].astype(np.int64)
    share = chosen.data[use] / whole[col] / persons[part["committee"].to_numpy()[row]]
    return row, col, requirement.per * share


# people ------------------------------------------------------------------------------------------------------------


def check_suggest(run: Run, inputs: Inputs) -> None:
    """Refuse names in ``[suggest]`` that neither the standard nor the inputs have.

    Raises
    ------
    ConfigError
        Naming each.
    """
    weights = run.config.suggest.weights
    asked = (
        ("towns", weights.towns, sorted(set(inputs.committees["town_id"]))),
        ("groups", weights.groups, [group for group in inputs.groups if group != "total"]),
    )
    problems = [
        Problem(
            f'suggest.weights.{key} names "{name}", which the inputs do not have',
            str(run.config.path),
            (),
            nearest(name, known),
        )
        for key, given, known in asked
        for name in given
        if name not in known
    ]
    raise_if_any([*unknown_names(run), *problems], ConfigError)


def weights_of_people(run: Run, inputs: Inputs) -> FloatArray:
    """Return how much the people of each cell count, by the configuration's weights, shape (cells,).

    A person counts the product of the weights of their committee's town, zone and kind; one of a weighted group counts
    its weight beside that.
    """
    weights, committees = run.config.suggest.weights, inputs.committees
    of_committee = np.ones(len(committees))
    for column, by in (("town_id", weights.towns), ("zone", weights.zones), ("kind", weights.kinds)):
        of_committee *= committees[column].map(dict(by)).fillna(1.0).to_numpy(dtype=np.float64)
    persons = inputs.persons.copy()
    for group, weight in weights.groups.items():
        members = inputs.group(group)
        assert members is not None  # checked by `check_suggest`
        persons += (weight - 1.0) * members
    return np.asarray(persons * np.append(of_committee, 0.0)[inputs.cell_committee])


def cover_people(
    run: Run,
    inputs: Inputs,
    surveys: dict[str, ModeSurvey],
    judged: Sequence[Judged],
    asked: Asked,
    sites: Sites,
    persons: FloatArray,
    only: BoolArray | None = None,
    *,
    by_town: bool,
) -> Coverage:
    """Return who would be newly within reach of what, over the headline's reach and what else is asked for.

    Parameters
    ----------
    persons : float64 array of shape (cells,)
        People of each cell, as they count.
    only : bool array of shape (options,), optional
        Look at these options alone.
    by_town : bool
        Whether a site serves only people of its own town.

    Returns
    -------
    Coverage
        One group for each requirement and committee. A person counts once for each requirement that they newly meet.
    """
    also = set(asked.demands["requirement_id"])
    options, type_of = len(asked.siting.option_site), asked.siting.option_type.astype(str)
    usable = np.ones(options, dtype=bool) if only is None else only
    parts: list[Coverage] = []
    reaches = [one for one in judged if isinstance(one.requirement, Reach)]
    own = [one for one in reaches if one.requirement.headline or one.requirement.id in also]
    pairs_of = _cell_pairs(run, surveys, own, sites)
    for number, one in enumerate(own):
        if one.cells is None:
            continue
        left = one.cells.known & ~one.cells.covered
        serving = serving_any(run.standard, one.requirement.types)
        need = np.ones(len(left), dtype=np.int64)
        if (one.rules.min_count > 1).any():
            there = count_of_cells(run, inputs, surveys, one.rules, serving)
            need = np.maximum(one.rules.min_count[inputs.cell_committee] - there, 1)
        cell, site = _people_reached(inputs, pairs_of, one, sites, left, by_town=by_town)
        mine = np.flatnonzero(np.isin(type_of, serving) & usable)
        first = np.searchsorted(asked.siting.option_site[mine], site, side="left")
        count = np.searchsorted(asked.siting.option_site[mine], site, side="right") - first
        at = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
        group = number * len(inputs.committees) + inputs.cell_committee
        weight = np.where(left, persons, 0.0)
        parts.append(gather(weight, need, np.repeat(cell, count), mine[at], options, group))
    if not parts:
        return gather(np.empty(0), np.empty(0, np.int64), *(np.empty(0, np.int64),) * 2, options, np.empty(0, np.int64))
    return Coverage(
        np.concatenate([one.weight for one in parts]),
        np.concatenate([one.need for one in parts]),
        sparse.vstack([one.reach for one in parts], format="csr"),
        np.concatenate([one.group for one in parts]),
    )


CellPairs = tuple[IntArray, IntArray, FloatArray]
"""Cell, site and seconds of every pair within the longest threshold of a mode."""


def _cell_pairs(
    run: Run, surveys: dict[str, ModeSurvey], judged: Sequence[Judged], sites: Sites
) -> dict[str, CellPairs]:
    """Return every cell × site within the longest threshold that is asked for, by mode."""
    found = {}
    for mode, one in surveys.items():
        limits = [np.nanmax(own.rules.threshold_s[own.rules.mode == mode], initial=-1.0) for own in judged]
        longest = max(limits, default=-1.0)
        if longest >= 0:
            pairs = all_pairs(run, one.key, one.router.network, one.cells, sites.places[mode], float(longest))
            found[mode] = (one.cell_row[pairs.cell], pairs.facility, pairs.time_s)
    return found


def _people_reached(
    inputs: Inputs, pairs_of: dict[str, CellPairs], one: Judged, sites: Sites, left: BoolArray, *, by_town: bool
) -> tuple[IntArray, IntArray]:
    """Return which cells that are left out are within their threshold of which sites."""
    cells, found = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    town, home = sites.candidates["town_id"].to_numpy(dtype=object), inputs.committees["town_id"].to_numpy(dtype=object)
    for mode, (cell, site, time_s) in pairs_of.items():
        limit_s = np.where(one.rules.mode == mode, one.rules.threshold_s, -1.0)
        mine = np.flatnonzero(left[cell])
        committee = inputs.cell_committee[cell[mine]]
        inside = within(time_s[mine], np.where(np.isfinite(limit_s), limit_s, -1.0)[committee])
        if by_town:
            inside &= town[site[mine]] == home[committee]
        cells.append(cell[mine[inside]])
        found.append(site[mine[inside]])
    return np.concatenate(cells), np.concatenate(found)
