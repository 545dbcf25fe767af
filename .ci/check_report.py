"""Is the report of `overload --quick` whole, and does it say what protection is for?"""
import json
import sys

with open(sys.argv[1]) as file:
    report = json.load(file)

fields = {"name", "load", "protected", "goodput", "p50_ms", "p99_ms", "refused", "timed_out", "wasted_work", "recovery_s"}
assert report["capacity_rps"] > 0, report["capacity_rps"]
runs = {(run["name"], run["load"], run["protected"]): run for run in report["runs"]}
for run in report["runs"]:
    assert fields <= run.keys(), fields - run.keys()
    assert 0 <= run["goodput"] <= 1.2, run
steady = {(load, protected) for name, load, protected in runs if name == "steady"}
assert steady == {(load, protected) for load in (0.5, 1.0, 2.0, 3.0, 5.0) for protected in (False, True)}, steady
for load in (2.0, 3.0, 5.0):
    bare, protected = (runs["steady", load, p]["goodput"] for p in (False, True))
    # Looser than the goals of a quiet machine: this runs wherever it is built.
    assert protected >= 0.7 and protected > bare + 0.3, (load, bare, protected)
spikes = {run["protected"]: run for run in report["runs"] if run["name"] == "spike"}
assert spikes[True]["recovery_s"] is not None, "the protected server did not recover"
print("the report is whole:", ", ".join(f"{load:g}x {runs['steady', load, True]['goodput']:.2f}" for load in (0.5, 1.0, 2.0, 3.0, 5.0)))
