"""What no table and no homeserver would take inside a text, and what no room and no reader of a table is to see."""

from sqlalchemy import Connection

from opsbot.masks import Masks
from opsbot.model import Json, Text
from opsbot.render.text import words as in_words

_UNSENDABLE = {code: None for code in range(32) if chr(code) not in "\n\t"}


def clean(words: str) -> str:
    """Return words without control characters, and without halves of characters."""
    return words.encode("utf-8", "replace").decode().translate(_UNSENDABLE)


#: The option of a connection that holds the secrets.
MASKS = "opsbot_masks"


def masks_of(connection: Connection) -> Masks:
    """Return what takes secrets out of that which is stored through a connection."""
    masks = connection.get_execution_options().get(MASKS)
    return masks if isinstance(masks, Masks) else Masks()


def unmarked(connection: Connection, text: Text) -> Text:
    """Return a message without secrets; one that had any loses its marks, for they may stand within a secret."""
    body = masks_of(connection).over(text.body)
    said = text if body == text.body else in_words(body)
    return Text(body=clean(said.body), html=clean(masks_of(connection).over(said.html)))


def masked(connection: Connection, value: Json) -> Json:
    """Return a value with the secrets taken out of each of its texts."""
    match value:
        case str():
            return masks_of(connection).over(value)
        case dict():
            return {key: masked(connection, one) for key, one in value.items()}
        case list() | tuple():
            return [masked(connection, one) for one in value]
        case _:
            return value
