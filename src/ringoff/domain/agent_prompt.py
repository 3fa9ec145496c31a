"""An agent's prompt: its sections in order, and the contact's variables put in their places."""

import re
from collections.abc import Mapping
from typing import Any, Final

PROMPT_SECTIONS: Final = (
    "introduction_and_objective",
    "response_guidelines",
    "task",
    "faq",
    "sample_conversations",
)
_VARIABLE: Final = re.compile(r"@\{\{\s*([^{}]{1,100}?)\s*\}\}")


def agent_prompt(config: Mapping[str, Any]) -> str:
    """The sections that the agent was created with, apart by an empty line."""
    sections = [config.get(name) for name in PROMPT_SECTIONS]
    return "\n\n".join(section for section in sections if isinstance(section, str) and section)


def render(text: str, variables: Mapping[str, str]) -> str:
    """``@{{name}}`` becomes the variable's text; a name that the contact has not stays as it is written.

    In one pass: a value that looks like a variable is a value.
    """
    return _VARIABLE.sub(lambda match: variables.get(match[1], match[0]), text)
