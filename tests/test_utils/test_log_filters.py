"""Only the named messages are kept back."""

import logging
import warnings

import pytest
from mmengine.logging import MMLogger

from r2vos_mm.utils.log_filters import keep_quiet


@pytest.mark.parametrize(
    ('message', 'shown'),
    [
        ('encoder.weight is skipped since its requires_grad=False', False),
        ('"FileClient" will be deprecated in future. Please use io functions', False),
        ('the learning rate is zero', True),
    ],
)
def test_log_records(message: str, shown: bool) -> None:
    logger = MMLogger(f'test_noise_{shown}', logger_name='test_noise')
    record = logger.makeRecord('x', logging.WARNING, 'file', 1, message, (), None)
    assert bool(logger.filter(record)) is shown


def test_errors_always_pass() -> None:
    logger = MMLogger('test_noise_error', logger_name='test_noise')
    message = 'a is skipped since its requires_grad=False'
    record = logger.makeRecord('x', logging.ERROR, 'file', 1, message, (), None)
    assert logger.filter(record)


def test_warnings() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        keep_quiet()
        warnings.warn('torch.meshgrid: in an upcoming release, it will be', stacklevel=1)
        warnings.warn('something else', stacklevel=1)
    assert [str(w.message) for w in caught] == ['something else']
