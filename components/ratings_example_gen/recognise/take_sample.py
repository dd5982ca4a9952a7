"""Takes a sample of a part, in whichever format it is."""

from dataclasses import replace

from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.parts import JSON_SUFFIXES, PARQUET, Part
from components.ratings_example_gen.recognise.json_sample import sample_json_lines
from components.ratings_example_gen.recognise.parquet_sample import sample_parquet
from components.ratings_example_gen.recognise.sample import IsPlausible, Sample
from components.ratings_example_gen.recognise.text_sample import sample_text


def take_sample(
    part: Part,
    declared: Dialect,
    is_plausible: IsPlausible,
    all_keys: bool = False,
) -> Sample | None:
    """Reads the beginning of a part; returns None if it is empty.

    Args:
        part: A file of which only the name and size are known.
        declared: The dialect as a person declared it; the rest is guessed.
        is_plausible: Whether records look like the contents that the file should have.
        all_keys: Whether to collect the keys of all JSON objects, not only of the first
            ones; for small files.

    Raises:
        BadInputError: If the content is not what the name promises, or can be read in
            two ways.
    """
    if part.size == 0:
        return None
    if part.base_name.endswith(".parquet"):
        return sample_parquet(replace(part, format=PARQUET, dialect=declared))
    if part.base_name.endswith(JSON_SUFFIXES):
        return sample_json_lines(part, declared, all_keys)
    return sample_text(part, declared, is_plausible)
