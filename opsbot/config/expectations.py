"""A table of who may say what, as an admin expects it: the file of `opsbot policy test`."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from opsbot.config.sentences import problems
from opsbot.config.source import Problem, read_yaml
from opsbot.errors import ConfigError


class Expected(BaseModel):
    """One row: a person says something, and may or may not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    person: str = Field(description="a person, by their name in the configuration")
    says: str = Field(description="what they say, like deploy hello-bot")
    may: bool = Field(description="whether they may, yes or no")
    room: str = Field("", description="where it is said; in the first configured room without it")
    because: str = Field("", description="words that the reason, or the place of the rule, must have")


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    expect: tuple[Expected, ...] = Field(min_length=1, description="a list of rows, each with person, says and may")


def read_expectations(path: Path) -> tuple[Expected, ...]:
    """Read a table. Raises ConfigError with all that is wrong in it."""
    try:
        source = read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"{path} cannot be read: {why}.") from None
    found: list[Problem] = list(source.problems)
    try:
        table = _Table.model_validate(source.data or {})
    except ValidationError as error:
        found += problems(error.errors(include_url=False, include_input=False), source, _Table)
    if found:
        raise ConfigError("\n".join(f"{path}: {problem}" for problem in found))
    return table.expect
