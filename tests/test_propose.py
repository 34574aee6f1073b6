"""Sites that are proposed where no candidates are given, and the water of an OSM file."""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import osmium
import pandas as pd
import pyproj
import pytest
import shapely

from circle15.cache import open_cache
from circle15.config import load_config
from circle15.errors import InputError, Notes
from circle15.inputs.water import is_water, read_osm_water
from circle15.stages.people import place_people
from circle15.stages.propose import _squares, propose_candidates, reach_m
from circle15.stages.read import build_networks, hash_inputs, read_inputs
from circle15.stages.run import Clock, Run
from circle15.stages.traits import place_facilities
from circle15.standard.load import load_standard
from circle15.tables import CANDIDATES, check_columns
from osm_kit import MILLI_M, PLAIN, write_osm
from street_kit import CRS, REACH, X0, Y0, Quiet, district, standard

ROOT = Path(__file__).parent.parent
CORNER = np.array([X0, Y0])
SAMPLE = ROOT / "data" / "sample"
HOSTS = """
hosts = [
  { id = "station", committee = true, types = ["b", "a"], clause = "1" },
  { id = "one", host_types = ["c"], types = ["b"], clause = "1" },
  { id = "two", host_types = ["c"], types = ["a"], clause = "1" },
]
"""
FAR = [{"facility_id": "F1", "type": "a", "x": 0, "y": 0}]
SIDES = [((0, 0), (1000, 0), (1080, 0), (3000, 0)), ((1000, 0), (1000, 200)), ((1080, 0), (1080, 200))]
"""A street of 3 km with two side streets of 200 m: junctions at 1,000 and 1,080 m."""


class Proposed:
    """A prepared run; gaps are named by committee and type, people left out by cell in the order of the input."""

    def __init__(self, config: Path) -> None:
        loaded = load_config(config)
        catalogue = load_standard(loaded.run.standard, loaded.folder)
        self.run = Run(loaded, catalogue, hash_inputs(loaded), open_cache(None), Notes(), Clock(Quiet()))
        inputs = read_inputs(self.run)
        self.networks = build_networks(self.run, inputs.crs, inputs.committees)
        self.inputs = place_facilities(self.run, place_people(self.run, inputs, self.networks))

    def __call__(self, *gaps: tuple[str, str], left_out=(), inputs=None) -> gpd.GeoDataFrame:
        inputs = inputs or self.inputs
        row = {name: n for n, name in enumerate(inputs.committees["committee_id"])}
        table = pd.DataFrame([(row[c], t) for c, t in gaps], columns=["committee", "type_id"])
        table = table.astype({"committee": np.int64})
        people = np.asarray(left_out, dtype=np.float64)
        return propose_candidates(self.run, inputs, self.networks, table, people)

    def notes(self) -> dict[str, int]:
        found = {note.code: note.count for note in self.run.notes.items if note.code.startswith("candidates.")}
        return {code.removeprefix("candidates."): count for code, count in found.items()}


def prepare(
    folder: Path, committees, facilities=FAR, *, lines=(), water=(), hosts="", columns=None, **more
) -> Proposed:
    """Write a district; `committees` are id → (x, y), `lines` streets instead of the straight one."""
    rows = [{"committee_id": name, "x": x, "y": y} for name, (x, y) in committees.items()]
    config = district(folder, standard(REACH) + hosts, rows, facilities, covers=["a", "b", "c"], **more)
    if lines:
        drawn = [shapely.LineString(np.array(line, dtype=float) + CORNER) for line in lines]
        given = {"highway": ["residential"] * len(lines)} if columns is None else columns
        gpd.GeoDataFrame(given, geometry=drawn, crs=CRS).to_file(folder / "net.gpkg")
    if water:
        wet = [shapely.box(X0 + w, Y0 + s, X0 + e, Y0 + n) for w, s, e, n in water]
        gpd.GeoDataFrame(geometry=wet, crs=CRS).to_file(folder / "water.gpkg")
        config.write_text(config.read_text("utf-8") + '[committees.water]\nsource = "water.gpkg"\n', "utf-8")
    return Proposed(config)


def places(table: gpd.GeoDataFrame, means: str = "new") -> list[tuple[float, float]]:
    """Where the sites of a means are, in metres from the street's western end, to the nearest 0.1 m, sorted."""
    some = table[table["means"] == means]
    return sorted((round(p.x - X0, 1) + 0.0, round(p.y - Y0, 1) + 0.0) for p in some.geometry)


# hosts -------------------------------------------------------------------------------------------------------------


def test_hosts_within_the_reach_of_a_gap(tmp_path):
    """15 minutes at 4 km/h are 1,000 m, inclusive; types come in the standard's order, over all rules of a host."""
    facilities = [
        {"facility_id": "in", "name": "Inn", "type": "c", "x": 1500, "y": 0},
        {"facility_id": "out", "name": "Out", "type": "c", "x": 1501, "y": 0},
        {"facility_id": "other", "name": "No host", "type": "b", "x": 500, "y": 0},
    ]
    proposed = prepare(tmp_path, {"C1": (500, 0), "C2": (1500, 0), "C3": (1501, 0)}, facilities, hosts=HOSTS)
    table = proposed(("C1", "a"), ("C1", "b")).set_index("candidate_id")
    compound = table[table["means"] == "compound"]
    assert list(compound.index) == ["host:in", "station:C1", "station:C2"]
    assert list(compound["types"]) == ["a|b"] * 3
    assert list(compound["host_facility_id"]) == ["in", "", ""]
    assert list(compound["name"]) == ["Inn", "C1 家门口服务站", "C2 家门口服务站"]
    assert list(compound["town_id"]) == ["T1"] * 3
    assert places(table, "compound") == [(500, 0), (1500, 0), (1500, 0)]
    assert len(table) == 4
    assert proposed.notes() == {"proposed": 4, "water_unknown": 1}


def test_a_type_without_a_gap_is_no_reason_for_a_site(tmp_path):
    facilities = [{"facility_id": "F", "type": "c", "x": 500, "y": 0}]
    proposed = prepare(tmp_path, {"C1": (500, 0)}, facilities, hosts=HOSTS)
    assert list(proposed(("C1", "b"))["types"]) == ["b", "b", "b"]
    only_new = proposed(("C1", "c"))
    assert list(only_new["means"]) == ["new"]
    assert list(only_new["types"]) == ["c"]
    assert proposed.notes()["proposed"] == 1


def test_without_gaps_there_is_nothing_to_propose(tmp_path):
    proposed = prepare(tmp_path, {"C1": (500, 0)}, hosts=HOSTS)
    table = proposed()
    assert len(table) == 0
    assert list(table.columns) == [*(column.name for column in CANDIDATES), "geometry"]
    assert proposed.notes() == {}


def test_the_table_keeps_its_contract(tmp_path):
    table = prepare(tmp_path, {"C1": (500, 0), "C2": (900, 0)}, hosts=HOSTS)(("C2", "a"), ("C1", "a"))
    assert list(table.columns) == [*(column.name for column in CANDIDATES), "geometry"]
    before = table.copy()
    assert check_columns(table, CANDIDATES, "here", lambda mask: ()) == []
    pd.testing.assert_frame_equal(pd.DataFrame(table), pd.DataFrame(before))
    assert table["candidate_id"].is_monotonic_increasing
    assert table["candidate_id"].is_unique
    assert table[["floor_area_m2", "fixed_cost", "cost", "earliest_year"]].isna().all(axis=None)
    assert table.crs == pyproj.CRS(CRS)


def test_lines_and_areas_are_hosts_at_an_entrance(tmp_path):
    """The entrance towards the nearest committee with a gap; the first of several points; none off the streets."""
    proposed = prepare(tmp_path, {"C1": (500, 0), "C2": (1200, 0)}, hosts=HOSTS)
    shapes = {
        "crossed": shapely.box(900, -50, 1000, 50),  # entered at (900, 0) and (1000, 0)
        "aside": shapely.box(600, 500, 700, 600),  # 500 m from the street
        "gates": shapely.MultiPoint([(800, 10), (700, 10)]),
        "trail": shapely.LineString([(620, 40), (620, 20)]),  # entered at both ends, 126.5 and 121.7 m from C1
    }
    moved = [shapely.transform(shape, lambda xy: xy + CORNER) for shape in shapes.values()]
    drawn = gpd.GeoDataFrame({"facility_id": list(shapes), "type_id": "c", "name": ""}, geometry=moved, crs=CRS)
    table = dataclasses.replace(proposed.inputs.facilities, table=drawn)
    inputs = dataclasses.replace(proposed.inputs, facilities=table, facility_town=np.empty(0, dtype=object))
    found = proposed(("C1", "a"), inputs=inputs).set_index("host_facility_id")
    at = {name: (round(p.x - X0, 1), round(p.y - Y0, 1)) for name, p in found.geometry.items() if name}
    assert at == {"crossed": (900, 0), "gates": (800, 10), "trail": (620, 20)}
    assert list(found["town_id"].unique()) == ["T1"]
    note = next(note for note in proposed.run.notes.items if note.code == "candidates.host_without_entrance")
    assert note.rows == ("aside",)
    found = proposed(("C1", "a"), ("C2", "a"), inputs=inputs).set_index("host_facility_id")
    assert found.geometry["crossed"].x - X0 == pytest.approx(1000, abs=0.01)


@pytest.mark.parametrize(
    ("modes", "expected"),
    [('residents = "walk", village = "walk"', 1000), ('residents = "walk", village = "cycle"', 3000),
     ('residents = "walk", village = "drive"', 7500)],
)  # fmt: skip
def test_the_reach_is_that_of_the_fastest_mode(tmp_path, modes, expected):
    text = standard(REACH).replace('residents = "walk", village = "walk"', modes)
    (tmp_path / "own.toml").write_text(text, "utf-8")
    assert reach_m(load_standard("own.toml", tmp_path)) == expected


# new sites near committees -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("xy", "expected"),
    [
        ((1030, 20), (1000, 0)),  # 30 m from one end of its street, 50 m from the other
        ((1050, -20), (1080, 0)),
        ((1380, 0), (1080, 0)),  # exactly max_snap_m along the street
        ((1390, 7), (1390, 0)),  # farther: the place on the street
        ((1010, 190), (1000, 200)),  # the end of a lane is a junction too
    ],
)
def test_a_new_site_at_the_nearer_end_of_the_nearest_street(tmp_path, xy, expected):
    proposed = prepare(tmp_path, {"C1": xy}, lines=SIDES)
    table = proposed(("C1", "b"), ("C1", "a"))
    assert places(table) == [expected]
    site = table.iloc[0]
    assert site["candidate_id"] == f"place:{350000 + expected[0]}_{3450000 + expected[1]}"
    assert (site["name"], site["types"], site["town_id"]) == ("new site near C1", "a|b", "T1")


def test_sites_near_each_other_are_one_and_the_lowest_id_decides(tmp_path):
    """A's comes first. B's is exactly 150 m away and joins it; C's is 301 m away, though only 151 m from B's."""
    proposed = prepare(tmp_path, {"B": (1150, 10), "C": (1301, 10), "A": (1000, 10)})
    gaps = [("B", "a"), ("C", "a"), ("A", "a")]
    assert places(proposed(*gaps)) == [(1000, 0), (1301, 0)]
    assert proposed.notes() == {"joined": 1, "proposed": 2, "water_unknown": 2}
    committees = proposed.inputs.committees.set_index("committee_id").loc[["B", "C", "A"]].reset_index()
    mixed = dataclasses.replace(proposed.inputs, committees=committees)
    assert places(proposed(*gaps, inputs=mixed)) == [(1000, 0), (1301, 0)]


def test_a_committee_off_the_network_is_told_of(tmp_path):
    proposed = prepare(tmp_path, {"C1": (500, 301), "C2": (500, 0)})
    assert places(proposed(("C1", "a"))) == []
    assert proposed.notes() == {"committee_off_network": 1}


def test_committees_on_one_place_are_named_by_the_lower_id(tmp_path):
    proposed = prepare(tmp_path, {"Z": (500, 0), "Y": (500, 0)})
    assert list(proposed(("Z", "a"))["name"]) == ["new site near Y"]


# new sites near people ---------------------------------------------------------------------------------------------


def people(*cells: tuple[float, float]) -> list[dict]:
    return [{"x": x, "y": y, "total": 1} for x, y in cells]


def test_a_square_has_its_site_near_the_middle_of_the_people_left_out(tmp_path):
    """(100, 100) once and (300, 100) three times: the middle is (250, 100), 108 m from the second junction, 112 m from
    the first; without weights it would be the other way round. (500, 100) is of the next square, with nobody left out.
    """
    lines = [((0, 0), (200, 0), (290, 0), (3000, 0)), ((200, 0), (200, -300)), ((290, 0), (290, -300))]
    cells = people((100, 100), (300, 100), (500, 100))
    proposed = prepare(tmp_path, {"C1": (2000, 0)}, lines=lines, cells=cells)
    assert places(proposed(("C1", "a"), left_out=[1, 3, 0])) == [(290, 0), (2000, 0)]
    assert proposed.notes() == {"proposed": 2, "water_unknown": 2}


def test_the_heavier_square_comes_first_and_a_street_will_do_without_junction(tmp_path):
    """No junction for a kilometre; the places at 950 and 1,050 m are 100 m apart, and the second has more people."""
    proposed = prepare(tmp_path, {"C1": (2000, 0)}, cells=people((950, 50), (1050, 50)))
    assert places(proposed(("C1", "a"), left_out=[1, 2])) == [(1050, 0), (2000, 0)]
    assert places(proposed(("C1", "a"), left_out=[2, 1])) == [(950, 0), (2000, 0)]
    assert places(proposed(("C1", "a"), left_out=[2, 2])) == [(950, 0), (2000, 0)]  # of equals the one farther west


@pytest.mark.parametrize("seed", range(3))
def test_the_middle_of_a_square_has_no_order(seed):
    """To the last digit, which a sum in another order doesn't keep; the oracle is each square's own average."""
    rng = np.random.default_rng(seed)
    xy, weight = rng.uniform(0, 2000, (400, 2)), rng.uniform(0, 3, 400)
    square, middle = _squares(xy, weight)
    again = rng.permutation(len(xy))
    for one, other in zip((square, middle), _squares(xy[again], weight[again]), strict=True):
        assert one.tobytes() == other.tobytes()
    total = []
    for (x, y), at in zip(square * 500, middle, strict=True):
        own = (xy >= [x, y]).all(axis=1) & (xy < [x + 500, y + 500]).all(axis=1)
        assert at == pytest.approx(np.average(xy[own], axis=0, weights=weight[own]))
        total.append(weight[own].sum())
    assert len(total) == 16
    assert total == sorted(total, reverse=True)


def test_a_square_far_from_any_street_is_told_of(tmp_path):
    proposed = prepare(tmp_path, {"C1": (2000, 0)}, cells=people((100, 600)))
    assert places(proposed(("C1", "a"), left_out=[5])) == [(2000, 0)]
    assert proposed.notes()["square_off_network"] == 1


# where no site may be ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "water",
    [(990, -10, 1010, 10), (990, -10, 1000, 10), (990, -10, 999.95, 10)],
    ids=["in it", "on its shore", "nearer than shores are drawn"],
)
def test_a_junction_in_water_gives_way_to_the_next(tmp_path, water):
    """From (1030, 20) it is 54 m to (1080, 0), and more to any other."""
    proposed = prepare(tmp_path, {"C1": (1030, 20)}, lines=SIDES, water=[water])
    assert places(proposed(("C1", "a"))) == [(1080, 0)]
    assert proposed.notes() == {"moved": 1, "proposed": 1}


def test_private_streets_are_no_place_for_a_new_site(tmp_path):
    """The committee lives at the end of a lane that is private; its gate, at (1000, 0), is the public place for it.
    Where that lies in water, the lane's end is no substitute, though it is the nearest junction.
    """
    lines = [((0, 0), (1000, 0), (1400, 0)), ((1000, 0), (1000, 200))]
    columns = {"highway": ["residential", "service"], "access": [None, "private"]}
    for folder, water, expected in (("a", (), (1000, 0)), ("b", [(990, -10, 1010, 10)], (1400, 0))):
        config = prepare(tmp_path / folder, {"C1": (1010, 190)}, lines=lines, columns=columns, water=water).run.config
        text = config.path.read_text("utf-8").replace("[network]", "[network]\ngated_compounds = true")
        config.path.write_text(text, "utf-8")
        proposed = Proposed(config.path)
        assert proposed.networks.of["walk"].has_compounds
        assert places(proposed(("C1", "a"))) == [expected]


def test_nothing_but_water(tmp_path):
    proposed = prepare(tmp_path, {"C1": (1030, 20)}, lines=SIDES, water=[(-10, -10, 3010, 210)])
    assert places(proposed(("C1", "a"))) == []
    note = next(note for note in proposed.run.notes.items if note.code == "candidates.in_water")
    assert (note.count, note.rows) == (1, ("C1",))


def test_areas_are_the_district_with_their_boundary(tmp_path):
    """(1000, 0) is outside of the area, (1080, 0) on its boundary."""
    inside = prepare(tmp_path / "in", {"C1": (1030, 20)}, lines=SIDES, areas={"C1": (1010, 0, 1080, 100)})
    assert places(inside(("C1", "a"))) == [(1080, 0)]
    assert inside.notes()["moved"] == 1
    outside = prepare(tmp_path / "out", {"C1": (1030, 20)}, lines=SIDES, areas={"C1": (1010, 10, 1070, 100)})
    assert places(outside(("C1", "a"))) == []
    assert outside.notes() == {"outside": 1}


@pytest.mark.parametrize(("y", "expected"), [(0, [(0, 0), (3000, 0)]), (20, [(0, 0)])])
def test_without_areas_the_district_ends_three_kilometres_from_a_centre(tmp_path, y, expected):
    """The street's end is 3,000 m from (0, 0), 3,000.07 m from (0, 20)."""
    proposed = prepare(tmp_path, {"C1": (0, y)}, cells=people((2990, 0)))
    assert places(proposed(("C1", "a"), left_out=[1])) == expected
    assert proposed.notes().get("outside", 0) == 2 - len(expected)


def test_the_water_of_an_osm_file_counts_and_motorways_do_not(tmp_path):
    """On a bridge over a river, 30 m from the committee, is a junction; a motorway passes right through its centre."""
    proposed = prepare(tmp_path, {"C1": (1030, 20)})
    nodes = {1: (0, 0), 2: (1000, 0), 3: (1080, 0), 4: (3000, 0), 5: (1000, 200), 6: (1080, 200)}
    nodes |= {11: (970, -50), 12: (1010, -50), 13: (1010, 150), 14: (970, 150), 21: (1030, 20), 22: (1030, 900)}
    to_degrees = pyproj.Transformer.from_crs(CRS, 4326, always_xy=True)
    degrees = {n: to_degrees.transform(X0 + x, Y0 + y) for n, (x, y) in nodes.items()}
    street = {"highway": "residential"}
    ways = {1: ([1, 2, 3, 4], street), 2: ([2, 5], street), 3: ([3, 6], street)}
    ways |= {4: ([11, 12, 13, 14, 11], {"natural": "water"}), 5: ([21, 22], {"highway": "motorway"})}
    write_osm(tmp_path / "net.osm", {n: (1000 * lon, 1000 * lat) for n, (lon, lat) in degrees.items()}, ways)
    config = proposed.run.config.path
    config.write_text(config.read_text("utf-8").replace("net.gpkg", "net.osm"), "utf-8")
    proposed = Proposed(config)
    assert places(proposed(("C1", "a"))) == [(1080, 0)]
    assert proposed.notes() == {"moved": 1, "proposed": 1}
    dry = re.sub("natural", "leisure", (tmp_path / "net.osm").read_text("utf-8"))
    (tmp_path / "net.osm").write_text(dry, "utf-8")
    proposed = Proposed(config)
    assert places(proposed(("C1", "a"))) == [(1000, 0)]
    assert proposed.notes() == {"proposed": 1, "water_unknown": 1}


def test_motorways_of_a_layer_are_left_alone_where_it_names_classes(tmp_path):
    lines = [((0, 0), (3000, 0)), ((0, 100), (3000, 100))]
    known = prepare(tmp_path / "a", {"C1": (900, 90)}, lines=lines, columns={"highway": ["service", "motorway"]})
    assert places(known(("C1", "a"))) == [(900, 0)]
    assert "motorway_unknown" not in known.notes()
    unknown = prepare(tmp_path / "b", {"C1": (900, 90)}, lines=lines, columns={"highway": ["service", None]})
    assert places(unknown(("C1", "a"))) == [(900, 100)]
    assert unknown.notes()["motorway_unknown"] == 1


# the sample --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample() -> Proposed:
    return Proposed(ROOT / "configs" / "sample.toml")


@pytest.fixture(scope="module")
def planned() -> tuple[shapely.Polygon, shapely.Polygon]:
    """The river and the lake without its island, as the sample's plan draws them, in the run's CRS."""
    sys.path.insert(0, str(SAMPLE))
    try:
        from sample_plan import ISLAND, LAKE  # noqa: PLC0415
        from sample_streets import ORIGIN, RIVER  # noqa: PLC0415
    finally:
        sys.path.remove(str(SAMPLE))
    lake = shapely.Point(LAKE[:2]).buffer(LAKE[2], 8) - shapely.Point(ISLAND[:2]).buffer(ISLAND[2] + 40, 8)
    return tuple(shapely.transform(shape, lambda xy: xy + ORIGIN) for shape in (RIVER, lake))


def every_gap(sample: Proposed) -> list[tuple[str, str]]:
    types = ("elderly_canteen", "fitness_trail", "pharmacy")
    return [(name, type_id) for name in sample.inputs.committees["committee_id"] for type_id in types]


@pytest.fixture(scope="module")
def table(sample) -> gpd.GeoDataFrame:
    """The most that the sample can ask for: three types missing everywhere, and nobody covered."""
    return sample(*every_gap(sample), left_out=sample.inputs.persons)


def test_the_sample_has_sites_of_every_kind_and_none_in_water(sample, table, planned):
    kinds = table["candidate_id"].str.split(":").str[0].value_counts()
    assert kinds["station"] == len(sample.inputs.committees)
    assert kinds["host"] > 50
    assert kinds["place"] > 100
    new = table[table["means"] == "new"]
    for water in planned:
        assert not new.intersects(water).any()
    areas = gpd.GeoSeries(sample.inputs.committees["area"], crs=table.crs)
    assert (shapely.distance(shapely.union_all(areas.dropna().to_numpy()), new.geometry.to_numpy()) < 0.02).all()
    own = table[~table["candidate_id"].str.startswith("host:")]  # a host may be the neighbours'
    assert set(own["town_id"]) == {"示例街道", "样板镇", "模拟镇"}
    assert set(new["types"]) == {"elderly_canteen|fitness_trail|pharmacy"}


def test_new_sites_of_the_sample_are_on_streets_that_are_no_motorways(table):
    lines = {True: [], False: []}
    for way in osmium.FileProcessor(str(SAMPLE / "network.osm.pbf"), osmium.osm.NODE | osmium.osm.WAY).with_locations():
        if way.is_way() and "highway" in way.tags:
            line = shapely.LineString([(node.lon, node.lat) for node in way.nodes])
            lines[way.tags["highway"].startswith("motorway")].append(line)
    fast, slow = (gpd.GeoSeries(lines[kind], crs=4326).to_crs(table.crs).union_all() for kind in (True, False))
    new = table[table["means"] == "new"]
    assert (new.distance(slow) < 0.05).all()
    assert (new.distance(fast) > 1).all()


def test_every_gap_of_the_sample_has_a_site_within_150_metres_of_its_own(sample, table):
    """Its own place, found anew by trying every street."""
    network = sample.networks.of["walk"]
    streets = network.lines
    new = table[table["means"] == "new"].geometry.to_numpy()
    far = []
    for name, centre in zip(sample.inputs.committees["committee_id"], sample.inputs.committees.geometry, strict=True):
        leg_m = shapely.distance(streets, centre)
        street = streets[leg_m.argmin()]
        if leg_m.min() > 300:
            far.append(name)
            continue
        along_m = street.project(centre)
        at = 0.0 if along_m <= street.length - along_m else street.length
        own = street.interpolate(at if abs(at - along_m) <= 300 else along_m)
        assert shapely.distance(new, own).min() < 150.02, name
        assert shapely.distance(new, centre).min() < leg_m.min() + 300 + 150.02, name
    assert far == ["999003207"]  # the one that was planted in the wetland


def test_new_sites_are_farther_than_150_metres_from_each_other(table):
    xy = table.loc[table["means"] == "new"].get_coordinates().to_numpy()
    away_m = np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1))
    assert away_m[~np.eye(len(xy), dtype=bool)].min() > 149.98


def test_hosts_of_the_sample_are_those_in_a_straight_line(sample):
    """Town C's villages cycle: 12 km/h for 15 minutes are 3,000 m. Every facility is measured, whatever its shape."""
    committees = sample.inputs.committees.set_index("committee_id")
    facilities = sample.inputs.facilities.table
    parks = facilities["type_id"].isin(["comprehensive_park", "community_park", "micro_park"])
    schools = facilities["type_id"].isin(
        ["primary_school", "junior_middle_school", "nine_year_school", "senior_secondary_school"]
    )
    away_m = facilities.distance(committees.geometry["999003201"])
    hosts = facilities[parks | schools]
    found = sample(("999003201", "fitness_trail"))
    expected = set(hosts["facility_id"][away_m <= 3000])
    assert set(found["host_facility_id"]) - {""} == expected
    assert 0 < len(expected) < len(hosts)
    assert not found["candidate_id"].str.startswith("station:").any()  # no rule lets a station take in a trail


def test_the_order_of_rows_changes_nothing(sample, table):
    rng = np.random.default_rng(5)
    inputs = sample.inputs
    committee, cell, facility = (
        rng.permutation(len(some)) for some in (inputs.committees, inputs.cells, inputs.facilities.table)
    )
    number = np.argsort(committee)
    mixed = dataclasses.replace(
        inputs,
        committees=inputs.committees.iloc[committee].reset_index(drop=True),
        cells=inputs.cells.iloc[cell].reset_index(drop=True),
        facilities=dataclasses.replace(inputs.facilities, table=inputs.facilities.table.iloc[facility]),
        cell_committee=np.where(inputs.cell_committee >= 0, number[inputs.cell_committee], -1)[cell],
        cell_status=inputs.cell_status[cell],
        facility_town=inputs.facility_town[facility],
    )
    gaps = every_gap(sample)
    again = sample(*(gaps[i] for i in rng.permutation(len(gaps))), left_out=mixed.persons, inputs=mixed)
    pd.testing.assert_frame_equal(pd.DataFrame(again.drop(columns="geometry")), table.drop(columns="geometry"))
    assert list(again.geometry.to_wkb()) == list(table.geometry.to_wkb())


# water of an OSM file ----------------------------------------------------------------------------------------------


def test_the_water_of_the_sample_is_as_planned(planned):
    """Corners are rounded to 0.1 m and to 1e-7 degrees: the edge of 400 m of shore may move by some 0.1 m."""
    notes = Notes()
    found = read_osm_water(SAMPLE / "network.osm.pbf", "EPSG:32651", notes)
    assert len(found) == len(planned)
    for shape, wanted in zip(found, planned, strict=True):
        assert shape.is_valid
        assert len(shape.interiors) == len(wanted.interiors)
        assert shape.symmetric_difference(wanted).area < 0.1 * wanted.length
    assert notes.items == []


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("natural=water", True), ("natural=water water=river", True), ("waterway=riverbank", True),
        ("waterway=dock", True), ("landuse=reservoir", True), ("landuse=basin basin=detention", True),
        ("water=pond", True), ("natural=water intermittent=yes", True), ("natural=water tunnel=no", True),
        ("natural=water covered=yes", False), ("landuse=reservoir location=underground", False),
        ("natural=water tunnel=culvert", False), ("natural=wetland", False), ("waterway=river", False),
        ("water=yes", False), ("natural=coastline", False), ("leisure=swimming_pool", False), ("", False),
    ],
)  # fmt: skip
def test_which_tags_are_water(tags, expected):
    assert is_water(dict(pair.split("=") for pair in tags.split())) is expected


SQUARE = {1: (0, 0), 2: (4, 0), 3: (4, 4), 4: (0, 4)}
ISLE = {5: (1, 1), 6: (2, 1), 7: (2, 2), 8: (1, 2)}
WET = {"natural": "water"}
LAKE_OF_WAYS = {1: ([1, 2, 3], WET), 2: ([3, 4, 1], {}), 3: ([5, 6, 7, 8, 5], {})}
MEMBERS = [("way", 1, "outer"), ("way", 2, "outer"), ("way", 3, "inner")]


def test_a_lake_of_several_ways_has_its_island(tmp_path):
    """4 × 4 − 1 × 1, in thousandths of a degree; its shore's own tag is no second lake, and nothing to tell of."""
    notes = Notes()
    path = write_osm(tmp_path / "a.osm", SQUARE | ISLE, LAKE_OF_WAYS, {1: (MEMBERS, {"type": "multipolygon", **WET})})
    (lake,) = read_osm_water(path, PLAIN, notes)
    assert lake.area == pytest.approx(15 * MILLI_M**2, rel=1e-4)
    assert len(lake.interiors) == 1
    assert notes.items == []


def test_what_cannot_be_assembled_is_told_of(tmp_path):
    """A ring with a piece missing, an open shore, and a bow-tie; the pond beside them stays, and so does the coast's
    count. A relation that only groups ways has no area, and none is missed.
    """
    nodes = SQUARE | {11: (10, 0), 12: (12, 2), 13: (12, 0), 14: (10, 2)} | {21: (20, 0), 22: (21, 0), 23: (21, 1)}
    ways = {
        1: ([1, 2, 3], {}),
        2: ([3, 4], WET),
        3: ([11, 12, 13, 14, 11], WET),
        4: ([21, 22, 23, 21], WET),
        5: ([1, 21], {"natural": "coastline"}),
    }
    broken = {1: ([("way", 1, "outer"), ("way", 99, "outer")], {"type": "multipolygon", **WET})}
    broken |= {2: ([("way", 4, "")], {"type": "waterway", "natural": "water"})}
    notes = Notes()
    (pond,) = read_osm_water(write_osm(tmp_path / "a.osm", nodes, ways, broken), PLAIN, notes)
    assert pond.area == pytest.approx(0.5 * MILLI_M**2, rel=1e-4)
    assert {note.code: note.rows for note in notes.items} == {
        "osm.water_no_area": ("w2", "w3", "r1"),
        "osm.coastline": (),
    }
    assert [note.count for note in notes.items] == [3, 1]


def test_a_file_without_water_and_no_file(tmp_path):
    path = write_osm(tmp_path / "a.osm", SQUARE, {1: ([1, 2, 3, 4, 1], {"natural": "wood"})})
    assert len(read_osm_water(path, PLAIN, Notes())) == 0
    with pytest.raises(InputError, match="no such file"):
        read_osm_water(tmp_path / "b.osm", PLAIN, Notes())
