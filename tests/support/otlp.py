"""Reads a message of the OpenTelemetry Protocol on standard input and prints its values in the way of Prometheus, as the
protocol's own package for Python reads them. Exits with 1 at a message that contradicts itself."""

import sys

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE

request = ExportMetricsServiceRequest.FromString(sys.stdin.buffer.read())


def labels(attributes):
    pairs = sorted((one.key, one.value.string_value) for one in attributes)
    return ",".join(f"{name}={value}" for name, value in pairs)


for group in request.resource_metrics:
    print(f"resource {labels(group.resource.attributes)}")
    for scope in group.scope_metrics:
        print(f"scope {scope.scope.name} {scope.scope.version}")
        for metric in scope.metrics:
            kind = metric.WhichOneof("data")
            data = getattr(metric, kind)
            if not metric.description or not metric.unit:
                sys.exit(f"{metric.name} has no description or no unit")
            if kind != "gauge" and data.aggregation_temporality != AGGREGATION_TEMPORALITY_CUMULATIVE:
                sys.exit(f"{metric.name} isn't cumulative")
            if kind == "sum" and not data.is_monotonic:
                sys.exit(f"{metric.name} may fall")
            print(f"metric {metric.name} {kind} {metric.unit}")
            for point in data.data_points:
                if not 0 < point.start_time_unix_nano <= point.time_unix_nano:
                    sys.exit(f"{metric.name} has no time")
                if kind != "histogram":
                    print(f"{metric.name}{{{labels(point.attributes)}}} {point.as_int}")
                    continue
                if sum(point.bucket_counts) != point.count or len(point.bucket_counts) != len(point.explicit_bounds) + 1:
                    sys.exit(f"{metric.name}: the buckets don't make the whole")
                if list(point.explicit_bounds) != sorted(point.explicit_bounds):
                    sys.exit(f"{metric.name}: the bounds fall")
                below = sum(count for count, bound in zip(point.bucket_counts, point.explicit_bounds) if bound <= 0.004096)
                print(f"{metric.name}_count{{{labels(point.attributes)}}} {point.count}")
                print(f"{metric.name}_sum{{{labels(point.attributes)}}} {point.sum}")
                print(f"{metric.name}_below_4ms{{{labels(point.attributes)}}} {below}")
