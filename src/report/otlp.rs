//! What a load has counted so far, as a message of the OpenTelemetry Protocol.
//!
//! A snapshot of the board comes in, the bytes of an `ExportMetricsServiceRequest` go out. Everything is
//! cumulative since the load began, so that a message that is lost costs nothing but its moment.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::{
    collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse},
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    metrics::v1::{
        AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric as Message, NumberDataPoint,
        ResourceMetrics, ScopeMetrics, Sum, metric, number_data_point,
    },
    resource::v1::Resource,
};
use prost::Message as _;

use super::metrics::{Data, Metric, Point, metrics};
use crate::measure::{CoarseRecording, LiveSnapshot};

/// Of the message.
pub const OTLP_CONTENT_TYPE: &str = "application/x-protobuf";

/// Where and when something was counted.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// Tells this process from others that send at the same time.
    pub instance: &'a str,
    /// The load's begin.
    pub started: SystemTime,
    pub now: SystemTime,
}

/// The message for a load of these operations.
pub fn otlp(scenario: &str, operations: &[String], snapshot: &LiveSnapshot, moment: Moment<'_>) -> Vec<u8> {
    let points = Points { scenario, started: nanos(moment.started), now: nanos(moment.now) };
    let metrics = metrics(operations, snapshot).into_iter().map(|metric| points.message(metric)).collect();
    let scope = InstrumentationScope {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let resource = Resource {
        attributes: vec![
            attribute("service.name", env!("CARGO_PKG_NAME")),
            attribute("service.version", env!("CARGO_PKG_VERSION")),
            attribute("service.instance.id", moment.instance),
        ],
        ..Resource::default()
    };
    let all = ResourceMetrics {
        resource: Some(resource),
        scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics, ..ScopeMetrics::default() }],
        ..ResourceMetrics::default()
    };
    ExportMetricsServiceRequest { resource_metrics: vec![all] }.encode_to_vec()
}

/// What of a message a collector refused although it took the rest, in its words; `None`: nothing.
pub fn otlp_refusal(answer: &[u8]) -> Option<String> {
    let partial = ExportMetricsServiceResponse::decode(answer).ok()?.partial_success?;
    let refused = partial.rejected_data_points;
    (refused > 0).then(|| format!("it refused {refused} values: {}", partial.error_message))
}

/// What all values of a message have in common.
#[derive(Debug, Clone, Copy)]
struct Points<'a> {
    scenario: &'a str,
    /// Since 1970.
    started: u64,
    now: u64,
}

impl Points<'_> {
    fn message(self, metric: Metric<'_>) -> Message {
        let Metric { name, unit, help, data } = metric;
        let aggregation_temporality = AggregationTemporality::Cumulative.into();
        let data = match data {
            Data::Counter(points) => {
                let data_points = self.numbers(&points);
                metric::Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic: true })
            }
            Data::Gauge(points) => metric::Data::Gauge(Gauge { data_points: self.numbers(&points) }),
            Data::Histogram(recording) => {
                let data_points = vec![self.histogram(recording)];
                metric::Data::Histogram(Histogram { data_points, aggregation_temporality })
            }
        };
        Message {
            name: format!("deadheat.{name}"),
            description: help.to_owned(),
            unit: unit.to_owned(),
            data: Some(data),
            ..Message::default()
        }
    }

    fn attributes(self, labels: &[(&'static str, &str)]) -> Vec<KeyValue> {
        let scenario = attribute("scenario", self.scenario);
        std::iter::once(scenario).chain(labels.iter().map(|(name, value)| attribute(name, value))).collect()
    }

    fn numbers(self, points: &[Point<'_>]) -> Vec<NumberDataPoint> {
        let number = |point: &Point<'_>| NumberDataPoint {
            attributes: self.attributes(&point.labels),
            start_time_unix_nano: self.started,
            time_unix_nano: self.now,
            value: Some(number_data_point::Value::AsInt(point.value.try_into().unwrap_or(i64::MAX))),
            ..NumberDataPoint::default()
        };
        points.iter().map(number).collect()
    }

    fn histogram(self, recording: &CoarseRecording) -> HistogramDataPoint {
        let below = recording.below_powers();
        let count = recording.count();
        // Each bucket holds what is below its bound and not below the one before; the last, the rest.
        let sums = below.iter().map(|(_, sum)| *sum).chain([count]);
        let mut last = 0;
        let bucket_counts = sums.map(|sum| sum - std::mem::replace(&mut last, sum)).collect();
        HistogramDataPoint {
            attributes: self.attributes(&[]),
            start_time_unix_nano: self.started,
            time_unix_nano: self.now,
            count,
            sum: Some(recording.sum()),
            bucket_counts,
            explicit_bounds: below.iter().map(|(bound, _)| bound.as_secs_f64()).collect(),
            ..HistogramDataPoint::default()
        }
    }
}

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

/// Nanoseconds since 1970.
fn nanos(moment: SystemTime) -> u64 {
    let since: Duration = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_nanos().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsPartialSuccess;

    use super::*;
    use crate::{measure::LiveBoard, outcome::Outcome};

    #[test]
    fn every_value_is_in_one_bucket() {
        let board = LiveBoard::new(1, 1).with_operations(1);
        for latency in [100, 200, 3_000, 100_000_000] {
            board.begin(0, 0, 0);
            board.tell(0, 0, &Outcome::Ok, Duration::from_micros(latency));
        }
        let started = UNIX_EPOCH + Duration::from_secs(1);
        let moment = Moment { instance: "i", started, now: started + Duration::from_secs(1) };
        let bytes = otlp("shop", &["pay".to_owned()], &board.snapshot(1), moment);
        let request = ExportMetricsServiceRequest::decode(bytes.as_slice()).expect("a message");
        let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
        assert!(metrics.iter().all(|metric| metric.name.starts_with("deadheat.")));
        let Some(metric::Data::Histogram(histogram)) = &metrics[1].data else { panic!("{metrics:?}") };
        let point = &histogram.data_points[0];
        assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
        assert_eq!((point.bucket_counts.iter().sum::<u64>(), point.count), (4, 4));
        assert_eq!(point.bucket_counts[..2], [1, 1], "below 128 us, below 256 us");
        assert_eq!(point.bucket_counts.last(), Some(&1), "slower than the last bound");
        assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (1_000_000_000, 2_000_000_000));
    }

    #[test]
    fn what_a_collector_refuses_is_told() {
        let answer = |rejected_data_points| {
            let partial = ExportMetricsPartialSuccess { rejected_data_points, error_message: "old".into() };
            ExportMetricsServiceResponse { partial_success: Some(partial) }.encode_to_vec()
        };
        assert_eq!(otlp_refusal(&answer(2)).as_deref(), Some("it refused 2 values: old"));
        assert_eq!(otlp_refusal(&answer(0)), None);
        assert_eq!(otlp_refusal(b""), None);
        assert_eq!(otlp_refusal(b"<html>"), None, "whatever was answered with a status of success");
    }
}
