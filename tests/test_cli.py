"""The command line: what goes where, and with which exit code it leaves. The pipeline behind it is a fake."""

import errno
import json
import os
import pty
import signal
import subprocess
import sys
import textwrap
import types
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import circle15
from circle15 import cli
from circle15.errors import ComputeError, ConfigError, InputError, Notes, OutputError, Problem
from circle15.percent import text_of_rate

TOML = """
[run]
name = "test"
standard = "pudong-2021"
as_of = 2023
out = "out/from_config"
[network]
source = "n.osm.pbf"
[committees]
source = "c.gpkg"
[[facilities]]
source = "f.csv"
type = "primary_school"
"""
NAN = float("nan")


@dataclass
class Outcome:
    folder: Path
    results_rates: dict
    notes: Notes
    unchanged: bool = False
    timings: dict = field(default_factory=lambda: {"streets": 2.1})
    files: dict = field(default_factory=lambda: {"circle15.gpkg": "aa", "csv/towns.csv": "bb"})
    gaps: int = 86


def rates(key: str | None, rows: list[tuple]) -> pd.DataFrame:
    """Rates from (id, passed, failed, unknown); population rate 0.5, committee rate missing."""
    table = pd.DataFrame(rows, columns=["id", "passed", "failed", "unknown"])
    judged = (table.passed + table.failed).astype(float)
    table["item_rate"] = table.passed / judged.where(judged > 0)
    table["committee_rate"] = np.nan
    table["population_rate"] = 0.5
    table[["exempt", "edge_affected"]] = 0
    table[["population", "population_covered"]] = 100.0, 50.0
    return table.rename(columns={"id": key}) if key else table.drop(columns="id")


TARGETS = pd.DataFrame(
    {
        **dict.fromkeys(("target_id", "domain", "name_zh", "name_en", "operator", "unit"), "x"),
        **dict.fromkeys(("measured_unit", "reason", "measured_by", "clause"), "x"),
        "value": 1.0,
        "measured": 1.0,
        "due": 2023,
        "verdict": ["pass", "pass", "fail", "exempt", "unknown", "unknown"],
    },
)


def make_outcome(out: Path, **changes) -> Outcome:
    notes = Notes()
    for _ in range(2):
        notes.add("facilities.off_network", 2, "facilities are off the network", ["f1", "f2"])
    towns = [(f"town{i}", 90 - i, 10 + i, 0) for i in range(7)]
    tables = {
        "domains": rates("domain", [("教育", 57, 43, 0), ("elderly_care", 1, 1, 3), ("nothing", 0, 0, 5)]),
        "district": rates(None, [("", 57, 43, 8)]),
        "towns": rates("town_id", towns),
        "types": rates("type_id", [("小学", 100, 0, 0), ("park", 1, 2, 0), ("clinic", 0, 9, 1)]),
        "zones": rates("zone", [("urban", 1, 0, 0)]),
        "targets": TARGETS,
    }
    return Outcome(**({"folder": out, "results_rates": tables, "notes": notes} | changes))


@pytest.fixture
def config(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("CIRCLE15_CACHE", raising=False)
    path = tmp_path / "run.toml"
    path.write_text(TOML, encoding="utf-8")
    return path


@pytest.fixture
def pipeline(monkeypatch):
    """A pipeline that remembers how it was called and does what the test tells it."""
    fake = types.ModuleType("circle15.pipeline")
    fake.calls = []
    fake.action = lambda options: make_outcome(options["out"])

    def compute(config, **options):
        fake.calls.append((config, options))
        return fake.action(options)

    fake.compute = compute
    monkeypatch.setitem(sys.modules, "circle15.pipeline", fake)
    monkeypatch.setattr(circle15, "pipeline", fake, raising=False)
    return fake


def failing(error):
    def action(_):
        raise error

    return action


# stdout ------------------------------------------------------------------------------------------------------------


def test_table_on_stdout_and_notes_on_stderr(config, pipeline, capsys):
    assert cli.run(["compute", str(config)]) == 0
    out, err = capsys.readouterr()
    lines = [line.split() for line in out.splitlines()]
    assert ["domain", "items", "committees", "population", "passed", "failed", "unknown"] in lines
    assert ["教育", "57.0", "%", "–", "50.0", "%", "57", "43", "0"] in lines
    assert ["nothing", "–", "–", "50.0", "%", "0", "0", "5"] in lines
    assert ["all", "57.0", "%", "–", "50.0", "%", "57", "43", "8"] in lines
    assert [line[0] for line in lines if line and line[0].startswith("town")] == [f"town{i}" for i in (6, 5, 4, 3, 2)]
    assert [line[0] for line in lines if line and line[0] in {"clinic", "park", "小学"}] == ["clinic", "park"]
    assert "86 gaps" in out
    assert "out/from_config: circle15.gpkg, csv/towns.csv, run.json" in out
    assert err == "note: facilities are off the network\n"


def test_columns_line_up_with_chinese_names(config, pipeline, capsys):
    cli.run(["compute", str(config)])
    lines = capsys.readouterr().out.splitlines()
    chinese = next(line for line in lines if line.startswith("教育"))
    latin = next(line for line in lines if line.startswith("elderly_care"))
    # each Chinese character takes two cells, so the line has two characters less before the figures end
    assert len(chinese) + 2 == len(latin)


def test_all_passed_says_so(config, pipeline, capsys):
    tables = make_outcome(Path("x")).results_rates | {
        "towns": rates("town_id", [("t", 5, 0, 0)]),
        "types": rates("type_id", [("a", 5, 0, 0)]).assign(headline=True),
    }
    pipeline.action = lambda o: make_outcome(o["out"], results_rates=tables)
    cli.run(["compute", str(config)])
    assert "no gap in any of the towns" in capsys.readouterr().out


def test_types_that_do_not_count_are_not_among_the_worst(config, pipeline, capsys):
    tables = make_outcome(Path("x")).results_rates
    tables["types"]["headline"] = [True, True, False]
    pipeline.action = lambda o: make_outcome(o["out"], results_rates=tables)
    cli.run(["compute", str(config)])
    out = capsys.readouterr().out
    assert "park" in out
    assert "clinic" not in out


def test_targets_are_counted(config, pipeline, capsys):
    cli.run(["compute", str(config)])
    assert "targets: 2 met, 1 not met, 1 not due, 2 unknown" in capsys.readouterr().out


def test_json_is_one_document(config, pipeline, capsys):
    assert cli.run(["compute", str(config), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["district"]["item_rate"] == 0.57
    assert document["district"]["committee_rate"] is None
    assert document["domains"][0] == {
        "domain": "教育",
        "passed": 57,
        "failed": 43,
        "unknown": 0,
        "exempt": 0,
        "edge_affected": 0,
        "overridden": None,
        "item_rate": 0.57,
        "item_rate_without_edge": None,
        "committee_rate": None,
        "population": 100.0,
        "population_covered": 50.0,
        "population_unknown": None,
        "population_rate": 0.5,
    }
    assert document["gaps"] == 86
    assert document["notes"] == [
        {"code": "facilities.off_network", "count": 2, "text": "facilities are off the network"}
    ]
    assert set(document) >= {"folder", "unchanged", "towns", "types", "zones", "files", "timings"}


@pytest.mark.parametrize(
    ("rate", "text"),
    [(1.0, "100.0 %"), (0.9999, "99.9 %"), (0.57, "57.0 %"), (0.0004, "0.0 %"), (0.0, "0.0 %"), (NAN, "–")],
)
def test_rates_are_rounded_down(rate, text):
    assert text_of_rate(rate) == text


# stderr ------------------------------------------------------------------------------------------------------------


def staged(options):
    progress = options["progress"]
    progress.stage("streets", 3)
    progress.advance()
    progress.advance(2)
    progress.done()
    progress.stage("travel")
    progress.stage("write")
    progress.done()
    progress.done()
    return make_outcome(options["out"])


def test_stages_are_plain_lines_where_stderr_is_no_terminal(config, pipeline, capsys):
    pipeline.action = staged
    cli.run(["compute", str(config)])
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" … ")[0] for line in lines[:3]] == ["streets", "travel", "write"]
    assert lines[0].endswith(" s")
    assert "\x1b" not in "".join(lines)


def test_quiet_leaves_errors_only(config, pipeline, capsys):
    pipeline.action = staged
    assert cli.run(["compute", str(config), "-q"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "教育" in out


def test_verbose_shows_the_rows_of_notes(config, pipeline, capsys):
    cli.run(["compute", str(config), "-v"])
    assert "note: facilities are off the network (f1, f2)" in capsys.readouterr().err


def test_unchanged_is_told(config, pipeline, capsys):
    pipeline.action = lambda o: make_outcome(o["out"], unchanged=True)
    cli.run(["compute", str(config)])
    assert "unchanged" in capsys.readouterr().err


# options -----------------------------------------------------------------------------------------------------------


GIVEN = (
    "--out elsewhere --as-of 2021 --standard s.toml --engine scipy --bom --fresh --archive --sensitivity 10 -q --cache"
)


def test_options_reach_the_pipeline(config, pipeline, tmp_path):
    cli.run(["compute", str(config), *GIVEN.split(), str(tmp_path / "cache")])
    loaded, options = pipeline.calls[0]
    del options["progress"]
    assert loaded.run.name == "test"
    assert options == {
        "sensitivity": 10.0,
        "out": Path("elsewhere"),
        "as_of": 2021,
        "standard": str(Path("s.toml").resolve()),  # a path begins where the command runs
        "engine": "scipy",
        "cache": tmp_path / "cache",
        "bom": True,
        "fresh": True,
        "archive": True,
    }


def test_a_shipped_standard_is_passed_by_its_id(config, pipeline):
    cli.run(["compute", str(config), "-q", "--standard", "pudong-2021"])
    assert pipeline.calls[0][1]["standard"] == "pudong-2021"


def test_defaults(config, pipeline, tmp_path):
    cli.run(["compute", str(config), "-q"])
    options = pipeline.calls[0][1]
    assert options["out"] == Path("out/from_config")
    assert options["cache"] == tmp_path / "xdg" / "circle15"
    assert (options["standard"], options["as_of"], options["engine"]) == (None, None, None)
    assert (options["bom"], options["fresh"]) == (False, False)


def test_cache_from_the_environment_and_none(config, pipeline, tmp_path, monkeypatch):
    monkeypatch.setenv("CIRCLE15_CACHE", str(tmp_path / "env"))
    cli.run(["compute", str(config), "-q"])
    cli.run(["compute", str(config), "-q", "--no-cache"])
    assert [options["cache"] for _, options in pipeline.calls] == [tmp_path / "env", None]


def test_a_cache_that_cannot_be_made(config, pipeline, tmp_path, monkeypatch, capsys):
    assert cli.run(["compute", str(config), "--cache", str(config / "below")]) == 5
    assert "--no-cache" in capsys.readouterr().err
    monkeypatch.setenv("XDG_CACHE_HOME", str(config))
    assert cli.run(["compute", str(config)]) == 0
    assert "nothing is cached" in capsys.readouterr().err
    assert pipeline.calls[0][1]["cache"] is None


def test_help_and_version(capsys):
    assert cli.run(["compute", "-h"]) == 0
    text = capsys.readouterr().out
    assert "circle15 compute configs/sample.toml" in text
    options = "out as-of standard engine cache no-cache bom fresh fail-under json quiet verbose help"
    for option in (f"--{name}" for name in options.split()):
        assert option in text
    assert cli.run(["--version"]) == 0
    assert circle15.__version__ in capsys.readouterr().out


# exit codes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("percent", "code"), [("57", 0), ("57.0", 0), ("56.9", 0), ("57.1", 1), ("100", 1), ("0", 0), ("57.000000001", 1)]
)
def test_fail_under_is_exact(config, pipeline, percent, code):
    assert cli.run(["compute", str(config), "-q", "--fail-under", percent]) == code


def test_fail_under_needs_a_number(config, pipeline):
    assert cli.run(["compute", str(config), "-q", "--fail-under", "nan"]) == 2
    assert not pipeline.calls


def test_fail_under_tells_why(config, pipeline, capsys):
    cli.run(["compute", str(config), "-q", "--fail-under", "95"])
    assert "item rate is 57.0 % (57 of 100), below 95 %" in capsys.readouterr().err


def test_nothing_judged_is_not_met(config, pipeline, capsys):
    tables = make_outcome(Path("x")).results_rates | {"district": rates(None, [("", 0, 0, 9)])}
    pipeline.action = lambda o: make_outcome(o["out"], results_rates=tables)
    assert cli.run(["compute", str(config), "--fail-under", "0"]) == 1
    assert "no item could be judged" in capsys.readouterr().err
    tables["district"] = tables["district"].iloc[:0]
    assert cli.run(["compute", str(config), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["district"] is None


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Usage"),
        (["compute"], "CONFIG"),
        (["compute", "x", "--nonsense"], "--nonsense"),
        (["nonsense"], "nonsense"),
        (["compute", "x", "--fail-under", "101"], "101"),
        (["compute", "x", "--as-of", "soon"], "soon"),
        (["compute", "x", "--engine", "magic"], "magic"),
        (["compute", "x", "-q", "-v"], "exclude"),
        (["compute", "x", "--cache", "a", "--no-cache"], "exclude"),
        (["compute", "no_such.toml"], "no such file"),
    ],
)
def test_usage_and_configuration_errors_are_2(arguments, told, capsys):
    assert cli.run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert "Traceback" not in err


def test_no_output_folder(config, pipeline, capsys):
    config.write_text(TOML.replace('out = "out/from_config"', ""))
    assert cli.run(["compute", str(config)]) == 2
    assert "--out DIR" in capsys.readouterr().err
    assert pipeline.calls == []


@pytest.mark.parametrize(("error", "code"), [(ConfigError, 2), (InputError, 3), (ComputeError, 4), (OutputError, 5)])
def test_each_kind_of_error_has_its_code(config, pipeline, capsys, error, code):
    pipeline.action = failing(
        error(Problem("is negative", "cells.csv", ("row 3", "row 4"), "Correct it."), Problem("is empty", "b.csv"))
    )
    assert cli.run(["compute", str(config), "-v"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "error: cells.csv: is negative (2 rows: row 3, row 4). Correct it.",
        "error: b.csv: is empty.",
    ]


def test_very_many_problems_are_cut(config, pipeline, capsys):
    pipeline.action = failing(InputError(*(f"problem {i}" for i in range(60))))
    cli.run(["compute", str(config)])
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 51
    assert lines[-1] == "error: and 10 more of them."


def test_memory(config, pipeline, capsys):
    pipeline.action = failing(MemoryError())
    assert cli.run(["compute", str(config)]) == 4
    assert "not enough memory" in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyError("reason"), EOFError("cut"), OSError(errno.EPIPE, "cut"), RuntimeError("x")])
def test_anything_else_is_our_bug(config, pipeline, capsys, error):
    pipeline.action = failing(error)
    code = cli.run(["compute", str(config)])
    err = capsys.readouterr().err
    if isinstance(error, BrokenPipeError):
        assert code == 141
    else:
        assert code == 70
        assert "a bug in circle15" in err
        assert type(error).__name__ in err
    assert "Traceback" not in err


def test_a_bug_shows_its_traceback_when_asked(config, pipeline, capsys):
    pipeline.action = failing(KeyError("reason"))
    assert cli.run(["compute", str(config), "-v"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_interrupted(config, pipeline, capsys):
    pipeline.action = failing(KeyboardInterrupt())
    assert cli.run(["compute", str(config)]) == 130
    assert "interrupted; nothing was written" in capsys.readouterr().err


# real processes ----------------------------------------------------------------------------------------------------


def program(action: str, tail: str = "circle15.cli.main()") -> str:
    return textwrap.dedent(f"""
        import sys, types
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import circle15.cli
        import test_cli
        fake = types.ModuleType("circle15.pipeline")
        def compute(config, **options):
            {action}
        fake.compute = compute
        sys.modules["circle15.pipeline"] = circle15.pipeline = fake
        {tail}
    """)


DONE = "return test_cli.staged(options)"


def start(config: Path, action: str, *arguments: str, **streams) -> subprocess.Popen:
    command = [sys.executable, "-c", program(action), "compute", str(config), *arguments]
    environment = os.environ | {"PYTHONIOENCODING": "utf-8"} | streams.pop("env", {})
    return subprocess.Popen(command, env=environment, **streams)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_interrupt_a_run(config, number):
    action = "options['progress'].stage('slow'); print('started', flush=True); __import__('threading').Event().wait()"
    process = start(config, action, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "started\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.endswith("interrupted; nothing was written\n")
    assert "Traceback" not in err
    assert out == ""


def test_piped_stdout_is_plain_and_whole(config):
    name = "很长的街道名称" * 30
    action = f"""
            outcome = test_cli.staged(options)
            outcome.results_rates["towns"]["name"] = {name!r}
            return outcome"""
    process = start(config, action, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8")
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert name in out
    assert "\x1b" not in out + err
    assert all(line == line.rstrip() for line in out.splitlines())


def test_a_reader_that_leaves_early_is_no_failure(config):
    reading, writing = os.pipe()
    os.close(reading)
    process = start(config, DONE, "--fail-under", "95", stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    err = process.communicate(timeout=20)[1]
    assert process.returncode == 1
    assert "not met" in err
    assert "Broken" not in err


def test_nobody_reads_stderr(config):
    reading, writing = os.pipe()
    os.close(reading)
    process = start(config, DONE, stdout=subprocess.PIPE, stderr=writing, text=True, encoding="utf-8")
    os.close(writing)
    out = process.communicate(timeout=20)[0]
    assert "86 gaps" in out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_stdout_on_a_full_disk(config):
    with Path("/dev/full").open("w") as full:
        process = start(config, DONE, stdout=full, stderr=subprocess.PIPE, text=True)
        err = process.communicate(timeout=20)[1]
    assert process.returncode == 5
    assert "error: stdout: cannot be written (No space left on device)" in err
    assert "Exception ignored" not in err


def test_a_terminal_without_chinese(config):
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": {"PYTHONIOENCODING": "ascii"}}
    process = start(config, DONE, "--json", **streams)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert json.loads(out)["domains"][0]["domain"] == "教育"


def on_terminal(config: Path, **environment: str) -> str:
    """Return all that a run shows on a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    env = {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"} | environment
    process = start(config, DONE, stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    seen = b""
    try:
        while block := os.read(ours, 65536):
            seen += block
    except OSError:  # Linux: the other end is closed
        pass
    os.close(ours)
    assert process.wait(timeout=20) == 0
    return seen.decode("utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_terminal_shows_progress_and_fits_80_columns(config):
    seen = on_terminal(config)
    assert "\x1b[?25l" in seen  # cursor hidden while the line moves …
    assert seen.rindex("\x1b[?25h") > seen.rindex("\x1b[?25l")  # … and shown again
    assert "streets … " in seen
    table = seen[seen.index("domain  ") :].replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert max(len(line.rstrip("\r")) for line in table.splitlines()) <= 80


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_no_color(config):
    colours = [f"\x1b[{code}m" for code in (31, 32, 33, 34, 35, 36)]
    seen = on_terminal(config, NO_COLOR="1")
    assert "教育" in seen
    assert not any(colour in seen for colour in colours)
    assert "\x1b[?25l" not in on_terminal(config, TERM="dumb")


def test_module_is_the_command(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "circle15", "--version"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert circle15.__version__ in done.stdout
