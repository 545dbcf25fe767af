"""Is the report of `noisy_neighbour --quick` whole, and does it say what shuffle sharding is for?

Who is hurt is asserted, and no times: this runs wherever it is built, on cores that others use, too.
"""
import json
import sys

with open(sys.argv[1]) as file:
    report = json.load(file)

FIELDS = {"name", "servers_killed", "deaths", "tenants", "hurt", "same_hand", "hurt_with_another_hand", "answered", "worst", "each"}

runs = {run["name"]: run for run in report["runs"]}
assert list(runs) == ["shared", "sharded", "shuffle-sharded", "limited and budgeted"], list(runs)
for run in runs.values():
    assert FIELDS <= run.keys(), FIELDS - run.keys()
    assert len(run["each"]) == run["tenants"] + 1, "each tenant, and the poisonous one"

shared, sharded, shuffled, limited = runs.values()
assert shared["servers_killed"] == 8, shared["servers_killed"]
assert shared["hurt"] == shared["tenants"], (shared["hurt"], shared["tenants"])

for run in (sharded, shuffled):
    assert run["servers_killed"] == 2, (run["name"], run["servers_killed"])
    assert run["hurt"] >= run["same_hand"] > 0, (run["name"], run["hurt"], run["same_hand"])
    # None on a quiet machine; a client that waits long for a core may be counted as hurt.
    assert run["hurt_with_another_hand"] <= run["tenants"] // 20, (run["name"], run["hurt_with_another_hand"])
assert shuffled["same_hand"] < sharded["same_hand"] / 3, (shuffled["same_hand"], sharded["same_hand"])

assert limited["deaths"] == 0, limited["deaths"]
assert limited["hurt"] <= limited["tenants"] // 20, limited["hurt"]
assert {status for status, _ in limited["poison_answers"]} <= {422, 429}, limited["poison_answers"]

print("the report is whole: hurt", ", ".join(f"{run['hurt']} ({run['name']})" for run in runs.values()))
