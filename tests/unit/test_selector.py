"""Reading a selector: everything the contract refuses, by field, position and value; and what a selector covers."""

from collections.abc import Mapping
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringoff.domain.errors import InvalidInput
from ringoff.domain.identifiers import AgentId, CallId, CampaignId
from ringoff.domain.termination import (
    NOTHING_GIVEN,
    Level,
    Selector,
    covers,
    parse_selector,
    require_exact,
)

ID = "3f2b8c1e-0d4a-4c6b-9e55-7a1f00d2c3b4"
OTHER_ID = "9a7c6b5d-4e3f-4a2b-8c1d-0e9f8a7b6c5d"
NUMBER = "+919876543210"


def refusal_of(raw: Mapping[str, object]) -> InvalidInput:
    with pytest.raises(InvalidInput) as refused:
        parse_selector(raw)
    return refused.value


@pytest.mark.parametrize(
    ("raw", "level"),
    [
        ({"agent_id": ID}, Level.AGENT),
        ({"call_ids": [ID]}, Level.CALLS),
        ({"campaign_id": ID}, Level.CAMPAIGN),
        ({"campaign_id": ID, "mobile_numbers": [NUMBER]}, Level.CAMPAIGN_NUMBERS),
        ({"mobile_numbers": [NUMBER]}, Level.NUMBERS),
        ({"agent_id": ID, "campaign_id": ID}, Level.MIXED),
        ({"agent_id": ID, "mobile_numbers": [NUMBER]}, Level.MIXED),
        ({"agent_id": ID, "call_ids": [ID], "campaign_id": ID, "mobile_numbers": [NUMBER]}, Level.MIXED),
    ],
)
def test_each_combination_has_its_level(raw: dict[str, object], level: Level) -> None:
    selector = parse_selector(raw)
    assert selector.level is level
    assert selector.fields == raw.keys()


def test_all_parts_are_read() -> None:
    raw = {"agent_id": ID.upper(), "call_ids": [OTHER_ID], "campaign_id": ID, "mobile_numbers": [NUMBER]}
    assert parse_selector(raw) == Selector(
        AgentId(UUID(ID)), (CallId(UUID(OTHER_ID)),), CampaignId(UUID(ID)), (NUMBER,)
    )


def test_null_is_absent() -> None:
    raw = {"agent_id": None, "call_ids": None, "campaign_id": ID, "mobile_numbers": None}
    assert parse_selector(raw) == Selector(campaign_id=CampaignId(UUID(ID)))


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"agent_id": None},
        {"agent_id": None, "call_ids": None, "campaign_id": None, "mobile_numbers": None},
        {"call_ids": []},
        {"call_ids": [], "mobile_numbers": []},
        {"call_ids": [], "agent_id": None},
    ],
)
def test_nothing_given_is_refused_in_the_documented_words(raw: dict[str, object]) -> None:
    assert refusal_of(raw).message == NOTHING_GIVEN
    assert NOTHING_GIVEN == "Either 'agent_id', 'call_ids', 'campaign_id', or 'mobile_numbers' must be provided."


@pytest.mark.parametrize("field", ["call_ids", "mobile_numbers"])
def test_an_empty_array_never_means_everything(field: str) -> None:
    refused = refusal_of({"campaign_id": ID, field: []})
    assert refused.field == field
    assert field in refused.message


@pytest.mark.parametrize("name", ["campaignid", "Campaign_id", "call_id", "numbers", "reason", "", "x" * 10_000])
@pytest.mark.parametrize("value", [ID, None])
def test_an_unknown_field_is_refused_by_name(name: str, value: object) -> None:
    refused = refusal_of({"campaign_id": ID, name: value})
    assert refused.field == name[:64]
    assert name[:64] in refused.message
    assert len(refused.message) < 200


@pytest.mark.parametrize(
    ("field", "entry"),
    [("call_ids", ID), ("mobile_numbers", NUMBER)],
)
def test_at_most_a_hundred_entries_before_duplicates_collapse(field: str, entry: str) -> None:
    assert len(getattr(parse_selector({field: [entry] * 100}), field)) == 1
    refused = refusal_of({field: [entry] * 101})
    assert refused.field == field
    assert "100" in refused.message


@pytest.mark.parametrize(
    "value",
    [
        "", " ", "x", ID + "0", ID[:-1], f"{{{ID}}}", f"urn:uuid:{ID}", ID.replace("-", ""), ID + "\n", " " + ID,
        ID.replace("3", "\uff13"), ID.replace("f", "g"), 5, True, 1.5, [], [ID], {"a": 1},
    ],
)  # fmt: skip
def test_what_is_no_uuid_is_refused(value: object) -> None:
    for field in ("agent_id", "campaign_id"):
        refused = refusal_of({field: value, "mobile_numbers": [NUMBER]})
        assert (refused.field, refused.position) == (field, None)
    refused = refusal_of({"call_ids": [ID, OTHER_ID, value]})
    assert (refused.field, refused.position) == ("call_ids", 2)
    assert "call_ids[2]" in refused.message
    if isinstance(value, str):
        assert repr(value) in refused.message


@pytest.mark.parametrize(
    "value",
    [
        "", "919876543210", "+", "+91", "+0919876543210", "+91 9876543210", "+919876543210\n", "++919876543210",
        "+9198765432101234", "+91987654321\u0663", "tel:+919876543210", "+1415FLOWERS", 919876543210, None, True, [],
        {},
    ],
)  # fmt: skip
def test_what_is_no_number_is_refused(value: object) -> None:
    refused = refusal_of({"mobile_numbers": [NUMBER, value]})
    assert (refused.field, refused.position) == ("mobile_numbers", 1)
    assert "mobile_numbers[1]" in refused.message
    if isinstance(value, str):
        assert repr(value) in refused.message


@pytest.mark.parametrize("value", ["x", ID, NUMBER, 5, True, {}, {"0": ID}, 0, False, ""])
@pytest.mark.parametrize("field", ["call_ids", "mobile_numbers"])
def test_what_is_no_array_is_refused(field: str, value: object) -> None:
    refused = refusal_of({field: value})
    assert refused.field == field


def test_a_huge_value_makes_no_huge_message() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    for value in ("x" * 1_000_000, 10**5000, deep):
        assert len(refusal_of({"agent_id": value}).message) < 200
        assert len(refusal_of({"call_ids": [value]}).message) < 200


def test_numbers_need_only_the_shape_so_that_whatever_was_let_in_can_be_terminated() -> None:
    assert parse_selector({"mobile_numbers": ["+999123456"]}).mobile_numbers == ("+999123456",)


ALL_FIELDS = [("agent_id", ID), ("call_ids", [ID]), ("campaign_id", ID), ("mobile_numbers", [NUMBER])]


@given(st.sets(st.integers(0, 3), min_size=1), st.sets(st.integers(0, 3), min_size=1))
def test_an_older_route_takes_exactly_its_own_fields(given_parts: set[int], wanted_parts: set[int]) -> None:
    selector = parse_selector(dict(ALL_FIELDS[part] for part in given_parts))
    wanted = frozenset(ALL_FIELDS[part][0] for part in wanted_parts)
    if given_parts == wanted_parts:
        require_exact(selector, wanted)
    else:
        with pytest.raises(InvalidInput) as refused:
            require_exact(selector, wanted)
        assert refused.value.field in wanted ^ selector.fields


@given(st.lists(st.integers(0, 30), min_size=1, max_size=100))
def test_duplicates_collapse_and_order_stays(entries: list[int]) -> None:
    ids = [UUID(int=entry) for entry in entries]
    spelled = [str(one).upper() if index % 2 else str(one) for index, one in enumerate(ids)]
    selector = parse_selector({"call_ids": spelled, "mobile_numbers": [f"+91{entry:010}" for entry in entries]})
    assert selector.call_ids == tuple(dict.fromkeys(ids))
    assert selector.mobile_numbers == tuple(dict.fromkeys(f"+91{entry:010}" for entry in entries))


A, B = uuid4(), uuid4()
one_of_two = st.sampled_from([A, B])
numbers = st.sampled_from(["+919876543210", "+919876543211"])
selectors = st.builds(
    Selector,
    st.none() | one_of_two.map(AgentId),
    st.none() | st.lists(one_of_two.map(CallId), min_size=1, max_size=2).map(tuple),
    st.none() | one_of_two.map(CampaignId),
    st.none() | st.lists(numbers, min_size=1, max_size=2).map(tuple),
).filter(lambda selector: bool(selector.fields))


@given(selectors, one_of_two, one_of_two, one_of_two, numbers)
def test_a_call_is_covered_when_every_given_part_covers_it(
    selector: Selector, call: UUID, agent: UUID, campaign: UUID, number: str
) -> None:
    def is_covered(part: Selector) -> bool:
        return covers(
            part, call_id=CallId(call), agent_id=AgentId(agent), campaign_id=CampaignId(campaign), called_number=number
        )

    alone = [Selector(**{field: getattr(selector, field)}) for field in selector.fields]
    assert is_covered(selector) is all(is_covered(part) for part in alone)
