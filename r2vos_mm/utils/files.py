"""Writing JSON files."""

import json
import os
from pathlib import Path
from typing import Any


def write_json(path: str | Path, content: Any) -> None:
    """Writes a JSON file, or leaves what is there: nobody ever reads half of it.

    Raises:
        TypeError: if the content is none of JSON's types.
    """
    path = Path(path)
    text = json.dumps(content, ensure_ascii=False, indent=1) + '\n'
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f'{path.name}.{os.getpid()}.part')
    draft.write_text(text, encoding='utf-8')
    os.replace(draft, path)
