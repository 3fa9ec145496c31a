"""Ringoff's own routes under ``/api/v1``, which the hosted service does not have."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from ringoff.client.exchange import (
    NATIVE,
    Page,
    Repeat,
    Reply,
    Request,
    body_as,
    cursored,
    given,
    no_answer,
    segment,
    within,
)
from ringoff.client.methods import C, Group, Method, Walk
from ringoff.client.native_answers import ApiKey, Call, Handling, Number, NumberPool, Subscription, Trunk
from ringoff.client.native_erasures import ErasureMethods
from ringoff.client.native_figures import Overview, Rates
from ringoff.client.native_orders import CampaignLifeMethods, OrderMethods, SuppressionMethods
from ringoff.client.native_timeline import Timeline
from ringoff.client.native_webhooks import WebhookMethods

Moment = datetime | date | str
Texts = list[str]
Calls = list[Call]
Subscriptions = list[Subscription]
Trunks = list[Trunk]
Numbers = list[Number]
NumberPools = list[NumberPool]
ApiKeys = list[ApiKey]


class TrunkMethods(Group[C]):
    """``client.native.trunks``."""

    @Method
    def list(self) -> Request[Trunks]:
        """All trunks."""
        return Request("GET", f"{NATIVE}/trunks", within("trunks", Trunks), repeat=Repeat.FREELY)

    @Method
    def get(self, trunk_id: str) -> Request[Trunk]:
        """One trunk."""
        return Request("GET", f"{NATIVE}/trunks/{segment(trunk_id)}", body_as(Trunk), repeat=Repeat.FREELY)

    @Method
    def add(
        self,
        *,
        name: str,
        driver: str,
        cps_max: float,
        channels_max: int,
        config: Mapping[str, Any] | None = None,
    ) -> Request[Trunk]:
        """A new trunk."""
        body = given(name=name, driver=driver, cps_max=cps_max, channels_max=channels_max, config=config)
        return Request("POST", f"{NATIVE}/trunks", body_as(Trunk), json=body)

    @Method
    def change(
        self,
        trunk_id: str,
        *,
        name: str | None = None,
        cps_max: float | None = None,
        channels_max: int | None = None,
        is_enabled: bool | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> Request[Trunk]:
        """Change what is given."""
        body = given(name=name, cps_max=cps_max, channels_max=channels_max, is_enabled=is_enabled, config=config)
        return Request("PATCH", f"{NATIVE}/trunks/{segment(trunk_id)}", body_as(Trunk), json=body)


class OwnNumberMethods(Group[C]):
    """``client.native.numbers``."""

    @Method
    def list(self) -> Request[Numbers]:
        """All calling numbers."""
        return Request("GET", f"{NATIVE}/numbers", within("numbers", Numbers), repeat=Repeat.FREELY)

    @Method
    def add(self, number: str, *, display_name: str | None = None, trunk_id: str | None = None) -> Request[Number]:
        """A calling number on a trunk, which may be left out when there is only one."""
        body = given(number=number, display_name=display_name, trunk_id=trunk_id)
        return Request("POST", f"{NATIVE}/numbers", body_as(Number), json=body)

    @Method
    def remove(self, number_id: str) -> Request[None]:
        """Take it out of the workspace."""
        return Request("DELETE", f"{NATIVE}/numbers/{segment(number_id)}", no_answer, repeat=Repeat.FREELY)

    @Method
    def pace(self, number_id: str, cps_max: float | None) -> Request[Number]:
        """How many calls a second may show it out of a pool; None: as many as its trunk takes."""
        address = f"{NATIVE}/numbers/{segment(number_id)}"
        return Request("PATCH", address, body_as(Number), json={"cps_max": cps_max}, repeat=Repeat.FREELY)


class NumberPoolMethods(Group[C]):
    """``client.native.number_pools``."""

    @Method
    def list(self) -> Request[NumberPools]:
        """All pools, by name."""
        read = within("number_pools", NumberPools)
        return Request("GET", f"{NATIVE}/number-pools", read, repeat=Repeat.FREELY)

    @Method
    def get(self, number_pool_id: str) -> Request[NumberPool]:
        """One pool."""
        address = f"{NATIVE}/number-pools/{segment(number_pool_id)}"
        return Request("GET", address, body_as(NumberPool), repeat=Repeat.FREELY)

    @Method
    def add(self, name: str, numbers: Texts) -> Request[NumberPool]:
        """A new pool of these numbers (or their ids), all of one trunk."""
        body = {"name": name, "numbers": numbers}
        return Request("POST", f"{NATIVE}/number-pools", body_as(NumberPool), json=body)

    @Method
    def set_numbers(self, number_pool_id: str, numbers: Texts) -> Request[NumberPool]:
        """Let exactly these numbers be in it."""
        address = f"{NATIVE}/number-pools/{segment(number_pool_id)}/numbers"
        return Request("PUT", address, body_as(NumberPool), json={"numbers": numbers}, repeat=Repeat.FREELY)

    @Method
    def remove(self, number_pool_id: str) -> Request[None]:
        """Its numbers stay."""
        address = f"{NATIVE}/number-pools/{segment(number_pool_id)}"
        return Request("DELETE", address, no_answer, repeat=Repeat.FREELY)


class ApiKeyMethods(Group[C]):
    """``client.native.api_keys``."""

    @Method
    def list(self) -> Request[ApiKeys]:
        """All keys, revoked ones too."""
        return Request("GET", f"{NATIVE}/api-keys", within("api_keys", ApiKeys), repeat=Repeat.FREELY)

    @Method
    def make(self, name: str) -> Request[ApiKey]:
        """One more key; its secret is shown here and never again."""
        return Request("POST", f"{NATIVE}/api-keys", body_as(ApiKey), json={"name": name})

    @Method
    def revoke(self, api_key_id: str) -> Request[None]:
        """End a key at once."""
        return Request("DELETE", f"{NATIVE}/api-keys/{segment(api_key_id)}", no_answer, repeat=Repeat.FREELY)


class NativeMethods(Group[C]):
    """``client.native``."""

    def __init__(self, client: C) -> None:
        super().__init__(client)
        self.terminations: OrderMethods[C] = OrderMethods(client)
        self.campaigns: CampaignLifeMethods[C] = CampaignLifeMethods(client)
        self.suppressions: SuppressionMethods[C] = SuppressionMethods(client)
        self.erasures: ErasureMethods[C] = ErasureMethods(client)
        self.webhooks: WebhookMethods[C] = WebhookMethods(client)
        self.trunks: TrunkMethods[C] = TrunkMethods(client)
        self.numbers: OwnNumberMethods[C] = OwnNumberMethods(client)
        self.number_pools: NumberPoolMethods[C] = NumberPoolMethods(client)
        self.api_keys: ApiKeyMethods[C] = ApiKeyMethods(client)

    @Walk
    def calls(
        self,
        *,
        agent_id: str | Texts | None = None,
        campaign_id: str | None = None,
        status: str | None = None,
        registered_from: Moment | None = None,
        registered_to: Moment | None = None,
        page_size: int = 100,
    ) -> Request[Page[Call]]:
        """Calls, newest first, however many there are; each page costs the same."""
        query = {
            "limit": page_size,
            "agent_id": agent_id,
            "campaign_id": campaign_id,
            "status": status,
            "registered_from": registered_from,
            "registered_to": registered_to,
        }
        return cursored(f"{NATIVE}/calls", query, "calls", Calls)

    @Method
    def overview(self) -> Request[Overview]:
        """Rates, trunks, campaigns, the last orders, webhooks and the database at one instant."""
        return Request("GET", f"{NATIVE}/overview", body_as(Overview), repeat=Repeat.FREELY)

    @Method
    def rates(self, *, since: Moment | None = None) -> Request[Rates]:
        """The seconds from that of ``since`` on, 60 at most; the last few may still grow."""
        query = given(since=since)
        return Request("GET", f"{NATIVE}/overview/rates", body_as(Rates), query, repeat=Repeat.FREELY)

    @Method
    def timeline(self, call_id: str) -> Request[Timeline]:
        """One call with its attempts, events, deliveries and the order that covers it, in the order of time."""
        return Request("GET", f"{NATIVE}/calls/{segment(call_id)}/timeline", body_as(Timeline), repeat=Repeat.FREELY)

    @Method
    def subscriptions(self) -> Request[Subscriptions]:
        """Of which events somebody wants to hear."""
        read = within("subscriptions", Subscriptions)
        return Request("GET", f"{NATIVE}/subscriptions", read, repeat=Repeat.FREELY)

    @Method
    def subscribe(self, event_types: Texts, *, agent_id: str | None = None) -> Request[Subscriptions]:
        """Make these the event types of one agent, or of the workspace; an empty list ends the subscription."""
        body = given(event_types=event_types, agent_id=agent_id)
        read = within("subscriptions", Subscriptions)
        return Request("PUT", f"{NATIVE}/subscriptions", read, json=body, repeat=Repeat.FREELY)

    @Method
    def handling(self, agent_id: str) -> Request[Handling]:
        """Who takes the answered calls of an agent."""
        return Request("GET", _handling(agent_id), body_as(Handling), repeat=Repeat.FREELY)

    @Method
    def set_handling(
        self, agent_id: str, *, kind: str, target: str = "", retry_failed: bool = False
    ) -> Request[Handling]:
        """Hand answered calls over to this, from the next request to ring on."""
        body = {"kind": kind, "target": target, "retry_failed": retry_failed}
        return Request("PUT", _handling(agent_id), body_as(Handling), json=body, repeat=Repeat.FREELY)

    @Method
    def is_ready(self) -> Request[bool]:
        """True when the server can work; one that cannot is ``ServerFailed``, after the retries."""
        return Request("GET", "/readyz", _is_good, repeat=Repeat.FREELY)


def _handling(agent_id: str) -> str:
    return f"{NATIVE}/agents/{segment(agent_id)}/handling"


def _is_good(reply: Reply) -> bool:
    return reply.is_good
