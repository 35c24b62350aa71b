"""VideoSwinTransformer: shapes, modes, numerical equalities that need no reference."""

import pytest
import torch
from torch import Tensor, nn

from r2vos_mm.models.backbones import VideoSwinTransformer
from r2vos_mm.models.backbones.video_swin import PatchMerging, WindowAttention
from r2vos_mm.models.backbones.windows import fit_window, partition, shifted_layout
from r2vos_mm.registry import MODELS

TINY = dict(embed_dims=8, depths=(2, 2, 2, 2), num_heads=(1, 2, 2, 4), window_size=(2, 3, 3))
# Channels of the stages and parameters of the trunk. T and B as in the released checkpoints.
SIZES = {
    'T': (dict(), 96, 27_844_326),
    'S': (dict(depths=(2, 2, 18, 2)), 96, 49_502_934),
    'B': (dict(embed_dims=128, depths=(2, 2, 18, 2), num_heads=(4, 8, 16, 32)), 128, 87_630_792),
    'L': (dict(embed_dims=192, depths=(2, 2, 18, 2), num_heads=(6, 12, 24, 48)), 192, None),
}


def tiny(**changes: object) -> VideoSwinTransformer:
    torch.manual_seed(0)
    model = VideoSwinTransformer(**{**TINY, **changes})
    model.init_weights()
    return model


def clips(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize('size', SIZES)
def test_every_size_gives_four_maps(size: str) -> None:
    config, channels, parameters = SIZES[size]
    with torch.device('meta'):
        model = MODELS.build(dict(type='VideoSwinTransformer', **config))
        maps = model(torch.empty(2, 3, 3, 64, 96))
    shapes = [tuple(level.shape) for level in maps]
    assert shapes == [
        (6, channels, 16, 24),
        (6, 2 * channels, 8, 12),
        (6, 4 * channels, 4, 6),
        (6, 8 * channels, 2, 3),
    ]
    assert model.out_channels == tuple(shape[1] for shape in shapes)
    if parameters is not None:
        assert sum(weight.numel() for weight in model.parameters()) == parameters


@pytest.mark.parametrize(
    ('frames', 'height', 'width'), [(1, 64, 96), (5, 37, 61), (3, 1, 7), (2, 33, 4)]
)
def test_any_size_is_padded_inside(frames: int, height: int, width: int) -> None:
    maps = tiny().eval()(clips(1, frames, 3, height, width))
    for level, found in enumerate(maps):
        stride = 4 * 2**level
        assert found.shape == (frames, 8 * 2**level, -(-height // stride), -(-width // stride))
        assert found.is_contiguous()
        assert found.isfinite().all()


def test_takes_clips_and_says_so() -> None:
    assert VideoSwinTransformer.takes_clips
    with pytest.raises(ValueError, match=r'takes clips \(B, T, 3, H, W\).*\(2, 3, 32, 32\)'):
        tiny()(clips(2, 3, 32, 32))


@pytest.mark.parametrize('length', [3, 7, 9])
@torch.no_grad()
def test_frames_of_padding_change_nothing(length: int) -> None:
    """Windows of four frames; lengths around one window, two windows, and without a second one."""
    model = tiny(depths=(2, 2), num_heads=(1, 2), window_size=(4, 3, 3), out_indices=(0, 1)).eval()
    for parameter in model.parameters():  # biases start at zero
        nn.init.normal_(parameter, std=0.3)
    video = clips(1, length, 3, 28, 20)
    for count in range(1, length + 1):
        found = model(video, num_frames=torch.tensor(count))
        for level, alone in zip(found, model(video[:, :count]), strict=True):
            torch.testing.assert_close(level[:count], alone, rtol=1e-5, atol=1e-5)


def test_clips_of_a_batch_do_not_mix_but_frames_do() -> None:
    model = tiny().eval()
    batch = clips(2, 4, 3, 32, 32)
    together = model(batch)
    for level, alone in zip(together, model(batch[1:])):
        torch.testing.assert_close(level[4:], alone)
    changed = batch.clone()
    changed[0, 0] += 1
    assert not torch.allclose(model(changed)[3][1], together[3][1])
    torch.testing.assert_close(model(changed)[3][4:], together[3][4:])


def test_masks_by_group_equal_attention_over_written_out_masks() -> None:
    """softmax(qk/sqrt(d) + bias - 100 * forbidden) v, one mask per window."""
    torch.manual_seed(0)
    attention = WindowAttention(8, 2, (2, 3, 3))
    nn.init.normal_(attention.relative_position_bias_table)
    grid = fit_window((5, 7, 8), (2, 3, 3), shifted=True)
    layout = shifted_layout(grid, torch.device('cpu'))
    windows = partition(clips(2, 5, 7, 8, 8), grid)[layout.order]
    count, batch, tokens, channels = windows.shape

    qkv = attention.qkv(windows).view(count, batch, tokens, 3, 2, 4).permute(3, 0, 1, 4, 2, 5)
    query, key, value = qkv
    forbidden = layout.forbidden.repeat_interleave(torch.tensor(layout.group_sizes), dim=0)
    logits = query @ key.transpose(-1, -2) / 4**0.5 + attention._bias(tokens)
    logits = logits - 100.0 * forbidden[:, None, None].float()
    expected = (logits.softmax(-1) @ value).transpose(2, 3).reshape(windows.shape)
    torch.testing.assert_close(attention(windows, layout), attention.proj(expected))


def test_patch_merging_stacks_neighbours_column_by_column() -> None:
    merging = PatchMerging(1)
    merging.norm = nn.Identity()
    merging.reduction = nn.Identity()
    cells = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(1, 1, 2, 2, 1)
    assert merging(cells).flatten().tolist() == [1.0, 3.0, 2.0, 4.0]


@pytest.mark.parametrize('frozen_stages', [-1, 1])
def test_checkpointing_changes_neither_maps_nor_gradients(frozen_stages: int) -> None:
    frames = clips(1, 3, 3, 32, 40)
    results = []
    for with_cp in (False, True):
        model = tiny(with_cp=with_cp, drop_path_rate=0.5, frozen_stages=frozen_stages).train()
        torch.manual_seed(3)
        maps = model(frames)
        sum(level.square().mean() for level in maps).backward()
        gradients = [weight.grad for weight in model.parameters() if weight.requires_grad]
        results.append([*maps, *gradients])
    torch.testing.assert_close(results[0], results[1])


def test_every_parameter_is_trained() -> None:
    model = tiny(out_norm=dict(type='LN')).train()
    sum(level.square().sum() for level in model(clips(1, 3, 3, 64, 64))).backward()
    assert all(weight.grad is not None for weight in model.parameters())


def test_frozen_stages_stay_frozen_in_training() -> None:
    model = tiny(frozen_stages=2, out_norm=dict(type='LN')).train()
    trained = {
        name.rsplit('.', 1)[0].split('.blocks')[0]
        for name, weight in model.named_parameters()
        if weight.requires_grad
    }
    assert trained == {
        'layers.2',
        'layers.3',
        'downsamples.2.norm',
        'downsamples.2.reduction',
        'norm2',
        'norm3',
    }
    assert not model.layers[1].training
    assert model.layers[2].training
    model.eval().train()
    assert not model.patch_embed.training
    assert not model.downsamples[1].training


def test_drop_path_grows_over_all_blocks_also_when_the_last_stage_is_left_out() -> None:
    model = tiny(drop_path_rate=0.7, out_indices=(0, 1, 2))
    rates = [block.drop_path.drop_prob for stage in model.layers for block in stage.blocks]
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert len(model.layers) == 3
    assert len(model.downsamples) == 2
    assert len(model(clips(1, 2, 3, 32, 32))) == 3


def test_out_norm_normalizes_channels() -> None:
    for level in tiny(out_norm=dict(type='LN')).eval()(clips(1, 2, 3, 32, 32)):
        torch.testing.assert_close(
            level.mean(1), torch.zeros_like(level.mean(1)), atol=1e-5, rtol=0
        )


def test_runs_under_autocast() -> None:
    model = tiny().train()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        maps = model(clips(1, 3, 3, 40, 40))
        sum(level.float().mean() for level in maps).backward()
    exact = model.eval()(clips(1, 3, 3, 40, 40))
    assert (maps[0].float() - exact[0]).abs().mean() < 0.02


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(num_heads=(1, 2, 2)), 'depths has 4 stages but num_heads 3'),
        (dict(num_heads=(3, 2, 2, 4)), r'num_heads\[0\]=3 does not divide the 8 channels'),
        (dict(window_size=(7, 7)), r'window_size=\(7, 7\) must be three'),
        (dict(out_indices=(0, 4)), 'out_indices'),
        (dict(out_indices=()), 'out_indices'),
        (dict(frozen_stages=5), 'frozen_stages=5'),
    ],
)
def test_sizes_that_do_not_fit_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny(**changes)
