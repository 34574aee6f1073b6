"""What a detection would not refuse and a reader should know before it: places, people and types that look wrong.

Everything goes into the run's notes. Those that a detection makes as well have its codes and its words.
"""

import dataclasses
from collections.abc import Collection

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from scipy import sparse
from scipy.sparse import csgraph

from circle15.errors import Notes, counted
from circle15.network.compounds import is_inside
from circle15.network.graph import Network
from circle15.stages.boarding import note_committees_passed, note_people_passed
from circle15.stages.read import build_networks
from circle15.stages.run import Inputs, Networks, RuleBook, Run, xy_of
from circle15.stages.study_area import reach_m
from circle15.stages.travel import places_by
from circle15.standard.requirements import Adjacency, Provision
from circle15.units import METRES_PER_KM

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


def asked_by(run: Run, book: RuleBook, networks: Networks) -> dict[str, BoolArray]:
    """Return the modes that some requirement asks about, and for each which committees have a rule of travel by it.

    Catchments are left out of the committees: in them it is the people who travel.
    """
    modes: dict[str, BoolArray] = {}
    for mode in networks.of:
        own = [rules.mode == mode for one, rules in book if not isinstance(one, Provision)]
        asked = np.any(own, axis=0) if own else np.zeros(0, dtype=bool)
        fixed = any(isinstance(one, Adjacency) and one.mode == mode for one in run.standard.requirements)
        if not book or asked.any() or fixed or any((rules.mode == mode).any() for _, rules in book):
            modes[mode] = asked
    return modes


def doubt_places(run: Run, inputs: Inputs, networks: Networks, book: RuleBook) -> None:
    """Note what is off the network, and what stands on a piece of it that is dropped or that no path joins."""
    for mode, asked in asked_by(run, book, networks).items():
        places_by(run, inputs, networks, {}, mode)  # notes the facilities that are off
        _note_committees(run, inputs, networks, mode, asked)
        _note_cells(run, inputs, networks, mode, asked)
    _note_pieces(run, inputs, asked_by(run, book, networks))


def _note_committees(run: Run, inputs: Inputs, networks: Networks, mode: str, asked: BoolArray) -> None:
    if not len(asked):
        return
    snapped = run.snap_to_begin(networks, mode, xy_of(inputs.committees))
    ids = inputs.committees["committee_id"].to_numpy()
    off = asked & ~snapped.on_network
    run.notes.add(
        f"committees.{mode}.off_network",
        int(off.sum()),
        f"{mode}: {counted(int(off.sum()), 'committee lies', 'committees lie')} "
        f"more than {run.config.network.max_snap_m:g} m from the network; verdicts there are unknown",
        ids[off],
    )
    note_committees_passed(run, inputs, networks.of[mode], snapped, asked)
    inside = asked & is_inside(networks.of[mode], snapped)
    run.notes.add(
        f"committees.{mode}.in_compounds",
        int(inside.sum()),
        f"{mode}: {counted(int(inside.sum()), 'committee lies', 'committees lie')} "
        "in compounds; their people leave by the gates",
        ids[inside],
    )


def _note_cells(run: Run, inputs: Inputs, networks: Networks, mode: str, asked: BoolArray) -> None:
    if inputs.cells is None or not len(asked) or not len(inputs.cell_committee):
        return
    rows = np.flatnonzero((inputs.cell_committee >= 0) & asked[inputs.cell_committee])
    snapped = run.snap_to_begin(networks, mode, xy_of(inputs.cells.iloc[rows]))
    note_people_passed(run, inputs, networks.of[mode], rows, snapped)
    off = rows[~snapped.on_network]
    run.notes.add(
        f"population.{mode}.off_network",
        len(off),
        f"{mode}: {inputs.persons[off].sum():,.0f} people ({counted(len(off), 'cell', 'cells')}) live more than "
        f"{run.config.network.max_snap_m:g} m from the network; they leave both sides of the population rates",
        inputs.cells["cell_id"].to_numpy()[off],
    )


# pieces of the network ---------------------------------------------------------------------------------------------


def _note_pieces(run: Run, inputs: Inputs, asked: dict[str, BoolArray]) -> None:
    """Find whose nearest street is of a piece that is dropped, or of one that no path joins to the largest."""
    told = {note.code for note in run.notes.items}
    modes = [m for m in asked if {f"network.{m}.small_components", f"network.{m}.pieces"} & told]
    if "walk" in modes and "elderly_walk" in modes:
        modes.remove("elderly_walk")  # the same streets
    if not modes:
        return
    settings = run.config.network.model_copy(update={"min_component_nodes": 1})
    # a run of its own, whose notes nobody hears: the same streets with every piece of them
    config = run.config.model_copy(update={"network": settings})
    every = build_networks(dataclasses.replace(run, config=config, notes=Notes()), inputs.crs, inputs.committees)
    for mode in modes:
        _note_pieces_of(run, inputs, every, mode, asked[mode])


def _note_pieces_of(run: Run, inputs: Inputs, every: Networks, mode: str, asked: BoolArray) -> None:
    size, label = pieces(every.of[mode])
    largest = np.arange(len(size)) == np.argmax(size)
    dropped = (size < run.config.network.min_component_nodes) & ~largest
    other = ~dropped & ~largest
    committee, facility = inputs.committees["committee_id"], inputs.facilities.table["facility_id"]
    at = _piece_of(run, every, mode, label, xy_of(inputs.committees))
    here = (at >= 0) & asked if len(asked) else np.zeros(len(at), dtype=bool)
    xy, owner = _points(inputs.facilities.table)
    of_place = _piece_of(run, every, mode, label, xy)

    text = "have a piece of network for their nearest street that is dropped"
    rows = list(committee[here & dropped[at]])
    run.notes.add(f"committees.{mode}.dropped_piece", len(rows), f"{mode}: {len(rows)} committees {text}", rows)
    rows = _all_on(owner, of_place, dropped, facility.to_numpy())
    run.notes.add(f"facilities.{mode}.dropped_piece", len(rows), f"{mode}: {len(rows)} facilities {text}", rows)
    text = "stand on a piece of network that no path joins to the largest"
    rows = list(committee[here & other[at]])
    run.notes.add(f"committees.{mode}.other_piece", len(rows), f"{mode}: {len(rows)} committees {text}", rows)
    rows = _all_on(owner, of_place, other, facility.to_numpy())
    run.notes.add(f"facilities.{mode}.other_piece", len(rows), f"{mode}: {len(rows)} facilities {text}", rows)


def pieces(network: Network) -> tuple[IntArray, IntArray]:
    """Return the number of nodes of each piece of a network, and the piece of each edge."""
    links = (np.ones(len(network.u), dtype=np.int8), (network.u, network.v))
    count, label = csgraph.connected_components(
        sparse.coo_matrix(links, shape=(network.nodes, network.nodes)), directed=False
    )
    return np.bincount(label, minlength=count).astype(np.int64), label[network.u].astype(np.int64)


def _piece_of(run: Run, every: Networks, mode: str, label: IntArray, xy: npt.NDArray[np.float64]) -> IntArray:
    """Return the piece that each point's nearest street is of, -1 where none is near enough."""
    edge = run.snap_to_end(every, mode, xy).edge
    return np.where(edge >= 0, label[edge], -1)


def _points(table: gpd.GeoDataFrame) -> tuple[npt.NDArray[np.float64], IntArray]:
    """Return the entrances of facilities that are points; lines and areas are entered where streets are."""
    shapes = table.geometry.to_numpy()
    rows = np.flatnonzero(np.isin(shapely.get_type_id(shapes), [0, 4]))
    xy, number = shapely.get_coordinates(shapes[rows], return_index=True)
    return xy, rows[number].astype(np.int64)


def _all_on(facility: IntArray, piece: IntArray, chosen: BoolArray, ids: npt.NDArray[np.object_]) -> list[str]:
    """Return the facilities all of whose entrances that are near a street are on the pieces chosen."""
    near = piece >= 0
    on = np.bincount(facility[near], weights=chosen[piece[near]], minlength=len(ids))
    entrances = np.bincount(facility[near], minlength=len(ids))
    return [str(one) for one in ids[(entrances > 0) & (on == entrances)]]


# the study area ----------------------------------------------------------------------------------------------------


def doubt_study_area(run: Run, inputs: Inputs) -> None:
    """Note facilities that nobody could reach: farther than one threshold from every committee."""
    committees, table = inputs.committees, inputs.facilities.table
    if committees.empty or table.empty:
        return
    far_m = reach_m(run.standard, committees)
    land = np.asarray(committees.geometry.fillna(gpd.GeoSeries(committees["area"], crs=committees.crs)).array)
    areas = committees["area"].to_numpy(dtype=object)
    land = np.where(shapely.is_missing(areas), land, areas)
    (row, _), away_m = shapely.STRtree(land).query_nearest(
        table.geometry.to_numpy(), return_distance=True, all_matches=False
    )
    far = np.flatnonzero(away_m > far_m)
    rows = [
        f"{table['facility_id'].iloc[row[i]]} ({away_m[i] / METRES_PER_KM:,.1f} km)"
        for i in far[np.argsort(-away_m[far], kind="stable")]
    ]
    text = (
        f"{counted(len(far), 'facility lies', 'facilities lie')} "
        f"more than {far_m / METRES_PER_KM:,.1f} km from every committee, farther than "
        "anybody gets within the service circle; a straight line"
    )
    run.notes.add("facilities.outside_study_area", len(far), text, rows)


def doubt_people(run: Run, inputs: Inputs) -> None:
    """Note committees in which nobody lives, once people are placed."""
    if run.config.population is None:
        text = "there is no [population]: no population rates, no densities, and nothing that is asked per head"
        run.notes.add("population.none", 1, text)
    if inputs.cells is None or not len(inputs.cell_committee) or inputs.committees.empty:
        return
    empty = inputs.population["total"] == 0
    text = f"{empty.sum()} committees have nobody in any cell"
    run.notes.add("committees.no_people", int(empty.sum()), text, inputs.committees["committee_id"][empty])


def doubt_types(run: Run, inputs: Inputs, unread: Collection[str]) -> None:
    """Note types that no source covers, and those that one covers and holds none of.

    Parameters
    ----------
    run, inputs
        The run.
    unread : collection of str
        Types of sources that could not be read, of which nothing is said.
    """
    covered = inputs.facilities.covered
    present = set(inputs.facilities.table["type_id"])
    types = [one.id for one in run.standard.types if one.id not in unread]
    without = [one for one in types if one not in covered]
    text = f"{len(without)} types are covered by no source: whatever is asked of them is unknown"
    run.notes.add("facilities.types_without_source", len(without), text, without)
    empty = [one for one in types if one in covered and one not in present]
    text = (
        f"{len(empty)} types are covered and have no facility open in {run.config.run.as_of}: unless another type "
        "provides them, whatever is asked of them fails everywhere"
    )
    run.notes.add("facilities.types_empty", len(empty), text, empty)


def count_types(run: Run, inputs: Inputs, unread: Collection[str]) -> pd.DataFrame:
    """Return how many facilities there are of each type in each town, once they have their towns.

    Parameters
    ----------
    run, inputs
        The run.
    unread : collection of str
        Types of sources that could not be read.

    Returns
    -------
    DataFrame
        One row a type of the standard: ``type_id``, ``name``, ``covered_by`` (tuple of str), ``unread`` (whether some
        source of it could not be read), ``total``, then one column a town, and ``""`` for what lies in none.
    """
    table = inputs.facilities.table
    placed = len(inputs.facility_town) == len(table)
    town = pd.Series(inputs.facility_town if placed else np.full(len(table), "", dtype=object), dtype=object)
    towns = sorted({str(one) for one in inputs.committees["town_id"]} - {""})
    types = [one.id for one in run.standard.types]
    counts = pd.crosstab(table["type_id"].to_numpy(dtype=object), town.to_numpy(dtype=object))
    counts = counts.reindex(index=types, columns=[*towns, ""], fill_value=0).astype(np.int64)
    head = pd.DataFrame(
        {
            "type_id": types,
            "name": [f"{one.zh} {one.en}".strip() for one in run.standard.types],
            "covered_by": [inputs.facilities.covered.get(one, ()) for one in types],
            "unread": [one in unread for one in types],
            "total": counts.sum(axis=1).to_numpy(),
        }
    )
    return pd.concat([head, counts.reset_index(drop=True)], axis=1)


def count_committees(inputs: Inputs) -> pd.DataFrame:
    """Return how many committees there are by ``town_id``, ``zone`` and ``kind``: those columns and ``committees``."""
    by = ["town_id", "zone", "kind"]
    counts: pd.DataFrame = inputs.committees.groupby(by, sort=True).size().rename("committees").reset_index()
    return counts
