"""Distinct pairs, against a set of tuples."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ratings_example_gen import pair_counts
from components.ratings_example_gen.inspection import inspect_path

IDS = st.sampled_from(["", "a", "b", "é", "a\0b"])
BLOCKS = st.lists(st.lists(st.tuples(IDS, IDS)))


@settings(max_examples=100)
@given(blocks=BLOCKS, pending=st.integers(0, 5))
def test_distinct_users_items_and_pairs_are_counted(blocks, pending):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pair_counts, "_PENDING", pending)
        counter = pair_counts.PairCounter()
        for block in blocks:
            users, items = zip(*block, strict=True) if block else ((), ())
            half = len(users) // 2
            counter.add(
                pa.chunked_array([users[:half], users[half:]], pa.string()),
                pa.chunked_array([items], pa.string()),
            )
    rows = {row for block in blocks for row in block}
    assert counter.num_pairs == len(rows)
    assert set(counter.user_ids) == {user for user, _ in rows}
    assert set(counter.item_ids) == {item for _, item in rows}


def test_sparsity_is_of_pairs_not_of_rows(tmp_path):
    rows = ["u,i,4,1", "u,i,5,2", "u,j,3,1", "v,i,2,1", "u,i,5,2"]
    path = tmp_path / "ratings.csv"
    path.write_text("user_id,item_id,rating,timestamp\n" + "\n".join(rows) + "\n")
    found = inspect_path(path)
    assert (found.read, found.kept, found.repeated) == (5, 5, 2)
    assert found.sparsity == 1 - 3 / 4
