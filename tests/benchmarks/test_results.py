"""The page of results: the orders of the same models under two splits."""

import datetime

import pytest

from benchmarks import results


def measured(ndcg, deviation=None):
    return results.Measured(
        metrics={"ndcg@10": ndcg, "hit_rate@10": 1 - ndcg},
        deviations={} if deviation is None else {"ndcg@10": deviation},
        settings=[],
        parameters=1,
        train_seconds=60.0,
        samples_per_second=None,
        seconds=60.0,
        seeds=(0,),
        date=datetime.date(2026, 11, 28),
        cores=2,
    )


LAST = {"a": measured(0.1), "b": measured(0.3, 0.002), "c": measured(0.2)}
LATER = {
    "c": measured(0.05),
    "b": measured(0.04),
    "a": measured(0.06),
    "d": measured(1),
}


def test_each_split_has_an_order_of_its_own():
    found = results.both_orders("ml-1m", {"last": LAST, "later": LATER})
    rows = [line for line in found.splitlines() if line.startswith("| ")]
    assert rows == [
        "| | last | later |",
        "| 1 | b 0.3000 ± 0.0020 | a 0.0600 |",
        "| 2 | c 0.2000 | c 0.0500 |",
        "| 3 | a 0.1000 | b 0.0400 |",
    ]
    assert "## Both orders: ml-1m" in found


@pytest.mark.parametrize("later", [{}, {"d": measured(1)}])
def test_no_orders_without_a_model_under_both_splits(later):
    assert results.both_orders("ml-1m", {"last": LAST, "later": later}) == ""


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Results and their page in a folder of the test, without other tables."""
    monkeypatch.setattr(results, "MEASURED", tmp_path)
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results.md")
    (tmp_path / "retraining.md").write_text("## Retraining\n")
    return tmp_path / "results.md"


def test_the_page_has_both_orders_once_both_tables_are_measured(page):
    rows = {"sasrec": measured(0.2), "popularity": measured(0.1)}
    results.write_measured("seq-full", "ml-1m", rows)
    results.write_results()
    assert "Both orders" not in page.read_text()
    later = {"sasrec": measured(0.03), "popularity": measured(0.04)}
    results.write_measured("seq-temporal", "ml-1m", later)
    results.write_results()
    text = page.read_text()
    assert text.count("## Both orders: ml-1m") == 1
    assert "| 1 | sasrec 0.2000 | popularity 0.0400 |" in text
    assert text.index("two cuts in time: ml-1m") < text.index("## Both orders")


def test_a_table_without_published_figures_names_no_source(page):
    results.write_measured("seq-temporal", "ml-1m", {"ease": measured(0.1)})
    results.write_results()
    assert "Published by" not in page.read_text()


def test_both_tables_train_the_same_models_with_the_same_settings():
    last, later = (results.read_table(name) for name in results.SPLITS)

    def models(table):
        return {row.name: (row.model, row.settings) for row in table.rows}

    assert models(last) == models(later)
    assert later.set == last.set | {"split.kind": "temporal"}


def test_the_cuts_in_time_have_the_models_of_the_other_table_without_its_floors():
    last, later = (results.read_table(name) for name in results.SPLITS)
    assert [(row.name, row.settings) for row in later.rows] == [
        (row.name, row.settings) for row in last.rows
    ]
    assert any(row.floors for row in last.rows)
    assert not any(row.floors or row.by or row.tried for row in later.rows)
    [head, *_] = [
        line
        for line in results.section(
            later, "seq-temporal", "ml-1m", {"ease": measured(0.1)}
        ).splitlines()
        if line.startswith("| model")
    ]
    assert "reached" not in head
