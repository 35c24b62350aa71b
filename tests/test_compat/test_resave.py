"""Plain copies of checkpoints that pickle objects."""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub

from r2vos_mm.compat import resave
from r2vos_mm.utils.checkpoint import read_checkpoint


def test_resave(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / 'source.pth', tmp_path / 'target.pth'
    hub = MessageHub('test_resave')
    hub.update_scalar('train/loss', 1.5)
    content = {
        'state_dict': OrderedDict(weight=torch.ones(2)),
        'message_hub': hub.state_dict(),
        'meta': {'classes': np.array(['a', 'b'])},
        'other': object(),
    }
    torch.save(content, source)
    resave.main([str(source), str(target)])
    plain = read_checkpoint(target)
    assert torch.equal(plain['state_dict']['weight'], torch.ones(2))
    assert plain['meta'] == {'classes': ['a', 'b']}
    assert 'other' not in plain
    assert 'skipped: other is a builtins.object' in capsys.readouterr().out
