from itertools import chain

from clocks import clock_like

from r2vos_mm.apis import stage_clock


def test_time_since_the_last_reading(monkeypatch):
    times = chain([10.0, 11.0, 13.0, 17.0])
    monkeypatch.setattr(stage_clock, 'time', clock_like(perf_counter=lambda: next(times)))
    clock = stage_clock.StageClock()
    for stage in ('decode', 'model', 'decode'):
        clock.end(stage)
    assert clock.seconds == dict(decode=5.0, preprocess=0.0, model=2.0, postprocess=0.0)
