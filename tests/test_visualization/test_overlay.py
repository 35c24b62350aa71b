import numpy as np
import pytest

from r2vos_mm.visualization import Style, overlay_heat, overlay_masks, resize_mask
from r2vos_mm.visualization.overlay import display_size, draw_box

STYLE = Style(prediction=(200, 0, 0), truth=(0, 200, 0), rejected=(0, 0, 200), alpha=0.5)


def square() -> np.ndarray:
    mask = np.zeros((40, 60), bool)
    mask[10:30, 20:40] = True
    return mask


def grey(value: int = 100) -> np.ndarray:
    return np.full((40, 60, 3), value, np.uint8)


def test_fill_blends_inside_and_leaves_the_outside():
    frame = grey()
    image = overlay_masks(frame, mask=square(), style=STYLE)
    # alpha 0.5: (100 + 200) / 2 and (100 + 0) / 2
    assert image[20, 30].tolist() == [150, 50, 50]
    assert image[10, 30].tolist() == [200, 0, 0]
    assert image[5, 5].tolist() == [100, 100, 100]
    assert (frame == 100).all()


def test_truth_is_a_contour_only():
    image = overlay_masks(grey(), true_mask=square(), style=STYLE)
    assert image[10, 30].tolist() == [0, 200, 0]
    assert image[20, 30].tolist() == [100, 100, 100]


def test_rejected_is_dashed():
    line = overlay_masks(grey(), rejected_mask=square(), style=STYLE)[10, 20:40]
    coloured = (line == (0, 0, 200)).all(-1)
    assert coloured.any()
    assert not coloured.all()


def test_empty_masks_draw_nothing():
    empty = np.zeros((40, 60), bool)
    image = overlay_masks(grey(), mask=empty, true_mask=empty, rejected_mask=empty)
    assert (image == 100).all()


def test_whole_frame_and_single_pixel_masks():
    assert overlay_masks(grey(), mask=np.ones((40, 60), bool), style=STYLE)[20, 30, 0] == 150
    one = np.zeros((40, 60), bool)
    one[3, 4] = True
    assert overlay_masks(grey(), true_mask=one, style=STYLE)[3, 4].tolist() == [0, 200, 0]


@pytest.mark.parametrize(
    'frame',
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        None,
    ],
)
def test_bad_frames_are_refused(frame):
    with pytest.raises(ValueError, match='RGB array'):
        overlay_masks(frame)


def test_masks_of_another_size_are_named():
    with pytest.raises(ValueError, match=r'true_mask \(4, 4\).*resize_mask'):
        overlay_masks(grey(), true_mask=np.ones((4, 4), bool))
    with pytest.raises(ValueError, match='shape'):
        resize_mask(np.ones((2, 4, 4), bool), (8, 8))


def test_resize_mask_keeps_a_single_pixel():
    one = np.zeros((400, 400), bool)
    one[200, 200] = True
    assert resize_mask(one, (40, 40)).sum() == 1
    assert not resize_mask(np.zeros((400, 400), bool), (40, 40)).any()
    assert resize_mask(np.ones((4, 4), bool), (9, 7)).all()


@pytest.mark.parametrize(
    ('shape', 'size'),
    [
        ((128, 128), (256, 256)),  # enlarged: 256 / 128 = 2
        ((300, 500), (300, 500)),  # as it is
        ((720, 1280), (360, 640)),  # reduced: 640 / 1280 = 0.5
        ((64, 640), (64, 640)),  # the longer side's limit wins
        ((1, 4000), (1, 640)),
    ],
)
def test_display_size(shape, size):
    assert display_size(shape, Style()) == size


def test_boxes():
    image = grey()
    draw_box(image, np.zeros(4), (255, 0, 0))
    assert (image == 100).all()
    draw_box(image, np.array([0.0, 0.0, 0.5, 0.5]), (255, 0, 0))
    assert image[0, 0].tolist() == image[19, 29].tolist() == [255, 0, 0]
    assert image[10, 10].tolist() == [100, 100, 100]


def test_heat_has_the_ends_of_the_colour_map():
    heat = np.array([[0.0, 1.0]])
    image = overlay_heat(grey(0), heat, low=0, high=1, opacity=1, colour_map='gray')
    assert image[0, 0].tolist() == [0, 0, 0]
    assert image[0, -1].tolist() == [255, 255, 255]
    flat = overlay_heat(grey(), np.zeros((2, 2)), low=0, high=0)
    assert flat.shape == (40, 60, 3)
    with pytest.raises(ValueError, match='heat map'):
        overlay_heat(grey(), np.zeros((1, 2, 2)), low=0, high=1)
