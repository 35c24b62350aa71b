"""The parts of docs/extending.md register, train and are evaluated."""

import os
import re
import subprocess
import sys
from pathlib import Path

from r2vos_mm.refshapes import make_refshapes

ROOT = Path(__file__).parents[1]


def test_parts_of_the_page_train(tmp_path: Path) -> None:
    page = (ROOT / 'docs' / 'extending.md').read_text()
    blocks = re.findall(r'^```python\n(.*?)^```', page, re.MULTILINE | re.DOTALL)
    [config] = [block for block in blocks if block.startswith('# my_config.py')]
    (tmp_path / 'my_parts.py').write_text('\n'.join(x for x in blocks if x != config))
    path = ROOT / 'configs' / 'r2vos_tiny_refshapes.py'
    config = config.replace("'configs/r2vos_tiny_refshapes.py'", repr(str(path)))
    (tmp_path / 'my_config.py').write_text(config)
    data = tmp_path / 'data'
    make_refshapes(
        data,
        splits=dict(train=3, valid=2),
        size=(64, 64),
        length=6,
        num_objects=(2, 2),
        sentences_per_object=2,
        workers=1,
        progress=False,
    )
    options = [
        'train_cfg.max_iters=1',
        'train_cfg.val_interval=1',
        'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False',
        'param_scheduler=[]',
        *(f'{part}_dataloader.dataset.data_root={data}' for part in ('train', 'val', 'test')),
    ]
    result = subprocess.run(
        [sys.executable, str(ROOT / 'tools' / 'train.py'), 'my_config.py', '--cfg-options']
        + options,
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': f'{tmp_path}{os.pathsep}{ROOT}'},
        capture_output=True,
        text=True,
    )
    output = result.stdout + result.stderr
    assert result.returncode == 0, output[-3000:]
    for word in ('PlainBackbone', 'CosineCycleHead', 'SmoothDistanceLoss'):
        assert word in output
    assert re.search(r'found/positive: +\d', output)
    assert 'loss_cycle_dist' in output
