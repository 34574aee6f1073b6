"""Gated compounds: who lives inside walks out by the gates; nobody else enters or passes through."""

from __future__ import annotations

import dataclasses
import functools
from itertools import pairwise

import geopandas as gpd
import networkx as nx
import numpy as np
import osmnx
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from circle15.errors import InputError, Notes
from circle15.inputs import osm_access
from circle15.inputs.streets import read_streets
from circle15.network.around import with_ways_around
from circle15.network.circles import draw_circles
from circle15.network.compounds import add_inside, build_gated_network, is_inside
from circle15.network.graph import LINK, PRIVATE, PUBLIC, build_network
from circle15.network.hierarchy import build_hierarchy, longest_path_bound
from circle15.network.route import COMPOUND, STREET, nearest_few, route
from circle15.network.snap import snap_to_begin, snap_to_end
from circle15.network.survey import survey
from circle15.network.travel import Places, Router, find_ranges, nearest
from circle15.tables import BOTH, MODES
from kit import CYCLE, DRIVE, WALK, Oracle, make_streets, random_streets
from osm_kit import PLAIN, write_osm

M_PER_S = 4.0 / 3.6
RULES = osm_access.worldwide()
MAIN = [[(-500, 0), (0, 0)], [(0, 0), (500, 0)], [(500, 0), (1000, 0)], [(0, 0), (0, -300)], [(500, 0), (500, -300)]]
"""A public street along y = 0 with two side streets."""


def gated_streets(public, private, flags=None, line=None):
    """Streets of which the lines of `private` are open only to those who live there; each line stands for itself."""
    streets = make_streets([*public, *private], flags)
    inner = np.arange(len(public) + len(private)) >= len(public)
    return with_private(streets, inner, np.arange(len(inner)) if line is None else np.asarray(line))


def with_private(streets, inner, line):
    flags = streets.access["walk"]
    return dataclasses.replace(
        streets,
        access=dict.fromkeys(MODES, np.where(inner, 0, flags).astype(np.uint8)),
        private=dict.fromkeys(MODES, np.where(inner, flags, 0).astype(np.uint8)),
        line=np.asarray(line, dtype=np.int64),
    )


def gated(streets, speeds=WALK, min_nodes=1, notes=None):
    return build_gated_network(streets, speeds, min_nodes, notes if notes is not None else Notes())


def points_of(xy) -> np.ndarray:
    return np.array([shapely.Point(at) for at in np.asarray(xy, dtype=float).reshape(-1, 2)], dtype=object)


def places(network, xy, max_snap_m=300.0) -> Places:
    xy = np.asarray(xy, dtype=float).reshape(-1, 2)
    outside = Places(snap_to_end(network, xy, max_snap_m), xy, np.arange(len(xy)))
    return add_inside(network, outside, points_of(xy), max_snap_m)


def metres(network, a, b) -> float:
    """Return how far it is from a to b, NaN where no way leads."""
    start = snap_to_begin(network, np.asarray([a], dtype=float), 300.0)
    return float(nearest(network, start, places(network, [b]), np.inf).distance_m[0])


def codes(notes) -> dict[str, int]:
    return {note.code: note.count for note in notes.items}


# by hand -----------------------------------------------------------------------------------------------------------


def test_who_lives_inside_leaves_by_the_gate_and_nobody_enters():
    network = gated(gated_streets(MAIN, [[(0, 0), (0, 200)]]))
    assert metres(network, (0, 150), (300, 0)) == pytest.approx(150 + 300)
    assert metres(network, (10, 150), (0, 20)) == pytest.approx(10 + 130)  # both inside
    # from outside the facility at (0, 150) is reached as without the switch: from the nearest public street
    assert metres(network, (300, 0), (0, 150)) == pytest.approx(300 + 150)
    # of a facility behind a gate the way inside is not for others: 500 m off every public street it is out of reach
    far = gated(gated_streets(MAIN, [[(0, 0), (0, 500)]]))
    assert np.isnan(metres(far, (300, 0), (0, 490)))
    assert metres(far, (0, 480), (0, 490)) == pytest.approx(10)


def test_nobody_passes_through():
    loop = [[(0, -300), (0, -400), (500, -400), (500, -300)]]
    shortcut = [[(0, 0), (250, -100), (500, 0)]]  # private, between two public junctions
    detour = [MAIN[0], MAIN[2], MAIN[3], MAIN[4], *loop]  # without the street between (0, 0) and (500, 0)
    network = gated(gated_streets(detour, shortcut))
    assert metres(network, (-100, 0), (600, 0)) == pytest.approx(100 + 300 + 100 + 500 + 100 + 300 + 100)
    assert metres(network, (250, -100), (600, 0)) == pytest.approx(np.hypot(250, 100) + 100)
    assert metres(network, (250, -100), (-100, 0)) == pytest.approx(np.hypot(250, 100) + 100)


def test_a_gate_on_an_open_stretch_of_street_stays_a_gate():
    """A node where two public pieces and a private one meet is contracted away without the private one."""
    public = [[(0, 0), (300, 0)], [(300, 0), (1000, 0)]]
    network = gated(gated_streets(public, [[(300, 0), (300, 100)], [(300, 100), (300, 250)]]))
    assert (network.kind == PUBLIC).sum() == 2
    assert (network.kind == PRIVATE).sum() == 1
    assert (network.kind == LINK).sum() == 1
    gate = np.flatnonzero(network.kind == LINK)[0]
    assert (network.length_m[gate], network.time_s[gate]) == (0.0, 0.0)
    assert (network.forward[gate], network.backward[gate]) == (True, False)
    assert metres(network, (300, 200), (900, 0)) == pytest.approx(200 + 600)


def test_a_one_way_private_street_from_the_gate_is_no_way_out_even_where_a_one_way_street_begins():
    """Directions that fit must not join the public street, the gate and the private one to a single edge."""
    streets = gated_streets([[(0, 0), (300, 0)], [(300, 0), (600, 0)]], [[(300, 0), (300, 200)]], [3, 1, 1])
    network = gated(streets)
    assert metres(network, (300, 150), (600, 0)) == pytest.approx(150 + 300)  # it only leads in: on the public street
    assert sorted(network.kind.tolist()) == [PUBLIC, PUBLIC, PRIVATE, LINK]
    out = gated(gated_streets([[(300, 0), (600, 0)]], [[(300, 0), (300, 200)]], [1, 2]))
    assert sorted(out.kind.tolist()) == [PUBLIC, PRIVATE, LINK]
    assert metres(out, (300, 150), (600, 0)) == pytest.approx(150 + 300)
    assert np.isnan(metres(out, (590, 0), (300, 0)))


def test_compounds_that_face_each_other_across_a_street_stay_apart():
    """Both begin at (0, 0); through B there is a short way to the street at y = 700."""
    back = [[(-500, 0), (-500, 700)], [(-500, 700), (0, 700)], [(0, 700), (500, 700)], [(0, 700), (0, 800)]]
    a, b = [(0, 0), (0, -200)], [(0, 0), (0, 700)]
    public = [MAIN[0], MAIN[1], MAIN[2], *back]
    apart = gated(gated_streets(public, [a, b]))
    around = 500 + 700 + 500
    assert metres(apart, (0, -150), (0, 750)) == pytest.approx(150 + around + 50)
    assert metres(apart, (0, 150), (0, 750)) == pytest.approx(550 + 50)
    assert np.isnan(metres(apart, (0, -150), (10, 350)))  # a facility in B, 350 m from public streets
    assert metres(apart, (0, 400), (10, 350)) == pytest.approx(50 + 10)
    # one private street that a public one crosses is one compound: those who live on either side may pass
    crossed = gated(gated_streets(public, [a, b], line=[*range(len(public)), 99, 99]))
    assert metres(crossed, (0, -150), (0, 750)) == pytest.approx(150 + 700 + 50)
    # streets that meet at a node of their own are one compound as well
    met = gated(gated_streets(public, [a, b, [(0, 700), (100, 500)], [(100, 500), (0, -200)]]))
    assert metres(met, (0, -150), (0, 750)) == pytest.approx(50 + np.hypot(100, 700) + np.hypot(100, 200) + 50)


def test_who_has_left_may_come_back_by_another_gate():
    """Inside it is 1,900 m from gate to gate, outside 500 m."""
    inner = [[(0, 0), (0, 700), (500, 700), (500, 0)]]
    network = gated(gated_streets(MAIN, inner))
    assert (network.kind == LINK).sum() == 4  # two gates, and the way around in both directions
    assert metres(network, (0, 100), (500, 100)) == pytest.approx(100 + 500 + 100)
    assert metres(network, (0, 600), (500, 600)) == pytest.approx(100 + 500 + 100)
    start = snap_to_begin(network, np.array([[0.0, 100.0]]), 300.0)
    found = route(network, start, np.array([0.0, 100.0]), places(network, [(500, 310)]))
    assert [(part.kind, round(part.length_m)) for part in found.parts] == [
        (COMPOUND, 100), (STREET, 500), (COMPOUND, 310)
    ]  # fmt: skip
    assert [(round(x), round(y)) for x, y in found.way.coords] == [(0, 100), (0, 0), (500, 0), (500, 310)]


def test_a_way_around_that_passes_a_third_gate_needs_no_link():
    """Three gates on one street, their streets joined far behind: two neighbours each, not three pairs."""
    public = [[(-100, 0), (0, 0)], [(0, 0), (100, 0)], [(100, 0), (200, 0)], [(200, 0), (300, 0)]]
    inner = [[(x, 0), (x, 300)] for x in (0, 100, 200)] + [[(0, 300), (100, 300)], [(100, 300), (200, 300)]]
    network = gated(gated_streets(public, inner))
    assert (network.kind == LINK).sum() == 3 + 2 * 2
    assert metres(network, (0, 10), (200, 10)) == pytest.approx(10 + 200 + 10)


def test_a_compound_without_a_gate_is_left_out_and_counted():
    notes = Notes()
    island = [[(100, 100), (200, 100)], [(200, 100), (200, 150)]]
    network = gated(gated_streets(MAIN, [*island, [(0, 0), (0, 50)]]), notes=notes)
    assert codes(notes) == {"network.walk.compounds": 1, "network.walk.sealed_compounds": 1}
    assert "(0.1 km of private streets, 1 gates)" in next(n.text for n in notes.items if n.code.endswith(".compounds"))
    assert metres(network, (150, 100), (300, 0)) == pytest.approx(100 + 150)  # as without the switch


def test_who_stands_in_front_of_a_gate_is_outside():
    network = gated(gated_streets([MAIN[0], MAIN[1]], [[(0, 0), (0, 200)]]))
    at = np.array([[0.0, 0.0], [0.0, -5.0], [0.0, 1.0], [3.0, 1.0], [1.0, 3.0]])
    assert is_inside(network, snap_to_begin(network, at, 300.0)).tolist() == [False, False, True, False, True]


def test_facilities_are_as_near_to_outsiders_as_without_the_switch_and_nearer_inside():
    streets = gated_streets(MAIN, [[(0, 0), (0, 200)], [(0, 200), (150, 200)]])
    network = gated(streets)
    found = places(network, [(100, 190), (300, 20), (0, 0), (5, -280)])
    # the first lies nearer to a private street, the third at the gate: both have a place inside, too
    assert found.facility.tolist() == [0, 0, 1, 2, 2, 3]
    assert is_inside(network, found.snapped).tolist() == [False, True, False, False, True, False]
    assert metres(network, (300, 0), (100, 190)) == pytest.approx(200 + 190)
    assert metres(network, (0, 20), (100, 190)) == pytest.approx(180 + 100 + 10)


def test_a_park_is_entered_from_inside_where_private_streets_cross_its_boundary():
    streets = gated_streets(MAIN, [[(0, 0), (0, 200)], [(0, 200), (400, 200)]])
    network = gated(streets)
    park = np.array([shapely.box(300, -50, 420, 250), shapely.box(350, 150, 380, 400)], dtype=object)
    xy = np.array([[300.0, 0.0], [420.0, 0.0], [365.0, 150.0]])
    outside = Places(snap_to_end(network, xy, 300.0), xy, np.array([0, 0, 1]))
    every = add_inside(network, outside, park, 300.0)
    inside = is_inside(network, every.snapped)
    # the public entrance at (365, 150) lies nearer to the private street than to any public one
    assert every.xy[inside].tolist() == [[300.0, 200.0], [350.0, 200.0], [365.0, 150.0], [380.0, 200.0]]
    assert every.facility[inside].tolist() == [0, 1, 1, 1]
    assert every.xy[~inside].tolist() == xy.tolist()


def test_a_small_piece_of_public_streets_behind_private_ones_lies_inside():
    """Gates alone are private, the streets behind them have no tag: 1 m of stub between street and yard."""
    yard = [[(300, 1), (300, 100)], [(300, 100), (350, 100)], [(300, 100), (250, 100)]]
    public = [[(0, 0), (300, 0)], [(300, 0), (1000, 0)], [(0, 0), (0, 99)], [(0, 0), (-99, 0)], [(0, 0), (0, -9)]]
    streets = gated_streets([*public, *yard], [[(300, 0), (300, 1)]])
    notes = Notes()
    network = gated(streets, min_nodes=5, notes=notes)
    assert codes(notes) == {"network.walk.compounds": 1}  # the yard is no dropped piece
    assert metres(network, (340, 100), (500, 0)) == pytest.approx(40 + 100 + 200)
    assert metres(network, (340, 100), (260, 100)) == pytest.approx(80)
    assert metres(network, (500, 0), (340, 100)) == pytest.approx(160 + 100)  # straight over the wall, as without
    alone = Notes()
    gated(gated_streets([*public, *yard], []), min_nodes=5, notes=alone)
    assert codes(alone) == {"network.walk.small_components": 1}
    # a piece that is large enough to stay is no part of a compound, and its people have no way out
    large = gated(streets, min_nodes=4)
    assert np.isnan(metres(large, (340, 100), (500, 0)))


def test_without_private_streets_the_network_is_that_of_the_other_builder():
    streets = random_streets(np.random.default_rng(3), 6)
    off = build_network(streets, WALK, 4, Notes())
    on = gated(with_private(streets, np.zeros(len(streets.u), dtype=bool), np.arange(len(streets.u))), min_nodes=4)
    for name in off.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(off, name), getattr(on, name))


def test_no_public_street_is_an_input_error():
    with pytest.raises(InputError, match="no street is open to the mode walk"):
        gated(gated_streets([], [[(0, 0), (100, 0)]]))


def test_a_circle_covers_the_own_compound_and_no_other():
    streets = gated_streets(MAIN, [[(0, 0), (0, 280)], [(500, 0), (500, 280)]])
    network = gated(streets)
    xy = np.array([[0.0, 200.0], [-300.0, 0.0]])
    origins, limit = snap_to_begin(network, xy, 300.0), np.full(2, 1000 / M_PER_S)
    inside, outside = draw_circles(network, find_ranges(network, origins, limit), origins, xy, limit)
    own, other, street = shapely.Point(0, 250), shapely.Point(500, 250), shapely.Point(300, 0)
    assert [inside.contains(at) for at in (own, other, street)] == [True, False, True]
    assert [outside.contains(at) for at in (own, other, street)] == [False, False, True]


def test_the_hierarchy_s_unit_does_not_grow_with_the_number_of_compounds():
    inner = [[(x, 0), (x, 250)] for x in range(100, 900, 50)]
    nodes = sorted({0, 500, *(line[0][0] for line in inner), 1000})
    public = [[(a, 0), (b, 0)] for a, b in pairwise(nodes)]
    few, many = (gated(gated_streets(public, inner[:k])) for k in (1, len(inner)))
    # through the public streets and back: 2 x (1,000 + 250) m at most, whatever all compounds together have
    assert longest_path_bound(few) <= longest_path_bound(many) <= 2 * 1250 / M_PER_S
    assert build_hierarchy(many, 900.0).error_s < 0.02


# against networkx ---------------------------------------------------------------------------------------------------


class GatedOracle:
    """For each point a graph of its own: the public streets, and those of the compound that it stands in."""

    def __init__(self, streets, speeds) -> None:
        self.streets, self.speeds = streets, speeds
        self.is_private = streets.private[speeds.mode] > 0
        self.compound = self._compounds()
        self.lines = [
            shapely.LineString(streets.xy[streets.first[e] : streets.first[e + 1]]) for e in range(len(streets.u))
        ]
        gates = {c for e, c in self.compound.items() if {streets.u[e], streets.v[e]} & self.public_nodes}
        self.compound = {e: c for e, c in self.compound.items() if c in gates}
        self.oracles: dict[int, Oracle] = {}

    def _compounds(self) -> dict[int, int]:
        streets, link = self.streets, nx.Graph()
        public = np.flatnonzero(~self.is_private)
        self.public_nodes = {*streets.u[public].tolist(), *streets.v[public].tolist()}
        for e in np.flatnonzero(self.is_private).tolist():
            link.add_node(("edge", e))
            for node in (int(streets.u[e]), int(streets.v[e])):
                shared = ("line", int(streets.line[e]), node) if node in self.public_nodes else ("node", node)
                link.add_edge(("edge", e), shared)
        return {
            name[1]: number
            for number, group in enumerate(nx.connected_components(link))
            for name in group
            if name[0] == "edge"
        }

    def _oracle(self, compound: int) -> Oracle:
        if compound not in self.oracles:
            mode = self.speeds.mode
            own = np.array([self.compound.get(e) == compound for e in range(len(self.lines))])
            flags = np.where(own, self.streets.private[mode], self.streets.access[mode]).astype(np.uint8)
            self.oracles[compound] = Oracle(
                dataclasses.replace(self.streets, access=dict.fromkeys(MODES, flags)), self.speeds
            )
        return self.oracles[compound]

    def _near(self, at, private: bool, name: str = "from") -> tuple[float, int]:
        edges = self._oracle(-1).edges(name)
        if private:
            edges = self.begins if name == "from" else self.compound
        return min(((self.lines[e].distance(shapely.Point(at)), e) for e in edges), default=(np.inf, -1))

    @functools.cached_property
    def begins(self) -> set[int]:
        """The private streets from which some way leads to the core of the public ones."""
        found = set()
        for compound in set(self.compound.values()):
            graph = self._oracle(compound).graph
            out = set(self._oracle(-1).cores) & set(graph)
            out = out.union(*(nx.ancestors(graph, node) for node in out))
            for e in (e for e, own in self.compound.items() if own == compound):
                flags, ends = int(self.streets.private[self.speeds.mode][e]), (self.streets.u[e], self.streets.v[e])
                u, v = (("n", int(node)) for node in ends)
                if (flags & 1 and v in out) or (flags & 2 and u in out):
                    found.add(e)
        return found

    def home(self, at) -> int:
        """Return the compound that a point stands in, -1 for none."""
        (outside_m, _), (inside_m, edge) = self._near(at, private=False), self._near(at, private=True)
        return self.compound[edge] if inside_m < outside_m - 1e-6 else -1

    def __call__(self, a, b) -> float:
        compound = self.home(a)
        oracle = self._oracle(compound)
        (outside_m, street), (inside_m, lane) = (self._near(b, private, "to") for private in (False, True))
        ends = [street]
        if inside_m <= outside_m and self.compound[lane] == compound:
            ends.append(lane)
        start = self._near(a, private=compound >= 0)[1]
        return min(self._time(oracle, a, start, b, end) for end in ends)

    def _time(self, oracle: Oracle, a, start: int, b, end: int) -> float:
        """Return the seconds from a by the street `start` to b by the street `end`."""
        oracle = _Steered(oracle, [(a, self.lines[start]), (b, self.lines[end])])
        return oracle(a, b)


class _Steered(Oracle):
    """The oracle with points put on given streets instead of the nearest."""

    def __init__(self, oracle: Oracle, feet) -> None:
        self.__dict__.update(oracle.__dict__)
        self.__dict__["graph"] = oracle.graph
        self.feet = feet

    def _foot(self, at, name):
        line = next(line for point, line in self.feet if np.array_equal(point, at))
        foot = np.asarray(line.interpolate(line.project(shapely.Point(at))).coords[0])
        leg_m = float(np.hypot(*(foot - at)))
        if leg_m > self.max_snap_m:
            return None
        here = shapely.STRtree(self.shapes).query(shapely.Point(foot).buffer(1e-6)).tolist()
        on = [k for k in here if self._belongs(k, line)]
        return on[0], foot, leg_m / self.access_m_per_s

    def _belongs(self, k: int, line) -> bool:
        piece = self.shapes[k]
        start, stop = (shapely.Point(at) for at in piece.coords)
        return max(line.distance(start), line.distance(stop), line.distance(piece.centroid)) < 1e-9


def district(rng):
    """A random lattice with a third of its streets private; two streets in a row are one line of the input."""
    streets = random_streets(rng, 5, one_way=0.1)
    inner = rng.random(len(streets.u)) < rng.uniform(0.1, 0.6)
    if inner.all():
        inner[0] = False
    return with_private(streets, inner, np.arange(len(inner)) // 2)


@given(st.integers(0, 100_000), st.sampled_from(["scipy", "pandana"]), st.sampled_from([WALK, CYCLE, DRIVE]))
@settings(max_examples=60, deadline=None)
def test_times_are_those_of_a_graph_for_each_origin(seed, engine, speeds):
    rng = np.random.default_rng(seed)
    streets = district(rng)
    network, time = gated(streets, speeds), GatedOracle(streets, speeds)
    a, b = rng.uniform(-50, 450, (2, 7, 2))
    b[0] = a[0] + 5.0
    origins, targets = snap_to_begin(network, a, 300.0), places(network, b)
    inside = is_inside(network, origins)
    limit = np.full(len(a), 3600.0)
    cells = snap_to_begin(network, a, 300.0)
    every = np.full((len(a), len(b)), np.inf)
    pairs = Router(network, origins, a, limit, engine).pairs_within(targets, limit, (900.0,))
    every[pairs.origin, pairs.facility] = pairs.time_s
    for i in range(len(a)):
        assert inside[i] == (time.home(a[i]) >= 0)
        expected = np.array([time(a[i], at) for at in b])
        np.testing.assert_allclose(every[i], expected, atol=0.02 if engine == "pandana" else 1e-6)
        few = nearest_few(network, origins.take(np.array([i])), targets, len(b))
        np.testing.assert_allclose(few.time_s, np.sort(expected[np.isfinite(expected)]), atol=1e-6)
        for k in np.flatnonzero(np.isfinite(expected)).tolist():
            found = route(network, origins.take(np.array([i])), a[i], targets.of_one(k))
            assert found.time_s == pytest.approx(expected[k], abs=1e-6)
            assert found.line.length == pytest.approx(found.distance_m, abs=1e-3)
    surveyed = survey(Router(network, origins, a, limit, engine), targets, cells, limit, (900.0,))
    best = every.min(axis=1)
    np.testing.assert_allclose(np.nan_to_num(surveyed.time_s, nan=np.inf), best, atol=0.02)
    np.testing.assert_allclose(np.nan_to_num(surveyed.cell_time_s, nan=np.inf), best, atol=0.02)


@given(st.integers(0, 100_000))
@settings(max_examples=40, deadline=None)
def test_outsiders_find_everything_as_without_the_switch(seed):
    rng = np.random.default_rng(seed)
    streets = district(rng)
    on, off = gated(streets, min_nodes=4), build_network(streets, WALK, 4, Notes())
    a, b = rng.uniform(-50, 450, (2, 12, 2))
    origins = snap_to_begin(on, a, 300.0)
    out = np.flatnonzero(~is_inside(on, origins))
    targets, plain = places(on, b), Places(snap_to_end(off, b, 300.0), b, np.arange(len(b)))
    for k in range(len(b)):
        with_switch = nearest(on, origins.take(out), targets.of_one(k), np.inf)
        without = nearest(off, snap_to_begin(off, a[out], 300.0), plain.of_one(k), np.inf)
        np.testing.assert_allclose(with_switch.time_s, without.time_s, atol=1e-6)


@given(st.integers(0, 100_000))
@settings(max_examples=40, deadline=None)
def test_no_path_enters_a_compound_and_every_gate_lies_where_both_meet(seed):
    network = gated(district(np.random.default_rng(seed)))
    graph = nx.DiGraph()
    graph.add_nodes_from(range(network.nodes))
    tail, head, _ = network.arcs
    graph.add_edges_from(zip(tail.tolist(), head.tolist(), strict=True))
    ends = {
        kind: {*network.u[network.kind == kind].tolist(), *network.v[network.kind == kind].tolist()}
        for kind in (PUBLIC, PRIVATE)
    }
    assert not ends[PUBLIC] & ends[PRIVATE]
    assert ends[PUBLIC] | ends[PRIVATE] == set(range(network.nodes))
    for node in ends[PUBLIC]:
        assert not nx.descendants(graph, node) & ends[PRIVATE]
    gates = (network.kind == LINK) & (network.length_m == 0)
    np.testing.assert_array_equal(network.node_xy[network.u[gates]], network.node_xy[network.v[gates]])
    assert set(network.u[network.kind == LINK].tolist()) <= ends[PRIVATE]
    assert set(network.v[gates].tolist()) <= ends[PUBLIC]
    # without gates nothing joins the two, in whatever direction
    apart = graph.edge_subgraph([e for e in graph.edges if (e[0] in ends[PUBLIC]) == (e[1] in ends[PUBLIC])])
    for piece in nx.weakly_connected_components(apart):
        assert not (piece & ends[PUBLIC] and piece & ends[PRIVATE])


def test_ways_around_cost_nothing_where_there_are_none():
    network = gated(gated_streets(MAIN, [[(0, 0), (0, 200)]]))
    assert with_ways_around(network) is network


# reading ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "everybody", "residents"),
    [
        ({"highway": "service", "access": "private"}, (0, 0, 0), (3, 3, 3)),
        ({"highway": "service", "access": "residents"}, (0, 0, 0), (3, 3, 3)),
        ({"highway": "service", "access": "no"}, (0, 0, 0), (0, 0, 0)),
        ({"highway": "service", "access": "military"}, (0, 0, 0), (0, 0, 0)),
        ({"highway": "footway", "access": "private"}, (0, 0, 0), (3, 0, 0)),
        ({"highway": "footway", "foot": "private"}, (0, 0, 0), (3, 0, 0)),
        ({"highway": "service", "access": "private", "foot": "yes"}, (3, 0, 0), (3, 3, 3)),
        ({"highway": "service", "access": "private", "bicycle": "no"}, (0, 0, 0), (3, 0, 3)),
        ({"highway": "residential", "motor_vehicle": "private"}, (3, 3, 0), (3, 3, 3)),
        ({"highway": "service", "access": "private", "oneway": "yes"}, (0, 0, 0), (3, 1, 1)),
        ({"highway": "steps", "bicycle": "private", "access": "private"}, (0, 0, 0), (3, 0, 0)),
        ({"highway": "service", "access": "no", "foot": "private"}, (0, 0, 0), (3, 0, 0)),
        ({"highway": "service", "access": "delivery;private"}, (0, 0, 0), (0, 0, 0)),  # of a list the strictest
        ({"highway": "service", "access": "private;yes"}, (0, 0, 0), (3, 3, 3)),
        ({"highway": "motorway", "access": "private"}, (0, 0, 0), (0, 0, 1)),
        ({"highway": "construction", "access": "private"}, (0, 0, 0), (0, 0, 0)),
    ],
)
def test_what_is_private_is_open_to_residents(tags, everybody, residents):
    assert RULES.way(tags).flags == everybody
    assert RULES.way(tags).residents == residents


@pytest.mark.parametrize(
    ("tags", "everybody", "residents"),
    [
        ({"barrier": "gate", "access": "private"}, (False,) * 3, (True,) * 3),
        ({"barrier": "gate", "access": "private", "locked": "yes"}, (False,) * 3, (True,) * 3),
        ({"barrier": "gate", "locked": "yes"}, (False,) * 3, (False,) * 3),
        ({"barrier": "gate", "access": "no"}, (False,) * 3, (False,) * 3),
        ({"barrier": "turnstile", "access": "private"}, (False,) * 3, (True, False, False)),
        ({"barrier": "lift_gate", "motor_vehicle": "private"}, (True, True, False), (True, True, True)),
    ],
)
def test_a_private_barrier_lets_residents_pass(tags, everybody, residents):
    assert RULES.barrier_passes(tags) == everybody
    assert RULES.resident_passes(tags) == residents


@given(st.dictionaries(st.sampled_from(osm_access.ACCESS_KEYS), st.sampled_from(["yes", "no", "private", "residents"])),
       st.sampled_from(sorted(RULES.known_classes)))  # fmt: skip
def test_residents_may_do_all_that_everybody_may(tags, highway):
    read = RULES.way({"highway": highway, **tags})
    way, home = read.flags, read.residents
    assert all(own & open_to == open_to for open_to, own in zip(way, home, strict=True))
    gate, key = (rule({"barrier": "gate", **tags}) for rule in (RULES.barrier_passes, RULES.resident_passes))
    assert all(own or not open_to for open_to, own in zip(gate, key, strict=True))


NODES = {1: (0, 0), 2: (1, 0), 3: (2, 0), 4: (1, 1), 5: (1, 2), 6: (2, 2), 7: (0, 2)}
WAYS = {
    10: ([1, 2, 3], {"highway": "residential"}),
    11: ([2, 4], {"highway": "service", "access": "private"}),
    12: ([4, 5, 6], {"highway": "footway", "foot": "private"}),
    13: ([5, 7], {"highway": "service", "access": "no"}),
}


def read(path, gated_compounds):
    return read_streets(
        path, PLAIN, layer=None, source_crs=None, ferries=False, notes=(notes := Notes()), gated=gated_compounds
    ), notes


def test_private_ways_are_read_only_when_asked_for(tmp_path):
    path = write_osm(tmp_path / "a.osm", NODES, WAYS)
    (off, off_notes), (on, on_notes) = read(path, gated_compounds=False), read(path, gated_compounds=True)
    assert (len(off.u), off.private, len(off.line)) == (1, {}, 0)
    assert codes(off_notes) == {"streets.closed": 3}
    assert codes(on_notes) == {"streets.closed": 1}
    order = np.argsort(on.line, kind="stable")
    assert on.line[order].tolist() == [0, 0, 1, 2]  # way 10 in two pieces, 11, 12
    assert on.access["walk"][order].tolist() == [BOTH, BOTH, 0, 0]
    assert on.private["walk"][order].tolist() == [0, 0, BOTH, BOTH]
    assert on.private["drive"][order].tolist() == [0, 0, BOTH, 0]


def test_a_private_gate_in_an_open_street_is_a_compound_of_its_stubs_with_what_is_behind(tmp_path):
    ways = {10: ([1, 2, 3], {"highway": "residential"}), 11: ([2, 4, 5], {"highway": "service"})}
    path = write_osm(tmp_path / "a.osm", NODES, ways, node_tags={4: {"barrier": "gate", "access": "private"}})
    on, _ = read(path, gated_compounds=True)
    notes = Notes()
    network = gated(on, min_nodes=3, notes=notes)
    assert codes(notes) == {"network.walk.compounds": 1}
    south, north = (np.array(at) * 111.31949079327357 for at in ((1.0, 0.0), (1.0, 1.8)))
    assert metres(network, north, south) == pytest.approx(1.8 * 111.31949079327357)
    assert is_inside(network, snap_to_begin(network, north[None], 300.0))[0]


def test_graphml_and_line_layers_give_private_streets_too(tmp_path):
    graph = nx.MultiDiGraph(crs=PLAIN)
    graph.add_nodes_from([(n, {"x": 100.0 * x, "y": 100.0 * y}) for n, (x, y) in NODES.items()])
    rows = []
    for refs, tags in WAYS.values():
        for one, other in pairwise(refs):
            graph.add_edge(one, other, **tags)
            graph.add_edge(other, one, **tags)
            rows.append({**tags, "geometry": shapely.LineString([np.array(NODES[n]) * 100.0 for n in (one, other)])})
    osmnx.save_graphml(graph, tmp_path / "a.graphml")
    gpd.GeoDataFrame(rows, crs="EPSG:32651").to_file(tmp_path / "a.gpkg")
    for path, crs in ((tmp_path / "a.graphml", PLAIN), (tmp_path / "a.gpkg", "EPSG:32651")):
        for asked, expected in ((False, (2, {})), (True, (5, {BOTH: 3, 0: 2}))):
            streets = read_streets(path, crs, layer=None, source_crs=None, ferries=False, notes=Notes(), gated=asked)
            flags = streets.private.get("walk", np.empty(0))
            assert (len(streets.u), dict(zip(*np.unique(flags, return_counts=True), strict=True))) == expected
