"""Small districts from faults that people of the field met, with right answers worked by hand (``why`` in each)."""

import csv
import json
from pathlib import Path

import pytest

from circle15 import cli

CASES = Path(__file__).parents[2] / "shared" / "cases"
EVERY = sorted(path.parent for path in CASES.glob("*/expect.json"))
REFUSED = {2, 3}


@pytest.mark.skipif(not EVERY, reason="../shared/cases is absent")
@pytest.mark.parametrize("case", EVERY or [CASES], ids=lambda case: case.name)
def test_the_answer_is_the_one_worked_by_hand(case, tmp_path, capsys):
    asked = json.loads((case / "expect.json").read_text(encoding="utf-8"))
    command = [asked.get("command", "compute"), str(case / asked["config"])]
    code = cli.run([*command, "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")])
    said = capsys.readouterr().err
    if code in REFUSED and asked.get("refuse"):
        assert said.startswith("error: ") or "\nerror: " in said
    else:
        assert code == 0, said
        for check in asked["checks"]:
            with (tmp_path / "out" / check["file"]).open(encoding="utf-8-sig", newline="") as file:
                where = check.get("where", {}).items()
                rows = [row for row in csv.DictReader(file) if all(row[key] == value for key, value in where)]
            assert rows, f"{asked['why']}: no row {check['where']}"
            for row in rows:
                got = row[check["column"]]
                if "is" in check:
                    assert got in ([check["is"]] if isinstance(check["is"], str) else check["is"]), asked["why"]
                if "near" in check:
                    assert float(got) == pytest.approx(check["near"], abs=check.get("tolerance", 0.5)), asked["why"]
    told = asked.get("told", [])
    told = [told] if isinstance(told, str) else told
    assert not told or any(text in said for text in told), said
