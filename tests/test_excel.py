"""An Excel sheet is a table like any other; one that was made for reading is refused with its cells named."""

import datetime as dt
import zipfile
from pathlib import Path

import geopandas as gpd
import openpyxl
import pyproj
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from circle15.config import SourceConfig
from circle15.errors import ConfigError, InputError, Notes
from circle15.inputs.committees import read_committees
from circle15.inputs.facilities import read_facilities
from circle15.inputs.formats import read_rows
from circle15.inputs.population import read_population
from tables_kit import STANDARD, codes, make_config

UTM = pyproj.CRS("EPSG:32651")


def book(path: Path, *rows, title: str = "表一", edit=None) -> Path:
    """Write rows to a sheet, and let `edit` change it before it is saved."""
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = title
    for row in rows:
        sheet.append(row)
    if edit:
        edit(sheet)
    workbook.save(path)
    return path


def rows_of(path: Path, notes: Notes | None = None, **keys):
    return read_rows(SourceConfig(source=path.name, **keys), path, "things", notes or Notes())


def refused(path: Path, **keys) -> list[str]:
    with pytest.raises(InputError) as caught:
        rows_of(path, **keys)
    return [str(problem) for problem in caught.value.problems]


# values ------------------------------------------------------------------------------------------------------------


def test_values_are_text_as_a_csv_would_have_them(tmp_path):
    when = dt.datetime(2021, 9, 1)  # noqa: DTZ001 - a spreadsheet's dates have no zone
    values = ["0101", 310115001, 310115001.0, 0.1, -2.5, True, when, when.replace(hour=8, minute=30), None, " 甲 "]
    names = ["text", "int", "whole", "part", "minus", "bool", "day", "time", "none", "spaces"]
    table = rows_of(book(tmp_path / "a.xlsx", names, values))
    assert table.iloc[0].tolist() == [
        "0101", "310115001", "310115001", "0.1", "-2.5", "TRUE", "2021-09-01", "2021-09-01 08:30:00", "", " 甲 ",
    ]  # fmt: skip
    assert list(table.columns) == names
    assert {str(kind) for kind in table.dtypes} == {"object"}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.floats(-1e14, 1e14) | st.integers(-(10**14), 10**14), min_size=1, max_size=5))
def test_numbers_keep_their_digits(tmp_path, values):
    """Whole numbers all of them; of others openpyxl writes sixteen."""
    table = rows_of(book(tmp_path / "a.xlsx", ["n"], *([value] for value in values)))
    for text, value in zip(table["n"], values, strict=True):
        assert text == str(value) if isinstance(value, int) else float(text) == pytest.approx(value, rel=1e-15, abs=0)


def test_zeros_that_a_format_shows_are_part_of_a_code(tmp_path):
    """A cell that shows 0101 and stores 101: the code is what people see."""

    def edit(sheet):
        for cell in sheet["A"][1:]:
            cell.number_format = "0000"
        sheet["B2"].number_format = "0"

    table = rows_of(book(tmp_path / "a.xlsx", ["code", "n"], [101, 7], [1201, 8], ["x", 9], edit=edit))
    assert table["code"].tolist() == ["0101", "1201", "x"]
    assert table["n"].tolist() == ["7", "8", "9"]


def test_numbers_that_lost_digits(tmp_path):
    path = book(tmp_path / "a.xlsx", ["id", "n"], [310115001001000000, 5], ["310115001001000001", 6], [3.1e17, 7])
    (message,) = refused(path)
    assert "numbers of more than 15 digits: A2, A4. " in message
    assert "format the column as text" in message


def test_values_that_formulas_had_are_read(tmp_path):
    path = book(tmp_path / "a.xlsx", ["id", "n"], ["a", "=1+1"], ["b", '=""'])
    swap_sheet(path, ("<f>1+1</f><v />", "<f>1+1</f><v>2</v>"), ('<c r="B3"><f>', '<c r="B3" t="str"><f>'))
    assert rows_of(path)["n"].tolist() == ["2", ""]


def swap_sheet(path: Path, *pairs: tuple[str, str]) -> None:
    """Change the XML of the sheet, for what openpyxl does not write."""
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    text = parts["xl/worksheets/sheet1.xml"].decode()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    parts["xl/worksheets/sheet1.xml"] = text.encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in parts.items():
            file.writestr(name, content)


def test_formulas_without_a_stored_value(tmp_path):
    path = book(tmp_path / "a.xlsx", ["id", "n"], ["a", 1], ["b", "=B2+1"], ["c", "=B3+1"])
    (message,) = refused(path)
    assert f"{path}, sheet 表一: formulas without a stored value: B3, B4. " in message
    assert "let it calculate, and save it" in message


def test_values_that_are_errors(tmp_path):
    path = book(tmp_path / "a.xlsx", ["id", "n"], ["a", "#N/A"], ["#REF!", 2])
    (message,) = refused(path)
    assert "values that are errors: B2 (#N/A), A3 (#REF!)." in message


# sheets made for reading -------------------------------------------------------------------------------------------


def test_merged_cells_in_the_header_and_below(tmp_path):
    path = book(tmp_path / "a.xlsx", ["位置", None, "街镇"], [1, 2, "甲"], [3, 4, None])
    both = openpyxl.load_workbook(path)
    both.active.merge_cells("A1:B1")
    both.active.merge_cells("C2:C3")
    both.save(path)
    header, nameless = refused(path)
    assert "sheet 表一: merged cells in the first row: A1:B1. " in header
    assert "columns with values and no name: B." in nameless

    only_below = book(tmp_path / "b.xlsx", ["街镇"], ["甲"], [None], edit=lambda sheet: sheet.merge_cells("A2:A3"))
    (message,) = refused(only_below)
    assert "merged cells: A2:A3. Only the first of such cells has a value" in message


def test_an_empty_first_row(tmp_path):
    path = book(tmp_path / "a.xlsx", [None], [None], ["id", "n"], ["a", 1], edit=lambda sheet: None)
    (message,) = refused(path)
    assert "the first row is empty, the first that is not is row: 3. " in message
    assert "delete the 2 above" in message


def test_a_title_above_the_names(tmp_path):
    path = book(tmp_path / "a.xlsx", ["浦东新区设施一览"], ["id", "n"], ["a", 1])
    (message,) = refused(path)
    assert '"浦东新区设施一览" looks like a title: A1. ' in message
    assert "delete what stands above them" in message
    one_column = book(tmp_path / "b.xlsx", ["id"], ["a"], ["b"])
    assert rows_of(one_column)["id"].tolist() == ["a", "b"]


def test_columns_of_one_name_and_of_none(tmp_path):
    path = book(tmp_path / "a.xlsx", ["id", "n", " n ", None, None], ["a", 1, 2, "x", None])
    nameless, twice = refused(path)
    assert "no name: D. Name them" in nameless
    assert "two columns have one name: n. Rename" in twice


def test_empty_columns_and_rows_at_the_end_are_nothing(tmp_path):
    def edit(sheet):
        sheet["F9"].number_format = "0.00"

    notes = Notes()
    table = rows_of(book(tmp_path / "a.xlsx", ["id", None, "n"], ["a", None, 1], edit=edit), notes)
    assert table.to_dict("list") == {"id": ["a"], "n": ["1"]}
    assert codes(notes) == {}


def test_empty_and_hidden_rows_are_told(tmp_path):
    def edit(sheet):
        sheet.row_dimensions[2].hidden = True
        sheet.row_dimensions[5].hidden = True

    notes = Notes()
    path = book(tmp_path / "a.xlsx", ["id", "n"], ["a", 1], [None, " "], ["b", 2], ["c", 3], edit=edit)
    table = rows_of(path, notes)
    assert table["id"].tolist() == ["a", "b", "c"]
    assert table.index.tolist() == [0, 2, 3]  # so that messages name the row of the file
    assert codes(notes) == {"things.hidden_rows": 2, "things.blank_rows": 1}
    assert notes.items[0].rows == ("row 2 of the sheet", "row 5 of the sheet")
    assert notes.items[1].rows == ("row 3 of the sheet",)


# files and sheets --------------------------------------------------------------------------------------------------


def several(path: Path) -> Path:
    workbook = openpyxl.Workbook()
    workbook.active.title = "说明"
    workbook.active.sheet_state = "hidden"
    for name in ("居委", "设施"):
        sheet = workbook.create_sheet(name)
        sheet.append(["id"])
        sheet.append([name])
    workbook.save(path)
    return path


def test_the_layer_names_the_sheet(tmp_path):
    path = several(tmp_path / "a.xlsx")
    notes = Notes()
    assert rows_of(path, notes, layer="设施")["id"].tolist() == ["设施"]
    assert codes(notes) == {}
    assert rows_of(path, notes)["id"].tolist() == ["居委"]  # the first that is not hidden
    (note,) = notes.items
    assert (note.code, note.count, note.rows) == ("things.sheets", 2, ("说明", "设施"))
    with pytest.raises(ConfigError, match=r'no sheet "设备".*There are: 说明, 居委, 设施'):
        rows_of(path, layer="设备")


def test_a_sheet_without_rows(tmp_path):
    assert "has no rows" in refused(book(tmp_path / "a.xlsx"))[0]
    assert "has no rows" in refused(book(tmp_path / "b.xlsx", ["id", "n"]))[0]


def test_macros_do_not_matter_and_old_formats_are_refused(tmp_path):
    path = book(tmp_path / "a.xlsm", ["id"], ["a"])
    assert rows_of(path)["id"].tolist() == ["a"]
    old = tmp_path / "a.xls"
    old.write_bytes(b"\xd0\xcf\x11\xe0")
    (message,) = refused(old)
    assert ".xls files are not read. Open it in a spreadsheet program and save it as .xlsx" in message
    for content in (b"", b"no zip", b"\xd0\xcf\x11\xe0 with a password"):
        broken = tmp_path / "broken.xlsx"
        broken.write_bytes(content)
        (message,) = refused(broken)
        assert "cannot be read as Excel" in message
        assert "without a password" in message
    with zipfile.ZipFile(tmp_path / "zip.xlsx", "w") as file:
        file.writestr("a.txt", "no workbook")
    assert "cannot be read as Excel" in refused(tmp_path / "zip.xlsx")[0]


def test_an_encoding_means_nothing(tmp_path):
    with pytest.raises(ConfigError, match=r'"encoding" means nothing for a .xlsx'):
        rows_of(book(tmp_path / "a.xlsx", ["id"], ["a"]), encoding="gb18030")


# every table -------------------------------------------------------------------------------------------------------


def test_committees_population_and_facilities_from_one_workbook(tmp_path):
    workbook = openpyxl.Workbook()
    sheets = {
        "居委": [
            ["代码", "名称", "类别", "街镇", "经度", "纬度"],
            [310115001001, "潍坊一村", "居委会", "潍坊", 121.5, 31.2],
        ],
        "人口": [["格网", "人数", "老人", "lon", "lat"], ["g1", 120.5, "３０", 121.5, 31.2]],
        "幼儿园": [["名称", "lon", "lat", "学位", "opens"], ["一幼", 121.5, 31.2, 90, 2001]],
    }
    for name, rows in sheets.items():
        sheet = workbook.create_sheet(name)
        for row in rows:
            sheet.append(row)
    workbook.remove(workbook.active)
    workbook.save(tmp_path / "data.xlsx")
    columns = {"committee_id": "代码", "name": "名称", "kind": "类别", "town_id": "街镇", "lon": "经度", "lat": "纬度"}
    config = make_config(
        tmp_path,
        committees={"source": "data.xlsx", "layer": "居委", "columns": columns},
        population={
            "source": "data.xlsx",
            "layer": "人口",
            "columns": {"cell_id": "格网", "total": "人数", "age_60_plus": "老人"},
        },
        facilities=[
            {
                "source": "data.xlsx",
                "layer": "幼儿园",
                "type": "kindergarten",
                "columns": {"name": "名称", "capacity": "学位"},
            }
        ],
    )
    notes = Notes()
    committees = read_committees(config, UTM, STANDARD, notes)
    assert committees[["committee_id", "kind"]].iloc[0].tolist() == ["310115001001", "residents"]
    cells = read_population(config, UTM, notes)
    assert cells[["total", "age_60_plus"]].iloc[0].tolist() == [120.5, 30.0]
    facilities = read_facilities(config, STANDARD, UTM, tmp_path / "streets.osm.pbf", notes).table
    assert facilities[["facility_id", "capacity", "opens"]].iloc[0].tolist() == ["data:1", 90.0, 2001]
    expected = gpd.GeoSeries([shapely.Point(121.5, 31.2)], crs=4326).to_crs(UTM).iloc[0]
    for table in (committees, cells, facilities):
        assert table.geometry.iloc[0].distance(expected) < 1e-6


def test_a_sheet_of_amap_in_its_own_datum(tmp_path):
    book(tmp_path / "poi.xlsx", ["name", "lon", "lat"], ["一幼", 121.531541859215, 31.17530398364597])
    config = make_config(tmp_path, facilities=[{"source": "poi.xlsx", "type": "kindergarten", "datum": "gcj02"}])
    table = read_facilities(config, STANDARD, UTM, tmp_path / "streets.osm.pbf", Notes()).table
    expected = gpd.GeoSeries([shapely.Point(121.5272106, 31.1774276)], crs=4326).to_crs(UTM).iloc[0]
    assert table.geometry.iloc[0].distance(expected) < 1e-3
