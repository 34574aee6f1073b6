"""The dictionary knows all that is written, and what is written is read again as it was."""

import csv
import math
import re
import tomllib
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from circle15 import tables
from circle15.assess import equity
from circle15.cli import circle15
from circle15.outputs.csvfiles import undefuse, write_tables
from circle15.outputs.dictionary import KINDS, LANGS, TEXT_KINDS, base_of, load_dictionary
from circle15.outputs.write import write_run
from circle15.report.reading import COMMANDS, read_run
from circle15.stages import changes
from test_outputs import CRS, FORMULA, NASTY, make_manifest, make_results

ROOT = Path(__file__).parents[1]
USERS = {"age_0_2", "age_60_plus", "standardised"}
"""Columns of the sample that the user's own files name: groups of the population, and one of the shops."""
FIELD_CHECK = "committee_id,type_id,verdict,author,date,reason\n999001001,pharmacy,pass,王芳,2023-05-01,实地可达\n"
CELL = re.compile(r"`([a-z][a-z0-9_]*)`")


@pytest.fixture(scope="module")
def folders(tmp_path_factory, sample_run) -> dict[str, Path]:
    """What the four commands write of the sample, of compute with all that may be asked for."""
    out = tmp_path_factory.mktemp("written")
    (out / "field.csv").write_text(FIELD_CHECK, "utf-8")
    sample = (ROOT / "configs" / "sample.toml").read_text("utf-8").replace('"../data', f'"{ROOT.as_posix()}/data')
    (out / "checked.toml").write_text(f'{sample}\n[overrides]\nsource = "field.csv"\n', "utf-8")
    arguments = ["compute", str(out / "checked.toml"), "--sensitivity", "10", "--out", str(out / "compute")]
    told = CliRunner().invoke(circle15, [*arguments, "--no-cache", "-q"])
    assert told.exit_code == 0, told.output
    return {"compute": out / "compute"} | {name: sample_run(name) for name in ("suggest", "verify", "plan")}


def files(folders: dict[str, Path]) -> list[Path]:
    return [path for folder in folders.values() for path in sorted((folder / "csv").glob("*.csv"))]


def cells(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return head and rows as the csv module reads them, which knows nothing of kinds."""
    with path.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    return head, rows


# Completeness ------------------------------------------------------------------------------------------------------


def test_every_written_table_and_column_is_known_with_its_kind(folders):
    known = load_dictionary()
    for path in files(folders):
        assert path.stem in known.tables, path
        for name in cells(path)[0]:
            assert (known.column(path.stem, name).kind in KINDS) == (name not in USERS), f"{path.stem}: {name}"
    assert {"overrides", "sensitivity"} <= {path.stem for path in files(folders)}


def test_every_written_code_is_known(folders):
    known = load_dictionary()
    for path in files(folders):
        head, rows = cells(path)
        for at, name in enumerate(head):
            if known.column(path.stem, name).kind == "code":
                unknown = {row[at] for row in rows} - {""} - set(known.codes)
                assert not unknown, f"{path.stem}: {name}: {unknown}"


def test_every_row_of_the_columns_page_names_known_columns():
    page = (ROOT / "docs" / "reference" / "columns.md").read_text("utf-8")
    page = re.split(r"^## (?:Files of compare|GeoPackage)", page, flags=re.MULTILINE)[0]
    first = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    names = {name for cell in first for name in CELL.findall(cell)}
    known = load_dictionary()
    assert {"committee_id", "runner_up_cost", "share_started"} <= names
    assert names <= {*known.columns, *(column for _, column in known.own)}


def test_every_entry_is_told_in_both_languages_and_short_enough_for_a_heads_cell():
    known = load_dictionary()
    columns = [*known.columns.values(), *known.own.values()]
    for one in (*columns, *known.tables.values(), *known.codes.values(), *known.own_codes.values()):
        assert all(one.title(lang) and one.meaning(lang) for lang in LANGS), one
    for one in (*columns, *known.tables.values()):
        assert len(one.zh) <= 10, one
        assert len(one.en) <= 24, one
    assert {one.kind for one in columns} <= set(KINDS)
    assert set(KINDS) <= set(known.codes)


def sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def test_reasons_mean_what_the_code_says():
    known = load_dictionary()
    for code, meaning in tables.REASONS.items():
        assert known.code(code).meaning("en") == sentence(meaning)
        assert known.code(code, "verdicts_before").meaning("en") == sentence(meaning)
    for table in ("requirements", "requirements_before", "targets"):
        for code, meaning in tables.SCOPE_REASONS.items():
            assert known.code(code, table).meaning("en") == sentence(meaning), table
    for code, meaning in tables.OPEN_REASONS.items():
        assert known.code(code, "outcomes").meaning("en") == sentence(meaning)
    for code, meaning in (equity.REASONS | changes.STATUSES).items():
        assert known.code(code).meaning("en") == sentence(meaning)


@pytest.mark.parametrize(
    "codes",
    [
        *(tables.VERDICTS, tables.MEANS, tables.ACTIONS, tables.STATUSES, tables.TRAVEL_MODES, tables.KINDS),
        (tables.WITH_ATTRIBUTE, tables.LACKS_ATTRIBUTE),
    ],
)
def test_codes_of_the_contracts_are_known(codes):
    assert set(codes) <= set(load_dictionary().codes)


def test_no_entry_is_of_a_table_or_column_that_does_not_exist():
    known = load_dictionary()
    assert {table for table, _ in (*known.own, *known.own_codes)} <= set(known.tables)
    assert set(known.like.values()) <= set(known.tables)
    page = tomllib.loads((ROOT / "src" / "circle15" / "outputs" / "dictionary.toml").read_text("utf-8"))
    assert set(page) == {"tables", "columns", "columns_of", "codes", "codes_of"}


# Looking up --------------------------------------------------------------------------------------------------------


def test_a_name_means_what_its_table_says():
    known = load_dictionary()
    assert known.column("facilities", "opens").kind == "year"
    assert known.column("facility_areas", "opens").kind == "year"
    assert known.column("projects", "opens").kind == "count"
    assert known.column("verdicts_before", "edge_affected").kind == "flag"
    assert known.column("towns", "edge_affected").kind == "count"
    assert known.code("open").zh == "新开"
    assert known.code("open", "outcomes").zh == "未补"
    assert known.table("suggestions_12").zh == known.table("suggestions").zh == "补缺建议"
    assert base_of("suggestions_2") == "suggestions"


def test_what_is_unknown_stands_for_itself():
    known = load_dictionary()
    assert known.column("committees", "<b>老人</b>").title("zh") == "<b>老人</b>"
    assert known.column("committees", "<b>老人</b>").kind == ""
    assert known.code("pass\n").title("en") == "pass\n"
    assert known.table("2").zh == "2"


# Reading again -----------------------------------------------------------------------------------------------------


def same(read, cell: str, kind: str) -> bool:
    """Whether a value read is what a cell says, by the cell's text alone."""
    if kind in TEXT_KINDS:
        return read == cell
    if cell == "":
        return bool(pd.isna(read))
    return read is {"true": True, "false": False}[cell] if kind == "flag" else float(read) == float(cell)


def test_every_table_is_read_as_it_was_written(folders):
    known = load_dictionary()
    for command, folder in folders.items():
        run = read_run(folder, (*COMMANDS, "suggest"))
        assert run.command == command
        assert set(run.tables) == {path.stem for path in (folder / "csv").glob("*.csv")}
        for name, table in run.tables.items():
            head, rows = cells(folder / "csv" / f"{name}.csv")
            assert list(table) == head
            assert len(table) == len(rows), name
            for at, column in enumerate(head):
                kind = known.column(name, column).kind or "number"  # groups of the population
                values = table[column].tolist()
                assert all(same(*both, kind) for both in zip(values, (r[at] for r in rows), strict=True)), column


def test_layers_hold_no_tables_without_geometry(folders):
    for folder in folders.values():
        layers = read_run(folder, (*COMMANDS, "suggest")).layers
        assert layers
        assert not {"data_dictionary", "layer_styles", "verdicts"} & set(layers)


def test_text_that_was_defused_is_read_as_it_was(tmp_path):
    write_run(make_results(), tmp_path / "out", make_manifest(), CRS)
    table = read_run(tmp_path / "out").tables["committees"].set_index("committee_id")
    assert table["name"].to_dict() == {"c1": NASTY, "c2": "二村", "c10": FORMULA}
    assert f"'{FORMULA}" in (tmp_path / "out" / "csv" / "committees.csv").read_text("utf-8")


HARD = ["=1+1", "'=1+1", "''@a", "+86", "-12.5", "'-12.5", "'", "'plain", "a\r\nb", 'say "x", y', "<script>", "\t"]


def test_every_text_survives_csv(tmp_path):
    frame = pd.DataFrame({"name": pd.Series(HARD, dtype=object)})
    write_tables({"facilities": frame}, tmp_path, make_manifest().notes)
    written = [row[0] for row in cells(tmp_path / "facilities.csv")[1]]
    assert undefuse(pd.Series(written, dtype=object)).tolist() == HARD
    assert all(not re.match(r"[=@\t\r]", text) for text in written)


@pytest.mark.parametrize("values", [["yes", "true"], ["2024年", ""], ["007", "1"]])
@pytest.mark.parametrize("name", ["headline", "year", "cost"])
def test_a_users_column_of_our_name_is_kept_as_text(tmp_path, values, name):
    """Further columns of the user's files may be called like one of ours and hold something else."""
    results = make_results()
    committees = results.committees.assign(**{name: [*values, None]})
    write_run(make_results(committees=committees), tmp_path / "out", make_manifest(), CRS)
    path = tmp_path / "out" / "csv" / "committees.csv"
    head, rows = cells(path)
    read = read_run(tmp_path / "out").tables["committees"][name].tolist()
    written = [row[head.index(name)] for row in rows]
    if name in {"year", "cost"} and values == ["007", "1"]:
        assert [None if math.isnan(one) else one for one in read] == [float(x) if x else None for x in written]
    else:
        assert read == written
