"""Reads a JUnit report with a parser that CI tools use, and prints its suites and cases. Exits with 1 where the counts that a
suite tells aren't those of its cases."""

import sys

from junitparser import Error, Failure, JUnitXml, Skipped

KINDS = ((Failure, "failures"), (Error, "errors"), (Skipped, "skipped"))

report = JUnitXml.fromfile(sys.argv[1])
for suite in report:
    cases = list(suite)
    told = {"tests": suite.tests}
    found = {"tests": len(cases)}
    for kind, name in KINDS:
        told[name] = getattr(suite, name) or 0
        found[name] = sum(isinstance(result, kind) for case in cases for result in case.result)
    if told != found:
        sys.exit(f"{suite.name} tells {told}, and has {found}")
    print(f"suite {suite.name}: {found}")
    for case in cases:
        if len(case.result) > 1 or not case.name or not case.classname or case.time is None:
            sys.exit(f"{case.name} is not a case with at most one result")
        for result in case.result:
            print(f"{type(result).__name__.lower()} {case.classname} {case.name}: {result.message}")
