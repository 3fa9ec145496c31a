"""The dashboard's own files: addressed by their content, compressed once, kept by browsers for good."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from ringoff.api.routing import PATH_TEMPLATE

PREFIX: Final = "/static"
_DIGEST_LENGTH: Final = 12
_TYPES: Final[Mapping[str, str]] = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}
_KEPT_FOR_GOOD: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class _Asset:
    media_type: str
    plain: bytes
    compressed: bytes


class Assets:
    """Every file under ``static``, read once. ``url`` names one in a page, ``respond`` serves it."""

    def __init__(self) -> None:
        self._by_path: dict[str, _Asset] = {}
        self._url_by_name: dict[str, str] = {}
        self._take(files("ringoff.dashboard").joinpath("static"), "")

    def url(self, name: str) -> str:
        """The address of a file by its path under ``static``; ``KeyError`` for a name that is none."""
        return self._url_by_name[name]

    async def respond(self, request: Request) -> Response:
        request.scope[PATH_TEMPLATE] = PREFIX
        asset = self._by_path.get(request.url.path)
        if asset is None:
            return Response("No such file", 404, media_type="text/plain")
        headers = {"Cache-Control": _KEPT_FOR_GOOD, "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(asset.compressed, headers=headers, media_type=asset.media_type)
        return Response(asset.plain, headers=headers, media_type=asset.media_type)

    def _take(self, folder: Traversable, prefix: str) -> None:
        for entry in folder.iterdir():
            name = prefix + entry.name
            if entry.is_dir():
                self._take(entry, f"{name}/")
            elif (media_type := _TYPES.get(name.rpartition(".")[2])) is not None:
                plain = entry.read_bytes()
                digest = hashlib.sha256(plain).hexdigest()[:_DIGEST_LENGTH]
                path = f"{PREFIX}/{digest}/{name}"
                self._by_path[path] = _Asset(media_type, plain, gzip.compress(plain, mtime=0))
                self._url_by_name[name] = path
