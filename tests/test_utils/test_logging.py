"""Only the named messages are hidden, and only inside the block."""

import logging
import warnings

import pytest
from mmengine.logging import MMLogger

from r2vos_mm.utils.logging import quiet


def passes(message: str, level: int = logging.WARNING) -> bool:
    """Whether a logger of MMEngine lets a message pass."""
    logger = MMLogger('test_noise', logger_name='test_noise')
    return bool(logger.filter(logger.makeRecord('x', level, 'file', 1, message, (), None)))


@pytest.mark.parametrize(
    ('message', 'shown'),
    [
        ('paramwise_options -- backbone.layer1.weight:lr=5e-05', False),
        ('encoder.weight is skipped since its requires_grad=False', False),
        ('"FileClient" will be deprecated in future. Please use io functions', False),
        ('the learning rate is zero', True),
    ],
)
def test_log_records(message: str, shown: bool) -> None:
    with quiet():
        assert passes(message) is shown
    assert passes(message)


def test_errors_always_pass() -> None:
    with quiet():
        assert passes('a is skipped since its requires_grad=False', logging.ERROR)


def test_an_error_ends_the_silence() -> None:
    before = MMLogger.filter
    with pytest.raises(ZeroDivisionError), quiet():
        1 / 0  # noqa: B018
    assert MMLogger.filter is before


def test_warnings() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        with quiet():
            warnings.warn('torch.meshgrid: in an upcoming release, it will be', stacklevel=1)
            warnings.warn('something else', stacklevel=1)
        warnings.warn('torch.meshgrid: in an upcoming release, again', stacklevel=1)
    assert [str(w.message)[:14] for w in caught] == ['something else', 'torch.meshgrid']
