"""The prompt that goes along with a call: sections in order, variables in their places, once."""

from hypothesis import given
from hypothesis import strategies as st

from ringoff.domain.agent_prompt import AgentScript, agent_prompt, agent_script, render


def test_sections_stand_in_their_order_and_what_is_missing_leaves_no_gap() -> None:
    config = {"task": "Book.", "introduction_and_objective": "You are @{{name}}.", "faq": None, "voice_id": "x"}
    assert agent_prompt(config) == "You are @{{name}}.\n\nBook."


def test_a_variable_is_replaced_by_its_text_and_an_unknown_one_stays() -> None:
    variables = {"callee_name": "Ada", "odd": "@{{callee_name}}"}
    assert render("Hi @{{callee_name}}, @{{ callee_name }}, @{{nobody}}", variables) == "Hi Ada, Ada, @{{nobody}}"
    assert render("@{{odd}}", variables) == "@{{callee_name}}", "a value that looks like a variable is a value"


@given(st.text(max_size=200), st.dictionaries(st.text(max_size=10), st.text(max_size=20), max_size=5))
def test_text_without_variables_is_left_alone(text: str, variables: dict[str, str]) -> None:
    if "@{{" not in text:
        assert render(text, variables) == text


def test_a_prompt_that_was_written_as_a_whole_comes_before_the_sections() -> None:
    config = {"task": "Book.", "agent_prompt": "All new."}
    assert agent_prompt(config) == "All new."
    titled = {"Role": "You book.", "Empty": ""}
    sections = [{"section_title": title, "section_content": content} for title, content in titled.items()]
    assert agent_prompt(config | {"agent_prompt": sections}) == "Role\nYou book.\n\nEmpty\n"
    assert agent_script("en-US", {"voice_id": "v"}) == AgentScript(language="en-US", voice_id="v")
