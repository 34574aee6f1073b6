"""Years from numbers, dates and text; what is none of them is an error."""

from datetime import date, datetime
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from circle15.errors import InputError, Notes
from circle15.inputs.facilities import read_facilities
from circle15.inputs.years import year_of, years_of
from tables_kit import EAST, NORTH, STANDARD, codes, make_config, write_text

UTM = pyproj.CRS("EPSG:32651")


def read(folder: Path, *rows: tuple[object, object], as_of: int = 2023, notes: Notes | None = None):
    """Read kindergartens ``f1``, ``f2`` … with these values of opens and closes from a CSV."""
    lines = [f"f{n},{opens},{closes},{EAST + 500 * n},{NORTH}" for n, (opens, closes) in enumerate(rows, start=1)]
    write_text(folder / "s.csv", "facility_id,opens,closes,x,y", *lines)
    return read_file(folder, "s.csv", as_of, notes, crs="EPSG:32651")


def read_file(folder: Path, name: str, as_of: int, notes: Notes | None, **keys):
    config = make_config(folder, as_of, facilities=[{"source": name, "type": "kindergarten", **keys}])
    facilities = read_facilities(config, STANDARD, UTM, folder / "n.osm.pbf", notes if notes is not None else Notes())
    return facilities.table


@pytest.mark.parametrize(
    ("text", "year", "is_date"),
    [
        ("2021", 2021, False),
        (" 2021 ", 2021, False),
        ("2021.0", 2021, False),
        ("2021年", 2021, False),
        ("２０２１年", 2021, False),
        ("9999", 9999, False),
        ("2021-09-01", 2021, True),
        ("2021/9/1", 2021, True),
        ("2021.9.1", 2021, True),
        ("2021-09", 2021, True),
        ("2021年9月", 2021, True),
        ("2021年9月1日", 2021, True),
        ("2021 年 12 月 31 日", 2021, True),
        ("2021-09-01 00:00:00", 2021, True),
        ("2021-09-01T08:30:00.5Z", 2021, True),
        ("2021-09-01T08:30+08:00", 2021, True),
        ("2024-02-29", 2024, True),
    ],
)
def test_years_and_dates(text, year, is_date):
    assert year_of(text) == (year, is_date)


@pytest.mark.parametrize(
    "text",
    [
        "", "21", "0021", "2021.5", "2021.9", "20210901", "44440", "1/9/2021", "9-1-2021", "2023-02-29", "2021-13-01",
        "2021-9/1", "2021-09-01x", "since 2021", "2021-2023", "2021年13月", "-2021", "nan", "True",
    ],
)  # fmt: skip
def test_what_names_no_year(text):
    assert year_of(text) is None


@given(st.dates(min_value=date(1000, 1, 1)))
def test_every_way_to_write_a_date_gives_its_year(day):
    texts = [day.isoformat(), f"{day.year}/{day.month}/{day.day}", f"{day.year}年{day.month}月{day.day}日"]
    texts += [str(datetime(day.year, day.month, day.day)), f"{day.year}.{day.month}.{day.day}"]  # noqa: DTZ001
    assert {year_of(text) for text in texts} == {(day.year, True)}


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([2021, 2022]),
        pd.Series([2021.0, 2022.0]),
        pd.Series(["2021", "2022年"]),
        pd.Series([2021, "2022"], dtype=object),
        pd.Series([2021.0, "2022"], dtype=object),
        pd.to_datetime(pd.Series(["2021-09-01", "2022-01-01"])),
        pd.to_datetime(pd.Series(["2021-09-01", "2022-01-01"])).dt.tz_localize("Asia/Shanghai"),
        pd.Series([datetime(2021, 9, 1), date(2022, 1, 1)], dtype=object),  # noqa: DTZ001
    ],
)
def test_columns_of_any_type(values):
    years, _, bad = years_of(values)
    assert years.tolist() == [2021, 2022]
    assert not bad.any()


def test_missing_values_are_no_years_and_no_fault():
    values = pd.Series([None, np.nan, pd.NaT, "", " ", pd.NA], dtype=object)
    years, dates, bad = years_of(values)
    assert np.isnan(years).all()
    assert not dates.any()
    assert not bad.any()
    years, _, bad = years_of(pd.to_datetime(pd.Series([None, "2021-09-01"])))
    assert years[1] == 2021
    assert not bad.any()


# in a source of facilities -----------------------------------------------------------------------------------------


def test_open_in_the_year_of_a_date(tmp_path):
    notes = Notes()
    table = read(
        tmp_path,
        ("2023-12-31", ""),  # opens on the year's last day: it counts
        ("2024-01-01", ""),
        ("2021年", "2023-01-01"),  # has closed in the year: it does not
        ("", "2024年1月"),
        ("2020", "2023"),
        notes=notes,
    )
    assert list(table["facility_id"]) == ["f1", "f4"]
    assert table["opens"].iloc[0] == 2023
    dated = {note.text.split('"')[1]: note.rows for note in notes.items if note.code == "facilities.dates"}
    assert dated == {"opens": ("f1", "f2"), "closes": ("f3", "f4")}
    assert codes(notes)["facilities.not_open"] == 3


def test_no_note_where_there_are_only_years(tmp_path):
    notes = Notes()
    read(tmp_path, ("2021", ""), ("2021年", "2030"), notes=notes)
    assert codes(notes) == {}


def test_what_is_no_year_is_shown_with_its_rows(tmp_path):
    with pytest.raises(InputError) as caught:
        read(tmp_path, ("soon", ""), ("2021", "44440"), ("n/a?", ""), ("2022", "2021-05-01"))
    found = {problem.what: problem.rows for problem in caught.value.problems}
    assert found == {
        '"opens" has "soon", "n/a?": no year': ("f1", "f3"),
        '"closes" has "44440": no year': ("f2",),
        '"closes" is before "opens"': ("f4",),
    }
    assert "2021-09-01" in str(caught.value)


def test_dates_of_a_layer_and_of_parquet(tmp_path):
    data = {"opens": pd.to_datetime(["2021-09-01", "2024-01-01", None]), "facility_id": ["a", "b", "c"]}
    points = [shapely.Point(EAST + 500 * i, NORTH) for i in range(3)]
    table = gpd.GeoDataFrame(data, geometry=points, crs=UTM)
    table.to_file(tmp_path / "s.gpkg")
    table.to_parquet(tmp_path / "s.parquet")
    for name in ("s.gpkg", "s.parquet"):
        found = read_file(tmp_path, name, 2023, None)
        assert list(found["facility_id"]) == ["a", "c"]
        assert found["opens"].iloc[0] == 2021
        assert np.isnan(found["opens"].iloc[1])
