"""A real MinIO and a real HDFS, compared with the same files on this machine."""

import hdfs as hdfs_client
import pytest

from components.ratings_example_gen import files, spans
from components.ratings_example_gen.input_errors import BadInputError
from components.ratings_example_gen.stores import hdfs, s3
from tests.support import object_store
from tests.support.hdfs import hdfs as running_hdfs

pytestmark = pytest.mark.sources

LARGE = bytes(range(256)) * (40 << 10)  # 10 MiB, more than one range
LAYOUT = {
    "log/part-0.csv": b"u1,i1,4\n",
    "log/deep/part 1.csv": b"u2,i2,5\n",
    "log/deep/.hidden/part-2.csv": b"",
    "log/_SUCCESS": b"",
    "log-2/part-3.csv": b"another folder\n",
    "spans/users.csv": b"user_id\n1\n",
    "spans/dt=2026-11-20/part-0.csv": b"u1,i1,4\n",
    "spans/dt=2026-11-20/_SUCCESS": b"",
    "spans/dt=2026-11-21 00%3A00%3A00/part-0.csv": b"u1,i2,4\n",
    "large.bin": LARGE,
}


@pytest.fixture(scope="module")
def minio(tmp_path_factory):
    """Puts an object into a bucket."""
    with (
        object_store.minio(tmp_path_factory.mktemp("minio")) as variables,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in variables.items():
            patch.setenv(name, value)
        s3._client_of.cache_clear()
        client = object_store.client(variables)

        def put(name, content):
            client.put_object(Bucket=object_store.BUCKET, Key=name, Body=content)

        yield f"s3://{object_store.BUCKET}", put


@pytest.fixture(scope="module")
def namenode(tmp_path_factory):
    """Writes a file of HDFS."""
    with (
        running_hdfs(tmp_path_factory.mktemp("hdfs")) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("HADOOP_USER_NAME", "marquee-tests")
        client = hdfs_client.InsecureClient(f"http://{server}", user="marquee-tests")
        super_user = hdfs_client.InsecureClient(f"http://{server}", user="root")
        super_user.set_permission("/", "777")

        def put(name, content):
            client.write(f"/{name}", data=content, overwrite=True)

        yield f"hdfs://{server}", put


@pytest.fixture(scope="module", params=["minio", "namenode"])
def store(request):
    url, put = request.getfixturevalue(request.param)
    for name, content in LAYOUT.items():
        put(name, content)
    return url, put


@pytest.fixture
def here(tmp_path):
    for name, content in LAYOUT.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return str(tmp_path)


@pytest.mark.parametrize("base", ["log", "spans", "log/deep", "large.bin"])
def test_the_files_of_a_folder_are_listed_as_here(store, here, base):
    found, local = (
        [path.removeprefix(place) for path in files.list_files(f"{place}/{base}")]
        for place in (store[0], here)
    )
    assert found == local
    assert found


def test_patterns_levels_and_neighbours_are_as_here(store, here):
    url = store[0]
    found = files.list_files(f"{url}/log", "part-*")
    assert found == [f"{url}/log/part-0.csv"]
    for folder in ("log", "spans"):
        assert files.list_folder(f"{url}/{folder}") == files.list_folder(
            f"{here}/{folder}"
        )
    beside = files.neighbours(f"{url}/spans/dt=2026-11-20/part-0.csv")
    assert beside == []
    assert files.neighbours(f"{url}/spans/other.csv") == [f"{url}/spans/users.csv"]


def test_hive_partitions_are_spans_as_here(store, here):
    def found(folder):
        return [
            (span.name, span.is_whole, [size for _, size in span.files])
            for span in spans.find_spans(f"{folder}/spans")
        ]

    expected = [("2026-11-20", True, [8]), ("2026-11-21", False, [8])]
    assert found(store[0]) == expected
    assert found(here) == expected
    assert spans.paths_of(f"{store[0]}/spans", ["2026-11-20"]) == [
        f"{store[0]}/spans/users.csv",
        f"{store[0]}/spans/dt=2026-11-20/part-0.csv",
    ]


def test_bytes_are_read_from_anywhere(store):
    with files.open_binary(f"{store[0]}/large.bin") as file:
        assert file.read() == LARGE
        file.seek(-1000, 2)
        assert file.read() == LARGE[-1000:]
        file.seek(9_000_001)
        assert file.read(100) == LARGE[9_000_001:9_000_101]
        assert file.tell() == 9_000_101
        file.seek(len(LARGE) + 10)
        assert file.read() == b""
    assert files.size_and_time(f"{store[0]}/large.bin")[0] == len(LARGE)


def test_the_checksum_changes_with_the_bytes(store):
    url, put = store
    put("changing", b"one")
    before = files.stored_checksum(f"{url}/changing")
    put("changing", b"two")
    assert files.stored_checksum(f"{url}/changing") != before
    put("changing", b"one")
    assert files.stored_checksum(f"{url}/changing").startswith(before[:40])


def test_what_does_not_exist_is_reported(store):
    url = f"{store[0]}/nothing"
    assert not files.exists(url)
    assert not files.exists(f"{store[0]}/log")  # a folder
    assert not files.has_objects(url)
    assert files.has_objects(f"{store[0]}/log")
    assert files.list_files(url) == []
    for read in (files.open_binary, files.size_and_time, files.stored_checksum):
        with pytest.raises(
            BadInputError, match=f"{url}.*(no such|not exist|not found)"
        ):
            read(url)


def test_an_object_that_is_replaced_while_it_is_read_is_an_error(minio):
    url, put = minio
    put("large.bin", LARGE)
    with files.open_binary(f"{url}/large.bin") as file:
        file.read(10)
        put("large.bin", LARGE[::-1])
        with pytest.raises(s3.ERRORS, match="PreconditionFailed"):
            file.read()


def test_hdfs_without_a_namenode_is_explained():
    with pytest.raises(BadInputError, match=f"hdfs://namenode:{hdfs._WEB_PORT}/"):
        files.exists("hdfs:///ratings/ratings.csv")


def test_a_namenode_that_does_not_answer_is_reported():
    with pytest.raises(BadInputError, match="Connection refused"):
        files.exists("hdfs://127.0.0.1:1/ratings.csv")
