"""Released checkpoints are recognized by the names and shapes of their tensors."""

import mttr_extracts
import pytest
import referformer_extracts
import released_extracts
import torch
from released_extracts import empty

from r2vos_mm.converters import R2VOS, recognize
from r2vos_mm.engine.model_index import find_model

Shapes = dict[str, tuple[int, ...]]
REFERENCE = {
    'r2vos_r50_released': 'r2vos_r50_released',
    'rf_resnet50': 'referformer_r50_released',
    'rf_swin_t_p4w7': 'referformer_swin-t_released',
    'rf_video_swin_t_p4w7': 'referformer_video-swin-t_released',
    'rf_video_swin_b_p4w7': 'referformer_video-swin-b_released',
    'mttr_video_swin_t': 'mttr_video-swin-t_released',
}


@pytest.mark.parametrize(('file', 'alias'), REFERENCE.items())
def test_reference_data(test_data, file, alias):
    names = released_extracts.released_shapes(test_data / f'golden/{file}.names.txt')
    assert recognize(empty(names)).alias == alias
    assert find_model(alias) is not None


@pytest.mark.parametrize(
    ('extract', 'alias'),
    [
        (released_extracts, 'r2vos_r50_released'),
        (referformer_extracts, 'referformer_r50_released'),
        (mttr_extracts, 'mttr_video-swin-t_released'),
    ],
)
def test_extracts_also_of_parallel_training(extract, alias):
    names = extract.load_extract()['names']
    assert recognize(empty(names)).alias == alias
    assert recognize(empty(names, 'module.')).alias == alias


@pytest.mark.parametrize(
    ('stages', 'channels', 'axes', 'backbone'),
    [(18, 96, 5, 'video-swin-s'), (18, 128, 4, 'swin-b'), (18, 192, 4, 'swin-l'), (7, 96, 5, '')],
)
def test_sizes_of_swins(stages, channels, axes, backbone):
    patch = torch.zeros(()).expand((channels, 3, 1, 4, 4) if axes == 5 else (channels, 3, 4, 4))
    names = {f'backbone.0.body.layers.2.blocks.{i}.norm1.bias': (1,) for i in range(stages)}
    state = empty({**names, 'pixel_decoder.cross_attn.proj_v_kv.weight': (512, 256)})
    found = recognize({**state, 'backbone.0.body.patch_embed.proj.weight': patch})
    assert (found.backbone, found.released.method) == (backbone, 'R2-VOS')
    assert str(found) == f'R2-VOS with backbone {backbone or "of unknown size"}'


def test_depth_of_resnets():
    names = {f'backbone.0.body.layer3.{i}.bn1.bias': (1,) for i in range(23)}
    names['pixel_decoder.cross_attn_4.norm1.weight'] = (256,)
    assert recognize(empty(names)).backbone == ''  # without third convolutions it is no ResNet-101
    names['backbone.0.body.layer1.0.conv3.weight'] = (1,)
    assert recognize(empty(names)).alias == 'referformer_r101_released'


def test_others_are_not_recognized():
    names = released_extracts.load_extract()['names']
    assert recognize(R2VOS.to_ours(empty(names)).weights) is None
    assert recognize({}) is None
