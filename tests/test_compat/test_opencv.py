"""Processes forked after OpenCV worked in parallel."""

import subprocess
import sys

import cv2
import pytest

from r2vos_mm.compat.opencv import one_opencv_thread

SCRIPT = """
import multiprocessing
import cv2
import numpy as np
from r2vos_mm.compat.opencv import one_opencv_thread

image = np.zeros((2000, 2000, 3), np.uint8)

def blur(size):
    return cv2.resize(cv2.GaussianBlur(image, (9, 9), 0), (size, size)).shape

cv2.setNumThreads(4)
blur(1500)  # starts the pool
with one_opencv_thread(), multiprocessing.get_context('fork').Pool(2) as pool:
    print(pool.map(blur, [7, 8]))
"""


@pytest.mark.skipif(sys.platform == 'win32', reason='there is no fork')
def test_forked_processes_do_not_wait_for_threads_that_are_gone():
    result = subprocess.run(
        [sys.executable, '-c', SCRIPT], capture_output=True, text=True, timeout=120, check=True
    )
    assert result.stdout.strip() == '[(7, 7, 3), (8, 8, 3)]'


def test_the_number_of_threads_comes_back():
    before = cv2.getNumThreads()
    with one_opencv_thread():
        assert cv2.getNumThreads() == 1
    assert cv2.getNumThreads() == before
