"""The shapes of the report benchmark in DuckDB, one thread: reads a CSV file, prints medians in ms as JSON.

Arguments: the CSV file (start, ym, account, issue, tagset, seconds), the file of visible issues, rounds, and a JSON
file of shapes: a list of {"name", "sql"}.
"""

import json
import statistics
import sys
import time

import duckdb

worklogs, visible, rounds, shapes = sys.argv[1], sys.argv[2], int(sys.argv[3]), json.load(open(sys.argv[4]))
db = duckdb.connect(":memory:", config={"threads": 1})
db.execute(
    f"CREATE TABLE w AS SELECT * FROM read_csv('{worklogs}', header=true, columns={{"
    "'start': 'BIGINT', 'ym': 'INTEGER', 'account': 'INTEGER', 'issue': 'INTEGER', 'tagset': 'INTEGER', 'seconds': 'INTEGER'})"
)
db.execute(f"CREATE TABLE v AS SELECT * FROM read_csv('{visible}', header=true, columns={{'issue': 'INTEGER'}})")
times, sums = {}, {}
for shape in shapes:
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        rows = db.execute(shape["sql"]).fetchall()
        taken.append((time.perf_counter() - begun) * 1000)
    times[shape["name"]] = statistics.median(taken)
    sums[shape["name"]] = [len(rows), int(sum(row[-1] for row in rows))]
print(json.dumps({"version": duckdb.__version__, "times": times, "sums": sums}))
