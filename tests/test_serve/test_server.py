"""Where the server listens, and what it says when it cannot."""

import sys

import pytest

from r2vos_mm.serve.server import check_installed, is_loopback, listening_socket, page_address
from r2vos_mm.utils.cli import MissingExtraError, UsageError


def test_free_ports_and_ports_in_use():
    first = listening_socket('127.0.0.1', 0)
    port = first.getsockname()[1]
    with pytest.raises(UsageError, match=f'cannot listen at 127.0.0.1, port {port}: .*--port 0'):
        listening_socket('127.0.0.1', port)
    first.close()


@pytest.mark.parametrize(('host', 'port'), [('192.0.2.1', 0), ('127.0.0.1', 70_000), ('a b', 0)])
def test_addresses_that_cannot_be_used(host, port):
    with pytest.raises(UsageError, match='cannot listen at '):
        listening_socket(host, port)


def test_which_addresses_are_loopback():
    assert [is_loopback(h) for h in ('127.0.0.1', '::1', 'localhost')] == [True] * 3
    assert [is_loopback(h) for h in ('0.0.0.0', '::', '192.168.0.5', 'laptop')] == [False] * 4
    assert page_address('0.0.0.0', 80) == 'http://127.0.0.1:80/'
    assert page_address('::1', 7860) == 'http://[::1]:7860/'


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'starlette', None)
    with pytest.raises(MissingExtraError, match=r"pip install 'r2vos_mm\[web\]'"):
        check_installed()
