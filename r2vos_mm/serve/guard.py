"""Refuse requests from other web sites, and keep the page from loading their content."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE_METHODS = ('GET', 'HEAD')
HEADERS = {
    'Content-Security-Policy': "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Cross-Origin-Opener-Policy': 'same-origin',
}


class Guard:
    """Middleware that checks where a request comes from.

    A web site that a visitor has open can send requests to servers on the visitor's machine. It
    cannot forge ``Origin``; and where its own name is made to lead to this machine (DNS
    rebinding), ``Host`` has that name. Numeric addresses cannot be rebound.

    Args:
        app: the application.
        hosts: names by which the server may be called, besides ``localhost`` and numeric addresses.
        loopback_only: accept numeric addresses of the loopback network only.
    """

    def __init__(
        self, app: ASGIApp, *, hosts: Collection[str] = (), loopback_only: bool = True
    ) -> None:
        self.app, self.loopback_only = app, loopback_only
        self.hosts = {'localhost', *(host.lower() for host in hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with 403, or pass the request on and add headers to the answer."""
        if scope['type'] != 'http':
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message['type'] == 'http.response.start':
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        problem = self.problem(scope['method'], Headers(scope=scope))
        app = self.app if problem is None else JSONResponse({'error': problem}, 403)
        await app(scope, receive, send_guarded)

    def problem(self, method: str, headers: Headers) -> str | None:
        """Return why a request is refused, None if it is not."""
        host = headers.get('host', '')
        if not self._is_own(host):
            return (
                f'this server does not answer to the name {host[:80]!r}: open it by its address, '
                'or start it with --allow-host NAME'
            )
        origin = headers.get('origin')
        if method not in SAFE_METHODS and origin is not None and urlsplit(origin).netloc != host:
            return 'requests of other web sites are refused'
        return None

    def _is_own(self, host: str) -> bool:
        try:
            name = (urlsplit(f'//{host}').hostname or '').lower()
        except ValueError:
            return False
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return name in self.hosts
        return address.is_loopback or not self.loopback_only
