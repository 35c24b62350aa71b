"""Log messages of code that must also run without MMEngine, and hide those no user can act on."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# MMEngine logs one line per parameter with its own option and per frozen parameter, and warns
# about its own use of classes that it deprecates.
_LOGGED = (
    'paramwise_options -- ',
    'is skipped since its requires_grad=False',
    '"FileClient" will be deprecated in future',
    '"HardDiskBackend" is the alias of "LocalBackend"',
)
# MMDetection and MMEngine call PyTorch functions in deprecated ways.
_WARNED = (
    'torch.meshgrid: in an upcoming release',
    '`broadcast_buffers` is deprecated',
    'pkg_resources is deprecated as an API',
)


def log(message: str, level: int = logging.INFO) -> None:
    """Log with MMEngine's current logger, or with Python's where MMEngine is not loaded."""
    if 'mmengine' in sys.modules:
        from mmengine.logging import print_log

        print_log(message, logger='current', level=level)
    else:
        logging.getLogger('r2vos_mm').log(level, message)


def warn(message: str) -> None:
    """Log a warning, see :func:`log`."""
    log(message, logging.WARNING)


@contextmanager
def quiet() -> Iterator[None]:
    """Hide messages of the ecosystem about its own internals inside the block, by their text.

    Set ``HF_HUB_DISABLE_PROGRESS_BARS=0`` to see the progress bars of transformers.
    """
    from unittest.mock import patch  # imports asyncio

    from mmengine.logging import MMLogger
    from transformers.utils import logging as transformers_logging

    hides_bars = (
        'HF_HUB_DISABLE_PROGRESS_BARS' not in os.environ
        and transformers_logging.is_progress_bar_enabled()
    )
    log_filter = MMLogger.filter

    def filter_noise(self: MMLogger, record: logging.LogRecord) -> bool | logging.LogRecord:
        is_noise = any(text in record.getMessage() for text in _LOGGED)
        return not (is_noise and record.levelno <= logging.WARNING) and log_filter(self, record)

    with warnings.catch_warnings(), patch.object(MMLogger, 'filter', filter_noise):
        for text in _WARNED:  # without special characters: no re.escape
            warnings.filterwarnings('ignore', message=text)
        if hides_bars:
            transformers_logging.disable_progress_bar()
        try:
            yield
        finally:
            if hides_bars:
                transformers_logging.enable_progress_bar()
