"""What every request passes: who may ask, the headers of all answers, what goes wrong, and the count of it."""

import hmac
import logging
import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .metrics import Metrics
from .problems import RequestError, error_answer
from .settings import Settings

log = logging.getLogger(__name__)
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_ELSEWHERE = "pages of other sites may not use this service"
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/@\[\]]+)(?::\d{1,5})?")


class Guard:
    """An ASGI application about another one."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self.app, self.settings, self.metrics = app, settings, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["method"] == "HEAD":  # as GET; the server sends no body
            scope = {**scope, "method": "GET"}
        status: list[int] = []
        private = scope["path"].startswith("/v1/") or scope["path"] == "/v1"

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                status.append(message["status"])
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers["Cache-Control"] = "no-store" if private else "no-cache"
            await send(message)

        try:
            self._check(scope, private)
            await self.app(scope, receive, guarded)
        except RequestError as error:
            await error.answer()(scope, receive, guarded)
        except Exception as error:
            log.error(f"{_route(scope)}: {_place(error)}")
            if not status:
                await error_answer(500, "something went wrong in the service")(scope, receive, guarded)
        finally:
            # A client that went away has no status.
            self.metrics.requests.labels(_route(scope), str(status[0] if status else 499)).inc()

    def _check(self, scope: Scope, private: bool) -> None:
        """Raises RequestError for who may not ask: by a name that is not the service's, as a page of another site does
        whose name leads here; pages of other sites; those without the token."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        host = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if host is None or host[1].lower().rstrip(".") not in self.settings.allowed_hosts:
            raise RequestError(403, "this service does not answer under this name; --allow-host NAME allows one")
        for origin in headers.getlist("origin"):
            if not self._is_own(origin, hosts[0]):
                raise RequestError(403, _ELSEWHERE)
        # A link from another site may be followed, but nothing sent; browsers say so also where Origin is missing.
        if scope["method"] != "GET" and headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise RequestError(403, _ELSEWHERE)
        token = self.settings.token
        if private and token is not None:
            kind, _, given = headers.get("authorization", "").partition(" ")
            same = hmac.compare_digest(given.strip(" ").encode("latin-1"), token.encode("latin-1"))
            if kind.lower() != "bearer" or not same:
                raise RequestError(
                    401, "expected the header Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"}
                )

    def _is_own(self, origin: str, host: str) -> bool:
        """Whether a page is of this service: of the same name and port, or behind a proxy of a name that is allowed."""
        try:
            parts = urlsplit(origin)
            name = parts.hostname
        except ValueError:
            return False
        if parts.scheme not in ("http", "https") or not name:
            return False
        return parts.netloc.lower() == host.lower() or _written(name) in self.settings.own_hosts


def _written(name: str) -> str:
    """The name of an address as a Host header has it."""
    return f"[{name}]" if ":" in name else name.rstrip(".")


def _route(scope: Scope) -> str:
    """The path of the route, without what is asked of it; paths that are not there share one name."""
    return getattr(scope.get("route"), "path", None) or "other"


def _place(error: Exception) -> str:
    """What an error is and where it happened. Not its message, which can have what a photo holds or is called."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    where = f" in {last.tb_frame.f_code.co_name}, line {last.tb_lineno}" if last else ""
    return f"{type(error).__name__}{where}"
