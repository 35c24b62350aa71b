import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2vos_mm.apis import CompressedMasks
from r2vos_mm.utils.masks_io import decode_rle

SHAPE = (3, 4, 5, 7)


def blobs() -> np.ndarray:
    """(3, 4, 5, 7): squares, an empty mask, a full one, and one of noise, which is packed."""
    masks = np.zeros(SHAPE, bool)
    for row, frame in np.ndindex(SHAPE[:2]):
        masks[row, frame, row : row + 3, frame : frame + 2] = True
    masks[1, 2], masks[2, 0] = False, True
    masks[0, 3] = np.random.default_rng(0).random(SHAPE[2:]) > 0.5
    return masks


def indices(length: int) -> st.SearchStrategy:
    """Numbers, slices, lists, arrays of numbers and of bools for an axis."""
    number = st.integers(-length, length - 1)
    bools = st.lists(st.booleans(), min_size=length, max_size=length).map(np.array)
    return st.one_of(
        number,
        st.slices(length),
        st.lists(number, min_size=1, max_size=4),
        st.lists(number, min_size=1, max_size=4).map(np.array),
        bools,
        st.none(),
    )


@given(lead=st.tuples(indices(SHAPE[0]), indices(SHAPE[1])), rest=st.tuples(st.slices(5)))
def test_indexed_like_an_array(lead, rest):
    masks = blobs()
    key = lead if any(index is None for index in lead) else lead + rest
    try:
        expected = masks[key]
    except IndexError:
        with pytest.raises(IndexError):
            CompressedMasks.encode(masks)[key]
        return
    found = CompressedMasks.encode(masks)[key]
    assert found.dtype == bool
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    'key',
    [
        ...,
        (..., 2),
        (1, ..., 3),
        (1, 2, 3, 4),
        (slice(None), 1, -1),
        (0, slice(1, 3), 2, [1, 4]),
        [],
        [True, False, True],
        np.eye(3, 4, dtype=bool),
        (),
    ],
)
def test_indexed_by_pixels(key):
    masks = blobs()
    np.testing.assert_array_equal(CompressedMasks.encode(masks)[key], masks[key])


@pytest.mark.parametrize(
    'key', [3, (0, 4), (0, 0, 5), (0, 0, 0, 0, 0), ([0, 1], 0, 0), np.ones(SHAPE, bool)]
)
def test_impossible_indices(key):
    with pytest.raises(IndexError):
        CompressedMasks.encode(blobs())[key]


def test_appended_window_by_window():
    masks = blobs()
    compressed = CompressedMasks(3, SHAPE[2:])
    assert compressed.shape == (3, 0, 5, 7)
    for window in (slice(0, 1), slice(1, 1), slice(1, 4)):
        compressed.append(masks[:, window])
    assert (compressed.shape, compressed.dtype, compressed.ndim) == (SHAPE, bool, 4)
    assert len(compressed) == 3
    np.testing.assert_array_equal(np.asarray(compressed), masks)
    np.testing.assert_array_equal(np.stack(list(compressed)), masks)
    np.testing.assert_array_equal(np.asarray(compressed, dtype=np.uint8), masks.astype(np.uint8))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(compressed))[:], masks)


@pytest.mark.parametrize('shape', [(2, 1, 5, 7), (3, 1, 7, 5), (3, 5, 7)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match='cannot be added to those of 3 rows of size'):
        CompressedMasks.encode(blobs()).append(np.zeros(shape, bool))


def test_where():
    masks, found = blobs(), np.array([True, False, True])
    compressed = CompressedMasks.encode(masks)
    kept = compressed.where(found)
    np.testing.assert_array_equal(kept[:], masks & found[:, None, None, None])
    np.testing.assert_array_equal(compressed[:], masks)
    assert kept.nbytes < compressed.nbytes


def test_a_row_is_decoded_mask_by_mask():
    masks = blobs()
    row = CompressedMasks.encode(masks).row(-2)
    assert row.shape == SHAPE[1:]
    for found, expected in zip(row, masks[1], strict=True):
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(IndexError):
        CompressedMasks.encode(masks).row(3)


def test_reductions_need_no_decoding():
    masks = blobs()
    compressed = CompressedMasks.encode(masks)
    np.testing.assert_array_equal(compressed.areas(), masks.sum((2, 3)))
    np.testing.assert_array_equal(compressed.any((-2, -1)), masks.any((-2, -1)))
    assert compressed.any()
    assert not compressed.where(np.zeros(3, bool)).any()
    with pytest.raises(ValueError, match='axis=0: compressed masks are reduced over all axes or'):
        compressed.any(axis=0)


def test_run_length_codes():
    masks = blobs()
    compressed = CompressedMasks.encode(masks)
    for index in np.ndindex(SHAPE[:2]):
        code = compressed.rle(*index)
        assert isinstance(code['counts'], str)
        np.testing.assert_array_equal(decode_rle(code, 'mask', SHAPE[2:]), masks[index])


def test_size():
    """A disk takes a hundredth of its pixels; noise takes one bit per pixel."""
    y, x = np.mgrid[:180, :320]
    disk = (y - 90) ** 2 + (x - 160) ** 2 < 50**2
    compressed = CompressedMasks.encode(np.broadcast_to(disk, (1, 20, 180, 320)))
    assert compressed.nbytes < 20 * disk.size / 100
    noise = np.random.default_rng(0).random((1, 1, 180, 320)) > 0.5
    packed = CompressedMasks.encode(noise)
    assert packed.nbytes == noise.size // 8
    np.testing.assert_array_equal(packed[:], noise)
    np.testing.assert_array_equal(decode_rle(packed.rle(0, 0), 'mask'), noise[0, 0])
    assert packed.areas().tolist() == [[noise.sum()]]
    assert repr(packed) == 'CompressedMasks(shape=(1, 1, 180, 320), 0.0072 MB)'
