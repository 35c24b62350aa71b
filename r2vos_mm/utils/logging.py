"""Log messages of code that must also run without MMEngine."""

import logging
import sys


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
