import numpy as np
import pytest

from r2vos_mm.visualization import (
    ClipView,
    PairView,
    Style,
    attention_sheet,
    clip_strip,
    contact_sheet,
    draw_frame,
    pair_views,
    video_grid,
)
from r2vos_mm.visualization.panels import header_band, verdict_colour, verdict_labels

STYLE = Style(shorter=100, longer=200)


def clips(sample, frames) -> list[ClipView]:
    return [
        ClipView(frames, view, title='v', frame_ids=sample.frame_ids) for view in pair_views(sample)
    ]


def test_labels_of_every_verdict():
    def labels(**fields):
        return verdict_labels(PairView('x', **fields))

    assert labels(consensus=0.93, is_negative=False, kind='positive') == [
        '✓ in the video',
        'consensus 0.93',
        'truth: positive',
    ]
    assert labels(consensus=0.8, is_negative=True, kind='relation') == [
        '✗ in the video',
        'consensus 0.80',
        'truth: negative (relation)',
    ]
    assert labels(consensus=0.08) == ['not in the video', 'consensus 0.08']
    assert labels() == []


def test_header_is_green_red_or_grey():
    def bar(**fields):
        return tuple(header_band(PairView('x', **fields), 200, style=STYLE)[0, 0])

    assert bar(consensus=0.9, is_negative=False) == STYLE.right
    assert bar(consensus=0.9, is_negative=True) == STYLE.wrong
    assert bar(consensus=0.9) == STYLE.neutral
    assert bar(is_negative=True) == STYLE.negative
    assert verdict_colour(PairView('x', is_negative=False), STYLE) == STYLE.neutral


@pytest.mark.parametrize('sentence', ['', 'x', 'Wörter ' * 200, '狗' * 300, 'x' * 500])
def test_header_takes_any_sentence_and_keeps_its_width(sentence):
    band = header_band(PairView(sentence, consensus=0.1), 120, title='name ' * 30, style=STYLE)
    assert band.shape[1:] == (120, 3)
    assert len(band) < 160


def test_small_frames_are_enlarged(sample, frames):
    image = draw_frame(frames[0], pair_views(sample)[0], 0)
    assert image.shape == (256, 384, 3)  # 40 x 60 times 256 / 40


def test_a_rejected_prediction_is_dashed_and_its_box_left_out(sample, frames):
    rejected = pair_views(sample)[2]
    image = draw_frame(frames[0], rejected, 0, style=STYLE)
    assert (image == STYLE.rejected).all(-1).any()
    assert not (image == STYLE.prediction).all(-1).any()


def test_a_frame_beyond_the_masks_is_named(sample, frames):
    with pytest.raises(ValueError, match='Frame 5'):
        draw_frame(frames[0], pair_views(sample)[0], 5)


def test_strip_has_a_column_a_frame(sample, frames):
    clip = clips(sample, frames)[0]
    wide = clip_strip(clip, columns=5, style=STYLE)
    # cells of 100 x 150 with gaps of 6 between them
    assert wide.shape[1] == 5 * 150 + 4 * 6
    assert clip_strip(clip, columns=2, style=STYLE).shape[1] == 2 * 150 + 6
    assert clip_strip(clip, columns=2, width=900, style=STYLE).shape[1] == 900


def test_sheet_of_positives_and_negatives(sample, frames):
    rows = clips(sample, frames)
    sheet = contact_sheet(rows, columns=3, style=STYLE)
    assert sheet.shape[1] == 3 * 150 + 2 * 6 + 2 * 6
    for colour in (STYLE.right, STYLE.wrong, STYLE.truth, STYLE.prediction):
        assert (sheet == colour).all(-1).any()
    assert len(contact_sheet(rows[:1], columns=3, style=STYLE)) < len(sheet)
    with pytest.raises(ValueError, match='at least one clip'):
        contact_sheet([])


def test_sheet_of_videos_of_different_sizes(sample, frames):
    other = ClipView(np.zeros((1, 64, 64, 3), np.uint8), PairView('one frame only'))
    sheet = contact_sheet([*clips(sample, frames), other], columns=2, style=STYLE)
    assert sheet.dtype == np.uint8


@pytest.mark.parametrize('count', [1, 2, 4])
def test_grid_has_all_frames_of_one_size(sample, frames, count):
    images = list(video_grid(iter(frames), pair_views(sample)[:count], style=STYLE))
    assert len(images) == len(frames)
    assert len({image.shape for image in images}) == 1


def test_grid_of_one_frame_and_of_no_pairs(sample, frames):
    assert len(list(video_grid(frames[:1], pair_views(sample)))) == 1
    with pytest.raises(ValueError, match='at least one pair'):
        list(video_grid(frames, []))


def test_attention_sheet_marks_the_hot_cell(frames):
    heat = np.zeros((5, 4, 6), np.float32)
    heat[:, 1, 2] = 1
    pair = PairView('a square', grounding_attention=heat)
    one = attention_sheet(ClipView(frames, pair), columns=2, style=STYLE)
    both = attention_sheet(
        ClipView(frames, PairView('a square', grounding_attention=heat, early_features=heat)),
        columns=2,
        style=STYLE,
    )
    assert one.shape[1] == 2 * 150 + 6 + 12
    assert len(both) - len(one) > 100
    with pytest.raises(ValueError, match='grounding maps'):
        attention_sheet(ClipView(frames, PairView('x')))
