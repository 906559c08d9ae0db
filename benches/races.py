"""Writes the races of benches/against-isolationtester: each as a specification and as a scenario.

races.py FOLDER TIMES: NAME.spec, NAME.one.spec (one permutation, for the start-up) and NAME.yaml, with every
schedule TIMES times. Only schedules that can be executed: the tester waits for its time-out in others.
"""

import sys
from itertools import combinations

folder, times = sys.argv[1], int(sys.argv[2])

ONE = ("ab", "BEGIN"), ("a1", "UPDATE test SET value = value + 1 WHERE id = 1"), ("ac", "COMMIT")
SAME_ROW = ("bb", "BEGIN"), ("b1", "UPDATE test SET value = value + 1 WHERE id = 1"), ("bc", "COMMIT")
OTHER_ROW = ("bb", "BEGIN"), ("b1", "UPDATE test SET value = value + 1 WHERE id = 2"), ("bc", "COMMIT")


def interleavings(one, other):
    for places in combinations(range(len(one) + len(other)), len(one)):
        rest = iter(other)
        mine = iter(one)
        yield [next(mine)[0] if at in places else next(rest)[0] for at in range(len(one) + len(other))]


def blocks(order):
    """Whether the second update comes before the first one's commit."""
    first, second = ("a", "b") if order.index("a1") < order.index("b1") else ("b", "a")
    return order.index(f"{second}1") < order.index(f"{first}c")


def can_be_executed(order):
    """A session that waits has no step before the other one's commit."""
    first, second = ("a", "b") if order.index("a1") < order.index("b1") else ("b", "a")
    return not blocks(order) or order.index(f"{second}c") > order.index(f"{first}c")


waiting = [order for order in interleavings(ONE, SAME_ROW) if can_be_executed(order) and blocks(order)]
apart = [order for order in interleavings(ONE, SAME_ROW) if not blocks(order)]
DEADLOCK = (
    (("ab", "BEGIN"), ("a1", "UPDATE test SET value = 1 WHERE id = 1"), ("a2", "UPDATE test SET value = 1 WHERE id = 2"), ("ac", "COMMIT")),
    (("bb", "BEGIN"), ("b2", "UPDATE test SET value = 2 WHERE id = 2"), ("b1", "UPDATE test SET value = 2 WHERE id = 1"), ("bc", "COMMIT")),
)
circles = [
    begins + firsts + seconds + ends
    for begins in (["ab", "bb"], ["bb", "ab"])
    for firsts in (["a1", "b2"], ["b2", "a1"])
    for seconds in (["a2", "b1"], ["b1", "a2"])
    for ends in (["ac", "bc"], ["bc", "ac"])
]
half = waiting[:len(apart)] + apart[:len(waiting)]
races = {
    "never_blocks": (ONE, OTHER_ROW, list(interleavings(ONE, OTHER_ROW))),
    "blocks_in_half": (ONE, SAME_ROW, half),
    "deadlocks": (*DEADLOCK, circles),
}

HURRY = "SET deadlock_timeout = '10ms';"
for name, (a, b, orders) in races.items():
    def spec(orders):
        text = "setup { DELETE FROM test; INSERT INTO test VALUES (1, 0), (2, 0); }\n"
        for session, steps in (("a", a), ("b", b)):
            text += f"session {session}\nsetup {{ {HURRY} }}\n"
            text += "".join(f"step {step} {{ {sql}; }}\n" for step, sql in steps)
        return text + "".join("permutation " + " ".join(order) + "\n" for order in orders)

    open(f"{folder}/{name}.spec", "w").write(spec(orders * times))
    open(f"{folder}/{name}.one.spec", "w").write(spec(orders[:1]))
    sessions = ""
    for session, steps in (("a", a), ("b", b)):
        words = {"BEGIN": "begin", "COMMIT": "commit"}
        lines = "".join(
            f"          - {step}: {words[sql]}\n" if sql in words else f"          - {step}: {{sql: {sql}}}\n"
            for step, sql in steps
        )
        sessions += f"      {session}:\n        setup: {HURRY.rstrip(';')}\n        steps:\n{lines}"
    schedules = "".join("      - " + " ".join(order) + "\n" for order in orders * times)
    open(f"{folder}/{name}.yaml", "w").write(
        f"version: 1\nname: {name}\ntargets: {{db: {{database: embedded, migrations: migrations}}}}\nraces:\n  {name}:\n"
        "    isolation: read_committed\n"
        "    fixtures: {rows: {table: test, rows: 2, values: {id: '{{ n }}', value: 0}}}\n"
        f"    sessions:\n{sessions}    schedules:\n{schedules}"
    )
    print(name, len(orders) * times)
