"""The ledger: what it may say, what it must not, and that it comes back as it was."""

import csv
import unicodedata
from pathlib import Path

import geopandas as gpd
import numpy as np
import openpyxl
import pandas as pd
import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from circle15.errors import Circle15Error, ConfigError, InputError, Notes
from circle15.inputs import projects
from circle15.inputs.projects import on_degree_grid, read_projects
from circle15.outputs import csvfiles
from circle15.tables import MEANS, PROJECTS, FacilityTable
from tables_kit import EAST, NORTH, STANDARD, codes, make_config, write_text

UTM = pyproj.CRS("EPSG:32651")
PLAN = {"years": [2021, 2022, 2023]}
COLUMNS = [column.name for column in PROJECTS] + ["marginal", "domain", "at_least"]

# C1 is a square kilometre, C2 a centre without an area 9 km east of its western edge: they are 8 km apart.
COMMITTEES = gpd.GeoDataFrame(
    {
        "committee_id": ["C1", "C2"],
        "town_id": ["01", "02"],
        "area": [shapely.box(EAST, NORTH, EAST + 1000, NORTH + 1000), None],
    },
    geometry=[shapely.Point(EAST + 500, NORTH + 500), shapely.Point(EAST + 9000, NORTH + 500)],
    crs=UTM,
)
FACILITIES = FacilityTable(
    gpd.GeoDataFrame(
        {
            "facility_id": ["007", "E2", "PARK", "-A"],
            "type_id": ["kindergarten", "primary_school", "micro_park", "pharmacy"],
        },
        geometry=[
            shapely.Point(EAST + 100, NORTH + 100),
            shapely.MultiPoint([(EAST + 200, NORTH + 200), (EAST + 300, NORTH + 200)]),
            shapely.box(EAST, NORTH, EAST + 50, NORTH + 50),
            shapely.Point(EAST + 400, NORTH + 100),
        ],
        crs=UTM,
    ),
    {},
)
AT = {"x": EAST + 250, "y": NORTH + 250}


def row(key: str = "P1", **more) -> dict:
    """Return a sound row: a kindergarten that is planned, in the district."""
    return {"project_id": key, "action": "open", "type_id": "kindergarten", "status": "planned", **AT, **more}


def nowhere(key: str = "P1", **more) -> dict:
    return row(key, **{"x": "", "y": "", **more})


def change(action: str, facility: str = "007", key: str = "P1", **more) -> dict:
    return nowhere(key, action=action, facility_id=facility, **{"type_id": "", **more})


def figure(marginal: str, key: str = "P1", **more) -> dict:
    return nowhere(key, marginal=marginal, **more)


def write(folder: Path, *rows: dict) -> None:
    pd.DataFrame(list(rows)).astype(object).fillna("").to_csv(folder / "ledger.csv", index=False)


def load(folder: Path, notes: Notes | None = None, committees=COMMITTEES, facilities=FACILITIES, **keys):
    source = {"source": "ledger.csv", "crs": "EPSG:32651", **keys}
    config = make_config(folder, as_of=2020, projects=source, plan=PLAN)
    return read_projects(config, STANDARD, committees, facilities, notes if notes is not None else Notes())


def read(folder: Path, *rows: dict, notes: Notes | None = None, **more) -> gpd.GeoDataFrame:
    write(folder, *rows)
    return load(folder, notes, **more)


def faults(folder: Path, *rows: dict, **more) -> dict[str, tuple[str, ...]]:
    """Return what is wrong with a ledger, and the rows."""
    with pytest.raises(InputError) as caught:
        read(folder, *rows, **more)
    assert all(problem.where.startswith(str(folder / "ledger")) for problem in caught.value.problems)
    assert all(problem.remedy for problem in caught.value.problems)
    return {problem.what: problem.rows for problem in caught.value.problems}


def remedies(error: Circle15Error) -> str:
    return " ".join(problem.remedy for problem in error.problems)


# the table ---------------------------------------------------------------------------------------------------------


def test_a_plain_ledger(tmp_path):
    notes = Notes()
    rows = [row("010", capacity="90", cost="12.5", 备注="甲"), row("007a", town_id="02", plan_year=2021, units=1)]
    table = read(tmp_path, *rows, notes=notes)
    assert list(table.columns) == [*COLUMNS, "备注", "geometry"]
    assert list(table["project_id"]) == ["007a", "010"]  # sorted, and still text
    assert list(table["domain"]) == ["education", "education"]
    assert list(table["capacity"].fillna(-1)) == [-1, 90]
    assert list(table["cost"].fillna(-1)) == [-1, 12.5]
    assert list(table["plan_year"].fillna(0)) == [2021, 0]
    assert list(table["units"]) == [1, 1]
    assert list(table["town_id"]) == ["02", ""]
    assert list(table["marginal"]) == ["", ""]
    assert table["at_least"].dtype == bool
    assert not table["at_least"].any()
    assert list(table["备注"]) == ["", "甲"]
    assert table.crs == UTM
    assert table.geometry.distance(shapely.Point(AT["x"], AT["y"])).max() < 0.008
    assert codes(notes) == {}


def test_no_section():
    config = make_config(Path("x"))
    with pytest.raises(ConfigError, match=r"no section \[projects\]; verify and plan need a ledger.*circle15 suggest"):
        read_projects(config, STANDARD, COMMITTEES, FACILITIES, Notes())


@pytest.mark.parametrize("columns", ["project_id,action,status,lon,lat", "project_id,action,status,备注"])
def test_a_ledger_of_no_rows(tmp_path, columns):
    write_text(tmp_path / "ledger.csv", columns)
    notes = Notes()
    table = load(tmp_path, notes, crs=None)
    assert list(table.columns) == [*COLUMNS, *(["备注"] if "备注" in columns else []), "geometry"]
    assert len(table) == 0
    assert table.crs == UTM
    assert table["at_least"].dtype == bool
    assert table["units"].dtype == np.float64
    assert codes(notes) == {}


def test_ledgers_of_no_rows_in_other_formats(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["编号", "action", "status", "lon", "lat"])
    book.save(tmp_path / "ledger.xlsx")
    empty = pd.DataFrame({name: pd.Series([], dtype=str) for name in ("编号", "action", "status")})
    layer = gpd.GeoDataFrame(empty, geometry=[], crs=UTM)
    layer.to_file(tmp_path / "ledger.gpkg")
    layer.to_parquet(tmp_path / "ledger.parquet")
    for name in ("ledger.xlsx", "ledger.gpkg", "ledger.parquet"):
        table = load(tmp_path, source=name, crs=None, columns={"project_id": "编号"})
        assert list(table.columns) == [*COLUMNS, "geometry"]
        assert len(table) == 0


def test_a_ledger_of_no_rows_needs_its_columns(tmp_path):
    write_text(tmp_path / "ledger.csv", "编号,status")
    with pytest.raises(InputError) as caught:
        load(tmp_path, crs=None)
    assert [p.what for p in caught.value.problems] == ['no column "action"', 'no column "project_id"']
    with pytest.raises(InputError, match=r'no column "编码".*Did you mean "编号"'):
        load(tmp_path, crs=None, columns={"project_id": "编码"})
    write_text(tmp_path / "ledger.csv", "project_id,status")
    assert len(load(tmp_path, crs=None, set={"action": "open"})) == 0


def test_an_empty_file_is_no_ledger(tmp_path):
    (tmp_path / "ledger.csv").write_bytes(b"")
    with pytest.raises(InputError, match=r"is empty"):
        load(tmp_path)
    openpyxl.Workbook().save(tmp_path / "ledger.xlsx")
    with pytest.raises(InputError, match=r"has no rows"):
        load(tmp_path, source="ledger.xlsx", crs=None)
    with pytest.raises(InputError, match=r"no such file"):
        load(tmp_path, source="ledgre.csv")


def test_contract(tmp_path):
    rows = [row("A"), row("A", cost="12万"), row("", capacity=-1), row("D", units=1.5, floor_area_m2="inf")]
    assert faults(tmp_path, *rows) == {
        '"project_id" occurs more than once': ("A",),
        '"project_id" is empty': ("row 3",),
        '"cost" is not a number: "12万"': ("A",),
        '"capacity" is below 0': ("row 3",),
        '"units" is not a whole number': ("D",),
        '"floor_area_m2" is infinite': ("D",),
        "several units at one place": ("D",),
    }


def test_everything_at_once(tmp_path):
    rows = [
        row("A", type_id="kindergarden", town_id="03", plan_year=2019),
        row("A", status="someday", x=EAST - 9000),
        row("C", action="", cost="dear"),
        change("close", "008", "D"),
    ]
    assert faults(tmp_path, *rows) == {
        '"project_id" occurs more than once': ("A",),
        '"type_id" has "kindergarden", not among the standard\'s types': ("A",),
        '"town_id" has "03", not among the committees\' towns': ("A",),
        '"plan_year" is before the plan\'s first year 2021': ("A",),
        '"status" has "someday"': ("A",),
        "outside the district: farther than 3 km from every committee": ("A",),
        '"action" is empty': ("C",),
        '"cost" is not a number: "dear"': ("C",),
        '"facility_id" has "008", not among the facilities': ("D",),
    }


# words -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("means", {"reuse": "reuse", "盘活存量": "reuse", "盘活": "reuse", "复合利用": "compound", "规划完善": "new"}),
        ("means", {"新建": "new", " New ": "new", "": ""}),
        ("status", {"planned": "planned", "计划": "planned", "规划": "planned", "未启动": "planned"}),
        ("status", {"已启动": "started", "在建": "started", "启动": "started", "DONE": "done"}),
        ("status", {"已完成": "done", "完成": "done", "建成": "done", "已建成": "done"}),
    ],
)
def test_words(tmp_path, column, words):
    rows = [row(f"P{n}", plan_year=2021, **{column: word}) for n, word in enumerate(words)]
    assert list(read(tmp_path, *rows)[column]) == list(words.values())


@pytest.mark.parametrize(
    ("word", "action"),
    [
        *(("新建", "open"), ("新增", "open"), ("扩建", "extend"), ("改扩建", "extend")),
        *(("迁建", "move"), ("搬迁", "move"), ("关闭", "close"), ("撤销", "close")),
    ],
)
def test_words_of_actions(tmp_path, word, action):
    one = row() if action == "open" else change(word, capacity=1, **AT)
    assert list(read(tmp_path, {**one, "action": word})["action"]) == [action]


def test_unknown_words_list_what_is_known(tmp_path):
    write(tmp_path, row("A", action="build"), row("B", means="买"), row("C", status="soon", at_least="maybe"))
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    found = {p.what: (p.rows, p.remedy) for p in caught.value.problems}
    assert found['"action" has "build"'][0] == ("A",)
    assert (
        "open (新建 新增), extend (扩建 改扩建), move (迁建 搬迁), close (关闭 撤销)"
        in found['"action" has "build"'][1]
    )
    assert found['"means" has "买"'][0] == ("B",)
    assert all(one in found['"means" has "买"'][1] for one in MEANS)
    assert "done (已完成 完成 建成 已建成)" in found['"status" has "soon"'][1]
    assert found['"at_least" has "maybe"'][0] == ("C",)
    assert len(found) == 4


def test_missing_columns_of_words(tmp_path):
    write_text(tmp_path / "ledger.csv", "project_id,type_id", "A,kindergarten")
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    assert [p.what for p in caught.value.problems] == ['no column "action"', 'no column "status"']
    assert 'set = { action = "open" }' in remedies(caught.value)
    assert list(load(tmp_path, set={"action": "open", "status": "在建"})["status"]) == ["started"]


def test_at_least(tmp_path):
    words = {"true": True, "1": True, "yes": True, "是": True, "false": False, "0": False, "no": False, "否": False}
    rows = [row(f"P{n}", at_least=word) for n, word in enumerate([*words, "", "TRUE"])]
    assert list(read(tmp_path, *rows)["at_least"]) == [*words.values(), False, True]


# years -------------------------------------------------------------------------------------------------------------


def test_years(tmp_path):
    notes = Notes()
    one = row("A", plan_year="2021年", start_year="2021-09-01", open_year="2022.5.1")
    table = read(tmp_path, one, row("B"), notes=notes)
    assert list(table.loc[0, ["plan_year", "start_year", "open_year"]]) == [2021, 2021, 2022]
    assert table.loc[1, ["plan_year", "start_year", "open_year"]].isna().all()
    assert codes(notes) == {"projects.dates": 1}
    assert len([note for note in notes.items if note.code == "projects.dates"]) == 2  # one a column


def test_years_that_cannot_be(tmp_path):
    rows = [
        row("A", plan_year="soon"),
        row("B", start_year=2023, open_year=2022),
        row("C", plan_year=2020, start_year=2019, open_year=2018),
        row("D", start_year=2021, open_year=2021),
        row("E", plan_year=2021),
    ]
    assert faults(tmp_path, *rows) == {
        '"plan_year" has "soon": no year': ("A",),
        '"start_year" is after "open_year"': ("B", "C"),
        '"plan_year" is before the plan\'s first year 2021': ("C",),
        '"start_year" is before the plan\'s first year 2021': ("C",),
        '"open_year" is before the plan\'s first year 2021': ("C",),
    }
    with pytest.raises(InputError, match=r"\[plan\] years \(now 2021 to 2023\)"):
        load(tmp_path)


def test_without_a_plan_the_year_after_the_run_is_the_first(tmp_path):
    write(tmp_path, row("A", plan_year=2023), row("B", plan_year=2024))
    config = make_config(tmp_path, as_of=2023, projects={"source": "ledger.csv", "crs": "EPSG:32651"})
    with pytest.raises(InputError) as caught:
        read_projects(config, STANDARD, COMMITTEES, FACILITIES, Notes())
    assert [(p.what, p.rows) for p in caught.value.problems] == [
        ('"plan_year" is before the plan\'s first year 2024', ("A",))
    ]


def test_begun_without_a_year_is_noted(tmp_path):
    notes = Notes()
    rows = [
        row("A", status="started"),
        row("B", status="done", open_year=2022),
        row("C", status="done", plan_year=2022),
        row("D", status="started", start_year=2021),
        row("E"),
    ]
    read(tmp_path, *rows, notes=notes)
    assert codes(notes) == {"projects.no_start": 2}
    assert notes.items[0].rows == ("A", "B")


# actions -----------------------------------------------------------------------------------------------------------


def test_what_opens_needs_a_type(tmp_path):
    write(tmp_path, row("A", type_id=""), row("B", type_id="kindergarden"), row("C", type_id="幼儿园"))
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    assert {p.what: p.rows for p in caught.value.problems} == {
        '"type_id" has "kindergarden", "幼儿园", not among the standard\'s types': ("B", "C"),
        '"type_id" is empty': ("A",),
    }
    assert 'Did you mean "kindergarten"?' in remedies(caught.value)


def test_changes_take_the_type_of_their_facility(tmp_path):
    rows = [
        change("extend", "007", "A", capacity=30),
        change("move", "E2", "B", **AT),
        change("close", "PARK", "C", type_id="micro_park"),
    ]
    table = read(tmp_path, *rows)
    assert list(table["type_id"]) == ["kindergarten", "primary_school", "micro_park"]
    assert list(table["domain"]) == ["education", "education", "parks"]
    assert list(table.geometry.isna()) == [True, False, True]
    assert list(table["units"]) == [1, 1, 1]


def test_changes_name_a_facility_and_not_another_type(tmp_path):
    rows = [
        change("extend", "", "A", capacity=30),
        change("close", "", "B"),
        change("close", "E3", "C"),
        change("close", "E2", "D", type_id="kindergarten"),
        change("close", "007", "E", type_id="kindergarten"),
        row("F", facility_id="E9"),
    ]
    with pytest.raises(InputError) as caught:
        read(tmp_path, *rows)
    assert {p.what: p.rows for p in caught.value.problems} == {
        '"facility_id" has "E3", "E9", not among the facilities': ("C", "F"),
        '"type_id" is not the facility\'s own, which is "primary_school"': ("D",),
        '"facility_id" is empty': ("A", "B"),
    }
    assert 'Did you mean "E2"? It has to be a facility of this run\'s sources.' in remedies(caught.value)


def test_zeros_that_a_spreadsheet_took(tmp_path):
    rows = [change("close", "7", "A"), row("B", town_id="1")]
    found = faults(tmp_path, *rows)
    assert found == {
        'ids match those of the facilities only with zeros in front: "7" here, "007" there': ("A",),
        'ids match those of the committees\' towns only with zeros in front: "1" here, "01" there': ("B",),
    }


def test_one_facility_is_moved_or_closed_once(tmp_path):
    rows = [
        change("close", "007", "A"),
        change("move", "007", "B", **AT),
        change("extend", "E2", "C", capacity=1),
        change("extend", "E2", "D", floor_area_m2=1),
        change("close", "E2", "E"),
        change("close", "", "F"),
        change("close", "", "G"),
    ]
    found = faults(tmp_path, *rows)
    assert found == {"one facility is moved or closed twice": ("A", "B"), '"facility_id" is empty': ("F", "G")}
    assert list(read(tmp_path, *rows[1:5])["project_id"]) == ["B", "C", "D", "E"]


def test_extensions_add_something_and_moves_go_somewhere(tmp_path):
    rows = [
        change("extend", "007", "A"),
        change("extend", "E2", "B", capacity=0, floor_area_m2=""),
        change("extend", "PARK", "C", floor_area_m2=200),
        change("move", "-A", "D"),
    ]
    assert faults(tmp_path, *rows) == {"extensions that add nothing": ("A", "B"), "moves without a place": ("D",)}


def test_a_project_is_no_facility_yet(tmp_path):
    assert faults(tmp_path, row("007"), row("008")) == {'"project_id" is a facility\'s id': ("007",)}


def test_the_town_names_the_nearest(tmp_path):
    write(tmp_path, row("A", town_id="01A"))
    with pytest.raises(InputError, match=r'"town_id" has "01A".*\(1 row: A\).*Did you mean "01"\? There are: 01, 02'):
        load(tmp_path)


def test_units_at_one_place(tmp_path):
    rows = [
        row("A", units=2),
        row("B", units=1),
        row("C", units=0),
        nowhere("D", units=5),
        change("close", "007", "E", units=2),
    ]
    assert faults(tmp_path, *rows) == {"several units at one place": ("A", "E")}
    assert list(read(tmp_path, *rows[1:4])["units"]) == [1, 0, 5]


# places ------------------------------------------------------------------------------------------------------------


def test_without_a_place_it_only_counts(tmp_path):
    notes = Notes()
    table = read(tmp_path, nowhere("A"), row("B"), change("close", "007", "C"), notes=notes)
    assert list(table.geometry.isna()) == [True, False, True]
    assert codes(notes) == {"projects.no_place": 1}
    assert notes.items[0].rows == ("A",)
    assert "can't change a verdict" in notes.items[0].text


def test_a_host_lends_its_place(tmp_path):
    notes = Notes()
    rows = [
        nowhere("A", facility_id="007"),
        nowhere("B", facility_id="E2"),
        row("C", facility_id="007"),
        nowhere("D", facility_id="PARK"),
    ]
    table = read(tmp_path, *rows, notes=notes)
    expected = [(100, 100), (200, 200), (250, 250)]  # the host, its first entrance, its own
    for shape, (x, y) in zip(table.geometry[:3], expected, strict=True):
        assert shape.distance(shapely.Point(EAST + x, NORTH + y)) < 0.008
    assert table.geometry[3] is None  # an area has no point to lend
    assert {note.code: note.rows for note in notes.items} == {
        "projects.host_place": ("A", "B"),
        "projects.no_place": ("D",),
    }


def test_the_district_ends_3_km_from_areas_and_centres(tmp_path):
    inside = {"A": -2999, "B": 3999, "C": 6001, "D": 11999}
    outside = {"E": -3001, "F": 4001, "G": 5999, "H": 12001}
    rows = [row(key, x=EAST + x, y=NORTH + 500) for key, x in {**inside, **outside}.items()]
    what = "outside the district: farther than 3 km from every committee"
    assert faults(tmp_path, *rows) == {what: ("E", "F", "G", "H")}
    assert len(read(tmp_path, *rows[:4])) == 4


def test_a_place_is_one_point(tmp_path):
    x, y = EAST + 250, NORTH + 250
    shapes = {
        "A": shapely.MultiPoint([(x, y)]),
        "B": shapely.MultiPoint([(x, y), (x + 1, y)]),
        "C": shapely.LineString([(x, y), (x + 1, y)]),
        "D": shapely.box(x, y, x + 1, y + 1),
        "E": shapely.Point(x, y),
        "F": None,
        "G": shapely.Point(),
    }
    table = pd.DataFrame([row(key) for key in shapes]).drop(columns=["x", "y"])
    gpd.GeoDataFrame(table, geometry=list(shapes.values()), crs=UTM).to_file(tmp_path / "ledger.gpkg")
    with pytest.raises(InputError) as caught:
        load(tmp_path, source="ledger.gpkg", crs=None)
    assert [(p.what, p.rows) for p in caught.value.problems] == [("its place is no single point", ("B", "C", "D"))]
    assert "A site is one point; give its entrance." in remedies(caught.value)
    notes = Notes()
    sound = load(tmp_path, notes, source="ledger.gpkg", crs=None, where="project_id in ['A', 'E', 'F', 'G']")
    assert [shape is not None for shape in sound.geometry] == [True, True, False, False]
    assert sound.geometry[0].equals(sound.geometry[1])
    assert codes(notes)["projects.no_place"] == 2


def test_bad_coordinates_come_with_the_rest(tmp_path):
    rows = [
        row("A", x="east"),
        row("B", x=EAST - 90_000),
        row("C", status="?"),
        change("move", "E2", "D", x="?", y="1"),
    ]
    assert faults(tmp_path, *rows) == {'"x" is not a number: "east", "?"': ("A", "D"), '"status" has "?"': ("C",)}


def test_coordinates_beside_a_geometry_are_not_read(tmp_path):
    table = pd.DataFrame([row("A") | {"lon": 1.0, "lat": 2.0}]).drop(columns=["x", "y"])
    at = gpd.GeoDataFrame(table, geometry=[shapely.Point(AT["x"], AT["y"])], crs=UTM)
    at.to_file(tmp_path / "ledger.gpkg")
    notes = Notes()
    found = load(tmp_path, notes, source="ledger.gpkg", crs=None)
    assert list(found.columns) == [*COLUMNS, "geometry"]
    assert found.geometry[0].distance(at.geometry[0]) < 0.008
    assert codes(notes) == {"projects.coordinates_unread": 2}


# the grid ----------------------------------------------------------------------------------------------------------


@given(
    st.sampled_from([("EPSG:32651", 350_000.0, 3_450_000.0), ("EPSG:31982", 480_000.0, 6_670_000.0)]),
    st.lists(st.tuples(st.floats(0, 60_000), st.floats(0, 60_000)), min_size=1, max_size=9),
)
def test_a_place_on_the_grid_survives_a_file(system, offsets):
    crs, east, north = system
    points = shapely.points([(east + x, north + y) for x, y in offsets])
    grid = on_degree_grid(points, pyproj.CRS(crs))
    assert shapely.distance(points, grid).max() < 1e-7  # half of 1e-12 degrees is 0.06 µm each way
    degrees = pyproj.Transformer.from_crs(crs, 4326, always_xy=True)
    texts = [tuple(f"{v:.12f}" for v in degrees.transform(p.x, p.y)) for p in grid]
    back = pyproj.Transformer.from_crs(4326, crs, always_xy=True)
    read_again = np.array([back.transform(float(lon), float(lat)) for lon, lat in texts])
    assert read_again.tobytes() == shapely.get_coordinates(grid).tobytes()
    assert shapely.to_wkb(on_degree_grid(grid, pyproj.CRS(crs))).tolist() == shapely.to_wkb(grid).tolist()


def test_the_grid_near_the_meridian_and_without_points():
    utm = pyproj.CRS("EPSG:32631")
    towards = pyproj.Transformer.from_crs(4326, utm, always_xy=True)
    west = shapely.Point(towards.transform(-2e-13, -2e-13))  # rounds to 0, and not to -0
    origin = shapely.Point(towards.transform(0.0, 0.0))
    grid = on_degree_grid(np.array([west, None], dtype=object), utm)
    assert shapely.to_wkb(grid[0]) == shapely.to_wkb(origin)
    assert grid[1] is None
    assert len(on_degree_grid(np.empty(0, dtype=object), utm)) == 0


def test_a_ledger_written_with_twelve_decimals_comes_back_to_the_bit(tmp_path):
    first = read(tmp_path, *(row(f"P{n}", x=EAST + 97.123456 * n, y=NORTH + 33.7654321 * n) for n in range(10)))
    write_with_degrees(first, tmp_path / "again.csv")
    again = load(tmp_path, source="again.csv", crs=None)
    xy = shapely.get_coordinates(first.geometry.to_numpy())
    assert xy.tobytes() == shapely.get_coordinates(again.geometry.to_numpy()).tobytes()


# round trips -------------------------------------------------------------------------------------------------------


def write_with_degrees(table: gpd.GeoDataFrame, path: Path) -> None:
    """Write a ledger as circle15 does: longitudes and latitudes with twelve decimals, formulas defused."""
    degrees = table.geometry.to_crs(4326)
    plain = pd.DataFrame(table.drop(columns="geometry"))
    plain["lon"] = [f"{p.x:.12f}" if p else "" for p in degrees]
    plain["lat"] = [f"{p.y:.12f}" if p else "" for p in degrees]
    if path.suffix == ".xlsx":
        plain[["lon", "lat"]] = plain[["lon", "lat"]].apply(pd.to_numeric)  # as a spreadsheet takes them
        plain.to_excel(path, index=False)
        return
    text = [name for name in plain if not pd.api.types.is_numeric_dtype(plain[name]) and name not in ("lon", "lat")]
    plain[text] = plain[text].map(csvfiles._defuse)
    plain.to_csv(path, index=False, quoting=csv.QUOTE_MINIMAL)


VARIED = (
    row("001", name="东方幼儿园", town_id="01", means="盘活", plan_year=2021, cost=333333.33, 备注="甲,乙"),
    row("010", status="在建", start_year=2021, open_year="2022-09-01", capacity=90, at_least="是"),
    nowhere("02", units=3, department="区教育局", candidate_id="0007"),
    change("扩建", "007", "3", floor_area_m2=120.5),
    figure("year", "4", plan_year=2022, at_least=1),
    figure("total", "5", type_id="", domain="health", units=31),
)


@pytest.mark.parametrize("name", ["again.csv", "again.xlsx"])
def test_round_trips(tmp_path, name):
    first = read(tmp_path, *VARIED)
    write_with_degrees(first, tmp_path / name)
    again = load(tmp_path, source=name, crs=None)
    assert_frame_equal(pd.DataFrame(first.drop(columns="geometry")), pd.DataFrame(again.drop(columns="geometry")),
                       check_dtype=False, check_exact=True)  # fmt: skip
    assert shapely.to_wkb(first.geometry.to_numpy()).tolist() == shapely.to_wkb(again.geometry.to_numpy()).tolist()
    assert list(again["project_id"]) == ["001", "010", "02", "3", "4", "5"]
    assert list(again["candidate_id"]) == ["", "", "0007", "", "", ""]


def test_a_geopackage_round_trip(tmp_path):
    first = read(tmp_path, *VARIED)
    first.to_file(tmp_path / "again.gpkg")
    again = load(tmp_path, source="again.gpkg", crs=None)
    assert_frame_equal(pd.DataFrame(first.drop(columns="geometry")), pd.DataFrame(again.drop(columns="geometry")),
                       check_dtype=False, check_exact=True)  # fmt: skip
    assert shapely.to_wkb(first.geometry.to_numpy()).tolist() == shapely.to_wkb(again.geometry.to_numpy()).tolist()


def test_text_that_looks_like_a_formula_comes_back(tmp_path):
    texts = {"A": "=1+1", "B": "+86 21", "C": "@home", "D": "-x", "E": "-12", "F": "'quoted'", "G": "it's"}
    rows = [row(f"={key}", name=text, 备注=text) for key, text in texts.items()]
    rows += [change("close", "-A", "H")]  # the facility's own id begins with a minus sign
    plain = pd.DataFrame(rows).fillna("")
    text = [name for name in plain if name not in ("x", "y")]
    plain[text] = plain[text].map(csvfiles._defuse)
    plain.to_csv(tmp_path / "ledger.csv", index=False)
    assert "'=A,open," in (tmp_path / "ledger.csv").read_text("utf-8")
    assert "'-A" in (tmp_path / "ledger.csv").read_text("utf-8")
    notes = Notes()
    table = load(tmp_path, notes).set_index("project_id")
    assert {key: table.loc[f"={key}", "name"] for key in texts} == texts
    assert {key: table.loc[f"={key}", "备注"] for key in texts} == texts
    assert table.loc["H", "type_id"] == "pharmacy"
    assert codes(notes) == {"projects.undefused": 8}


def test_what_is_undone_is_what_outputs_write():
    signs = [chr(code) for code in range(1, 0x10000) if not 0xD800 <= code < 0xE000]
    written = [sign for sign in signs if csvfiles.DEFUSED.match(f"'{sign}")]
    assert [sign for sign in signs if projects.DEFUSED.match(f"'{sign}")] == written
    like = {
        sign for sign in signs if unicodedata.normalize("NFKC", sign).replace("\u2212", "-") in ("=", "+", "-", "@")
    }
    assert set(written) == like | {"\t", "\n", "\r"}  # U+2212 is the minus sign


def test_gb18030(tmp_path):
    lines = [
        "编号,做法,类型,状态,方式,街镇,名称,经度,纬度",
        "０１,新建,kindergarten,未启动,规划完善,01,东方幼儿园,121.42,31.17",
    ]
    write_text(tmp_path / "ledger.csv", *lines, encoding="gb18030")
    names = dict(zip(("project_id", "action", "type_id", "status", "means", "town_id", "name", "lon", "lat"),
                     lines[0].split(","), strict=True))  # fmt: skip
    with pytest.raises(InputError, match=r'encoding = "gb18030"'):
        load(tmp_path, crs=None, columns=names)
    centre = gpd.GeoSeries([shapely.Point(121.42, 31.17)], crs=4326).to_crs(UTM)
    near = COMMITTEES.set_geometry(gpd.GeoSeries([centre[0]] * 2, crs=UTM)).assign(area=None)
    notes = Notes()
    table = load(tmp_path, notes, crs=None, encoding="gb18030", columns=names, committees=near)
    assert list(table.iloc[0][["project_id", "action", "status", "means", "name"]]) == [
        *("01", "open", "planned", "new", "东方幼儿园"),
    ]
    assert codes(notes) == {"projects.ids_cleaned": 1}


# rows that only count ----------------------------------------------------------------------------------------------


def test_marginals(tmp_path):
    notes = Notes()
    rows = [
        figure("year", "A", plan_year=2021, units=9),
        figure("means", "B", means="规划完善", units=39),
        figure("means", "C", means="盘活存量"),
        figure("total", "D", type_id="", domain="health", units=31, at_least="true"),
        figure("total", "E", units=39),
    ]
    table = read(tmp_path, *rows, notes=notes)
    assert list(table["marginal"]) == ["year", "means", "means", "total", "total"]
    assert list(table["units"].fillna(-1)) == [9, 39, -1, 31, 39]  # what the source leaves out stays out
    assert list(table["domain"]) == ["education", "education", "education", "health", "education"]
    assert list(table["at_least"]) == [False, False, False, True, False]
    assert codes(notes) == {}


def test_marginals_only_count(tmp_path):
    rows = [
        row("A", marginal="year", plan_year=2021),
        figure("year", "B", plan_year=2021, facility_id="007"),
        figure("year", "C", plan_year=2021, action="close"),
        figure("monthly", "D"),
        figure("year", "E"),
        figure("means", "F"),
        figure("year", "G", plan_year=2021, type_id=""),
        figure("total", "H", type_id=""),
        figure("total", "I", type_id="", domain="helth"),
    ]
    assert faults(tmp_path, *rows) == {
        "rows with a marginal only count, and have no place and no facility_id": ("A", "B"),
        "rows with a marginal only count, and cannot extend, move or close": ("C",),
        '"marginal" has "monthly"': ("D",),
        "figures by year without a year": ("E",),
        "figures by means without means": ("F",),
        '"type_id" is empty': ("G",),
        "neither type_id nor domain": ("H",),
        '"domain" has "helth", not among the standard\'s domains': ("I",),
    }
    with pytest.raises(InputError, match=r'Did you mean "health"'):
        load(tmp_path)


def test_the_domain_follows_from_the_type(tmp_path):
    assert faults(tmp_path, row("A", domain="health"), row("B", domain="education")) == {
        '"domain" is not that of the type': ("A",)
    }


# a ledger without a district ---------------------------------------------------------------------------------------


def test_a_ledger_that_only_counts_needs_no_district(tmp_path):
    notes = Notes()
    rows = [
        row("A", town_id="anywhere", x=0, y=0),
        figure("year", "B", plan_year=2021, units=9),
        change("close", "unheard of", "C"),
        change("move", "unheard of either", "D", **AT),
        nowhere("E"),
    ]
    table = read(tmp_path, *rows, notes=notes, committees=None, facilities=None)
    assert list(table.columns) == [*COLUMNS, "geometry"]
    assert table.geometry.isna().all()
    assert table.crs is None
    assert list(table["type_id"]) == ["kindergarten", "kindergarten", "", "", "kindergarten"]
    assert list(table["domain"]) == ["education", "education", "", "", "education"]
    assert {note.code: note.rows for note in notes.items} == {
        "projects.no_place": ("E",),
        "projects.places_unread": ("A", "D"),
    }


def test_without_a_district_the_other_rules_hold(tmp_path):
    rows = [row("A", type_id="x"), row("B", plan_year=1999), change("move", "F", "C"), row("D", units=2)]
    assert faults(tmp_path, *rows, committees=None, facilities=None) == {
        '"type_id" has "x", not among the standard\'s types': ("A",),
        '"plan_year" is before the plan\'s first year 2021': ("B",),
        "moves without a place": ("C",),
        "several units at one place": ("D",),
    }
    write_text(tmp_path / "ledger.csv", "project_id,action,status")
    table = load(tmp_path, crs=None, committees=None, facilities=None)
    assert list(table.columns) == [*COLUMNS, "geometry"]
    assert table.crs is None
