"""Population: rasters of persons per pixel, and cells as points and polygons."""

import zipfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from circle15.errors import ConfigError, InputError, Notes
from circle15.inputs.nearby import Nearby
from circle15.inputs.population import read_population
from tables_kit import EAST, NORTH, codes, make_config, write_raster, write_text

UTM = pyproj.CRS("EPSG:32651")
HELSINKI = Path(__file__).parents[2] / "shared" / "data" / "helsinki" / "population_grid_2020.gpkg"
NO_DATA = -9999.0
RASTER = [[1, NO_DATA, 2.5], [0, 4, np.nan], [NO_DATA, 0, 8]]


def read(path: Path, notes: Notes | None = None, **keys) -> gpd.GeoDataFrame:
    config = make_config(path.parent, population={"source": path.name, **keys})
    cells = read_population(config, UTM, notes if notes is not None else Notes())
    assert cells is not None
    return cells


def xy(cells: gpd.GeoDataFrame) -> list[tuple[float, float]]:
    return [(p.x - EAST, p.y - NORTH) for p in cells.geometry]


def test_no_population_is_none(tmp_path):
    assert read_population(make_config(tmp_path), UTM, Notes()) is None


# rasters -----------------------------------------------------------------------------------------------------------


def test_a_raster_of_nine_pixels(tmp_path):
    notes = Notes()
    cells = read(write_raster(tmp_path / "p.tif", RASTER), notes)
    assert list(cells["cell_id"]) == ["r0c0", "r0c2", "r1c1", "r2c2"]
    assert list(cells["total"]) == [1, 2.5, 4, 8]
    assert xy(cells) == [(50, 250), (250, 250), (150, 150), (250, 50)]
    assert codes(notes) == {"population.nan_pixels": 1, "population.total": 16}  # 15.5, rounded to even
    assert "15.5 people in 4 cells" in notes.items[-1].text
    assert notes.items[0].rows == ("r1c2",)


def test_ids_sort_as_numbers_do(tmp_path):
    values = np.zeros((12, 3))
    values[[2, 10], 1] = 1
    assert list(read(write_raster(tmp_path / "p.tif", values))["cell_id"]) == ["r02c1", "r10c1"]


def test_nan_as_nodata_is_nobody_in_silence(tmp_path):
    notes = Notes()
    path = write_raster(tmp_path / "p.tif", [[1, np.nan]], nodata=float("nan"))
    assert read(path, notes)["total"].sum() == 1
    assert codes(notes) == {"population.total": 1}


def test_blocks_are_read_in_order_and_once(tmp_path):
    rng = np.random.default_rng(1)
    values = rng.integers(0, 5, size=(70, 50))
    tiled = {"tiled": True, "blockxsize": 16, "blockysize": 16}
    cells = read(write_raster(tmp_path / "p.tif", values, nodata=None, dtype="int16", **tiled))
    row, column = np.nonzero(values)
    assert list(cells["total"]) == list(values[row, column])
    assert xy(cells) == [(100 * c + 50, 100 * (70 - r) - 50) for r, c in zip(row, column, strict=True)]


def test_a_raster_in_another_crs_is_projected(tmp_path):
    path = write_raster(tmp_path / "p.tif", [[7]], crs="EPSG:32650")
    cells = read(path)
    expected = gpd.GeoSeries([shapely.Point(EAST + 50, NORTH + 50)], crs="EPSG:32650").to_crs(UTM)
    assert cells.geometry.iloc[0].distance(expected.iloc[0]) < 1e-6


def test_scale_and_offset_are_applied(tmp_path):
    path = write_raster(tmp_path / "p.tif", [[0, 5]], nodata=None, dtype="int16")
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.5,), (0.0,)
    assert read(path)["total"].sum() == 2.5


@pytest.mark.parametrize(
    ("values", "more", "message"),
    [
        ([[1, -1]], {}, r"negative numbers of people, down to -1 \(1 row: r0c1\).*a_nodata -1"),
        ([[1, np.inf]], {}, r"infinite numbers of people \(1 row: r0c1\)"),
        ([[0, NO_DATA]], {}, "nobody lives in it"),
        ([[1, 2]], {"crs": None}, "does not say in which CRS"),
    ],
)
def test_a_raster_that_cannot_be_people(tmp_path, values, more, message):
    with pytest.raises(InputError, match=message):
        read(write_raster(tmp_path / "p.tif", values, **more))


def test_a_raster_that_is_none(tmp_path):
    with pytest.raises(InputError, match=r"no such file"):
        read(tmp_path / "p.tif")
    write_text(tmp_path / "p.tif", "no raster")
    with pytest.raises(InputError, match=r"cannot be read as a raster"):
        read(tmp_path / "p.tif")


def test_a_truncated_raster(tmp_path):
    path = write_raster(tmp_path / "p.tif", np.ones((200, 200)))
    path.write_bytes(path.read_bytes()[:60_000])
    with pytest.raises(InputError, match=r"cannot be read as a raster"):
        read(path)


def test_columns_mean_nothing_for_a_raster(tmp_path):
    path = write_raster(tmp_path / "p.tif", [[1]])
    with pytest.raises(ConfigError, match=r'"columns" means nothing for a raster'):
        read(path, columns={"total": "pop"})


HEADER = (
    "BYTEORDER I",
    "NROWS 2",
    "NCOLS 3",
    "NBANDS 1",
    "NBITS 32",
    "PIXELTYPE FLOAT",
    f"ULXMAP {EAST + 50}",
    f"ULYMAP {NORTH + 150}",
    *("XDIM 100", "YDIM 100", "NODATA -9999"),
)
"""Of a .bil: the middle of the first pixel."""
FLT_HEADER = (
    *("ncols 3", "nrows 2", f"xllcorner {EAST}", f"yllcorner {NORTH}", "cellsize 100", "NODATA_value -9999"),
    "byteorder LSBFIRST",
)
"""Of ESRI's GridFloat: the lower left corner."""


@pytest.mark.parametrize(
    ("ending", "header"), [("bil", HEADER), ("bip", HEADER), ("bsq", HEADER), ("flt", FLT_HEADER), ("FLT", FLT_HEADER)]
)
def test_rasters_of_bare_numbers_with_a_header(tmp_path, ending, header):
    path = tmp_path / f"p.{ending}"
    path.write_bytes(np.array([[1, 2.5, NO_DATA], [0, 4, 8]], dtype="<f4").tobytes())
    with pytest.raises(InputError, match=r"has no p.hdr beside it.*how many pixels"):
        read(path, crs="EPSG:32651")
    write_text(tmp_path / "p.hdr", *header)
    with pytest.raises(InputError, match=r"does not say in which CRS"):
        read(path)
    cells = read(path, crs="EPSG:32651")
    assert list(cells["total"]) == [1, 2.5, 4, 8]
    assert xy(cells) == [(50, 150), (150, 150), (150, 50), (250, 50)]


def test_a_packed_raster_is_told(tmp_path):
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.writestr("readme.txt", "people")
        archive.writestr("chn/pop_2020.tif", "")
    with pytest.raises(InputError, match=r'holds "chn/pop_2020.tif". Unpack all of it.*source = "pop_2020.tif"'):
        read(tmp_path / "p.zip")
    (tmp_path / "p.tif.gz").write_bytes(b"packed")
    with pytest.raises(InputError, match=r"is an archive, which is not read. Unpack it"):
        read(tmp_path / "p.tif.gz")
    write_raster(tmp_path / "p.tif", [[1]])
    with pytest.raises(InputError, match=r"p.zip: is an archive that holds"):
        read(tmp_path / "p.tif", groups={"old": "p.zip"})


def test_coarse_pixels_are_noted(tmp_path):
    notes = Notes()
    read(write_raster(tmp_path / "p.tif", [[3, 0, 4]], pixel=501.0), notes)
    assert codes(notes) == {"population.large_polygons": 2, "population.total": 7}
    assert notes.items[0].rows == ("r0c0", "r0c2")


def test_further_bands_are_noted(tmp_path):
    notes = Notes()
    read(write_raster(tmp_path / "p.tif", [[[1, 2]], [[3, 4]]]), notes)
    assert codes(notes) == {"population.bands": 1, "population.total": 3}


# cells -------------------------------------------------------------------------------------------------------------

HEAD = "cell,pop,old,x,y"
ROWS = (f"b,10,3.5,{EAST},{NORTH}", f"a,0,0,{EAST + 1},{NORTH}", f"007,2.25,1,{EAST},{NORTH + 1}")
KEYS = {"crs": "EPSG:32651", "columns": {"cell_id": "cell", "total": "pop", "age_60_plus": "old"}}


def test_points_with_groups(tmp_path):
    cells = read(write_text(tmp_path / "p.csv", HEAD, *ROWS), **KEYS)
    assert list(cells.columns) == ["cell_id", "total", "age_60_plus", "geometry"]
    assert list(cells["cell_id"]) == ["007", "a", "b"]
    assert cells["total"].sum() == 12.25
    assert cells["age_60_plus"].sum() == 4.5


@given(order=st.permutations(ROWS))
def test_the_order_of_the_file_does_not_matter(tmp_path_factory, order):
    folder = tmp_path_factory.mktemp("order")
    one = read(write_text(folder / "p.csv", HEAD, *ROWS), **KEYS)
    other = read(write_text(folder / "q.csv", HEAD, *order), **KEYS)
    assert one.drop(columns="geometry").equals(other.drop(columns="geometry"))
    assert one.geometry.geom_equals(other.geometry).all()


@settings(max_examples=30)
@given(people=st.lists(st.floats(0, 1e6), min_size=1, max_size=30).filter(any))  # a population of nobody is refused
def test_no_person_is_made_or_lost(tmp_path_factory, people):
    folder = tmp_path_factory.mktemp("people")
    rows = [f"{n},{p!r},{EAST + n},{NORTH}" for n, p in enumerate(people)]
    cells = read(write_text(folder / "p.csv", "cell_id,total,x,y", *rows), crs="EPSG:32651")
    assert cells["total"].sum() == pytest.approx(sum(people), rel=1e-9)


def test_bad_numbers_of_people(tmp_path):
    rows = ["1,-1,0", "2,many,0", "3,,0", "4,inf,0", "4,1,-2"]
    path = write_text(tmp_path / "p.csv", HEAD, *(f"{row},{EAST},{NORTH}" for row in rows))
    with pytest.raises(InputError) as caught:
        read(path, **KEYS)
    found = {problem.what: problem.rows for problem in caught.value.problems}
    assert found == {
        '"cell_id" occurs more than once': ("4",),
        '"total" is not a number: "many"': ("2",),
        '"total" is infinite': ("4",),
        '"total" is missing (NaN or empty)': ("3",),
        '"total" is below 0': ("1",),
        '"age_60_plus" is below 0': ("4",),
    }


def test_suppressed_cells_are_left_out_by_where_and_counted(tmp_path):
    path = write_text(tmp_path / "p.csv", "cell_id,total,x,y", f"1,-1,{EAST},{NORTH}", f"2,5,{EAST},{NORTH}")
    notes = Notes()
    assert list(read(path, notes, crs="EPSG:32651", where="total >= 0")["cell_id"]) == ["2"]
    assert codes(notes) == {"population.where": 1, "population.total": 5}


def test_a_group_larger_than_its_total_by_rounding_is_noted(tmp_path):
    path = write_text(tmp_path / "p.csv", HEAD, f"1,5,6,{EAST},{NORTH}", f"2,5,4,{EAST},{NORTH}")
    notes = Notes()
    read(path, notes, **KEYS)
    assert codes(notes) == {"population.group_above_total": 1, "population.total": 10}
    assert notes.items[0].rows == ("1",)


def test_polygons_become_points_inside_of_them(tmp_path):
    box = shapely.box(EAST, NORTH, EAST + 100, NORTH + 50)
    u = shapely.box(EAST, NORTH, EAST + 100, NORTH + 100).difference(
        shapely.box(EAST + 10, NORTH + 10, EAST + 90, NORTH + 100)
    )
    table = gpd.GeoDataFrame({"cell_id": ["box", "u"], "total": [1, 2]}, geometry=[box, u], crs=UTM)
    table.to_file(tmp_path / "p.gpkg")
    cells = read(tmp_path / "p.gpkg")
    assert xy(cells)[0] == (50, 25)
    assert not u.contains(u.centroid)
    assert u.contains(cells.geometry.iloc[1])
    assert list(cells["total"]) == [1, 2]


@pytest.mark.skipif(not HELSINKI.exists(), reason="the shared data are not beside this checkout")
def test_the_grid_of_helsinki():
    config = make_config(
        HELSINKI.parent, population={"source": HELSINKI.name, "columns": {"cell_id": "id", "total": "population"}}
    )
    cells = read_population(config, pyproj.CRS("EPSG:32635"), Notes())
    assert cells is not None
    assert len(cells) == 92
    assert cells["total"].sum() == 71_724  # as the data's own README says


# near the committees -----------------------------------------------------------------------------------------------


def around(west: float, south: float, east: float, north: float) -> Nearby:
    return Nearby(EAST + west, NORTH + south, EAST + east, NORTH + north, 2000.0)


@pytest.mark.parametrize("more", [{}, {"tiled": True, "blockxsize": 16, "blockysize": 16}])
def test_a_raster_is_read_where_the_committees_are(tmp_path, more):
    """Columns 10 to 19 and rows 20 to 24 of 50 × 40; the numbers outside are not looked at, bad ones included."""
    values = np.arange(2000.0).reshape(40, 50) + 1
    values[0, 0] = -5
    path = write_raster(tmp_path / "p.tif", values, **more)
    write_raster(tmp_path / "old.tif", values / 2, **more)
    box = around(1000, 1500, 2000, 2000)
    notes = Notes()
    config = make_config(tmp_path, population={"source": path.name, "groups": {"old": "old.tif"}})
    cells = read_population(config, UTM, notes, box)
    # the box ends on pixels' sides
    assert sorted(cells["total"]) == sorted(values[20:25, 10:20].ravel())
    assert (cells["old"] * 2 == cells["total"]).all()
    assert cells["cell_id"].iloc[0] == "r20c10"
    assert xy(cells)[0] == (1050, 1950)
    assert codes(notes)["population.far"] == 2000 - 50
    assert "1,950 of 2,000 pixels were not read: they lie more than 2.0 km beyond the committees" in notes.items[0].text


def test_a_raster_in_degrees_is_read_where_the_committees_are(tmp_path):
    """Whatever lies in the box is there, and little else."""
    path = write_raster(tmp_path / "p.tif", np.ones((60, 60)))
    with rasterio.open(path, "r+") as file:
        file.crs, file.transform = "EPSG:4326", rasterio.transform.from_origin(121.4, 31.2, 1 / 1200, 1 / 1200)
    whole = read(path)
    middle = whole.geometry.iloc[1830]
    box = Nearby(middle.x - 500, middle.y - 700, middle.x + 500, middle.y + 700, 100.0)
    cells = read_population(make_config(tmp_path, population={"source": "p.tif"}), UTM, Notes(), box)
    within = set(whole["cell_id"][whole.geometry.intersects(box.box)])
    assert within <= set(cells["cell_id"])
    assert len(cells) < 1.5 * len(within)
    same = whole.set_index("cell_id").loc[cells["cell_id"]]
    assert (same.geometry.to_numpy() == cells.geometry.to_numpy()).all()


def test_a_chinese_maps_raster_has_a_margin(tmp_path):
    """Pixels that the offset moves into the box are read."""
    values = np.ones((100, 100))
    path = write_raster(tmp_path / "p.tif", values, crs="EPSG:4490")
    with rasterio.open(path, "r+") as file:
        file.transform = rasterio.transform.from_origin(121.4, 31.2, 1e-3, 1e-3)
    whole = read(path, datum="gcj02")
    x, y = whole.geometry.iloc[5050].coords[0]
    box = Nearby(x - 300, y - 300, x + 300, y + 300, 0.0)
    config = make_config(tmp_path, population={"source": "p.tif", "datum": "gcj02"})
    cells = read_population(config, UTM, Notes(), box)
    assert set(whole["cell_id"][whole.geometry.intersects(box.box)]) <= set(cells["cell_id"])


def test_a_raster_of_another_place_has_nobody(tmp_path):
    """Is it the raster that is wrong, or the committees? Who knows the network says so; nothing is read meanwhile."""
    path = write_raster(tmp_path / "p.tif", [[1, 0, 0, 0]])
    config = make_config(tmp_path, population={"source": path.name})
    for box in (around(5000, 0, 6000, 100), around(300, 0, 900, 100)):
        cells = read_population(config, UTM, Notes(), box)
        assert len(cells) == 0
        assert list(cells) == ["cell_id", "total", "geometry", "shape"]
        assert cells.crs == UTM


def test_cells_far_away_are_left_out_and_counted(tmp_path):
    rows = [f"{n},{10 * n},{EAST + 1000 * n},{NORTH}" for n in (1, 2, 3)]
    write_text(tmp_path / "p.csv", "cell_id,total,x,y", *rows)
    config = make_config(tmp_path, population={"source": "p.csv", "crs": "EPSG:32651"})
    notes = Notes()
    cells = read_population(config, UTM, notes, around(0, -1, 2000, 1))
    assert list(cells["cell_id"]) == ["1", "2"]
    assert codes(notes) == {"population.far": 1, "population.total": 30}
    assert "1 cell lies more than 2.0 km beyond the committees and was left out (30 people)" in notes.items[0].text
    # where nothing is near, it is a wrong crs: told where the network is known
    assert len(read_population(config, UTM, Notes(), around(9000, 0, 9001, 1))) == 3


@pytest.mark.parametrize("name", ["area", "committee_id", "kind", "population"])
def test_a_group_may_not_take_the_name_of_another_column(tmp_path, name):
    write_text(tmp_path / "cells.csv", "id,lon,lat,pop,g\n1,121.5,31.2,5,2\n")
    with pytest.raises(ConfigError, match=f'"{name}"'):
        read(tmp_path / "cells.csv", columns={"cell_id": "id", "total": "pop", name: "g"})
