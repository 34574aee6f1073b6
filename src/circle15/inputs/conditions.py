"""Conditions of ``where`` that compare a column of numbers with a text, or the other way round.

pandas answers them without a word: ``==`` holds for no row and ``!=`` for all of them.
"""

import ast
import re
from collections.abc import Iterator

import pandas as pd

from circle15.errors import ConfigError, Problem
from circle15.tables import clean_text

QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")
"""Texts in a condition, and names of columns between backticks."""
BOOLEANS = {"&": " and ", "|": " or "}
"""pandas binds these as loosely as the words."""


def refuse_mixed(where: str, view: pd.DataFrame, place: str) -> None:
    """Refuse a condition that compares a column with values of another kind than its own.

    Parameters
    ----------
    where : str
        The condition, as the configuration has it.
    view : DataFrame
        The columns as the condition sees them.
    place : str
        Where the condition stands, for the message.

    Raises
    ------
    ConfigError
        If a column of numbers stands beside a text, or one of texts beside a number. What pandas cannot read is left
        to pandas to refuse.
    """
    try:
        condition, names = _parse(where)
    except SyntaxError:
        return
    problems = []
    for name, values in _comparisons(condition):
        column = names.get(name, name)
        kind = _kind(view[column]) if column in view else ""
        for value in values:
            if kind == "numbers" and isinstance(value, str):
                what, remedy = f'compares numbers with the text "{value}"', "Write numbers without quotation marks"
                if not value:
                    remedy = f"{column} == {column} holds for the rows where it is filled"
            elif kind == "texts" and isinstance(value, int | float):
                what, remedy = f"compares texts with {value}", f'Put it in quotation marks: "{value}"'
            else:
                continue
            problems.append(Problem(f'"{column}": the condition {what}', place, remedy=f"{remedy}."))
    if problems:
        raise ConfigError(*problems)


def _parse(where: str) -> tuple[ast.expr, dict[str, str]]:
    """Return a condition's tree, and the columns that stand between backticks by the names put in their place."""
    names: dict[str, str] = {}
    parts, end = [], 0
    for match in QUOTED.finditer(where):
        quoted = match.group()
        if quoted.startswith("`"):
            name = f"column_between_backticks_{len(names)}"
            names[name], quoted = quoted[1:-1], name
        parts += [_with_words(where[end : match.start()]), quoted]
        end = match.end()
    return ast.parse("".join([*parts, _with_words(where[end:])]).strip(), mode="eval").body, names


def _with_words(text: str) -> str:
    for sign, word in BOOLEANS.items():
        text = text.replace(sign, word)
    return text


def _comparisons(condition: ast.expr) -> Iterator[tuple[str, list[object]]]:
    """Yield each name that is compared with literal values, and those."""
    for node in ast.walk(condition):
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
            for one, other in zip([*operands[:-1], *operands[1:]], [*operands[1:], *operands[:-1]], strict=True):
                if isinstance(one, ast.Name):
                    yield one.id, _literals(other)


def _literals(node: ast.expr) -> list[object]:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError):
        return []
    return list(value) if isinstance(value, list | tuple | set) else [value]


def _kind(values: pd.Series) -> str:
    """Return ``numbers`` or ``texts``, or nothing for what is neither (empty, dates, both)."""
    if not (clean_text(values) != "").any():
        return ""
    inferred = pd.api.types.infer_dtype(values, skipna=True)
    if inferred in {"integer", "floating", "mixed-integer-float", "decimal"}:
        return "numbers"
    return "texts" if inferred == "string" else ""
