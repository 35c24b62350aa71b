"""Read ``meta_expressions.json``: the expressions and frames of videos."""

import sys
from pathlib import Path
from typing import Any

from .files import read_json


def normalise_sentence(sentence: str) -> str:
    """Return a sentence in lower case, with single blanks and none at the ends.

    >>> normalise_sentence('a bus  driving on the ROAD ')
    'a bus driving on the road'
    """
    return ' '.join(sentence.lower().split())


def is_plain_name(name: Any) -> bool:
    """Return whether a name of a data file can be joined to a folder without leaving it."""
    return (
        isinstance(name, str)
        and name not in ('', '.', '..')
        and not any(char in name for char in '/\\\0:')
    )


def frame_order(name: str) -> tuple[int, str]:
    """Return the sorting key of frame names and object ids: numbers by value, then other names.

    >>> sorted(['10', '9', '00008'], key=frame_order)
    ['00008', '9', '10']
    """
    return (int(name) if name.isdecimal() else sys.maxsize, name)


def read_expressions(path: Path) -> dict[str, dict]:
    """Return ``videos`` of a ``meta_expressions.json``: {video: {"expressions": .., "frames": ..}}.

    The owners' first release, which lists expressions by object, is converted to the form of the
    challenge.

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

    The challenge numbers the full-video expressions object by object, and the frames of the video
    are those of its objects.

    >>> from_object_form({'objects': {'1': {'expressions': ['a dog'], 'frames': ['00000']}}})
    {'expressions': {'0': {'exp': 'a dog', 'obj_id': '1'}}, 'frames': ['00000']}
    """
    expressions = [
        dict(exp=text, obj_id=obj_id)
        for obj_id in sorted(entry['objects'], key=frame_order)
        for text in entry['objects'][obj_id].get('expressions', ())
    ]
    frames = {frame for item in entry['objects'].values() for frame in item.get('frames', ())}
    return dict(
        expressions={str(i): expression for i, expression in enumerate(expressions)},
        frames=sorted(frames),
    )


def _is_object_form(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and 'expressions' not in entry
        and isinstance(entry.get('objects'), dict)
        and all(isinstance(item, dict) for item in entry['objects'].values())
    )
