"""What a terminal shows: help and its examples, completion, tables and progress at every width."""

import contextlib
import io
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from circle15 import cli
from circle15.cli import completion, terminal
from circle15.cli.tables import _hanging, fitted, plain_table
from circle15.cli.terminal import Stages, Terminal, left_in_words, rate_in_words

ROOT = Path(__file__).parents[1]
CHEAP = {"check", "standards", "explain", "init"}
"""Commands whose examples on the sample are run."""


def commands(group: click.Group = cli.circle15, path: tuple[str, ...] = ()):
    for name, command in group.commands.items():
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def help_of(*path: str) -> str:
    return CliRunner().invoke(cli.circle15, [*path, "--help"], obj=Terminal()).output


def examples(*path: str) -> list[str]:
    text = help_of(*path)
    assert "Examples:\n" in text, path
    return re.findall(r"(?m)^    (circle15 .+)$", text.split("Examples:\n", 1)[1])


# help --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [path for path, _ in commands()], ids=" ".join)
def test_every_command_says_what_it_is_for_and_shows_how(path):
    group, command = cli.circle15, None
    for name in path:
        command = group.commands[name]
        group = command
    assert command.short_help
    assert len(command.short_help) <= 80
    assert command.short_help.endswith(".")
    lines = examples(*path)
    assert lines
    assert all(line.startswith(f"circle15 {' '.join(path)}") or path[0] == "compare" for line in lines)


@pytest.mark.parametrize("line", sorted({line for path, _ in [((), None), *commands()] for line in examples(*path)}))
def test_every_example_is_a_command_line_that_exists(line):
    words = shlex.split(line.split(" > ")[0])[1:]
    command: click.Command = cli.circle15
    context = click.Context(cli.circle15)
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    if "--help" not in words:
        made = command.make_context(command.name, words, parent=context)
        if made.params.get("config"):
            assert made.params["config"].suffix == ".toml"


@pytest.mark.parametrize(
    "line",
    sorted(
        {
            line
            for path, _ in commands()
            for line in examples(*path)
            if path[0] in CHEAP and "my-standard" not in line and "pudong.toml" not in line
        }
    ),
)
def test_cheap_examples_run(line, tmp_path, monkeypatch):
    words = [str(ROOT / word) if word == "configs/sample.toml" else word for word in shlex.split(line.split(" > ")[0])]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CIRCLE15_CACHE", str(tmp_path / "cache"))
    result = CliRunner().invoke(cli.circle15, words[1:], obj=Terminal())
    assert result.exit_code == 0, result.output
    assert result.stdout


def test_help_goes_in_the_order_of_the_work():
    text = help_of()
    listed = re.findall(r"(?m)^  ([a-z]+)  ", text.split("Commands:\n", 1)[1].split("\n\n", 1)[0])
    order = ["init", "fetch", "check", "compute", "explain", "suggest", "verify", "plan", "report", "compare"]
    assert [name for name in listed if name in order] == [name for name in order if name in listed]
    places = [text.index(f". {name}:") for name in ("init", "check", "compute", "suggest", "report")]
    assert places == sorted(places)


# completion --------------------------------------------------------------------------------------------------------


def offered(folder: Path, *words: str) -> list[tuple[str, str]]:
    """Ask as bash does; the last word is the one that is being typed."""
    environment = os.environ | {
        completion.VARIABLE: "bash_complete",
        "COMP_WORDS": shlex.join(("circle15", *words)),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run(
        [sys.executable, "-m", "circle15"], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return [tuple(line.split(",", 1)) for line in done.stdout.split()]


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "conf").mkdir()
    for name in ("a.toml", "b.toml", "notes.txt", "conf/c.toml"):
        (tmp_path / name).write_text('[run]\nstandard = "gb50180-2018"\n', encoding="utf-8")
    return tmp_path


def test_commands_files_and_standards_are_offered(folder):
    assert offered(folder, "com") == [("plain", "compute"), ("plain", "compare")]
    assert offered(folder, "compute", "conf/") == [("file", "conf/")]
    shipped = sorted(path.stem for path in (ROOT / "configs" / "standards").glob("*.toml"))
    assert offered(folder, "standards", "show", "") == [("plain", name) for name in shipped]
    assert offered(folder, "verify", "a.toml", "--standard", "gb") == [("plain", "gb50180-2018")]
    assert offered(folder, "verify", "a.toml", "--standard", "conf/") == [("file", "conf/")]
    assert offered(folder, "compute", "a.toml", "--of", "p") == [("plain", "population")]


def test_types_are_those_of_the_standard_in_question(folder):
    kindergarten = [("plain", "kindergarten")]
    assert offered(folder, "explain", "a.toml", "--type", "kind") == kindergarten
    assert offered(folder, "explain", "--standard", "pudong-2021", "a.toml", "--type", "kind") == kindergarten
    assert offered(folder, "standards", "show", "pudong-2021", "--type", "kind") == kindergarten


@pytest.mark.parametrize(
    "content", ["", "[run", "[run]\n", "run = 1\n", '[run]\nstandard = "none"\n', "[run]\nstandard = 1\n"]
)
def test_what_cannot_be_read_offers_nothing(folder, content):
    (folder / "a.toml").write_text(content, encoding="utf-8")
    assert offered(folder, "explain", "a.toml", "--type", "k") == []


def test_no_configuration_offers_nothing(folder):
    assert offered(folder, "explain", "none.toml", "--type", "k") == []
    assert offered(folder, "explain", "--type", "k") == []


def has_bash() -> bool:
    """Whether there is a bash that click's script works with: 4.4 or newer."""
    if shutil.which("bash") is None:
        return False
    version = subprocess.run(
        ["bash", "-c", "echo ${BASH_VERSINFO[0]} ${BASH_VERSINFO[1]}"], capture_output=True, check=True
    )
    return tuple(int(number) for number in version.stdout.split()) >= (4, 4)


@pytest.mark.skipif(not has_bash(), reason="no bash of 4.4 or newer here")
def test_bash_itself_completes(folder):
    """In a real bash on a pseudo-terminal: a command, a folder, a file in it, an option, a type."""
    ours, theirs = pty.openpty()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shell = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"],
        cwd=folder,
        env=os.environ | {"PATH": path, "PS1": "$ ", "TERM": "dumb", "INPUTRC": os.devnull},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    typed = ["expl\t", "conf\t", "c\t", "--ty\t", "kinderg\t", "\n"]
    lines = [f'eval "$({completion.VARIABLE}=bash_source circle15)"; circle15() {{ echo "got:$*:"; }}\n']
    try:
        os.write(ours, "".join([*lines, "circle15 ", *typed, "exit\n"]).encode())
        seen = b""
        with contextlib.suppress(OSError):  # Linux: the other end is closed
            while block := os.read(ours, 65536):
                seen += block
        shell.wait(timeout=30)
    finally:
        shell.kill()
        os.close(ours)
    assert "got:explain conf/c.toml --type kindergarten:" in seen.decode("utf-8")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_of_the_shells(shell, folder):
    environment = os.environ | {completion.VARIABLE: f"{shell}_source"}
    done = subprocess.run(
        [sys.executable, "-m", "circle15"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert "_circle15_completion" in done.stdout


# tables ------------------------------------------------------------------------------------------------------------

ROWS = [
    ("elderly_care 养老", "80.7 %", "1,234,567", "143"),
    ("transport 交通设施交通设施交通设施", "100.0 %", "–", "30"),
    ("<b>[red]x[/red]</b>", "", "0", "0"),
]


def rendered(width: int) -> list[str]:
    table = plain_table("domain", "items", "population", "passed")
    for row in ROWS:
        table.add_row(Text(row[0]), *row[1:], style="bold" if row[3] == "30" else "")
    out = io.StringIO()
    console = Console(file=out, width=width, highlight=False)
    console.print(fitted(table, width))
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("width", [20, 30, 40, 50, 60, 80, 200])
def test_tables_fit_every_width_and_lose_nothing(width):
    lines = rendered(width)
    assert max(cell_len(line.rstrip()) for line in lines) <= width
    text = "".join("".join(lines).split())
    for row in ROWS:
        for cell in row[1:]:
            assert "".join(cell.split()) in text
        assert "".join(row[0].split())[:8] in text
    for name in ("items", "population", "passed"):
        assert name in text


def test_columns_line_up_under_chinese_text():
    lines = [line for line in rendered(80) if "%" in line]
    ends = {cell_len(line[: line.index("%") + 1]) for line in lines}
    assert len(lines) == 2
    assert len(ends) == 1


def test_narrow_rows_are_lists():
    assert rendered(32) == [
        "domain:",
        "elderly_care 养老",
        "  items 80.7 %",
        "  population 1,234,567",
        "  passed 143",
        "transport",  # a line breaks between words, and 34 cells are too many
        "交通设施交通设施交通设施",
        "  items 100.0 % · population –",
        "  passed 30",
        "<b>[red]x[/red]</b>",
        "  population 0 · passed 0",
    ]


def test_a_folded_line_stays_in_its_column():
    console = Console(file=io.StringIO(), width=30)
    for line, lines in (
        ("  found:    0 within; the nearest is S018", ["  found:    0 within; the", "            nearest is S018"]),
        ("  turned by: 示例街道小学的一条更短的路", ["  turned by: 示例街道小学的一", "             条更短的路"]),
        ("a line of no indentation at all, and long", ["a line of no indentation at", "all, and long"]),
        ("", [""]),
    ):
        assert [one.rstrip() for one in _hanging(line, console).plain.split("\n")] == lines


# progress ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("speed", "text"), [(None, ""), (0.0, ""), (1234.4, "1,234/s"), (1.0, "1/s"), (0.5, "30.0/min"), (0.01, "0.6/min")]
)
def test_rates(speed, text):
    assert rate_in_words(speed) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (0, "0:00 left"), (59.9, "0:59 left"), (61, "1:01 left"), (3723, "1:02:03 left")]
)
def test_time_left(seconds, text):
    assert left_in_words(seconds) == text


@pytest.mark.parametrize(("width", "shown"), [(30, False), (40, False), (80, True), (200, True)])
def test_the_moving_line_is_one_line_at_every_width(width, shown):
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, color_system=None)
    clock = iter(range(1000))
    bar = terminal._bar(console)
    bar.get_time = lambda: float(next(clock))  # a second goes by at every look
    task = bar.add_task("travel by elderly_walk 步行的老年人", total=4000)
    for _ in range(20):
        bar.advance(task, 50)
    console.print(bar.get_renderable())
    (line,) = out.getvalue().splitlines()
    assert cell_len(line.rstrip()) <= width
    assert "1000/4000" in line
    assert " left" in line
    assert ("/s" in line) is shown


def test_a_long_stage_tells_how_far_it_is_where_lines_stay(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(terminal.time, "perf_counter", lambda: now[0])
    stages = Stages(Terminal())
    stages.stage("travel by walk", 40)
    for _ in range(40):
        now[0] += 1.0
        stages.advance()
    stages.done()
    assert capsys.readouterr().err.splitlines() == [
        "travel by walk: 10 of 40, 0:30 left",
        "travel by walk: 20 of 40, 0:20 left",
        "travel by walk: 30 of 40, 0:10 left",
        "travel by walk … 40.0 s",
    ]
