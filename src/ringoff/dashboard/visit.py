"""One request of somebody who is signed in: who it is, what was asked, and how pages answer."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ringoff.api.bodies import read_text_form
from ringoff.api.services import Services
from ringoff.dashboard.assets import Assets
from ringoff.dashboard.live import Broadcaster
from ringoff.dashboard.rendering import Rendering
from ringoff.dashboard.sealing import NumberSeal
from ringoff.domain.errors import InvalidInput
from ringoff.domain.session import Session
from ringoff.domain.workspace import Principal
from ringoff.ports import Store

SESSION_COOKIE: Final = "ringoff_session"
THEME_COOKIE: Final = "ringoff_theme"
CSRF_FIELD: Final = "csrf"
FORM_BYTES_MAX: Final = 256 * 1024
FORM_FIELDS_MAX: Final = 64
THEMES: Final = ("light", "dark")

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self';"
        " frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Dashboard:
    """What all pages share."""

    services: Services
    assets: Assets
    rendering: Rendering
    live: Broadcaster


class Fields:
    """What a form has sent."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._pairs = pairs

    def text(self, name: str) -> str:
        """The last value of a field, without the blanks around it; empty when there is none."""
        given = [value for key, value in self._pairs if key == name]
        return given[-1].strip() if given else ""

    def texts(self, name: str) -> list[str]:
        return [value for key, value in self._pairs if key == name]

    def is_ticked(self, name: str) -> bool:
        return self.text(name) not in {"", "false"}


class Visit:
    """One request, after its session was found."""

    def __init__(
        self, dashboard: Dashboard, request: Request, session: Session, token: str, held: AsyncExitStack
    ) -> None:
        self.dashboard = dashboard
        self.request = request
        self.session = session
        self.seal = NumberSeal(token)
        self._held = held
        self._csrf = csrf_of(token)

    @property
    def store(self) -> Store:
        return self.dashboard.services.store

    @property
    def principal(self) -> Principal:
        return self.session.principal

    @property
    def is_partial(self) -> bool:
        """Asked for by a script that puts the answer into a page."""
        return self.request.headers.get("hx-request") == "true"

    def asked(self, name: str) -> str:
        """A parameter of the query; empty when there is none."""
        return self.request.query_params.get(name, "").strip()

    def show(self, template: str, status: int = 200, **context: Any) -> Response:
        """A page. Its context also has the session, the CSRF token and where it is."""
        around = {
            "session": self.session,
            "reveals_numbers": self.session.reveals_numbers,
            "csrf": self._csrf,
            "status": status,
            "path": self.request.url.path,
            "asked": self.request.url.path + (f"?{self.request.url.query}" if self.request.url.query else ""),
            "theme": theme_of(self.request),
        }
        html = self.dashboard.rendering.page(template, around | context)
        return HTMLResponse(html, status, headers=dict(SECURITY_HEADERS))

    def go(self, path: str) -> Response:
        """See there what came of it."""
        return RedirectResponse(path, 303, headers={"Cache-Control": "no-store"})

    async def take_place(self) -> None:
        """For an upload or an export, until its answer has been sent; ``Busy`` when the workspace has too many."""
        await self._held.enter_async_context(self.dashboard.services.heavy_requests.place(self.principal.workspace_id))

    async def fields(self) -> Fields:
        """The form of a POST; refused unless a page of this session has made it."""
        pairs = await read_text_form(self.request, FORM_BYTES_MAX, FORM_FIELDS_MAX)
        fields = Fields(pairs)
        self.require_csrf(fields.text(CSRF_FIELD))
        return fields

    def require_csrf(self, given: str) -> None:
        if not hmac.compare_digest(given.encode(), self._csrf.encode()):
            raise ForeignForm


class ForeignForm(InvalidInput):
    """A form that no page of this session has made."""

    def __init__(self) -> None:
        super().__init__("this form is from another session or another site: load the page again", field=CSRF_FIELD)


def csrf_of(token: str) -> str:
    """What only a page of this session can know: the cookie itself is out of reach of scripts."""
    return hashlib.sha256(f"csrf:{token}".encode()).hexdigest()


def theme_of(request: Request) -> str | None:
    """Light or dark by choice; None: as the system has it."""
    theme = request.cookies.get(THEME_COOKIE)
    return theme if theme in THEMES else None


def require_own_site(request: Request) -> None:
    """Refuse a POST that a browser says comes from another site, before anything of it is read.

    ``Sec-Fetch-Site`` is the browser's own judgement (W3C Fetch Metadata), also behind a proxy that
    changes the host.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:
        is_own = site in {"same-origin", "none"}
    else:
        is_own = origin is None or urlsplit(origin).netloc == request.headers.get("host", "")
    if not is_own:
        raise ForeignForm


def own_path(wanted: str) -> str:
    """A place on this server to go on to; the first page for anything else."""
    is_own = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if is_own else "/"
