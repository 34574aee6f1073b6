"""Areal weighting: people of polygons on square cells, against loops over every square and closed forms."""

import time

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import affinity

from circle15.errors import ConfigError, Notes
from circle15.inputs.areal import MAX_PIECES, cut_onto_grid
from circle15.inputs.population import read_population
from circle15.inputs.sharing import share_cells
from tables_kit import EAST, NORTH, codes, make_config, write_text

UTM = pyproj.CRS("EPSG:32651")
SIZE = 100.0


def tracts(seed: int, n: int = 12) -> np.ndarray:
    """Voronoi cells of random points, some of them with a hole or cut in two: they share edges and leave none out."""
    rng = np.random.default_rng(seed)
    middle = shapely.multipoints(rng.uniform(-900, 900, (n, 2)))
    cells = shapely.get_parts(shapely.voronoi_polygons(middle, extend_to=shapely.box(-1000, -1000, 1000, 1000)))
    shapes = shapely.intersection(cells, affinity.rotate(shapely.box(-1000, -1000, 1000, 1000), rng.uniform(0, 90)))
    lake = shapely.union_all([shapely.Point(*rng.uniform(-500, 500, 2)).buffer(150), shapely.box(-30, -2000, 30, 2000)])
    shapes = shapely.difference(shapes, lake)
    return shapes[shapely.area(shapes) > 1]  # the lake may have swallowed one


def overlap(shapes: np.ndarray, persons: np.ndarray, size: float) -> dict[tuple[int, int], np.ndarray]:
    """The same by brute force: every square of the bounding box against every polygon."""
    west, south, east, north = np.floor(shapely.total_bounds(shapes) / size).astype(int)
    found = {}
    for row in range(south - 1, north + 2):
        for column in range(west - 1, east + 2):
            square = shapely.box(column * size, row * size, (column + 1) * size, (row + 1) * size)
            people = sum(p * (s.intersection(square).area / s.area) for s, p in zip(shapes, persons, strict=True))
            if people.sum() > 1e-9:
                found[row, column] = people
    return found


def alone(shapes) -> np.ndarray:
    """All polygons are of one group: in no committee."""
    return np.full(len(shapes), -1)


def table(shapes, total, **groups) -> gpd.GeoDataFrame:
    ids = [f"t{n:04}" for n in range(len(total))]
    return gpd.GeoDataFrame({"cell_id": ids, "total": total, **groups}, geometry=list(shapes), crs=UTM)


def read(folder, frame: gpd.GeoDataFrame, notes: Notes | None = None, **keys) -> gpd.GeoDataFrame:
    frame.to_file(folder / "p.gpkg")
    config = make_config(folder, population={"source": "p.gpkg", **keys})
    notes = notes if notes is not None else Notes()
    cells = read_population(config, UTM, notes)
    assert cells is not None
    nowhere = gpd.GeoDataFrame({"committee_id": ["c"], "area": [None]}, geometry=[shapely.Point(0, 0)], crs=UTM)
    return share_cells(cells, nowhere, None, keys.get("cell_size_m"), folder / "p.gpkg", notes)[0]


@pytest.mark.parametrize("seed", range(6))
def test_people_by_square_equal_those_of_a_brute_force(seed):
    shapes = tracts(seed)
    persons = np.random.default_rng(seed).uniform(0, 1000, (len(shapes), 2))
    cells = cut_onto_grid(shapes, persons, SIZE, alone(shapes))
    expected = overlap(shapes, persons, SIZE)
    found = dict(zip(zip(cells.row.tolist(), cells.column.tolist(), strict=True), cells.persons, strict=True))
    assert set(expected) <= set(found)
    for square, people in found.items():
        assert people == pytest.approx(expected.get(square, np.zeros(2)), abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.floats(40, 3000))
def test_no_person_is_made_or_lost_and_points_are_inside(seed, size):
    shapes = tracts(seed)
    rng = np.random.default_rng(seed)
    persons = rng.uniform(0, 5000, (len(shapes), 3)) * (rng.random(len(shapes)) < 0.7)[:, None]
    cells = cut_onto_grid(shapes, persons, size, alone(shapes))
    assert np.abs(cells.persons.sum(axis=0) - persons.sum(axis=0)).max() < 1e-6
    inhabited = shapely.union_all(shapes[persons[:, 0] > 0])
    assert (shapely.distance(cells.point, inhabited) < 1e-6).all()
    xy = shapely.get_coordinates(cells.point)
    low = np.stack([cells.column, cells.row], axis=1) * size
    assert ((xy >= low - 1e-6) & (xy <= low + size + 1e-6)).all()


def test_a_square_over_four_cells():
    """A square of 100 m whose corner is 25 m and 40 m off the grid: 0.75 × 0.6 of it in the first cell, and so on."""
    cells = cut_onto_grid(np.array([shapely.box(25, 40, 125, 140)]), np.array([[1000.0, 100.0]]), SIZE, np.array([0]))
    assert cells.row.tolist() == [0, 0, 1, 1]
    assert cells.column.tolist() == [0, 1, 0, 1]
    assert cells.persons[:, 0] == pytest.approx([450, 150, 300, 100], abs=1e-9)
    assert cells.persons[:, 1] == pytest.approx([45, 15, 30, 10], abs=1e-9)
    xy = shapely.get_coordinates(cells.point)
    assert xy == pytest.approx(np.array([[62.5, 70], [112.5, 70], [62.5, 120], [112.5, 120]]))


def test_polygons_on_the_lines_of_the_grid_have_no_slivers():
    shapes = np.array([shapely.box(-200, 0, 0, 100), shapely.box(0, 0, 100, 100), shapely.box(100, 0, 100.5, 100)])
    cells = cut_onto_grid(shapes, np.array([[8.0], [5.0], [0.0]]), SIZE, alone(shapes))
    assert cells.column.tolist() == [-2, -1, 0]
    assert cells.persons[:, 0].tolist() == [4, 4, 5]


def test_what_several_polygons_have_in_a_cell_adds_up_where_most_people_are():
    shapes = np.array([shapely.box(0, 0, 20, 100), shapely.box(20, 0, 100, 100)])
    cells = cut_onto_grid(shapes, np.array([[30.0], [10.0]]), SIZE, alone(shapes))
    assert cells.persons.tolist() == [[40.0]]
    assert shapely.get_coordinates(cells.point).tolist() == [[(30 * 10 + 10 * 60) / 40, 50.0]]


def test_a_point_between_two_pieces_moves_into_the_one_with_more_people():
    """Two banks of a river: the mean of their people is in the water."""
    shapes = np.array([shapely.box(0, 0, 20, 100), shapely.box(80, 0, 100, 100)])
    cells = cut_onto_grid(shapes, np.array([[10.0], [11.0]]), SIZE, alone(shapes))
    assert shapely.get_coordinates(cells.point).tolist() == [[90.0, 50.0]]


def test_a_piece_without_people_is_no_place_for_the_point():
    """A ring of housing around an empty park: the mean is in the park."""
    park = shapely.box(30, 30, 70, 70)
    ring = shapely.box(0, 0, 100, 100) - park
    cells = cut_onto_grid(np.array([ring, park]), np.array([[10.0], [0.0]]), SIZE, np.zeros(2, dtype=int))
    assert ring.covers(cells.point[0])


def test_a_group_outlives_a_total_of_zero():
    cells = cut_onto_grid(np.array([shapely.box(0, 0, 100, 100)]), np.array([[0.0, 0.5]]), SIZE, np.array([0]))
    assert cells.persons.tolist() == [[0.0, 0.5]]
    assert shapely.get_coordinates(cells.point).tolist() == [[50.0, 50.0]]


# files -------------------------------------------------------------------------------------------------------------


def test_tracts_from_a_file(tmp_path):
    shapes = [shapely.box(EAST + 50, NORTH, EAST + 250, NORTH + 100), shapely.box(EAST, NORTH, EAST + 50, NORTH + 100)]
    notes = Notes()
    keys = {"columns": {"age_60_plus": "old"}, "cell_size_m": SIZE}
    cells = read(tmp_path, table(shapes, [40.0, 6.0], old=[4.0, 6.0]), notes, **keys)
    assert list(cells.columns) == ["cell_id", "total", "age_60_plus", "geometry"]
    assert list(cells["cell_id"]) == ["n34500e3500", "n34500e3501", "n34500e3502"]
    assert list(cells["total"]) == [16, 20, 10]
    assert list(cells["age_60_plus"]) == [7, 2, 1]
    assert codes(notes) == {"population.areal": 3, "population.total": 46}
    assert cells.crs == UTM


def test_the_order_of_the_file_does_not_matter(tmp_path):
    shapes = tracts(3)
    frame = table(shapes, np.arange(1.0, len(shapes) + 1)).assign(old=0.5)
    frame.geometry = frame.translate(EAST, NORTH)
    keys = {"columns": {"old_people": "old"}, "cell_size_m": 130.0}
    one, other = read(tmp_path, frame, **keys), read(tmp_path, frame.iloc[::-1], **keys)
    assert one.drop(columns="geometry").equals(other.drop(columns="geometry"))
    assert (one.geometry.to_wkb() == other.geometry.to_wkb()).all()


def test_without_a_size_large_polygons_are_noted(tmp_path):
    shapes = [shapely.box(0, 100 * n, side, 100 * n + 10) for n, side in enumerate((500, 501, 3000))]
    notes = Notes()
    frame = table([affinity.translate(s, EAST, NORTH) for s in shapes], [1.0, 2.0, 0.0])
    assert list(read(tmp_path, frame, notes)["total"]) == [1, 2, 0]
    assert codes(notes) == {"population.large_polygons": 1, "population.total": 3}
    assert notes.items[0].rows == ("t0001",)
    assert "cell_size_m = 100" in notes.items[0].text


def test_points_have_no_area(tmp_path):
    write_text(tmp_path / "p.csv", "cell_id,total,x,y", f"a,1,{EAST},{NORTH}")
    config = make_config(tmp_path, population={"source": "p.csv", "crs": "EPSG:32651", "cell_size_m": 100})
    with pytest.raises(ConfigError, match=r"cell_size_m is for polygons \(1 row: a\)"):
        read_population(config, UTM, Notes())


def test_a_size_that_was_not_meant(tmp_path):
    frame = table([shapely.box(EAST, NORTH, EAST + 5000, NORTH + 5000)], [1.0])
    with pytest.raises(ConfigError, match=f"cell_size_m = 0.1 makes up to 2,500,0.*more than {MAX_PIECES:,}"):
        read(tmp_path, frame, cell_size_m=0.1)


def test_a_districts_tracts_within_seconds():
    """5,000 tracts of 25 vertices onto 120,000 cells; the limit is far above what it takes, for slow machines."""
    rng = np.random.default_rng(1)
    middle = shapely.multipoints(rng.uniform(0, 34_600, (5000, 2)))
    shapes = shapely.get_parts(shapely.voronoi_polygons(middle, extend_to=shapely.box(0, 0, 34_600, 34_600)))
    shapes = shapely.segmentize(shapely.intersection(shapes, shapely.box(0, 0, 34_600, 34_600)), 100)
    start = time.perf_counter()
    cells = cut_onto_grid(shapes, rng.integers(0, 2000, (5000, 3)).astype(float), SIZE, alone(shapes))
    assert len(cells.row) == pytest.approx(120_000, rel=0.01)
    assert time.perf_counter() - start < 30
