"""From logits to masks at the size of the files."""

import torch

from r2vos_mm.models.task_modules import BilinearMaskReader, InputSizeMaskReader

# Columns -3, 1: bilinear at four columns gives -3, -2, 0, 1 (weights 3:1 and 1:3 inside).
LOGITS = torch.tensor([[[-3.0, 1.0], [-3.0, 1.0]]])


def test_bilinear_at_the_size_of_the_file():
    found = BilinearMaskReader()(LOGITS, -1.0, input_size=(2, 2), file_size=(2, 4))
    assert found.tolist() == [[[False, False, True, True]] * 2]


def test_nearest_after_the_threshold_at_the_size_of_the_input():
    """At the input's columns the mask is 0 0 1 1; two columns of the file take the 1st and 3rd."""
    reader = InputSizeMaskReader()
    found = reader(LOGITS, -1.0, input_size=(2, 4), file_size=(1, 2))
    assert found.tolist() == [[[False, True]]]
    found = reader(LOGITS, -1.0, input_size=(2, 4), file_size=(2, 8))
    assert found.tolist() == [[[False] * 4 + [True] * 4] * 2]
