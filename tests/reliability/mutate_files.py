"""Reads mutated files with the pipeline's readers, and prints faults as JSON.

test_hostile_files.py runs it in a process with limited memory, which may crash:
``mutate_files.py SEED COUNT FOLDER``.
"""

import collections
import gc
import gzip
import io
import json
import random
import resource
import sys
import traceback
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.catalogue_gen.reader import describe_items, read_items
from components.ratings_example_gen import BadInputError, Settings
from components.ratings_example_gen.inspection import inspect_path
from components.ratings_example_gen.side_files.find import find_side_files
from components.ratings_example_gen.side_files.users import describe_users, read_users

ADDRESS_SPACE = 4 << 30  # bytes; the imported libraries map 2 GB

ROWS = [(1 + n % 7, 10 + n % 13, 1 + n % 5, 978_300_000 + 977 * n) for n in range(40)]
TOKENS = [b"\0", b"\r", b"\n", b"\r\n", b'"', b'""', b"::", b"\t", b",", b";", b"|"]
TOKENS += [b"\xef\xbb\xbf", b"\xff\xfe", b"\xff", b"\xed\xa0\x80", "é\u2028".encode()]
TOKENS += [b"nan", b"-inf", b"1e309", b"-1", b"9" * 400, b"0x10", b"", b"1_0", b"\x01"]
TOKENS += [b"=cmd|' /C calc'!A0", b"<script>", b"../../etc/passwd", b"%s%n", b"\x1a"]
TOKENS += [b"\xff\xff\xff\x7f", b"\xff" * 8, b"\0" * 8, b"PAR1", b"PK\x03\x04"]


def text(delimiter, header="", rows=ROWS):
    lines = [delimiter.join(map(str, row)) for row in rows]
    return "\n".join([*([header] if header else []), *lines, ""]).encode()


def parquet(**options):
    user, item, rating, time = zip(*ROWS, strict=True)
    table = {
        "user_id": pa.array(map(str, user)),
        "item_id": pa.array(map(str, item)).dictionary_encode(),
        "rating": pa.array(rating, pa.float32()),
        "timestamp": pa.array([t * 1000 for t in time], pa.timestamp("ms", "UTC")),
    }
    made = io.BytesIO()
    pq.write_table(pa.table(table), made, row_group_size=15, **options)
    return made.getvalue()


def zipped(members, kind=zipfile.ZIP_DEFLATED):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


MOVIES = [(10 + n, f'Heat, "{n}" (1995)', "Action|Comedy") for n in range(13)]
QUOTED = "\n".join(f'"{u}","i ""{i}""",{r},{t}' for u, i, r, t in ROWS)
OWN = text(",", "user_id,item_id,rating,timestamp")
U_ITEM = text("|", rows=[(n, "Heat (1995)", "", "", "", 0, 1) for n in range(9)])
RATINGS = {
    "u.data": text("\t"),
    "ratings.dat": text("::"),
    "ratings.csv": text(",", "userId,movieId,rating,timestamp"),
    "own.csv": OWN,
    "quoted.csv": f"user_id,item_id,rating,timestamp\n{QUOTED}\n".encode(),
    "own.tsv": text("\t", "user\titem\tstars\ttime"),
    "half;.txt": text(";", "user;item;stars;time"),
    "bare.csv": text(","),
    "own.csv.gz": gzip.compress(OWN),
    "own.zip": zipped({"a/own.csv": OWN}),
    "ml.zip": zipped(
        {"ml/ratings.dat": text("::"), "ml/users.dat": b"1::F::1::1::2\n"}
    ),
    "stored.zip": zipped({"a.csv.gz": gzip.compress(OWN)}, zipfile.ZIP_STORED),
    "own.parquet": parquet(),
    "plain.parquet": parquet(compression="none", use_dictionary=False),
    "parquet.zip": zipped({"p.parquet": parquet()}, zipfile.ZIP_STORED),
}
ITEMS = {
    "movies.csv": b"movieId,title,genres\n"
    + b"".join(b'%d,"Heat, ""%d"" (1995)",Action|War\n' % (n, n) for n in range(13)),
    "movies.dat": text("::", rows=MOVIES),
    "items.csv": text(",", "item_id,title,maker", [(n, "t", "m") for n in range(9)]),
    "u.item.zip": zipped({"u.item": U_ITEM, "u.genre": b"unknown|0\nAction|1\n"}),
}
USERS = {
    "users.csv": text(",", "user_id,age,town", [(n, 20 + n, "x") for n in range(9)])
}


def mutated(chance, content, others):
    """Applies one to six changes, often small and sometimes large."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((1, 1, 4, 16, 200)))
        change = chance.randrange(7)
        if change == 0 and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif change == 1 and at < len(data):
            data[at] = chance.choice((0, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        elif change == 2:
            del data[at:end]
        elif change == 3:
            data[at:at] = data[at:end] * chance.choice((1, 2, 50))
        elif change == 4:
            data[at:end] = chance.choice(TOKENS)
        elif change == 5:
            del data[at:]
        else:
            other = chance.choice(others)
            begin = chance.randrange(len(other))
            data[at:end] = other[begin : begin + chance.choice((4, 40, 4000))]
    return bytes(data)


def read_it(path, kind):
    if kind == "ratings":
        inspect_path(path, Settings(rating_min=0.5, rating_max=5))
    else:
        settings = Settings(**{kind: str(path)})
        side = find_side_files([], (), settings)
        if side.items:
            read_items(describe_items(side.items, settings))
        if side.users:
            for _ in read_users(describe_users(side.users, settings), num_buckets=1):
                pass


def main(seed, count, folder):
    chance = random.Random(seed)
    files = [
        (kind, name, content)
        for kind, of_kind in (("ratings", RATINGS), ("items", ITEMS), ("users", USERS))
        for name, content in of_kind.items()
    ]
    contents = [content for _, _, content in files]
    for kind, name, content in files:  # the files are valid before they are mutated
        (folder / name).write_bytes(content)
        read_it(folder / name, kind)
        (folder / name).unlink()
    gc.freeze()  # saves a fifth of the time: Arrow collects garbage for each file
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts = collections.Counter()
    faults = set()
    for number in range(count):
        kind, name, content = files[number % len(files)]
        if chance.random() < 0.05:  # the content of one format with the name of another
            content = chance.choice(contents)
        path = folder / name
        path.write_bytes(mutated(chance, content, contents))
        try:
            read_it(path, kind)
            counts["read"] += 1
        except BadInputError as error:
            counts["rejected"] += 1
            if name not in str(error):
                print(json.dumps({"fault": f"{error} does not name the file"}))
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            fault = f"{name}: {error!r:.300} at {last.filename}:{last.lineno}"
            place = (type(error), last.filename, last.lineno, name)
            if place not in faults:
                faults.add(place)
                print(json.dumps({"fault": fault, "number": number}), flush=True)
        path.unlink()
        left = list(folder.iterdir())
        assert not left, f"{left} was written while {name} was read"
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({**counts, "kilobytes": after - before}))


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
