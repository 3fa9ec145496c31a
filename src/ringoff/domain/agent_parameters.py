"""What goes along with an answered call to its agent: the call's ids, its script, and what the contact's row says."""

from collections.abc import Mapping
from typing import Final

from ringoff.domain.agent_prompt import AgentScript, render
from ringoff.domain.attempt_records import ClaimedCall, DialWork

_NO_SCRIPT: Final = AgentScript()


def agent_parameters(work: DialWork, call: ClaimedCall, script: AgentScript = _NO_SCRIPT) -> Mapping[str, str]:
    """Stream parameters or SIP headers, all text. A contact's variable with a name of ours does not win.

    The ids come first and the prompt last: a carrier without room for all cuts or leaves out the end.
    """
    ids = {
        "call_id": str(call.call_id),
        "attempt_id": str(call.attempt_id),
        "campaign_id": str(work.campaign_id),
        "agent_id": str(work.agent_id),
        "callee_name": call.callee_name,
        "called_number": call.called_number,
        "calling_number": call.calling_number,
    }
    variables = {name: value if isinstance(value, str) else str(value) for name, value in call.custom_args.items()}
    # People write the called number as the contact's variable.
    known = {"mobile_number": call.called_number} | variables | ids
    texts = {
        "agent_language": script.language,
        "agent_secondary_language": script.secondary_language,
        "agent_voice_id": script.voice_id,
        "agent_secondary_voice_id": script.secondary_voice_id,
        "agent_intro_message": render(script.intro_message, known),
        "agent_prompt": render(script.prompt, known),
    }
    given = {name: text for name, text in texts.items() if text}
    ours = ids | given
    return ids | {name: text for name, text in variables.items() if name not in ours} | given
