"""Signing in with an API key, signing out, and what a session may choose: numbers in full or masked."""

from collections.abc import Awaitable, Callable

import structlog
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ringoff.api.bodies import read_text_form
from ringoff.api.errors import located
from ringoff.api.routing import PATH_TEMPLATE
from ringoff.dashboard.table import PageTable, status_of
from ringoff.dashboard.visit import (
    FORM_BYTES_MAX,
    FORM_FIELDS_MAX,
    SECURITY_HEADERS,
    SESSION_COOKIE,
    Dashboard,
    Fields,
    Visit,
    own_path,
    require_own_site,
    theme_of,
)
from ringoff.domain.errors import RingoffError, Unauthorized
from ringoff.operations import sessions

PAGES = PageTable()
LOGIN = "/login"
WRONG_KEY = "This key opens nothing here. It is the text that was shown once when the key was made."
log = structlog.get_logger("ringoff.dashboard")


def login_routes(dashboard: Dashboard) -> tuple[str, Callable[[Request], Awaitable[Response]]]:
    """The one page for those who are not signed in: its path, and what answers there."""

    async def respond(request: Request) -> Response:
        request.scope[PATH_TEMPLATE] = LOGIN
        if request.method != "POST":
            return _page(dashboard, request, 200, own_path(request.query_params.get("next", "/")), None)
        wanted = "/"
        try:
            require_own_site(request)
            fields = Fields(await read_text_form(request, FORM_BYTES_MAX, FORM_FIELDS_MAX))
            wanted = own_path(fields.text("next"))
            token = await sessions.sign_in(dashboard.services.store, fields.text("api_key"))
        except Unauthorized:
            return _page(dashboard, request, 401, wanted, WRONG_KEY)
        except RingoffError as error:
            return _page(dashboard, request, status_of(error), wanted, located(error))
        response = RedirectResponse(wanted, 303, headers={"Cache-Control": "no-store"})
        response.set_cookie(
            SESSION_COOKIE,
            token,
            max_age=sessions.SESSION_H * 3_600,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return response

    return LOGIN, respond


@PAGES.post("/logout")
async def sign_out(visit: Visit) -> Response:
    await visit.fields()
    await sessions.sign_out(visit.store, visit.session)
    response = visit.go(LOGIN)
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax")
    return response


@PAGES.post("/reveal")
async def reveal(visit: Visit) -> Response:
    """Numbers in full for this session, or masked again; who looked is in the log."""
    fields = await visit.fields()
    reveals = fields.is_ticked("reveal")
    await sessions.reveal_numbers(visit.store, visit.session, reveals_numbers=reveals)
    log.info("numbers_revealed" if reveals else "numbers_masked", api_key_id=str(visit.session.api_key_id))
    return visit.go(own_path(fields.text("next")))


def _page(dashboard: Dashboard, request: Request, status: int, wanted: str, complaint: str | None) -> Response:
    context = {"wanted": wanted, "complaint": complaint, "theme": theme_of(request)}
    html = dashboard.rendering.page("login.html", context)
    return HTMLResponse(html, status, headers=dict(SECURITY_HEADERS))
