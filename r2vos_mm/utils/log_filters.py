"""Messages of the ecosystem about its own insides, which no user can act on.

Reason: MMEngine warns once per frozen weight (a hundred lines for a text encoder) and about its own
use of classes it deprecates; MMDetection and MMEngine call PyTorch functions in deprecated ways.
Only these messages are kept back, by their text. Transformers draws a progress bar for reading a
few hundred tensors; set ``HF_HUB_DISABLE_PROGRESS_BARS=0`` to see its bars.
"""

import logging
import os
import warnings

from mmengine.logging import MMLogger
from transformers.utils import logging as transformers_logging

_LOGGED = (
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
    """Whether a log record is one of the messages above."""
    return record.levelno <= logging.WARNING and any(
        text in record.getMessage() for text in _LOGGED
    )


def _filter(self: MMLogger, record: logging.LogRecord) -> bool | logging.LogRecord:
    """``logging.Logger.filter`` that also keeps back noise."""
    return not is_noise(record) and logging.Logger.filter(self, record)


def keep_quiet() -> None:
    """Keep the messages above back, in the loggers of MMEngine and among Python's warnings."""
    MMLogger.filter = _filter
    for text in _WARNED:
        # No re.escape: filterwarnings takes a pattern, and the texts have no special characters.
        warnings.filterwarnings('ignore', message=text)
    if 'HF_HUB_DISABLE_PROGRESS_BARS' not in os.environ:
        transformers_logging.disable_progress_bar()
