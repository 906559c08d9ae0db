//! Requests as steps of a race: a service's own session waits for one of the race's, and that is told.

mod support;

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use deadheat::{
    dialect::Dialect,
    target::{Endpoint, Session, SessionSettings},
};
use serde_json::{Value, json};
use support::{Program, TestDatabase, databases, file, text};

const SCENARIO: &str = "version: 1
name: over http
targets:
  db: {database: \"${DATABASE_URL}\", migrations: migrations, isolation: read_committed}
  shop: {http: \"${BASE_URL}\"}
races:
  admin_and_buyer:
    fixtures: {item: {table: items, values: {id: 1, stock: 1}}}
    sessions:
      admin:
        - begin
        - look: {sql: SELECT stock FROM items WHERE id = 1 FOR UPDATE, assert: row.stock == 1}
        - add: {sql: UPDATE items SET stock = stock + 1 WHERE id = 1}
        - commit
      buyer:
        - take: {http: POST /take, capture: {left: $.stock}, assert: status == 200}
        - told: {check: left == 1}
    schedules: admin.begin look take add admin.commit told
    invariants:
      nothing_is_lost: {sql: SELECT stock FROM items, expect: stock == 1}
";

/// The schema of the run: there is one at a time.
async fn own_schema(session: &mut Session) -> String {
    let sql = match session.dialect() {
        Dialect::Postgres => "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 'deadheat%'",
        _ => "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE 'deadheat%'",
    };
    session.query(sql, &[]).await.expect("asked").single().as_str().expect("a schema").to_owned()
}

/// Takes one of the item, in a session and a transaction of the service's own.
async fn take(State(url): State<String>) -> Result<Json<Value>, StatusCode> {
    let endpoint = Endpoint::from_url(&url).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let failed = |_| StatusCode::SERVICE_UNAVAILABLE;
    let mut session = Session::connect(&endpoint, &SessionSettings::default()).await.map_err(failed)?;
    let schema = Some(own_schema(&mut session).await);
    session.close().await;
    let settings = SessionSettings { schema, ..SessionSettings::default() };
    let mut session = Session::connect(&endpoint, &settings).await.map_err(failed)?;
    let update = session.script("UPDATE items SET stock = stock - 1 WHERE id = 1").await;
    let left = session.query("SELECT stock FROM items WHERE id = 1", &[]).await;
    session.close().await;
    update.map_err(|_| StatusCode::CONFLICT)?;
    let left = left.map_err(|_| StatusCode::CONFLICT)?.single().as_i64();
    Ok(Json(json!({ "stock": left })))
}

/// Serves until the runtime ends.
fn serve(runtime: &tokio::runtime::Runtime, url: &str) -> String {
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("an address");
    let service = Router::new().route("/take", post(take)).with_state(url.to_owned());
    runtime.spawn(async move { axum::serve(listener, service).await });
    format!("http://{address}")
}

fn transcript(database: &TestDatabase) -> String {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let base = serve(&runtime, database.url());
    let folder = tempfile::tempdir().expect("a folder");
    for kind in ["postgres", "mysql"] {
        let table = "CREATE TABLE items (id int PRIMARY KEY, stock int NOT NULL);";
        file(folder.path(), &format!("migrations/{kind}/0001.sql"), table);
    }
    let path = file(folder.path(), "http.yaml", SCENARIO);
    let program = Program::new().with("DATABASE_URL", database.url()).with("BASE_URL", &base);
    let ended = program.run(&["race", "--quiet", "--transcript", "--seed", "1", text(&path)]);
    assert_eq!(program.records(), 0, "nothing is left to clean");
    ended.expect_status(0).stdout
}

#[test]
fn a_request_waits_for_a_session_of_the_race() {
    let with_rows: Vec<TestDatabase> =
        databases().into_iter().filter(|database| database.dialect().locks_rows()).collect();
    let transcripts: Vec<String> = with_rows.iter().map(transcript).collect();
    assert_eq!(transcripts.len(), 2);
    assert_eq!(transcripts[0], transcripts[1], "on both kinds");
    insta::assert_snapshot!(transcripts[0]);
}
