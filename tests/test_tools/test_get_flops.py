"""The counter of operations on a toy size."""

import importlib.util
import sys
from pathlib import Path

import torch
from torch import nn

ROOT = Path(__file__).parents[2]
_SPEC = importlib.util.spec_from_file_location(
    'get_flops', ROOT / 'tools/analysis_tools/get_flops.py'
)
get_flops = importlib.util.module_from_spec(_SPEC)
sys.modules['get_flops'] = get_flops
_SPEC.loader.exec_module(get_flops)

CONFIG = ROOT / 'configs/r2vos_tiny_refshapes.py'


def test_counts_add_up(capsys):
    counts = get_flops.measure(CONFIG, frames=1, size=(64, 64), hidden_size=384)
    model = get_flops.build(CONFIG, 384)
    assert counts.parameters == sum(p.numel() for p in model.parameters())
    assert counts.backbone == sum(p.numel() for p in model.backbone.parameters())
    assert 0 < counts.sentence < counts.clip
    more = get_flops.measure(CONFIG, frames=2, size=(64, 64), hidden_size=384)
    # attention over all frames grows with their square, the words' share does not grow
    assert 1.9 * counts.sentence < more.sentence < 3 * counts.sentence
    get_flops.main([str(CONFIG), '--frames', '1', '--size', '64', '64', '--hidden-size', '384'])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == counts.row()
    assert lines[0].count('|') == lines[2].count('|')


def test_older_pytorch_has_another_switch(monkeypatch):
    """Before 2.3 the plain form of attention is asked for in another way."""
    monkeypatch.setitem(sys.modules, 'torch.nn.attention', None)
    monkeypatch.setattr(torch.backends.cuda, 'sdp_kernel', lambda **switches: switches)
    assert get_flops.plain_attention() == dict(enable_flash=False, enable_mem_efficient=False)


def test_backbone_by_hand():
    """A convolution of 3 x 3, 3 to 4 channels, on 8 x 8 cells: 2 * 3 * 9 * 4 * 64 a frame."""
    model = nn.Module()
    model.backbone = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.Identity())
    maps, operations = get_flops.backbone_maps(model, frames=5, size=(8, 8))
    assert operations == 5 * 2 * 3 * 9 * 4 * 64
    assert [tuple(x.shape) for x in maps] == [(4, 8, 8)] * 5  # iterated frame by frame
    assert all(x.device == torch.device('cpu') for x in maps)
