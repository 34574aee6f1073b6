"""The kinds of value that entries of a standard are made of."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError


def _as_id(text: str) -> str:
    # Ids stand in lists joined by "|", in file names and in CSV columns.
    if not re.fullmatch(r"[\w.-]+", text):
        raise PydanticCustomError("bad_id", 'an id has only letters, digits, "_", "-" and "."')
    return text


Text = Annotated[str, Field(min_length=1)]
Id = Annotated[str, AfterValidator(_as_id)]
Flag = Annotated[bool, Field(strict=True)]
Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
Year = Annotated[int, Field(strict=True, ge=1900, le=2200)]
# Strict, since 1 minute is not what `minutes = true` means.
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Percent = Annotated[float, Field(strict=True, gt=0, le=100, allow_inf_nan=False)]
ZoneMode = Literal["walk", "cycle", "drive"]


class Part(BaseModel):
    """One table of a standard's file: unknown keys are errors, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)
