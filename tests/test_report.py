"""`report`: what its figures say is what the run's files say, and bad folders and names do no harm."""

import csv
import json
import re
import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import openpyxl
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from circle15 import cli
from circle15.errors import InputError
from circle15.report.embedded import LETTER, _rings, _tenths_down, embed
from circle15.report.facts import Facts
from circle15.report.page import number, page_html, script_json, step_of, whole
from circle15.report.reading import read_run
from circle15.report.towns import clock, town_html
from circle15.report.workbook import write_town_workbooks
from planning_kit import Verified
from planning_kit import street as planned_street
from street_kit import REACH, Written, district, standard

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "configs" / "sample.toml"
EVIL = '<script>alert(1)</script>"\'&,;\n=HYPERLINK("http://x")</td>' + "长" * 200
AREAS = {"C1": (0, -50, 700, 50), "C2": (700, -50, 1600, 50), "C3": (1600, -50, 3000, 50)}
THREE = [
    {"committee_id": "C1", "x": 0, "town_id": "T1"},
    {"committee_id": "C2", "x": 1500, "town_id": "T1"},
    {"committee_id": "C3", "x": 2800, "town_id": "T2"},
]
CELLS = [{"x": 0, "total": 10}, {"x": 1500, "total": 20}, {"x": 2800, "total": 40}]


def rows_of(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "csv" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="session")
def sample(sample_run) -> dict[str, Path]:
    """The sample's runs by command."""
    return {name: sample_run(name) for name in ("compute", "verify", "plan")}


def street(folder: Path, committees=THREE, facilities=({"facility_id": "F", "type": "a", "x": 600},), **more) -> Path:
    """F is 600 m from C1, 900 m from C2 and 2,200 m from C3; 1000 m are 15 minutes."""
    text = more.pop("text", standard(REACH, ("a",)))
    return Written(district(folder, text, committees, list(facilities), CELLS, **more)).folder


# facts by hand ------------------------------------------------------------------------------------------------------


def test_items_and_matrix_by_hand(tmp_path):
    facts = Facts(read_run(street(tmp_path)))
    assert facts.items["a"].to_dict() == {"C1": "pass", "C2": "pass", "C3": "fail"}
    assert facts.matrix["a"].to_dict() == {"T1": 1.0, "T2": 0.0}
    assert (facts.towns, facts.headline, [one.id for one in facts.types]) == (["T1", "T2"], ["a"], ["a"])


def test_a_type_without_headline_is_decided_by_the_standards_first(tmp_path):
    """One within 10 minutes comes first in the standard, two within 15 first by id; C1 has one and not two."""
    near = REACH.replace("headline = true", "headline = false")
    text = standard(
        near.replace("a.r", "a.z").replace("minutes = 15", "minutes = 10")
        + "\n"
        + near.replace("a.r", "a.b").replace("minutes = 15", "min_count = 2, minutes = 15"),
        ("a",),
    )
    two = [{"facility_id": f"F{n}", "type": "a", "x": x} for n, x in enumerate((600, 2100, 2200))]
    facts = Facts(read_run(street(tmp_path, facilities=two, text=text)))
    # a.z: 600 m are 9 minutes, and so are they from 1500 to 2100 and from 2800 to 2200
    assert facts.requirement_of == {"a": ["a.z"]}
    assert facts.items["a"].to_dict() == {"C1": "pass", "C2": "pass", "C3": "pass"}
    assert facts.headline == []


def test_what_is_embedded_is_what_the_files_say(sample):
    """Letters, times, gaps and people of the page against the CSV files, read by another reader."""
    for folder in sample.values():
        document = json.loads(script_json(embed(Facts(read_run(folder)))))
        ids = document["committees"]["id"]
        of = {one["id"]: one for one in document["requirements"]}
        for row in rows_of(folder, "verdicts"):
            one, n = of[row["requirement_id"]], ids.index(row["committee_id"])
            assert one["verdict"][n] == LETTER[row["verdict"]]
            assert document["reasons"][one["reason"][n]] == row["reason"]
            if row["time_s"] and row["threshold_s"]:
                limit = float(row["threshold_s"])
                away = one["time"][n] - float(row["time_s"])
                assert -1e-6 <= (away if row["verdict"] == "fail" else -away) < 0.1 + 1e-6  # a fail upwards, else down
                if row["requirement_kind"] == "reach" and row["reason"] in ("within", "too_far"):
                    assert (one["time"][n] <= limit) == (float(row["time_s"]) <= limit)
            else:
                assert (one["time"][n] is None) == (row["time_s"] == "")
            found = one["facility"][n]
            if row["facility_id"]:
                assert document["facilities"]["id"][found] == row["facility_id"]
        gaps = [(ids[c], document["requirements"][r]["id"]) for c, r, *_ in document["gaps"]]
        assert gaps == [(row["committee_id"], row["requirement_id"]) for row in rows_of(folder, "gaps")]
        for number_, row in enumerate(rows_of(folder, "types")):
            letters = document["items"][number_]
            counts = [letters.count(LETTER[v]) for v in ("pass", "fail", "unknown", "exempt")]
            assert counts == [int(row[c]) for c in ("passed", "failed", "unknown", "exempt")]


def test_projects_and_changes_of_a_verification(sample):
    folder = sample["verify"]
    document = embed(Facts(read_run(folder)))
    assert [p["project_id"] for p in document["projects"]] == [r["project_id"] for r in rows_of(folder, "projects")]
    assert len(document["changes"]) == len(rows_of(folder, "changes"))
    assert embed(Facts(read_run(sample["compute"])))["projects"] is None


# small pieces -------------------------------------------------------------------------------------------------------


@given(st.floats(0, 7200, allow_nan=False))
def test_a_clock_never_crosses_a_whole_minute(seconds):
    minutes, rest = map(int, clock(seconds, up=True).split(":"))
    assert 60 * minutes + rest >= seconds - 1e-6
    minutes, rest = map(int, clock(seconds, up=False).split(":"))
    assert 60 * minutes + rest <= seconds + 1e-6


def test_times_and_numbers_as_people_read_them():
    assert [clock(900.04, up=True), clock(899.9, up=False), clock(900, up=True)] == ["15:01", "14:59", "15:00"]
    assert clock(float("nan"), up=True) == "–"
    assert [number(99.99996), number(0.57), number(1234.5), number(None)] == ["99.999", "0.57", "1,234.5", "–"]
    assert [whole(12.0), whole(12345.4), whole(float("nan"))] == ["12", "12,345", "–"]
    assert [step_of(v) for v in (0.0, 0.5, 0.6999, 0.7, 0.9, 0.999999, 1.0, float("nan"))] == [
        0,
        1,
        1,
        2,
        4,
        4,
        5,
        "none",
    ]


def test_shares_are_rounded_down_to_a_tenth():
    assert _tenths_down(np.array([0.57, 0.29, 1.0, 0.999999, 0.0, np.nan])) == [57.0, 29.0, 100.0, 99.9, 0.0, None]


def test_rings_are_the_borders_to_a_metre():
    shape = shapely.Polygon([(10.4, 20.6), (110, 20), (110, 90), (10, 95)], [[(20, 30), (40, 30), (40, 50)]])
    rings = _rings(shape, np.array([5.0, 7.0]))
    assert len(rings) == 2
    for flat, ring in zip(rings, (shape.exterior, *shape.interiors), strict=True):
        steps = np.array(flat).reshape(-1, 2).cumsum(axis=0) + np.array([5, 7])
        assert shapely.LinearRing(steps).hausdorff_distance(ring) <= np.sqrt(0.5) + 1e-9
    assert _rings(None, np.zeros(2)) == []
    assert _rings(shapely.box(0, 0, 0.3, 0.3), np.zeros(2)) == []


# names and bad folders ----------------------------------------------------------------------------------------------


def evil_street(folder: Path, x: float = 600) -> Path:
    committees = [{**one, "name": EVIL, "town_id": "<b>T</b>"} for one in THREE]
    return street(folder, committees, [{"facility_id": "F", "type": "a", "x": x, "name": EVIL}], areas=AREAS)


def test_names_can_break_nothing(tmp_path):
    facts = Facts(read_run(evil_street(tmp_path)))
    text = page_html(facts, "zh")
    assert "<script>alert" not in text
    assert "<b>T</b>" not in text
    assert text.count("</script>") == text.count("<script")
    assert json.loads(script_json({"name": EVIL}))["name"] == EVIL


def test_the_same_run_gives_the_same_files(sample, tmp_path):
    for name in ("a", "b"):
        assert cli.run(["report", str(sample["verify"]), "--out", str(tmp_path / name), "-q", "--lang", "en"]) == 0
    first, second = (json.loads((tmp_path / n / "run.json").read_text("utf-8"))["outputs"] for n in ("a", "b"))
    assert first == second
    assert set(first) >= {"report.html", "report.xlsx", "towns/模拟镇/index.html"}
    assert not (tmp_path / "a" / "csv").exists()
    # every town has a page and a workbook
    towns = {row["town_id"] for row in rows_of(sample["verify"], "towns")}
    assert {name.split("/")[1] for name in first if name.startswith("towns/")} == towns


def test_a_run_without_gaps_and_one_without_facilities(tmp_path):
    near = [{"facility_id": f"F{n}", "type": "a", "x": x} for n, x in enumerate((0, 1500, 2800))]
    whole_folder = street(tmp_path / "whole", facilities=near)
    assert rows_of(whole_folder, "gaps") == []
    none = [{"facility_id": "F", "type": "b", "x": 0}]
    text = standard(REACH, ("a", "b"))
    empty_folder = street(tmp_path / "none", facilities=none, covers=["a", "b"], text=text)
    shutil.rmtree(tmp_path / "zero", ignore_errors=True)
    zero = street(tmp_path / "zero", facilities=[{"facility_id": "F", "type": "b", "x": 0, "opens": 2030}], text=text)
    for folder, rate in ((whole_folder, "100.0 %"), (empty_folder, "0.0 %"), (zero, "–")):
        assert cli.run(["report", str(folder), "--out", str(folder.parent / "r"), "-q"]) == 0
        page = (folder.parent / "r" / "report.html").read_text("utf-8")
        assert f'<div class="figure">{rate}</div>' in page


def cut(folder: Path, document: dict) -> None:
    (folder / "run.json").write_text(json.dumps(document)[:200], "utf-8")


def written(**changes):
    def change(folder: Path, document: dict) -> None:
        kept = {key: value for key, value in {**document, **changes}.items() if value is not None}
        (folder / "run.json").write_text(json.dumps(kept), "utf-8")

    return change


def edit(folder: Path, document: dict) -> None:
    gaps = folder / "csv" / "gaps.csv"
    gaps.write_text(gaps.read_text("utf-8").replace("too_far", "within"), "utf-8")


BROKEN = {
    "no folder": (lambda folder, _: shutil.rmtree(folder), "no such folder"),
    "no manifest": (lambda folder, _: (folder / "run.json").unlink(), "holds no run.json"),
    "half a manifest": (cut, "cannot be read"),
    "another version": (written(format=0, circle15="0.0.9"), "another version of circle15 (0.0.9"),
    "before there were formats": (written(format=None), "format none"),
    "half a folder": (lambda folder, _: (folder / "csv" / "verdicts.csv").unlink(), "verdicts.csv: is missing"),
    "edited": (edit, "gaps.csv: has been changed"),
    "another command": (written(command="suggest"), "a run of suggest"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_bad_folders_are_refused(tmp_path, capsys, case):
    folder = street(tmp_path)
    breaks, wanted = BROKEN[case]
    breaks(folder, json.loads((folder / "run.json").read_text("utf-8")))
    assert cli.run(["report", str(folder), "--out", str(tmp_path / "r"), "-q"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert wanted in err
    assert not (tmp_path / "r").exists()


def test_some_committees_have_an_area_and_no_requirement_counts(tmp_path):
    part = street(tmp_path / "part", areas={"C1": AREAS["C1"]})
    assert cli.run(["report", str(part), "--out", str(tmp_path / "r1"), "-q"]) == 0
    uncounted = standard(REACH.replace("headline = true", "headline = false"), ("a",))
    none = street(tmp_path / "none", text=uncounted, areas=AREAS)
    facts = Facts(read_run(none))
    assert (facts.towns, facts.headline) == (["T1", "T2"], [])
    assert cli.run(["report", str(none), "--out", str(tmp_path / "r2"), "-q"]) == 0
    page = (tmp_path / "r2" / "report.html").read_text("utf-8")
    assert page.count('<td class="uncounted">') == 2  # one type, two towns, and no button that lists gaps


def test_projects_are_told_once_and_counted_by_their_units(tmp_path):
    """Two projects, one of them seven sites; a row of 30 that only counts tells of projects in other rows."""
    rows = [
        {"project_id": "P", "x": 2000, "open_year": 2024, "type_id": "a"},
        {"project_id": "Q", "open_year": 2024, "type_id": "a", "units": 7, "cost": 0.45, "town_id": "T2"},
        {"project_id": "M", "plan_year": 2024, "type_id": "a", "units": 30, "marginal": "year"},
    ]
    config = planned_street(
        tmp_path, standard(REACH, ("a",)), THREE, [{"facility_id": "F", "type": "a", "x": 600}], CELLS,
        projects=rows, sections="[plan]\nyears = [2024, 2025]\n",
    )  # fmt: skip
    facts = Facts(read_run(Verified(config).folder))
    told = {one["project_id"]: (one["units"], one["cost"]) for one in embed(facts)["projects"]}
    assert told == {"P": (1, None), "Q": (7, 0.45)}
    page = town_html(facts, "T2", "en", "report.html")
    assert "(1)</h2>" in page[page.index('id="projects-title"') :].split("\n", 1)[0]  # P lies in T1
    assert "× 7" in page
    assert ">0.45<" in page


def test_a_town_is_told_what_is_asked_of_it(tmp_path):
    """T1 has 10 places for 30 people: 333.3… a thousand, of 500."""
    asked = (
        '{ id = "a.t", kind = "provision", types = ["a"], measure = "capacity", unit = "places", at_least = 500, '
        'per = 1000, scope = "town", clause = "1" },'
    )
    facilities = [{"facility_id": "F", "type": "a", "x": 600, "capacity": 10}]
    folder = street(tmp_path, facilities=facilities, text=standard(f"{REACH}\n{asked}", ("a",)), areas=AREAS)
    page = re.sub(r"\s*<[^>]+>\s*", "|", town_html(Facts(read_run(folder)), "T1", "en", "report.html"))
    section = page.split("What is asked of the town", 1)[1].split("Types", 1)[0]
    assert "333.333" in section
    assert "500" in section
    (tmp_path / "towns").mkdir()
    book = write_town_workbooks(read_run(folder), tmp_path / "towns", "en")["T1"]
    cells = [
        cell for sheet in openpyxl.load_workbook(book) for row in sheet.iter_rows(values_only=True) for cell in row
    ]
    assert "a.t" in cells


def test_a_ledger_alone_has_a_workbook_and_no_page(tmp_path, capsys):
    run = tmp_path / "plan"
    plans = ROOT / "configs" / "plans" / "pudong-2021-2023.toml"
    assert cli.run(["plan", str(plans), "--out", str(run), "-q"]) == 0
    capsys.readouterr()
    assert cli.run(["report", str(run), "--out", str(tmp_path / "r"), "--figures"]) == 0
    out, err = capsys.readouterr()
    assert out.split() == [str(tmp_path / "r" / "report.xlsx")]
    assert "only counts a ledger" in err
    assert sorted(p.name for p in (tmp_path / "r").iterdir()) == ["report.xlsx", "run.json"]


def test_figures_that_do_not_add_up_are_refused(tmp_path):
    """A folder whose hashes fit, but whose tables contradict each other: nobody gets a page of it."""
    run = read_run(street(tmp_path))
    types = run.tables["types"].assign(passed=3.0, failed=0.0)
    with pytest.raises(InputError, match="differ in how many items are pass"):
        embed(Facts(type(run)(run.folder, run.document, {**run.tables, "types": types}, run.layers)))


def test_a_report_replaces_no_run(tmp_path, capsys):
    folder = street(tmp_path)
    before = (folder / "run.json").read_bytes()
    assert cli.run(["report", str(folder), "--out", str(folder), "-q"]) == 5
    assert "holds a run of circle15 compute" in capsys.readouterr().err
    assert (folder / "run.json").read_bytes() == before


def test_layers_come_back_as_they_were(sample):
    run = read_run(sample["compute"])
    own = gpd.read_file(sample["compute"] / "circle15.gpkg", layer="committees")
    assert run.layers["committees"]["committee_id"].tolist() == own["committee_id"].tolist()
    points = len(gpd.read_file(sample["compute"] / "circle15.gpkg", layer="facilities"))
    areas = len(gpd.read_file(sample["compute"] / "circle15.gpkg", layer="facility_areas"))
    assert len(run.layers["facilities"]) == points + areas
    assert run.layers["facilities"]["facility_id"].is_unique
