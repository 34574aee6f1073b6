"""What a hunt for wrong answers of `suggest`, `verify` and `plan` found, each held by an answer worked out by hand."""

import json
import os

import pytest

from circle15 import cli
from planning_kit import Planned, Suggested, Verified, read_csv, street
from street_kit import REACH, standard

CATCHMENT = (
    '{ id = "a.c", kind = "provision", types = ["a"], scope = "committee", measure = "capacity", unit = "places", '
    'at_least = 100, method = "2sfca", minutes = 15, mode = "walk", headline = true, clause = "1" },'
)
C1, C2, C3 = ({"committee_id": f"C{n}", "x": x} for n, x in ((1, 0), (2, 1400), (3, 2800)))
F0 = {"facility_id": "F0", "type": "a", "x": 0}
PLAN = "[plan]\nyears = [2024, 2025, 2026]\n"
NO_SHARE = "started_percent = []\n"


def opening(name: str, x: float, **more) -> dict:
    return {"project_id": name, "type_id": "a", "x": x, **more}


def test_a_site_that_only_empty_cells_reach_spoils_no_other(tmp_path):
    """K is within reach of the cell at 2000 alone, where nobody lives; L gives the 20 people of C3 5 places: 250 per
    1000."""
    cells = [{"x": 0, "total": 10}, {"x": 2900, "total": 20}, {"x": 2000, "total": 0}]
    facilities = [{"facility_id": "F", "type": "a", "x": 0, "capacity": 10}]
    sites = [{"candidate_id": "K", "x": 1050}, {"candidate_id": "L", "x": 2700}]
    own = [C1, {"committee_id": "C3", "x": 2800}]
    sections = "[suggest.types.a]\ncapacity = 5\n"
    config = street(tmp_path, standard(CATCHMENT), own, facilities, cells, candidates=sites, sections=sections)
    run = Suggested(config)
    assert run.reasons() == {("C3", "a.c"): ""}
    assert run.projects == ["L/a"]


def test_what_opens_later_has_not_been_reached(tmp_path):
    """In 2024 C1 alone has a facility: one of three items. The files open the other two in 2026."""
    later = [{"facility_id": f"F{n}", "type": "a", "x": x, "opens": 2026} for n, x in ((1, 1400), (2, 2800))]
    config = street(tmp_path, standard(REACH), [C1, C2, C3], [F0, *later], projects=[opening("P", 1500)], sections=PLAN)
    run = Planned(config, as_of=2024)
    row = run.milestone("reach_2026")
    assert (row.value, row.counted, row.missing) == (pytest.approx(100 / 3), 1, 2)
    assert (row.verdict, row.reason) == ("exempt", "not_due")


def test_a_target_that_is_met_exactly(tmp_path):
    """7 of 25 items are 28 %; 100 · 7 ÷ 25 is a hair more or less in floats, and none is missing."""
    committees = [{"committee_id": f"C{n:02}", "x": 100 if n < 7 else 2900, "y": n} for n in range(25)]
    text = standard(REACH).replace("percent = 100", "percent = 28")
    config = street(tmp_path, text, committees, [F0], projects=[], sections=PLAN)
    row = Planned(config, as_of=2026).milestone("reach_2026")
    assert (row.counted, row.missing, row.verdict) == (7, 0, "pass")


def test_nothing_is_scheduled_into_the_past(tmp_path):
    """In 2026 nothing can start in 2024 any more, and what couldn't start then isn't late."""
    config = street(
        tmp_path, standard(REACH), [C1, C2], [F0], projects=[opening("P", 1500), opening("Q", 600)], sections=PLAN
    )
    run = Planned(config, as_of=2026)
    assert run.starts() == {"P": 2026, "Q": 2026}
    assert not run.table("projects").late.any()


def test_projects_find_their_town(tmp_path):
    """P stands in T2, whose gap it closes; F0 is T1's, and its closure T1's loss."""
    own = [{**C1, "town_id": "T1"}, {**C3, "town_id": "T2"}]
    rows = [
        opening("P", 2700, open_year=2025),
        {"project_id": "Q", "action": "close", "facility_id": "F0", "open_year": 2025},
    ]
    run = Planned(street(tmp_path, standard(REACH), own, [F0], projects=rows, sections=PLAN))
    towns = {name: list(read_csv(run.folder / "towns" / name / "projects.csv").project_id) for name in ("T1", "T2")}
    assert towns == {"T1": ["Q"], "T2": ["P"]}
    assert "No project in this town" not in run.page("T1") + run.page("T2")


def test_a_fixed_project_opens_when_it_says(tmp_path):
    """P starts in 2026 and opens in 2028: the 40 people at 2700 are in no year of the programme."""
    cells = [{"x": 1500, "total": 20}, {"x": 2700, "total": 40}]
    rows = [opening("P", 2800, start_year=2026, open_year=2028), opening("Q", 1400)]
    run = Planned(street(tmp_path, standard(REACH), [C2, C3], [F0], cells, projects=rows, sections=PLAN + NO_SHARE))
    assert run.table("programme").people.tolist() == [20, 20, 20]


def test_what_is_fixed_is_paid_first(tmp_path):
    """P takes all of 2024's budget and more; Q has that of 2025."""
    rows = [opening("P", 1500, plan_year=2024, cost=5), opening("Q", 600, cost=1)]
    sections = f"{PLAN}budgets = [3, 3, 3]\nstarted_percent = []\n"
    run = Planned(street(tmp_path, standard(REACH), [C1, C2], [F0], projects=rows, sections=sections))
    assert dict(zip(run.table("ledger").project_id, run.table("ledger").plan_year, strict=True)) == {
        "P": 2024,
        "Q": 2025,
    }
    assert run.codes()["plan.over_budget"] == 1


def test_a_verdict_from_the_field_is_no_projects_merit(tmp_path):
    """C3 passes since somebody said so; without P it passes as well."""
    overrides = [["C3", "a", "pass", "me", "2023-01-01", "there is one"]]
    rows = [opening("P", 2700, open_year=2025)]
    config = street(tmp_path, standard(REACH), [C1, C3], [F0], projects=rows, sections=PLAN, overrides=overrides)
    run = Verified(config)
    assert run.part("P") == {}
    assert run.projects.loc["P", "redundant_for_reach"]


def test_of_a_type_that_nobody_covers_nothing_is_said(tmp_path):
    rows = [opening("P", 2700, open_year=2025, type_id="b")]
    config = street(tmp_path, standard(REACH), [C1, C3], [F0], projects=rows, sections=PLAN)
    run = Verified(config)
    assert not run.projects.loc["P", "redundant_for_reach"]
    assert run.codes()["projects.not_covered"] == 1


def test_other_towns_sites_are_named_as_the_reason(tmp_path):
    """K is T1's own and takes b alone; L takes a, and is T2's."""
    own = [{**C1, "town_id": "T1"}, {**C3, "town_id": "T2"}]
    facilities = [{"facility_id": "F", "type": "a", "x": 2800}, {"facility_id": "G", "type": "b", "x": 0}]
    sites = [
        {"candidate_id": "K", "x": 100, "types": "b", "town_id": "T1"},
        {"candidate_id": "L", "x": 200, "types": "a", "town_id": "T2"},
    ]
    config = street(tmp_path, standard(REACH), own, facilities, candidates=sites)
    assert Suggested(config, by_town=True).reasons() == {("C1", "a.r"): "other_town"}
    assert Suggested(config, out="both").reasons() == {("C1", "a.r"): ""}


def run_cli(*arguments: object) -> int:
    return cli.run([*map(str, arguments), "--no-cache", "-q"])


def test_nothing_is_lost_in_a_folder_that_holds_something_else(tmp_path, capsys):
    """Another command's run, a ledger that was edited, and one that is being read."""
    sites = [{"candidate_id": "K", "x": 2700}]
    config = street(tmp_path, standard(REACH), [C1, C3], [F0], candidates=sites)
    out = tmp_path / "out"
    assert run_cli("compute", config, "--out", out) == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert run_cli("suggest", config, "--out", out) == 5
    assert "holds a run of circle15 compute" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before

    other = tmp_path / "other"
    assert run_cli("suggest", config, "--out", other) == 0
    assert run_cli("suggest", config, "--out", other) == 0  # its own earlier run
    ledger = other / "csv" / "suggestions.csv"
    ledger.write_text(ledger.read_text("utf-8").replace("planned", "started"), "utf-8")
    capsys.readouterr()
    assert run_cli("suggest", config, "--out", other) == 5
    err = capsys.readouterr().err
    assert "suggestions.csv" in err
    assert "was edited" in err
    assert "started" in ledger.read_text("utf-8")


def test_a_ledger_is_not_replaced_by_the_run_that_reads_it(tmp_path, capsys):
    rows = [opening("P", 2700, open_year=2025)]
    config = street(tmp_path, standard(REACH), [C1, C3], [F0], projects=rows, sections=PLAN)
    run = Planned(config)
    own = os.path.relpath(run.folder / "csv" / "ledger.csv", tmp_path)
    again = tmp_path / "again.toml"
    text = config.read_text("utf-8").replace('source = "ledger.csv"\ncrs = "EPSG:32651"', f'source = "{own}"')
    again.write_text(text, "utf-8")
    assert run_cli("plan", again, "--out", run.folder) == 5
    assert "is read by this run" in capsys.readouterr().err
    assert run_cli("plan", again, "--out", tmp_path / "elsewhere") == 0
    assert json.loads((tmp_path / "elsewhere" / "run.json").read_text("utf-8"))["command"] == "plan"
