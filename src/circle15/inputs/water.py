"""Polygons of water in an OSM file: where nothing can be built.

Water is what maps of OSM paint as such: ``natural=water``, ``waterway=riverbank`` (older than it, and still found) and
``dock``, ``landuse=reservoir``, ``basin`` and ``salt_pond``, and a polygon that has only ``water`` with one of the
values that its page on the OSM wiki lists. Basins that are dry between rains and lakes that dry up count too: they are
no building ground either. What is covered or under the ground (``covered=yes``, ``tunnel``, ``location=underground``)
doesn't.

A river that is drawn as a line has no width here, and the sea is no polygon in OSM (``natural=coastline``): a place in
it isn't known to be in water, and a note says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import osmium
import shapely
from pyproj import CRS

from circle15.errors import Notes
from circle15.inputs import segments, transform
from circle15.inputs.osm import AREA_RELATIONS
from circle15.inputs.osm_file import open_osm
from circle15.inputs.streets import WGS84

WATER = {
    "natural": frozenset({"water"}),
    "waterway": frozenset({"riverbank", "dock"}),
    "landuse": frozenset({"reservoir", "basin", "salt_pond"}),
    "water": frozenset(
        {"lake", "pond", "reservoir", "basin", "lagoon", "oxbow", "river", "canal", "stream", "ditch", "moat"}
        | {"rapids", "stream_pool", "lock", "fishpond", "fish_pass", "wastewater", "reflecting_pool", "harbour"}
    ),
}
"""Key → values, any of which makes a polygon water."""
COAST = ("natural", "coastline")


@dataclass
class _Found:
    """What one pass over the file gathers; names are ``w`` or ``r`` and OSM's number."""

    areas: dict[str, shapely.Geometry] = field(default_factory=dict)
    tagged: dict[str, None] = field(default_factory=dict)  # ways and relations with the tags, in the file's order
    members: dict[str, list[str]] = field(default_factory=dict)  # of such relations
    outlines: dict[str, set[str]] = field(default_factory=dict)  # way → relations that it is the outline of, or a part
    coasts: int = 0

    @property
    def shapes(self) -> list[shapely.Geometry]:
        """The areas, but for ways that are the outline of a relation: its islands are no water."""
        return [
            shape for name, shape in self.areas.items() if self.areas.keys().isdisjoint(self.outlines.get(name, ()))
        ]

    @property
    def without_area(self) -> list[str]:
        """Names of what has the tags and no area, but for ways whose relation has one."""
        covered = {way for name, ways in self.members.items() if name in self.areas for way in ways}
        return [name for name in self.tagged if name not in self.areas and name not in covered]


def read_osm_water(path: Path, crs: str | CRS, notes: Notes) -> npt.NDArray[np.object_]:
    """Read the polygons of water of an OSM file.

    Parameters
    ----------
    path : Path
        ``.osm.pbf``, ``.osm``, ``.osm.bz2`` or ``.osm.gz``.
    crs : str or CRS
        The run's metric CRS.
    notes : Notes
        Gets ``osm.water_no_area`` (tagged as water, and no closed area in this file) and ``osm.coastline``.

    Returns
    -------
    object array of shapely polygons, shape (polygons,)
        In `crs` and the file's order; islands are holes. Polygons may overlap. Empty if the file holds none.

    Raises
    ------
    InputError
        If the file is missing, truncated or no OSM data, or its coordinates do not fit `crs`.
    """
    found = _gather(path, notes)
    broken = found.without_area
    text = (
        f"{path.name}: {len(broken)} objects tagged as water are no closed area in this file and were left out; "
        "places in them are not known to be in water"
    )
    notes.add("osm.water_no_area", len(broken), text, broken)
    text = f"{path.name}: {found.coasts} coastlines; the sea is no polygon in OSM, so places in it are not known to be"
    notes.add("osm.coastline", found.coasts, text)
    if not found.areas:
        return np.empty(0, dtype=object)
    moving = transform.Layer("water", str(path), notes)
    to_crs = partial(segments.project, source_crs=WGS84, crs=CRS.from_user_input(crs), layer=moving)
    shapes = shapely.transform(np.array(found.shapes, dtype=object), to_crs)
    return np.asarray(shapely.get_parts(shapes), dtype=object)


def is_water(tags: Mapping[str, str]) -> bool:
    """Return whether a polygon with these tags is open water."""
    hidden = tags.get("covered") == "yes" or tags.get("tunnel", "no") != "no" or tags.get("location") == "underground"
    return not hidden and any(tags.get(key) in values for key, values in WATER.items())


def _gather(path: Path, notes: Notes) -> _Found:
    found, file, polygons = _Found(), open_osm(path), osmium.geom.WKBFactory()
    wanted = [(key, value) for key, values in WATER.items() for value in sorted(values)]
    processor = file.processor().with_areas(osmium.filter.TagFilter(*wanted))
    for item in file.objects(processor.with_filter(osmium.filter.TagFilter(*wanted, COAST))):
        tags = dict(item.tags)
        if item.is_way():
            found.coasts += tags.get(COAST[0]) == COAST[1]
        if item.is_node() or not is_water(tags):
            continue
        if item.is_way():
            found.tagged[f"w{item.id}"] = None
        elif item.is_relation():
            _add_relation(found, item, tags)
        elif item.num_rings()[0]:  # what can't be assembled comes as an area without rings
            name = f"{'w' if item.from_way() else 'r'}{item.orig_id()}"
            found.areas[name] = shapely.from_wkb(polygons.create_multipolygon(item))
    file.note_deleted("water", notes)
    return found


def _add_relation(found: _Found, relation: osmium.osm.Relation, tags: Mapping[str, str]) -> None:
    """Keep a relation's members if it may have an area; others (a whole river as ``waterway``) only group ways."""
    if tags.get("type") in AREA_RELATIONS:
        name = f"r{relation.id}"
        found.tagged[name] = None
        found.members[name] = [f"w{member.ref}" for member in relation.members if member.type == "w"]
        for member in relation.members:
            if member.type == "w" and member.role != "inner":
                found.outlines.setdefault(f"w{member.ref}", set()).add(name)
