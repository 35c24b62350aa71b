"""Start a script in several processes, as ``torchrun`` does, with short errors.

``python -m r2vos_mm.compat.distributed_launch [options of torchrun] SCRIPT [arguments]``

Reason: when a process fails, ``torchrun`` prints a table and its own traceback, after the process
has reported the error itself, and exits with status 1. SIGUSR1 and SIGUSR2, which schedulers may
send, would end it without reaching the processes, which have their own sessions.
"""

import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from torch.distributed import run
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

_PASSED_ON = ('SIGUSR1', 'SIGUSR2')


def _pass_on(number: int, frame: FrameType | None) -> NoReturn:
    """Let ``torchrun`` send a signal to all processes, wait for them and exit, as for SIGTERM."""
    raise SignalException(f'process {os.getpid()} got signal {number}', signal.Signals(number))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the processes; return the exit status of the first that failed, or 128 + a signal."""
    logging.disable(logging.ERROR)
    for name in _PASSED_ON:
        signal.signal(getattr(signal, name), _pass_on)
    try:
        run.run(run.parse_args(arguments))
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode >= 0:
            return failure.exitcode
        name = signal.Signals(-failure.exitcode).name
        print(
            f'error: process {failure.pid}, rank {rank}, was ended by {name}, and the others with '
            'it. If you did not stop it, the system may have run out of memory: see dmesg',
            file=sys.stderr,
        )
        return 128 - failure.exitcode
    except SignalException as error:
        return 128 + error.sigval
    return 0


if __name__ == '__main__':
    sys.exit(main())
