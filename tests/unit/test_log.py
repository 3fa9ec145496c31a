"""No phone number is readable in a log line, wherever in it it is."""

from ringoff.observability.log import mask_numbers


def test_numbers_are_masked_in_every_field_at_any_depth() -> None:
    event = {
        "event": "dialled +919876543297 twice",
        "called_number": "+919876543297",
        "numbers": ["+12025550101", {"to": "+12025550102"}],
        "attempts": 3,
        "error": None,
    }
    assert mask_numbers(None, "info", event) == {
        "event": "dialled +9198…97 twice",
        "called_number": "+9198…97",
        "numbers": ["+1202…01", {"to": "+1202…02"}],
        "attempts": 3,
        "error": None,
    }


def test_what_is_no_number_is_left_alone() -> None:
    event = {"event": "offset +0530, total +1234567, sum 12+123456789012345678"}
    assert mask_numbers(None, "info", dict(event)) == event
