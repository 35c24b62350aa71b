"""Claims: one owner, taken over from dead processes of this machine and of others."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from r2vos_mm.apis.collection import claims as module
from r2vos_mm.apis.collection.claims import Claims


def of_dead_process(folder: Path, name: str, **changes: str) -> Path:
    """Write a claim as a process that has ended left it; ``changes`` are of its owner."""
    ended = subprocess.Popen([sys.executable, '-c', ''])
    ended.wait()
    owner = dict(machine=module.machine(), pid=ended.pid, started='1', token='other', **changes)
    path = folder / f'{name}.json'
    path.write_text(json.dumps(dict(owner=owner, item='clip', deaths={'clip': 1})))
    return path


def test_one_owner(tmp_path: Path) -> None:
    first, second = Claims(tmp_path), Claims(tmp_path)
    with first.claim('a') as own, second.claim('a') as other, second.claim('b') as free:
        assert own is not None
        assert other is None
        assert free is not None
        assert first.names() == {'a', 'b'}
    assert first.names() == set()
    with second.claim('a') as own:
        assert own is not None


def test_dead_process_of_this_machine(tmp_path: Path) -> None:
    """Taken over at once, with what it died at; also if its number is used again."""
    of_dead_process(tmp_path, 'a')
    with Claims(tmp_path).claim('a') as claim:
        assert claim.start('clip') == 2
        assert claim.start('another') == 0
    path = of_dead_process(tmp_path, 'b')
    content = json.loads(path.read_text())
    content['owner']['pid'] = os.getpid()
    path.write_text(json.dumps(content))
    with Claims(tmp_path).claim('b') as claim:
        assert claim is not None


@pytest.mark.parametrize('content', ['of another machine', 'damaged'])
def test_claim_of_another_machine(tmp_path: Path, content: str) -> None:
    """Its time of change decides, by the clock of this machine."""
    path = of_dead_process(tmp_path, 'a')
    owner = json.loads(path.read_text())
    owner['owner']['machine'] = 'another'
    path.write_text(json.dumps(owner) if content == 'of another machine' else '')
    claims = Claims(tmp_path, lost_seconds=0.2)
    assert not claims.is_free('a')
    time.sleep(0.25)
    os.utime(path, ns=(1, 1))  # it lives
    assert not claims.is_free('a')
    time.sleep(0.25)
    assert claims.is_free('a')
    with claims.claim('a') as claim:
        assert claim is not None


def test_claims_are_renewed(tmp_path: Path) -> None:
    with Claims(tmp_path, beat_seconds=0.01).claim('a') as claim:
        os.utime(claim.path, ns=(1, 1))
        end = time.monotonic() + 20
        while claim.path.stat().st_mtime_ns == 1 and time.monotonic() < end:
            time.sleep(0.01)
        assert claim.path.stat().st_mtime_ns > 1


def test_a_claim_of_another_is_not_removed(tmp_path: Path) -> None:
    """After it was taken over from a process that was thought to be dead."""
    with Claims(tmp_path).claim('a') as claim:
        of_dead_process(tmp_path, 'a')
    assert claim.path.is_file()


@pytest.mark.skipif(sys.platform != 'linux', reason='only Linux tells that a process has ended')
def test_ended_process_that_nobody_waits_for(tmp_path: Path) -> None:
    """It keeps its number and time of start, for ever if its parent never asks how it ended."""
    child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)
    started = module._start(child.pid)
    path = of_dead_process(tmp_path, 'a')
    content = json.loads(path.read_text())
    content['owner'] |= dict(pid=child.pid, started=started)
    path.write_text(json.dumps(content))
    claims = Claims(tmp_path)
    assert not claims.is_free('a')
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert claims.is_free('a')
    child.wait()


def test_claims_of_stopped_processes_are_removed(tmp_path: Path) -> None:
    """Of this machine only."""
    pids = [json.loads(of_dead_process(tmp_path, n).read_text())['owner']['pid'] for n in 'ab']
    path = of_dead_process(tmp_path, 'c')
    content = json.loads(path.read_text())
    content['owner'] |= dict(pid=pids[0], machine='another')
    path.write_text(json.dumps(content))
    claims = Claims(tmp_path)
    claims.remove_of([pids[0]])
    assert claims.names() == {'b', 'c'}


def test_a_folder_that_is_removed_gives_no_claim(tmp_path: Path, monkeypatch) -> None:
    """As by a process that cleans up while this one wants to write the summary."""

    def removed(*_: object) -> bool:
        raise FileNotFoundError

    monkeypatch.setattr(module, 'write_if_absent', removed)
    with Claims(tmp_path).claim('summary') as claim:
        assert claim is None


def test_told_to_end(tmp_path: Path) -> None:
    """The item is not noted any more, so its next owner counts no death; deaths of before stay."""
    of_dead_process(tmp_path, 'a')
    claims = Claims(tmp_path)
    with claims.claim('a') as claim:
        claim.start('other')
        claim.expect_end()
        assert claim.start('clip') == 2
        left = json.loads(claim.path.read_text())
        assert (left['item'], left['deaths']) == (None, {'clip': 2})
    claim.expect_end()
    claim.write()
    assert claims.names() == set()
