"""Writing JSON files."""

import json
from pathlib import Path

import numpy as np
import pytest

from r2vos_mm.utils.files import write_json


def test_writing_never_leaves_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / 'a/b.json'
    write_json(path, ['é'])
    with pytest.raises(TypeError):
        write_json(path, [1, np.float32(1)])
    assert json.loads(path.read_text(encoding='utf-8')) == ['é']
    assert [item.name for item in path.parent.iterdir()] == ['b.json']
