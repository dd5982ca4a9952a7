"""Finds out whether there is data in an object store."""

from urllib.parse import urlsplit

from components.ratings_example_gen import files
from pipeline.datasets import lake_tables
from pipeline.datasets.errors import DatasetError

S3_VARIABLES = (
    "the variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for a server that is "
    "not Amazon's, AWS_ENDPOINT_URL"
)


def existing(source: str) -> str:
    """Returns the address of an object or a folder, without a slash at its end.

    Raises:
        BadInputError: If the store cannot be read.
        DatasetError: If S3 cannot be read, there is no such object, or this is the
            folder of a Delta table.
    """
    place = source.rstrip("/")
    if not _exists(place):
        raise DatasetError(
            f"{place}: no such object, and no objects below it. Check the address."
        )
    if _exists(f"{place}/{lake_tables.DELTA_LOG}"):
        raise lake_tables.delta_table(place)
    return place


def _exists(place: str) -> bool:
    in_s3 = place.startswith("s3://")
    return _is_in_s3(place) if in_s3 else bool(files.list_files(place))


def _is_in_s3(place: str) -> bool:
    """Returns whether an object begins with this address.

    Beam would try for ten minutes to reach a server that does not answer.
    """
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    url = urlsplit(place)
    try:
        answer = boto3.client("s3").list_objects_v2(
            Bucket=url.netloc, Prefix=url.path.lstrip("/"), MaxKeys=1
        )
    except (BotoCoreError, ClientError, ValueError) as error:
        raise DatasetError(
            f"{place}: {' '.join(str(error).split())}. Check the address, and "
            f"{S3_VARIABLES}."
        ) from error
    return bool(answer["KeyCount"])
