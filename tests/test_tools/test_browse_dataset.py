import importlib.util
from pathlib import Path

import pytest
import torch
from mmengine.structures import InstanceData

from r2vos_mm.registry import DATASETS
from r2vos_mm.structures import ReferringDataSample

_FILE = Path(__file__).parents[2] / 'tools' / 'analysis_tools' / 'browse_dataset.py'
_SPEC = importlib.util.spec_from_file_location('browse_dataset', _FILE)
browse_dataset = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(browse_dataset)


class TwoPairs:
    """Three items of two frames with a positive and a negative pair."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> dict:
        masks = torch.zeros(2, 2, 16, 24, dtype=torch.bool)
        masks[0, :, 4:12, 6:12] = True
        sample = ReferringDataSample(metainfo={'video_id': f'v{index}', 'flip': True})
        sample.gt_pairs = InstanceData(
            texts=['a ball', 'a dog'],
            masks=masks,
            boxes=torch.zeros(2, 2, 4),
            is_negative=torch.tensor([False, True]),
            kinds=['positive', 'attribute'],
        )
        return {'inputs': torch.zeros(2, 3, 16, 24, dtype=torch.uint8), 'data_samples': sample}


@pytest.fixture
def config(tmp_path, monkeypatch) -> Path:
    monkeypatch.setitem(DATASETS.module_dict, 'TwoPairs', TwoPairs)
    path = tmp_path / 'two_pairs.py'
    path.write_text(
        "default_scope = 'r2vos_mm'\ntrain_dataloader = dict(dataset=dict(type='TwoPairs'))\n"
    )
    return path


def test_writes_one_sheet_an_item(config, tmp_path):
    out = tmp_path / 'out'
    browse_dataset.main([str(config), '--out-dir', str(out), '--num', '2'])
    assert sorted(p.name for p in out.iterdir()) == ['train_000000.png', 'train_000001.png']


def test_rows_limit_the_sentences():
    item = TwoPairs()[0]
    both, one = (browse_dataset.draw_item(item, columns=2, rows=rows) for rows in (2, 1))
    assert len(both) > len(one) + 200


def test_chosen_items():
    assert browse_dataset.choose(5, 3, shuffle=False, seed=0) == [0, 1, 2]
    assert browse_dataset.choose(2, 9, shuffle=False, seed=0) == [0, 1]
    assert sorted(browse_dataset.choose(5, 5, shuffle=True, seed=1)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize('options', [['--split', 'val'], ['--num', '0']])
def test_mistakes_are_one_line(config, capsys, options):
    with pytest.raises(SystemExit) as error:
        browse_dataset.main([str(config), *options])
    assert error.value.code == 2
    assert capsys.readouterr().err.startswith('error: ')
