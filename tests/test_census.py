"""Cells scaled to a census: closed forms by hand, an independent search for the capped factor, and bad tables."""

import dataclasses
from types import SimpleNamespace

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from circle15.assess.coverage import ASSIGNED, OUTSIDE
from circle15.cache import open_cache
from circle15.errors import ConfigError, InputError, Notes
from circle15.inputs.census import Census, fill, read_census, scale_to_census
from circle15.stages.people import place_people
from circle15.stages.run import Inputs, Run
from tables_kit import EAST, NORTH, STANDARD, codes, make_config, write_text

UTM = pyproj.CRS("EPSG:32651")
NAN = float("nan")


def committees(*ids: str, areas=None) -> gpd.GeoDataFrame:
    """Committees ``<town><number>``, 100 m apart."""
    points = [shapely.Point(EAST + 100 * n, NORTH) for n in range(len(ids))]
    frame = {"committee_id": list(ids), "town_id": [one[0] for one in ids]}
    area = pd.Series(areas if areas is not None else [None] * len(ids), dtype=object)
    return gpd.GeoDataFrame(frame, geometry=points, crs=UTM).assign(area=area)


def make_cells(total, **groups) -> gpd.GeoDataFrame:
    points = [shapely.Point(EAST + 10 * n, NORTH) for n in range(len(total))]
    ids = [f"c{n:02}" for n in range(len(total))]
    return gpd.GeoDataFrame({"cell_id": ids, "total": total, **groups}, geometry=points, crs=UTM)


def census(by: str, **figures) -> Census:
    ids = figures.pop("ids")
    return Census(by, "census.csv", pd.DataFrame(figures, index=list(ids), dtype=float))


def by_area(figure, area) -> dict[int, float]:
    return pd.Series(figure).groupby(list(area)).sum().to_dict()


# scaling -----------------------------------------------------------------------------------------------------------


def test_each_town_has_one_factor_and_each_group_its_own():
    cells = make_cells([10.0, 30, 5, 7], old=[2.0, 2, 5, 1])
    notes = Notes()
    official = census("town", ids="ab", total=[80, 10], old=[12, 4])
    scaled, place = scale_to_census(cells, np.array([0, 1, 2, -1]), committees("a1", "a2", "b1"), official, notes)
    assert list(scaled["total"]) == [20, 60, 10, 7]
    assert list(scaled["old"]) == [6, 6, 4, 1]
    assert list(place) == [0, 1, 2, -1]
    assert list(scaled.columns) == list(cells.columns)
    assert (scaled.geometry == cells.geometry).all()
    assert codes(notes) == {"population.census": 2, "population.census_outside": 1}
    assert "2 towns are scaled from 45 to 90, by 2 to 2 (median 2)" in notes.items[0].text
    assert "1 cells (7 people) in no committee are not scaled" in notes.items[1].text
    assert list(cells["total"]) == [10, 30, 5, 7]  # what came in is as it was


@given(
    data=st.lists(st.tuples(st.floats(0.1, 1e4), st.floats(0, 1), st.integers(-1, 5)), min_size=1, max_size=60),
    factor=st.floats(0.1, 10),
    share=st.floats(0, 1),
)
def test_every_area_gets_its_census_and_no_group_exceeds_its_total(data, factor, share):
    total, part, place = (np.array(one) for one in zip(*data, strict=True))
    place = place.astype(int)
    inside = place >= 0
    official = np.bincount(place[inside], weights=total[inside], minlength=6) * factor
    ids = [f"t{n}" for n in range(6)]
    figures = census("committee", ids=ids, total=official, old=official * share)
    scaled, _ = scale_to_census(make_cells(total, old=total * part), place, committees(*ids), figures, Notes())
    sums = np.bincount(place[inside], weights=scaled["total"][inside], minlength=6)
    assert np.abs(sums - official).max() < 1e-6
    sums = np.bincount(place[inside], weights=scaled["old"][inside], minlength=6)
    assert np.abs(sums - official * share).max() < 1e-6
    assert (scaled["old"] <= scaled["total"] + 1e-6).all()
    assert (scaled["total"][~inside] == total[~inside]).all()


def test_a_census_of_what_the_cells_have_changes_nothing():
    cells = make_cells([10.0, 30], old=[2.0, 2])
    official = census("committee", ids=["a1", "a2"], total=[10, 30], old=[2, 2])
    scaled, _ = scale_to_census(cells, np.array([0, 1]), committees("a1", "a2"), official, Notes())
    pd.testing.assert_frame_equal(pd.DataFrame(scaled), pd.DataFrame(cells))


def test_a_group_that_cells_lack_is_spread_and_one_that_the_census_lacks_keeps_its_share():
    cells = make_cells([10.0, 30, 20], old=[2.0, 2, 5])
    notes = Notes()
    official = census("town", ids="ab", total=[80, 40], young=[8, 0])
    scaled, _ = scale_to_census(cells, np.array([0, 0, 1]), committees("a1", "b1"), official, notes)
    assert list(scaled["young"]) == [2, 6, 0]
    assert list(scaled["old"]) == [4, 4, 10]
    assert codes(notes) == {
        "population.census": 2,
        "population.census_group_kept": 1,
        "population.census_group_spread": 1,
    }
    assert notes.items[2].rows == ("a",)


def test_a_group_is_capped_at_the_total_and_the_area_keeps_its_sum():
    """Factor 3 would put 12 of 10 into the first cell; with 10 there, 8 remain for the others, which have 2 and 0."""
    cells = make_cells([10.0, 10, 10], old=[4.0, 2, 0])
    notes = Notes()
    official = census("town", ids="a", total=[30], old=[18])
    scaled, _ = scale_to_census(cells, np.zeros(3, dtype=int), committees("a1"), official, notes)
    assert list(scaled["old"]) == [10, 8, 0]
    assert codes(notes) == {"population.census": 1, "population.census_capped": 1}


def test_when_all_cells_of_a_group_are_full_the_rest_goes_to_the_others():
    cells = make_cells([10.0, 10, 30], old=[4.0, 0, 0])
    official = census("town", ids="a", total=[50], old=[18])
    scaled, _ = scale_to_census(cells, np.zeros(3, dtype=int), committees("a1"), official, Notes())
    assert list(scaled["old"]) == [10, 2, 6]


@given(st.lists(st.tuples(st.floats(0.01, 100), st.floats(0.01, 100)), min_size=1, max_size=20), st.floats(0.01, 0.99))
def test_the_capped_factor_equals_that_of_a_root_search(pairs, share):
    group, room = np.array(pairs).T
    target = room.sum() * share
    factor = brentq(lambda f: np.minimum(f * group, room).sum() - target, 0, (room / group).max(), xtol=1e-13)
    found, _ = fill(group, room, target)
    assert found == pytest.approx(np.minimum(factor * group, room), abs=1e-6)
    assert found.sum() == pytest.approx(target, abs=1e-9)


def test_a_factor_that_is_far_from_1_is_told():
    notes = Notes()
    official = census("town", ids="abc", total=[25, 4.9, 0])
    cells = make_cells([10.0, 10, 10])
    scaled, _ = scale_to_census(cells, np.array([0, 1, 2]), committees("a1", "b1", "c1"), official, notes)
    assert list(scaled["total"]) == [25, pytest.approx(4.9), 0]
    assert codes(notes) == {"population.census": 3, "population.census_far": 3}
    assert "by 0 to 2.5 (median 0.49)" in notes.items[0].text


# people without cells ----------------------------------------------------------------------------------------------


def test_a_committee_without_people_in_its_cells_gets_them_at_its_centre():
    """Committee a2 has no cell, a3 one with nobody, a4 is empty in the census as well."""
    cells = make_cells([10.0, 0, 3], old=[5.0, 0, 1])
    notes = Notes()
    official = census("committee", ids=["a1", "a2", "a3", "a4"], total=[10, 7, 9, 0], old=[5, 2, 9, 0])
    where = committees("a1", "a2", "a3", "a4")
    scaled, place = scale_to_census(cells, np.array([0, 2, -1]), where, official, notes)
    assert list(scaled["cell_id"]) == ["c00", "c01", "c02", "census.a2", "census.a3"]
    assert list(scaled["total"]) == [10, 0, 3, 7, 9]
    assert list(scaled["old"]) == [5, 0, 1, 2, 9]
    assert list(place) == [0, 2, -1, 1, 2]
    assert scaled.geometry.iloc[3] == where.geometry.iloc[1]
    assert codes(notes)["population.census_placed"] == 2
    assert "16 people of 2 committees" in next(n.text for n in notes.items if n.code.endswith("placed"))
    assert "population.census_far" not in codes(notes)


def test_a_town_without_people_in_any_cell_cannot_be_placed():
    official = census("town", ids="ab", total=[10, 5])
    with pytest.raises(InputError, match=r"people in the census and none in any cell.*\(1 row: b\)"):
        scale_to_census(make_cells([4.0]), np.array([0]), committees("a1", "a2", "b1"), official, Notes())


# reading -----------------------------------------------------------------------------------------------------------


def read(folder, *rows: str, by: str = "town", groups=(), notes: Notes | None = None, **keys) -> Census:
    write_text(folder / "census.csv", *rows)
    section = {"source": "cells.csv", "census": {"source": "census.csv", "by": by, **keys}}
    where = committees("a1", "a2", "b1")
    found = read_census(
        make_config(folder, population=section), where, list(groups), notes if notes is not None else Notes()
    )
    assert found is not None
    return found


def test_no_census_is_none(tmp_path):
    assert read_census(make_config(tmp_path), committees("a1"), [], Notes()) is None
    plain = make_config(tmp_path, population={"source": "p.csv"})
    assert read_census(plain, committees("a1"), [], Notes()) is None


def test_a_census_table(tmp_path):
    rows = ("街镇,pop,u3,age_60_plus,remark", "b,5,1,2,x", "a,10,0.5,4,y")
    columns = {"town_id": "街镇", "total": "pop", "age_0_2": "u3"}
    found = read(tmp_path, *rows, columns=columns, groups=["age_60_plus", "age_0_2", "age_3_5"])
    assert found.table.to_dict("index") == {
        "b": {"total": 5, "age_0_2": 1, "age_60_plus": 2},
        "a": {"total": 10, "age_0_2": 0.5, "age_60_plus": 4},
    }
    assert found.by == "town"


def test_every_fault_of_a_census_at_once(tmp_path):
    rows = ("committee_id,total,old", "a1,many,0", "a1,5,6", "zz,-1,0", "b1,,")
    with pytest.raises(InputError) as caught:
        read(tmp_path, *rows, by="committee", groups=["old"])
    found = {(problem.what, problem.rows) for problem in caught.value.problems}
    assert found == {
        ('"committee_id" occurs more than once', ("a1",)),
        ('"total" is not a number: "many"', ("a1",)),
        ('"total" is missing (NaN or empty)', ("b1",)),
        ('"total" is below 0', ("zz",)),
        ('"old" is missing (NaN or empty)', ("b1",)),
        ('"old" is larger than total', ("a1", "zz")),
        ("committees that do not exist", ("zz",)),
        ("has no row for some committees", ("a2",)),
    }


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (("town_id,total", "a,1"), r"has no row for some towns \(1 row: b\)"),
        (("town_id,total", "a,1", "b,1", "c,1"), r"towns that have no committee \(1 row: c\).*where"),
        (("town_id,people", "a,1", "b,1"), r'no column "total"'),
        (("town,total", "a,1", "b,1"), r'no column "town_id"'),
    ],
)
def test_a_census_that_does_not_fit(tmp_path, rows, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, *rows)


def test_a_group_with_a_name_that_cannot_be(tmp_path):
    with pytest.raises(ConfigError, match=r'"Old" is no name for a population group'):
        read(tmp_path, "town_id,total,x", "a,1,1", "b,1,1", columns={"Old": "x"})


# the stage ---------------------------------------------------------------------------------------------------------


def test_people_are_placed_then_scaled_and_no_centre_moves(tmp_path):
    """Two areas side by side; the second committee has no centre and no cell."""
    areas = [
        shapely.box(EAST - 50, NORTH - 50, EAST + 15, NORTH + 50),
        shapely.box(EAST + 15, NORTH, EAST + 99, NORTH + 50),
    ]
    where = committees("a1", "a2", areas=areas).assign(kind="residents", zone="urban", name="")
    where.geometry = [None, None]
    cells = make_cells([1.0, 3.0, 0.0, 50.0])
    cells.loc[3, "geometry"] = shapely.Point(EAST - 500, NORTH)
    write_text(tmp_path / "census.csv", "committee_id,total", "a1,40", "a2,6")
    section = {"source": "cells.csv", "census": {"source": "census.csv", "by": "committee"}}
    run = Run(make_config(tmp_path, population=section), STANDARD, {}, open_cache(None), Notes(), SimpleNamespace())
    inputs = Inputs(UTM, where, cells, SimpleNamespace())
    placed = place_people(run, inputs, SimpleNamespace())
    assert placed.cells is not None
    assert list(placed.cells["cell_id"]) == ["c00", "c01", "c02", "c03", "census.a2"]
    assert list(placed.persons) == [10, 30, 0, 50, 6]
    assert list(placed.cell_committee) == [0, 0, 1, -1, 1]
    assert list(placed.cell_status) == [ASSIGNED, ASSIGNED, ASSIGNED, OUTSIDE, ASSIGNED]
    plain = dataclasses.replace(run, config=make_config(tmp_path, population={"source": "cells.csv"}), notes=Notes())
    before = place_people(plain, inputs, SimpleNamespace())
    assert list(placed.committees.geometry) == list(before.committees.geometry)
    assert placed.committees.geometry.iloc[0] == shapely.Point(EAST + 7.5, NORTH)
    assert placed.cells.geometry.iloc[4] == placed.committees.geometry.iloc[1]
    outside = next(n.text for n in run.notes.items if n.code == "population.outside")
    assert outside.startswith("50 of 96 people (1 cell)")
