"""Pages of the dashboard as a browser asks for them: from the request to the last byte, one after the other."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from bench.figures import Samples, Say, Verdict
from bench.server import API_KEY, RunningServer, UnexpectedAnswer

GOAL_MS = 100.0
_SEED = 12


class Browser:
    """One connection that is signed in."""

    def __init__(self, server: RunningServer) -> None:
        self._http = HTTPConnection(urlsplit(server.url).netloc, timeout=600)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        self._http.request("POST", "/login", urlencode({"api_key": API_KEY}), form)
        answer = self._http.getresponse()
        answer.read()
        self.cookie = (answer.headers["set-cookie"] or "").partition(";")[0]
        if answer.status != 303:
            raise UnexpectedAnswer(f"signing in: {answer.status}")

    def look(self, path: str) -> tuple[float, int]:
        """Seconds, and the bytes of the page."""
        began = time.perf_counter()
        self._http.request("GET", path, headers={"Cookie": self.cookie})
        answer = self._http.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise UnexpectedAnswer(f"{path}: {answer.status} {content[:300]!r}")
        return time.perf_counter() - began, len(content)

    def close(self) -> None:
        self._http.close()


def measure_pages(
    server: RunningServer, campaigns: Sequence[UUID], calls: Sequence[UUID], looks: int, say: Say
) -> Verdict:
    """Each page so often, each time of other rows where there are many."""
    browser, taken = Browser(server), {}
    try:
        for name, path in _paths(campaigns, calls).items():
            timed = [browser.look(path()) for _ in range(looks + 1)][1:]
            taken[name] = Samples.of_seconds([seconds for seconds, _ in timed])
            say(f"page: {name}, {timed[-1][1] / 1000:.0f} kB of HTML: {taken[name]}")
    finally:
        browser.close()
    slowest = max(taken, key=lambda name: taken[name].percentile_ms(0.99))
    return Verdict(
        f"first page of the dashboard over HTTP: p99 under {GOAL_MS:.0f} ms with {len(campaigns):,} started campaigns",
        f"median {taken['overview'].median_ms:.1f} ms, p99 {taken['overview'].percentile_ms(0.99):.1f} ms;"
        f" slowest page: {slowest}, p99 {taken[slowest].percentile_ms(0.99):.1f} ms",
        taken["overview"].percentile_ms(0.99) < GOAL_MS,
    )


def _paths(campaigns: Sequence[UUID], calls: Sequence[UUID]) -> Mapping[str, Callable[[], str]]:
    dice = random.Random(_SEED)
    return {
        "overview": lambda: "/",
        "campaigns": lambda: "/campaigns",
        "the campaign with half of all calls": lambda: f"/campaigns/{campaigns[0]}",
        "a small campaign": lambda: f"/campaigns/{dice.choice(campaigns[1:])}",
        "a call": lambda: f"/calls/{dice.choice(calls)}",
        "terminate, aimed at half of all calls": lambda: f"/terminate?level=campaign&campaign_id={campaigns[0]}",
        "receipts": lambda: "/receipts",
    }
