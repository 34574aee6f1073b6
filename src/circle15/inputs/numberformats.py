"""What a spreadsheet shows for a number: the stored value and its format → text, exactly, or that it can't be told.

A code in a workbook is what the sheet shows: 1 with the format ``000`` is 001. Understood are sections by sign,
colours, digits (``0``, ``#``, ``?``), decimals, separators of thousands, and any text between, before and behind. What
is shown in another way than digit by digit (percent, fractions, powers, thousands left out, dates, Chinese numerals,
conditions) is not told, nor is a value that is shown with fewer digits than it has.
"""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

_TOKEN = re.compile(
    r'"(?P<text>[^"]*)"|\\(?P<escaped>.)|_(?P<space>.)|\*(?P<fill>.)|\[(?P<bracket>[^\]]*)\]'
    r"|(?P<general>General)|(?P<digit>[0#?])|(?P<sign>.)",
    re.IGNORECASE | re.DOTALL,
)
_COLOUR = re.compile(
    r"(black|blue|cyan|green|magenta|red|white|yellow|colou?r ?\d+|[黑蓝青绿红白黄]色?|洋红色?|蓝绿色?|颜色 ?\d+)",
    re.IGNORECASE,
)
_CURRENCY = re.compile(r"\$([^-]*)(?:-[0-9a-f]+)?", re.IGNORECASE)
_LITERAL = frozenset("$-+/():!^&'~{}<>= ")
"""Signs that stand for themselves without quotes. Letters do not: they may be of a date, or of another language's."""


@dataclass(frozen=True)
class _Part:
    """A piece of a format: a placeholder (``0``, ``#``, ``?``), ``.``, ``,``, ``General``, or text (kind ``text``)."""

    kind: str
    text: str = ""


def shown_as(value: float, number_format: str) -> str | None:
    """Return what a sheet shows for a number, or None if that can't be told.

    Parameters
    ----------
    value : int or float
        As stored.
    number_format : str
        As the file has it, e.g. ``000``, ``0000-00``, ``[Red]000;-000``, ``000"号"``.

    Returns
    -------
    str or None
        With ``General`` all digits of a whole number, however long: a spreadsheet shows long ones in powers of ten
        where the column is narrow, and has the digits.
    """
    sections = [_parts(section) for section in _split(number_format)]
    number = Decimal(repr(value))
    if any(section is None for section in sections):
        return None
    chosen, bare = _section(number, sections)
    return None if chosen is None else _written(abs(number) if bare else number, chosen)


def _split(number_format: str) -> list[str]:
    """Return the sections of a format, which are separated by semicolons that are no text."""
    sections = [""]
    for token in _TOKEN.finditer(number_format):
        if token["sign"] == ";":
            sections.append("")
        else:
            sections[-1] += token[0]
    return sections


def _section(number: Decimal, sections: list[list[_Part] | None]) -> tuple[list[_Part] | None, bool]:
    """Return the section for a number, and whether it is one for negative ones, which shows no sign of its own."""
    several = len(sections) > 1
    if number < 0 and several:
        return sections[1], True
    if number == 0 and len(sections) > 2:  # noqa: PLR2004 - positive, negative, zero
        return sections[2], False
    return sections[0], False


def _parts(section: str) -> list[_Part] | None:
    """Return the pieces of a section, None if one isn't understood."""
    parts = []
    for token in _TOKEN.finditer(section):
        if token["text"] is not None or token["escaped"]:
            parts.append(_Part("text", token["text"] if token["text"] is not None else token["escaped"]))
        elif token["space"]:
            parts.append(_Part("text", " "))
        elif token["general"] or token["sign"] == "@":
            parts.append(_Part("General"))
        elif token["digit"] or token["sign"] in (".", ","):
            parts.append(_Part(token[0]))
        elif token["fill"] == " " or (token["bracket"] and _COLOUR.fullmatch(token["bracket"])):
            continue  # blanks that fill the cell, and a colour, are no part of the code
        elif token["bracket"] and (money := _CURRENCY.fullmatch(token["bracket"])):
            parts.append(_Part("text", money[1]))
        elif token["sign"] in _LITERAL:
            parts.append(_Part("text", token["sign"]))
        else:
            return None
    return parts if _is_plain(parts) else None


def _is_plain(parts: list[_Part]) -> bool:
    """Return whether a section shows a number digit by digit: no fraction, no thousands left out, one point at most."""
    kinds = [part.kind for part in parts]
    digits = [at for at, kind in enumerate(kinds) if kind in ("0", "#", "?")]
    if "General" in kinds:
        return kinds.count("General") == 1 and not digits and "." not in kinds and "," not in kinds
    if not digits:
        return "." not in kinds and "," not in kinds
    between = parts[digits[0] : digits[-1]]
    if any(part.kind == "text" and "/" in part.text for part in between) or kinds.count(".") > 1:
        return False
    whole_end = kinds.index(".") if "." in kinds else len(kinds)
    whole = [at for at in digits if at < whole_end]
    commas = [at for at, kind in enumerate(kinds) if kind == ","]
    return all(whole and whole[0] < at < whole[-1] for at in commas)


def _written(number: Decimal, parts: list[_Part]) -> str | None:
    kinds = [part.kind for part in parts]
    sign = "-" if number < 0 else ""
    number = abs(number)
    if "General" in kinds:
        general = _plain(number)
        return sign + "".join(general if part.kind == "General" else part.text for part in parts)
    if not {"0", "#", "?"} & set(kinds):
        return sign + "".join(part.text for part in parts)  # no placeholder: the text alone is shown
    point = kinds.index(".") if "." in kinds else len(parts)
    decimals = [part for part in parts[point + 1 :] if part.kind != "text"]
    rounded = number.quantize(Decimal(1).scaleb(-len(decimals)), ROUND_HALF_UP)
    if rounded != number:
        return None
    digits = f"{rounded:f}".partition(".")
    whole = _whole(digits[0].lstrip("0"), parts[:point])
    return sign + whole + _fraction(digits[2], parts[point:])


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _whole(digits: str, parts: list[_Part]) -> str:
    """Return the digits before the point in their places, from the last to the first; further ones go in front."""
    thousands = any(part.kind == "," for part in parts)
    left, written, out = list(digits), 0, []
    first = next((at for at, part in enumerate(parts) if part.kind in ("0", "#", "?")), -1)
    for at in range(len(parts) - 1, -1, -1):
        part = parts[at]
        if part.kind == "text":
            out.append(part.text)
        elif part.kind != ",":
            more = len(left) if at == first else 1
            for _ in range(max(more, 1)):
                digit = left.pop() if left else {"0": "0", "#": "", "?": " "}[part.kind]
                if thousands and written and written % 3 == 0 and digit:
                    out.append("," if digit != " " else " ")
                out.append(digit)
                written += 1
    return "".join(reversed(out))


def _fraction(digits: str, parts: list[_Part]) -> str:
    """Return the point and the digits behind it in their places; zeros at the end show where the format has a 0."""
    needed = len(digits.rstrip("0"))
    out, at = [], 0
    for part in parts:
        if part.kind in ("0", "#", "?"):
            at += 1
            blank = {"0": "0", "#": "", "?": " "}[part.kind]
            out.append(digits[at - 1] if at <= needed else blank)
        else:
            out.append(part.text if part.kind == "text" else ".")
    return "".join(out)
