"""Start a script in several processes, as ``torchrun`` does, with short errors.

``python -m r2vos_mm.compat.distributed_launch [options of torchrun] SCRIPT [arguments]``

Reason: at every error of a process, ``torchrun`` prints a table and a traceback of its own, and it
exits with status 1. The processes have told the error themselves.
"""

import logging
import signal
import sys
from collections.abc import Sequence

from torch.distributed import run
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the processes; return the exit status of the first that failed, or 128 + a signal."""
    logging.disable(logging.ERROR)
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
