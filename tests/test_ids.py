"""Ids and numbers as people and spreadsheets write them; encodings and cut names of shapefiles."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from circle15.config import SourceConfig
from circle15.errors import InputError, Notes
from circle15.inputs.committees import read_committees
from circle15.inputs.ids import clean_code, clean_id, clean_number, lost_zeros, match_ids, refuse_numbers
from circle15.inputs.vector import Wanted, read_vector
from circle15.tables import Column, check_columns
from tables_kit import STANDARD, codes, make_config, write_text

UTM = pyproj.CRS("EPSG:32651")
CONTRACT = (Column("thing_id", required=True, unique=True), Column("town_id"), Column("name"), Column("size", "number"))
WANTED = Wanted("things", CONTRACT, "thing_id")


def read(path: Path, notes: Notes | None = None, **keys) -> gpd.GeoDataFrame:
    return read_vector(SourceConfig(source=path.name, **keys), path, UTM, notes or Notes(), WANTED)


def table_of(tmp_path, *rows: str, notes: Notes | None = None, **keys) -> gpd.GeoDataFrame:
    path = write_text(tmp_path / "a.csv", "thing_id,town_id,name,size,lon,lat", *rows)
    return read(path, notes, **keys)


# one form ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("３１０１１５００１", "310115001"),
        ("ＡＢ－１", "AB-1"),
        (" 310115 ", "310115"),
        ("310115\u3000", "310115"),
        ("\u00a0310115\u200b", "310115"),
        ("\ufeff310115", "310115"),
        ("潍坊\u3000 新村", "潍坊 新村"),
        ("浦东（东）", "浦东(东)"),
        ("⼩区", "小区"),  # a radical out of a PDF, and the character
        ("310115", "310115"),
    ],
)
def test_ids_have_one_form(written, plain):
    assert clean_id(written) == plain


@given(st.text())
def test_cleaning_an_id_twice_changes_nothing_more(text):
    once = clean_id(text)
    assert clean_id(once) == once
    assert once == once.strip()


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("１２３４", "1234"),
        ("－１．５", "-1.5"),
        ("\u2212３", "-3"),
        ("１，２３４", "1，234"),
        ("5²", "5²"),
        ("7\u3000", "7"),
    ],
)
def test_numbers_lose_only_their_width(written, plain):
    """NFKC would make 52 of 5², and a thousand of what may be 1.234."""
    assert clean_number(written) == plain


def test_ids_of_a_file_are_cleaned_and_counted(tmp_path):
    notes = Notes()
    rows = [
        "１０１,Ｔ１,（甲）,1,121.5,31.2",
        "102 ,T1,乙,2,121.5,31.2",
        "103,T1\u3000,丙,3,121.5,31.2",
        "104,T1,丁,4,121.5,31.2",
    ]
    table = table_of(tmp_path, *rows, notes=notes)
    assert list(table["thing_id"]) == ["101", "102", "103", "104"]
    assert set(table["town_id"]) == {"T1"}
    assert table["name"].iloc[0] == "（甲）"  # a name is no id
    assert [(n.code, n.count, n.rows) for n in notes.items] == [
        ("things.ids_cleaned", 2, ("101", "102")),
        ("things.ids_cleaned", 2, ("101", "103")),
    ]
    assert "'１０１' read as \"101\"" in notes.items[0].text
    assert r"'T1\u3000' read as" in notes.items[1].text


def test_where_sees_clean_ids_and_what_it_leaves_out_is_not_counted(tmp_path):
    notes = Notes()
    rows = ["１０１,T1,,,121.5,31.2", "１０２,T2,,,121.5,31.2"]
    table = table_of(tmp_path, *rows, notes=notes, where="thing_id == '101'")
    assert list(table["thing_id"]) == ["101"]
    assert codes(notes) == {"things.where": 1, "things.ids_cleaned": 1}


def test_ids_that_become_equal_are_an_error_that_names_both(tmp_path):
    rows = ["101,T1,,,121.5,31.2", "１０１,T1,,,121.5,31.2", "102,T1,,,121.5,31.2"]
    with pytest.raises(InputError) as caught:
        table_of(tmp_path, *rows)
    (problem,) = caught.value.problems
    assert problem.what == "\"thing_id\" has '101' and '１０１', which are the same id"
    assert problem.rows == ("101", "101")


def test_a_column_of_numbers_is_no_text(tmp_path):
    path = tmp_path / "a.gpkg"
    columns = {"thing_id": [310115001.0, 310115002.0], "size": [1.5, 2.0]}
    gpd.GeoDataFrame(columns, geometry=[shapely.Point(0, 0)] * 2, crs=UTM).to_file(path)
    notes = Notes()
    table = read(path, notes)
    check_columns(table, CONTRACT, "a", lambda mask: ())
    assert list(table["thing_id"]) == ["310115001", "310115002"]
    assert codes(notes) == {}


# numbers -----------------------------------------------------------------------------------------------------------


def test_full_width_digits_are_numbers_and_counted(tmp_path):
    notes = Notes()
    table = table_of(tmp_path, "1,T,,１２．５,１２１.5,31.2", "2,T,,7,121.5,31.2", notes=notes)
    assert check_columns(table, CONTRACT, "a", lambda mask: ()) == []
    assert list(table["size"]) == [12.5, 7.0]
    expected = gpd.GeoSeries([shapely.Point(121.5, 31.2)], crs=4326).to_crs(UTM).iloc[0]
    assert table.geometry.iloc[0].distance(expected) < 1e-6
    assert codes(notes) == {"things.numbers_cleaned": 1}
    assert [n.text.split('"')[1] for n in notes.items] == ["lon", "size"]


def test_other_text_in_a_number_column_is_shown(tmp_path):
    rows = ['1,T,,"1,234",121.5,31.2', '2,T,,"１，２３４",121.5,31.2', "3,T,,约50,121.5,31.2", "4,T,,9,121.5,31.2"]
    table = table_of(tmp_path, *rows)
    (problem,) = check_columns(table, CONTRACT, "a.csv", lambda mask: tuple(table["thing_id"][mask]))
    assert problem.what == '"size" is not a number: "1,234", "1，234", "约50"'
    assert problem.rows == ("1", "2", "3")
    assert "no separators of thousands" in problem.remedy


def test_many_bad_numbers_are_not_all_shown():
    table = pd.DataFrame({"size": [f"n{i}" for i in range(9)]})
    (problem,) = check_columns(table, (Column("size", "number"),), "a", lambda mask: ("row",) * int(mask.sum()))
    assert problem.what == '"size" is not a number: "n0", "n1", "n2" and 6 more'
    assert len(problem.rows) == 9


# lost zeros --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ids", "short"),
    [
        (["0101", "0102", "103", "0204", "1201"], [2]),  # one cell was a number
        (["101001", "101002", "101003", "91001", "91002"], [3, 4]),  # 09…: every zero was eaten
        ([str(n) for n in range(1, 151)], []),  # counted
        ([str(n) for n in range(95, 130)], []),  # counted from 95
        (["A101", "B102", "C3"], []),  # no digits
        (["310115001", "310115002"], []),
        (["310115001", "310115"], []),  # three digits less is another kind of code
        (["1001", "1002", "101", "102", "103"], []),  # most are short
        (["5"], []),
        ([], []),
    ],
)
def test_which_ids_seem_to_have_lost_a_zero(ids, short):
    found = lost_zeros(pd.Series(ids, dtype=object), coded=True)
    assert list(np.flatnonzero(found)) == short


def test_ids_that_grow_with_the_years_are_only_suspicious_beside_zeros():
    osm = pd.Series(["9876543210", "8876543211", "987654321"])
    assert not lost_zeros(osm, coded=False).any()
    assert list(lost_zeros(pd.Series(["0123", "0124", "125"]), coded=False)) == [False, False, True]


def test_a_lost_zero_is_noted(tmp_path):
    notes = Notes()
    table_of(tmp_path, "0101,T,,,121.5,31.2", "0102,T,,,121.5,31.2", "103,T,,,121.5,31.2", notes=notes)
    (note,) = notes.items
    assert (note.code, note.count, note.rows) == ("things.leading_zero", 1, ("103",))
    assert "spreadsheet" in note.text


def test_matching_tells_lost_zeros_from_unknown_ids():
    committees = ["0101", "0102", "1201", "A"]
    problems = match_ids(pd.Series(["101", "0102", "999", "", "01201", "A", "101"]), committees, "census.csv")
    zero, strange = problems
    assert zero.rows == ("101", "01201")
    assert zero.what == 'ids match those of the committees only with zeros in front: "101" here, "0101" there'
    assert "format the column as text" in zero.remedy
    assert strange.rows == ("999",)
    assert match_ids(pd.Series(["0101", "A", ""]), committees, "census.csv") == []


@given(st.lists(st.from_regex(r"[0-9]{1,6}|[a-z]{1,3}", fullmatch=True), max_size=8), st.data())
def test_matching_reports_exactly_the_ids_that_are_not_there(known, data):
    asked = data.draw(st.lists(st.sampled_from([*known, "0", "7", "zz", "000123"]) if known else st.just("7")))
    named = {row for problem in match_ids(pd.Series(asked, dtype=object), known, "a") for row in problem.rows}
    assert named == set(asked) - set(known)


def test_areas_whose_codes_lost_their_zero(tmp_path):
    write_text(tmp_path / "committees.csv", "committee_id,kind,town_id,lon,lat", "0101,居委,T,121.5,31.2")
    gpd.GeoDataFrame({"committee_id": [101]}, geometry=[shapely.box(121, 31, 122, 32)], crs=4326).to_file(
        tmp_path / "areas.gpkg"
    )
    config = make_config(tmp_path, committees={"source": "committees.csv", "areas": {"source": "areas.gpkg"}})
    with pytest.raises(InputError, match=r'areas.gpkg: ids match .* zeros in front: "101" here, "0101" there.*as text'):
        read_committees(config, UTM, STANDARD, Notes())


def test_committees_in_full_width(tmp_path):
    rows = ["０１,居委 ,Ｔ１,ｕｒｂａｎ,121.5,31.2", "02,村委,T1,rural,121.51,31.2"]
    write_text(tmp_path / "committees.csv", "committee_id,kind,town_id,zone,lon,lat", *rows)
    notes = Notes()
    table = read_committees(make_config(tmp_path), UTM, STANDARD, notes)
    assert table[["committee_id", "kind", "town_id", "zone"]].to_numpy().tolist() == [
        ["01", "residents", "T1", "urban"],
        ["02", "village", "T1", "rural"],
    ]
    assert codes(notes)["committees.ids_cleaned"] == 1
    assert len([n for n in notes.items if n.code == "committees.ids_cleaned"]) == 4


# shapefiles of a Chinese Windows -----------------------------------------------------------------------------------


def shapefile(path: Path, **columns) -> Path:
    table = gpd.GeoDataFrame({k: [v] for k, v in columns.items()}, geometry=[shapely.Point(121.5, 31.2)], crs=4326)
    with pytest.warns(RuntimeWarning, match="field name"):
        pyogrio.write_dataframe(table, path, encoding="GB18030")
    path.with_suffix(".cpg").unlink()
    return path


def test_names_cut_in_the_middle_of_a_character_can_be_mapped(tmp_path):
    """Ten bytes of GB18030: five characters, or a letter, four characters and half of one, which GDAL drops."""
    path = shapefile(tmp_path / "a.shp", 行业小类名称="潍坊一村", A行业中类名="７号")
    columns = {"thing_id": "A行业中类", "name": "行业小类名"}
    table = read(path, encoding="gb18030", columns=columns)
    assert table[["thing_id", "name"]].iloc[0].tolist() == ["7号", "潍坊一村"]


def test_the_full_name_of_a_cut_column_is_helped(tmp_path):
    path = shapefile(tmp_path / "a.shp", 行业小类名称="潍坊一村", A行业中类名="7号")
    with pytest.raises(InputError) as caught:
        read(path, encoding="gb18030", columns={"thing_id": "A行业中类名", "name": "行业小类名称"})
    for problem, cut in zip(caught.value.problems, ("A行业中类", "行业小类名"), strict=True):
        assert f'Did you mean "{cut}"? There are: 行业小类名, A行业中类.' in problem.remedy
        assert "cut at 10 bytes" in problem.remedy


def test_names_that_became_alike(tmp_path):
    path = shapefile(tmp_path / "a.shp", A行业中类名="甲", A行业中类型="乙")
    with pytest.raises(InputError, match=r"two columns are called A行业中类.*cuts names at 10 bytes"):
        read(path, encoding="gb18030")


def test_gb18030_beyond_gbk(tmp_path):
    """Characters of village names that only four bytes of GB18030 hold."""
    path = write_text(tmp_path / "a.csv", "thing_id,name,lon,lat", "𬭚村,䶮,121.5,31.2", encoding="gb18030")
    assert read(path, encoding="gb18030")[["thing_id", "name"]].iloc[0].tolist() == ["𬭚村", "䶮"]


@pytest.mark.parametrize(
    "code",
    ["3.10115E+11", "310.115E+9", "3.E+11", "31.0115E10", "3.10115 E+11", "'3.10115E+11", ".310115E+12", "3.10115D+11",
     "3.10115×10^11", "3.10115*10^11", "3E+11"],
)  # fmt: skip
def test_scientific_notation_is_no_id(code):
    table = pd.DataFrame({"town_id": [code, "A-1"]})
    [problem] = refuse_numbers(table, (Column("town_id"),), "x.csv", lambda mask: tuple(map(str, np.flatnonzero(mask))))
    assert code in problem.what
    assert problem.rows == ("0",)


@pytest.mark.parametrize("code", ["12E-03", "E11", "1E1", "3.1", "A1E+5", "10E5B", "3x10", "1D2"])
def test_codes_that_only_look_like_it_stay(code):
    table = pd.DataFrame({"town_id": [code, "A-1"]})
    assert not refuse_numbers(table, (Column("town_id"),), "x.csv", lambda mask: ())


@pytest.mark.parametrize(
    ("values", "wrong"),
    [(np.array([310115001, 310115002], dtype=np.float32), 2), (np.array([16777215, 7], dtype=np.float32), 0),
     (np.array([2.0**53, 1.0]), 1), (np.array([2.0**53 - 1, 1.0]), 0)],
)  # fmt: skip
def test_floats_that_do_not_keep_every_digit(values, wrong):
    """A float of 32 bits has 24 for the digits, one of 64 bits 53."""
    table = pd.DataFrame({"town_id": pd.Series(values)})
    found = refuse_numbers(table, (Column("town_id"),), "x.parquet", lambda mask: tuple(map(str, np.flatnonzero(mask))))
    rounded = [problem for problem in found if "decimal number" in problem.what]
    assert sum(len(problem.rows) for problem in rounded) == wrong


@pytest.mark.parametrize("text", ["NULL", "nan", "无", "-", "\\N", "＃N/A", "——"])
def test_ids_that_say_that_there_is_none(text):
    assert clean_code(text) == ""
    assert clean_code(f"{text}7") != ""


@pytest.mark.parametrize("sign", ["\ufe0f", "\u034f", "\u3164", "\u200b", "\x7f", "\u2800", "\U000e0100"])
def test_signs_that_show_nothing_are_no_part_of_an_id(sign):
    assert clean_id(f"clo{sign}ses") == "closes"
