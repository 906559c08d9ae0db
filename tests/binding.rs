//! Values of every type go into statements as parameters of the server's type, and come back.

mod support;

use deadheat::{
    expression::{Value, to_text},
    target::{Endpoint, Session, SessionSettings},
};
use support::{block_on, server};

/// Type, value as an expression would give it, and the text that the server makes of it.
fn cases() -> Vec<(&'static str, Value, &'static str)> {
    let list = |items: &[&str]| items.iter().map(|item| Value::from(*item)).collect::<Value>();
    let json = Value::from_pairs([("a", Value::from(1)), ("b", list(&["x"]))]);
    vec![
        ("bool", Value::from(true), "true"),
        ("int2", Value::from(-7), "-7"),
        ("int4", Value::from(7.0), "7"),
        ("int8", Value::from("9007199254740993"), "9007199254740993"),
        ("float8", Value::from(1.5), "1.5"),
        ("numeric", Value::from(38.38), "38.38"),
        ("numeric(12,2)", Value::from("1234567890.25"), "1234567890.25"),
        ("text", Value::from("it's; DROP TABLE x --"), "it's; DROP TABLE x --"),
        ("text", Value::from(42), "42"),
        ("varchar(10)", Value::from("häß"), "häß"),
        (
            "uuid",
            Value::from("0b6e9f1c-1111-4111-8111-000000000001"),
            "0b6e9f1c-1111-4111-8111-000000000001",
        ),
        ("jsonb", json, "{\"a\": 1, \"b\": [\"x\"]}"),
        ("jsonb", Value::from("text"), "\"text\""),
        ("timestamptz", Value::from("2026-01-31T12:00:00Z"), "2026-01-31 12:00:00+00"),
        ("timestamptz", Value::from(0), "1970-01-01 00:00:00+00"),
        ("timestamp", Value::from("2026-01-31 12:00:00"), "2026-01-31 12:00:00"),
        ("date", Value::from("2026-01-31"), "2026-01-31"),
        ("time", Value::from("12:34:56"), "12:34:56"),
        ("bytea", Value::from_bytes(vec![1, 255]), "\\x01ff"),
        ("int8[]", [1, 2, 3].into_iter().collect(), "{1,2,3}"),
        ("text[]", list(&["a,b", "\"q\""]), "{\"a,b\",\"\\\"q\\\"\"}"),
        ("numeric[]", [1.5, 2.25].into_iter().collect(), "{1.5,2.25}"),
        ("mood", Value::from("ok"), "ok"),
        // Without an encoder of their own: sent as text and cast.
        ("inet", Value::from("10.0.0.1"), "10.0.0.1/32"),
        ("interval", Value::from("90 minutes"), "01:30:00"),
        ("int4range", Value::from("[1,5)"), "[1,5)"),
    ]
}

async fn connect(url: &str) -> Session {
    let endpoint = Endpoint::from_url(url).expect("a URL");
    Session::connect(&endpoint, &SessionSettings { statements: 50, ..SessionSettings::default() })
        .await
        .expect("a session")
}

#[test]
fn every_type_is_bound_as_itself() {
    let server = server(&[], 20);
    block_on(async {
        let mut session = connect(&server.url()).await;
        session.script("CREATE TYPE mood AS ENUM ('sad', 'ok'); SET TIME ZONE 'UTC'").await.expect("made");
        for (n, (kind, value, expected)) in cases().into_iter().enumerate() {
            session.script(&format!("CREATE TEMP TABLE t{n} (v {kind})")).await.expect("made");
            let sql = format!("INSERT INTO t{n} (v) VALUES ($1) RETURNING v");
            let at = sql.find("$1").expect("a placeholder");
            let insert = session.prepare(&sql, &[at]).await.expect("prepared");
            for one in [value.clone(), Value::from(())] {
                session
                    .execute(&insert, &[one], true)
                    .await
                    .unwrap_or_else(|failure| panic!("{kind}: {failure}"));
            }
            let rows = session
                .query(&format!("SELECT v::text FROM t{n} ORDER BY v IS NULL"), &[])
                .await
                .expect("read");
            let read: Vec<Value> = rows.rows.iter().map(|row| row.values()[0].clone()).collect();
            assert_eq!(read[0].as_str(), Some(expected), "{kind}");
            assert!(read[1].is_none(), "{kind} takes null");
        }
        session.close().await;
    });
    server.stop().expect("stopped");
}

#[test]
fn what_does_not_fit_is_a_failure_and_not_a_guess() {
    let server = server(&[], 20);
    block_on(async {
        let mut session = connect(&server.url()).await;
        for (kind, value, message) in [
            ("int4", Value::from(1.5), "has no form as a whole number"),
            ("int2", Value::from(40_000), "out of range for smallint"),
            ("uuid", Value::from("x"), "has no form as uuid"),
            ("bool", Value::from(1), "has no form as boolean"),
            ("int8[]", Value::from(1), "has no form as a list"),
        ] {
            let failure =
                session.query(&format!("SELECT $1::{kind}"), &[value]).await.expect_err("refused");
            assert!(failure.message.contains(message), "{failure}");
            assert!(!session.is_lost());
        }
        session.close().await;
    });
    server.stop().expect("stopped");
}

#[test]
fn columns_come_back_as_what_they_are() {
    let server = server(&[], 20);
    block_on(async {
        let mut session = connect(&server.url()).await;
        let rows = session
            .query(
                "SELECT 1::int8 AS a, 38.38::numeric AS b, 12345678901234567890.5::numeric AS c, true AS d,
                        '{\"x\": [1]}'::jsonb AS e, ARRAY[1, NULL]::int8[] AS f, NULL::text AS g,
                        '0b6e9f1c-1111-4111-8111-000000000001'::uuid AS h, '2026-01-31T12:00:00Z'::timestamptz AS i",
                &[],
            )
            .await
            .expect("read");
        let row = &rows.rows[0];
        let shown: Vec<String> = row.values().iter().map(to_text).collect();
        assert_eq!(
            shown,
            [
                "1",
                "38.38",
                "12345678901234567890.5",
                "true",
                "{\"x\":[1]}",
                "[1,null]",
                "null",
                "0b6e9f1c-1111-4111-8111-000000000001",
                "2026-01-31T12:00:00Z"
            ]
        );
        assert!(row.get("b").is_some_and(Value::is_number));
        assert!(row.get("c").is_some_and(|value| value.as_str().is_some()), "no digit is lost");
        session.close().await;
    });
    server.stop().expect("stopped");
}

#[test]
fn a_statement_is_prepared_once_for_a_connection() {
    let server = server(&[], 20);
    block_on(async {
        let mut session = connect(&server.url()).await;
        let prepared = session.prepare("SELECT $1::int8 + 1", &[]).await.expect("prepared");
        for n in 0..20 {
            let rows = session.execute(&prepared, &[Value::from(n)], true).await.expect("run");
            assert_eq!(rows.single().as_i64(), Some(n + 1));
        }
        let count = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%+ 1'";
        assert_eq!(session.query(count, &[]).await.expect("read").single().as_i64(), Some(1));
        session.close().await;
    });
    server.stop().expect("stopped");
}
