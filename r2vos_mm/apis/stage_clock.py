"""Measure how long the stages of an inference take."""

import time

STAGES = ('decode', 'preprocess', 'model', 'postprocess')


class StageClock:
    """A clock that is read at the end of each stage.

    Attributes:
        seconds: total seconds of ``decode``, ``preprocess``, ``model`` and ``postprocess``.
    """

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._last = time.perf_counter()

    def end(self, stage: str) -> None:
        """Add the time since the last reading to a stage."""
        now = time.perf_counter()
        self.seconds[stage] += now - self._last
        self._last = now
