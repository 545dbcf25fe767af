"""Is the report of `overload --quick` whole, and does it say what protection is for?

Only shares are asserted, and no times: this runs wherever it is built, on cores that others use, too. The marks of
a quiet machine stand beside each; what is asserted leaves room for the windows of a quick run, in which some hundred
critical requests come, and for threads that wait their turn.
"""
import json
import sys

with open(sys.argv[1]) as file:
    report = json.load(file)

LOADS = (0.5, 1.0, 2.0, 3.0, 5.0)
FIELDS = {"name", "load", "protected", "goodput", "p50_ms", "p99_ms", "refused", "timed_out", "wasted_work", "recovery_s", "success"}
SUCCESS = {"critical", "normal", "sheddable", "quiet_tenants", "noisy_tenant"}

assert report["capacity_rps"] > 0, report["capacity_rps"]
runs = {(run["name"], run["load"], run["protected"]): run for run in report["runs"]}
for run in report["runs"]:
    assert FIELDS <= run.keys(), FIELDS - run.keys()
    assert run["success"].keys() == SUCCESS, run["success"]
    assert all(share is None or 0 <= share <= 1 for share in run["success"].values()), run
    assert 0 <= run["goodput"] <= 1.2, run
played = {(name, load) for name, load, _ in runs}
assert played == {("steady", load) for load in LOADS} | {("spike", 5.0), ("noisy", 3.0)}, played
assert len(runs) == 2 * len(played), "each is played bare and protected"

for load in (2.0, 3.0, 5.0):
    bare, protected = (runs["steady", load, side] for side in (False, True))
    # 0.99; 0.97 beside two busy loops.
    assert protected["goodput"] >= 0.9, (load, protected)
    assert protected["goodput"] > bare["goodput"] + 0.3, (load, bare["goodput"], protected["goodput"])
    # 1.00, even then. One of a hundred may have bad luck, or two.
    assert protected["success"]["critical"] >= 0.97, (load, protected)
    # The important come first.
    classes = [protected["success"][name] for name in ("critical", "normal", "sheddable")]
    assert classes == sorted(classes, reverse=True), (load, classes)

assert runs["spike", 5.0, True]["recovery_s"] is not None, "the protected server did not recover"
assert runs["spike", 5.0, True]["success"]["critical"] >= 0.97, runs["spike", 5.0, True]

noisy = runs["noisy", 3.0, True]
# 0.98, and less than a tenth.
assert noisy["success"]["quiet_tenants"] >= 0.9, noisy
assert noisy["success"]["noisy_tenant"] < 0.2, noisy

print(
    "the report is whole:",
    ", ".join(f"{load:g}x {runs['steady', load, True]['goodput']:.2f}" for load in LOADS),
    f"and of the critical {min(runs['steady', load, True]['success']['critical'] for load in LOADS):.3f} at least,",
    f"of the quiet {noisy['success']['quiet_tenants']:.3f}",
)
