"""What the validation found, in sentences for the person who wrote the file. A value is never repeated."""

import types
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from opsbot.config.source import Path, Problem, Source, dotted


def problems(errors: list[ErrorDetails], source: Source, model: type[BaseModel]) -> Iterator[Problem]:
    """Turn each validation error into a problem with its path, its place and a sentence."""
    for error in errors:
        # A wrong name of a person or a host is reported "in the key": it belongs to the name itself.
        path: Path = tuple(part for part in error["loc"] if part != "[key]")
        yield Problem(path=dotted(path), sentence=_sentence(error, path, source.data, model), place=source.place(path))


#: What is asked for, by the validation's word for what it found instead.
_SHAPES = {
    "string_type": "must be text; put it in quotes",
    "tuple_type": "must be a list, like [one, two]",
    "dict_type": "must have keys below it",
    "model_type": "must have keys below it",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
}


def _sentence(error: ErrorDetails, path: Path, data: Any, model: type[BaseModel]) -> str:
    wanted = f"It is {described}." if (described := _described(model, path)) else ""
    match error["type"]:
        case "missing":
            said = "is missing."
        case "extra_forbidden":
            return _unknown(str(path[-1]), keys(_inside(model, path[:-1])))
        case "value_error":
            return str(error.get("ctx", {}).get("error", ""))
        case "too_short":
            said = "is empty."
        case shape if shape in _SHAPES:
            said = "is empty." if _at(data, path) is None else f"{_SHAPES[shape]}."
        case _:
            said = "is not what is wanted here."
    return f"{said} {wanted}".rstrip()


def _unknown(key: str, known: list[str]) -> str:
    near = get_close_matches(key.lower(), known, 1)
    hint = f"did you mean {near[0]}?" if near else f"these are: {', '.join(known)}."
    return f"is not a key here; {hint}"


def _at(data: Any, path: Path) -> Any:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _described(model: type[BaseModel], path: Path) -> str:
    """Return what the key, or the list that an entry is in, is described as."""
    *above, last = [part for part in path if isinstance(part, str)]
    info = fields(_inside(model, tuple(above))).get(last)
    return (info.description if info else None) or ""


def _inside(model: type[BaseModel], path: Path) -> type[BaseModel]:
    inside: Any = model
    for part in path:
        inside = _step(inside, part)
    return inside if isinstance(inside, type) and issubclass(inside, BaseModel) else model


def _step(inside: Any, part: str | int) -> Any:
    if isinstance(inside, type) and issubclass(inside, BaseModel):
        info = fields(inside).get(str(part))
        return info and _bare(info.annotation)
    arguments = get_args(inside)
    return _bare(arguments[-1 if get_origin(inside) is dict else 0]) if arguments else None


def _bare(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        return next(choice for choice in get_args(annotation) if choice is not type(None))
    return annotation


def fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a section by the names that they have in the file."""
    return {str(info.validation_alias or name): info for name, info in model.model_fields.items()}


def keys(model: type[BaseModel]) -> list[str]:
    """Return the keys that a section may have, as they stand in the file."""
    return list(fields(model))


def named_sections(model: type[BaseModel]) -> frozenset[str]:
    """Return the keys below which stand names of the team's own."""
    return frozenset(key for key, info in fields(model).items() if get_origin(info.annotation) is dict)


def all_keys(model: type[BaseModel], above: Path = ()) -> Iterator[Path]:
    """Yield the path of every key that there is; a name of the team's own is written `*`."""
    for key, info in fields(model).items():
        yield (*above, key)
        inner = _bare(info.annotation)
        path: Path = (*above, key)
        if get_origin(inner) is dict:
            inner, path = _bare(get_args(inner)[-1]), (*path, "*")
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from all_keys(inner, path)
