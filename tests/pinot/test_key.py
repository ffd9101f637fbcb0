from hypothesis import given
from hypothesis import strategies as st

from pinot.key import MAX_KEY_BYTES, partition_key

parts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@given(st.lists(parts, min_size=1, max_size=4), st.lists(parts, min_size=1, max_size=4))
def test_two_primary_keys_never_share_a_partition_key(one, other):
    assert (partition_key(one) == partition_key(other)) == (one == other)


def test_parts_that_look_like_the_encoding_do_not_collide():
    assert partition_key(["a", "b"]) == "1:a1:b"
    assert partition_key(["a1:b"]) == "4:a1:b"
    assert partition_key(["", ""]) == "0:0:"


def test_each_type_of_key_value_has_one_text():
    assert partition_key([12, 1.5, True, False, "x"]) == "2:123:1.54:true5:false1:x"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=600))
def test_a_partition_key_never_exceeds_the_maximum_of_kinesis(text):
    key = partition_key([text])
    assert 1 <= len(key) <= len(key.encode()) <= MAX_KEY_BYTES


def test_long_keys_are_hashed_and_remain_distinct():
    one, other = partition_key(["a" * 300]), partition_key(["a" * 301])
    assert one.startswith("sha256:")
    assert one != other
    assert len(one) == len("sha256:") + 64
