"""What an agent is told to say: its prompt, its intro message, and the contact's variables put in their places."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

PROMPT_SECTIONS: Final = (
    "introduction_and_objective",
    "response_guidelines",
    "task",
    "faq",
    "sample_conversations",
)
"""The sections that an agent is created with."""
WHOLE_PROMPT: Final = "agent_prompt"
"""Where a prompt is kept that was written as a whole: text, or sections with titles of their own."""
_VARIABLE: Final = re.compile(r"@\{\{\s*([^{}]{1,100}?)\s*\}\}")


@dataclass(frozen=True, slots=True)
class AgentScript:
    """What goes along to whoever takes an answered call; empty texts are not handed over."""

    prompt: str = ""
    intro_message: str = ""
    language: str = ""
    secondary_language: str = ""
    voice_id: str = ""
    secondary_voice_id: str = ""


def agent_script(primary_language: str, config: Mapping[str, Any]) -> AgentScript:
    """Of an agent as it is stored."""
    return AgentScript(
        prompt=agent_prompt(config),
        intro_message=text_of(config, "intro_message"),
        language=primary_language,
        secondary_language=text_of(config, "secondary_language"),
        voice_id=text_of(config, "voice_id"),
        secondary_voice_id=text_of(config, "secondary_voice_id"),
    )


def agent_prompt(config: Mapping[str, Any]) -> str:
    """The prompt that was written as a whole, otherwise the sections of the create request, apart by an empty line."""
    match config.get(WHOLE_PROMPT):
        case str() as text:
            return text
        case Sequence() as sections:
            return "\n\n".join(f"{section['section_title']}\n{section['section_content']}" for section in sections)
        case _:
            return "\n\n".join(text for name in PROMPT_SECTIONS if (text := text_of(config, name)))


def text_of(config: Mapping[str, Any], name: str) -> str:
    """Empty when there is none."""
    value = config.get(name)
    return value if isinstance(value, str) else ""


def render(text: str, variables: Mapping[str, str]) -> str:
    """``@{{name}}`` becomes the variable's text; a name that the contact has not stays as it is written.

    In one pass: a value that looks like a variable is a value.
    """
    return _VARIABLE.sub(lambda match: variables.get(match[1], match[0]), text)
