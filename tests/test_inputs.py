"""Reading any layer or table of points: names, text, encodings, CRS and geometry."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pyproj
import pytest
import shapely

from circle15.config import SourceConfig
from circle15.errors import ConfigError, InputError, Notes
from circle15.inputs.vector import POINTS, Wanted, check_overlap, label, read_vector
from circle15.tables import Column
from tables_kit import EAST, NORTH, codes, write_text

UTM = pyproj.CRS("EPSG:32651")
WANTED = Wanted("things", (Column("id", required=True, unique=True), Column("name"), Column("size", "number")), "id")
POINT = shapely.Point(EAST, NORTH)


def read(path: Path, notes: Notes | None = None, wanted: Wanted = WANTED, **keys) -> gpd.GeoDataFrame:
    config = SourceConfig(source=path.name, **keys)
    return read_vector(config, path, UTM, notes if notes is not None else Notes(), wanted)


def layer(path: Path, shapes, crs="EPSG:32651", **columns) -> Path:
    data = {"id": [f"a{n}" for n in range(1, len(shapes) + 1)], **columns}
    table = gpd.GeoDataFrame(data, geometry=list(shapes), crs=crs)
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_file(path)
    return path


# formats -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".parquet", ".shp"])
def test_every_format_gives_the_same_table(tmp_path, suffix):
    points = gpd.GeoSeries([shapely.Point(121.5, 31.2), shapely.Point(121.6, 31.1)], crs=4326)
    path = layer(tmp_path / f"things{suffix}", points, crs=4326, code=["007", "010"], 名称=["甲", "乙"])
    table = read(path, columns={"id": "code", "name": "名称"})
    assert table.crs == UTM
    assert list(table["id"]) == ["007", "010"]
    assert list(table["name"]) == ["甲", "乙"]
    expected = points.to_crs(UTM)
    assert table.geometry.geom_equals_exact(expected, 1e-3, align=False).all()


def test_csv_in_degrees_keeps_leading_zeros(tmp_path):
    path = write_text(tmp_path / "a.csv", "id,lon,lat", "007,123,0", "08,123.5,31")
    table = read(path)
    assert list(table["id"]) == ["007", "08"]
    # On the central meridian of zone 51 and the equator, UTM is (500000, 0) by definition.
    assert table.geometry.iloc[0].distance(shapely.Point(500_000, 0)) < 1e-6
    assert "lon" not in table


def test_csv_in_metres_needs_its_crs(tmp_path):
    path = write_text(tmp_path / "a.csv", "id,x,y", f"1,{EAST},{NORTH}")
    assert read(path, crs="EPSG:32651").geometry.iloc[0].equals(POINT)
    with pytest.raises(InputError, match=r"does not say in which CRS.*EPSG:4326"):
        read(path)


def test_a_projected_crs_speaks_of_x_and_y(tmp_path):
    path = write_text(tmp_path / "a.csv", "id,lon,lat,x,y", f"1,121,31,{EAST},{NORTH}")
    assert read(path, crs="EPSG:32651").geometry.iloc[0].equals(POINT)
    only_degrees = write_text(tmp_path / "b.csv", "id,lon,lat", "1,121,31")
    with pytest.raises(InputError, match=r"lon and lat cannot be in"):
        read(only_degrees, crs="EPSG:32651")


def test_plain_parquet_of_points_and_its_index(tmp_path):
    path = tmp_path / "a.parquet"
    pd.DataFrame({"x": [EAST], "y": [NORTH]}, index=pd.Index(["007"], name="id")).to_parquet(path)
    table = read(path, crs="EPSG:32651")
    assert table["id"].iloc[0] == "007"
    assert table.geometry.iloc[0].equals(POINT)


def test_gb18030_has_to_be_declared(tmp_path):
    path = write_text(tmp_path / "a.csv", "编号,名称,lon,lat", "1,潍坊一村,121.5,31.2", encoding="gb18030")
    columns = {"id": "编号", "name": "名称"}
    with pytest.raises(InputError, match=r'not UTF-8.*encoding = "gb18030"'):
        read(path, columns=columns)
    assert read(path, columns=columns, encoding="gb18030")["name"].iloc[0] == "潍坊一村"
    with pytest.raises(ConfigError, match=r"unknown encoding"):
        read(path, columns=columns, encoding="gb99")


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    path = write_text(tmp_path / "a.csv", "id,lon,lat", "1,121.5,31.2", encoding="utf-8-sig")
    assert read(path)["id"].iloc[0] == "1"


def test_shapefile_without_cpg_is_noted(tmp_path):
    path = layer(tmp_path / "a.shp", [POINT], name=["潍坊"])
    notes = Notes()
    read(path, notes)
    assert codes(notes) == {}
    path.with_suffix(".cpg").unlink()
    read(path, notes)
    assert codes(notes) == {"things.encoding_unknown": 1}
    notes = Notes()
    assert read(path, notes, encoding="utf-8")["name"].iloc[0] == "潍坊"
    assert codes(notes) == {}


def test_gb18030_shapefile_without_cpg(tmp_path):
    path = tmp_path / "a.shp"
    table = gpd.GeoDataFrame({"编号": ["007"], "名称": ["潍坊一村"]}, geometry=[POINT], crs=UTM)
    pyogrio.write_dataframe(table, path, encoding="GB18030")
    path.with_suffix(".cpg").unlink()
    columns = {"id": "编号", "name": "名称"}
    with pytest.raises(InputError, match=r'no column "编号".*encoding = "gb18030"'):
        read(path, columns=columns)
    assert read(path, columns=columns, encoding="gb18030")["name"].iloc[0] == "潍坊一村"


def test_several_layers_need_a_name(tmp_path):
    path = tmp_path / "a.gpkg"
    for name in ("one", "two"):
        gpd.GeoDataFrame({"id": [name]}, geometry=[POINT], crs=UTM).to_file(path, layer=name)
    with pytest.raises(ConfigError, match=r'2 layers.*layer = "one".*one, two'):
        read(path)
    assert read(path, layer="two")["id"].iloc[0] == "two"
    with pytest.raises(ConfigError, match=r'no layer "tow".*Did you mean "two"'):
        read(path, layer="tow")


def test_a_table_of_styles_is_no_second_layer(tmp_path):
    path = layer(tmp_path / "a.gpkg", [POINT])
    pyogrio.write_dataframe(pd.DataFrame({"style": ["<qml/>"]}), path, layer="layer_styles")
    assert len(read(path)) == 1


@pytest.mark.parametrize("name", ["a.csv", "a.gpkg", "a.parquet"])
def test_missing_file_names_the_nearest(tmp_path, name):
    (tmp_path / f"b{name}").touch()
    with pytest.raises(InputError, match=f'no such file.*Did you mean "b{name}"'):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["a.gpkg", "a.parquet", "a.shp"])
def test_unreadable_file(tmp_path, name):
    (tmp_path / name).write_bytes(b"not at all what the suffix says" * 10)
    with pytest.raises(InputError, match=r"cannot (be )?read"):
        read(tmp_path / name)


def test_empty_layers(tmp_path):
    with pytest.raises(InputError, match=r"has no rows"):
        read(write_text(tmp_path / "a.csv", "id,lon,lat"))
    empty = gpd.GeoDataFrame({"id": pd.Series([], dtype=str)}, geometry=[], crs=UTM)
    empty.to_file(tmp_path / "a.gpkg")
    with pytest.raises(InputError, match=r"has no rows"):
        read(tmp_path / "a.gpkg")
    (tmp_path / "b.csv").touch()
    with pytest.raises(InputError, match=r"is empty"):
        read(tmp_path / "b.csv")


def test_csv_rows_of_uneven_length_lose_nothing_in_silence(tmp_path):
    path = write_text(tmp_path / "a.csv", "id,lon,lat", "1,121,31,extra", "2,121,31")
    with pytest.raises(InputError, match=r"is not a table"):
        read(path)
    twice = write_text(tmp_path / "b.csv", "id,lon,lat,lon", "1,121,31,120")
    with pytest.raises(InputError, match=r"two columns are called lon"):
        read(twice)


def test_keys_that_mean_nothing_are_refused(tmp_path):
    path = write_text(tmp_path / "a.csv", "id,lon,lat", "1,121,31")
    with pytest.raises(ConfigError, match=r'"layer" means nothing for a .csv'):
        read(path, layer="one")


# columns, set, where -----------------------------------------------------------------------------------------------


def test_missing_columns_are_named_all_at_once(tmp_path):
    path = write_text(tmp_path / "a.csv", "code,lon,lat", "1,121,31")
    with pytest.raises(InputError) as caught:
        read(path, columns={"id": "cod", "name": "zzz"})
    first, second = caught.value.problems
    assert 'no column "cod"' in first.what
    assert 'Did you mean "code"' in first.remedy
    assert "columns.name" in second.remedy
    assert "code, lon, lat" in second.remedy


def test_a_misspelt_key_is_not_an_attribute(tmp_path):
    path = write_text(tmp_path / "a.csv", "id,lon,lat,colour", "1,121,31,red")
    with pytest.raises(ConfigError, match=r'unknown key "nmae".*"name"'):
        read(path, columns={"nmae": "colour"})
    assert read(path, columns={"paint": "colour"})["paint"].iloc[0] == "red"
    strict = Wanted("things", WANTED.contract, "id", other_columns=False)
    with pytest.raises(ConfigError, match=r'unknown key "paint"'):
        read(path, wanted=strict, columns={"paint": "colour"})
    with pytest.raises(ConfigError, match=r"both columns and set"):
        read(path, columns={"name": "colour"}, set={"name": "x"})


def test_renaming_swaps_shares_and_covers(tmp_path):
    path = write_text(tmp_path / "a.csv", "id,name,lon,lat", "1,2,121,31")
    notes = Notes()
    table = read(path, notes, columns={"id": "name", "name": "id"})
    assert (table["id"].iloc[0], table["name"].iloc[0]) == ("2", "1")
    assert codes(notes) == {}
    table = read(path, notes, columns={"name": "id", "id": "id"}, set={"size": 3})
    assert (table["id"].iloc[0], table["name"].iloc[0], table["size"].iloc[0]) == ("1", "1", 3)
    assert notes.items[-1].code == "things.columns_covered"
    assert notes.items[-1].rows == ("name",)


def test_where_compares_numbers_as_numbers_and_ids_as_text(tmp_path):
    path = write_text(tmp_path / "a.csv", "code,beds,lon,lat", "007,5,121,31", "008,12,121,31", "9,,121,31")
    notes = Notes()
    assert list(read(path, notes, columns={"id": "code"}, where="beds > 6")["id"]) == ["008"]
    assert notes.items[0].count == 2
    assert notes.items[0].rows == ("007", "9")
    assert list(read(path, columns={"id": "code"}, where='id == "007"')["id"]) == ["007"]
    assert list(read(path, columns={"id": "code"}, where='code == "007"')["id"]) == ["007"]
    assert list(read(path, columns={"id": "code"}, where="id.str.startswith('00')")["id"]) == ["007", "008"]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("nosuch > 1", "nosuch"),
        ("beds >", "invalid syntax"),
        ("beds + 1", "no condition"),
        ("beds > 100", "holds for none of 1 rows"),
        ("@pd.eval('1')", "pd"),
        ("beds = 3", "no condition"),
        ("beds > 'a'", "beds"),
    ],
)
def test_a_bad_where_is_a_configuration_error(tmp_path, where, message):
    path = write_text(tmp_path / "a.csv", "id,beds,lon,lat", "1,5,121,31")
    with pytest.raises(ConfigError, match=message):
        read(path, where=where)


def test_rows_keep_the_number_of_the_file(tmp_path):
    path = write_text(tmp_path / "a.csv", "id,ok,lon,lat", "1,0,121,31", ",1,121,x", "3,1,121,31")
    with pytest.raises(InputError, match=r'"lat" is not a number: "x" \(1 row: row 2\)'):
        read(path, where="ok == 1")


# geometry ----------------------------------------------------------------------------------------------------------


def test_coordinates_of_a_csv(tmp_path):
    lines = ["1,121,31", "2,,31", "3,121,north", "4,inf,31", "5,nan,31"]
    with pytest.raises(InputError) as caught:
        read(write_text(tmp_path / "a.csv", "id,lon,lat", *lines))
    found = {problem.what: problem.rows for problem in caught.value.problems}
    assert found == {
        '"lon" is missing (NaN or empty)': ("2",),
        '"lon" is not a number: "nan"': ("5",),
        '"lon" is infinite': ("4",),
        '"lat" is not a number: "north"': ("3",),
    }


def test_points_without_coordinates(tmp_path):
    with pytest.raises(InputError, match=r"no geometry and no coordinates.*the file has: id, E, N"):
        read(write_text(tmp_path / "a.csv", "id,E,N", "1,121,31"))


def test_geometry_problems_come_together(tmp_path):
    bow_tie = shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])
    shapes = [POINT, None, shapely.Point(), bow_tie, shapely.Point(np.nan, 1), shapely.Point(np.inf, 1)]
    with pytest.raises(InputError) as caught:
        read(layer(tmp_path / "a.parquet", shapes))
    found = {problem.what: problem.rows for problem in caught.value.problems}
    assert found["geometry is missing or empty"] == ("a2", "a3")
    assert found["coordinates are NaN or infinite"] == ("a5", "a6")
    assert found["geometry is invalid"] == ("a4: Self-intersection[5 5]",)


def test_no_crs(tmp_path):
    path = layer(tmp_path / "a.parquet", [POINT], crs=None)
    with pytest.raises(InputError, match=r'in which CRS.*crs = "EPSG:4326"'):
        read(path)
    assert read(path, crs="EPSG:32651").geometry.iloc[0].equals(POINT)
    with pytest.raises(ConfigError, match=r"no known CRS"):
        read(path, crs="EPSG:nonsense")


def test_a_declared_crs_overrules_with_a_note(tmp_path):
    path = layer(tmp_path / "a.gpkg", [shapely.Point(EAST, NORTH)], crs="EPSG:32650")
    notes = Notes()
    assert read(path, notes, crs="EPSG:32651").geometry.iloc[0].equals(POINT)
    assert codes(notes) == {"things.crs_overruled": 1}
    notes = Notes()
    read(path, notes, crs="EPSG:32650")
    assert codes(notes) == {}


def test_swapped_coordinates_and_metres_called_degrees(tmp_path):
    with pytest.raises(InputError, match=r"swapped"):
        read(write_text(tmp_path / "a.csv", "id,lon,lat", "1,31.2,121.5"))
    with pytest.raises(InputError, match=r"Are they metres"):
        read(write_text(tmp_path / "b.csv", "id,lon,lat", f"1,{EAST},{NORTH}"))


def test_coordinates_that_the_crs_cannot_hold(tmp_path):
    with pytest.raises(InputError, match=r"cannot be projected to WGS 84 / UTM zone 51N"):
        read(write_text(tmp_path / "a.csv", "id,lon,lat", "1,33,0"))


def test_places_have_to_overlap_the_network():
    box = (EAST, NORTH, EAST + 1000, NORTH + 1000)
    here = gpd.GeoDataFrame(geometry=[None, shapely.Point(EAST + 5, NORTH + 5)], crs=UTM)
    far = here.set_geometry(here.translate(xoff=-3000))
    assert check_overlap(here, box, "a.csv") == []
    (problem,) = check_overlap(far, box, "a.csv")
    assert "none of 1 places" in problem.what
    assert "3.0 km away" in problem.what  # 2,995 m
    assert "crs of both files" in problem.remedy
    porto = pyproj.CRS("EPSG:32629")
    point = gpd.GeoSeries([shapely.Point(-8.61, 41.15)], crs=4326).to_crs(porto).iloc[0]
    swapped = gpd.GeoDataFrame(geometry=[shapely.Point(41.15, -8.61)], crs=4326).to_crs(porto)
    (problem,) = check_overlap(swapped, point.buffer(500).bounds, "a.csv")
    assert "swapped" in problem.remedy


def test_a_wrong_kind_of_geometry(tmp_path):
    path = layer(tmp_path / "a.gpkg", [shapely.LineString([(0, 0), (1, 1)])])
    with pytest.raises(InputError, match=r"holds LineString \(1 row: a1\). Expected here: Point"):
        read(path, wanted=Wanted("things", WANTED.contract, "id", shapes=POINTS))


def test_heights_are_left_out(tmp_path):
    path = layer(tmp_path / "a.gpkg", [shapely.Point(EAST, NORTH, 12)])
    assert not read(path).geometry.has_z.any()


def test_labels():
    table = pd.DataFrame({"id": ["x", "", "z"]}, index=[0, 4, 5])
    mask = np.array([True, True, False])
    assert label(table, "id")(mask) == ("x", "row 5")
    assert label(table, "other")(mask) == ("row 1", "row 5")
