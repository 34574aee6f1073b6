"""`verify`: what a ledger does to a district, by hand on the street, and the same as a detection of it all."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from circle15 import cli, pipeline
from circle15.config import load_config
from planning_kit import Suggested, Verified, detection_of, read_csv, street, with_ledger
from street_kit import REACH, X0, Y0, Quiet, standard

ROOT = Path(__file__).parents[1]
THREE = [{"committee_id": "C1", "x": 0}, {"committee_id": "C2", "x": 1500}, {"committee_id": "C3", "x": 2800}]
F = {"facility_id": "F", "type": "a", "x": 600}
"""600 m from C1 and 900 m from C2; C3 has a gap."""
FB = {"facility_id": "FB", "type": "b", "x": 1450}
"""Of b: C2 has it at 50 m, C1 and C3 don't (1450 and 1350 m)."""
REACH_B = REACH.replace("a.r", "b.r").replace('"a"', '"b"') + "\n"
CELLS = [{"x": 0, "total": 10}, {"x": 100, "total": 5}, {"x": 1500, "total": 20}, {"x": 2800, "total": 40}]
PLAN = "[plan]\nyears = [2024, 2025, 2026]\n"


def project(project_id: str, x: float | None = None, year: int | None = 2024, **more) -> dict:
    row = {"project_id": project_id, "x": x, "open_year": year, "type_id": "a", **more}
    return {name: value for name, value in row.items() if value is not None}


def close(project_id: str, facility_id: str = "F", year: int = 2024) -> dict:
    return {"project_id": project_id, "action": "close", "facility_id": facility_id, "open_year": year}


def run_of(folder: Path, projects, rules: str = REACH, committees=THREE, facilities=(F,), **more) -> Verified:
    options = {name: more.pop(name) for name in ("as_of_run", "statuses", "cache") if name in more}
    if "as_of_run" in options:
        options["as_of"] = options.pop("as_of_run")
    cells, sections = more.pop("cells", CELLS), more.pop("sections", PLAN)
    text = rules if "requirements = [" in rules else standard(rules)
    config = street(folder, text, committees, list(facilities), cells, projects=projects, sections=sections, **more)
    return Verified(config, **options)


def line(text: str) -> str:
    return " ".join(text.split()) + "\n"


# what each action does ----------------------------------------------------------------------------------------------


def test_opening_closes_a_gap(tmp_path):
    """P at 2000 is 800 m from C3, whom nothing else serves, and 500 m from C2, who has F."""
    run = run_of(tmp_path, [project("P", 2000)])
    assert run.status() == {("C3", "a"): "closed"}
    assert run.passed() == {"before": 2, "2024": 3}
    # 40 people are new; the 20 of C2 have F, too
    assert run.part("P") == {"closes": 1, "decides": 1, "people": 40, "people_alone": 40}
    assert not run.projects.redundant_for_reach["P"]
    row = run.table("changes").iloc[0]
    assert (row.before, row.after, row.reason_before, row.reason_after) == ("fail", "pass", "too_far", "within")
    assert (row.time_before_s, row.time_after_s) == (pytest.approx(2200 * 0.9, abs=0.1), pytest.approx(720, abs=0.1))
    assert (row.facility_before, row.facility_after, row.population) == ("F", "P", 40)
    assert (row.covered_before, row.covered_after) == (0, 40)


def test_closing_opens_gaps(tmp_path):
    run = run_of(tmp_path, [close("P")])
    assert run.status() == {("C1", "a"): "opened", ("C2", "a"): "opened", ("C3", "a"): "left"}
    assert run.passed() == {"before": 2, "2024": 0}
    assert run.part("P") == {"opens": 2, "people_lost": 35}
    assert not run.projects.redundant_for_reach["P"]


def test_moving_opens_one_gap_and_closes_another(tmp_path):
    """F goes from 600 to 1900: C1 loses it, C2 has it either way, C3 is 900 m off and gets it."""
    move = {"project_id": "P", "action": "move", "facility_id": "F", "x": 1900, "open_year": 2024}
    run = run_of(tmp_path, [move], facilities=[F, FB])
    assert run.status() == {("C1", "a"): "opened", ("C3", "a"): "closed"}
    assert run.passed() == {"before": 2, "2024": 2}
    # of the 60 within 1000 m of 1900, the 20 at 1500 would have F at 600, were it not moved
    assert run.part("P") == {"closes": 1, "decides": 1, "opens": 1, "people": 40, "people_alone": 40, "people_lost": 15}
    assert run.verdict("a.r", "C2") == "pass"


def test_a_move_that_changes_nothing_is_redundant(tmp_path):
    """From 600 to 610: left out, the facility stays where it was and serves the same people."""
    move = {"project_id": "P", "action": "move", "facility_id": "F", "x": 610, "open_year": 2024}
    assert run_of(tmp_path / "nobody", [move], cells=None).projects.redundant_for_reach["P"]
    run = run_of(tmp_path, [move], facilities=[F, FB])
    assert run.status() == {("C3", "a"): "left"}
    assert run.part("P") == {}
    assert run.projects.redundant_for_reach["P"]


def test_a_closing_that_others_make_up_for(tmp_path):
    """P at 700 comes for F at 600: nobody loses anything, and without P two gaps would open."""
    run = run_of(tmp_path, [close("Q"), project("P", 700)])
    assert run.status() == {("C3", "a"): "left"}
    assert run.part("Q") == {}
    # P closes no gap that was there; C1 (700 m) and C2 (800 m) would be gaps without it, and their 35 people, too
    assert run.part("P") == {"decides": 2, "people_alone": 35}
    assert not run.projects.redundant_for_reach["P"]


def test_closing_what_provides_another_type(tmp_path):
    own = standard(REACH + "\n" + REACH.replace("a.r", "p.r").replace('"a"', '"p"'), ("a", "p"), {"p": ["a"]})
    p = {"facility_id": "F", "type": "p", "x": 0}
    run = run_of(tmp_path, [close("P")], rules=own, committees=THREE[:1], facilities=[p], covers=["a", "p"])
    assert run.status() == {("C1", "a"): "opened", ("C1", "p"): "opened"}
    assert run.part("P")["opens"] == 2


BEDS = line("""{ id = "a.c", kind = "provision", types = ["a"], measure = "capacity", unit = "beds", at_least = 100,
    scope = "committee", method = "2sfca", minutes = 15, mode = "walk", headline = true, clause = "1" },""")
AREA = line("""{ id = "a.f", kind = "provision", types = ["a"], measure = "floor_area_m2", unit = "m²", at_least = 40,
    scope = "town", clause = "1" },""")


def test_extending_adds_what_is_missing(tmp_path):
    """F's 1 + 2 beds are shared by the 35 people within 1000 m: 28.6 and 85.7 per 1000; half a bed more is enough.

    40 m² per 1000 people are 3 m² for all 75; 1 m² is there, and 2 come.
    """
    facility = {**F, "capacity": 1, "floor_area_m2": 1}
    first = {"project_id": "P", "action": "extend", "facility_id": "F", "capacity": 2, "open_year": 2024}
    second = {**first, "project_id": "Q", "capacity": 0.5, "floor_area_m2": 2, "open_year": 2025}
    rules = REACH + "\n" + BEDS + AREA
    run = run_of(tmp_path, [first, second], rules=rules, facilities=[facility])
    values = run.table("verdicts").query("requirement_id == 'a.c'").set_index("committee_id")
    assert values.value.to_dict() == pytest.approx({"C1": 100, "C2": 100, "C3": 0})
    before = run.table("verdicts_before").query("requirement_id == 'a.c'").set_index("committee_id")
    assert before.value.to_dict() == pytest.approx({"C1": 1000 / 35, "C2": 1000 / 35, "C3": 0}, abs=1e-3)
    assert run.status() == {("C1", "a"): "closed", ("C2", "a"): "closed", ("C3", "a"): "left"}
    assert run.passed() == {"before": 0, "2024": 0, "2025": 2}
    assert run.part("P") == run.part("Q") == {}  # of reach they change nothing
    assert not run.projects.redundant_for_reach.any()  # and may be needed for what they add
    towns = run.table("requirements").query("requirement_id == 'a.f' and scope == 'town'").iloc[0]
    assert (towns.value, towns.verdict) == (40, "pass")
    towns = run.table("requirements_before").query("requirement_id == 'a.f' and scope == 'town'").iloc[0]
    assert (towns.value, towns.verdict) == (pytest.approx(1000 / 75, abs=1e-3), "fail")
    assert run.projects.loc["P"].type_id == "a"  # filled in from the facility


def test_extending_what_is_not_known(tmp_path):
    extend = {"project_id": "P", "action": "extend", "facility_id": "F", "capacity": 9, "open_year": 2024}
    run = run_of(tmp_path, [extend], rules=REACH + "\n" + BEDS)
    assert run.codes()["projects.extends_unknown"] == 1
    assert run.verdict("a.c", "C1") == "unknown"


def test_towns_lose_and_get_facilities(tmp_path):
    rules = REACH + '\n{ id = "a.p", kind = "presence", types = ["a"], scope = "town", clause = "1" },\n'
    committees = [THREE[0], {**THREE[2], "town_id": "T2"}]
    move = {"project_id": "P", "action": "move", "facility_id": "F", "x": 2500, "open_year": 2024, "town_id": "T2"}
    run = run_of(tmp_path, [move], rules=rules, committees=committees)

    def towns(name: str) -> dict:
        rows = run.table(name)
        rows = rows[(rows.requirement_id == "a.p") & (rows.scope == "town")]
        return dict(zip(rows.scope_id, rows.verdict, strict=True))

    assert towns("requirements_before") == {"T1": "pass", "T2": "fail"}
    assert towns("requirements") == {"T1": "fail", "T2": "pass"}


# contributions ------------------------------------------------------------------------------------------------------


def test_two_that_do_the_same_are_both_redundant(tmp_path):
    """Either of them would do: both help to close the gap, none of them decides it. R is later and has no part."""
    run = run_of(tmp_path, [project("P", 2000), project("Q", 2100), project("R", 2200, 2026)], as_of_run=2025)
    assert list(run.projects.applied) == [True, True, False]
    assert pd.isna(run.projects.loc["R", "closes"])
    for name in ("P", "Q"):
        assert run.part(name) == {"closes": 1, "people": 40}
        assert run.projects.redundant_for_reach[name]


@pytest.mark.parametrize("there", [0, 1, 2])
def test_where_two_are_asked_for(tmp_path, there):
    """C1 needs two and has none, one or two; two come. Only without any is each of them needed."""
    twice = REACH.replace("clause", "min_count = 2, clause")
    facilities = [{**F, "facility_id": f"F{n}"} for n in range(there)] + [{**F, "facility_id": "G", "x": 2900}]
    run = run_of(
        tmp_path,
        [project("P", 500), project("Q", 700)],
        rules=twice,
        committees=THREE[:1],
        facilities=facilities,
        cells=CELLS[:2],
    )
    assert run.status() == ({("C1", "a"): "closed"} if there < 2 else {})
    wanted = {
        0: {"closes": 1, "decides": 1, "people": 15, "people_alone": 15},
        1: {"closes": 1, "people": 15},
        2: {},
    }
    for name in ("P", "Q"):
        assert run.part(name) == wanted[there]
        assert run.projects.redundant_for_reach[name] == (there > 0)


def test_people_who_live_elsewhere_than_the_centre(tmp_path):
    """C2 passes, and of its people those at 1700 are 1100 m from F: P closes no gap, and 7 people would miss it."""
    cells = [{"x": 1500, "total": 10}, {"x": 1700, "total": 7}]
    run = run_of(tmp_path, [project("P", 2600)], committees=THREE[:2], cells=cells)
    assert run.status() == {}
    assert run.part("P") == {"people": 7, "people_alone": 7}
    assert not run.projects.redundant_for_reach["P"]


# years, statuses, rows that don't count -----------------------------------------------------------------------------

LEDGER = [
    project("P", 2000, 2024, status="done"),
    project("Q", 2700, 2025, type_id="b", status="started"),
    project("R", 100, None, type_id="b", plan_year=2026),
]
TWO = REACH + "\n" + REACH_B


def years(folder, **more) -> Verified:
    return run_of(folder, LEDGER, rules=TWO, facilities=[F, FB], **more)


def test_effects_year_by_year(tmp_path):
    """Before: a in C1 and C2, b in C2. P brings a to C3, Q b to C3, R b to C1."""
    run = years(tmp_path)
    assert run.passed() == {"before": 3, "2024": 4, "2025": 5, "2026": 6}
    assert run.found.as_of == 2026
    effects = run.table("effects")
    rates = effects[effects.by == "district"].item_rate.tolist()
    assert rates == pytest.approx([3 / 6, 4 / 6, 5 / 6, 1], abs=1e-6)
    types = effects[(effects.by == "type") & (effects.key == "b")]
    assert types.year.fillna(0).tolist() == [0, 2024, 2025, 2026]
    assert types.passed.tolist() == [1, 1, 2, 3]
    assert types.passed_more.tolist() == [0, 0, 1, 2]
    # person × type pairs: before, 35 of 75 have a and 20 have b; C1's cells at 0 and 100 get b from R
    people = effects[effects.by == "district"].population_covered.tolist()
    assert people == [55, 95, 135, 150]
    assert run.manifest["verify"]["years"] == [2024, 2025, 2026]


def test_a_type_that_is_only_reported_has_its_years_too(tmp_path):
    soft = REACH_B.replace("headline = true", "headline = false")
    run = run_of(tmp_path, LEDGER, rules=REACH + "\n" + soft, facilities=[F, FB])
    effects = run.table("effects")
    types = effects[(effects.by == "type") & (effects.key == "b")]
    assert types.year.fillna(0).tolist() == [0, 2024, 2025, 2026]
    assert types.passed.tolist() == [1, 1, 2, 3]


def test_an_earlier_year(tmp_path):
    run = years(tmp_path, as_of_run=2024)
    assert run.passed() == {"before": 3, "2024": 4}
    assert run.codes()["projects.later"] == 2
    assert list(run.projects.applied) == [True, False, False]
    none = years(tmp_path / "none", as_of_run=2023)
    assert none.passed() == {"before": 3, "2023": 3}
    assert none.status() == {("C1", "b"): "left", ("C3", "a"): "left", ("C3", "b"): "left"}


def test_only_what_is_of_a_status(tmp_path):
    run = years(tmp_path, statuses=["done", "planned"])
    assert run.passed() == {"before": 3, "2024": 4, "2026": 5}
    assert run.codes()["projects.other_status"] == 1
    assert list(run.projects.applied) == [True, False, True]


def test_projects_without_a_year_count_from_the_plans_last(tmp_path):
    """Without [plan] its years are the three after 2023."""
    run = run_of(tmp_path, [project("P", 2000, None)], sections="")
    assert run.passed() == {"before": 2, "2026": 3}
    assert run.codes()["projects.undated"] == 1


def test_rows_without_a_place_and_rows_that_only_count(tmp_path):
    rows = [project("P", 2000), project("N"), project("M", marginal="year", plan_year=2024, units=7)]
    run = run_of(tmp_path, rows)
    assert run.passed() == {"before": 2, "2024": 3}
    codes = run.codes()
    assert (codes["projects.no_place"], codes["projects.marginal"]) == (1, 1)
    assert list(run.projects.applied[["P", "N", "M"]]) == [True, False, False]


def test_a_project_in_a_host_is_where_the_host_is(tmp_path):
    host = {"facility_id": "H", "type": "b", "x": 2500}
    run = run_of(tmp_path, [project("P", facility_id="H")], facilities=[F, host])
    assert run.status() == {("C3", "a"): "closed"}
    assert run.codes()["projects.host_place"] == 1


def test_the_ledgers_other_columns_change_nothing(tmp_path):
    """People keep columns of their own in a ledger, and circle15 does: none of them is a fact of the new facility."""
    total = line("""{ id = "a.t", kind = "total", types = ["a"], measure = "count", unit = "x", at_least = 1,
        since = 2024, due = 2026, clause = "1" },""")
    plain = run_of(tmp_path / "plain", [project("P", 2000)], rules=REACH + "\n" + total)
    assert plain.table("requirements").query("requirement_id == 'a.t'").value.item() == 1
    own = {"source": "区教育局", "opens": 0, "closes": 1, "on_network": "x", "people": 3}
    other = run_of(tmp_path / "other", [project("P", 2000, **own)], rules=REACH + "\n" + total)
    for name in ("verdicts", "requirements", "changes"):
        assert other.bytes_of(f"csv/{name}.csv") == plain.bytes_of(f"csv/{name}.csv"), name
    assert other.part("P") == plain.part("P") == {"closes": 1, "decides": 1, "people": 40, "people_alone": 40}


def test_what_it_writes_can_be_its_ledger(tmp_path):
    """csv/projects.csv has what each project contributed, and is a ledger all the same."""
    total = line("""{ id = "a.t", kind = "total", types = ["a"], measure = "count", unit = "x", at_least = 1,
        since = 2024, due = 2026, clause = "1" },""")
    first = run_of(tmp_path, [project("P", 2000), close("Q")], rules=REACH + "\n" + total)
    again = Verified(with_ledger(tmp_path / "config.toml", "out-verify/csv/projects.csv", more=PLAN), out="again")
    for name in ("verdicts", "requirements", "changes", "projects"):
        assert again.bytes_of(f"csv/{name}.csv") == first.bytes_of(f"csv/{name}.csv"), name


# the same as a detection --------------------------------------------------------------------------------------------

SHARED = ("verdicts", "requirements", "gaps", "types", "domains", "towns", "zones", "district", "targets")


def detected(config: Path, out: str, **options) -> Path:
    folder = config.parent / out
    pipeline.compute(load_config(config), out=folder, progress=Quiet(), **options)
    return folder / "csv"


def test_an_empty_ledger_is_a_detection(tmp_path):
    rules = TWO + BEDS + AREA
    facilities = [{**F, "capacity": 3, "floor_area_m2": 10}, FB]
    run = run_of(tmp_path, [], rules=rules, facilities=facilities)
    plain = detected(tmp_path / "config.toml", "plain")
    for name in SHARED:
        assert run.bytes_of(f"csv/{name}.csv") == (plain / f"{name}.csv").read_bytes(), name
    assert run.bytes_of("csv/verdicts_before.csv") == run.bytes_of("csv/verdicts.csv")
    assert set(run.status().values()) == {"left"}
    # of a: 3 beds for 35 people are fewer than 100 per 1000, so nobody passes; of b C2 does
    assert run.passed() == {"before": 1, "2023": 1}
    assert run.projects.empty


def test_a_ledger_is_a_detection_of_the_merged_facilities(tmp_path):
    """All four actions, and the files as they would be changed by hand; P's place is one that a CSV can hold."""
    facilities = [{**F, "capacity": 3}, FB, {**FB, "facility_id": "FC", "x": 40}, {**F, "facility_id": "FD", "x": 900}]
    ledger = [
        project("P", 2000.123, 2024, capacity=4, name="x"),
        {"project_id": "M", "action": "move", "facility_id": "FC", "x": 2345.6, "open_year": 2025},
        {"project_id": "E", "action": "extend", "facility_id": "F", "capacity": 2, "open_year": 2025},
        close("Z", "FD", 2026),
    ]
    rules = TWO + BEDS + AREA
    run = run_of(tmp_path, ledger, rules=rules, facilities=facilities)
    at = run.projects
    files = pd.DataFrame([{**one, "y": Y0, "x": X0 + one["x"]} for one in facilities if one["facility_id"] != "FD"])
    files.loc[files.facility_id == "F", "capacity"] = 5
    moved = files.facility_id == "FC"
    opened = pd.DataFrame([{"facility_id": "P", "type": "a", "capacity": 4, "opens": 2024, "name": "x"}])
    for table, one, mask in ((files, "M", moved), (opened, "P", [True])):
        degrees = read_csv(run.folder / "csv" / "projects.csv").set_index("project_id").loc[one]
        table.loc[mask, "lon"], table.loc[mask, "lat"] = degrees.lon, degrees.lat
    files[~moved].drop(columns=["lon", "lat"]).to_csv(tmp_path / "facilities.csv", index=False)
    pd.concat([opened, files[moved].drop(columns=["x", "y"])]).to_csv(tmp_path / "more.csv", index=False)
    more = '[[facilities]]\nsource = "more.csv"\ntype_column = "type"\ncovers = []\n'
    merged = tmp_path / "merged.toml"
    merged.write_text((tmp_path / "config.toml").read_text("utf-8").split("[projects]")[0] + more, "utf-8")
    plain = detected(merged, "plain", as_of=2026)
    for name in SHARED:
        assert run.bytes_of(f"csv/{name}.csv") == (plain / f"{name}.csv").read_bytes(), name
    assert at.applied.all()


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    shutil.copytree(ROOT / "data" / "sample", folder / "data" / "sample")
    (folder / "configs").mkdir()
    (folder / "configs" / "sample.toml").write_text(detection_of(ROOT / "configs" / "sample.toml"), "utf-8")
    return folder / "configs" / "sample.toml"


def test_the_sample_with_an_empty_ledger(sample):
    """All tables but the targets: those that count projects are judged by the ledger, which no detection knows."""
    (sample.parent / "empty.csv").write_text("project_id,action,status,lon,lat\n", "utf-8")
    run = Verified(with_ledger(sample, "empty.csv", "empty.toml"), out="empty")
    plain = detected(sample, "plain")
    for name in SHARED[:-1]:
        assert run.bytes_of(f"csv/{name}.csv") == (plain / f"{name}.csv").read_bytes(), name


def test_the_sample_with_what_is_suggested(sample):
    """Opened sites as one more source; a school is closed, a bus stop moved, a shop extended, each in its own file."""
    data = sample.parent.parent / "data" / "sample"
    schools, stops = (pd.read_csv(data / f"{name}.csv", dtype={"id": str}) for name in ("schools", "bus_stops"))
    shops = pd.read_csv(data / "shops_gb18030.csv", dtype={"编号": str}, encoding="gb18030")
    school, stop = schools.id[3], stops.id[2]
    shop = shops[shops["建筑面积"].notna()]["编号"].iloc[0]
    lon, lat = 121.6066001, 31.1011002
    suggested = Suggested(sample).suggestions
    others = [
        {"project_id": "z1", "action": "close", "facility_id": school},
        {"project_id": "z2", "action": "move", "facility_id": stop, "lon": lon, "lat": lat},
        {"project_id": "z3", "action": "extend", "facility_id": shop, "floor_area_m2": 55},
    ]
    ledger = pd.concat([suggested, pd.DataFrame(others).assign(open_year=2024, status="planned")])
    ledger.to_csv(sample.parent / "ledger.csv", index=False)
    run = Verified(with_ledger(sample, "ledger.csv", "ledger.toml"), out="ledger")
    assert run.projects.applied.all()

    folder = sample.parent.parent / "merged"
    here = folder / "data" / "sample"
    shutil.copytree(data, here)
    (folder / "configs").mkdir()
    schools.loc[schools.id == school, "closes"] = 2024
    schools.to_csv(here / "schools.csv", index=False)
    stops.loc[stops.id == stop, ["lon", "lat"]] = [lon, lat]
    stops.to_csv(here / "bus_stops.csv", index=False)
    shops.loc[shops["编号"] == shop, "建筑面积"] += 55
    shops.to_csv(here / "shops_gb18030.csv", index=False, encoding="gb18030")
    names = {"project_id": "facility_id", "type_id": "type"}
    columns = ["project_id", "type_id", "name", "capacity", "floor_area_m2", "lon", "lat"]
    opened = suggested[columns].rename(columns=names).assign(opens=2026)
    opened.to_csv(folder / "opened.csv", index=False)
    more = '[[facilities]]\nsource = "../opened.csv"\ntype_column = "type"\ncovers = []\n'
    (folder / "configs" / "sample.toml").write_text(f"{sample.read_text('utf-8')}\n{more}", "utf-8")
    plain = detected(folder / "configs" / "sample.toml", "plain", as_of=2026)
    for name in SHARED[:-1]:
        assert run.bytes_of(f"csv/{name}.csv") == (plain / f"{name}.csv").read_bytes(), name


# properties ---------------------------------------------------------------------------------------------------------

TYPES = ("a", "b", "c", "d")
PLACES = st.lists(st.integers(0, 28), min_size=1, max_size=5)
TOWN = st.tuples(PLACES, *[st.tuples(PLACES, PLACES)] * len(TYPES))
"""Committees, and for each type what is there and what may come: many small cases in one run."""
RANK = {"fail": 0, "unknown": 1, "pass": 2}
PROPERTY = settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],
)


def rules_for(least: int = 1) -> str:
    text = REACH.replace("clause", f"min_count = {least}, clause")
    return standard("\n".join(text.replace("a.r", f"{t}.r").replace('"a"', f'"{t}"') for t in TYPES), TYPES)


def count(x: int, others: list[int]) -> int:
    """How many are within 1000 m: committees are at whole hundreds, all the rest 50 m beside."""
    return sum(abs(100 * x - (100 * other + 50)) < 1000 for other in others)


def placed(places: list[int]) -> list[dict]:
    return [{"committee_id": f"C{n}", "x": 100 * x} for n, x in enumerate(places)]


def facilities_of(rows) -> list[dict]:
    return [
        {"facility_id": f"F{t}{n}", "type": t, "x": 100 * x + 50}
        for t, (there, _) in zip(TYPES, rows, strict=True)
        for n, x in enumerate(there)
    ]


@PROPERTY
@given(TOWN)
def test_opening_never_lowers_a_verdict(tmp_path_factory, town):
    committees, *rows = town
    ledger = [
        project(f"P{t}{n}", 100 * x + 50, 2024 + n % 3, type_id=t)
        for t, (_, coming) in zip(TYPES, rows, strict=True)
        for n, x in enumerate(coming)
    ]
    folder = tmp_path_factory.mktemp("opens")
    run = run_of(folder, ledger, rules_for(), placed(committees), facilities_of(rows), cells=None)
    index = ["type_id", "committee_id"]
    before, after = (run.table(name).set_index(index).verdict for name in ("verdicts_before", "verdicts"))
    assert (after.map(RANK) >= before.map(RANK)).all()
    for t, (there, coming) in zip(TYPES, rows, strict=True):
        for n, x in enumerate(committees):
            assert before[t, f"C{n}"] == ("pass" if count(x, there) else "fail")
            assert after[t, f"C{n}"] == ("pass" if count(x, there + coming) else "fail")
        for n, x in enumerate(coming):
            gaps = [c for c in committees if count(c, [x]) and not count(c, there)]
            decided = [c for c in gaps if not count(c, coming[:n] + coming[n + 1 :])]
            row = run.projects.loc[f"P{t}{n}"]
            assert (row.closes, row.decides, row.redundant_for_reach) == (len(gaps), len(decided), not decided)


@PROPERTY
@given(TOWN, st.integers(1, 2))
def test_what_is_suggested_closes_what_it_says(tmp_path_factory, town, least):
    committees, *rows = town
    sites = [
        {"candidate_id": f"K{t}{n}", "x": 100 * x + 50, "types": t}
        for t, (_, coming) in zip(TYPES, rows, strict=True)
        for n, x in enumerate(coming)
    ]
    folder = tmp_path_factory.mktemp("closes")
    config = street(folder, rules_for(least), placed(committees), facilities_of(rows), candidates=sites)
    found = Suggested(config)
    after = Verified(with_ledger(config, "out-suggest/csv/suggestions.csv")).table("verdicts")
    verdict = after.set_index(["committee_id", "requirement_id"]).verdict
    reasons = found.reasons()
    for t, (there, coming) in zip(TYPES, rows, strict=True):
        for n, x in enumerate(committees):
            key = (f"C{n}", f"{t}.r")
            closable = count(x, there + coming) >= least
            assert (key in reasons) == (count(x, there) < least)
            assert reasons.get(key, "") == "" or not closable
            assert verdict[key] == ("pass" if closable else "fail")
    assert found.solver["value"] == 8 * len(found.suggestions)  # 4 + 4 for each new site


# the command --------------------------------------------------------------------------------------------------------

BAD = {
    "type": ([project("P", 2000, type_id="z")], ["P", '"type_id" has "z"']),
    "status": ([project("P", 2000, status="soon")], ["P", '"status" has "soon"', "Known: planned"]),
    "town": ([project("P", 2000, town_id="T9")], ["P", '"town_id" has "T9"']),
    "far": ([project("P", 9000)], ["P", "outside the district"]),
    "early": ([project("P", 2000, 2020)], ["P", "before the plan's first year 2024", "[plan] years"]),
    "twice": ([project("P", 2000), project("P", 2100)], ["P", '"project_id"', "more than once"]),
    "cost": ([project("P", 2000, cost="12万")], ["P", '"cost"', "12万", "plain digits"]),
    "facility": ([close("P", "F9")], ["P", '"facility_id" has "F9"', "of this run's sources"]),
    "closed twice": ([close("P"), close("Q")], ["P", "Q", "one facility is moved or closed twice"]),
    "id": ([project("F", 2000)], ["F", '"project_id" is a facility\'s id']),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_ledgers_are_named_and_nothing_is_written(tmp_path, capsys, case):
    rows, parts = BAD[case]
    config = street(tmp_path, standard(REACH), THREE, [F], projects=rows, sections=PLAN)
    for command in ("verify", "plan") if case == "type" else ("verify",):
        assert cli.run([command, str(config), "--no-cache", "-q", "--out", str(tmp_path / "out")]) == 3
        out, err = capsys.readouterr()
        assert out == ""
        assert "ledger.csv" in err
        for part in parts:
            assert part in err
        assert not (tmp_path / "out").exists()


def test_a_ledger_is_needed(tmp_path, capsys):
    config = street(tmp_path, standard(REACH), THREE, [F])
    for command in ("verify", "plan"):
        assert cli.run([command, str(config), "--no-cache", "-q", "--out", str(tmp_path / "out")]) == 2
        err = capsys.readouterr().err
        assert "no section [projects]" in err
        assert "config.toml" in err


def test_a_store_answers_for_nothing_else(tmp_path):
    """One store for ledgers, facilities, rules, people and checks that differ a little: each as without a store.

    Every state is asked for twice, the second time out of the store.
    """
    moved, capacity = {**F, "x": 601}, {**F, "capacity": 12}
    limit = REACH.replace("minutes = 15", "minutes = 10")
    assert limit != REACH
    states: list[tuple[list, dict]] = [
        ([project("P", 2000)], {}),
        ([project("P", 2000.5)], {}),
        ([project("P", 2000), close("Q")], {}),
        ([project("P", 2000), project("Q", 300, 2025)], {}),
        ([project("P", 2000), project("Q", 300, 2025)], {"as_of_run": 2024}),
        ([project("P", 2000, status="started"), close("Q")], {"statuses": ("planned",)}),
        ([project("P", 2000)], {"facilities": [moved, FB]}),
        ([project("P", 2000)], {"facilities": [capacity, FB]}),
        ([project("P", 2000)], {"rules": limit}),
        ([project("P", 2000)], {"cells": CELLS[1:]}),
    ]
    for number, (rows, more) in enumerate(states):
        folder = tmp_path / "same"  # the same paths: nothing but content tells the states apart
        shutil.rmtree(folder, ignore_errors=True)
        alone = run_of(folder, rows, **more)
        wanted = {path.name: path.read_bytes() for path in (alone.folder / "csv").glob("*.csv")}
        assert len(wanted) > 5
        for _ in range(2):
            shutil.rmtree(folder)
            stored = run_of(folder, rows, cache=tmp_path / "store", **more)
            found = {path.name: path.read_bytes() for path in (stored.folder / "csv").glob("*.csv")}
            assert found == wanted, (number, [name for name in wanted if found[name] != wanted[name]])


def test_what_is_printed(tmp_path, capsys):
    rows = [project("P", 2000, status="done"), project("Q", 2100, 2025), project("M", marginal="year", plan_year=2024)]
    config = street(tmp_path, standard(REACH), THREE, [F], CELLS, projects=rows, sections=PLAN)
    arguments = ["verify", str(config), "--no-cache", "-q", "--out", str(tmp_path / "out")]
    assert cli.run(arguments) == 0
    text, err = capsys.readouterr()
    assert err == ""
    assert "\x1b" not in text
    cells = [row.split() for row in text.splitlines()]
    # 2 of 3 items; 35 of 75 people are 46.66…, rounded down
    assert ["before", "66.6", "%", "66.6", "%", "46.6", "%", "2", "1", "0"] in cells
    assert ["after", "2025", "100.0", "%", "100.0", "%", "100.0", "%", "3", "0", "0"] in cells
    assert "as of 2025: 2 of 2 projects applied; gaps: 1 closed, 0 left, 0 opened" in text
    assert "2 projects that nobody's reach would miss: P, Q\n" in text
    assert cli.run([*arguments, "--json", "--status", "done", "--as-of", "2024"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["as_of"] == 2024
    assert [one["applied"] for one in found["projects"]] == [False, True, False]
    assert found["changes"][0]["status"] == "closed"
    district = [one for one in found["effects"] if one["by"] == "district"]
    assert [(one["state"], one["year"], one["passed"]) for one in district] == [("before", None, 2), ("after", 2024, 3)]
    assert {note["code"] for note in found["notes"]} >= {"projects.marginal", "projects.other_status"}
