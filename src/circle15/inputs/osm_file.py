"""Open an OSM file: the one way in which streets, facilities and water read it.

An OSM file is read as the state of the world at one time: each object stands in it once. Files that hold something else
look just like it and are refused: histories and changes, which have every version of an object, and extracts of several
dates put together, in which a street goes along its old way and along its new one. What a file calls itself is not
enough to tell them (an extract out of a history keeps its name, and loses its mark), so its objects are looked at, too.

Objects that are marked as deleted, and stand there once, are left out: JOSM saves what its user deleted.

Where ways bring the places of their nodes (``osmium add-locations-to-ways``), the file need not hold those nodes.
"""

import bz2
import contextlib
import gzip
import os
import tempfile
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, cast
from xml.etree.ElementTree import ParseError, iterparse

import numpy as np
import numpy.typing as npt
import osmium

from circle15.errors import InputError, Notes, Problem, counted

UNDEFINED = 2**31 - 1
"""Coordinate that osmium gives a node which the file does not hold."""
OSM_SCALE = 1e7
"""OSM stores degrees as integers of a ten-millionth."""
HISTORY_SUFFIXES = tuple(f".{kind}{packed}" for kind in ("osh", "osc") for packed in (".pbf", "", ".bz2", ".gz"))
OSM_SUFFIXES = (".osm.pbf", ".pbf", ".osm", ".osm.bz2", ".osm.gz", *HISTORY_SUFFIXES)
"""Of what is OSM data, if only to be refused with the right words."""
ONE_DATE = (
    "Bring it to one version of each object: a history or changes with osmium time-filter FILE -o NEW.osm.pbf, extracts"
    " that were put together with osmium merge, of extracts of the same date."
)
DELETED_MARK = b"action="
"""Attribute of JOSM's files; without it in the text, there is no need to parse it."""
CHUNK_BYTES = 1 << 22
NODE_RECORD = np.dtype([("id", "<u8"), ("x", "<i4"), ("y", "<i4")])
"""How osmium keeps the places of nodes in a file."""
KINDS = {"node": "n", "way": "w", "relation": "r"}

IntArray = npt.NDArray[np.int64]


@dataclass
class OsmFile:
    """An OSM file that holds one version of each object.

    Attributes
    ----------
    path : Path
        ``.osm.pbf``, ``.osm``, ``.osm.bz2`` or ``.osm.gz``.
    located : bool
        Whether any way brings the places of its nodes.
    deleted : frozenset of str
        Objects that only a mark of JOSM's says are deleted: ``n``, ``w`` or ``r`` and OSM's number.
    left_out : dict of str to None
        Objects marked as deleted that a reader came across, in the file's order.
    """

    path: Path
    located: bool
    deleted: frozenset[str]
    left_out: dict[str, None] = field(default_factory=dict)

    def processor(self, entities: osmium.osm.osm_entity_bits = osmium.osm.ALL) -> osmium.FileProcessor:
        """Return a processor whose ways know where their nodes are, to add filters and areas to."""
        places: Any = _places_of_nodes(self.path) if self.located else "flex_mem"
        return osmium.FileProcessor(str(self.path), entities).with_locations(places)

    def objects(self, processor: osmium.FileProcessor) -> Iterator[Any]:
        """Yield what a processor of this file finds, but for what is deleted.

        Raises
        ------
        InputError
            If the file is truncated, corrupt or no OSM data.
        """
        for item in _items(self.path, processor):
            if item.is_area():
                name = f"{'w' if item.from_way() else 'r'}{item.orig_id()}"
            else:
                name = f"{item.type_str()}{item.id}"
            if item.deleted or name in self.deleted:
                self.left_out[name] = None
            else:
                yield item

    def note_deleted(self, what: str, notes: Notes) -> None:
        """Tell how many of the objects that a reader looked for were left out, since they are marked as deleted."""
        count = len(self.left_out)
        are = counted(count, "object that is marked as deleted was", "objects that are marked as deleted were")
        notes.add("osm.deleted", count, f"{self.path.name}: {are} left out of the {what}", self.left_out)


def open_osm(path: Path) -> OsmFile:
    """Look through an OSM file, and refuse it if it doesn't hold one version of each object.

    Raises
    ------
    InputError
        If there is no such file, it is truncated, corrupt or no OSM data; if it is a history or holds changes, or
        several versions of an object; or if its ways don't name their nodes.
    """
    if not path.exists():
        raise InputError(Problem("no such file", str(path), remedy="Check [network] source."))
    status = path.stat()
    return OsmFile(path, *_looked_through(path, status.st_size, status.st_mtime_ns))


def check_for_gdal(path: Path) -> None:
    """Refuse an OSM file that GDAL, which reads it as layers, would misread; other files pass.

    Raises
    ------
    InputError
        As `open_osm` does; and if ways bring the places of nodes, or objects are marked as deleted, both of which GDAL
        does not know.
    """
    if not path.name.lower().endswith(OSM_SUFFIXES):
        return
    file = open_osm(path)
    if file.located:
        what, remedy = "its ways bring the places of nodes, which GDAL can't read", "Give it with its nodes."
        raise InputError(Problem(what, str(path), remedy=remedy))
    if file.deleted:
        remedy = "Upload the changes and download the area anew, or take these objects out of the file."
        what = f"{counted(len(file.deleted), 'object is', 'objects are')} marked as deleted, which GDAL would read"
        raise InputError(Problem(what, str(path), tuple(sorted(file.deleted)), remedy))


@lru_cache(maxsize=8)
def _looked_through(path: Path, size: int, changed_ns: int) -> tuple[bool, frozenset[str]]:
    """Return whether ways bring places, and what JOSM marks as deleted; once for all who read the file in a run."""
    del size, changed_ns  # of another file of that name there is another answer
    _refuse_history(path)
    nodes = _nodes(path)
    _refuse_copies(path, "n", nodes["id"].astype(np.int64))
    located = _look_at_ways(path)
    if located:
        _refuse_moved(path, nodes, *_ways_nodes(path))
    return located, _deleted_in_josm(path)


def _items(path: Path, processor: osmium.FileProcessor) -> Iterator[Any]:
    with _reading(path):
        yield from processor


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn osmium's complaints into an `InputError`."""
    try:
        yield
    except (RuntimeError, OSError, ValueError, osmium.InvalidLocationError) as error:
        raise InputError(
            Problem(
                f"cannot be read as OSM data: {error}",
                str(path),
                remedy="It is truncated, corrupt or of another format; download it again (check: osmium fileinfo -e).",
            )
        ) from None


# one version of each object ----------------------------------------------------------------------------------------


def _refuse_history(path: Path) -> None:
    with _reading(path), osmium.io.Reader(str(path), osmium.osm.NOTHING) as reader:
        marked = reader.header().has_multiple_object_versions
    if marked or path.name.lower().endswith(HISTORY_SUFFIXES):
        what = "is a history or a file of changes, with several versions of an object, not the state at one date"
        raise InputError(Problem(what, str(path), remedy=ONE_DATE))


def _refuse_copies(path: Path, kind: str, ids: IntArray) -> None:
    """Refuse objects that stand in the file more than once, whatever their versions are."""
    known, times = np.unique(ids, return_counts=True)
    copied = known[times > 1]
    if len(copied):
        name = {"n": ("node", "nodes"), "w": ("way", "ways"), "r": ("relation", "relations")}[kind]
        what = f"holds several versions or copies of {counted(len(copied), *name)}"
        raise InputError(Problem(what, str(path), tuple(f"{kind}{one}" for one in copied), ONE_DATE))


def _nodes(path: Path) -> npt.NDArray[np.void]:
    """Return id and place of all nodes with positive ids (`NODE_RECORD`), as often as they stand in the file.

    osmium writes them to a file as it reads; to look at them one by one in Python would take as long as all the rest.
    """
    with _unnamed_file() as name:
        processor = osmium.FileProcessor(str(path), osmium.osm.NODE).with_locations(f"sparse_file_array,{name}")
        for _ in _items(path, processor.with_filter(osmium.filter.EntityFilter(osmium.osm.NOTHING))):
            pass
        records: npt.NDArray[np.void] = np.fromfile(name, dtype=NODE_RECORD)
        del processor  # it holds the file
    given: npt.NDArray[np.void] = records[records["id"] != 0]  # the file is longer than what is in it
    return given


@contextlib.contextmanager
def _unnamed_file() -> Iterator[str]:
    """Give the name of a file that osmium can write to: in memory where the system can, since a full disk ends it."""
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("nodes")
        try:
            yield f"/proc/self/fd/{handle}"
        finally:
            os.close(handle)
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield str(Path(folder) / "nodes")


def _look_at_ways(path: Path) -> bool:
    """Refuse copies of ways and relations, and ways that don't name nodes; return whether any way brings places."""
    ids: dict[str, array[int]] = {"w": array("q"), "r": array("q")}
    located, nameless = False, []
    for item in _items(path, osmium.FileProcessor(str(path), osmium.osm.WAY | osmium.osm.RELATION)):
        ids["w" if item.is_way() else "r"].append(item.id)
        if item.is_way() and len(item.nodes):
            first, last = item.nodes[0], item.nodes[-1]
            # a clipped file may bring the places of inner nodes alone
            seen = (first, last, item.nodes[len(item.nodes) // 2])
            located = located or any(node.x != UNDEFINED for node in seen)
            if not first.ref and not last.ref:
                nameless.append(f"w{item.id}")
    for kind, found in ids.items():
        _refuse_copies(path, kind, np.frombuffer(found, dtype=np.int64))
    if nameless:
        what = (
            f"{counted(len(nameless), 'way gives', 'ways give')} no ids of nodes, so that nothing tells where ways meet"
        )
        remedy = "Write the file anew with the nodes' ids (refs), e.g. with osmium add-locations-to-ways."
        raise InputError(Problem(what, str(path), tuple(nameless), remedy))
    return located


# places that ways bring --------------------------------------------------------------------------------------------


def _ways_nodes(path: Path) -> tuple[IntArray, npt.NDArray[np.int32]]:
    """Return id and place of the nodes whose places ways bring, as often as they do."""
    refs, x, y = array("q"), array("i"), array("i")
    for way in _items(path, osmium.FileProcessor(str(path), osmium.osm.WAY)):
        nodes = [(node.ref, node.x, node.y) for node in way.nodes if node.ref > 0 and node.x != UNDEFINED]
        refs.extend([node[0] for node in nodes])
        x.extend([node[1] for node in nodes])
        y.extend([node[2] for node in nodes])
    place = np.column_stack([np.frombuffer(x, dtype=np.int32), np.frombuffer(y, dtype=np.int32)])
    return np.frombuffer(refs, dtype=np.int64), place


def _refuse_moved(path: Path, nodes: npt.NDArray[np.void], refs: IntArray, place: npt.NDArray[np.int32]) -> None:
    """Refuse nodes that are at one place by one way, and at another by another way or by themselves."""
    there = nodes[nodes["x"] != UNDEFINED]
    own = np.column_stack([there["id"].astype(np.int64), there["x"], there["y"]])
    every = np.unique(np.concatenate([own, np.column_stack([refs, place])]), axis=0)
    moved = np.unique(every[1:, 0][every[1:, 0] == every[:-1, 0]])
    if len(moved):
        what = f"{counted(len(moved), 'node lies', 'nodes lie')} at several places, by the ways that bring them"
        remedy = "Add the places anew, to a file of one date: osmium add-locations-to-ways."
        raise InputError(Problem(what, str(path), tuple(f"n{one}" for one in moved), remedy))


def _places_of_nodes(path: Path) -> osmium.index.LocationTable:
    """Return where the nodes are that ways bring the places of; osmium adds those that stand in the file themselves.

    A map, since the nodes come in no order: osmium's other tables look for them as if they did.
    """
    places = osmium.index.create_map("sparse_mem_map")
    refs, place = _ways_nodes(path)
    known, at = np.unique(refs, return_index=True)
    for ref, (lon, lat) in zip(known.tolist(), (place[at] / OSM_SCALE).tolist(), strict=True):
        places.set(ref, osmium.osm.Location(lon, lat))
    return places


# what JOSM deleted -------------------------------------------------------------------------------------------------


def _deleted_in_josm(path: Path) -> frozenset[str]:
    """Return the objects that a file of JOSM's marks as deleted: osmium does not know that mark."""
    name = path.name.lower()
    if name.endswith(".pbf"):
        return frozenset()
    opened: Callable[..., Any] = bz2.open if name.endswith(".bz2") else gzip.open if name.endswith(".gz") else open
    try:
        with opened(path, "rb") as file:
            if not _mentions(cast(BinaryIO, file), DELETED_MARK):
                return frozenset()
        found = set()
        with opened(path, "rb") as file:
            for _, element in iterparse(file):  # noqa: S314 - the user's own file, as every input
                if element.get("action") == "delete" and element.tag in KINDS:
                    found.add(f"{KINDS[element.tag]}{element.get('id')}")
                if element.tag in KINDS:
                    element.clear()
    except (OSError, EOFError, ParseError) as error:
        remedy = "It is truncated or corrupt; save or download it again."
        raise InputError(Problem(f"cannot be read as XML: {error}", str(path), remedy=remedy)) from None
    return frozenset(found)


def _mentions(file: BinaryIO, word: bytes) -> bool:
    tail = b""
    while chunk := file.read(CHUNK_BYTES):
        if word in tail + chunk:
            return True
        tail = chunk[-len(word) :]
    return False
