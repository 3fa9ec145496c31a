"""The hosts that a database URL names: a primary and its standbys, each to be asked by itself."""

from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from ringoff.domain.errors import InvalidInput

_PORT = 5432
_FOR_READERS = {"standby", "prefer-standby", "read-only"}


class Host(NamedTuple):
    """One server's address."""

    name: str
    port: int

    def __str__(self) -> str:
        return f"{self.name}:{self.port}"


def hosts_of(dsn: str) -> tuple[Host, ...]:
    """The hosts of a URL that names several; empty when it names one or none, which the driver reads by itself.

    ``InvalidInput`` when a port is none, when ports do not fit the hosts, or when ``target_session_attrs`` asks for a
    standby: whoever dials has to write.
    """
    parts = urlsplit(dsn)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if query.get("target_session_attrs") in _FOR_READERS:
        raise _unusable(f"target_session_attrs={query['target_session_attrs']} asks for a server that cannot write")
    places = [_split(place) for place in parts.netloc.rpartition("@")[2].split(",")]
    if not places[0][0] and "host" in query:
        names = query["host"].split(",")
        ports = query.get("port", "").split(",")
        if len(ports) == 1:
            ports *= len(names)
        if len(ports) != len(names):
            raise _unusable(f"it names {len(names)} hosts and {len(ports)} ports")
        places = list(zip(names, ports, strict=True))
    if len(places) < 2:
        return ()
    return tuple(Host(name, _port(port)) for name, port in places)


def _split(place: str) -> tuple[str, str]:
    if place.startswith("["):
        name, _bracket, rest = place[1:].partition("]")
        return name, rest.removeprefix(":")
    name, _colon, port = place.partition(":")
    return unquote(name), port


def _port(text: str) -> int:
    if not text:
        return _PORT
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65_536):
        raise _unusable("a port must be a number from 1 to 65535")
    return int(text)


def _unusable(rule: str) -> InvalidInput:
    return InvalidInput(f"the database URL is not usable: {rule}", field="database_url")
