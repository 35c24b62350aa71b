"""Hide messages of the ecosystem about its own internals, which no user can act on.

MMEngine logs one line per parameter with an option of its own and per frozen parameter (hundreds
for a text encoder) and warns about its own use of classes that it deprecates; MMDetection and
MMEngine call PyTorch functions in deprecated ways. Only these messages are hidden, by their text,
and only inside :func:`quiet`. Transformers draws a progress bar while reading a few hundred
tensors; set ``HF_HUB_DISABLE_PROGRESS_BARS=0`` to see its bars.
"""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.logging import MMLogger
from transformers.utils import logging as transformers_logging

_LOGGED = (
    'paramwise_options -- ',
    'is skipped since its requires_grad=False',
    '"FileClient" will be deprecated in future',
    '"HardDiskBackend" is the alias of "LocalBackend"',
)
_WARNED = (
    'torch.meshgrid: in an upcoming release',
    '`broadcast_buffers` is deprecated',
    'pkg_resources is deprecated as an API',
)


def is_noise(record: logging.LogRecord) -> bool:
    """Return whether a log record is one of the messages above."""
    return record.levelno <= logging.WARNING and any(
        text in record.getMessage() for text in _LOGGED
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Hide the messages above inside the block; what was set before is restored at its end."""
    log_filter = MMLogger.filter
    hides_bars = (
        'HF_HUB_DISABLE_PROGRESS_BARS' not in os.environ
        and transformers_logging.is_progress_bar_enabled()
    )

    def filter_noise(self: MMLogger, record: logging.LogRecord) -> bool | logging.LogRecord:
        return not is_noise(record) and log_filter(self, record)

    MMLogger.filter = filter_noise
    if hides_bars:
        transformers_logging.disable_progress_bar()
    with warnings.catch_warnings():
        for text in _WARNED:
            # No re.escape: the texts have no special characters.
            warnings.filterwarnings('ignore', message=text)
        try:
            yield
        finally:
            MMLogger.filter = log_filter
            if hides_bars:
                transformers_logging.enable_progress_bar()
