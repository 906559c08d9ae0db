"""Fetches a page of metrics and prints its samples, as Prometheus' own client reads them. Exits with 1 at a page that it
doesn't take: families are declared once, before their samples, and a histogram's buckets don't fall."""

import sys
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
with opener.open(sys.argv[1], timeout=10) as answer:
    page = answer.read().decode("utf-8")

declared = [line.split()[2] for line in page.splitlines() if line.startswith("# TYPE ")]
if len(declared) != len(set(declared)):
    sys.exit("a family is declared twice")

names = set()
for family in text_string_to_metric_families(page):
    if family.type not in ("counter", "gauge", "histogram") or not family.documentation:
        sys.exit(f"{family.name} has no type or no help")
    names.add(family.name)
    last = 0.0
    for sample in family.samples:
        if sample.name.endswith("_bucket"):
            if sample.value < last:
                sys.exit(f"{sample.name} falls")
            last = sample.value

        def quote(text):
            return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

        labels = ",".join(f'{name}="{quote(value)}"' for name, value in sorted(sample.labels.items()))
        print(f"{sample.name}{{{labels}}} {sample.value}")

if len(names) != len(declared):
    sys.exit(f"{len(declared)} families are declared, and {len(names)} have samples")
