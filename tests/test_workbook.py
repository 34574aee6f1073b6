"""The workbook, read back and held against the CSV files that the run wrote."""

import csv
import dataclasses
import re
import zipfile
from collections import Counter, defaultdict
from pathlib import Path

import openpyxl
import pytest

from circle15.errors import OutputError
from circle15.report import sheets
from circle15.report.reading import RunFolder, read_run
from circle15.report.sheets import RATE, Book, Column
from circle15.report.workbook import write_town_workbooks, write_workbook

ROOT = Path(__file__).parents[1]
FORMULA = '=HYPERLINK("http://x")'


@pytest.fixture(scope="module")
def folders(sample_run) -> dict[str, Path]:
    """The folders of compute, verify, plan and plan on a ledger alone."""
    return {name: sample_run(name) for name in ("compute", "verify", "plan", "ledger")}


@pytest.fixture(scope="module")
def runs(folders) -> dict[str, RunFolder]:
    return {name: read_run(folder) for name, folder in folders.items()}


def rows_of(folder: Path, table: str) -> list[dict[str, str]]:
    with (folder / "csv" / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def written(run: RunFolder, tmp_path: Path, lang: str = "en") -> openpyxl.Workbook:
    write_workbook(run, tmp_path / "book.xlsx", lang)
    return openpyxl.load_workbook(tmp_path / "book.xlsx")


def records(sheet) -> list[dict[str, object]]:
    head, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(head, row, strict=True)) for row in rows]


def with_table(run: RunFolder, name: str, table) -> RunFolder:
    return dataclasses.replace(run, tables={**run.tables, name: table})


# what the cells hold ------------------------------------------------------------------------------------------------


def test_gaps_have_the_rows_and_sums_of_the_csv_file(runs, folders, tmp_path):
    sheet = records(written(runs["compute"], tmp_path)["Gaps"])
    expected = rows_of(folders["compute"], "gaps")
    assert len(expected) > 100
    assert [(r["Committee"], r["Type"]) for r in sheet] == [(r["committee_id"], r["type_id"]) for r in expected]
    for title, field in (
        ("Time (s)", "time_s"),
        ("Population", "population"),
        ("People affected", "population_affected"),
    ):
        assert sum(r[title] or 0 for r in sheet) == pytest.approx(sum(float(r[field] or 0) for r in expected), abs=1e-6)


def test_rates_are_the_numbers_of_the_csv_file(runs, folders, tmp_path):
    book = written(runs["compute"], tmp_path)
    for title, table, key in (
        ("Towns", "towns", "town_id"),
        ("Types", "types", "type_id"),
        ("Domains", "domains", "domain"),
    ):
        sheet, expected = records(book[title]), rows_of(folders["compute"], table)
        first = book[title].cell(1, 1).value
        assert [r[first] for r in sheet] == [r[key] for r in expected]
        for name, field in (("Item rate", "item_rate"), ("Committee rate", "committee_rate")):
            assert [r[name] for r in sheet] == [float(r[field]) if r[field] else None for r in expected]
        for name, field in (("Passed", "passed"), ("Failed", "failed"), ("Unknown", "unknown"), ("Exempt", "exempt")):
            assert [r[name] for r in sheet] == [int(r[field]) for r in expected]


@pytest.mark.parametrize("name", ["compute", "verify", "plan"])
def test_every_sheet_has_as_many_rows_as_its_csv_file(runs, folders, tmp_path, name):
    book = written(runs[name], tmp_path)
    files = {row["File"] for row in records(book["Columns"])}
    by_title = {row["Table"]: row["File"] for row in records(book["Columns"])}
    assert {"gaps.csv", "towns.csv", "committees.csv"} <= files
    for title, file in by_title.items():
        if (folders[name] / "csv" / file).exists():  # committees of verify and plan are only in the GeoPackage
            assert book[title].max_row - 1 == len(rows_of(folders[name], Path(file).stem)), title


def test_the_matrix_is_what_the_verdicts_say(runs, folders, tmp_path):
    town_of = {r["committee_id"]: r["town_id"] for r in rows_of(folders["compute"], "committees")}
    parts = defaultdict(set)
    for row in rows_of(folders["compute"], "verdicts"):
        if row["headline"] == "true":
            parts[row["committee_id"], row["type_id"]].add(row["verdict"])
    counts = Counter()
    for (committee, kind), verdicts in parts.items():
        verdict = next((v for v in ("fail", "unknown", "pass") if v in verdicts), "exempt")
        counts[town_of[committee], kind, verdict] += 1
    names = {r["name_en"]: r["type_id"] for r in rows_of(folders["compute"], "types") if r["headline"] == "true"}
    sheet = records(written(runs["compute"], tmp_path)["Towns × types"])
    assert len(names) == 28
    for row in sheet[:-1]:  # the last is the district
        for name, kind in names.items():
            passed, failed = (counts[row["Town"], kind, verdict] for verdict in ("pass", "fail"))
            expected = passed / (passed + failed) if passed + failed else None
            assert row[name] == (pytest.approx(expected) if expected is not None else None)


def test_the_summary_of_verify_tells_before_and_after(runs, folders, tmp_path):
    sheet = written(runs["verify"], tmp_path).worksheets[0]
    rows = {row[0]: row[1:3] for row in sheet.iter_rows(values_only=True) if row[0]}
    before = next(r for r in rows_of(folders["verify"], "effects") if (r["by"], r["state"]) == ("district", "before"))
    after = rows_of(folders["verify"], "district")[0]
    assert rows["Item rate"] == (float(before["item_rate"]), float(after["item_rate"]))
    assert rows["Failed"] == (int(before["failed"]), int(after["failed"]))
    verify = runs["verify"].document["verify"]
    assert rows["Items closed: a gap before, a pass now"][0] == verify["gaps_closed"]


def test_the_summary_has_every_note_with_its_count(runs, tmp_path):
    sheet = written(runs["compute"], tmp_path).worksheets[0]
    found = Counter((row[0], row[1], row[4]) for row in sheet.iter_rows(values_only=True))
    by_mode = re.compile(r"\.(walk|elderly_walk|cycle|drive)\.")
    for note in runs["compute"].document["notes"]:
        if not by_mode.search(note["code"]):  # those of several modes are told as one
            assert found[note["code"], note["count"], note["text"]] == 1
    told = [row for row in found if row[0] == "network.<mode>.small_components"]
    assert [(count, [line.split(":")[0] for line in text.splitlines()]) for _, count, text in told] == [
        (12, ["walk, elderly_walk", "cycle", "drive"])
    ]


# languages ----------------------------------------------------------------------------------------------------------


def test_headers_and_codes_are_chinese_with_zh(runs, tmp_path):
    book = written(runs["compute"], tmp_path, "zh")
    assert book.sheetnames[:3] == ["总体结果", "目标", "领域"]
    for sheet in book.worksheets[1:]:
        own = {"age_0_2", "age_60_plus"}  # the data's own columns keep their names
        heads = [cell.value for cell in sheet[1] if cell.value not in own]
        assert all(re.search(r"[\u4e00-\u9fff]", head) for head in heads), (sheet.title, heads)
    assert {row["原因"] for row in records(book["缺口"])} <= {
        "过远",
        "没有设施",
        "无路可达",
        "数量不足",
        "供给不足",
        "不具备属性",
    }
    codes = {row["代码"]: row["标题"] for row in records(book["代码说明"])}
    assert codes["too_far"] == "过远"


def test_names_stand_beside_the_ids(runs, folders, tmp_path):
    sheet = records(written(runs["compute"], tmp_path)["Gaps"])
    names = {r["committee_id"]: r["name"] for r in rows_of(folders["compute"], "committees")}
    types = {r["type_id"]: r["name_en"] for r in rows_of(folders["compute"], "types")}
    assert all(r["Committee's name"] == names[r["Committee"]] and r["Type's name"] == types[r["Type"]] for r in sheet)


# formats ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [1.0, 0.99999, 0.999951, 0.99995, 0.999949, 0.5, 0.0])
def test_no_rate_below_one_reads_as_all(rate):
    conditions = re.fullmatch(r'\[>=1\]0\.00%;\[>=([\d.]+)\]"<100%";0\.00%', RATE)
    assert conditions
    shown = f"{rate:.2%}" if rate >= 1 or rate < float(conditions[1]) else "<100%"
    assert (shown == "100.00%") == (rate == 1)


def test_rates_are_numbers_in_the_percent_format(runs, tmp_path):
    sheet = written(runs["compute"], tmp_path)["Towns"]
    column = next(cell.column for cell in sheet[1] if cell.value == "Item rate")
    cells = [sheet.cell(row, column) for row in range(2, sheet.max_row + 1)]
    assert all(cell.data_type == "n" and cell.number_format == RATE for cell in cells)


def test_tables_are_frozen_filtered_and_set_up_for_print(runs, tmp_path):
    book = written(runs["compute"], tmp_path)
    for sheet in book.worksheets[1:]:
        assert sheet.freeze_panes == "B2"
        assert sheet.auto_filter.ref == sheet.dimensions
        assert sheet.print_title_rows == "$1:$1"
    for sheet in book.worksheets:
        assert sheet.page_setup.orientation == "landscape"
        assert (sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight) == (1, 0)
        assert sheet.sheet_properties.pageSetUpPr.fitToPage


def test_verdicts_and_rates_are_coloured(runs, tmp_path):
    book = written(runs["compute"], tmp_path)
    rules = [rule for ranges in book["Committees"].conditional_formatting for rule in ranges.rules]
    assert {rule.formula[0] for rule in rules if rule.type == "cellIs"} == {'"pass"', '"fail"', '"unknown"', '"exempt"'}
    scales = [rule for ranges in book["Towns × types"].conditional_formatting for rule in ranges.rules]
    assert len(scales) == 37
    assert {rule.type for rule in scales} == {"colorScale"}


def test_chinese_takes_two_columns(tmp_path):
    assert sheets.display_width("街镇ab") == 6
    book = Book("foot", ("yes", "no"))
    sheet = book.add_table("t", [Column("a", "text", ["街" * 10]), Column("b", "text", ["x" * 10])])
    assert (sheet.column_dimensions["A"].width, sheet.column_dimensions["B"].width) == (22, 12)


def test_the_same_run_makes_the_same_bytes(runs, tmp_path):
    for name in ("a", "b"):
        write_workbook(runs["verify"], tmp_path / f"{name}.xlsx", "zh")
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.xlsx") as file:
        assert {entry.date_time for entry in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert b"dcterms" not in re.sub(rb"xmlns:\w+=", b"", file.read("docProps/core.xml")).replace(b"dc/terms", b"")


# bad input ----------------------------------------------------------------------------------------------------------

BAD_NAMES = [
    FORMULA,
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "#N/A",
    '<script>alert("x")</script>',
    'a,"b"',
    "x\ny",
    "长" * 200,
    "=1",
]


def test_formulas_are_text(runs, tmp_path):
    run = runs["compute"]
    layer = run.layers["committees"].copy()
    table = run.table("committees").copy()
    for frame in (layer, table):
        frame.loc[frame.index[: len(BAD_NAMES)], "name"] = BAD_NAMES
    bad = dataclasses.replace(with_table(run, "committees", table), layers={**run.layers, "committees": layer})
    book = written(bad, tmp_path)
    cells = list(book["Committees"]["B"][1 : len(BAD_NAMES) + 1])
    assert [cell.value for cell in cells] == BAD_NAMES
    assert all(cell.data_type == "s" for cell in cells)
    assert [cell.quotePrefix for cell in cells[:4]] == [True] * 4
    beside = {row["Committee's name"] for row in records(book["Gaps"])}
    assert FORMULA in beside
    with zipfile.ZipFile(tmp_path / "book.xlsx") as file:
        texts = [file.read(name) for name in file.namelist() if name.startswith("xl/worksheets")]
    assert texts
    assert not any(re.search(rb"<f[ >/]|<hyperlink", text) for text in texts)


def test_characters_that_no_workbook_holds_are_replaced_and_counted(runs, tmp_path):
    run = runs["compute"]
    table = run.table("committees").copy()
    table.loc[table.index[:2], "name"] = ["bell\x07", "x" * 40_000]
    book = written(with_table(run, "committees", table), tmp_path)
    assert book["Committees"]["B2"].value == "bell\ufffd"
    assert book["Committees"]["B3"].value == "x" * 32_766 + "…"
    rows = {row[0]: row[1] for row in book.worksheets[0].iter_rows(values_only=True)}
    assert rows["Cells with control characters that a workbook can't hold, replaced by �"] == 1
    assert rows["Cells with more than 32,767 characters, cut"] == 1


def test_a_run_without_gaps_has_an_empty_sheet_of_gaps(runs, tmp_path):
    run = runs["compute"]
    book = written(with_table(run, "gaps", run.table("gaps").iloc[:0]), tmp_path)
    assert book["Gaps"].max_row == 1
    assert book["Gaps"].auto_filter.ref.startswith("A1:")
    rows = {row[0]: row[1] for row in book.worksheets[0].iter_rows(values_only=True)}
    assert rows["Gaps (failed headline requirements)"] == 0


def test_more_rows_than_a_sheet_holds_are_refused(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(sheets, "ROWS", 232)  # one more than requirements.csv has
    write_workbook(runs["compute"], tmp_path / "fits.xlsx", "en")
    monkeypatch.setattr(sheets, "ROWS", 231)
    with pytest.raises(OutputError, match="has 231 rows"):
        write_workbook(runs["compute"], tmp_path / "book.xlsx", "en")
    assert not (tmp_path / "book.xlsx").exists()


def test_names_of_sheets_are_made_safe_and_different():
    book = Book("foot & more", ("yes", "no"))
    for title in ("a/b:c", "A/B:C", "x" * 40, "x" * 41, "'", ""):
        book.add(title)
    assert book.titles == ["a_b_c", "A_B_C 2", "x" * 31, "x" * 27 + " 2", "_", "_ 2"]


def test_a_ledger_alone_has_a_workbook_and_none_of_towns(runs, tmp_path):
    book = written(runs["ledger"], tmp_path)
    assert book.sheetnames == [
        "Summary",
        "Milestones",
        "Ledger figures",
        "Ledger targets",
        "Disagreements",
        "Columns",
        "Codes",
    ]
    assert write_town_workbooks(runs["ledger"], tmp_path, "en") == {}


# towns --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["compute", "verify"])
def test_the_towns_workbooks_share_out_the_gaps_and_committees(runs, folders, tmp_path, name):
    paths = write_town_workbooks(runs[name], tmp_path, "en")
    towns = {r["town_id"]: r for r in rows_of(folders[name], "towns")}
    assert set(paths) == set(towns)
    gaps = Counter(r["town_id"] for r in rows_of(folders[name], "gaps"))
    committees = 0
    for town, path in paths.items():
        assert path == tmp_path / town / f"{town}.xlsx"
        book = openpyxl.load_workbook(path)
        assert {row["Town"] for row in records(book["Gaps"])} <= {town}
        assert len(records(book["Gaps"])) == gaps[town]
        committees += len(records(book["Committees"]))
        types = [row for row in records(book["This town's types"]) if row["Headline"] == "yes"]
        for title, field in (("Passed", "passed"), ("Failed", "failed"), ("Unknown", "unknown"), ("Exempt", "exempt")):
            assert sum(row[title] for row in types) == int(towns[town][field])
    assert committees == runs[name].document["counts"]["committees"]


def test_a_towns_name_cannot_leave_the_folder(runs, tmp_path):
    run, bad = runs["compute"], "../../x"
    town = run.table("towns")["town_id"].iloc[0]
    tables = {
        name: table.assign(town_id=table["town_id"].replace({town: bad})) if "town_id" in table else table
        for name, table in run.tables.items()
    }
    layer = run.layers["committees"]
    layers = {**run.layers, "committees": layer.assign(town_id=layer["town_id"].replace({town: bad}))}
    paths = write_town_workbooks(dataclasses.replace(run, tables=tables, layers=layers), tmp_path / "towns", "en")
    assert all((tmp_path / "towns") in path.resolve().parents for path in paths.values())
    assert openpyxl.load_workbook(paths[bad]).worksheets[0]["A1"].value == bad
