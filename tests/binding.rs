//! Values of every type go into statements as parameters of the server's type, and come back.

mod support;

use deadheat::{
    dialect::Dialect,
    expression::{Value, to_text},
    fixture::insert_and_read_back,
    target::{Endpoint, Session, SessionSettings},
};
use support::{block_on, databases, server};

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
        ("timestamptz[]", list(&["2026-01-31T12:00:00Z"]), "{\"2026-01-31 12:00:00+00\"}"),
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
                        '0b6e9f1c-1111-4111-8111-000000000001'::uuid AS h, '2026-01-31T12:00:00Z'::timestamptz AS i,
                        ARRAY['2026-01-31T12:00:00Z', NULL]::timestamptz[] AS j",
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
                "2026-01-31T12:00:00Z",
                "[\"2026-01-31T12:00:00Z\",null]"
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

/// On MySQL and MariaDB, and on SQLite: column type, value, and what an expression reads back.
fn other_cases() -> Vec<(&'static str, &'static str, Value, Value)> {
    let uuid = "0b6e9f1c-1111-4111-8111-000000000001";
    let json = Value::from_pairs([("a", Value::from(1)), ("b", ["x"].into_iter().collect())]);
    let bytes = || Value::from_bytes(vec![0, 1, 0x80, 255]);
    let text = |text: &str| Value::from(text);
    vec![
        ("char(36)", "text", text(uuid), text(uuid)),
        ("char(32)", "text", text(&uuid.replace('-', "")), text(&uuid.replace('-', ""))),
        ("binary(16)", "blob", Value::from_bytes(vec![7; 16]), Value::from_bytes(vec![7; 16])),
        ("decimal(12, 2)", "numeric", Value::from(38.38), Value::from(38.38)),
        ("decimal(12, 2)", "numeric", Value::from(7.0), Value::from(7.0)),
        ("json", "text", json.clone(), text("{\"a\":1,\"b\":[\"x\"]}")),
        ("datetime(6)", "text", text("2026-01-31 12:00:00.123456"), text("2026-01-31 12:00:00.123456")),
        ("date", "text", text("2026-01-31"), text("2026-01-31")),
        ("time", "text", text("12:34:56"), text("12:34:56")),
        (
            "bigint",
            "integer",
            Value::from(-9_007_199_254_740_993_i64),
            Value::from(-9_007_199_254_740_993_i64),
        ),
        ("int unsigned", "integer", Value::from(4_294_967_295_u32), Value::from(4_294_967_295_u32)),
        ("tinyint(1)", "boolean", Value::from(true), Value::from(true)),
        ("tinyint(1)", "boolean", Value::from(false), Value::from(false)),
        ("tinyint(1)", "integer", Value::from(5), Value::from(5)),
        ("smallint", "integer", text("42"), Value::from(42)),
        ("double", "real", Value::from(1.5), Value::from(1.5)),
        ("float", "real", Value::from(1.25), Value::from(1.25)),
        ("varchar(50)", "text", text("häß '; DROP TABLE x --"), text("häß '; DROP TABLE x --")),
        ("text", "text", text(""), text("")),
        ("blob", "blob", bytes(), bytes()),
        ("enum('sad', 'ok')", "text", text("ok"), text("ok")),
    ]
}

/// Two values are the same when they are of one kind and their texts agree: 7.0 reads back as 7.0.
fn same(one: &Value, other: &Value) -> bool {
    one == other && one.kind() == other.kind()
}

#[test]
fn every_type_goes_in_and_comes_back_on_every_other_database() {
    for database in databases() {
        block_on(async {
            let mut session = connect(database.url()).await;
            for (n, (mysql, sqlite, value, expected)) in other_cases().into_iter().enumerate() {
                let kind = match session.dialect() {
                    Dialect::Postgres => continue,
                    Dialect::MySql => mysql,
                    Dialect::Sqlite => sqlite,
                };
                session.script(&format!("CREATE TABLE t{n} (v {kind})")).await.expect("made");
                let insert = session.prepare(&format!("INSERT INTO t{n} (v) VALUES (?)"), &[]).await;
                let insert = insert.expect("prepared");
                for one in [value.clone(), Value::from(())] {
                    let done = session.execute(&insert, &[one], false).await;
                    assert_eq!(done.unwrap_or_else(|failure| panic!("{kind}: {failure}")).affected, 1);
                }
                let select = format!("SELECT v FROM t{n} ORDER BY v IS NULL");
                let rows = session.query(&select, &[]).await.expect("read");
                let read: Vec<Value> = rows.rows.iter().map(|row| row.values()[0].clone()).collect();
                assert!(same(&read[0], &expected), "{kind}: {expected:?} came back as {:?}", read[0]);
                assert!(read[1].is_none(), "{kind} takes null");
                // What came back can be bound again.
                let again = format!("SELECT count(*) FROM t{n} WHERE v = ?");
                if !matches!(kind, "json" | "float") {
                    let found = session.query(&again, &[read[0].clone()]).await.expect("found again");
                    assert_eq!(found.single().as_i64(), Some(1), "{kind}");
                }
            }
            session.close().await;
        });
    }
}

#[test]
fn long_decimals_lose_no_digit_on_mysql() {
    for database in databases().into_iter().filter(|one| one.dialect() == Dialect::MySql) {
        block_on(async {
            let mut session = connect(database.url()).await;
            let sql = "SELECT CAST('12345678901234567890.5' AS decimal(30, 1)) AS a, CAST(? AS decimal(30, 1)) AS b";
            let rows = session.query(sql, &[Value::from("12345678901234567890.5")]).await.expect("read");
            let values: Vec<Option<&str>> = rows.rows[0].values().iter().map(Value::as_str).collect();
            assert_eq!(values, [Some("12345678901234567890.5"); 2]);
            session.close().await;
        });
    }
}

#[test]
fn a_statement_stays_prepared_on_mysql() {
    for database in databases().into_iter().filter(|one| one.dialect() == Dialect::MySql) {
        block_on(async {
            let mut session = connect(database.url()).await;
            let count = session.prepare("SHOW SESSION STATUS LIKE 'Com_stmt_prepare'", &[]).await;
            let count = count.expect("prepared");
            let prepared_so_far = async |session: &mut Session| {
                let rows = session.execute(&count, &[], true).await.expect("read");
                rows.rows[0].values()[1].to_string().parse::<u64>().expect("a number")
            };
            let before = prepared_so_far(&mut session).await;
            let prepared = session.prepare("SELECT ? + 1", &[]).await.expect("prepared");
            for n in 0..20 {
                let rows = session.execute(&prepared, &[Value::from(n)], true).await.expect("run");
                assert_eq!(rows.single().as_i64(), Some(n + 1));
            }
            assert_eq!(prepared_so_far(&mut session).await, before + 1);
            session.close().await;
        });
    }
}

#[test]
fn a_session_keeps_the_modes_and_the_time_zone_of_the_server() {
    for database in databases().into_iter().filter(|one| one.dialect() == Dialect::MySql) {
        block_on(async {
            let mut session = connect(database.url()).await;
            let sql =
                "SELECT @@SESSION.sql_mode = @@GLOBAL.sql_mode, @@SESSION.time_zone = @@GLOBAL.time_zone";
            let rows = session.query(sql, &[]).await.expect("read");
            assert!(rows.rows[0].values().iter().all(Value::is_true), "{:?}", rows.rows[0]);
            session.close().await;
        });
    }
}

#[test]
fn inserted_rows_are_read_back_where_insert_returns_none() {
    for database in databases().into_iter().filter(|one| one.dialect() == Dialect::MySql) {
        block_on(async {
            let mut session = connect(database.url()).await;
            session
                .script(
                    "CREATE TABLE numbered (id bigint AUTO_INCREMENT PRIMARY KEY, v int DEFAULT 7);
                     CREATE TABLE keyed (a int, b int, v int DEFAULT 7, PRIMARY KEY (a, b));
                     CREATE TABLE keyless (v int)",
                )
                .await
                .expect("made");
            let rows = |values: &[&[i64]]| -> Vec<Vec<Value>> {
                values.iter().map(|row| row.iter().map(|n| Value::from(*n)).collect()).collect()
            };
            let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
            for (table, columns, values, expected) in [
                ("numbered", names(&["v"]), rows(&[&[1], &[2], &[3]]), "1,1 2,2 3,3"),
                ("numbered", names(&[]), rows(&[&[], &[]]), "4,7 5,7"),
                ("keyed", names(&["b", "a"]), rows(&[&[1, 2], &[3, 4]]), "2,1,7 4,3,7"),
                ("keyless", names(&["v"]), rows(&[&[5], &[5]]), "5 5"),
            ] {
                let made =
                    insert_and_read_back(&mut session, table, &columns, &values).await.expect("made");
                let shown: Vec<String> = made
                    .iter()
                    .map(|row| row.values().iter().map(to_text).collect::<Vec<_>>().join(","))
                    .collect();
                assert_eq!(shown.join(" "), expected, "{table}");
            }
            session.close().await;
        });
    }
}
