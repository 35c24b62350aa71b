"""Read ``meta_expressions.json``: the expressions and frames of videos."""

import re
import sys
from pathlib import Path
from typing import Any

from ..files import read_json

MAX_OBJECT_ID = 255
MAX_NAME_BYTES = 240  # file systems allow 255, with the suffix


def normalize_text(text: str) -> str:
    """Return a text in lower case, with single blanks and none at the ends.

    >>> normalize_text('a bus  driving on the ROAD ')
    'a bus driving on the road'
    """
    return ' '.join(text.lower().split())


def is_text(value: Any) -> bool:
    """Return whether a value is text with something to read, and can be written as UTF-8."""
    return isinstance(value, str) and bool(value.strip()) and bool(_utf8(value))


def is_plain_name(name: Any) -> bool:
    """Return whether a name of a data file can be joined to a folder without leaving it."""
    return (
        isinstance(name, str)
        and name not in ('', '.', '..')
        and not any(char in name for char in '/\\\0:')
        and 0 < len(_utf8(name)) <= MAX_NAME_BYTES
    )


def _utf8(text: str) -> bytes:
    """Return the bytes of a text; none if it has half a surrogate pair, as broken escapes give."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return b''


def object_number(value: Any, *, largest: int = MAX_OBJECT_ID) -> str | None:
    """Return an object's id as text; None unless ``value`` is a number from 1 to ``largest``.

    >>> [object_number(value) for value in (1, '01', 1.0, '1.0', 0, 999, 'dog', True)]
    ['1', '1', '1', '1', None, None, None, None]
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    digits = re.fullmatch(r'0*(\d{1,18})(\.0*)?', str(value).strip())
    return str(int(digits[1])) if digits and 0 < int(digits[1]) <= largest else None


def frame_order(name: str) -> tuple[int, str]:
    """Return the sorting key of frame names and object ids: numbers by value, then other names.

    >>> sorted(['10', '9', '00008'], key=frame_order)
    ['00008', '9', '10']
    """
    return (int(name) if name.isdecimal() and len(name) < 19 else sys.maxsize, name)


def read_expressions(path: Path) -> dict[str, dict]:
    """Return ``videos`` of a ``meta_expressions.json``: {video: {"expressions": .., "frames": ..}}.

    The first release, which lists expressions by object, is converted to the form of the challenge.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is not JSON, or ``videos`` is missing.
    """
    content = read_json(path)
    videos = content.get('videos') if isinstance(content, dict) else None
    if not isinstance(videos, dict):
        keys = sorted(content) if isinstance(content, dict) else type(content).__name__
        raise ValueError(
            f"{path} has no dict 'videos' (found: {str(keys)[:200]}). Expected "
            '{"videos": {<video>: {"expressions": {...}, "frames": [...]}}}'
        )
    return {
        video_id: from_object_form(entry) if _is_object_form(entry) else entry
        for video_id, entry in videos.items()
    }


def from_object_form(entry: dict) -> dict:
    """Convert a video's entry of the first release, by object, to the form of the challenge.

    The challenge numbers expressions object by object; frames of a video are those of its objects.

    >>> from_object_form({'objects': {'1': {'expressions': ['a dog'], 'frames': ['00000']}}})
    {'expressions': {'0': {'exp': 'a dog', 'obj_id': '1'}}, 'frames': ['00000']}
    """
    expressions = [
        dict(exp=text, obj_id=obj_id)
        for obj_id in sorted(entry['objects'], key=frame_order)
        for text in entry['objects'][obj_id].get('expressions') or ()
    ]
    frames = {frame for item in entry['objects'].values() for frame in item.get('frames') or ()}
    return dict(
        expressions={str(i): expression for i, expression in enumerate(expressions)},
        frames=sorted(frames),
    )


def _is_object_form(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and 'expressions' not in entry
        and isinstance(entry.get('objects'), dict)
        and all(
            isinstance(item, dict) and _is_texts(item.get(key))
            for item in entry['objects'].values()
            for key in ('expressions', 'frames')
        )
    )


def _is_texts(value: Any) -> bool:
    return value is None or (
        isinstance(value, list) and all(isinstance(item, str) for item in value)
    )
