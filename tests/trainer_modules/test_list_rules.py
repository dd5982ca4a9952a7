"""The rules of lists against plain Python, and against what they promise."""

import hypothesis.strategies as st
import msgspec
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings

from tests.reference import list_rules as reference
from trainer_modules import features as f
from trainer_modules import ranking, signatures
from trainer_modules.configs.list_rules import Rules
from trainer_modules.item_index import item_index
from trainer_modules.list_rules import ListRules

FIELDS = {"genres": ["a", "b", "c", "d"], "provider": ["p", "q", "r"]}
NUM_ITEMS = 14
IDS = [f"i{n}" for n in range(NUM_ITEMS)]
# Such that no two sums of weighted scores and similarities are equal but for rounding.
SCORES = st.permutations([round(0.37 * n + 0.011 * n * n, 3) for n in range(NUM_ITEMS)])


def catalogue(values):
    columns = {f.ITEM_ID: IDS, **{f"item_{name}": v for name, v in values.items()}}
    return pa.table(
        columns, pa.schema([(f.ITEM_ID, pa.string())] + [
            (f"item_{name}", pa.list_(pa.string())) for name in values
        ])
    )  # fmt: skip


def built(rules, values):
    parsed = msgspec.convert(rules, Rules)
    return ListRules(parsed, [i.encode() for i in IDS], catalogue(values))


@st.composite
def rules_of_order(draw):
    field = st.sampled_from(list(FIELDS))
    rules = {"pool": draw(st.integers(4, NUM_ITEMS + 3))}
    first = st.integers(1, 4)
    rules["limits"] = draw(
        st.lists(
            st.fixed_dictionaries(
                {"field": field, "at_most": st.integers(1, 3), "in_first": first}
            ),
            max_size=2,
        )
    )
    if draw(st.booleans()):
        rules["diversity"] = {
            "field": draw(field),
            "lambda": draw(st.sampled_from([0.0, 0.3, 0.7, 1.0])),
            "in_first": draw(first),
        }
    rules["boosts"] = [
        {"field": name, "value": draw(st.sampled_from(FIELDS[name])), "places": places}
        for name, places in draw(
            st.lists(st.tuples(field, st.integers(1, 5)), max_size=2)
        )
    ]
    return rules


values_of_items = st.fixed_dictionaries(
    {
        name: st.lists(
            st.lists(st.sampled_from(values), max_size=3, unique=True),
            min_size=NUM_ITEMS,
            max_size=NUM_ITEMS,
        )
        for name, values in FIELDS.items()
    }
).map(
    # Every value occurs, so that each rule names one of the catalogue.
    lambda values: {name: [FIELDS[name], *lists[1:]] for name, lists in values.items()}
)


AGES = st.sampled_from([None, "0", "6", "12", "12.5", "18"])
ages_of_items = st.lists(AGES, min_size=NUM_ITEMS, max_size=NUM_ITEMS)
rules_of_age = st.fixed_dictionaries(
    {"item_field": st.just("fsk"), "user_field": st.just("years")},
    optional={
        "unknown_user": st.sampled_from([0, 6, 18]),
        "unknown_item": st.sampled_from([0, 12, 18]),
    },
)


@settings(max_examples=60)
@given(
    rules_of_order(),
    values_of_items,
    st.lists(st.tuples(SCORES, AGES), min_size=1, max_size=3),
    st.sets(st.integers(0, NUM_ITEMS - 1)),
    st.none() | st.tuples(rules_of_age, ages_of_items),
)
def test_lists_and_ranks_are_those_of_the_reference(
    rules, values, scores_and_ages, seen, minimum
):
    scores = [scores for scores, _ in scores_and_ages]
    ages = [age for _, age in scores_and_ages]
    rule, fsk = minimum or ({}, [None] * NUM_ITEMS)
    texts = {**values, "fsk": [[age] if age else [] for age in fsk]}
    made = built({**rules, "minimum_age": rule} if minimum else rules, texts)
    may_be_listed = [
        {n for n in range(NUM_ITEMS) if reference.may_see(fsk[n], age, rule)} - seen
        for age in ages
    ]
    num_items = NUM_ITEMS + f.NUM_RESERVED
    table = tf.constant(scores, tf.float32)
    candidates = ranking.Candidates(num_items, 0, made)

    def model(features):
        items = tf.maximum(tf.cast(features[f.ITEM_INDEX], tf.int32) - 2, 0)
        rows = tf.gather(table, features[f.USER_INDEX])
        shape = [len(scores), tf.shape(items)[1]]
        return tf.gather(rows, tf.broadcast_to(items, shape), batch_dims=1)

    users = {
        f.USER_INDEX: tf.range(len(scores)),
        f.HISTORY_ITEM_INDEX: tf.constant([[0, *(i + 2 for i in seen)]] * len(scores)),
    }
    if minimum:
        known = tf.ragged.constant([[age] if age else [] for age in ages], tf.string)
        raw = {f.USER_ID: users[f.USER_INDEX][:, tf.newaxis], "user_years": known}
        users[f.AGE] = made.minimum_age.of_users(raw)
    oracle = [
        reference.ordered(
            {n: np.float32(s[n]) for n in range(NUM_ITEMS) if n in listed},
            {name: dict(enumerate(map(set, lists))) for name, lists in values.items()},
            {**rules, "pool": min(rules["pool"], NUM_ITEMS)},
        )
        if listed
        else []
        for s, listed in zip(scores, may_be_listed, strict=True)
    ]
    time = tf.zeros([len(scores)], tf.int64)
    for k in (NUM_ITEMS, 3):  # a shorter list is the beginning of a longer one
        row, score = ranking.best(model, users, time, candidates, tf.constant(k))
        for user, expected in enumerate(oracle):
            is_item = score[user].numpy() > -np.inf
            assert row[user].numpy()[is_item].tolist() == expected[:k]
            assert not is_item[len(expected) :].any()
    targets = tf.tile(
        tf.range(2, num_items, dtype=tf.int64)[tf.newaxis], [len(scores), 1]
    )
    found = ranking.rank_targets(model, users, targets, candidates, 10)
    for user, expected in enumerate(oracle):
        top = [item + 2 for item in expected[:10]]
        assert found["top_item"][user].numpy().tolist() == top + [0] * (10 - len(top))
        num_candidates = len(may_be_listed[user])
        assert found["num_candidates"][user] == num_candidates
        for item in set(range(NUM_ITEMS)) - seen:
            place = max(num_candidates, 10)  # what is never listed is not a hit
            if item in expected:
                place = expected.index(item)
            assert found["rank"][user, item] == place + 1


VALUES = {
    "genres": [["a"], ["a", "b"], ["b"], ["c"], []] + [["d"]] * 9,
    "provider": [["p"], ["q"]] * 7,
}


@pytest.mark.parametrize(
    ("rules", "listed"),
    [
        ({"deny": ["i0", "i3"]}, {*range(NUM_ITEMS)} - {0, 3}),
        ({"deny_values": {"genres": ["a", "c"]}}, {*range(NUM_ITEMS)} - {0, 1, 3}),
        ({"allow": ["i1", "i2"]}, {1, 2}),
        ({"allow_values": {"genres": ["b"]}}, {1, 2}),
        ({"allow": ["i4"], "allow_values": {"genres": ["b"]}}, {1, 2, 4}),
        ({"allow_values": {"genres": ["b"]}, "deny": ["i1"]}, {2}),
    ],
)
def test_only_what_is_allowed_is_listed(rules, listed):
    made = built(rules, VALUES)
    assert set(np.flatnonzero(made.is_listed)) == listed


def update(made, rows, available, genres):
    return int(
        made.update(
            tf.constant(rows, tf.int64),
            tf.constant(available, tf.bool),
            {"genres": tf.constant(genres)},
        )
    )


def test_a_feed_replaces_what_the_one_before_it_changed():
    made = built({"deny_values": {"genres": ["a"]}, "feed": {"path": "x"}}, VALUES)
    everything = {*range(NUM_ITEMS)}
    # Item 2 is sold out, item 3 has become an "a", and item 1 no longer is one.
    left = update(made, [2, 3, 1, -1], [False, True, True, False],
                  [["", ""], ["new", "a"], ["z", ""], ["a", ""]])  # fmt: skip
    assert set(np.flatnonzero(made.is_listed)) == everything - {0, 2, 3}
    assert left == NUM_ITEMS - 3
    update(made, [5], [False], [[""]])
    assert set(np.flatnonzero(made.is_listed)) == everything - {0, 1, 5}
    # Without anything to list, what was listed remains.
    passing = made.matching(tf.constant([["genres=b"]])).numpy()
    nothing = [False] * NUM_ITEMS, [["b"]] * NUM_ITEMS
    assert update(made, range(NUM_ITEMS), *nothing) == 0
    assert set(np.flatnonzero(made.is_listed)) == everything - {0, 1, 5}
    np.testing.assert_array_equal(made.matching(tf.constant([["genres=b"]])), passing)


@pytest.mark.parametrize(
    ("pairs", "passing"),
    [
        (["", ""], {*range(NUM_ITEMS)}),
        (["genres=a", ""], {0, 1}),
        (["genres=a", "genres=c"], {0, 1, 3}),
        (["genres=a", "provider=q"], {1}),
        (["genres=nothing", ""], set()),
        (["genres=", ""], set()),
        (["colour=red", ""], set()),
    ],
)
def test_filters_leave_items_with_one_value_of_each_field(pairs, passing):
    made = built({"filters": ["genres", "provider"]}, VALUES)
    matching = made.matching(tf.constant([pairs, ["genres=b", ""]]))
    assert set(np.flatnonzero(matching[0])) == passing
    assert set(np.flatnonzero(matching[1])) == {1, 2}  # whatever others ask for


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"filters": ["genre"]}, "no field of categories 'genre'.*mean 'genres'"),
        ({"deny_values": {"genres": ["x"]}}, "deny_values.genres: .*'x'.*a, b, c, d"),
        ({"deny": ["i99"]}, "deny: the catalogue has no item 'i99'"),
        ({"allow": []}, "leaves no item"),
    ],
)
def test_names_that_the_catalogue_lacks_are_errors(rules, message):
    with pytest.raises(ValueError, match=message):
        built(rules, VALUES)


@pytest.mark.integration
@pytest.mark.parametrize("name", ["mf_als", "two_stage"])
@pytest.mark.parametrize(
    ("num_probes", "few"), [(1000, 0), (1, signatures.FEW)], ids=["index", "few_items"]
)
def test_an_index_gives_the_lists_of_all_scores(
    monkeypatch, num_probes, few, name, serve, trained, planted
):
    """Also for requests with a filter beside others, and with excluded items."""
    monkeypatch.setattr(signatures, "FEW", few)
    vocabulary = planted.output.vocabulary_by_name(f.ITEM_VOCABULARY)
    ids = [item.decode() for item in vocabulary]
    columns = {
        f.ITEM_ID: ids,
        "item_colour": [[item[0]] for item in ids],
        "item_fsk": [["18"] if item in (ids[1], ids[6]) else [] for item in ids],
    }
    rules = {
        "minimum_age": {"item_field": "fsk"},
        "deny": [ids[0], ids[9]],
        "limits": [{"field": "colour", "at_most": 2, "in_first": 5}],
        "boosts": [{"field": "colour", "value": "w", "places": 3}],
        "feed": {"path": "feed.csv"},
    }
    model, lists = trained(name), []
    for index in (None, item_index(model, len(ids) + f.NUM_RESERVED, num_probes)):
        made = ListRules(msgspec.convert(rules, Rules), vocabulary, pa.table(columns))
        served = serve(model, "order", index=index, rules=made)
        updated = served.update_items(
            tf.constant([ids[4], "never"]),
            tf.constant([False, False]),
            item_colour=tf.constant([[""], [""]]),
            item_fsk=tf.constant([[""], [""]]),
        )
        assert updated["num_unknown"] == 1
        assert updated["num_listed"] == len(ids) - 3
        asked = (
            tf.constant(["u03", "u08", "new"]),
            tf.constant([["b01", "w02"], ["", ""], ["b07", ""]]),
            tf.fill([3, 1], 5.0),
            tf.constant([[""], ["age=17"], ["age=18"]]),
        )
        for k in (4, 30):
            listed = served.recommend(
                *asked,
                tf.constant(k),
                tf.constant([[ids[2], ""], ["", ""], ["never", ids[3]]]),
                filter=tf.constant([["", ""], ["colour=w", ""], ["", ""]]),
            )
            lists.append(listed["item_id"].numpy().tolist())
    short, whole, short_by_index, whole_by_index = lists
    assert whole_by_index == whole
    assert short_by_index == short == [row[:4] for row in whole]
    # The first five places of two colours, of which each may have two.
    assert [len([item for item in row if item]) for row in whole] == [4, 2, 4]
    for row, blocked in zip(whole, ([1, 2, 6], [1, 6], [3]), strict=True):
        assert not {ids[n].encode() for n in (0, 9, 4, *blocked)} & set(row)
    assert all(item[:1] in (b"w", b"") for item in whole[1])


@pytest.mark.integration
def test_where_the_lists_of_the_index_have_no_item_left_all_are_scored(
    monkeypatch, serve, trained, planted
):
    """A feed leaves only items of one taste, and a user has the other."""
    # A search of two of 18 lists finds more than one of ten items on average.
    monkeypatch.setattr(signatures, "FEW", 1)
    vocabulary = planted.output.vocabulary_by_name(f.ITEM_VOCABULARY)
    ids = [item.decode() for item in vocabulary]
    black = [item for item in ids if item[0] == "b"]
    model, lists = trained("mf_als"), []
    for index in (None, item_index(model, len(ids) + f.NUM_RESERVED, 2)):
        rules = msgspec.convert({"feed": {"path": "feed.csv"}}, Rules)
        catalogue = pa.table({f.ITEM_ID: ids})
        served = serve(
            model, "order", index=index, rules=ListRules(rules, vocabulary, catalogue)
        )
        served.update_items(tf.constant(black), tf.fill([len(black)], False))
        asked = tf.constant(["u03"]), tf.constant([black[:2]]), tf.fill([1, 2], 5.0)
        nothing = tf.constant([[""]])
        listed = served.recommend(*asked, nothing, tf.constant(10), nothing)
        lists.append(listed["item_id"].numpy().tolist())
    by_scores, by_index = lists
    assert by_index == by_scores
    assert all(item[:1] == b"w" for item in by_scores[0])
