"""From where requests are accepted."""

import pytest

starlette = pytest.importorskip('starlette', reason='the extra web is not installed')

from starlette.datastructures import Headers  # noqa: E402

from r2vos_mm.serve.guard import Guard  # noqa: E402


@pytest.mark.parametrize(
    ('host', 'is_local', 'is_public'),
    [
        ('127.0.0.1:7860', True, True),
        ('localhost', True, True),
        ('[::1]:7860', True, True),
        ('LAPTOP:80', True, True),
        ('192.168.0.5:7860', False, True),
        ('rebound.example.com', False, False),
        ('localhost.example.com', False, False),
        ('', False, False),
        ('[::1', False, False),
    ],
)
def test_names_of_the_server(host, is_local, is_public):
    headers = Headers({'host': host})
    for loopback_only, is_accepted in ((True, is_local), (False, is_public)):
        guard = Guard(None, hosts=['laptop'], loopback_only=loopback_only)
        assert (guard.problem('GET', headers) is None) == is_accepted


@pytest.mark.parametrize(
    ('method', 'origin', 'is_accepted'),
    [
        ('POST', None, True),  # not a browser
        ('POST', 'http://127.0.0.1:7860', True),
        ('POST', 'http://127.0.0.1:8000', False),
        ('POST', 'https://example.com', False),
        ('DELETE', 'null', False),
        ('GET', 'https://example.com', True),  # browsers keep the answer from that site
    ],
)
def test_requests_of_other_sites(method, origin, is_accepted):
    headers = {'host': '127.0.0.1:7860'} | ({} if origin is None else {'origin': origin})
    assert (Guard(None).problem(method, Headers(headers)) is None) == is_accepted
