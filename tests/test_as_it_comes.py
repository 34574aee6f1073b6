"""Tables as programs and people leave them: codes, headers, dates, names and coordinates mean what is written."""

import json
import sqlite3
import struct
import zipfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyogrio
import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.styles import PatternFill
from pyarrow import parquet

from circle15.config import SourceConfig
from circle15.errors import ConfigError, InputError, Notes
from circle15.inputs import transform
from circle15.inputs.candidates import read_candidates
from circle15.inputs.committees import read_committees
from circle15.inputs.facilities import read_facilities
from circle15.inputs.names import real_name
from circle15.inputs.numberformats import shown_as
from circle15.inputs.population import read_population
from circle15.inputs.vector import Wanted, load_layer, read_vector
from circle15.inputs.years import year_of
from circle15.outputs.csvfiles import write_tables
from circle15.tables import Column, FacilityTable
from tables_kit import EAST, NORTH, STANDARD, codes, make_config, write_text

UTM = pyproj.CRS("EPSG:32651")
CONTRACT = (
    *(Column("thing_id", required=True, unique=True), Column("town_id"), Column("name"), Column("size", "number")),
    Column("closes", "integer"),
)
WANTED = Wanted("things", CONTRACT, "thing_id", without_geometry=True)
LONG = 1_234_567_890_123_456_789
POINTS = gpd.GeoSeries([shapely.Point(121.5, 31.2), shapely.Point(121.6, 31.1)], crs=4326)


def read(path: Path, notes: Notes | None = None, wanted: Wanted = WANTED, **keys) -> gpd.GeoDataFrame:
    return read_vector(
        SourceConfig(source=path.name, **keys), path, UTM, notes if notes is not None else Notes(), wanted
    )


def refused(path: Path, wanted: Wanted = WANTED, kind=InputError, **keys) -> str:
    with pytest.raises(kind) as caught:
        read(path, wanted=wanted, **keys)
    return "\n".join(str(problem) for problem in caught.value.problems)


def csv_of(tmp_path, *lines: str, name="a.csv", **keys) -> Path:
    return write_text(tmp_path / name, *lines, **keys)


def facilities_of(tmp_path, text: str, notes: Notes | None = None, **keys) -> FacilityTable:
    write_text(tmp_path / "facilities.csv", *text.splitlines())
    config = make_config(tmp_path, facilities=[{"source": "facilities.csv", "type": "kindergarten", **keys}])
    return read_facilities(config, STANDARD, UTM, tmp_path / "n.osm", notes if notes is not None else Notes())


# codes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mangled", ["3.10115E+11", "3.1e11", "3E+11", "-3.1E+11", "3,10115E+11", "３．１Ｅ＋１１", " 3.1E+11", "1.2E-05"]
)
def test_scientific_notation_is_no_id(tmp_path, mangled):
    rows = [f'a{n},"{mangled}",121.5,31.2' for n in range(7)]
    message = refused(csv_of(tmp_path, "thing_id,town_id,lon,lat", *rows))
    assert f'"town_id" has "{mangled.strip() if mangled.isascii() else "3.1E+11"}"' in message
    assert "(7 rows: row 1, row 2, row 3, row 4, row 5, and 2 more)" in message
    assert "format it as text before the codes are entered" in message


def test_rows_of_a_mangled_key_are_told_by_their_number(tmp_path):
    path = csv_of(tmp_path, "thing_id,lon,lat", "3.1E+11,121,31", "3.1E+11,122,31", "310115001001,123,31")
    assert '"thing_id" has "3.1E+11"' in (message := refused(path))
    assert "(2 rows: row 1, row 2)" in message
    assert "more than once" not in message  # it would be a second name for one fault


@pytest.mark.parametrize(("column", "fine"), [("5E12,12E3,B7", True), ("5E12,310115,7", False), ("1E5A,7E-1x,3", True)])
def test_a_code_with_an_e_is_a_number_only_among_numbers(tmp_path, column, fine):
    path = csv_of(tmp_path, "thing_id,lon,lat", *(f"{code},121,31" for code in column.split(",")))
    if fine:
        assert list(read(path)["thing_id"]) == column.split(",")
    else:
        assert '"thing_id" has "5E12"' in refused(path)


def test_rows_that_where_leaves_out_may_be_mangled(tmp_path):
    path = csv_of(tmp_path, "thing_id,size,lon,lat", "3.1E+11,1,121,31", "a,2,122,31")
    assert list(read(path, where="size == 2")["thing_id"]) == ["a"]


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".fgb", ".shp", ".parquet"])
def test_long_whole_numbers_are_read_digit_by_digit(tmp_path, suffix):
    data = {"thing_id": ["a", "b", "c"], "town_id": pd.array([LONG, None, LONG - 1], dtype="Int64")}
    table = gpd.GeoDataFrame(data, geometry=shapely.points(np.full((3, 2), 31.0)), crs=4326)
    path = tmp_path / f"a{suffix}"
    table.to_parquet(path) if suffix == ".parquet" else table.to_file(path)
    layer = load_layer(SourceConfig(source=path.name), path, WANTED, Notes())
    assert [str(one) for one in layer.table["town_id"]] == [str(LONG), "<NA>", str(LONG - 1)]


def test_plain_parquet_without_pandas_keeps_long_numbers_and_small_ones(tmp_path):
    path = tmp_path / "a.parquet"
    columns = {"thing_id": pa.array([LONG, LONG + 1], pa.int64()), "town_id": pa.array([None, 2**64 - 1], pa.uint64())}
    parquet.write_table(pa.table({**columns, "size": pa.array([1, None], pa.int32())}), path)
    table = load_layer(SourceConfig(source="a.parquet"), path, WANTED, Notes()).table
    assert [str(one) for one in table["thing_id"]] == [str(LONG), str(LONG + 1)]
    assert str(table["town_id"].iloc[1]) == "18446744073709551615"
    assert table["size"].to_numpy(dtype=float, na_value=np.nan)[0] == 1.0


@pytest.mark.parametrize("suffix", [".gpkg", ".parquet"])
def test_decimal_numbers_that_round_long_codes_are_no_ids(tmp_path, suffix):
    data = {"thing_id": ["a", "b"], "town_id": [float(LONG), 12.0]}
    table = gpd.GeoDataFrame(data, geometry=POINTS)
    path = tmp_path / f"a{suffix}"
    table.to_parquet(path) if suffix == ".parquet" else table.to_file(path)
    message = refused(path)
    assert '"town_id" is stored as a decimal number' in message
    assert "(1 row: row 1)" in message
    table["town_id"] = [2.0**53 - 1, 12.0]
    table.to_parquet(path) if suffix == ".parquet" else table.to_file(path)
    assert "9007199254740991" in {f"{one:.0f}" for one in read(path)["town_id"]}


@pytest.mark.parametrize("code", [LONG, LONG + 1])
def test_where_tells_long_codes_apart(tmp_path, code):
    rows = [f"a{n},{value},121,31" for n, value in enumerate([LONG, "", LONG + 1])]
    path = csv_of(tmp_path, "thing_id,code,lon,lat", *rows)
    assert list(read(path, where=f"code == {code}")["thing_id"]) == ["a0" if code == LONG else "a2"]
    assert len(read(path, where=f"code != {code}")) == 2


# what a workbook shows ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "number_format", "shown"),
    [
        (1, "000_ ", "001 "),
        (1, '000"号"', "001号"),
        (7, '"A"\\-000', "A-007"),
        (101, "0000-00", "0001-01"),
        (310115001, "000 000 000", "310 115 001"),
        (1234567, "#,##0", "1,234,567"),
        (12, "#,##0", "12"),
        (5, "[Red]000", "005"),
        (-5, "000;[Red](000)", "(005)"),
        (-5, "000", "-005"),
        (0, '0;-0;"none"', "none"),
        (0, "#", ""),
        (12, ";;;", ""),
        (12, "0.00", "12.00"),
        (1.5, "0.0#", "1.5"),
        (310115001001.0, "General", "310115001001"),
        (12, 'General"区"', "12区"),
        (12, '_ * #,##0_ ;_ * \\-#,##0_ ;_ * "-"??_ ;_ @_ ', " 12 "),
        (12, "[$-804]000", "012"),
        (12, "@", "12"),
        (123456, "00", "123456"),
        *((12, number_format, None) for number_format in ("0%", "0.0E+00", "# ?/?", "[DBNum1]0", "0,", "[>9]00;0")),
        *((12, number_format, None) for number_format in ("yyyy-mm-dd", "A00", "00年", "0.0.0")),
        (12.6, "0", None),
        (1.25, "0.0", None),
    ],
)
def test_what_a_sheet_shows(value, number_format, shown):
    """Shown values were looked up by typing them into a spreadsheet; None where the format is not digit by digit."""
    assert shown_as(value, number_format) == shown


@given(st.integers(0, 10**15 - 1), st.integers(1, 18))
def test_zeros_are_filled_up_as_by_hand(value, width):
    assert shown_as(value, "0" * width) == str(value).rjust(width, "0")
    assert shown_as(float(value), "#,##0") == f"{value:,}"


def workbook(path: Path, *rows, formats: dict[str, str] | None = None) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in rows:
        sheet.append(row)
    for cell, number_format in (formats or {}).items():
        sheet[cell].number_format = number_format
    book.save(path)
    return path


def test_ids_and_names_are_as_shown_and_numbers_as_stored(tmp_path):
    rows = ["thing_id", "town_id", "name", "size", "lon", "lat"], [1, 2, 3, 1234, 121.5, 31.2]
    formats = {
        "A2": "000_ ",
        "B2": '"T"00',
        "C2": "0年".replace("年", '"村"'),
        "D2": "#,##0",
        "E2": "0.0",
        "F2": "0.0%",
    }
    path = workbook(tmp_path / "a.xlsx", *rows, formats=formats)
    (row,) = read(path).itertuples()
    assert (row.thing_id, row.town_id, row.name, float(row.size)) == ("001", "T02", "3村", 1234.0)
    assert row.geometry.distance(POINTS.to_crs(UTM)[0]) < 1e-6  # the coordinate is what is stored


@pytest.mark.parametrize("number_format", ["0%", "0.00E+00", "yyyy-mm", "[DBNum1]0"])
def test_an_id_that_is_shown_as_something_else_is_refused(tmp_path, number_format):
    rows = ["thing_id", "size", "lon", "lat"], ["a", 1, 121, 31], [44440, 2, 121, 31]
    path = workbook(tmp_path / "a.xlsx", *rows, formats={"A3": number_format, "B3": number_format})
    message = refused(path)
    assert '"thing_id" has cells whose number format does not let the code be told (1 row: row 2)' in message
    assert "Format the column as text" in message


def test_a_formatted_cell_far_below_is_nothing(tmp_path):
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["thing_id", "lon", "lat"], ["a", 121, 31], [], ["b", 122, 31]):
        sheet.append(row)
    sheet["A200000"].fill = PatternFill("solid", fgColor="FF0000")
    sheet.row_dimensions[4].hidden = True
    book.save(tmp_path / "a.xlsx")
    notes = Notes()
    assert list(read(tmp_path / "a.xlsx", notes)["thing_id"]) == ["a", "b"]
    assert codes(notes) == {"things.hidden_rows": 1, "things.blank_rows": 1}


def test_a_strict_workbook_is_called_so(tmp_path):
    path = workbook(tmp_path / "a.xlsx", ["thing_id"], ["a"])
    with zipfile.ZipFile(path) as parts:
        kept = {name: parts.read(name) for name in parts.namelist()}
    plain = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    kept["xl/workbook.xml"] = kept["xl/workbook.xml"].replace(plain, b"http://purl.oclc.org/ooxml/spreadsheetml/main")
    with zipfile.ZipFile(path, "w") as parts:
        for name, content in kept.items():
            parts.writestr(name, content)
    message = refused(path)
    assert 'is a "Strict Open XML" workbook' in message
    assert "Excel Workbook (*.xlsx)" in message


# headers -----------------------------------------------------------------------------------------------------------

WRITTEN = ["closes\u200b", "Closes", "ｃｌｏｓｅｓ", "\u00a0closes", "CLOSES\ufeff", "clo\u00adses"]


@pytest.mark.parametrize("header", WRITTEN)
@pytest.mark.parametrize("suffix", [".csv", ".gpkg", ".parquet", ".xlsx"])
def test_a_header_in_any_form_is_the_column(tmp_path, header, suffix):
    path = tmp_path / f"a{suffix}"
    table = pd.DataFrame({"thing_id": ["a", "b"], header: [2020, 2030], "lon": [121.5, 121.6], "lat": [31.2, 31.1]})
    placed = gpd.GeoDataFrame(table.drop(columns=["lon", "lat"]), geometry=POINTS)
    writers = {".csv": table.to_csv, ".xlsx": table.to_excel, ".parquet": placed.to_parquet, ".gpkg": placed.to_file}
    writers[suffix](path, **({"index": False} if suffix in (".csv", ".xlsx") else {}))
    notes = Notes()
    assert [float(one) for one in read(path, notes)["closes"]] == [2020, 2030]
    if header.strip() == header:  # a workbook's reader takes off what blanks are at the ends
        assert codes(notes) == {"things.headers_cleaned": 1}
        assert f'{header!r} as "closes"' in notes.items[0].text


def test_a_facility_that_closed_is_closed_whatever_its_header(tmp_path):
    text = "facility_id,Closes\u200b,ＣＡＰＡＣＩＴＹ,Town_ID,LON,Lat\n1,2020,90,01,121.5,31.2\n2,2030,60,02,121.5,31.2"
    notes = Notes()
    found = facilities_of(tmp_path, text, notes)
    assert list(found.table["facility_id"]) == ["2"]
    assert (found.table["capacity"][0], found.table["town_id"][0]) == (60, "02")
    assert codes(notes) == {"facilities.headers_cleaned": 5, "facilities.not_open": 1}


def test_groups_and_totals_are_found_by_columns(tmp_path):
    write_text(tmp_path / "people.csv", "cell_id,ＴＯＴＡＬ,６０ +\u200b,lon,lat", "a,10,3,121.5,31.2")
    source = {"source": "people.csv", "columns": {"age_60_plus": "60 +"}}
    cells = read_population(make_config(tmp_path, population=source), UTM, Notes())
    assert list(cells[["total", "age_60_plus"]].iloc[0]) == [10, 3]


def test_where_knows_columns_in_any_case_and_by_their_plain_form(tmp_path):
    path = csv_of(tmp_path, "thing_id,Status\u200b,Grösse,lon,lat", "a,open,1,121,31", "b,shut,2,121,31")
    for where in ("status == 'open'", "STATUS == 'open'", "Status == 'open' and grösse < 2", "THING_ID == 'a'"):
        assert list(read(path, where=where)["thing_id"]) == ["a"]


def test_two_columns_that_become_one(tmp_path):
    path = csv_of(tmp_path, "thing_id,closes,Closes,lon,lat", "a,2020,2030,121,31")
    message = refused(path)
    assert "the columns 'closes' and 'Closes' are both \"closes\"" in message
    assert 'columns = { closes = "closes" }' in message
    notes = Notes()
    assert list(read(path, notes, columns={"closes": "Closes"})["closes"]) == ["2030"]
    assert codes(notes) == {"things.columns_covered": 1}
    other = csv_of(tmp_path, "thing_id,备注,备注\u200b,lon,lat", "a,1,2,121,31", name="b.csv")
    assert 'both "备注"' in refused(other)


def test_columns_may_mean_two(tmp_path):
    path = csv_of(tmp_path, "thing_id,Art,ART,lon,lat", "a,x,y,121,31")
    assert "columns.name = \"art\" may be 'Art' and 'ART'" in refused(path, columns={"name": "art"})
    assert list(read(path, columns={"name": "ART"})["name"]) == ["y"]


@pytest.mark.parametrize("typo", ["cloess", "close", "closess", "clozes", "CLOESS", "clses"])
def test_a_typing_error_is_noted(tmp_path, typo):
    notes = Notes()
    table = read(csv_of(tmp_path, f"thing_id,{typo},lon,lat", "a,2020,121,31"), notes)
    assert "closes" not in table
    assert codes(notes) == {"things.header_typo": 1}
    assert f'"{typo}" (is it "closes"?)' in notes.items[0].text


@pytest.mark.parametrize("other", ["closed_on", "clothes", "lease", "sizes and more", "close_d"])
def test_other_words_are_no_typing_errors(tmp_path, other):
    notes = Notes()
    read(csv_of(tmp_path, f"thing_id,{other},lon,lat", "a,2020,121,31"), notes)
    assert codes(notes) == {}


def test_a_column_that_is_there_makes_no_typing_error_of_another(tmp_path):
    notes = Notes()
    read(csv_of(tmp_path, "thing_id,closes,close,lon,lat", "a,2020,1,121,31"), notes)
    assert codes(notes) == {}


def test_a_name_that_a_shapefile_cut_is_noted(tmp_path):
    wanted = Wanted("things", (*CONTRACT, Column("floor_area_m2", "number")), "thing_id")
    gpd.GeoDataFrame({"thing_id": ["a", "b"], "floor_area": [1.0, 2.0]}, geometry=POINTS).to_file(tmp_path / "a.shp")
    notes = Notes()
    read(tmp_path / "a.shp", notes, wanted)
    assert codes(notes) == {"things.header_typo": 1}


def test_a_missing_column_is_told_with_the_files_own_names(tmp_path):
    write_text(tmp_path / "people.csv", "格网,人口,lon,lat", "a,10,121.5,31.2")
    source = {"source": "people.csv", "columns": {"total": "人口"}}
    with pytest.raises(InputError, match=r'no column "cell_id".*the file has: 格网, 人口, lon, lat\.'):
        read_population(make_config(tmp_path, population=source), UTM, Notes())


def test_a_row_number_of_the_database_is_no_id(tmp_path):
    gpd.GeoDataFrame({"code": ["a", "b"]}, geometry=POINTS).to_file(tmp_path / "a.gpkg")
    message = refused(tmp_path / "a.gpkg", columns={"thing_id": "fid"})
    assert "running number of the rows, which changes when the layer is saved anew" in message
    assert "The file has: code." in message


# dates -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["2024-01-01T00:00:00+08:00", "2024-01-01 00:30:00+08", "2024/01/01 00:00:00+0800", "2024-01-01T00:00:00.000Z",
     "2024-01-01 00:00:00 UTC", "2024-12-31T23:59:59-11:00"],
)  # fmt: skip
def test_the_year_is_the_one_that_is_written(text):
    assert year_of(text) == (2024, True)


def test_times_of_utc_around_new_year_are_doubted(tmp_path):
    """16:00 of UTC is midnight at +08:00; 00:00 is rather a date, and noon of 30 December is 2023 anywhere."""
    times = ["2023-12-31T16:00:00Z", "2023-12-31 16:00:00+00", "2024-01-01T11:30:00.000Z", "2024-01-01T00:00:00Z"]
    times += ["2023-12-30T12:00:00Z", "2023-12-31T16:00:00+08:00", "2023-12-31"]
    rows = [f"{n},{time},121.5,31.2" for n, time in enumerate(times)]
    notes = Notes()
    facilities_of(tmp_path, "\n".join(["facility_id,opens,lon,lat", *rows]), notes)
    (note,) = [note for note in notes.items if note.code == "facilities.dates_in_utc"]
    assert note.rows == ("0", "1", "2")


@pytest.mark.parametrize("suffix", [".geojson", ".csv"])
def test_dates_with_different_offsets_keep_their_years(tmp_path, suffix):
    features = [
        {"type": "Feature", "properties": {"thing_id": name, "closes": date},
         "geometry": {"type": "Point", "coordinates": [121.5, 31.2]}}
        for name, date in [("a", "2024-01-01T00:00:00+08:00"), ("b", "2023-12-31T23:00:00-05:00"), ("c", None)]
    ]  # fmt: skip
    path = tmp_path / f"a{suffix}"
    if suffix == ".csv":
        rows = [f"{one['properties']['thing_id']},{one['properties']['closes'] or ''},121,31" for one in features]
        csv_of(tmp_path, "thing_id,closes,lon,lat", *rows)
    else:
        path.write_text(
            str({"type": "FeatureCollection", "features": features}).replace("'", '"').replace("None", "null")
        )
    years = [year_of(str(one)) for one in read(path)["closes"]]
    assert years == [(2024, True), (2023, True), None]


def test_parquet_keeps_the_zone_that_a_date_has(tmp_path):
    dates = pd.to_datetime(["2024-01-01", "2023-12-31"]).tz_localize("Asia/Shanghai")
    gpd.GeoDataFrame({"thing_id": ["a", "b"], "closes": dates}, geometry=POINTS).to_parquet(tmp_path / "a.parquet")
    assert [year_of(str(one)) for one in read(tmp_path / "a.parquet")["closes"]] == [(2024, True), (2023, True)]


# names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "nan",
        "NaN",
        "NULL",
        "None",
        "N/A",
        "ｎ／ａ",
        "#N/A",
        "无",
        "（无）",
        "未命名",
        "暂无",
        " 无 ",
        "-",
        "——",
        "/",
        "？",
    ],
)
def test_names_that_say_nothing(name):
    assert real_name(name) == ""


@pytest.mark.parametrize(
    "name", ["无锡小吃", "Nana's", "7-11", "未来幼儿园", "A", "88", "空港社区", "None Street School"]
)
def test_names_that_say_something(name):
    assert real_name(name) == name


def test_places_without_a_name_are_no_duplicates(tmp_path):
    for number in (1, 2):
        rows = [f"{number}{n},{name},{121.5 + n / 10},31.2" for n, name in enumerate(["无", "NULL", "东方幼儿园"])]
        write_text(tmp_path / f"{number}.csv", "facility_id,name,lon,lat", *rows)
    sources = [{"source": "1.csv", "type": "kindergarten"}]
    sources.append({"source": "2.csv", "type": "kindergarten", "drop_duplicates": True})
    notes = Notes()
    table = read_facilities(make_config(tmp_path, facilities=sources), STANDARD, UTM, tmp_path / "n.osm", notes).table
    assert list(table["facility_id"]) == ["10", "11", "12", "20", "21"]
    assert list(table["name"]) == ["", "", "东方幼儿园", "", ""]
    found = codes(notes)
    assert (found["facilities.no_names"], found["facilities.duplicates_dropped"]) == (2, 1)


# places ------------------------------------------------------------------------------------------------------------


def committees_at(tmp_path, x: float, y: float) -> gpd.GeoDataFrame:
    rows = ["committee_id,kind,town_id,zone,x,y", f"C1,residents,T,urban,{x},{y}"]
    write_text(tmp_path / "committees.csv", *rows)
    config = make_config(tmp_path, committees={"source": "committees.csv", "crs": "EPSG:32651"})
    return read_committees(config, UTM, STANDARD, Notes())


@given(st.floats(0, 60_000), st.floats(0, 60_000))
def test_a_candidate_lies_where_a_facility_does(tmp_path_factory, x, y):
    """To a tenth of a micrometre, 1e-7 s on foot, far below the tolerance of a threshold, 1e-6 s."""
    folder = tmp_path_factory.mktemp("places")
    place = f"{EAST + x!r},{NORTH + y!r}"
    write_text(folder / "sites.csv", "candidate_id,means,x,y", f"K1,new,{place}")
    config = make_config(folder, candidates={"source": "sites.csv", "crs": "EPSG:32651"})
    nobody = FacilityTable(gpd.GeoDataFrame({"facility_id": [], "type_id": []}, geometry=[], crs=UTM), {})
    site = read_candidates(config, STANDARD, committees_at(folder, EAST + x, NORTH + y), nobody, Notes())
    assert site.geometry[0].distance(shapely.Point(EAST + x, NORTH + y)) < 1e-7


def test_degrees_are_written_with_seven_decimals_and_more_where_there_are_more(tmp_path):
    table = pd.DataFrame(
        {"lon": [121.5, 121.123456789012, np.nan, -0.00000001], "lat": [31.0, 31.1234567, np.nan, 0.0]}
    )
    write_tables({"t": table}, tmp_path, Notes())
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert lines[1:] == ["121.5000000,31.0000000", "121.123456789012,31.1234567", ",", "-0.00000001,0.0000000"]


# formulas ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sign", ["=", "+", "-", "@", "＝", "＋", "－", "＠", "﹦", "﹢", "﹣", "﹫", "\u2212", "\n", "\t"]
)
def test_text_that_may_be_a_formula_is_defused(tmp_path, sign):
    notes = Notes()
    write_tables({"t": pd.DataFrame({"name": [f"{sign}SUM(A1)", "a=b", "-12"]})}, tmp_path, notes)
    written = pd.read_csv(tmp_path / "t.csv", dtype=str)["name"]
    assert list(written) == [f"'{sign}SUM(A1)", "a=b", "-12"]
    assert codes(notes) == {"csv.defused": 1}


# datum operations --------------------------------------------------------------------------------------------------


def beijing_1954(*northings: float) -> np.ndarray:
    return shapely.points([(600_000.0, one) for one in northings])


def test_a_layer_is_not_torn_where_operations_change():
    """Steps of 4 km along a line of the map are 4 km apart everywhere; PROJ by itself makes one of them 71 m longer."""
    notes = Notes()
    steps = beijing_1954(*np.arange(3_440_000.0, 3_470_000.0, 4_000.0))
    layer = transform.Layer("things", "a.gpkg", notes)
    xy = shapely.get_coordinates(transform.transform_shapes(steps, pyproj.CRS(2437), UTM, layer))
    lengths = np.hypot(*np.diff(xy, axis=0).T)
    assert np.ptp(lengths) < 0.02
    (note,) = notes.items
    assert note.code == "things.datum_operation"
    assert "Beijing 1954 to WGS 84 (2): accurate to 15 m" in note.text


@pytest.mark.parametrize("crs", ["EPSG:2437", "EPSG:2385", "+proj=tmerc +lon_0=120 +x_0=500000 +ellps=krass +units=m"])
def test_a_datum_without_a_way_is_refused_unless_allowed(tmp_path, crs):
    path = csv_of(tmp_path, "thing_id,x,y", "a,600000,3400000")
    message = refused(path, crs=crs)
    assert "PROJ knows no way from the datum of" in message
    assert "ballpark = true" in message
    notes = Notes()
    assert len(read(path, notes, crs=crs, ballpark=True)) == 1
    assert "a guess that may be some hundred metres off" in notes.items[0].text


def test_parameters_in_the_crs_are_a_way(tmp_path):
    """A shift of the centre of the ellipsoid by 100 m to the east at 90 degrees is 100 m west on the map, hand-made."""
    plain = "+proj=tmerc +lon_0=90 +x_0=500000 +a=6378137 +b=6356752.314245 +units=m +towgs84="
    notes = Notes()
    target = pyproj.CRS("EPSG:32646")  # a UTM zone of 93 degrees east
    xy = np.array([[500_000.0, 0.0]])
    layer = transform.Layer("things", "a", notes)
    still = transform.transform_points(xy, pyproj.CRS(plain + "0,0,0"), target, layer)
    moved = transform.transform_points(xy, pyproj.CRS(plain + "-100,0,0"), target, layer)
    assert moved[0, 0] - still[0, 0] == pytest.approx(100, abs=0.5)  # at 90 degrees east, x of the earth points west


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:4490", "EPSG:4549", "EPSG:3857", "EPSG:32650"])
def test_wgs84_and_cgcs2000_are_moved_as_ever_and_say_nothing(crs):
    source, notes = pyproj.CRS(crs), Notes()
    shapes = POINTS.to_crs(source)
    moved = transform.transform_shapes(shapes.to_numpy(), source, UTM, transform.Layer("things", "a", notes))
    assert shapely.to_wkb(moved).tolist() == shapely.to_wkb(shapes.to_crs(UTM).to_numpy()).tolist()
    assert notes.items == []


# metres that are elsewhere -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("crs", "x", "y", "what", "remedy"),
    [
        ("EPSG:4549", 3_450_000, 640_000, "a place with x and y exchanged", "columns.x has to name the easting"),
        ("EPSG:4549", 40_640_000, 3_450_000, "a zone number in front (40)", 'zone 40"'),
        ("EPSG:4528", 640_000, 3_450_000, "lacks the zone number (40)", "central meridian"),
        ("EPSG:4549", 3_450_000, 40_640_000, "a zone number in front (40)", "x and y exchanged"),
        ("EPSG:32651", 3_450_000, 350_000, "a place with x and y exchanged", "columns.y the northing"),
    ],
)
def test_known_mistakes_with_metres_are_named(tmp_path, crs, x, y, what, remedy):
    message = refused(csv_of(tmp_path, "thing_id,x,y", f"a,{x},{y}"), crs=crs)
    assert what in message
    assert remedy in message


def test_metres_in_the_next_zone_are_no_mistake(tmp_path):
    assert len(read(csv_of(tmp_path, "thing_id,x,y", "a,-100000,3450000"), crs="EPSG:32652")) == 1


# files -------------------------------------------------------------------------------------------------------------


def test_a_journal_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    path = tmp_path / "a.gpkg"
    gpd.GeoDataFrame({"thing_id": ["a", "b"]}, geometry=POINTS).to_file(path)
    (tmp_path / "a.gpkg-wal").write_bytes(b"")
    assert len(read(path)) == 2  # an empty one holds nothing

    def locked(*_args, **_keys):
        raise sqlite3.OperationalError("unable to open database file")

    (tmp_path / "a.gpkg-wal").write_bytes(b"changes")
    monkeypatch.setattr(sqlite3, "connect", locked)
    message = refused(path)
    assert "has changes in a.gpkg-wal beside it that cannot be read here (unable to open database file)" in message
    assert "Close the program that edits it" in message


def test_changes_in_a_journal_that_can_be_read_are_read(tmp_path):
    path = tmp_path / "a.gpkg"
    gpd.GeoDataFrame({"thing_id": ["a", "b"]}, geometry=POINTS).to_file(path, layer="a")
    open_elsewhere = sqlite3.connect(path)
    open_elsewhere.execute("PRAGMA journal_mode = WAL")
    open_elsewhere.execute("CREATE TABLE journal_has_this (a)")
    open_elsewhere.commit()
    assert (tmp_path / "a.gpkg-wal").stat().st_size
    assert list(read(path)["thing_id"]) == ["a", "b"]
    open_elsewhere.close()


@pytest.mark.parametrize(
    ("encoding", "declared", "said"),
    [
        ("utf-8", "gb18030", 'is UTF-8 text, and encoding = "gb18030" is declared. Remove encoding.'),
        ("utf-8-sig", "GBK", 'is UTF-8 text, and encoding = "GBK" is declared'),
        ("utf-16", None, 'declare encoding = "utf-16"'),
        ("utf-16", "gb18030", 'declare encoding = "utf-16"'),
        ("gb18030", None, 'declare encoding = "gb18030"'),
        ("gb18030", "utf-8", 'declare encoding = "gb18030"'),
    ],
)
def test_text_of_another_encoding_is_told_which(tmp_path, encoding, declared, said):
    path = csv_of(tmp_path, "thing_id,name,lon,lat", "a,浦东新区潍坊新村,121,31", encoding=encoding)
    assert said in refused(path, **({"encoding": declared} if declared else {}))


def test_a_cpg_that_is_wrong_is_named(tmp_path):
    table = gpd.GeoDataFrame({"thing_id": ["a", "b"], "name": ["浦东新区", "潍坊新村"]}, geometry=POINTS)
    table.to_file(tmp_path / "a.shp", encoding="gb18030")
    (tmp_path / "a.cpg").write_text("UTF-8")
    message = refused(tmp_path / "a.shp")
    assert "its text is not in the encoding that a.cpg names (UTF-8)" in message
    assert list(read(tmp_path / "a.shp", encoding="gb18030")["name"]) == ["浦东新区", "潍坊新村"]
    table.to_file(tmp_path / "b.shp", encoding="utf-8")
    (tmp_path / "b.cpg").write_text("GBK")
    assert 'its text is UTF-8, and b.cpg says "GBK". Declare encoding = "utf-8".' in refused(tmp_path / "b.shp")


def test_surfaces_and_open_rings_are_there_and_not_read(tmp_path):
    ring = {"type": "Polygon", "coordinates": [[[121, 31], [122, 31], [122, 32], [121, 32]]]}
    features = [
        {"type": "Feature", "properties": {"thing_id": name}, "geometry": shape}
        for name, shape in [("a", ring), ("b", None)]
    ]
    (tmp_path / "a.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    wanted = Wanted("things", CONTRACT, "thing_id")
    message = refused(tmp_path / "a.geojson", wanted)
    assert (
        "geometry is a shape with a ring that is not closed, or with too few points, which is not read (1 row: a)"
        in message
    )
    assert "geometry is missing or empty (1 row: b)" in message
    corners = struct.pack("<12d", 121, 31, 0, 121, 32, 0, 122, 31, 0, 121, 31, 0)
    tin = struct.pack("<BIIBIII", 1, 1016, 1, 1, 1017, 1, 4) + corners  # one triangle of one ring, as WKB has it
    point = shapely.to_wkb(shapely.Point(121, 31))
    pyogrio.raw.write(
        tmp_path / "t.gpkg",
        geometry=np.array([tin, point], dtype=object),
        field_data=[np.array(["a", "b"], dtype=object)],
        fields=["thing_id"],
        geometry_type="Unknown",
        crs="EPSG:4326",
    )
    assert "geometry is a TIN, which is not read (1 row: a)" in refused(tmp_path / "t.gpkg", wanted)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("name ＝＝ 'a'", "＝ for ="),
        ("name == ‘a’", "‘ for '"),
        ("ｓｉｚｅ > 1", "ｓ for s"),
        ("size > １", "１ for 1"),
        ("(size > 1） and (name == 'b')", "） for )"),
    ],
)
def test_a_condition_in_full_width_is_told(tmp_path, where, said):
    path = csv_of(tmp_path, "thing_id,name,size,lon,lat", "a,b,1,121,31")
    message = refused(path, kind=ConfigError, where=where)
    assert said in message
    assert "half-width" in message


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("size != '1'", 'size": the condition compares numbers with the text "1"'),
        ("'1' != size", 'compares numbers with the text "1"'),
        ("size not in ['1', '3']", 'compares numbers with the text "3"'),
        ("size not in ('1', 2)", 'compares numbers with the text "1"'),
        ("`size` != '1'", 'compares numbers with the text "1"'),
        ("(size > 0) & (size != '1')", 'compares numbers with the text "1"'),
        ("SIZE != '1'", 'compares numbers with the text "1"'),
        ("size > 1 or not size == '1'", 'compares numbers with the text "1"'),
        ("size != ''", "size == size holds for the rows where it is filled"),
        ("name != 1", "compares texts with 1"),
        ("name not in [1.5]", "compares texts with 1.5"),
        ("name != -1", "compares texts with -1"),
        ("thing_id != 101", "compares texts with 101"),
        ("`用途 类` != 2", "compares texts with 2"),
    ],
)
def test_a_condition_on_another_kind_of_value_is_refused(tmp_path, where, said):
    """pandas takes 1 and "1" to differ in every row, so that nothing would be left out, and no one told."""
    path = csv_of(tmp_path, "thing_id,name,size,用途 类,lon,lat", "101,b,1,甲,121,31", "102,1,,2,121,31")
    message = refused(path, kind=ConfigError, where=where)
    assert said in message
    assert where in message


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("size != 1", ["102", "103"]),
        ("size not in [1, 3] & name != 'b'", ["102"]),
        ("name != '&' | size == 1", ["101", "102"]),
        ("name in ['b', '1'] and 0 < size < 2.5", ["101", "102"]),
        ("thing_id not in ['101']", ["102", "103"]),
        ("part == part", ["101", "103"]),
        ("empty != 1", ["101", "102", "103"]),
    ],
)
def test_a_condition_on_values_of_its_columns_kind_holds(tmp_path, where, kept):
    rows = ("101,b,1,,7,121,31", "102,1,2,,,121,31", "103,&,3,,0,121,31")
    path = csv_of(tmp_path, "thing_id,name,size,empty,part,lon,lat", *rows)
    assert list(read(path, where=where)["thing_id"]) == kept


def test_chinese_words_in_a_condition_are_fine(tmp_path):
    path = csv_of(tmp_path, "thing_id,名称,lon,lat", "a,（甲）,121,31", "b,乙,121,31")
    assert list(read(path, where="名称 == '（甲）'")["thing_id"]) == ["a"]


@pytest.mark.parametrize(("name", "said"), [("a.bil", "GeoTIFF"), ("a.flt", "GeoTIFF"), ("a.zip", "Unpack it")])
def test_rasters_and_archives_are_called_so(tmp_path, name, said):
    (tmp_path / name).write_bytes(b"\0" * 64)
    assert said in refused(tmp_path / name)


def test_parts_of_one_committee_are_told_what_to_do(tmp_path):
    square = shapely.box(EAST, NORTH, EAST + 100, NORTH + 100)
    data = {"committee_id": ["1", "1"], "kind": "residents", "town_id": "T", "zone": "urban"}
    table = gpd.GeoDataFrame(data, geometry=[square, shapely.transform(square, lambda xy: xy + 500)], crs=UTM)
    table.to_file(tmp_path / "c.gpkg")
    with pytest.raises(InputError, match=r"occurs more than once.*\(an exclave\) go into one row as a multipolygon"):
        read_committees(make_config(tmp_path, committees={"source": "c.gpkg"}), UTM, STANDARD, Notes())


@pytest.mark.parametrize("first", [0, 1, 96, 9_996])
def test_running_numbers_lost_no_zeros(tmp_path, first):
    rows = [f"t{n},{first + n},121,31" for n in range(8)]
    notes = Notes()
    read(csv_of(tmp_path, "thing_id,town_id,lon,lat", *rows), notes)
    assert codes(notes) == {}
