"""Land of the committees and their density: areas, water on them, and what the file says."""

from types import SimpleNamespace

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely

from circle15.errors import InputError, Notes
from circle15.inputs.committees import read_committees
from circle15.inputs.land import land_km2, read_water
from circle15.stages.people import densities
from circle15.stages.run import Inputs
from tables_kit import EAST, NORTH, STANDARD, codes, make_config, write_text

UTM = pyproj.CRS("EPSG:32651")
NAN = float("nan")


def box(west: float, south: float, east: float, north: float) -> shapely.Polygon:
    """A box in kilometres from the corner."""
    return shapely.box(EAST + west * 1000, NORTH + south * 1000, EAST + east * 1000, NORTH + north * 1000)


def committees(*areas, **columns) -> gpd.GeoDataFrame:
    ids = [f"c{n}" for n in range(len(areas))]
    frame = gpd.GeoDataFrame({"committee_id": ids, **columns}, geometry=[box(0, 0, 1, 1).centroid] * len(ids), crs=UTM)
    return frame.assign(area=pd.Series(list(areas), dtype=object))


def shapes(*some) -> np.ndarray:
    return np.array(some, dtype=object)


def test_land_is_the_area_without_water_and_nan_where_neither_is_known():
    """2 km² with half a km² of lake in it; water that overlaps itself counts once; beside the area it doesn't count."""
    area = committees(box(0, 0, 2, 1), box(2, 0, 3, 1), None, box(5, 5, 6, 6))
    water = shapes(box(1, 0, 1.5, 1), box(1.2, 0, 1.5, 0.5), box(2.5, 0.5, 4, 4))
    assert land_km2(area, water) == pytest.approx([1.5, 0.75, NAN, 1], nan_ok=True)
    assert land_km2(area, None) == pytest.approx([2, 1, NAN, 1], nan_ok=True)
    assert land_km2(area, shapes()) == pytest.approx([2, 1, NAN, 1], nan_ok=True)


def test_what_the_file_says_wins():
    area = committees(box(0, 0, 2, 1), box(2, 0, 3, 1), None, land_km2=[0.3, NAN, 4.0])
    assert land_km2(area, None) == pytest.approx([0.3, 1, 4])


def test_nothing_but_water_is_zero_exactly():
    third = box(0, 0, 1 / 3, 1 / 3)
    water = shapely.get_parts(shapely.delaunay_triangles(third.segmentize(10)))
    assert list(land_km2(committees(third), water)) == [0.0]


@pytest.mark.parametrize("seed", range(5))
def test_land_equals_that_of_the_plain_difference(seed):
    rng = np.random.default_rng(seed)

    def blobs(n):
        points = [shapely.Point(EAST + x, NORTH + y) for x, y in rng.uniform(0, 3000, (n, 2))]
        return [p.buffer(r) for p, r in zip(points, rng.uniform(50, 900, n), strict=True)]

    areas, water = blobs(20), blobs(15)
    expected = [area.difference(shapely.union_all(water)).area / 1e6 for area in areas]
    found = land_km2(committees(*areas), shapes(*water))
    assert found == pytest.approx(expected, abs=2e-6)


def test_the_column_of_the_file_is_read_and_checked(tmp_path):
    head = "committee_id,name,kind,town_id,zone,land,x,y"
    rows = (f"a,,village,t,rural,1.5,{EAST},{NORTH}", f"b,,village,t,rural,,{EAST + 1},{NORTH}")
    keys = {"source": "c.csv", "crs": "EPSG:32651", "columns": {"land_km2": "land"}}
    write_text(tmp_path / "c.csv", head, *rows)
    table = read_committees(make_config(tmp_path, committees=keys), UTM, STANDARD, Notes())
    assert list(table["land_km2"]) == pytest.approx([1.5, NAN], nan_ok=True)
    write_text(tmp_path / "c.csv", head, rows[0].replace("1.5", "-1"))
    with pytest.raises(InputError, match=r'"land_km2" is below 0 \(1 row: a\)'):
        read_committees(make_config(tmp_path, committees=keys), UTM, STANDARD, Notes())
    keys["columns"] = {}
    table = read_committees(make_config(tmp_path, committees=keys), UTM, STANDARD, Notes())
    assert "land_km2" not in table


def config_with_water(folder, *water, **keys):
    gpd.GeoDataFrame({"kind": ["lake"] * len(water)}, geometry=list(water), crs=UTM).to_crs(4326).to_file(
        folder / "water.gpkg"
    )
    return make_config(folder, committees={"source": "c.csv", "water": {"source": "water.gpkg", **keys}})


def test_water_is_read_into_the_runs_crs(tmp_path):
    assert read_water(make_config(tmp_path), UTM, Notes()) is None
    (lake,) = read_water(config_with_water(tmp_path, box(0, 0, 1, 1)), UTM, Notes())
    assert lake.symmetric_difference(box(0, 0, 1, 1)).area < 1


def test_rivers_as_lines_are_refused(tmp_path):
    config = config_with_water(tmp_path, shapely.LineString([(EAST, NORTH), (EAST + 9, NORTH)]))
    with pytest.raises(InputError, match=r"holds LineString.*Expected here: Polygon"):
        read_water(config, UTM, Notes())


def test_density_is_people_by_land(tmp_path):
    """c0: 3,000 people on 1.5 km²; c1 is all water; c2 has no area; c3 nobody."""
    area = committees(box(0, 0, 2, 1), box(2, 0, 3, 1), None, box(5, 5, 6, 6))
    points = [box(0, 0, 1, 1).centroid] * 5
    cells = gpd.GeoDataFrame({"cell_id": list("abcde"), "total": [1000.0, 2000, 9, 9, 9]}, geometry=points, crs=UTM)
    run = SimpleNamespace(config=config_with_water(tmp_path, box(1, 0, 1.5, 1), box(2, -1, 4, 3)), notes=Notes())
    water = read_water(run.config, UTM, run.notes)
    inputs = Inputs(UTM, area, cells, SimpleNamespace(), cell_committee=np.array([0, 0, 1, 2, -1]), water=water)
    assert densities(run, inputs) == pytest.approx([2000, NAN, NAN, 0], rel=1e-4, nan_ok=True)
    assert codes(run.notes) == {"committees.no_land": 1}
    assert run.notes.items[0].rows == ("c1",)
    nobody = Inputs(UTM, area, None, SimpleNamespace())
    assert np.isnan(densities(run, nobody)).all()
