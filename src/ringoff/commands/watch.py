"""`ringoff watch`: the whole workspace at one glance, on the full screen, until somebody leaves."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from ringoff.client import AsyncRingoffClient, ClientError, Retries
from ringoff.client.native_figures import Overview
from ringoff.commands.desk import Desk, Json, Limit
from ringoff.commands.ending import OK
from ringoff.commands.profiles import Login
from ringoff.commands.server import HERE, Server, ended, login_of
from ringoff.commands.watch_screen import WatchScreen
from ringoff.commands.watch_view import line_of

_TIMEOUT_S: Final = 5.0

Every = Annotated[float, Parameter(validator=Number(gte=0.2, lte=3_600))]


def watch(*, every_s: Every = 1.0, count: Limit = 0, json: Json = False, server: Server = HERE) -> int:
    """Show rates, channels, campaigns, orders and health, live; q or Ctrl-C leaves. Without a terminal, lines.

    Parameters
    ----------
    every_s
        Seconds between two looks, 0.2 to 3,600.
    count
        Leave after so many looks; 0 for never.
    """
    desk = Desk()
    login = login_of(server)
    try:
        if desk.is_shown and desk.is_interactive and not json:
            asyncio.run(_on_screen(login, every_s, count))
        else:
            show = _as_json(desk) if json else _as_line(desk)
            asyncio.run(_by_lines(login, every_s, count, show))
    except ClientError as error:
        raise ended(error) from error
    except KeyboardInterrupt:
        pass  # the usual way to leave
    return OK


def _client(login: Login) -> AsyncRingoffClient:
    return AsyncRingoffClient(login.url, login.api_key, retries=Retries(attempts_max=1), timeout_s=_TIMEOUT_S)


async def _on_screen(login: Login, every_s: float, count: int) -> None:
    async with _client(login) as api:
        # Before the screen is taken: a wrong key or address is said where it stays to be read.
        first = await api.native.overview()
        await WatchScreen(api.native.overview, first, login.url, every_s=every_s, looks_max=count).run()


async def _by_lines(login: Login, every_s: float, count: int, show: Callable[[Overview], None]) -> None:
    async with _client(login) as api:
        looks = 0
        while True:
            show(await api.native.overview())
            looks += 1
            if looks == count:
                return
            await asyncio.sleep(every_s)


def _as_json(desk: Desk) -> Callable[[Overview], None]:
    return lambda overview: desk.json_line(msgspec.to_builtins(overview))


def _as_line(desk: Desk) -> Callable[[Overview], None]:
    return lambda overview: desk.say(line_of(overview))
