"""Somebody with a browser, without scripts: follows links, fills in forms, and sees text."""

import re
from html.parser import HTMLParser
from typing import Any, Self

import httpx2


class Form:
    """A form as a page has it: where it goes, and what its fields are filled with."""

    def __init__(self, action: str, method: str) -> None:
        self.action = action
        self.method = method
        self.fields: dict[str, str] = {}


class Page(HTMLParser):
    """What one page says: its words, links and forms."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__(convert_charrefs=True)
        self.response = response
        self.status = response.status_code
        self.html = response.text
        self.links: list[str] = []
        self.forms: list[Form] = []
        self.tags: list[str] = []
        self._words: list[str] = []
        self._form: Form | None = None
        self._textarea: str | None = None
        self._select: str | None = None
        self.feed(self.html)

    @property
    def text(self) -> str:
        """All words, with single blanks between them."""
        return " ".join(" ".join(self._words).split())

    def form(self, action: str) -> Form:
        """The form that goes there."""
        return next(form for form in self.forms if form.action == action)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        name = given.get("name", "")
        if tag == "a":
            self.links.append(given.get("href", ""))
        elif tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get"))
            self.forms.append(self._form)
        elif self._form is not None and tag == "input":
            if given.get("type") not in {"radio", "checkbox"} or "checked" in given:
                self._form.fields[name] = given.get("value", "on" if given.get("type") == "checkbox" else "")
        elif self._form is not None and tag == "textarea":
            self._textarea = name
            self._form.fields[name] = ""
        elif self._form is not None and tag == "select":
            self._select = name
        elif tag == "option":
            self._take_option(given)

    def _take_option(self, given: dict[str, str]) -> None:
        if self._form is None or self._select is None:
            return
        if "selected" in given or self._select not in self._form.fields:
            self._form.fields[self._select] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "textarea":
            self._textarea = None
        elif tag == "select":
            self._select = None

    def handle_data(self, data: str) -> None:
        self._words.append(data)
        if self._textarea is not None and self._form is not None:
            self._form.fields[self._textarea] += data


class Visitor:
    """Signed in with a key. Every page is checked for what all pages promise."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    @classmethod
    async def signed_in(cls, client: httpx2.AsyncClient, key: str) -> Self:
        response = await client.post("/login", data={"api_key": key})
        assert response.status_code == 303, response.text
        return cls(client)

    async def get(self, path: str, status: int = 200, **query: str) -> Page:
        response = await self._client.get(path, params=query or None)
        assert response.status_code == status, response.text
        return _checked(Page(response))

    async def post(self, path: str, fields: dict[str, Any], status: int = 303) -> Page:
        response = await self._client.post(path, data=fields)
        assert response.status_code == status, response.text
        return _checked(Page(response))

    async def send(self, page: Page, action: str, status: int = 303, **changes: str) -> Page:
        """Fill in a form of the page and send it."""
        form = page.form(action)
        assert form.method == "post"
        return await self.post(action, form.fields | changes, status)


def _checked(page: Page) -> Page:
    if page.response.headers.get("content-type", "").startswith("text/html"):
        headers = page.response.headers
        assert headers["content-security-policy"].startswith("default-src 'self';")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert " style=" not in page.html, "the content policy forbids style attributes"
        assert not re.search(r"<script(?![^>]* src=)", page.html), "and scripts inside a page"
        for form in page.forms:
            assert form.method == "get" or "csrf" in form.fields or form.action == "/login", form.action
    return page
