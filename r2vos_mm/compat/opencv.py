"""OpenCV's own threads and processes made by fork."""

from collections.abc import Iterator
from contextlib import contextmanager

import cv2


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """No threads of OpenCV inside; processes forked inside inherit that.

    Threads do not survive a fork, but OpenCV's pool believes that it still has them: in a process
    that is forked after OpenCV worked in parallel, the next call that touches the pool waits for
    ever, ``cv2.setNumThreads`` among them. The pool has to be shut down before the fork.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
