"""tools/model_converters/publish_model.py as a user calls it."""

import subprocess
import sys
from pathlib import Path

import torch

TOOL = Path(__file__).parents[3] / 'tools' / 'model_converters' / 'publish_model.py'


def publish(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(TOOL), *arguments], capture_output=True, text=True, check=False
    )


def test_weights_and_their_origin_are_all_that_is_kept(tmp_path):
    source, target = tmp_path / 'run.pth', tmp_path / 'out' / 'model.pth'
    weight = torch.tensor([1.0, 0.1])
    torch.save(
        dict(
            state_dict=dict(a=weight, steps=torch.tensor(3)),
            optimizer=dict(state={}),
            meta=dict(iter=7, seed=5, cfg='_base_ = []'),
        ),
        source,
    )

    result = publish(str(source), str(target))

    assert result.returncode == 0, result.stderr
    checkpoint = torch.load(target, weights_only=True)
    assert set(checkpoint) == {'state_dict', 'meta'}
    assert checkpoint['meta']['iter'] == 7
    assert checkpoint['meta']['seed'] == 5
    assert 'cfg' not in checkpoint['meta']
    assert checkpoint['state_dict']['a'].dtype == torch.float16
    # float16 has 11 significant bits: relative error at most 2^-11
    assert torch.allclose(checkpoint['state_dict']['a'].float(), weight, rtol=2**-11, atol=0)
    assert checkpoint['state_dict']['steps'].item() == 3


def test_the_file_is_compressed(tmp_path):
    source, target = tmp_path / 'run.pth', tmp_path / 'model.pth'
    torch.save(dict(state_dict=dict(a=torch.zeros(50_000))), source)
    assert publish(str(source), str(target)).returncode == 0
    assert target.stat().st_size < 5_000  # of 100,000 bytes of float16
    assert torch.equal(torch.load(target)['state_dict']['a'], torch.zeros(50_000).half())


def test_a_file_without_weights_is_refused_by_name(tmp_path):
    source = tmp_path / 'other.pth'
    torch.save(dict(epoch=1), source)

    result = publish(str(source), str(tmp_path / 'model.pth'))

    assert result.returncode == 2
    assert 'other.pth' in result.stderr
    assert not (tmp_path / 'model.pth').exists()
