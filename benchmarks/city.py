"""Streets of an invented city, shaped like a real one, written as OSM PBF.

Land on both banks of a river is cut again and again across its longer side, from districts down to blocks: the first
cuts are primary roads, the last ones lanes, so streets have a hierarchy, meet in T-junctions and differ in width and
length. Blocks are small in the centres and large outside; some stay superblocks, with lanes that hang on one gate.
In the end the whole plane is bent by a smooth field, so every street curves and has vertices between its crossings.
Only its statistics resemble a city's; no place in it is real.
"""

import bisect
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import osmium
import pyproj

CRS = "EPSG:32651"
ORIGIN = (360000.0, 3440000.0)
AREA_M2 = 1.08e9
"""Land and river at scale 1; Pudong has 1,210 km²."""
RIVER_WIDTH_M = 280.0
BRIDGES = 9
SNAP_M = 20.0
"""A street that would end this near to another one's end shares its crossing: crossings of four arms, no offsets."""
CORNER_M = 22.0
STEP_M = 45.0
SMALLEST_BLOCK_M2, LARGEST_BLOCK_M2 = 7_500.0, 95_000.0
CLASS_BY_AREA = (
    (6.0e6, "primary"),
    (1.5e6, "secondary"),
    (3.5e5, "tertiary"),
    (9.0e4, "unclassified"),
    (0.0, "residential"),
)
"""A cut through land of at least so many square metres is a street of this class."""

XY = tuple[float, float]


@dataclass
class Street:
    """A straight street between two points before the plane is bent; `stops` are its nodes by metres along it."""

    start: XY
    end: XY
    tags: dict[str, str]
    stops: list[tuple[float, int]] = field(default_factory=list)
    gap: bool = False

    @property
    def length_m(self) -> float:
        """Length before bending."""
        return math.dist(self.start, self.end)


Block = tuple[list[XY], list[int]]
"""A convex polygon: its corners, and the street that each side (from corner i to i + 1) lies on."""


class City:
    """The streets while they grow."""

    def __init__(self, scale: float, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.side_m = math.sqrt(AREA_M2 * scale)
        self.nodes: list[XY] = []
        self.streets: list[Street] = []
        self.centres = self._centres()

    def _centres(self) -> list[tuple[float, float, float]]:
        """Return (x, y, radius) of the main centre by the river and of six towns around it."""
        side = self.side_m
        around = [(0.42, 0.56, 0.2)]
        for turn in np.linspace(0.3, 2 * math.pi + 0.3, 6, endpoint=False):
            reach = 0.3 + 0.1 * self.random.random()
            around.append((0.46 + reach * math.cos(turn), 0.5 + reach * math.sin(turn), 0.07))
        return [(x * side, y * side, r * side) for x, y, r in around]

    def urbanity(self, x: float, y: float) -> float:
        """Return 1 in the middle of a centre, 0 far from all."""
        return max(math.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * r * r)) for cx, cy, r in self.centres)

    def node(self, at: XY) -> int:
        """Add a node."""
        self.nodes.append(at)
        return len(self.nodes) - 1

    def street(self, start: int, end: int, **tags: str) -> int:
        """Add a street between two nodes and return its number."""
        one = Street(self.nodes[start], self.nodes[end], tags)
        one.stops = [(0.0, start), (one.length_m, end)]
        self.streets.append(one)
        return len(self.streets) - 1

    def stop(self, number: int, at: XY, snap_m: float = 0.0) -> int:
        """Return the node of a street at a point that lies on it; one within `snap_m` serves as well."""
        one = self.streets[number]
        along = math.dist(one.start, at)
        place = bisect.bisect(one.stops, (along, -1))
        for stop in one.stops[max(place - 1, 0) : place + 1]:
            if abs(stop[0] - along) <= snap_m:
                return stop[1]
        node = self.node(at)
        one.stops.insert(place, (along, node))
        return node

    def grow(self) -> None:
        """Cut both banks down to blocks, then fill these with lanes."""
        banks = self._banks()
        leaves: list[Block] = []
        open_land = list(banks)
        while open_land:
            block = open_land.pop()
            parts = None if self._stays_whole(block) else self._cut(block)
            if parts is None:
                leaves.append(block)
            else:
                open_land += parts
        for block in leaves:
            if area_of(block[0]) > 40_000 and self.random.random() < 0.65:
                self._superblock(block)
            else:
                self._lane(block)
        self._motorway()

    def _banks(self) -> list[Block]:
        """Return the land south and north of the river, with the streets along it and the bridges."""
        side, south = self.side_m, 0.6 * self.side_m
        blocks: list[Block] = []
        shores = []
        for low, high, shore in ((0.0, south, 2), (south + RIVER_WIDTH_M, side, 0)):
            corners = [(0.0, low), (side, low), (side, high), (0.0, high)]
            ids = [self.node(c) for c in corners]
            sides = []
            for i in range(4):
                kind = {"highway": "tertiary"} if i == shore else {"highway": "secondary"}
                sides.append(self.street(ids[i], ids[(i + 1) % 4], **kind))
            shores.append(sides[shore])
            blocks.append((corners, sides))
        for number in range(BRIDGES):
            x = side * (number + 0.5 + 0.3 * (self.random.random() - 0.5)) / BRIDGES
            ends = [self.stop(shore, (x, y)) for shore, y in zip(shores, (south, south + RIVER_WIDTH_M), strict=True)]
            self.street(*ends, highway="primary" if number % 2 else "secondary", bridge="yes")
        return blocks

    def _stays_whole(self, block: Block) -> bool:
        corners, _ = block
        x, y = middle_of(corners)
        area, urbanity = area_of(corners), self.urbanity(x, y)
        wanted = LARGEST_BLOCK_M2 * (SMALLEST_BLOCK_M2 / LARGEST_BLOCK_M2) ** min(1.0, urbanity * 1.25)
        if area < wanted * (0.9 + self.random.random()):
            return True
        return 40_000 < area < 160_000 and self.random.random() < 0.1 + 0.12 * urbanity

    def _cut(self, block: Block) -> tuple[Block, Block] | None:
        """Lay a street across the block's longest side and return the two parts; None where no cut fits."""
        corners, _ = block
        area, n = area_of(corners), len(corners)
        longest = max(range(n), key=lambda i: math.dist(corners[i], corners[(i + 1) % n]))
        a, b = corners[longest], corners[(longest + 1) % n]
        centre = middle_of(corners)
        for _ in range(4):
            turn = math.atan2(b[1] - a[1], b[0] - a[0]) + self.random.normal(0, 0.2 if area > 1.5e6 else 0.06)
            shift = self.random.uniform(-0.17, 0.17) * math.dist(a, b)
            at = (centre[0] + shift * math.cos(turn), centre[1] + shift * math.sin(turn))
            parts = self._cut_along(block, at, (math.cos(turn), math.sin(turn)), area)
            if parts is not None:
                return parts
        return None

    def _cut_along(self, block: Block, at: XY, normal: XY, area: float) -> tuple[Block, Block] | None:
        corners, sides = block
        n = len(corners)
        off = [(x - at[0]) * normal[0] + (y - at[1]) * normal[1] for x, y in corners]
        crossed = [i for i in range(n) if (off[i] > 0) != (off[(i + 1) % n] > 0)]
        if len(crossed) != 2:
            return None
        ends: list[XY] = []
        for i in crossed:
            p, q = corners[i], corners[(i + 1) % n]
            share = off[i] / (off[i] - off[(i + 1) % n])
            ends.append((p[0] + share * (q[0] - p[0]), p[1] + share * (q[1] - p[1])))
            if min(math.dist(ends[-1], p), math.dist(ends[-1], q)) < CORNER_M + SNAP_M:
                return None
        stops = [self.stop(sides[i], end, SNAP_M) for i, end in zip(crossed, ends, strict=True)]
        kind = next(name for least, name in CLASS_BY_AREA if area >= least)
        new = self.street(stops[0], stops[1], **self._tags(kind, middle_of(corners)))
        self.streets[new].gap = kind == "residential" and bool(self.random.random() < 0.07)
        (i, j), (p, q) = crossed, (self.nodes[stops[0]], self.nodes[stops[1]])
        one = ([p, *corners[i + 1 : j + 1], q], [*sides[i : j + 1], new])
        other = ([q, *corners[j + 1 :], *corners[: i + 1], p], [*sides[j:], *sides[: i + 1], new])
        return one, other

    def _tags(self, kind: str, at: XY) -> dict[str, str]:
        luck, urbanity = self.random.random(), self.urbanity(*at)
        if kind == "residential" and luck < 0.06 + 0.06 * urbanity:
            return {"highway": "footway"}
        if kind == "residential" and luck < 0.22:
            return {"highway": "living_street"}
        if kind in ("residential", "unclassified", "tertiary") and luck > 1 - 0.3 * urbanity:
            return {"highway": kind, "oneway": "yes" if self.random.random() < 0.5 else "-1"}
        return {"highway": kind}

    def _lane(self, block: Block) -> None:
        """Lead a dead end into the block, sometimes with a branch."""
        corners, sides = block
        if self.random.random() > 0.6:
            return
        i = int(self.random.integers(len(corners)))
        p, q = corners[i], corners[(i + 1) % len(corners)]
        if math.dist(p, q) < 60:
            return
        share = self.random.uniform(0.3, 0.7)
        gate = (p[0] + share * (q[0] - p[0]), p[1] + share * (q[1] - p[1]))
        centre, reach = middle_of(corners), self.random.uniform(0.5, 1.1)
        tip = (gate[0] + reach * (centre[0] - gate[0]), gate[1] + reach * (centre[1] - gate[1]))
        kind = ("service", "living_street", "footway")[int(self.random.integers(3))]
        lane = self.street(self.stop(sides[i], gate, SNAP_M), self.node(tip), highway=kind)
        if self.random.random() < 0.35:
            half = ((gate[0] + tip[0]) / 2, (gate[1] + tip[1]) / 2)
            side = (half[0] + 0.35 * (q[0] - p[0]), half[1] + 0.35 * (q[1] - p[1]))
            if contains(corners, side):
                # the lane's first stop may have moved to a crossing near by, so the branch starts on the lane itself
                one = self.streets[lane]
                self.street(self.stop(lane, between(one.start, one.end, 0.5)), self.node(side), highway="footway")

    def _superblock(self, block: Block) -> None:
        """Fill a large block with a lane from one gate and dead ends on both sides of it."""
        corners, sides = block
        n = len(corners)
        i = max(range(n), key=lambda k: math.dist(corners[k], corners[(k + 1) % n]))
        p, q = corners[i], corners[(i + 1) % n]
        gate = self.stop(sides[i], between(p, q, self.random.uniform(0.4, 0.6)), SNAP_M)
        start = self.nodes[gate]
        inward = (p[1] - q[1], q[0] - p[0])  # corners run anticlockwise
        depth = ray_length(corners, start, inward)
        size = math.hypot(*inward)
        ahead = (inward[0] / size, inward[1] / size)
        tip = (start[0] + 0.85 * depth * ahead[0], start[1] + 0.85 * depth * ahead[1])
        spine = self.street(gate, self.node(tip), highway="living_street")
        bars = max(2, int(depth / self.random.uniform(55, 85)))
        ends: list[int] = []
        for k in range(1, bars + 1):
            foot = between(start, tip, k / bars - 0.3 / bars)
            for turn in (1.0, -1.0):
                across = (-ahead[1] * turn, ahead[0] * turn)
                reach = self.random.uniform(0.6, 0.88) * ray_length(corners, foot, across)
                if reach > 15:
                    end = self.node((foot[0] + reach * across[0], foot[1] + reach * across[1]))
                    kind = "service" if k % 2 else "footway"
                    self.street(self.stop(spine, foot, 1.0), end, highway=kind)
                    ends.append(end)
        if len(ends) > 3:  # a garden path joins two of the dead ends on one side
            self.street(ends[0], ends[2], highway="footway")
        if self.random.random() < 0.5:  # a second gate, closed to the public: a short cut for whoever ignores that
            j = (i + n // 2) % n
            back = self.stop(sides[j], between(corners[j], corners[(j + 1) % n], 0.5), SNAP_M)
            self.street(self.streets[spine].stops[-1][1], back, highway="service", access="private")

    def _motorway(self) -> None:
        """Lay an elevated ring of two carriageways around the main centre, joined to ten main streets."""
        cx, cy, radius = self.centres[0]
        main = [s for s in self.streets if s.tags.get("highway") in ("primary", "secondary")]
        stops = sorted({node for s in main for _, node in s.stops})
        xy = np.array([self.nodes[node] for node in stops])
        rings = []
        for reach in (1.6 * radius, 1.6 * radius + 30):
            turn = np.linspace(0, 2 * math.pi, 60, endpoint=False)
            ring = [self.node((cx + reach * math.cos(t), cy + reach * math.sin(t))) for t in turn]
            rings.append(ring if reach == 1.6 * radius else ring[::-1])
            for a, b in zip(rings[-1], [*rings[-1][1:], rings[-1][0]], strict=True):
                self.street(a, b, highway="motorway", oneway="yes", layer="1", bridge="yes")
        for ring in rings:
            for node in ring[::6]:
                nearest = stops[int(np.argmin(np.hypot(*(xy - self.nodes[node]).T)))]
                self.street(node, nearest, highway="motorway_link", oneway="no", layer="1", bridge="yes")


def area_of(corners: list[XY]) -> float:
    """Return the area of a polygon in square metres."""
    sides = zip(corners, corners[1:] + corners[:1], strict=True)
    return 0.5 * abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in sides))


def middle_of(corners: list[XY]) -> XY:
    """Return the mean of the corners."""
    return sum(x for x, _ in corners) / len(corners), sum(y for _, y in corners) / len(corners)


def between(p: XY, q: XY, share: float) -> XY:
    """Return the point at `share` of the way from `p` to `q`."""
    return p[0] + share * (q[0] - p[0]), p[1] + share * (q[1] - p[1])


def contains(corners: list[XY], at: XY) -> bool:
    """Return whether a point lies inside a convex polygon with anticlockwise corners."""
    return all(
        (x1 - x0) * (at[1] - y0) - (y1 - y0) * (at[0] - x0) > 0
        for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True)
    )


def ray_length(corners: list[XY], start: XY, direction: XY) -> float:
    """Return how far it is from `start`, in a convex polygon or on its boundary, to where a ray leaves it."""
    size = math.hypot(*direction)
    dx, dy = direction[0] / size, direction[1] / size
    least = math.inf
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        nx, ny = y1 - y0, x0 - x1  # outward
        speed = dx * nx + dy * ny
        if speed > 1e-9:
            least = min(least, ((x0 - start[0]) * nx + (y0 - start[1]) * ny) / speed)
    return max(least, 0.0)


def bend(xy: npt.NDArray[np.float64], seed: int) -> npt.NDArray[np.float64]:
    """Return coordinates moved by a smooth field; its gradient stays below 1, so no two streets change places."""
    random = np.random.default_rng(seed)
    moved = xy.copy()
    for wave_m, high_m in ((14000.0, 330.0), (5200.0, 95.0), (1700.0, 30.0), (620.0, 8.0)):
        for axis in (0, 1):
            for _ in range(2):
                turn, phase = random.uniform(0, 2 * math.pi, 2)
                along = xy[:, 0] * math.cos(turn) + xy[:, 1] * math.sin(turn)
                moved[:, axis] += high_m / 2 * np.sin(2 * math.pi * along / wave_m + phase)
    return moved


def lay_ways(city: City) -> tuple[npt.NDArray[np.float64], list[tuple[list[int], dict[str, str]]]]:
    """Return the coordinates of all nodes before bending, and the ways: vertices every `STEP_M`, gaps left out."""
    xy: list[XY] = list(city.nodes)
    ways: list[tuple[list[int], dict[str, str]]] = []
    for street in city.streets:
        spans = [b[0] - a[0] for a, b in zip(street.stops, street.stops[1:], strict=False)]
        gap = int(np.argmax(spans)) if street.gap and max(spans) > 60 else -1
        way = [street.stops[0][1]]
        for k, ((_, a), (_, b)) in enumerate(zip(street.stops, street.stops[1:], strict=False)):
            if a == b:
                continue
            p, q = xy[a], xy[b]
            parts = max(1, round(math.dist(p, q) / STEP_M))
            shares = [0.35] if k == gap else [i / parts for i in range(1, parts)]
            way += range(len(xy), len(xy) + len(shares))
            xy += [between(p, q, share) for share in shares]
            if k == gap:
                ways.append((way, street.tags))
                xy.append(between(p, q, 0.65))
                way = [len(xy) - 1]
            way.append(b)
        if len(way) > 1:
            ways.append((way, street.tags))
    return np.array(xy), ways


def write_city(path: Path, scale: float, seed: int) -> int:
    """Write the streets of a city as OSM PBF; the same arguments give the same bytes.

    Parameters
    ----------
    path : Path
        The file, ending in ``.osm.pbf``.
    scale : float
        Share of `AREA_M2`; at 1 the walking network has more than 150,000 nodes after contraction.
    seed : int
        Decides everything that is left to chance.

    Returns
    -------
    int
        Number of OSM nodes.
    """
    city = City(scale, seed)
    city.grow()
    flat, ways = lay_ways(city)
    xy = bend(flat, seed)
    lon, lat = pyproj.Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform(*(xy + ORIGIN).T)
    used = np.zeros(len(xy), dtype=bool)
    for way, _ in ways:
        used[way] = True
    path.unlink(missing_ok=True)
    writer = osmium.SimpleWriter(str(path))
    for number in np.flatnonzero(used).tolist():
        place = (float(lon[number]), float(lat[number]))
        writer.add_node(osmium.osm.mutable.Node(id=number + 1, location=place, version=1))
    for number, (way, tags) in enumerate(ways, start=1):
        nodes = [n + 1 for n in way]
        writer.add_way(osmium.osm.mutable.Way(id=number, nodes=nodes, tags=tags, version=1))
    writer.close()
    return int(used.sum())
