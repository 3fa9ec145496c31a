"""The dashboard's routes: whoever is not signed in is sent to sign in, and every mistake is a page that says so."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import quote

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ringoff.api.errors import STATUS_BY_ERROR, located
from ringoff.api.routing import PATH_TEMPLATE
from ringoff.dashboard.visit import SECURITY_HEADERS, SESSION_COOKIE, Dashboard, Visit, require_own_site
from ringoff.domain.errors import RingoffError
from ringoff.operations import sessions

Page = Callable[[Visit], Awaitable[Response]]
P = TypeVar("P", bound=Page)
log = structlog.get_logger("ringoff.dashboard")


@dataclass(slots=True)
class PageTable:
    """Pages of one noun."""

    pages: list[tuple[str, str, Page]] = field(default_factory=list)

    def get(self, path: str) -> Callable[[P], P]:
        return self._add("GET", path)

    def post(self, path: str) -> Callable[[P], P]:
        return self._add("POST", path)

    def _add(self, method: str, path: str) -> Callable[[P], P]:
        def register(page: P) -> P:
            self.pages.append((method, path, page))
            return page

        return register


class PageEndpoint:
    """All methods of one path, for those who are signed in."""

    def __init__(self, dashboard: Dashboard, path: str, by_method: dict[str, Page]) -> None:
        self._dashboard = dashboard
        self._path = path
        self._by_method = by_method

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[PATH_TEMPLATE] = self._path
        async with AsyncExitStack() as held:
            response = await self._respond(Request(scope, receive), held)
            await response(scope, receive, send)

    async def _respond(self, request: Request, held: AsyncExitStack) -> Response:
        page = self._by_method.get("GET" if request.method == "HEAD" else request.method)
        if page is None:
            allowed = ", ".join(sorted(self._by_method))
            return Response("Not allowed here", 405, {"Allow": allowed}, media_type="text/plain")
        visit: Visit | None = None
        try:
            if request.method == "POST":
                require_own_site(request)
            token = request.cookies.get(SESSION_COOKIE, "")
            session = await sessions.session_of(self._dashboard.services.store, token)
            if session is None:
                return signed_out(request)
            visit = Visit(self._dashboard, request, session, token, held)
            return await page(visit)
        except RingoffError as error:
            return _complaint(self._dashboard, visit, status_of(error), located(error))
        except (HTTPException, ClientDisconnect) as error:
            return _complaint(self._dashboard, visit, 400, str(error))
        except Exception:
            log.exception("page_crashed")
            return _complaint(self._dashboard, visit, 500, "An unexpected error occurred; it is in the log.")


def routes_of(dashboard: Dashboard, tables: list[PageTable]) -> list[Route]:
    """One route for each path, fixed paths before those with parameters."""
    by_path: dict[str, dict[str, Page]] = {}
    for table in tables:
        for method, path, page in table.pages:
            by_path.setdefault(path, {})[method] = page
    return [
        Route(path, PageEndpoint(dashboard, path, by_path[path])) for path in sorted(by_path, key=lambda p: "{" in p)
    ]


def signed_out(request: Request) -> Response:
    """To the sign-in page and back; a script that asked for a part of a page loads the whole of it again."""
    if request.headers.get("hx-request") == "true" or request.url.path.startswith("/events"):
        return Response("signed out", 401, {"HX-Refresh": "true", **SECURITY_HEADERS}, media_type="text/plain")
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = "/login" if request.method == "POST" or wanted == "/" else f"/login?next={quote(wanted, safe='')}"
    return RedirectResponse(target, 303, headers={"Cache-Control": "no-store"})


def status_of(error: RingoffError) -> int:
    """The status that the API gives the same mistake."""
    return next((STATUS_BY_ERROR[kind] for kind in type(error).__mro__ if kind in STATUS_BY_ERROR), 500)


def _complaint(dashboard: Dashboard, visit: Visit | None, status: int, words: str) -> Response:
    if status >= 500:
        log.error("page_failed", status=status, reason=words)
    if visit is not None:
        template = "complaint_part.html" if visit.is_partial else "complaint.html"
        return visit.show(template, status, words=words)
    html = dashboard.rendering.page("complaint_plain.html", {"words": words, "status": status, "theme": None})
    return HTMLResponse(html, status, headers=dict(SECURITY_HEADERS))
