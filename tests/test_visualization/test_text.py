import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2vos_mm.visualization import Style
from r2vos_mm.visualization.text import clean_text, draw_lines, paste, text_chip, wrap_text

FONT = Style().font(12)


def test_clean_text_leaves_one_printable_line():
    assert clean_text(' a\tred\n\x00 dog \ud800') == 'a red dog'
    assert clean_text('größte Ж') == 'größte Ж'


@settings(max_examples=40, deadline=None)
@given(text=st.text(max_size=120), width=st.integers(40, 300), max_lines=st.integers(1, 4))
def test_wrapped_lines_fit_and_lose_nothing_before_the_ellipsis(text, width, max_lines):
    lines = wrap_text(text, FONT, width, max_lines=max_lines)
    assert len(lines) <= max_lines
    # A single glyph may be wider than the line; it still gets a line of its own.
    assert all(FONT.getlength(line) <= width or len(line) <= 2 for line in lines)
    joined = ''.join(lines).replace(' ', '')
    whole = clean_text(text).replace(' ', '')
    assert joined == whole or (joined.endswith('…') and whole.startswith(joined[:-1]))


def test_a_long_word_breaks_and_a_long_sentence_ends_in_an_ellipsis():
    lines = wrap_text('Donaudampfschifffahrtsgesellschaft' * 5, FONT, 100, max_lines=2)
    assert len(lines) == 2
    assert lines[-1].endswith('…')
    assert wrap_text('a red dog', FONT, 500, max_lines=2) == ['a red dog']
    assert wrap_text('', FONT, 100, max_lines=2) == []


@pytest.mark.parametrize('text', ['é', 'Ж', 'λ', '✓'])
def test_unicode_has_glyphs_of_its_own(text):
    def drawn(letters: str) -> np.ndarray:
        image = np.zeros((20, 20, 3), np.uint8)
        draw_lines(image, [letters], (2, 2), FONT, colour=(255, 255, 255))
        return image

    assert drawn(text).any()
    # U+0378 is not assigned: what is drawn for it is the box of a missing glyph.
    assert not np.array_equal(drawn(text), drawn('\u0378'))


def test_paste_crops_and_blends():
    image = np.zeros((4, 4, 3), np.uint8)
    paste(image, np.full((3, 3, 3), 200, np.uint8), (2, 3), opacity=0.5)
    assert image[3, 2:].tolist() == [[100] * 3] * 2
    assert image.sum() == 6 * 100


def test_chip_has_its_fill():
    chip = text_chip('x', FONT, fill=(1, 2, 3))
    assert chip[0, 0].tolist() == [1, 2, 3]


def test_a_missing_font_is_named():
    with pytest.raises(FileNotFoundError, match='none.ttf'):
        Style(font_path='none.ttf').font(12)


def test_style_rejects_impossible_values():
    with pytest.raises(ValueError, match='alpha'):
        Style(alpha=2)
    with pytest.raises(ValueError, match='shorter'):
        Style(shorter=0)
