"""Finds out whether there is data in an object store."""

from urllib.parse import urlsplit

from components.ratings_example_gen import files
from pipeline.datasets.errors import DatasetError


def existing(source: str) -> str:
    """Returns the address of an object or a folder, without a slash at its end.

    Raises:
        BadInputError: If the store cannot be read.
        DatasetError: If S3 cannot be read, or there is no such object.
    """
    place = source.rstrip("/")
    found = _is_in_s3(place) if place.startswith("s3://") else files.list_files(place)
    if not found:
        raise DatasetError(
            f"{place}: no such object, and no objects below it. Check the address."
        )
    return place


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
            f"{place}: {' '.join(str(error).split())}. Check the address, and the "
            "variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for a server that "
            "is not Amazon's, AWS_ENDPOINT_URL."
        ) from error
    return bool(answer["KeyCount"])
