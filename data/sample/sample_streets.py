"""The streets and the water of the sample district, as OSM ways.

Streets in the two northern towns run straight along the axes, so that distances can be worked out by hand; those of
the rural town wind. Lengths are metres in the local plane of make_sample.py.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import osmium
import pyproj
import shapely
from sample_plan import CLOSED_LANE, COMMITTEES, ISLAND, LAKE, PARKS, PLANTED, WETLAND
from shapely.geometry import LineString, MultiPoint, Point, Polygon, box

CRS = "EPSG:32651"
ORIGIN = (364000.0, 3440000.0)
WEST, EAST, SOUTH, NORTH = -1400, 5650, -4900, 3900
"""Where the streets end. In the east that is close behind the last committees, on purpose."""

Tags = dict[str, str]
XY = tuple[float, float]

A_X = (0, 190, 400, 600, 810, 1000, 1210, 1400, 1600, 1810, 2000, 2200, 2400)
A_Y = (0, 200, 390, 600, 800, 1010, 1200, 1400, 1610, 1800, 2000, 2210, 2400, 2600)
B_X = (2800, 3350, 3950, 4500, 5050, 5600)
B_Y = (0, 620, 1300, 1950, 2600)
BANK_WEST, BANK_EAST = 2490, 2650
RIVER = Polygon([
    (BANK_WEST, NORTH + 100), (BANK_EAST, NORTH + 100), (BANK_EAST, -600), (2720, -1500), (2620, -2600), (2700, -3600),
    (2650, SOUTH - 100), (2500, SOUTH - 100), (2540, -3600), (2460, -2600), (2560, -1500), (BANK_WEST, -600),
])  # fmt: skip


class Streets:
    """OSM ways in local metres; `node_them` gives crossing ways of one layer a shared node."""

    def __init__(self) -> None:
        self.ways: list[tuple[list[XY], Tags]] = []
        self.node_tags: dict[XY, Tags] = {}

    def add(self, points: Sequence[XY], **tags: str) -> None:
        """Add a way; ``_`` at the end of a tag's name is dropped, ``__`` is a colon."""
        clean = {key.rstrip("_").replace("__", ":"): value for key, value in tags.items()}
        self.ways.append(([(round(x, 1), round(y, 1)) for x, y in points], clean))

    def lines(self, *, walkable: bool) -> list[LineString]:
        """Return the ways as lines: all of them, or those that people walk on and that hang together."""
        closed = {"motorway", "motorway_link", "trunk"}
        return [
            LineString(points)
            for points, tags in self.ways
            if tags.get("highway")
            and not (walkable and (tags["highway"] in closed or "access" in tags or tags.get("name") == "湖心环路"))
        ]

    def node_them(self) -> None:
        """Insert a shared vertex wherever two ways of one layer cross or one ends on the other."""
        lines = [LineString(points) for points, _ in self.ways]
        layer = [tags.get("layer", "0") if "highway" in tags else "none" for _, tags in self.ways]
        extra: list[set[XY]] = [set() for _ in lines]
        pairs = shapely.STRtree(lines).query(lines, predicate="dwithin", distance=0.1).T
        for i, j in pairs[pairs[:, 0] < pairs[:, 1]]:
            if layer[i] != layer[j] or layer[i] == "none":
                continue
            ends = [p for a, b in ((i, j), (j, i)) for p in (self.ways[a][0][0], self.ways[a][0][-1])
                    if lines[b].distance(Point(p)) < 0.1]  # fmt: skip
            met = lines[i].intersection(lines[j])
            crossings = [(round(p.x, 1), round(p.y, 1)) for p in getattr(met, "geoms", [met]) if isinstance(p, Point)]
            # An end that touches is the same place as its crossing, which rounding may have moved by 0.1 m.
            crossings = [c for c in crossings if all(np.hypot(c[0] - e[0], c[1] - e[1]) > 0.5 for e in ends)]
            for k in (i, j):
                extra[k].update(ends, crossings)
        for k, (points, tags) in enumerate(self.ways):
            new = [p for p in extra[k] if p not in points]
            where = [lines[k].project(Point(p)) for p in (*points[:-1], *new)] + [lines[k].length]
            merged = sorted(zip(where, (*points[:-1], *new, points[-1]), strict=True))
            self.ways[k] = ([p for _, p in merged], tags)


def curve(p: XY, q: XY, bend: float, waves: int, step: float = 30.0) -> list[XY]:
    """Return a wavy line from `p` to `q`, `bend` metres to either side, with a vertex every `step` metres."""
    (x0, y0), (x1, y1) = p, q
    length = float(np.hypot(x1 - x0, y1 - y0))
    t = np.linspace(0.0, 1.0, max(2, round(length / step) + 1))
    side = bend * np.sin(np.pi * waves * t)
    x = x0 + t * (x1 - x0) - side * (y1 - y0) / length
    y = y0 + t * (y1 - y0) + side * (x1 - x0) / length
    return [(float(a), float(b)) for a, b in zip(x, y, strict=True)]


def urban_streets(streets: Streets, rng: np.random.Generator) -> None:
    """Town A: small blocks, one-way pairs, alleys, a promenade; some pieces of street are missing."""
    park = box(*next(p.box for p in PARKS if p.type_id == "comprehensive_park"))
    main_x, main_y = {0, 1000, 2400}, {0, 390, 1200, 2210, 2600}
    one_way = {600: "yes", 810: "-1"}
    for lines, across, main, upright in ((A_X, A_Y, main_x, True), (A_Y, A_X, main_y, False)):
        for number, at in enumerate(lines):
            keep = [at in main or rng.random() > 0.14 for _ in across[1:]]
            points = [(float(at), float(c)) if upright else (float(c), float(at)) for c in across]
            name = f"示例{'纵' if upright else '横'}{number + 1}路"
            tags = {"highway": "secondary" if at in main else "residential", "name": name}
            if upright and at in one_way:
                tags |= {"oneway": one_way[at]}
            run: list[XY] = points[:1]
            for k, kept in enumerate(keep):
                middle = Point((points[k][0] + points[k + 1][0]) / 2, (points[k][1] + points[k + 1][1]) / 2)
                if kept and not park.contains(middle):
                    run.append(points[k + 1])
                else:
                    if len(run) > 1:
                        streets.add(run, **tags)
                    run = [points[k + 1]]
            if len(run) > 1:
                streets.add(run, **tags)
    streets.add([(2450, y) for y in range(50, 2551, 100)], highway="footway", name="滨河步道", foot="designated")
    for y in (390, 1200, 2210):
        streets.add([(2400, y), (2450, y)], highway="steps", step_count="12")
    streets.add([(1400, 2210), (1400, 2000), (1400, 1800)], highway="footway", name="公园中路")
    streets.add([(1210, 2000), (1400, 2000), (1600, 2000)], highway="footway", bicycle="no")
    streets.add(curve((1250, 2000), (1550, 2000), 120, 1), highway="footway")
    alleys(streets, rng)


def alleys(streets: Streets, rng: np.random.Generator) -> None:
    """Town A: dead-end alleys and passages in the blocks, away from everything that was placed by hand."""
    placed = MultiPoint([c.xy for c in COMMITTEES] + [p.xy for p in PLANTED]).buffer(40)
    busy = shapely.union_all([placed, *(box(*p.box).buffer(20) for p in PARKS)])
    kept = shapely.union_all(streets.lines(walkable=True))
    for x0, x1 in pairwise(A_X):
        for y0, y1 in pairwise(A_Y):
            x, y = round((x0 + x1) / 2 + rng.uniform(-40, 40)), y0
            through = rng.random() < 0.3
            points = [(x, y), (x, y1)] if through else [(x, y), (x, y + 90), (x + 45, y + 90)]
            line = LineString(points)
            if kept.distance(Point(x, y)) > 0.01 or (through and kept.distance(Point(x, y1)) > 0.01):
                continue
            if rng.random() < 0.75 and not line.intersects(busy):
                streets.add(points, highway="footway" if through else "living_street")


def superblock_streets(streets: Streets) -> None:
    """Town B: wide streets around walled blocks; inside, lanes that hang on one gate each."""
    for number, x in enumerate(B_X):
        kind = "tertiary" if 0 < number < 5 else "secondary"
        streets.add([(x, y) for y in B_Y], highway=kind, name=f"样板{number + 1}路")
    for number, y in enumerate(B_Y):
        streets.add([(x, y) for x in B_X], highway="secondary", name=f"样板{number + 1}大道", sidewalk="both")
    for x0, x1 in pairwise(B_X):
        for y0, y1 in pairwise(B_Y):
            if (x0, y0) == (4500, 1300):
                continue  # the block of the park
            middle, wide, deep = (x0 + x1) / 2, 0.32 * (x1 - x0), 0.62 * (y1 - y0)
            half = y0 + deep / 2
            streets.add([(middle, y0), (middle, y0 + 20), (middle, half), (middle, y0 + deep)], highway="residential")
            streets.node_tags[(middle, y0 + 20.0)] = {"barrier": "gate", "access": "yes"}
            for bar in (half, y0 + deep):
                streets.add([(middle - wide, bar), (middle, bar), (middle + wide, bar)], highway="living_street")
            for side in (middle - wide, middle + wide):
                streets.add([(side, y0 + deep), (side, half), (side, half - 60)], highway="footway")
            # A second gate exists, but its lane is private: whoever ignores that finds a short cut.
            gate = (middle, (y0 + deep + y1) / 2)
            streets.add([(middle, y0 + deep), gate, (middle, y1)], highway="service", access="private")
            streets.node_tags[(round(gate[0], 1), round(gate[1], 1))] = {"barrier": "gate", "access": "private"}
    streets.add([(4500, 1600), (4750, 1600), (5050, 1600)], highway="footway")
    streets.add([(4700, 1300), (4750, 1600), (4700, 1950)], highway="cycleway", foot="designated")
    streets.add(curve((2700, 0), (2700, 2600), 20, 6), highway="cycleway", name="东岸绿道")
    for y in B_Y[1:4]:
        streets.add(curve((2700, y), (2800, y), 0, 1), highway="footway", bicycle="yes")


def crossings(streets: Streets) -> None:
    """Three bridges for everyone; a tunnel, a motorway and a ferry that do not count for people on foot."""
    streets.add([(2400, 0), (2700, 0), (2800, 0)], highway="secondary", bridge="yes", name="南桥")
    streets.add([(2400, 2600), (2700, 2600), (2800, 2600)], highway="secondary", bridge="yes", name="北桥")
    streets.add([(2200, 1200), (2500, 1240), (2800, 1300)], highway="trunk", tunnel="yes", layer="-1",
                foot="no", bicycle="no", name="车行隧道")  # fmt: skip
    deck = curve((WEST, -300), (EAST, -300), 60, 4, 150)
    elevated = {"oneway": "yes", "bridge": "yes", "layer": "1", "name": "示例高速"}
    streets.add(deck, highway="motorway", **elevated)
    streets.add([(x, y - 25) for x, y in deck[::-1]], highway="motorway", **elevated)
    streets.add([deck[-6], (5050, -150), (5050, 0)], highway="motorway_link", **elevated)


def rural_streets(streets: Streets, rng: np.random.Generator) -> None:
    """Town C: winding roads, dead-end lanes, one bridge, a ferry, an island in a lake."""
    for x, bend in ((300, 40), (1500, -45), (3300, 45), (4600, -40)):
        streets.add(curve((x, 0), (x, SOUTH), bend, 7), highway="tertiary", name=f"模拟{'东' if x > 2600 else '西'}路")
    for y, name, end in ((-900, "模拟北路", 2400), (-3300, "模拟南路", 2440)):
        streets.add(curve((WEST, y), (end, y), 35, 8), highway="unclassified", name=name)
        streets.add(curve((5200 - end + 50, y), (EAST, y), 35, 6), highway="unclassified", name=name)
    middle = curve((WEST, -2000), (2400, -2000), 30, 6)
    streets.add(middle, highway="tertiary", name="模拟中路")
    streets.add([(2400, -2000), (2800, -2000)], highway="tertiary", bridge="yes", name="模拟大桥")
    streets.add(curve((2800, -2000), (EAST, -2000), 30, 5), highway="tertiary", name="模拟中路")
    streets.add([(2440, -3300), (2810, -3300)], route="ferry", foot="yes", bicycle="yes", duration="00:10")
    mouth = min(middle, key=lambda p: float(np.hypot(p[0] - CLOSED_LANE[-1][0], p[1] - CLOSED_LANE[-1][1])))
    streets.add([*CLOSED_LANE, mouth], highway="service", oneway="yes", name="出口路")
    x0, y0, radius = ISLAND
    turn = np.linspace(0, 2 * np.pi, 15)
    ring = [(x0 + radius * np.cos(a), y0 + radius * np.sin(a)) for a in turn[:-1]]
    streets.add([*ring, ring[0]], highway="path", name="湖心环路")
    streets.add([(x0 - radius, y0), (x0, y0), (x0 + radius, y0)], highway="path", name="湖心环路")
    lanes(streets, rng)


def lanes(streets: Streets, rng: np.random.Generator) -> None:
    """Town C: dead-end lanes off the roads, with a branch each."""
    closed = shapely.union_all([
        Point(LAKE[:2]).buffer(LAKE[2] + 30), Point(WETLAND[:2]).buffer(WETLAND[2] + 20), RIVER.buffer(30),
        LineString(CLOSED_LANE).buffer(350), box(WEST, -550, EAST, 50), *(box(*p.box).buffer(30) for p in PARKS),
    ])  # fmt: skip
    roads = [line for line in streets.lines(walkable=True) if line.bounds[3] < 1 and line.bounds[1] < -600]
    taken = shapely.union_all([LineString(points) for points, tags in streets.ways if tags.get("highway") == "service"])
    kinds = ("unclassified", "residential", "track", "service", "path")
    for road in roads:
        for at in np.arange(90.0, road.length - 60, 170.0):
            start, ahead = road.interpolate(at), road.interpolate(at + 1)
            side = 1 if rng.random() < 0.5 else -1
            dx, dy = side * (start.y - ahead.y), side * (ahead.x - start.x)
            reach = rng.uniform(160, 420)
            tip = (start.x + dx * reach, start.y + dy * reach)
            lane = curve((start.x, start.y), tip, rng.uniform(-18, 18), 2, 40)
            x, y = lane[len(lane) // 2]
            branch = [(x, y), (x + dy * 70 + dx * 20, y - dx * 70 + dy * 20), (x + dy * 120, y - dx * 120)]
            both = LineString(lane).union(LineString(branch))
            crowded = LineString(lane[1:]).union(LineString(branch)).distance(taken) < 60
            if rng.random() < 0.2 or crowded or both.intersects(closed) or tip[1] < SOUTH + 200:
                continue
            taken = taken.union(both)
            streets.add(lane, highway=kinds[int(rng.integers(4))])
            streets.add(branch, highway=kinds[int(rng.integers(2, 5))])


def outer_streets(streets: Streets) -> None:
    """Streets of the neighbours: 1.2 km and more beyond the committees, but not in the east."""
    for x in (WEST, -900, -450):
        streets.add(curve((x, NORTH), (x, SOUTH), 25 if x > WEST else 0, 12, 60), highway="tertiary", name="邻区路")
    for x in (0, 1000, 2000, *B_X):
        streets.add([(x, 2600), (x, 3000), (x, 3450), (x, NORTH)], highway="residential", name="邻区路")
    for y in (3000, 3450, NORTH):
        for x0, x1 in ((WEST, 2400), (2800, 5600)):
            streets.add(curve((x0, y), (x1, y), 30 if y < NORTH else 0, 6, 60), highway="tertiary", name="邻区横路")
    for y in (0, 1200, 2600):
        streets.add([(WEST, y), (-900, y), (-450, y), (0, y)], highway="secondary", name="邻区大道", cycleway="lane")
    for x0, x1 in ((WEST, 2400), (2760, EAST)):
        streets.add(curve((x0, SOUTH), (x1, SOUTH), 0, 1, 100), highway="tertiary", name="邻区南路")
        streets.add(curve((x0, -4250), (x1, -4250), 40, 8, 60), highway="unclassified", name="邻区南路")


def park_paths(streets: Streets) -> None:
    """Lead a footway through each small park, so that the network meets its boundary."""
    for park in PARKS:
        if park.path:
            streets.add(park.path, highway="footway")


def make_streets(rng: np.random.Generator) -> Streets:
    """Return all streets of the district, with shared nodes where they meet."""
    streets = Streets()
    urban_streets(streets, rng)
    superblock_streets(streets)
    crossings(streets)
    rural_streets(streets, rng)
    outer_streets(streets)
    park_paths(streets)
    streets.node_them()
    return streets


def write_pbf(streets: Streets, path: Path) -> int:
    """Write streets and water as OSM PBF and return the number of nodes."""
    to_lonlat = pyproj.Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    circles = (LAKE, (*ISLAND[:2], ISLAND[2] + 40), WETLAND)
    shores = [Point(x, y).buffer(radius, 8).exterior for x, y, radius in circles]
    rings = [[(round(x, 1), round(y, 1)) for x, y in ring.coords] for ring in (RIVER.exterior, *shores)]
    water: list[Tags] = [{"natural": "water", "water": "river", "name": "示例河"}, {}, {}, {"natural": "wetland"}]
    ways = [*streets.ways, *zip(rings, water, strict=True)]
    ids: dict[XY, int] = {}
    for points, _ in ways:
        for point in points:
            ids.setdefault(point, len(ids) + 1)
    lon, lat = to_lonlat.transform(*(np.array(list(ids)) + ORIGIN).T)
    path.unlink(missing_ok=True)
    writer = osmium.SimpleWriter(str(path))
    for point, x, y in zip(ids, lon, lat, strict=True):
        tags = streets.node_tags.get(point, {})
        writer.add_node(osmium.osm.mutable.Node(id=ids[point], location=(x, y), tags=tags, version=1))
    for number, (points, tags) in enumerate(ways, start=1):
        writer.add_way(osmium.osm.mutable.Way(id=number, nodes=[ids[p] for p in points], tags=tags, version=1))
    lake, island = len(ways) - 2, len(ways) - 1
    lake_tags = {"type": "multipolygon", "natural": "water", "name": "示例湖"}
    members = [("w", lake, "outer"), ("w", island, "inner")]
    writer.add_relation(osmium.osm.mutable.Relation(id=1, members=members, tags=lake_tags, version=1))
    writer.close()
    return len(ids)
