"""Population groups: columns of cells and rasters on one grid; what a group can't be."""

from types import SimpleNamespace

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from circle15.errors import ConfigError, InputError, Notes
from circle15.inputs.population import read_population
from circle15.stages.people import group_shares
from circle15.stages.read import hash_inputs
from circle15.stages.run import Inputs
from tables_kit import EAST, NORTH, codes, make_config, write_raster, write_text

UTM = pyproj.CRS("EPSG:32651")
TOTAL = [[10, 0, -9999], [5, 2.5, 8]]
CHILDREN = [[1, 0, -9999], [5, 0, 2]]
HEAD = "cell_id,total,old,x,y"


def read(folder, notes: Notes | None = None, **keys) -> gpd.GeoDataFrame:
    cells = read_population(make_config(folder, population=keys), UTM, notes if notes is not None else Notes())
    assert cells is not None
    return cells


def rasters(folder, total=TOTAL, notes: Notes | None = None, **groups) -> gpd.GeoDataFrame:
    write_raster(folder / "all.tif", total)
    for name, values in groups.items():
        write_raster(folder / f"{name}.tif", values)
    return read(folder, notes, source="all.tif", groups={name: f"{name}.tif" for name in groups})


def points(folder, *rows: str, notes: Notes | None = None, name: str = "age_60_plus") -> gpd.GeoDataFrame:
    write_text(folder / "p.csv", HEAD, *(f"{row},{EAST},{NORTH}" for row in rows))
    return read(folder, notes, source="p.csv", crs="EPSG:32651", columns={name: "old"})


def fault(caught) -> list[tuple[str, tuple[str, ...]]]:
    return [(problem.what, problem.rows) for problem in caught.value.problems]


# rasters -----------------------------------------------------------------------------------------------------------


def test_a_raster_for_each_group(tmp_path):
    notes = Notes()
    cells = rasters(tmp_path, age_0_2=CHILDREN, age_60_plus=[[3, 0, -9999], [0, 2.5, 0]], notes=notes)
    assert list(cells.columns) == ["cell_id", "total", "age_0_2", "age_60_plus", "geometry", "shape"]
    assert list(cells["cell_id"]) == ["r0c0", "r1c0", "r1c1", "r1c2"]
    assert list(cells["age_0_2"]) == [1, 5, 0, 2]
    assert list(cells["age_60_plus"]) == [3, 0, 2.5, 0]
    assert (cells.geometry.iloc[3].x - EAST, cells.geometry.iloc[3].y - NORTH) == (250, 50)
    assert codes(notes) == {"population.total": 26}
    assert "25.5 people in 4 cells, of them 8.0 age_0_2, 5.5 age_60_plus" in notes.items[0].text


@settings(max_examples=20)
@given(data=st.data(), size=st.tuples(st.integers(1, 40), st.integers(1, 40)))
def test_groups_lie_where_their_pixels_lie(tmp_path_factory, data, size):
    folder = tmp_path_factory.mktemp("group")
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    total = rng.integers(0, 4, size) + np.eye(*size)
    group = np.floor(total * rng.random(size))
    write_raster(folder / "all.tif", total, tiled=True, blockxsize=16, blockysize=16)
    write_raster(folder / "g.tif", group)
    cells = read(folder, source="all.tif", groups={"g": "g.tif"})
    row, column = np.nonzero(total)
    assert list(cells["total"]) == list(total[row, column])
    assert list(cells["g"]) == list(group[row, column])


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"values": [[1, 0], [5, 0]]}, "2 × 2 pixels of 100 × -100 from 350000, 3450200"),
        ({"values": CHILDREN, "pixel": 90.0}, "3 × 2 pixels of 90 × -90 from 350000, 3450180"),
        ({"values": [[1, 0, 0]] * 3}, "3 × 3 pixels of 100 × -100 from 350000, 3450300"),
        ({"values": CHILDREN, "crs": "EPSG:32650"}, "3 × 2 pixels of 100 × -100 from 350000, 3450200 (EPSG:32650)"),
    ],
)
def test_another_grid_is_an_error_that_names_both(tmp_path, more, found):
    write_raster(tmp_path / "all.tif", TOTAL)
    write_raster(tmp_path / "g.tif", **more)
    with pytest.raises(InputError, match=r"g.tif: lies on another grid") as caught:
        read(tmp_path, source="all.tif", groups={"g": "g.tif"})
    assert found in str(caught.value)
    assert "than all.tif, 3 × 2 pixels of 100 × -100 from 350000, 3450200 (EPSG:32651)" in str(caught.value)


def test_every_fault_of_a_group_raster_at_once(tmp_path):
    with pytest.raises(InputError) as caught:
        rasters(tmp_path, a=[[-1, 0, 0], [-9999, 0, np.inf]], b=[[0, 0, 0], [np.nan, 1, 9.5]])
    assert fault(caught) == [
        ("has negative numbers of people, down to -1", ("r0c0",)),
        ("has infinite numbers of people", ("r1c2",)),
        ("has no number where all.tif has people", ("r1c0",)),
        ("has no number where all.tif has people", ("r1c0",)),
        ('"a" is larger than total', ("r1c2",)),
        ('"b" is larger than total', ("r1c2",)),
    ]


def test_a_group_where_nobody_lives_is_not_lost(tmp_path):
    """Half a person of a group where the total was rounded to nobody stays, and is noted."""
    notes = Notes()
    cells = rasters(tmp_path, g=[[1, 0.5, 0], [0, 0, 0]], notes=notes)
    assert list(cells["g"]) == [1, 0.5, 0, 0, 0]
    assert list(cells["total"])[:2] == [10, 0]
    assert codes(notes) == {"population.group_above_total": 1, "population.total": 26}
    assert notes.items[0].rows == ("r0c1",)
    with pytest.raises(InputError, match=r'"g" is larger than total \(1 row: r0c1\)'):
        rasters(tmp_path, g=[[1, 2, 0], [0, 0, 0]])


def test_single_precision_is_no_note(tmp_path):
    notes = Notes()
    total = np.float32([[0.1, 1234.567]])
    write_raster(tmp_path / "all.tif", total)
    write_raster(tmp_path / "g.tif", np.nextafter(total, np.float32(1e9)))
    read(tmp_path, notes, source="all.tif", groups={"g": "g.tif"})
    assert codes(notes) == {"population.total": 1235}


def test_more_of_a_group_than_people_in_all_is_an_error(tmp_path):
    """Each cell is off by no more than rounding, and all of them in one direction."""
    with pytest.raises(InputError, match=r'"g" has more people than there are, 60.0 of 40.0'):
        rasters(tmp_path, total=np.full((4, 10), 1.0), g=np.full((4, 10), 1.5))


def test_a_nodata_value_of_zero_is_zero(tmp_path):
    write_raster(tmp_path / "all.tif", [[3, 4]], nodata=None)
    write_raster(tmp_path / "g.tif", [[0, 1]], nodata=0)
    assert list(read(tmp_path, source="all.tif", groups={"g": "g.tif"})["g"]) == [0, 1]


def test_a_group_raster_that_is_missing_or_none(tmp_path):
    write_raster(tmp_path / "all.tif", TOTAL)
    with pytest.raises(InputError, match=r"g.tif: no such file"):
        read(tmp_path, source="all.tif", groups={"g": "g.tif"})
    write_text(tmp_path / "g.tif", "no raster")
    with pytest.raises(InputError, match=r"g.tif: cannot be read as a raster"):
        read(tmp_path, source="all.tif", groups={"g": "g.tif"})


def test_a_truncated_group_raster_is_named(tmp_path):
    write_raster(tmp_path / "all.tif", np.ones((200, 200)))
    path = write_raster(tmp_path / "g.tif", np.ones((200, 200)))
    path.write_bytes(path.read_bytes()[:60_000])
    with pytest.raises(InputError, match=r"g.tif: cannot be read as a raster"):
        read(tmp_path, source="all.tif", groups={"g": "g.tif"})


# cells -------------------------------------------------------------------------------------------------------------


def test_a_missing_group_is_zero_where_nobody_lives_and_else_an_error(tmp_path):
    assert list(points(tmp_path, "a,0,", "b,4,2")["age_60_plus"]) == [0, 2]
    with pytest.raises(InputError) as caught:
        points(tmp_path, "a,0,", "b,4, ", "c,,")
    assert fault(caught) == [
        ('"total" is missing (NaN or empty)', ("c",)),
        ('"age_60_plus" is missing (NaN or empty)', ("b", "c")),
    ]


def test_a_group_above_its_total(tmp_path):
    with pytest.raises(InputError, match=r'"age_60_plus" is larger than total \(2 rows: a, c\)'):
        points(tmp_path, "a,1,2.5", "b,100,101", "c,0,30")


@pytest.mark.parametrize("name", ["Age60", "60岁以上", "age-60", "total", "cell_id", "land_km2"])
def test_names_that_no_group_can_have(tmp_path, name):
    write_raster(tmp_path / "all.tif", TOTAL)
    with pytest.raises(ConfigError, match=rf'"{name}"'):
        read(tmp_path, source="all.tif", groups={name: "all.tif"})
    if name not in ("total", "cell_id"):
        with pytest.raises(ConfigError, match=rf'"{name}"'):
            points(tmp_path, "a,1,1", name=name)


def test_keys_that_do_not_fit_the_file(tmp_path):
    write_raster(tmp_path / "all.tif", TOTAL)
    with pytest.raises(ConfigError, match=r'"cell_size_m" means nothing for a raster'):
        read(tmp_path, source="all.tif", cell_size_m=100)
    write_text(tmp_path / "p.csv", HEAD, f"a,1,1,{EAST},{NORTH}")
    with pytest.raises(ConfigError, match=r'"groups" names rasters.*columns = \{ g = "…" \}'):
        read(tmp_path, source="p.csv", crs="EPSG:32651", groups={"g": "g.tif"})


# shares and hashes -------------------------------------------------------------------------------------------------


def test_shares_of_groups_are_percent_of_the_committees_people():
    cells = gpd.GeoDataFrame(
        {"cell_id": list("abcd"), "total": [10.0, 30, 0, 7], "old": [1.0, 5, 0, 7]},
        geometry=[shapely.Point(0, 0)] * 4,
        crs=UTM,
    )
    committees = gpd.GeoDataFrame({"committee_id": ["x", "y"]}, geometry=[shapely.Point(0, 0)] * 2, crs=UTM)
    inputs = Inputs(UTM, committees, cells, SimpleNamespace(), cell_committee=np.array([0, 0, 1, -1]))
    shares = group_shares(inputs)
    assert list(shares) == ["old"]
    assert shares["old"][0] == pytest.approx(15)  # (1 + 5) of 40
    assert np.isnan(shares["old"][1])
    assert group_shares(Inputs(UTM, committees, None, SimpleNamespace())) == {}


def test_every_file_of_people_is_hashed(tmp_path):
    names = ["all.tif", "g.tif", "census.csv", "water.gpkg"]
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    config = make_config(
        tmp_path,
        committees={"source": "committees.csv", "water": {"source": "water.gpkg"}},
        population={
            "source": "all.tif",
            "groups": {"g": "g.tif"},
            "census": {"source": "census.csv", "by": "town"},
        },
    )
    before = hash_inputs(config)
    assert set(names) <= set(before)
    for name in names:
        (tmp_path / name).write_bytes(b"changed")
        after = hash_inputs(config)
        assert after[name] != before[name]
