"""Which server a command speaks to and with which key; what went wrong there becomes words and an exit code."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import current_thread, main_thread
from types import FrameType
from typing import Annotated, Final

from cyclopts import Parameter

from ringoff.client import (
    ClientError,
    Misused,
    NotFound,
    RateLimited,
    Retries,
    RingoffClient,
    ServerFailed,
    Unauthorized,
    Unreachable,
    Unreadable,
)
from ringoff.client.exchange import COMPATIBLE
from ringoff.commands.ending import FAILED, MISUSED, UNREACHABLE, Ended
from ringoff.commands.profiles import DEFAULT_PROFILE, Login, logins_path, read_logins

DEFAULT_URL: Final = "http://127.0.0.1:8080"


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The options that every one of these commands has. What is left out comes from the environment, then the login."""

    url: Annotated[
        str | None, Parameter(help="The server (RINGOFF_URL, then that of the login, then http://127.0.0.1:8080).")
    ] = None
    api_key: Annotated[str | None, Parameter(help="The key (RINGOFF_API_KEY, then that of the login).")] = None
    profile: Annotated[str | None, Parameter(help="The login of this name (RINGOFF_PROFILE, then `default`).")] = None


HERE: Final = Server()


def resolve(server: Server, environment: Mapping[str, str], logins: Mapping[str, Login]) -> Login:
    """Options, then the environment, then the login. ``Ended`` without a key, or for a login that does not exist.

    The key of a login goes to the server of that login only: another address must not be told it.
    """
    name = server.profile or environment.get("RINGOFF_PROFILE") or DEFAULT_PROFILE
    login = logins.get(name)
    if login is None and name != DEFAULT_PROFILE:
        raise Ended(f"there is no login {name!r}: ringoff login --profile {name}", MISUSED)
    # Whoever names a login on the command line means it, whatever else the environment says.
    around: Mapping[str, str] = {} if server.profile else environment
    url = server.url or around.get("RINGOFF_URL") or (login.url if login else DEFAULT_URL)
    key = server.api_key or around.get("RINGOFF_API_KEY")
    if not key and login and _is_same(url, login.url):
        key = login.api_key
    if not key:
        why = f"the login {name!r} is for {login.url}: " if login else ""
        raise Ended(f"{why}give --api-key, set RINGOFF_API_KEY, or keep a key with `ringoff login`", MISUSED)
    return Login(url, key)


def login_of(server: Server) -> Login:
    """For this user, in this environment. ``Ended`` without a key."""
    return resolve(server, os.environ, read_logins(logins_path(os.environ)))


@contextmanager
def connected(server: Server) -> Iterator[RingoffClient]:
    """A client of the server; its errors end the command. SIGTERM does what Ctrl-C does: terminals are restored."""
    login = login_of(server)
    with _sigterm_interrupts():
        try:
            # Whoever stands before the terminal is told at once that there was no answer, and may ask again.
            with RingoffClient(login.url, login.api_key, retries=Retries(attempts_max=1)) as api:
                yield api
        except ClientError as error:
            raise ended(error) from error
        except UnicodeEncodeError as error:
            # Options of any bytes, and keys and names of orders beyond ASCII: nothing of them was sent.
            raise Ended(f"{error.object!a} cannot be sent as it is; nothing was done", MISUSED) from error


@contextmanager
def fate_told(unknown: str) -> Iterator[None]:
    """Around a request that changes something: ``unknown`` says what to do when its answer did not come."""
    try:
        yield
    except KeyboardInterrupt:
        raise Ended(f"interrupted before the answer; {unknown}", UNREACHABLE) from None
    except (ServerFailed, Unreachable, Unreadable) as error:
        if isinstance(error, Unreachable) and not error.was_sent:
            raise
        status = f"{error.status} " if error.status else ""
        raise Ended(f"{status}{error.message}; {unknown}", UNREACHABLE) from error


def ended(error: ClientError) -> Ended:
    """What went wrong, what to do about it, and the code for it."""
    code, advice = FAILED, ""
    match error:
        case Misused():
            code = MISUSED
        case Unreachable():
            code, advice = UNREACHABLE, ": is it running there? --url, RINGOFF_URL or `ringoff login` name another"
        case ServerFailed():
            request = f" (request {error.request_id} in its log)" if error.request_id else ""
            code, advice = UNREACHABLE, f": the server failed with {error.status}{request}; try it again"
        case Unreadable():
            code, advice = UNREACHABLE, ": is that a Ringoff server of this version?"
        case Unauthorized():
            advice = ": --api-key, RINGOFF_API_KEY or `ringoff login` give another key"
        case RateLimited():
            advice = f"; try it again in {error.retry_after_s or 1:g} s"
        case NotFound():
            advice = "; a key sees its own workspace only"
    return Ended(f"{error.message}{advice}", code)


def _is_same(url: str, another: str) -> bool:
    return url.rstrip("/").removesuffix(COMPATIBLE) == another.rstrip("/").removesuffix(COMPATIBLE)


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    if current_thread() is not main_thread():
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
