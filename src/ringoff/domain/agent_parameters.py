"""What goes along with an answered call to its agent: the call's ids and what the contact's row says."""

from collections.abc import Mapping

from ringoff.domain.agent_prompt import render
from ringoff.domain.attempt_records import ClaimedCall, DialWork


def agent_parameters(work: DialWork, call: ClaimedCall, prompt: str = "") -> Mapping[str, str]:
    """Stream parameters or SIP headers, all text. The ids are ours: a contact's variable of that name does not win."""
    variables = {name: value if isinstance(value, str) else str(value) for name, value in call.custom_args.items()}
    parameters = variables | {
        "call_id": str(call.call_id),
        "attempt_id": str(call.attempt_id),
        "campaign_id": str(work.campaign_id),
        "agent_id": str(work.agent_id),
        "callee_name": call.callee_name,
        "called_number": call.called_number,
        "calling_number": call.calling_number,
    }
    if prompt:
        # People write the called number as the contact's variable.
        parameters["agent_prompt"] = render(prompt, {"mobile_number": call.called_number} | parameters)
    return parameters
