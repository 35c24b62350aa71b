"""Start the web server of the page."""

from __future__ import annotations

import ipaddress
import socket
import sys
import threading
import webbrowser
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from r2vos_mm.utils.cli import UsageError
from r2vos_mm.utils.lazy import import_extra

from .clips import ClipStore
from .jobs import Segment

if TYPE_CHECKING:
    from starlette.applications import Starlette


def check_installed() -> None:
    """Raise MissingExtraError if a package of the extra ``web`` is missing."""
    for name in ('starlette', 'uvicorn'):
        import_extra(name, 'web')


def serve(
    store: ClipStore,
    segment: Segment,
    about: Mapping[str, Any] | None = None,
    *,
    host: str = '127.0.0.1',
    port: int = 7860,
    hosts: Collection[str] = (),
    open_browser: bool = False,
) -> None:
    """Serve the page until Ctrl-C.

    Args:
        store, segment, about: see :func:`r2vos_mm.serve.app.build_app`.
        host: address to listen at; others than loopback ones are reached from other machines.
        port: port to listen at; 0 takes a free one.
        hosts: further names by which the server may be called.
        open_browser: open the page in the default browser.

    Raises:
        MissingExtraError: a package of the extra ``web`` is missing.
        UsageError: the address is in use.
    """
    try:
        check_installed()
        from .app import build_app

        listener, is_local = listening_socket(host, port), is_loopback(host)
        if not is_local:
            print(
                f'warning: --host {host}: anyone who can reach this machine can use the page, '
                'upload videos and see them; there is no password',
                file=sys.stderr,
            )
        names = [*hosts, host]
        app = build_app(store, segment, about, hosts=names, loopback_only=is_local)
        address = page_address(host, listener.getsockname()[1])
        print(f'{address}  (Ctrl-C ends it)', flush=True)
        if open_browser:
            threading.Timer(0.5, webbrowser.open, [address]).start()
        run_app(app, listener)
    finally:
        store.close()


def run_app(app: Starlette, listener: socket.socket) -> None:
    """Answer requests that come to a socket until Ctrl-C."""
    import uvicorn

    config = uvicorn.Config(
        app,
        log_level='warning',
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
    )
    uvicorn.Server(config).run(sockets=[listener])


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address.

    Raises:
        UsageError: it is in use, or no address of this machine.
    """
    if not 0 <= port < 2**16:
        raise UsageError(f'cannot listen at port {port}: ports are numbers from 0 to {2**16 - 1}')
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = found[0]
        is_dual = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
        return socket.create_server(address, family=family, dualstack_ipv6=is_dual)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = str(getattr(error, 'strerror', None) or error)
        reason = reason.partition(' (while attempting')[0]  # the message names the address
        raise UsageError(f'cannot listen at {host}, port {port}: {reason}; try --port 0') from error


def is_loopback(host: str) -> bool:
    """Return whether an address can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == 'localhost'


def page_address(host: str, port: int) -> str:
    """Return the address to open in a browser on this machine.

    >>> page_address('::1', 7860), page_address('0.0.0.0', 80)
    ('http://[::1]:7860/', 'http://127.0.0.1:80/')
    """
    name = {'0.0.0.0': '127.0.0.1', '::': '::1'}.get(host, host)
    return f'http://[{name}]:{port}/' if ':' in name else f'http://{name}:{port}/'
