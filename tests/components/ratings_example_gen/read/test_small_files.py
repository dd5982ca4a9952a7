"""Small files are read together, and give what each of them gives by itself."""

import pytest

from components.ratings_example_gen import files
from components.ratings_example_gen.read.blocks import plan_blocks
from components.ratings_example_gen.read.ratings import RatingsReader
from components.ratings_example_gen.read.small_files import read_together
from components.ratings_example_gen.recognise.recognition import recognise

HEADER = "user_id,item_id,rating\n"
FILES = [
    HEADER + "u,i,1\nv,i,2\n",
    HEADER + "w,i,3\r\n",
    HEADER + "".join(f"u{n},i,4\n" for n in range(3000)),  # not small
    HEADER + "\nx,i,5\n\n",
    "rating,user_id,item_id\n1,y,j\n",  # other places
    "rating,user_id,item_id\n2,y,k\n",
]
BAD = HEADER + "\nz,j,1\nz,k,oops\nz,l,2,5\n"


@pytest.fixture
def layout(tmp_path):
    def recognised(contents):
        for number, text in enumerate(contents):
            (tmp_path / f"{number}.csv").write_text(text, newline="")
        return recognise(files.list_files(str(tmp_path)))

    return recognised


@pytest.mark.parametrize("contents", [FILES, [*FILES[:2], BAD, *FILES]])
def test_rows_lines_and_bad_rows_of_each_file_are_its_own(layout, contents):
    parts = layout(contents).ratings
    blocks = plan_blocks(parts)
    reader = RatingsReader()
    together = []
    for table, found in read_together(reader, parts, blocks):
        assert table.num_rows == sum(ratings.table.num_rows for _, ratings in found)
        together += found
    alone = [
        (block, ratings)
        for block in blocks
        for ratings in reader.read(parts[block.part], block)
    ]
    assert len(together) == len(alone)
    for (block, ratings), (other_block, other) in zip(together, alone, strict=True):
        assert block == other_block
        assert ratings.table.to_pydict() == other.table.to_pydict()
        assert (ratings.bad, ratings.end) == (other.bad, other.end)


def test_a_bad_row_is_named_by_file_and_line(layout):
    parts = layout([FILES[0], BAD]).ratings
    [_, (_, [(block, ratings)])] = read_together(
        RatingsReader(), parts, plan_blocks(parts)
    )
    assert parts[block.part].name.endswith("1.csv")
    assert [line for line, *_ in ratings.bad] == [4, 5]
