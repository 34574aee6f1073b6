"""Notes as people read them: a Chinese sentence for every code, modes told as one, the English text kept beside it."""

import re
import string
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import openpyxl
import pytest

from circle15.comparison import run as comparison
from circle15.comparison.page import page, summary
from circle15.errors import Note, counted
from circle15.report.facts import Facts
from circle15.report.notes import told
from circle15.report.page import page_html
from circle15.report.reading import read_run
from circle15.report.workbook import write_workbook
from street_kit import REACH, Quiet, Written, district, standard

ROOT = Path(__file__).parents[1]
TEXTS = tomllib.loads((ROOT / "src" / "circle15" / "report" / "texts" / "notes.toml").read_text("utf-8"))
SENTENCES = TEXTS["sentences"]
MODES = {"walk": "步行", "elderly_walk": "老年步行", "cycle": "骑行", "drive": "车行"}
NAMES = ("OSM", "CRS", "ASCII", "GCJ-02", "BD-09", "WGS", "GraphML", "GeoPackage", "CSV", "NaN")
"""Latin words that a Chinese sentence may have: names that Chinese has no others for."""
PLACEHOLDERS = {"<mode>": "mode", "<input>": "input", "<type>": "type", "<mapping>": "mapping"}


def documented() -> set[str]:
    """Return the codes in the first cells of the reference's section of notes."""
    section = (ROOT / "docs" / "reference" / "reason-codes.md").read_text("utf-8").split("## Notes\n", 1)[1]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {code for cell in cells for code in re.findall(r"`([^`]+)`", cell)}


def named_inputs() -> set[str]:
    """Return what the reference says ``<input>`` may be."""
    text = (ROOT / "docs" / "reference" / "reason-codes.md").read_text("utf-8")
    (listed,) = re.findall(r"`<input>` is (.+);\n", text)
    return set(re.findall(r"`([^`]+)`", listed))


def entries(*notes: Note, lang="zh", types=None) -> list[str]:
    return [one.text for one in told(notes, lang, types)]


# every code has a sentence ------------------------------------------------------------------------------------------


def test_every_documented_code_has_a_sentence_and_none_has_one_alone():
    assert len(documented()) > 120
    assert set(SENTENCES) == documented()


def test_modes_and_inputs_have_the_names_of_the_reference():
    assert TEXTS["modes"] == MODES
    assert set(TEXTS["inputs"]) == named_inputs()


@pytest.mark.parametrize("code", SENTENCES)
def test_placeholders_are_those_that_are_filled(code):
    used = {name for _, name, _, _ in string.Formatter().parse(SENTENCES[code]) if name is not None}
    assert used - {"n"} == {PLACEHOLDERS[one] for one in re.findall(r"<\w+>", code)}
    if "<mode>" in code:  # so that several modes can be told as one
        assert "有{n}" in SENTENCES[code]


@pytest.mark.parametrize("sentence", SENTENCES.values(), ids=SENTENCES)
def test_sentences_are_chinese(sentence):
    plain = re.sub(r"\{\w+\}", "", sentence)
    for name in NAMES:
        plain = plain.replace(name, "")
    plain = re.sub(r" ?\d+", "", plain)
    assert re.fullmatch(r"[\u4e00-\u9fff，。；：、（）]+", plain), plain
    assert sentence.endswith("。")


@pytest.mark.parametrize("code", SENTENCES)
def test_every_pattern_is_found_and_no_other_code_takes_it(code):
    """Each code as a run would write it gives its own sentence, filled in by hand."""
    values = {"mode": "elderly_walk", "input": "committees.areas", "type": "clinic", "mapping": "amap"}
    shown = {"mode": "老年步行", "input": "居村委范围", "type": "诊所", "mapping": "高德"}
    written, expected = code, SENTENCES[code].replace("{n}", "1,234")
    for mark, name in PLACEHOLDERS.items():
        written, expected = written.replace(mark, values[name]), expected.replace(f"{{{name}}}", shown[name])
    (one,) = told([Note(written, 1234, "as told")], "zh", {"clinic": "诊所"})
    assert (one.code, one.count, one.text, one.original) == (written, 1234, expected, "as told")


# what is shown ------------------------------------------------------------------------------------------------------


def test_a_note_in_both_languages():
    note = Note("committees.no_zone", 3, "3 committees have no zone and are exempt", ("C1", "C2", "C3"))
    (zh,), (en,) = told([note], "zh"), told([note], "en")
    assert zh.text == "3个居村委没有片区，各项判定为不适用。"
    assert zh.original == en.text == "3 committees have no zone and are exempt"
    assert en.original == ""
    assert zh.rows == en.rows == ("C1", "C2", "C3")


def test_inputs_and_mappings_are_named():
    notes = [Note("population.census.where", 2, "x"), Note("facilities.own_datum", 1, "y")]
    assert entries(*notes) == [
        "人口普查：按筛选条件略去2行。",
        "设施：own数据声明的坐标基准与其通常的基准不符，位置可能偏移约500米。",
    ]


def test_a_type_without_a_name_is_called_by_its_id():
    note = Note("facilities.clinic.providers", 2, "x")
    assert entries(note)[0].startswith("clinic：可兼顾该类别的2个类别")
    assert entries(note, types={"clinic": "诊所"})[0].startswith("诊所：可兼顾该类别的2个类别")


def test_an_unknown_code_is_told_in_english():
    (one,) = told([Note("trams.late", 4, "4 trams are late")], "zh")
    assert (one.code, one.text, one.original) == ("trams.late", "4 trams are late", "")


def test_texts_with_braces_stay_as_they_are():
    assert entries(Note("{n}.{mode}", 1, "a {n} of {x}")) == ["a {n} of {x}"]
    assert entries(Note("facilities.{n}.providers", 1, "x"), types={"{n}": "{mode}"})[0].startswith("{mode}：")


# modes --------------------------------------------------------------------------------------------------------------


def off(mode: str, count: int, *rows: str, more: str = "lie off the network") -> Note:
    return Note(f"facilities.{mode}.off_network", count, f"{mode}: {count} facilities {more}", rows)


REST = "距路网超过最大接入距离，无法到达；直线范围内有此类设施而未达标的居村委，判定为不明。"


def test_modes_with_one_count_are_one_entry():
    notes = [off("walk", 2, "F1", "F2"), Note("streets.ferries", 1, "1 ferry"), off("cycle", 2, "F1", "F2")]
    first, second = told(notes, "zh")
    assert first.text == f"步行、骑行：有2处设施{REST}"
    assert first.original == "walk, cycle: 2 facilities lie off the network"
    assert (first.code, first.count, first.rows) == ("facilities.<mode>.off_network", 2, ("F1", "F2"))
    assert second.code == "streets.ferries"
    assert entries(*notes, lang="en") == ["walk, cycle: 2 facilities lie off the network", "1 ferry"]


def test_modes_with_several_counts_give_each():
    notes = [off("walk", 1, "F1"), off("elderly_walk", 1, "F1"), off("drive", 1200, "F1", "F9")]
    (zh,), (en,) = told(notes, "zh"), told(notes, "en")
    assert zh.text == f"步行、老年步行、车行：分别有1、1、1,200处设施{REST}"
    assert en.text == "walk, elderly_walk: 1 facilities lie off the network\ndrive: 1200 facilities lie off the network"
    assert zh.original == en.text
    assert (zh.count, zh.rows) == (1200, ("F1", "F9"))


def test_one_mode_alone_keeps_its_code_and_text():
    (one,) = told([off("drive", 3)], "zh")
    assert (one.code, one.text) == ("facilities.drive.off_network", f"车行：有3处设施{REST}")
    assert one.original == "drive: 3 facilities lie off the network"


def test_other_codes_of_a_mode_stay_apart():
    notes = [off("walk", 1), Note("committees.walk.off_network", 1, "walk: 1 committees"), off("cycle", 1)]
    assert [one.code for one in told(notes, "zh")] == ["facilities.<mode>.off_network", "committees.walk.off_network"]


def test_a_mode_that_is_told_twice_is_two_entries():
    notes = [off("walk", 1), off("cycle", 1), off("walk", 2), off("cycle", 2)]
    assert entries(*notes) == [f"步行、骑行：有1处设施{REST}", f"步行、骑行：有2处设施{REST}"]


def test_modes_of_an_unknown_code_are_one_entry_too():
    notes = [Note("trams.walk.late", 1, "walk: 1 late"), Note("trams.drive.late", 1, "drive: 1 late")]
    assert entries(*notes) == ["walk, drive: 1 late"]


def test_notes_of_one_code_without_a_mode_stay_apart():
    """They are of different files."""
    notes = [Note("facilities.where", 2, "a.csv: 2 rows"), Note("facilities.where", 2, "b.csv: 2 rows")]
    assert [one.original for one in told(notes, "zh")] == ["a.csv: 2 rows", "b.csv: 2 rows"]


# where they are shown -----------------------------------------------------------------------------------------------


class _Section(HTMLParser):
    """Collects the texts of the section of notes that the page shows in Chinese, and apart those of the originals."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.skipped, self.at = False, [], []
        self.shown: list[str] = []
        self.originals: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag in ("br", "meta", "link", "input", "img"):
            return
        own = dict(attrs)
        self.inside = self.inside or own.get("id") == "method"
        self.at.append((tag, own.get("lang", ""), own.get("class", "")))

    def handle_endtag(self, tag):
        if tag in ("br", "meta", "link", "input", "img"):
            return
        while self.at and self.at.pop()[0] != tag:
            pass
        if tag == "section":
            self.inside = False

    def handle_data(self, data):
        if not self.inside or not data.strip() or not any(tag == "table" for tag, _, _ in self.at):
            return
        if any(tag == "small" and lang == "en" for tag, lang, _ in self.at):
            self.originals.append(data)
        elif not any(lang == "en" or "en" in kind.split() for _, lang, kind in self.at[1:]):
            self.shown.append(data)


@pytest.fixture(scope="module")
def sample(sample_run) -> Path:
    return sample_run("compute")


def test_the_chinese_page_has_no_english_sentence_outside_the_originals(sample):
    parser = _Section()
    parser.feed(page_html(Facts(read_run(sample)), "zh"))
    assert "1个居村委没有片区，各项判定为不适用。" in parser.shown
    assert any(text.startswith("步行、老年步行、骑行、车行：有1个居村委") for text in parser.shown)
    for text in parser.shown:
        assert not re.search(r"[A-Za-z]{2,} [a-z]{2,}", text), text
    assert "1 committee has no zone and is exempt" in " ".join(parser.originals)
    assert len(parser.originals) >= 13


def test_the_workbook_has_the_original_beside_the_chinese_text(sample, tmp_path):
    for lang, expected in (
        ("zh", ["1个居村委没有片区，各项判定为不适用。", "1 committee has no zone and is exempt"]),
        ("en", ["1 committee has no zone and is exempt", None]),
    ):
        path = tmp_path / f"{lang}.xlsx"
        write_workbook(read_run(sample), path, lang)
        sheet = openpyxl.load_workbook(path).worksheets[0]
        rows = [[*row, None][:6] for row in sheet.iter_rows(values_only=True)]
        (at,) = [n for n, row in enumerate(rows) if row[0] == "committees.no_zone"]
        assert rows[at][1:] == [1, None, None, *expected]
        assert rows[at - 1][4:] == (["说明", "英文原文"] if lang == "zh" else ["What it is", None])


def test_a_comparison_tells_its_notes_in_its_language(tmp_path):
    """C2 is gone and C9 is new, so two committees have no counterpart; F moves out of C1's reach."""
    runs = []
    for name, second, x in (("a", "C2", 500), ("b", "C9", 2000)):
        committees = [{"committee_id": "C1", "x": 0}, {"committee_id": second, "x": 900}]
        facilities = [{"facility_id": "F", "type": "a", "x": x}]
        runs.append(Written(district(tmp_path / name, standard(REACH, ("a",)), committees, facilities)).folder)
    (tmp_path / "pairs.csv").write_text("committee_a,committee_b\nC1,C1\nC2,\n,C9\n", "utf-8")
    found = comparison.compare(*runs, mapping=tmp_path / "pairs.csv", progress=Quiet())
    (note,) = [one for one in found.notes.items if one.code == "compare.no_counterpart"]
    sentence = "2个居村委在两次评估之间合并、拆分、新增或撤销，没有唯一对应；仍计入达标率，但不列入判定变化。"
    assert f"\n注：{sentence}\n" in summary(found, "zh", written=False)
    assert note.text not in summary(found, "zh", written=False)
    assert f"\nnote: {note.text}\n" in summary(found, "en", written=False)
    zh, en = page(found, "zh"), page(found, "en")
    assert f">{sentence}</p>" in zh
    assert f'<summary>英文原文</summary><span lang="en">{note.text}</span>' in zh
    assert sentence not in en
    assert f">{note.text}</p>" in en


# counts in English --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "text"), [(0, "0 cells lie"), (1, "1 cell lies"), (1466, "1,466 cells lie")])
def test_counted(count, text):
    assert counted(count, "cell lies", "cells lie") == text
