"""What both clients offer: the groups of methods, the order to terminate, and a way to routes that have no method."""

from collections.abc import Mapping
from typing import Any

from ringoff.client.agents import AgentMethods
from ringoff.client.analytics import AnalyticsMethods
from ringoff.client.answers import Terminated
from ringoff.client.calls import CallMethods
from ringoff.client.campaigns import Alias, CampaignMethods, termination
from ringoff.client.exchange import Repeat, Reply, Request, given
from ringoff.client.large_lists import LargeListMethods
from ringoff.client.methods import C, Group, Method
from ringoff.client.native import NativeMethods
from ringoff.client.workspace import NumberMethods, WorkspaceMethods


class Root(Group[C]):
    """The methods of a client, by what they are about."""

    def __init__(self, client: C) -> None:
        super().__init__(client)
        self.workspace: WorkspaceMethods[C] = WorkspaceMethods(client)
        self.numbers: NumberMethods[C] = NumberMethods(client)
        self.agents: AgentMethods[C] = AgentMethods(client)
        self.calls: CallMethods[C] = CallMethods(client)
        self.campaigns: CampaignMethods[C] = CampaignMethods(client)
        self.large_lists: LargeListMethods[C] = LargeListMethods(client)
        self.analytics: AnalyticsMethods[C] = AnalyticsMethods(client)
        self.native: NativeMethods[C] = NativeMethods(client)

    @Method
    def terminate(
        self,
        *,
        agent_id: str | None = None,
        call_ids: list[str] | None = None,
        campaign_id: str | None = None,
        mobile_numbers: list[str] | None = None,
        terminate_all_calls: bool | None = None,
        alias: Alias | None = None,
        idempotency_key: str | None = None,
    ) -> Request[Terminated]:
        """End every registered or retrying call that matches all given selectors.

        Sent again under one key when the answer is lost: Ringoff carries it out once, and answers as the first time.
        A server without keys may answer the second one with ``NothingTerminable``: see ``attempts`` of the error.
        ``alias`` takes the older path with the selectors of its name.
        """
        # An empty list goes as it is, so that the server refuses it: left out it would widen the order.
        selector = given(agent_id=agent_id, call_ids=call_ids, campaign_id=campaign_id, mobile_numbers=mobile_numbers)
        return termination(
            selector, alias=alias, terminate_all_calls=terminate_all_calls, idempotency_key=idempotency_key
        )

    @Method
    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        repeat: Repeat | None = None,
    ) -> Request[Any]:
        """Any route by its whole path; the answer's JSON as it is.

        Sent again like the methods are: a GET freely, anything else only when it never left, unless ``repeat`` says so.
        """
        usual = Repeat.FREELY if method.upper() == "GET" or idempotency_key else Repeat.IF_NEVER_SENT
        return Request(
            method,
            path,
            _as_it_is,
            query or {},
            json=json,
            idempotency_key=idempotency_key,
            repeat=repeat or usual,
        )


def _as_it_is(reply: Reply) -> Any:
    return reply.body
