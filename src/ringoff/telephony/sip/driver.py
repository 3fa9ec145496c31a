"""The driver for SIP trunks over UDP (RFC 3261): every request to ring leaves inside ``originate`` or ``resume``."""

import asyncio
import random
import re
import socket
from collections import deque
from collections.abc import Sequence
from typing import Final

import structlog

from ringoff.domain.attempt_records import ExpiredAttempt, OriginateRefused, OriginateRequest, OriginateTooLate
from ringoff.domain.carrier import CarrierCallback, HandlingKind, TrunkReport, TrunkSpec
from ringoff.domain.errors import InvalidInput
from ringoff.domain.events import CarrierEvent, Released
from ringoff.domain.identifiers import AttemptId, TrunkId
from ringoff.domain.release_cause import Disposition, Outcome, ReleaseCause
from ringoff.ports import Clock
from ringoff.telephony.sip.attempt import SipAttempt
from ringoff.telephony.sip.config import Gateway, SipConfig, config_of
from ringoff.telephony.sip.gateway_order import gateway_order
from ringoff.telephony.sip.leg import Invite
from ringoff.telephony.sip.next_hop import lookup
from ringoff.telephony.sip.stack import Stack, Timers

log = structlog.get_logger()

_HEADERS_MAX: Final = 32
_HEADER_LENGTH_MAX: Final = 256
_NOT_IN_NAME: Final = re.compile(r"[^A-Za-z0-9-]+")
_NOT_IN_TEXT: Final = re.compile(r"[\x00-\x1f\x7f]+")
_AGENT_URI: Final = re.compile(
    r"sip:(?P<user>[A-Za-z0-9_.!~*'()&=+$,-]{1,128})@(?P<host>[A-Za-z0-9.-]{1,253})(?::(?P<port>\d{1,5}))?"
    r"(?:;transport=udp)?",
    re.IGNORECASE,
)
_NUMBER: Final = re.compile(r"\+?[0-9*#]{1,32}")
_NO_REPLY: Final = 408


class _Trunk:
    """A trunk that is in use: its socket and the task that watches its gateways."""

    def __init__(self, spec: TrunkSpec, config: SipConfig, stack: Stack) -> None:
        self.spec = spec
        self.config = config
        self.stack = stack
        self.watch: asyncio.Task[None] | None = None
        self.is_up: bool | None = None
        self.down: set[Gateway] = set()


class SipDriver:
    """A ``CallDriver``. One UDP socket for each trunk; ``events`` has one consumer.

    ``chance`` draws the gateway that an attempt begins with: give a seeded one to have the same draws again.
    """

    def __init__(self, clock: Clock, chance: random.Random | None = None) -> None:
        self._clock = clock
        self._chance = chance or random.SystemRandom()
        self._timers = Timers()
        self._trunks: dict[TrunkId, _Trunk] = {}
        self._unopened: set[TrunkId] = set()
        """Reported down because they could not be opened: to be reported up when they are."""
        self._attempts: dict[AttemptId, SipAttempt] = {}
        self._ready: deque[CarrierEvent | TrunkReport] = deque()  # bounded by the channels: a handful for each call
        self._woken = asyncio.Event()
        self._releasing = asyncio.Lock()
        self._is_stopped = True
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        self._is_stopped = False
        self._timers.start()

    async def stop(self) -> None:
        """Send a CANCEL or BYE for each call that is up, once, and close the sockets."""
        if self._is_stopped:
            return
        self._is_stopped = True
        for attempt in list(self._attempts.values()):
            attempt.release()
        # What was answered at once is acknowledged in the loop's next turns.
        await asyncio.sleep(0)
        for trunk in self._trunks.values():
            await self._close(trunk)
        self._trunks.clear()
        self._attempts.clear()
        self._ready.clear()
        self._timers.stop()
        self._woken.set()

    async def use_trunks(self, trunks: Sequence[TrunkSpec]) -> None:
        async with self._lock:
            wanted = {trunk.trunk_id: trunk for trunk in trunks}
            for trunk_id, trunk in list(self._trunks.items()):
                if wanted.get(trunk_id) != trunk.spec and not self._is_busy(trunk_id):
                    await self._close(self._trunks.pop(trunk_id))
            for spec in trunks:
                if spec.trunk_id not in self._trunks:
                    try:
                        await self._open(spec)
                    except (OSError, InvalidInput) as error:
                        self._unopened.add(spec.trunk_id)
                        self._put(TrunkReport(spec.workspace_id, spec.trunk_id, is_up=False, text=str(error)))
            self._unopened &= wanted.keys()

    def _is_busy(self, trunk_id: TrunkId) -> bool:
        return any(attempt.request.trunk.trunk_id == trunk_id for attempt in self._attempts.values())

    async def originate(self, request: OriginateRequest) -> str:
        kind = request.handling.kind
        if kind in {HandlingKind.MEDIA_URL, HandlingKind.PLAY}:
            raise _refused("a sip trunk carries no audio of ours: hand over to a SIP URI, or use another driver")
        if not (_NUMBER.fullmatch(request.called_number) and _NUMBER.fullmatch(request.calling_number)):
            raise _refused("a number that does not fit a SIP URI")
        try:
            # A name server that hangs must not hold the permit: nothing has left, so the call may wait and try again.
            async with asyncio.timeout(max(0.0, request.send_until - self._clock.monotonic())):
                trunk, gateways, agent = await self._addressed(request)
        except TimeoutError as error:
            raise OriginateTooLate from error
        attempt = SipAttempt(
            request, trunk.stack, self._clock, self._put,
            gateways=gateways, agent=agent, agent_answer_timeout_s=trunk.config.agent_answer_timeout_s,
            offer_in_invite=trunk.config.offer_in_invite,
        )  # fmt: skip
        # From here to the write nothing is awaited.
        if self._is_stopped:
            raise _refused("the driver is stopped")
        if self._clock.monotonic() > request.send_until:
            raise OriginateTooLate
        self._attempts[request.attempt_id] = attempt
        self._check_sent(attempt, attempt.send())
        return str(request.attempt_id)

    async def _addressed(self, request: OriginateRequest) -> tuple[_Trunk, list[Invite], Invite | None]:
        """The trunk in use, the invitations of its gateways, and that of the agent; the names in them looked up."""
        trunk = await self._in_use(request.trunk)
        gateways = [
            _invite(request, trunk.config, gateway, address)
            for gateway in gateway_order(trunk.config.gateways, trunk.down, self._chance)
            if (address := await _resolve(gateway.host, gateway.port)) is not None
        ]
        if not gateways:
            self._mark(trunk, is_up=False, text="no gateway's name resolves")
            raise _refused("no gateway's name resolves")
        if trunk.is_up is False and trunk.watch is None:
            # Its names resolve again, and nobody else will say so.
            self._mark(trunk, is_up=True, text="")
        is_for_agent = request.handling.kind is HandlingKind.SIP_URI
        return trunk, gateways, await _agent_invite(request) if is_for_agent else None

    async def _in_use(self, spec: TrunkSpec) -> _Trunk:
        if spec.trunk_id not in self._trunks:
            async with self._lock:
                if spec.trunk_id not in self._trunks and not self._is_stopped:
                    try:
                        await self._open(spec)
                    except (OSError, InvalidInput) as error:
                        raise _refused(f"the trunk cannot be used: {error}") from error
        trunk = self._trunks.get(spec.trunk_id)
        if trunk is None:
            raise _refused("the driver is stopped")
        return trunk

    async def resume(self, attempt_id: AttemptId, send_until: float) -> None:
        attempt = self._attempts.get(attempt_id)
        if attempt is None:
            return
        if self._clock.monotonic() > send_until:
            raise OriginateTooLate
        self._check_sent(attempt, attempt.resume())

    async def release(self, attempt_id: AttemptId) -> None:
        # One in each turn of the loop: among hundreds the socket is read, or the answers would overflow it.
        async with self._releasing:
            attempt = self._attempts.get(attempt_id)
            if attempt is not None:
                attempt.release()
                await asyncio.sleep(0)

    async def adopt(self, stranded: Sequence[ExpiredAttempt]) -> None:
        """A dialog lives in the process that began it: of another's calls nothing can be asked, and nothing ended."""

    async def live(self) -> frozenset[AttemptId]:
        """The attempts of this process: SIP has no question that asks a trunk for its calls."""
        return frozenset(self._attempts)

    async def take_callback(self, callback: CarrierCallback) -> None:
        """No SIP trunk posts."""

    async def events(self, count_max: int) -> Sequence[CarrierEvent | TrunkReport]:
        while not self._ready and not self._is_stopped:
            self._woken.clear()
            await self._woken.wait()
        if self._is_stopped:
            return []
        return [self._ready.popleft() for _ in range(min(count_max, len(self._ready)))]

    def _check_sent(self, attempt: SipAttempt, error: OSError | None) -> None:
        if error is not None:
            attempt.is_over = True
            self._attempts.pop(attempt.request.attempt_id, None)
            raise _refused(f"the request could not be sent: {error.strerror}")

    def _put(self, event: CarrierEvent | TrunkReport) -> None:
        if isinstance(event, Released):
            self._attempts.pop(event.attempt_id, None)
        self._ready.append(event)
        self._woken.set()

    async def _open(self, spec: TrunkSpec) -> None:
        config = config_of(spec)
        first = await _first_address(config)
        local = config.local_address or (_route_to(first) if first else "0.0.0.0")  # noqa: S104 - until a name resolves
        trunk = _Trunk(spec, config, Stack(local, config.local_port))
        self._trunks[spec.trunk_id] = trunk
        if first is None:
            self._mark(trunk, is_up=False, text="no gateway's name resolves")
        elif spec.trunk_id in self._unopened and not config.options_interval_s:
            self._mark(trunk, is_up=True, text="")
        self._unopened.discard(spec.trunk_id)
        if config.options_interval_s:
            trunk.watch = asyncio.create_task(self._watch(trunk), name=f"sip options {spec.trunk_id}")

    async def _close(self, trunk: _Trunk) -> None:
        if trunk.watch is not None:
            trunk.watch.cancel()
            await asyncio.wait([trunk.watch])
        trunk.stack.close()

    async def _watch(self, trunk: _Trunk) -> None:
        """Ask each gateway with OPTIONS; the trunk is up while one of them answers, whatever it says."""
        while True:
            async with asyncio.TaskGroup() as asked:
                for gateway in trunk.config.gateways:
                    asked.create_task(self._ask(trunk, gateway))
            is_up = not trunk.down.issuperset(trunk.config.gateways)
            self._mark(trunk, is_up=is_up, text="" if is_up else "no gateway answers OPTIONS")
            await self._clock.sleep(trunk.config.options_interval_s)

    async def _ask(self, trunk: _Trunk, gateway: Gateway) -> None:
        if await self._answers(trunk, gateway):
            trunk.down.discard(gateway)
        else:
            trunk.down.add(gateway)

    async def _answers(self, trunk: _Trunk, gateway: Gateway) -> bool:
        address = await _resolve(gateway.host, gateway.port)
        if address is None:
            return False
        answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def take(status: int) -> None:
            if not answered.done():
                answered.set_result(status)

        trunk.stack.options(gateway.host, address, take)
        return await answered != _NO_REPLY

    def _mark(self, trunk: _Trunk, *, is_up: bool, text: str) -> None:
        if trunk.is_up is not is_up:
            trunk.is_up = is_up
            self._put(TrunkReport(trunk.spec.workspace_id, trunk.spec.trunk_id, is_up, text))


def _refused(text: str) -> OriginateRefused:
    return OriginateRefused(Outcome(Disposition.NETWORK_FAILURE, ReleaseCause(text=text)))


def _invite(request: OriginateRequest, config: SipConfig, gateway: Gateway, address: tuple[str, int]) -> Invite:
    domain = config.from_domain or gateway.host
    asserted = ("P-Asserted-Identity", f"<sip:{request.calling_number}@{domain}>")
    return Invite(
        called=request.called_number,
        calling=request.calling_number,
        host=gateway.host,
        port=gateway.port,
        address=address,
        from_domain=config.from_domain,
        username=gateway.username,
        password=gateway.password,
        headers=(asserted,) if config.p_asserted_identity else (),
    )


async def _agent_invite(request: OriginateRequest) -> Invite:
    """The agent's leg, resolved before anybody is rung: an agent that cannot be found costs no call."""
    target = _AGENT_URI.fullmatch(request.handling.target)
    if target is None:
        raise _refused("the agent's SIP URI must be sip:user@host[:port], over UDP")
    host, port = target["host"], int(target["port"] or 5060)
    address = await _resolve(host, port)
    if address is None:
        raise _refused("the name in the agent's SIP URI does not resolve")
    return Invite(
        called=target["user"], calling=request.calling_number, host=host, port=port, address=address,
        headers=_agent_headers(request),
    )  # fmt: skip


def _agent_headers(request: OriginateRequest) -> Sequence[tuple[str, str]]:
    """X-Ringoff-<Name> for each parameter, without anything that could end a header, and bounded in number and size."""
    headers = []
    for name, text in list(request.parameters.items())[:_HEADERS_MAX]:
        clean = _NOT_IN_NAME.sub("-", name).strip("-")[:64]
        if clean:
            headers.append((f"X-Ringoff-{clean.title()}", _NOT_IN_TEXT.sub(" ", text)[:_HEADER_LENGTH_MAX]))
    return headers


async def _resolve(host: str, port: int) -> tuple[str, int] | None:
    address = await lookup(host)
    return None if address is None else (address, port)


async def _first_address(config: SipConfig) -> tuple[str, int] | None:
    for gateway in config.gateways:
        if (address := await _resolve(gateway.host, gateway.port)) is not None:
            return address
    return None


def _route_to(address: tuple[str, int]) -> str:
    """The local address that this machine would send from; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(address)
        return str(probe.getsockname()[0])
