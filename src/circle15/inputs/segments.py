"""Lines with numbered vertices → streets that are split where they meet: the step that every network format shares."""

import dataclasses
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import CRS
from scipy import sparse
from scipy.sparse import csgraph

from circle15.errors import InputError, Notes, Problem, counted
from circle15.inputs import transform
from circle15.tables import BACKWARD, FORWARD, MODES, Streets
from circle15.units import FloatArray

Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

BARRIER_STUB_M = 1.0
"""Length of the pieces on each side of a barrier that are closed to the modes it shuts out, in metres."""
STUB_SHARE = 1.0 / 3.0
"""A stub takes at most this share of its segment, so that two barriers side by side do not swallow it."""


ON_LINE_M = 0.01
"""A vertex this near to a line, in metres, is on it."""
OVERLAP_M = 0.5
"""Pieces that have less than this in common, in metres, only touch."""


@dataclass(frozen=True)
class Lines:
    """Street lines before they are split; all coordinates in the run's CRS.

    Attributes
    ----------
    vertex_xy : float64 array of shape (distinct vertices, 2)
        Coordinates of each distinct vertex.
    vertex : int64 array of shape (vertices of all lines,)
        Rows of `vertex_xy`, one line after the other.
    first : int64 array of shape (lines + 1,)
        Line ``i`` has the vertices ``vertex[first[i]:first[i + 1]]``, at least two.
    access : uint8 array of shape (lines, 3)
        Direction flags in the order of `MODES`.
    road_class : int16 array of shape (lines,)
        Index into `road_classes`.
    road_classes : tuple of str
        Values of ``highway``.
    speed_kmh : float64 array of shape (lines,)
        A speed that overrides the mode's, else NaN.
    boards : bool array of shape (lines, 3)
        Whether a journey by each mode may begin or end on the line between its ends.
    residents : uint8 array of shape (lines, 3), or None
        Direction flags for those who live there; None where only what is open to everybody is wanted.
    """

    vertex_xy: FloatArray
    vertex: Int64Array
    first: Int64Array
    access: npt.NDArray[np.uint8]
    road_class: npt.NDArray[np.int16]
    road_classes: tuple[str, ...]
    speed_kmh: FloatArray
    boards: BoolArray
    residents: npt.NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Barriers:
    """Vertices that some modes may not pass.

    Attributes
    ----------
    vertex : int64 array of shape (barriers,)
        Rows of `Lines.vertex_xy`.
    open_to : bool array of shape (barriers, 3)
        Whether each of `MODES` may pass.
    open_to_residents : bool array of shape (barriers, 3)
        The same for those who live behind it.
    """

    vertex: Int64Array
    open_to: BoolArray
    open_to_residents: BoolArray


def project(lon_lat: FloatArray, source_crs: CRS, crs: CRS, layer: transform.Layer) -> FloatArray:
    """Return coordinates of shape (n, 2) of `source_crs` (x or longitude first) in `crs`, all by one operation.

    Raises
    ------
    InputError
        If any comes out infinite or NaN: the file's CRS is not what it says, or `crs` is of another part of the world.
        If PROJ knows no operation between the datums, and `layer` allows no ballpark one.
    """
    xy = transform.transform_points(lon_lat, source_crs, crs, layer)
    bad = np.flatnonzero(~np.isfinite(xy).all(axis=1))
    if len(bad):
        shown = tuple(f"{x:g} {y:g}" for x, y in lon_lat[bad[:5]])
        raise InputError(
            Problem(
                f"{len(bad)} of {len(xy)} coordinates have no place in {crs_name(crs)} when read as"
                f" {crs_name(source_crs)}, e.g. {'; '.join(shown)}",
                layer.where,
                remedy="Check the file's CRS ([network] crs), the order of its coordinates, and [run] crs.",
            )
        )
    return xy


def crs_name(crs: CRS) -> str:
    """Return the short name of a CRS, e.g. ``EPSG:32629``."""
    authority = crs.to_authority()
    return ":".join(authority) if authority else str(crs.name)


def lengths_m(xy: FloatArray, first: Int64Array) -> FloatArray:
    """Return the length in metres of each line ``xy[first[i]:first[i + 1]]`` (each with at least one vertex)."""
    steps = np.zeros(len(xy))
    steps[1:] = np.hypot(*np.diff(xy, axis=0).T)
    steps[first[:-1]] = 0.0
    return np.add.reduceat(steps, first[:-1]) if len(first) > 1 else np.empty(0)


def runs(
    line: npt.NDArray[np.integer], vertex: npt.NDArray[np.integer], cut_before: BoolArray
) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Cut lines into runs of at least two vertices, without vertices that repeat the one before.

    Parameters
    ----------
    line : int array of shape (vertices,)
        Which line each vertex belongs to; rows of one line stand together.
    vertex : int array of shape (vertices,)
        Distinct vertices by number.
    cut_before : bool array of shape (vertices,)
        Where a line is interrupted before its vertex.

    Returns
    -------
    line, first, vertex : int64 arrays
        Line of each run, offsets of the runs (one more at the end), and their vertices.
    """
    new_run = np.ones(len(line), dtype=bool)
    new_run[1:] = (line[1:] != line[:-1]) | cut_before[1:]
    repeated = np.zeros(len(line), dtype=bool)
    repeated[1:] = (vertex[1:] == vertex[:-1]) & ~new_run[1:]
    run = (np.cumsum(new_run) - 1)[~repeated]
    size = np.bincount(run, minlength=int(new_run.sum()))
    long_enough = size > 1
    first = np.concatenate([[0], np.cumsum(size[long_enough])]).astype(np.int64)
    return (
        line[new_run][long_enough].astype(np.int64),
        first,
        vertex[~repeated][long_enough[run]].astype(np.int64),
    )


def split(lines: Lines, barriers: Barriers | None, source: str, notes: Notes) -> Streets:
    """Cut lines into edges at their ends and wherever a vertex is used more than once.

    The two nodes of an edge without length are merged into one and the edge goes (a note counts them). Pieces that lie
    on one another from node to node (a street drawn once for each direction) are one street, open in every direction in
    which one of them is. Barriers
    become nodes of their own whose adjoining `BARRIER_STUB_M` metres are closed to the modes that may not pass, so that
    the two sides do not meet for those and nothing changes for the others.

    Parameters
    ----------
    lines : Lines
        At least one.
    barriers : Barriers or None
        Vertices that shut some modes out.
    source : str
        The file, for messages.
    notes : Notes
        Receives what was merged.

    Returns
    -------
    Streets
        Edges in the order of the lines; coordinates of edge ends are those of their nodes.
    """
    lines = _with_vertices_in_common(lines, np.empty(0, np.int64) if barriers is None else barriers.vertex)
    if barriers is not None and len(barriers.vertex):
        lines, break_at = _with_stubs(lines, barriers)
    else:
        break_at = np.zeros(len(lines.vertex_xy), dtype=bool)
    line_of = np.repeat(np.arange(len(lines.first) - 1), np.diff(lines.first))
    used = np.bincount(lines.vertex, minlength=len(lines.vertex_xy))
    is_break = (used[lines.vertex] > 1) | break_at[lines.vertex]
    is_break[lines.first[:-1]] = True
    is_break[lines.first[1:] - 1] = True
    # where a line turns back on itself, its two halves are two pieces on one another
    inner = np.flatnonzero(~is_break)
    is_break[inner] = lines.vertex[inner - 1] == lines.vertex[inner + 1]

    breaks = np.flatnonzero(is_break)
    same_line = line_of[breaks[:-1]] == line_of[breaks[1:]]
    start, stop = breaks[:-1][same_line], breaks[1:][same_line]
    pick, first = ranges(start, stop + 1)
    vertices = lines.vertex[pick]
    u, v = lines.vertex[start], lines.vertex[stop]
    access = lines.access[line_of[start]]
    private = None if lines.residents is None else lines.residents[line_of[start]]
    if barriers is not None and len(barriers.vertex):
        access = access & _barrier_masks(barriers.vertex, barriers.open_to, u, v, len(lines.vertex_xy))
        if private is not None:
            private &= _barrier_masks(barriers.vertex, barriers.open_to_residents, u, v, len(lines.vertex_xy))
    if private is not None:
        private[access > 0] = 0
    return _finish(lines, vertices, first, u, v, access, private, line_of[start], source=source, notes=notes)


def _with_vertices_in_common(lines: Lines, fixed: Int64Array) -> Lines:
    """Give one-way lines that lie on one another the same vertices, so that they are cut alike and found to be twins.

    Two directions of a carriageway may have been drawn with vertices of their own: more of them, or others at the same
    places. Where two straight pieces of different one-way lines run along one another for `OVERLAP_M` or more within
    `ON_LINE_M`, the vertices of each become those of the other. Lines that may be boarded differently (a bridge above a
    street), or that no bicycle and no car may both use, are left alone; `fixed` vertices (barriers) keep their number.
    """
    one_way: BoolArray = np.asarray(np.isin(lines.access[:, 1:], (FORWARD, BACKWARD)).any(axis=1))
    of_line = np.repeat(np.arange(len(one_way)), np.diff(lines.first))
    start = np.flatnonzero((of_line[:-1] == of_line[1:]) & one_way[of_line[:-1]])
    a, b = lines.vertex_xy[lines.vertex[start]], lines.vertex_xy[lines.vertex[start + 1]]
    shapes: npt.NDArray[np.object_] = np.asarray(shapely.linestrings(np.stack([a, b], axis=1)))
    p, q = shapely.STRtree(shapes).query(shapes, predicate="dwithin", distance=ON_LINE_M)
    # both orders of each pair: once the vertices of q are put into p, once those of p into q
    known = of_line[start[p]] != of_line[start[q]]
    known &= (lines.boards[of_line[start[p]]] == lines.boards[of_line[start[q]]]).all(axis=1)
    wheels = lines.access[:, 1:]
    known &= ((wheels[of_line[start[p]]] > 0) & (wheels[of_line[start[q]]] > 0)).any(axis=1)
    p, q = p[known], q[known]
    step, length = b[p] - a[p], np.hypot(*(b[p] - a[p]).T)
    far = length > 0
    p, q, step, length = p[far], q[far], step[far] / length[far, None], length[far]
    ends = [(lines.vertex[start[q] + at], (b if at else a)[q] - a[p]) for at in (0, 1)]
    along = [np.einsum("ij,ij->i", offset, step) for _, offset in ends]
    off_m = [np.abs(step[:, 0] * offset[:, 1] - step[:, 1] * offset[:, 0]) for _, offset in ends]
    common_m = np.minimum(np.maximum(*along), length) - np.maximum(np.minimum(*along), 0.0)
    on = (common_m >= OVERLAP_M) & (np.maximum(*off_m) <= ON_LINE_M)
    on |= _mirrored(on, p, q, len(start))
    same = np.arange(len(lines.vertex_xy))
    inserted = []
    for (vertex, _), at_m, away_m in zip(ends, along, off_m, strict=True):
        near = on & (away_m <= ON_LINE_M)
        inside = near & (at_m > ON_LINE_M) & (at_m < length - ON_LINE_M)
        inserted.append(np.stack([start[p[inside]] + 1, at_m[inside], vertex[inside]], axis=1))
        for end, meets in ((start[p], np.abs(at_m) <= ON_LINE_M), (start[p] + 1, np.abs(at_m - length) <= ON_LINE_M)):
            rows = near & meets
            same = _united(same, lines.vertex[end[rows]], vertex[rows], fixed)
    return _inserted(lines, np.unique(np.concatenate(inserted), axis=0), same)


def _mirrored(on: BoolArray, p: Int64Array, q: Int64Array, count: int) -> BoolArray:
    """Return which pairs (p, q) are on one another as seen from q: the end of a long piece may be off a short one."""
    return np.asarray(np.isin(p * count + q, (q * count + p)[on]))


def _united(same: Int64Array, one: Int64Array, other: Int64Array, fixed: Int64Array) -> Int64Array:
    """Return which vertex stands for each, with those of `one` and `other` made one, row by row."""
    pairs = np.unique(np.sort(np.stack([same[one], same[other]], axis=1), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    if not len(pairs):
        return same
    links = sparse.coo_matrix((np.ones(len(pairs), dtype=bool), pairs.T), shape=(len(same), len(same)))
    label = csgraph.connected_components(links, directed=False)[1]
    order = np.lexsort((np.arange(len(same)), ~np.isin(np.arange(len(same)), fixed), label))
    chief = order[np.unique(label[order], return_index=True)[1]]
    return np.asarray(chief[label[same]], dtype=np.int64)


def _inserted(lines: Lines, extra: FloatArray, same: Int64Array) -> Lines:
    """Return lines with further vertices (rows of position, metres along, vertex) and with `same` ones made one."""
    where, vertex = extra[:, 0].astype(np.int64), extra[:, 2].astype(np.int64)
    if not len(where) and (same == np.arange(len(same))).all():
        return lines
    shift = np.concatenate([[0], np.cumsum(np.bincount(where, minlength=len(lines.vertex) + 1))])
    return dataclasses.replace(
        lines, vertex=same[np.insert(lines.vertex, where, vertex)], first=lines.first + shift[lines.first]
    )


def ranges(start: Int64Array, stop: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Return the concatenated ``range(start[i], stop[i])`` and the offset at which each begins, plus the end."""
    counts = stop - start
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return np.arange(first[-1]) + np.repeat(start - first[:-1], counts), first


def _finish(
    lines: Lines,
    vertices: Int64Array,
    first: Int64Array,
    u: Int64Array,
    v: Int64Array,
    access: npt.NDArray[np.uint8],
    private: npt.NDArray[np.uint8] | None,
    line: Int64Array,
    *,
    source: str,
    notes: Notes,
) -> Streets:
    """Merge the ends of edges without length, number the nodes that remain, and drop what no mode may use."""
    xy = lines.vertex_xy[vertices]
    flat = lengths_m(xy, first) == 0
    group = np.arange(len(lines.vertex_xy))
    if flat.any():
        ones = np.ones(int(flat.sum()), dtype=bool)
        links = sparse.coo_matrix((ones, (u[flat], v[flat])), shape=(len(group), len(group)))
        group = csgraph.connected_components(links, directed=False)[1].astype(np.int64)
        notes.add(
            "streets.zero_length",
            int(flat.sum()),
            f"{int(flat.sum())} street pieces without length: their ends were merged",
        )
    wanted = access if private is None else access | private
    keep = np.flatnonzero(~flat & (wanted > 0).any(axis=1))
    pieces = _Pieces(
        u=group[u[keep]],
        v=group[v[keep]],
        access=access[keep],
        private=None if private is None else private[keep],
        boards=lines.boards[line[keep]],
        line=line[keep],
        road_class=np.array(lines.road_classes, dtype=object)[lines.road_class[line[keep]]],
    )
    alone, pieces = _join_twins(pieces, np.diff(first)[keep], lines, notes)
    keep = keep[alone]
    pick, kept_first = ranges(first[:-1][keep], first[1:][keep])
    # Merged vertices have the same coordinates, so any of a group stands for all.
    ends_of = np.concatenate([u[keep], v[keep]])
    _, index, number = np.unique(group[ends_of], return_index=True, return_inverse=True)
    node_xy = lines.vertex_xy[ends_of[index]]
    ends: npt.NDArray[np.int32] = number.astype(np.int32)
    line = pieces.line
    road_classes = tuple(dict.fromkeys([*lines.road_classes, *pieces.road_class.tolist()]))
    number_of = {name: row for row, name in enumerate(road_classes)}
    return Streets(
        node_xy=node_xy,
        u=ends[: len(keep)],
        v=ends[len(keep) :],
        xy=xy[pick],
        first=kept_first,
        access=_by_mode(pieces.access),
        road_class=np.array([number_of[name] for name in pieces.road_class.tolist()], dtype=np.int16),
        road_classes=road_classes,
        speed_kmh=lines.speed_kmh[line],
        source=source,
        boards=_by_mode(pieces.boards),
        private={} if pieces.private is None else _by_mode(pieces.private),
        line=np.empty(0, dtype=np.int64) if pieces.private is None else line,
    )


@dataclass(frozen=True)
class _Pieces:
    """Edges before they are numbered: distinct ends, flags by mode, and the line that each was cut from."""

    u: Int64Array
    v: Int64Array
    access: npt.NDArray[np.uint8]
    private: npt.NDArray[np.uint8] | None
    boards: BoolArray
    line: Int64Array
    road_class: npt.NDArray[np.object_]


def _join_twins(pieces: _Pieces, size: Int64Array, lines: Lines, notes: Notes) -> tuple[Int64Array, _Pieces]:
    """Join pieces of two vertices that have both in common; return the rows that stay, and these as they are now.

    Lines that share all of their vertices are cut at each, so no longer piece has a twin. The first of a group stands
    for it; a car is as slow as on the slowest that is open to cars. Ferries keep a speed of their own and stay apart.
    """
    own_speed = ~np.isnan(lines.speed_kmh[pieces.line])
    low, high = np.minimum(pieces.u, pieces.v), np.maximum(pieces.u, pieces.v)
    straight = (size == 2) & ~own_speed  # noqa: PLR2004 - its two ends
    # every other piece has a key of its own
    key = np.where(straight, low * (high.max(initial=0) + 1) + high, -1 - np.arange(len(size)))
    _, rows, group = np.unique(key, return_index=True, return_inverse=True)
    if len(rows) == len(size):
        return np.arange(len(size)), pieces
    turned = (pieces.u > pieces.v)[:, None]

    def together(flags: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        joined = np.zeros((len(rows), flags.shape[1]), dtype=np.uint8)
        np.bitwise_or.at(joined, group, np.where(turned, _swapped(flags), flags))
        return np.where(turned[rows], _swapped(joined), joined)

    boards = np.zeros((len(rows), len(MODES)), dtype=bool)
    wanted = pieces.access if pieces.private is None else pieces.access | pieces.private
    np.logical_or.at(boards, group, pieces.boards & (wanted > 0))
    access = together(pieces.access)
    private = None if pieces.private is None else np.where(access > 0, np.uint8(0), together(pieces.private))
    by_car = np.lexsort((np.arange(len(size)), wanted[:, MODES.index("drive")] == 0, group))
    first_by_car = by_car[np.unique(group[by_car], return_index=True)[1]]
    classes = _slowest_classes(pieces, wanted, group, first_by_car, lines)
    text = counted(len(size) - len(rows), "piece of street lies", "pieces of streets lie")
    text += " exactly on another one (a line for each direction?); they are read as one street, open both ways"
    notes.add("streets.twins", len(size) - len(rows), text)
    order = np.argsort(rows)  # in the order of the lines
    return rows[order], _Pieces(
        pieces.u[rows[order]],
        pieces.v[rows[order]],
        access[order],
        None if private is None else private[order],
        boards[order],
        pieces.line[first_by_car][order],
        classes[order],
    )


def _slowest_classes(
    pieces: _Pieces, wanted: npt.NDArray[np.uint8], group: Int64Array, stands_for: Int64Array, lines: Lines
) -> npt.NDArray[np.object_]:
    """Return the classes of each group's pieces that are open to cars (``a;b``), else that of the one in its place."""
    names = np.array(lines.road_classes, dtype=object)[lines.road_class[pieces.line]]
    classes = names[stands_for].copy()
    cars = np.flatnonzero(wanted[:, MODES.index("drive")] > 0)
    other = cars[names[cars] != classes[group[cars]]]
    for row in other.tolist():
        known = str(classes[group[row]]).split(";")
        classes[group[row]] = ";".join(dict.fromkeys([*known, *str(names[row]).split(";")]))
    return classes


def _swapped(flags: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return direction flags of the same pieces seen from their other end."""
    return ((flags & FORWARD) << 1 | (flags & BACKWARD) >> 1).astype(np.uint8)


Flag = TypeVar("Flag", np.uint8, np.bool_)


def _by_mode(flags: npt.NDArray[Flag]) -> dict[str, npt.NDArray[Flag]]:
    return {mode: np.ascontiguousarray(flags[:, i]) for i, mode in enumerate(MODES)}


def _with_stubs(lines: Lines, barriers: Barriers) -> tuple[Lines, BoolArray]:
    """Insert a vertex shortly before and after each barrier; return also which vertices must become nodes."""
    is_barrier = np.zeros(len(lines.vertex_xy), dtype=bool)
    is_barrier[barriers.vertex] = True
    at = is_barrier[lines.vertex]
    inner = np.ones(len(lines.vertex), dtype=bool)
    inner[lines.first[:-1]] = False  # whether the vertex has one before it in its line
    step_to = np.flatnonzero(inner)  # segments, by their last vertex
    after = step_to[at[step_to - 1]]  # the segment leaves a barrier: its stub's end lies near its start
    before = step_to[at[step_to]]  # the segment arrives at a barrier: its stub begins near its end
    from_xy, to_xy = lines.vertex_xy[lines.vertex[:-1]], lines.vertex_xy[lines.vertex[1:]]

    def point(segments: Int64Array, from_start: bool) -> FloatArray:
        a, b = from_xy[segments - 1], to_xy[segments - 1]
        length = np.hypot(*(b - a).T)
        share = np.minimum(BARRIER_STUB_M / np.where(length > 0, length, 1.0), STUB_SHARE)[:, None]
        return a + (b - a) * (share if from_start else 1.0 - share)

    new_xy = np.concatenate([point(after, from_start=True), point(before, from_start=False)])
    where = np.concatenate([after, before])
    # of lines on one another each stub has the same end
    barrier = np.concatenate([lines.vertex[after - 1], lines.vertex[before]])
    other = np.concatenate([lines.vertex[after], lines.vertex[before - 1]])
    _, kept, number = np.unique(barrier * len(lines.vertex_xy) + other, return_index=True, return_inverse=True)
    new_xy, ids = new_xy[kept], len(lines.vertex_xy) + number
    # np.insert keeps the given order for equal positions: the point near the segment's start comes first.
    vertex = np.insert(lines.vertex, where, ids)
    inserted = np.bincount(where, minlength=len(lines.vertex) + 1)
    shift = np.concatenate([[0], np.cumsum(inserted)])
    first = lines.first + shift[lines.first]
    break_at = np.concatenate([is_barrier, np.ones(len(new_xy), dtype=bool)])
    moved = Lines(
        np.concatenate([lines.vertex_xy, new_xy]), vertex, first,
        lines.access, lines.road_class, lines.road_classes, lines.speed_kmh, lines.boards, lines.residents,
    )  # fmt: skip
    return moved, break_at


def _barrier_masks(
    vertex: Int64Array, open_to: BoolArray, u: Int64Array, v: Int64Array, vertices: int
) -> npt.NDArray[np.uint8]:
    """Return, for each edge and mode, 255 where its ends let the mode pass and 0 where one of them does not."""
    passes = np.full((vertices, len(MODES)), 255, dtype=np.uint8)
    passes[vertex] = np.where(open_to, 255, 0)
    return passes[u] & passes[v]
