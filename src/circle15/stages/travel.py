"""Stage 3: each mode's network is asked about each type that a requirement needs."""

import dataclasses
import functools
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely

from circle15.cache import hash_of
from circle15.errors import counted
from circle15.network.catchment import CatchmentPairs, catchment_pairs
from circle15.network.compounds import add_inside, is_inside
from circle15.network.entrances import find_entrances
from circle15.network.graph import Network
from circle15.network.snap import Snapped
from circle15.network.survey import Survey, survey
from circle15.network.travel import Places, Router, find_ranges
from circle15.stages.boarding import note_committees_passed, note_facilities_passed, note_people_passed
from circle15.stages.run import Inputs, IntArray, Networks, RuleBook, Run, xy_of
from circle15.standard.model import Standard
from circle15.standard.requirements import Provision
from circle15.standard.resolve import serving_any
from circle15.tables import PROJECTS_SOURCE
from circle15.units import FloatArray


@dataclass(frozen=True)
class ModeSurvey:
    """One mode's network with everything that was asked of it.

    Attributes
    ----------
    router : Router
        The network with the committees.
    cells : Snapped
        The population cells whose committee has some rule by this mode.
    cell_row : int64 array of shape (those cells,)
        Their rows in the cell table.
    surveys : dict of str to list of (Survey, int64 array)
        For each type what was found, with the table rows of its facilities: those of the files, and apart from them
        those that a ledger of projects adds, so that a project leaves the former's searches alone.
    places : Places
        The entrances of every facility on this network.
    lost : int64 array
        Rows of the facilities that are off this network.
    key : str
        Hash of the network and the committees on it.
    """

    router: Router
    cells: Snapped
    cell_row: IntArray
    surveys: dict[str, list[tuple[Survey, IntArray]]]
    places: Places
    lost: IntArray
    key: str


def survey_modes(run: Run, inputs: Inputs, networks: Networks, book: RuleBook) -> dict[str, ModeSurvey]:
    """Survey every type by every mode that some requirement needs; catchments have their own way."""
    surveys = {}
    book = [(one, rules) for one, rules in book if not isinstance(one, Provision)]
    for mode in networks.of:
        limits = _limits(run.standard, book, mode)
        if limits:
            surveys[mode] = _survey_mode(run, inputs, networks, mode, limits, _thresholds(run.standard, book, mode))
    return surveys


def _limits(standard: Standard, book: RuleBook, mode: str) -> dict[str, FloatArray]:
    """Return for each type the longest threshold of each committee among the requirements that it serves."""
    limits: dict[str, FloatArray] = {}
    for requirement, rules in book:
        own = np.where(rules.mode == mode, rules.threshold_s, np.nan)
        if np.isfinite(own).any():
            for type_id in serving_any(standard, requirement.types):
                limits[type_id] = np.fmax(limits[type_id], own) if type_id in limits else own
    return limits


def _thresholds(standard: Standard, book: RuleBook, mode: str) -> dict[str, tuple[float, ...]]:
    """Return for each type every threshold that its times will be held against."""
    found: dict[str, set[float]] = {}
    for requirement, rules in book:
        own = {float(t) for t in np.unique(rules.threshold_s[rules.mode == mode])}
        for type_id in serving_any(standard, requirement.types):
            found.setdefault(type_id, set()).update(own)
    return {type_id: tuple(sorted(every)) for type_id, every in found.items()}


def _survey_mode(
    run: Run,
    inputs: Inputs,
    networks: Networks,
    mode: str,
    limits: dict[str, FloatArray],
    thresholds_s: dict[str, tuple[float, ...]],
) -> ModeSurvey:
    limit_s = functools.reduce(np.fmax, limits.values())
    with run.clock.stage(f"places by {mode}"):
        origin_xy = xy_of(inputs.committees)
        origins = run.snap_to_begin(networks, mode, origin_xy)
        few = int(inputs.facilities.table["type_id"].isin(list(limits)).sum()) < len(inputs.committees)
        router = Router(networks.of[mode], origins, origin_xy, limit_s, run.config.network.engine, few)
        cell_row, cells, cell_xy = _cells(run, inputs, networks, mode, np.isfinite(limit_s))
        places = _places(run, inputs, networks, mode)
    _note_committees(run, inputs, router, mode)
    note_committees_passed(run, inputs, router.network, origins, np.isfinite(limit_s))
    key = hash_of(networks.key, mode, origin_xy, run.config.network.max_snap_m)
    # not part of the key: the router's own limits, so that a changed threshold leaves the other types' surveys alone
    ranges = functools.partial(
        run.kept, lambda _: find_ranges(router.network, origins, limit_s), "ranges", key, limit_s
    )
    router = dataclasses.replace(router, make_ranges=ranges)

    table = inputs.facilities.table
    type_id = table["type_id"].to_numpy(dtype=object)
    cells_key = hash_of(cell_xy)  # once, not for every type
    blocks = blocks_of(table)
    found: dict[str, list[tuple[Survey, IntArray]]] = {}
    with run.clock.stage(f"travel by {mode}", len(limits)):
        for kind, own_limit_s in limits.items():
            found[kind] = []
            for block in blocks:
                rows = block[type_id[block] == kind]
                if len(found[kind]) and not len(rows):
                    continue
                mine = renumber(places, rows, len(table))
                paths = [one.any_path for one, _ in found[kind]]
                known = np.any(paths, axis=0) if paths else None
                make = functools.partial(_survey_type, router, mine, cells, own_limit_s, thresholds_s[kind], known)
                asked = (mine.xy, mine.facility, cells_key, own_limit_s, thresholds_s[kind], known)
                found[kind].append((run.kept(make, "survey", key, *asked, router.engine, few), rows))
            run.clock.progress.advance()
    return ModeSurvey(
        router, cells, cell_row, found, places, lost_facilities(networks.of[mode], places, len(table)), key
    )


def _survey_type(
    router: Router,
    places: Places,
    cells: Snapped,
    limit_s: FloatArray,
    thresholds_s: tuple[float, ...],
    has_path: npt.NDArray[np.bool_] | None,
    _: object,
) -> Survey:
    return survey(router, places, cells, limit_s, thresholds_s, has_path)


def _cells(
    run: Run, inputs: Inputs, networks: Networks, mode: str, asked: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> tuple[IntArray, Snapped, FloatArray]:
    """Return the cells whose committee travels by this mode: table rows, places, coordinates."""
    rows = np.flatnonzero((inputs.cell_committee >= 0) & asked[inputs.cell_committee])
    xy = np.empty((0, 2)) if inputs.cells is None else xy_of(inputs.cells.iloc[rows])
    cells = run.snap_to_begin(networks, mode, xy)
    off = ~cells.on_network
    run.notes.add(
        f"population.{mode}.off_network",
        int(off.sum()),
        f"{mode}: {inputs.persons[rows][off].sum():,.0f} people ({counted(int(off.sum()), 'cell', 'cells')}) "
        "live more than "
        f"{run.config.network.max_snap_m:g} m from the network; they leave both sides of the population rates",
    )
    note_people_passed(run, inputs, networks.of[mode], rows, cells)
    return rows, cells, xy


def places_by(run: Run, inputs: Inputs, networks: Networks, surveys: dict[str, ModeSurvey], mode: str) -> Places:
    """Return the entrances of every facility by a mode, which may not have been surveyed."""
    return surveys[mode].places if mode in surveys else _places(run, inputs, networks, mode)


def blocks_of(facilities: gpd.GeoDataFrame) -> list[IntArray]:
    """Return the rows of the facilities that files have, then of those that a ledger adds in each year.

    Each block is searched by itself, and so only once while a ledger is applied year by year.
    """
    added = (facilities["source"] == PROJECTS_SOURCE).to_numpy(dtype=bool)
    year = facilities["opens"].fillna(-1.0).to_numpy(dtype=np.float64)  # one that was moved may have no year
    return [np.flatnonzero(~added), *(np.flatnonzero(added & (year == one)) for one in np.unique(year[added]))]


def place_shapes(run: Run, networks: Networks, mode: str, geometry: npt.NDArray[np.object_]) -> Places:
    """Return the entrances of shapes on the mode's network, for people outside of compounds; rows are the shapes'."""
    limit_m = run.config.network.max_snap_m
    xy, facility = run.kept(
        lambda notes: find_entrances(networks.of[mode], geometry, limit_m, notes),
        *("entrances", networks.key, mode, content_of(geometry), limit_m),
    )
    return Places(run.snap_to_end(networks, mode, xy), xy, facility)


def content_of(geometry: npt.NDArray[np.object_]) -> bytes:
    """Return shapes as one text of WKB, whose parts tell their own length: hashing each by itself takes far longer."""
    return b"".join(shapely.to_wkb(geometry))


def with_inside(run: Run, networks: Networks, mode: str, places: Places, geometry: npt.NDArray[np.object_]) -> Places:
    """Return places with those that people have who live in the same compound, where there are any."""
    limit_m = run.config.network.max_snap_m
    if not networks.of[mode].has_compounds:
        return places
    both: Places = run.kept(
        lambda _: add_inside(networks.of[mode], places, geometry, limit_m),
        *("inside", networks.key, mode, places.xy, places.facility, content_of(geometry), limit_m),
    )
    return both


def _places(run: Run, inputs: Inputs, networks: Networks, mode: str) -> Places:
    """Return the entrances of every facility on the mode's network."""
    limit_m = run.config.network.max_snap_m
    table = inputs.facilities.table
    geometry = table.geometry.to_numpy()
    parts: list[Places] = []
    for rows in blocks_of(table):
        if len(rows) or not parts:
            own = place_shapes(run, networks, mode, geometry[rows])
            parts.append(dataclasses.replace(own, facility=rows[own.facility]))
    places = _joined(parts)
    lost = lost_facilities(networks.of[mode], places, len(geometry))
    shut = ~places.snapped.on_network & ~np.isin(places.facility, lost)
    run.notes.add(
        f"facilities.{mode}.entrances_off_network",
        int(shut.sum()),
        f"{mode}: {counted(int(shut.sum()), 'entrance lies', 'entrances lie')} "
        f"more than {limit_m:g} m from the network; "
        "their facilities are reached by the others only",
        table["facility_id"].to_numpy()[places.facility[shut]],
    )
    run.notes.add(
        f"facilities.{mode}.off_network",
        len(lost),
        f"{mode}: {counted(len(lost), 'facility lies', 'facilities lie')} "
        f"more than {limit_m:g} m from any street on which a journey may end, and can't be reached; "
        "a committee that would fail with one of them in straight-line range is unknown",
        table["facility_id"].to_numpy()[lost],
    )
    note_facilities_passed(run, networks.of[mode], places, table["facility_id"].to_numpy())
    return with_inside(run, networks, mode, places, geometry)


def _joined(parts: list[Places]) -> Places:
    """Return the places of several parts in the order that one search over all facilities gives."""
    if len(parts) == 1:
        return parts[0]
    facility = np.concatenate([part.facility for part in parts])
    order = np.argsort(facility, kind="stable")
    snapped = functools.reduce(lambda one, other: one.followed_by(other), (part.snapped for part in parts))
    return Places(snapped.take(order), np.concatenate([part.xy for part in parts])[order], facility[order])


def _note_committees(run: Run, inputs: Inputs, router: Router, mode: str) -> None:
    off = np.isfinite(router.limit_s) & ~router.origins.on_network
    run.notes.add(
        f"committees.{mode}.off_network",
        int(off.sum()),
        f"{mode}: {counted(int(off.sum()), 'committee lies', 'committees lie')} "
        f"more than {run.config.network.max_snap_m:g} m from the network; verdicts there are unknown",
        inputs.committees["committee_id"].to_numpy()[off],
    )
    inside = np.isfinite(router.limit_s) & is_inside(router.network, router.origins)
    run.notes.add(
        f"committees.{mode}.in_compounds",
        int(inside.sum()),
        f"{mode}: {counted(int(inside.sum()), 'committee lies', 'committees lie')} "
        "in compounds; their people leave by the gates",
        inputs.committees["committee_id"].to_numpy()[inside],
    )


def renumber(places: Places, rows: IntArray, facilities: int) -> Places:
    """Return the entrances of the facilities in `rows`, numbered by their position there."""
    number = np.full(facilities, -1, dtype=np.int64)
    number[rows] = np.arange(len(rows))
    own = places.of(number >= 0)
    return dataclasses.replace(own, facility=number[own.facility])


def near_any(
    inputs: Inputs, facility: IntArray, points: npt.NDArray[np.object_], reach_m: float | FloatArray
) -> npt.NDArray[np.bool_]:
    """Return which points have one of some facilities (rows) within reach by straight line; reach NaN has none.

    Parameters
    ----------
    points : object array of shapely geometries, shape (points,)
        Where to look from.
    reach_m : float or float64 array of shape (points,)
        Metres, inclusive.
    """
    near = np.zeros(len(points), dtype=bool)
    reach = np.broadcast_to(np.asarray(reach_m, dtype=np.float64), near.shape)
    asked = np.flatnonzero(np.isfinite(reach))
    if len(facility) and len(asked):
        tree = shapely.STRtree(inputs.facilities.table.geometry.to_numpy()[facility])
        hit, _ = tree.query(points[asked], predicate="dwithin", distance=reach[asked])
        near[asked[hit]] = True
    return near


def all_pairs(run: Run, key: str, network: Network, cells: Snapped, places: Places, limit_s: float) -> CatchmentPairs:
    """Return every cell × facility pair within the limit, from the store if they were asked for before.

    Parameters
    ----------
    key : str
        Hash of the network.
    network, cells, places, limit_s
        As for `network.catchment.catchment_pairs`.
    """

    def search(_: object) -> CatchmentPairs:
        return catchment_pairs(network, cells, places, limit_s)

    found: CatchmentPairs = run.kept(
        search, "pairs", key, network.mode, cells, places.snapped, places.facility, limit_s
    )
    return found


def lost_facilities(network: Network, places: Places, facilities: int) -> IntArray:
    """Return the facilities of which no entrance is on the streets that are open to everybody."""
    outside = places.snapped.on_network & ~is_inside(network, places.snapped)
    on = np.bincount(places.facility, weights=outside, minlength=facilities)
    return np.flatnonzero(on == 0)
