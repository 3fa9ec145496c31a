"""The rival of the ``sip`` part: sippy as it comes, in its own loop, with nothing of Ringoff around it.

``python -m bench.bare_sippy PORT CPS COUNT HOLD_S PREFIX`` calls COUNT numbers at CPS on 127.0.0.1:PORT and prints
how many were answered, the resident memory before the first and when the last was answered, and the processor time.
With HOLD_S above 0 it hangs up, so long after the last answer; else the other side does.
"""

import json
import os
import socket
import sys
import time
from typing import Any

import psutil
from sippy.CCEvents import CCEventDisconnect, CCEventTry
from sippy.Core.EventDispatcher import ED2
from sippy.MsgBody import MsgBody
from sippy.SipConf import SipConf
from sippy.SipTransactionManager import SipTransactionManager
from sippy.Time.Timeout import Timeout
from sippy.UA import UA

_TICK_S = 0.01
_PATIENCE_S = 60.0
_LAST_WORDS_S = 1.0
"""After the last call is over, for the answers to its BYE."""
_SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 30000 RTP/AVP 0 8 101\r\n"
    "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=inactive\r\n"
)


class _NoLog:
    def write(self, *_: Any, **__: Any) -> None: ...


class _Caller:
    def __init__(self, port: int, cps: float, count: int, hold_s: float, prefix: str) -> None:
        self._answered = self._over = 0
        self._over_at: float | None = None
        self._peak_bytes = 0
        self._memory = psutil.Process()
        self._hop, self._cps, self._count, self._hold_s, self._prefix = (
            ("127.0.0.1", port), cps, count, hold_s, prefix,
        )  # fmt: skip
        self._placed: list[Any] = []
        self._released = 0
        self._held_until: float | None = None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            local_port = probe.getsockname()[1]
        SipConf.my_address, SipConf.my_port = "127.0.0.1", local_port
        self._config: dict[str, Any] = {
            "_sip_address": "127.0.0.1", "_sip_port": local_port, "_sip_logger": _NoLog(), "nh_addr": self._hop,
        }  # fmt: skip
        self._config["_sip_tm"] = SipTransactionManager(self._config, lambda *_: (None, None, None))
        self._before_bytes = self._memory.memory_info().rss
        self._began = time.monotonic()
        self._timer = Timeout(self._tick, _TICK_S, -1)

    def _tick(self) -> None:
        now = time.monotonic()
        due = min(int((now - self._began) * self._cps), self._count)
        while len(self._placed) < due:
            self._call(f"{self._prefix}{len(self._placed):010}")
        if self._held_until is None and self._answered == self._count:
            self._held_until = now + self._hold_s
            self._peak_bytes = self._memory.memory_info().rss
        if self._hold_s and self._held_until is not None and now >= self._held_until:
            # At the pace at which they came.
            for agent in self._placed[self._released : self._released + max(1, int(self._cps * _TICK_S))]:
                agent.recvEvent(CCEventDisconnect())
                self._released += 1
        if self._over + self._released >= self._count and self._over_at is None:
            self._over_at = now
        if (
            self._over_at is not None and now > self._over_at + _LAST_WORDS_S
        ) or now > self._began + self._count / self._cps + _PATIENCE_S:
            self._say_and_leave()

    def _say_and_leave(self) -> None:
        times = os.times()
        said = {
            "answered": self._answered, "before_bytes": self._before_bytes,
            "peak_bytes": self._peak_bytes, "processor_s": times.user + times.system,
        }  # fmt: skip
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
        # Its threads do not end by themselves.
        os._exit(0)

    def _call(self, number: str) -> None:
        agent = UA(self._config, event_cb=self._heard, nh_address=self._hop)
        self._placed.append(agent)
        agent.recvEvent(CCEventTry((None, "+12025550100", number, MsgBody(_SDP), None, None)))

    def _heard(self, event: Any, _agent: Any) -> None:
        # A user agent is dead only 32 s after this, when its transactions are.
        self._answered += event.name == "CCEventConnect"
        self._over += event.name == "CCEventDisconnect"


def main() -> None:
    port, cps, count, hold_s, prefix = sys.argv[1:]
    _caller = _Caller(int(port), float(cps), int(count), float(hold_s), prefix)
    ED2.loop()


if __name__ == "__main__":
    main()
