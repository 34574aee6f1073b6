"""Cells that several committees share: sums by hand, plain loops, and what may never change."""

from pathlib import Path
from types import SimpleNamespace

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import affinity
from shapely.ops import split

import street_kit
from circle15.cache import open_cache
from circle15.errors import ConfigError, InputError, Notes
from circle15.inputs.population import read_population
from circle15.inputs.sharing import SLIVER_M, share_cells
from circle15.stages.people import densities, place_people
from circle15.stages.run import Inputs, Run
from tables_kit import EAST, NORTH, STANDARD, codes, make_config, write_raster

UTM = pyproj.CRS("EPSG:32651")


def box(west: float, south: float, east: float, north: float) -> shapely.Polygon:
    """A box in metres from the corner."""
    return shapely.box(EAST + west, NORTH + south, EAST + east, NORTH + north)


def make_committees(**areas) -> gpd.GeoDataFrame:
    points = [shapely.Point(EAST, NORTH)] * len(areas)
    frame = gpd.GeoDataFrame({"committee_id": list(areas)}, geometry=points, crs=UTM)
    return frame.assign(area=pd.Series(list(areas.values()), dtype=object))


def make_cells(*shapes, total=None, **groups) -> gpd.GeoDataFrame:
    ids = [f"p{n}" for n in range(len(shapes))]
    total = [1000.0] * len(shapes) if total is None else total
    frame = gpd.GeoDataFrame({"cell_id": ids, "total": total, **groups}, geometry=shapely.centroid(shapes), crs=UTM)
    return frame.assign(shape=pd.Series(list(shapes), dtype=object))


def share(cells, committees, water=None, size_m=None, notes=None):
    """Return people by committee (``""`` is outside) and cell id, and the cells."""
    water = None if water is None else np.array(water, dtype=object)
    notes = Notes() if notes is None else notes
    made, row = share_cells(cells, committees, water, size_m, Path("people.gpkg"), notes)
    name = np.append(committees["committee_id"].to_numpy(dtype=object), "")[row]
    return made.assign(committee=name)


def by_committee(made: gpd.GeoDataFrame, figure: str = "total") -> dict[str, float]:
    return made.groupby("committee")[figure].sum().to_dict()


def voronoi(seed: int, n: int, size: float = 1000.0, turned: bool = True) -> np.ndarray:
    """Polygons that fill a square about the corner and share their boundaries."""
    rng = np.random.default_rng(seed)
    frame = shapely.box(0, 0, size, size)
    parts = shapely.voronoi_polygons(shapely.multipoints(rng.uniform(0, size, (n, 2))), extend_to=frame)
    shapes = shapely.intersection(shapely.get_parts(parts), frame)
    angle = rng.uniform(0, 90) if turned else 0
    return np.array([affinity.translate(affinity.rotate(s, angle, (0, 0)), EAST, NORTH) for s in shapes])


# by hand -----------------------------------------------------------------------------------------------------------


def test_a_square_is_shared_by_the_area_in_each():
    """100 m × 100 m: a has 30 m of its width, b 50 m, 20 m are in no area."""
    notes = Notes()
    cells = make_cells(box(0, 0, 100, 100), total=[200.0], old=[20.0])
    made = share(cells, make_committees(b=box(30, -50, 80, 150), a=box(-100, 0, 30, 100)), notes=notes)
    assert list(made["cell_id"]) == ["p0/", "p0/a", "p0/b"]
    assert list(made["committee"]) == ["", "a", "b"]
    assert made["total"].to_numpy() == pytest.approx([40, 60, 100], abs=1e-9)
    assert made["old"].to_numpy() == pytest.approx([4, 6, 10], abs=1e-9)
    assert [(p.x - EAST, p.y - NORTH) for p in made.geometry] == [(90, 50), (15, 50), (55, 50)]
    assert codes(notes) == {"population.shared": 1}
    assert "1 cell (200 people) lies in several" in notes.items[0].text
    assert notes.items[0].rows == ("p0",)
    assert made.crs == UTM


def test_what_lies_in_one_area_stays_as_it_is():
    notes = Notes()
    cells = make_cells(box(0, 0, 100, 100), box(100, 0, 200, 100), box(500, 0, 600, 100))
    made = share(cells, make_committees(a=box(0, 0, 100, 100), b=box(100, 0, 300, 100)), notes=notes)
    assert list(made["cell_id"]) == ["p0", "p1", "p2"]
    assert list(made["committee"]) == ["a", "b", ""]
    assert (made.geometry == cells.geometry).all()
    assert not notes.items


def test_water_is_no_land():
    """b's half of the cell is a lake but for a tenth of the cell; outside is all lake."""
    cells = make_cells(box(0, 0, 100, 100), total=[60.0])
    where = make_committees(a=box(0, 0, 50, 100), b=box(50, 0, 90, 100))
    lake = [box(60, -10, 300, 60), box(60, 50, 300, 200)]  # they overlap
    made = share(cells, where, lake)
    assert by_committee(made) == pytest.approx({"a": 50, "b": 10})
    assert [(p.x - EAST, p.y - NORTH) for p in made.geometry] == [(25, 50), (55, 50)]
    assert by_committee(share(cells, where)) == pytest.approx({"a": 30, "b": 24, "": 6})


def test_people_whose_land_is_in_one_area_are_on_it():
    """The rest of the cell, outside of the area, is water: nothing is shared, and the point leaves the water."""
    made = share(make_cells(box(0, 0, 100, 100)), make_committees(a=box(0, 0, 30, 100)), [box(20, 0, 400, 100)])
    assert list(made["cell_id"]) == ["p0"]
    assert (made.geometry.iloc[0].x - EAST, made.total.iloc[0]) == (10, 1000)


def test_a_cell_that_is_all_water_is_shared_by_its_area():
    notes = Notes()
    where = make_committees(a=box(0, 0, 25, 100), b=box(25, 0, 100, 100))
    made = share(make_cells(box(0, 0, 100, 100)), where, [box(-9, -9, 200, 200)], notes=notes)
    assert by_committee(made) == pytest.approx({"a": 250, "b": 750})
    assert codes(notes) == {"population.in_water": 1, "population.shared": 1}


def test_areas_that_overlap_do_not_double_people():
    """a and b both claim 20 m of the 100: a, the lowest id, has them, whatever the order."""
    cells, notes = make_cells(box(0, 0, 100, 100)), Notes()
    made = share(cells, make_committees(b=box(40, 0, 100, 100), a=box(0, 0, 60, 100)), notes=notes)
    assert by_committee(made) == pytest.approx({"a": 600, "b": 400})
    assert codes(notes) == {"population.several_areas": 1, "population.shared": 1}
    assert "(200 people) in several committees' areas at once" in next(
        n.text for n in notes.items if n.code == "population.several_areas"
    )


def test_one_area_within_another():
    """b lies in a, the cell in both: all of it is a's, though b covers it as well."""
    made = share(make_cells(box(40, 40, 50, 50)), make_committees(a=box(0, 0, 100, 100), b=box(30, 30, 60, 60)))
    assert list(made["cell_id"]) == ["p0"]
    assert by_committee(made) == {"a": 1000}


@pytest.mark.parametrize("apart", [0.05, 0.15, -0.05, -0.15])
def test_boundaries_drawn_apart_by_centimetres_cost_nobody(apart):
    """Neighbours with a gap, or with an overlap, and census polygons that are drawn as in neither."""
    polygons = [box(350 * i, 350 * j, 350 * i + 350, 350 * j + 350) for i in range(3) for j in range(3)]
    total = [500.0 + 250 * n for n in range(9)]
    areas = {f"c{n}": one.buffer(-apart / 2, join_style="mitre") for n, one in enumerate(polygons)}
    for size_m in (None, 100):
        notes = Notes()
        made = share(make_cells(*polygons, total=total), make_committees(**areas), size_m=size_m, notes=notes)
        assert by_committee(made) == pytest.approx(dict(zip(areas, total, strict=True)), abs=1e-6)
        assert "population.shared" not in codes(notes)


def test_a_strip_wider_than_a_sliver_is_shared():
    """Half a metre of 100 in b and 30 cm in none: too wide to be a matter of drawing."""
    made = share(make_cells(box(0, 0, 100, 100)), make_committees(a=box(0, 0, 99.2, 100), b=box(99.2, 0, 99.7, 100)))
    assert by_committee(made) == pytest.approx({"a": 992, "b": 5, "": 3})


def test_a_small_cell_has_no_slivers():
    """Half of a cell of 20 cm is in b: no matter of drawing."""
    half = SLIVER_M / 2
    made = share(make_cells(box(0, 0, 2 * half, 50)), make_committees(a=box(-9, 0, half, 50), b=box(half, 0, 9, 50)))
    assert by_committee(made) == pytest.approx({"a": 500, "b": 500})


def test_committees_without_an_area_have_no_cells():
    made = share(make_cells(box(0, 0, 10, 10)), make_committees(a=None, b=box(0, 0, 5, 10)))
    assert by_committee(made) == pytest.approx({"b": 500, "": 500})


def test_no_cells_at_all():
    """`check` goes on when a raster has nobody near the committees."""
    nobody = make_cells(box(0, 0, 1, 1), old=[1.0]).iloc[:0]
    made = share(nobody, make_committees(a=box(0, 0, 10, 10)), [box(0, 0, 5, 5)])
    assert len(made) == 0
    assert list(made) == ["cell_id", "total", "old", "geometry", "committee"]


def test_ids_stay_unique():
    where = make_committees(**{"b/c": box(0, 0, 50, 100), "c": box(50, 0, 100, 100)})
    cells = make_cells(box(0, 0, 100, 100), box(0, 0, 100, 100)).assign(cell_id=["a", "a/b"])
    made = share(cells, where)
    assert made["cell_id"].is_unique
    assert made.groupby("committee")["total"].sum().to_dict() == pytest.approx({"b/c": 1000, "c": 1000})


def test_an_area_that_crosses_itself_is_refused():
    bow = shapely.Polygon([(EAST, NORTH), (EAST + 100, NORTH + 100), (EAST + 100, NORTH), (EAST, NORTH + 100)])
    with pytest.raises(InputError, match="1 polygon of committees' areas cannot be cut"):
        share(make_cells(box(0, 0, 60, 60)), make_committees(a=bow))


# onto a grid -------------------------------------------------------------------------------------------------------


def test_a_square_of_the_grid_that_committees_share_is_a_cell_of_each():
    """Polygons of 150 m, each a committee, on squares of 100 m: the middle square is half of each."""
    left, right = box(0, 0, 150, 100), box(150, 0, 300, 100)
    made = share(make_cells(left, right, total=[300.0, 60.0]), make_committees(a=left, b=right), size_m=100.0)
    assert list(made["cell_id"]) == ["n34500e3500", "n34500e3501/a", "n34500e3501/b", "n34500e3502"]
    assert list(made["committee"]) == ["a", "a", "b", "b"]
    assert made["total"].to_numpy() == pytest.approx([200, 100, 20, 40])
    assert [p.x - EAST for p in made.geometry] == [50, 125, 175, 250]


def test_polygons_of_one_committee_add_up_in_a_square():
    made = share(
        make_cells(box(0, 0, 50, 100), box(50, 0, 100, 100)), make_committees(a=box(0, 0, 90, 100)), size_m=100
    )
    assert list(made["cell_id"]) == ["n34500e3500/", "n34500e3500/a"]
    assert made["total"].to_numpy() == pytest.approx([200, 1800])


def test_nobody_is_spread_onto_water():
    made = share(make_cells(box(0, 0, 300, 100)), make_committees(a=box(0, 0, 300, 100)), [box(100, 0, 250, 100)], 100)
    assert made["total"].to_numpy() == pytest.approx([1000 * 2 / 3, 1000 / 3])
    assert [p.x - EAST for p in made.geometry] == pytest.approx([50, 275])


def test_fewer_squares_than_polygons_are_refused():
    small = [box(10 * n, 0, 10 * n + 10, 10) for n in range(3)]
    with pytest.raises(ConfigError, match=r"makes 1 cells of 3 polygons"):
        share(make_cells(*small), make_committees(a=box(0, 0, 100, 100)), size_m=100)


# rasters -----------------------------------------------------------------------------------------------------------


def test_pixels_are_shared(tmp_path):
    """Two pixels of 1 km: a has a quarter of the first, b the rest and a half of the second."""
    config = make_config(
        tmp_path, population={"source": write_raster(tmp_path / "p.tif", [[400, 90]], pixel=1000.0).name}
    )
    cells = read_population(config, UTM, Notes())
    made = share(cells, make_committees(a=box(-50, 500, 500, 1000), b=box(0, 0, 1500, 1000) - box(0, 500, 500, 1000)))
    assert dict(zip(made["cell_id"], made["total"], strict=True)) == pytest.approx(
        {"r0c0/a": 100, "r0c0/b": 300, "r0c1/": 45, "r0c1/b": 45}
    )


def test_pixels_in_degrees_fit_together(tmp_path):
    """Projected pixels share their corners: areas that cut across them get all people, once."""
    path = write_raster(tmp_path / "p.tif", np.full((6, 8), 10.0))
    with rasterio.open(path, "r+") as file:
        file.crs, file.transform = "EPSG:4326", rasterio.transform.from_origin(121.4, 31.2, 1 / 1200, 1 / 1200)
    cells = read_population(make_config(tmp_path, population={"source": "p.tif"}), UTM, Notes())
    land = shapely.union_all(cells["shape"].to_numpy())
    assert land.geom_type == "Polygon"
    assert land.area == pytest.approx(sum(one.area for one in cells["shape"]), rel=1e-12)
    middle = land.centroid
    frame = land.buffer(100)
    west, east = split(frame, shapely.LineString([(middle.x - 40, 0), (middle.x + 70, 1e7)])).geoms
    made = share(cells, make_committees(a=west, b=east))
    expected = {n: 480 * one.intersection(land).area / land.area for n, one in (("a", west), ("b", east))}
    # pixels differ in size by latitude, a little: 480 people are not evenly spread over all the land
    assert by_committee(made) == pytest.approx(expected, rel=1e-4)
    assert made["total"].sum() == pytest.approx(480, abs=1e-9)


# in a run ----------------------------------------------------------------------------------------------------------


def test_a_run_places_people_by_their_pieces(tmp_path):
    """400 people on 1 ha, half a lake: 40 m of its 50 m of land are a's, the rest is in no area."""
    lake = gpd.GeoDataFrame(geometry=[box(50, -10, 200, 110)], crs=UTM)
    lake.to_file(tmp_path / "lake.gpkg")
    config = make_config(
        tmp_path,
        committees={"source": "c.csv", "water": {"source": "lake.gpkg"}},
        population={"source": "people.gpkg"},
    )
    where = make_committees(a=box(0, 0, 40, 100), b=box(300, 0, 400, 100)).assign(town_id="t", kind="residents")
    where = where.set_geometry(gpd.GeoSeries([None, None], crs=UTM))
    cells = make_cells(box(0, 0, 100, 100), total=[400.0], old=[40.0])
    store = open_cache(tmp_path / "cache")
    for expected in (320, 320, 160):  # the second one from the store, the third with another area
        if expected == 160:
            where["area"] = pd.Series([box(0, 0, 20, 100), where["area"].iloc[1]], dtype=object)
        run = Run(config, STANDARD, {}, store, Notes(), SimpleNamespace())
        placed = place_people(run, Inputs(UTM, where, cells, SimpleNamespace()), SimpleNamespace())
        assert list(placed.cells["cell_id"]) == ["p0/", "p0/a"]
        assert placed.groups == ("total", "old")
        assert placed.population["total"].tolist() == pytest.approx([expected, 0])
        assert placed.population["old"].tolist() == pytest.approx([expected / 10, 0])
        assert list(placed.cell_status) == ["outside", "assigned"]
        assert densities(run, placed) == pytest.approx([80_000, 0], rel=1e-3)  # 320 on 0.4 ha, 160 on 0.2 ha
        assert codes(run.notes)["population.shared"] == 1
        assert codes(run.notes)["population.outside"] == 1
        assert placed.committees.geometry.iloc[0].equals_exact(placed.cells.geometry.iloc[1], 1e-6)


# what never changes ------------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 12), size_m=st.one_of(st.none(), st.floats(60, 400)))
def test_no_person_is_made_or_lost(seed, count, size_m):
    """Areas that leave gaps and lie on one another, census polygons that do neither, water across both."""
    rng = np.random.default_rng(seed)
    cells = make_cells(*voronoi(seed, 8), total=rng.uniform(0, 1e4, 8), old=rng.uniform(0, 10, 8))
    areas = [shapely.buffer(one, rng.uniform(-40, 40)) for one in voronoi(seed + 1, count, 900.0)]
    where = make_committees(**{f"c{n}": one for n, one in enumerate(areas) if not one.is_empty})
    water = [box(*rng.uniform(-500, 500, 2), 600, 600)]
    made = share(cells, where, water, size_m)
    assert made[["total", "old"]].sum().to_numpy() == pytest.approx(cells[["total", "old"]].sum().to_numpy(), abs=1e-6)
    assert (made["total"] >= 0).all()
    assert made["cell_id"].is_unique
    for point, name in zip(made.geometry, made["committee"], strict=True):
        if name and size_m is None:
            (own,) = where.loc[where["committee_id"] == name, "area"]
            assert own.distance(point) < 1e-6


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_order_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    cells = make_cells(*voronoi(seed, 9), total=rng.uniform(0, 1e4, 9))
    where = make_committees(**{f"c{n}": one.buffer(20) for n, one in enumerate(voronoi(seed + 1, 6))})
    one = share(cells, where)
    turned = where.iloc[rng.permutation(len(where))].reset_index(drop=True)
    other = share(cells.iloc[rng.permutation(len(cells))].reset_index(drop=True), turned)
    assert one.drop(columns="geometry").equals(other.drop(columns="geometry"))
    assert (one.geometry == other.geometry).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), side=st.sampled_from([50.0, 125.0, 250.0, 500.0, 1000.0]))
def test_an_even_density_gives_areas_in_proportion_to_their_land(seed, side):
    """Squares of one density that tile all land: people ÷ land is the same everywhere, whatever the squares' size."""
    edges = np.arange(0, 1000, side)
    squares = [box(x, y, x + side, y + side) for x in edges for y in edges]
    density = 0.02  # persons per m²
    where = make_committees(**{f"c{n}": one for n, one in enumerate(voronoi(seed, 7, turned=False))})
    made = by_committee(share(make_cells(*squares, total=[density * side * side] * len(squares)), where))
    for name, area in zip(where["committee_id"], where["area"], strict=True):
        # a strip narrower than a sliver along its boundary may go to a neighbour, at most
        assert made.get(name, 0.0) == pytest.approx(density * area.area, abs=density * area.length * SLIVER_M)


@pytest.mark.parametrize("seed", range(5))
def test_shares_equal_those_of_plain_intersections(seed):
    """Independent: each cell's intersection with each area, in a loop; neighbours touch and don't overlap."""
    rng = np.random.default_rng(seed)
    polygons, total = voronoi(seed, 15), rng.uniform(0, 5000, 15)
    where = make_committees(**{f"c{n}": one for n, one in enumerate(voronoi(seed + 50, 9, 800.0))})
    expected = {
        name: sum(p * one.intersection(area).area / one.area for p, one in zip(total, polygons, strict=True))
        for name, area in zip(where["committee_id"], where["area"], strict=True)
    }
    made = by_committee(share(make_cells(*polygons, total=total), where))
    for name, people in expected.items():
        assert made.get(name, 0.0) == pytest.approx(people, abs=1e-6)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), size_m=st.floats(70, 2000))
def test_cutting_finer_never_changes_a_committees_people(seed, size_m):
    rng = np.random.default_rng(seed)
    cells = make_cells(*voronoi(seed, 3), total=rng.uniform(100, 5000, 3), old=rng.uniform(0, 100, 3))
    where = make_committees(**{f"c{n}": one.buffer(5) for n, one in enumerate(voronoi(seed + 1, 5))})
    lake = [affinity.translate(shapely.Point(400, 400).buffer(150), EAST, NORTH)]
    whole = share(cells, where, lake)
    try:
        fine = share(cells, where, lake, size_m)
    except ConfigError:  # fewer squares than polygons
        return
    for figure in ("total", "old"):
        assert by_committee(fine, figure) == pytest.approx(by_committee(whole, figure), abs=1e-6)


def test_people_are_read_as_far_as_a_facility_is_wide(tmp_path):
    """150 places with doors at 100 m and 2,900 m: 100 people by the first and 1,000 by the second share them.

    The second door's people live 2.9 km from the only committee, farther than two walks of 15 minutes.
    """
    asked = (
        '{ id = "a.cap", kind = "provision", types = ["a"], scope = "committee", unit = "places", '
        'measure = "capacity", method = "2sfca", minutes = 6, '
        'mode = "walk", at_least = 1, per = 1, headline = true, clause = "1" },'
    )
    config = street_kit.district(
        tmp_path,
        street_kit.standard(asked),
        [{"committee_id": "C1", "x": 0}],
        [{"facility_id": "A", "type": "a", "x": 100, "capacity": 150}],
        cells=[{"x": 0, "total": 100}, {"x": 2950, "total": 1000}],
        areas={"C1": (-50, -50, 50, 50)},
    )
    doors = [{"facility_id": "A", "x": x + street_kit.X0, "y": street_kit.Y0} for x in (100, 2900)]
    pd.DataFrame(doors).to_csv(tmp_path / "doors.csv", index=False)
    text = config.read_text("utf-8") + '[facilities.entrances]\nsource = "doors.csv"\ncrs = "EPSG:32651"\n'
    config.write_text(text, "utf-8")
    run = street_kit.Written(config)
    assert run.verdict("a.cap")["value"] == pytest.approx(150 / 1100, abs=1e-6)  # as it is written
