//! Secrets are planted wherever there may be some, and every byte that comes out is searched for them.

mod support;

use std::{
    collections::BTreeMap,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use support::{
    Ended, Program, REPORTS, Running, file,
    http::{Service, answer},
    mysql,
    planted::{Planted, assert_hidden, assert_search_works},
    run_script, server, signal, sql, text, wait_for,
};

const PASSWORD: &str = "Pw@Quite/Secret:77";
const PASSWORD_IN_URL: &str = "Pw%40Quite%2FSecret%3A77";
const HOOK: &str = "whsec_Very\"Se'cret/<1>&2";
const LITERAL: &str = "LiteralSecretOfTheFile";
const HEX: &str = "00ffAB12cd34EF5678deadBEEF";
const API_KEY: &str = "sk_live_NamedByItsName42";
const WEBHOOK_URL: &str = "https://127.0.0.1/hooks/T0PART/B1PART";

fn long() -> String {
    format!("LongToken.{}", "abcdefghijklmnopqrstuvwxyz0123456789".repeat(8))
}

fn planted() -> Vec<Planted> {
    let planted = vec![
        Planted::new("the database's URL", PASSWORD),
        Planted::new("secrets, from the environment", HOOK),
        Planted::new("secrets, in the file", LITERAL),
        Planted::new("secrets, in hex", HEX),
        Planted::new("secrets, a long one", &long()),
        Planted::new("secrets, a URL", WEBHOOK_URL),
        Planted::new("a variable that is called api_key", API_KEY),
    ];
    assert_search_works(&planted);
    planted
}

fn program() -> Program {
    let mut program = Program::new().with("RUST_LOG", "trace").with("RUST_BACKTRACE", "1");
    let long = long();
    for (name, value) in
        [("HOOK", HOOK), ("HEX", HEX), ("LONG", &long), ("API_KEY", API_KEY), ("WEBHOOK", WEBHOOK_URL)]
    {
        program = program.with(name, value);
    }
    program
}

/// Statements whose answers and errors repeat what they were given.
const SCENARIO: &str = r#"
version: 1
name: leaks
description: "sends LiteralSecretOfTheFile"
vars: {api_key: "${API_KEY}"}
secrets: {hook: "${HOOK}", literal: LiteralSecretOfTheFile, hex: "${HEX}", long: "${LONG}", url: "${WEBHOOK}"}
targets: {db: {database: "${DB_URL}", isolation: read_committed}}
fixtures:
  known: {table: tokens, rows: 1, values: {token: "{{ secrets.hook }}", other: "{{ secrets.long }}"}}
operations:
  duplicate:
    steps: [{sql: "INSERT INTO tokens (token) VALUES ({{ secrets.hook }})"}]
  duplicate_long:
    steps: [{sql: "INSERT INTO tokens (token, other) VALUES ('x', {{ secrets.long }})"}]
  converted:
    steps: [{sql: "SELECT CAST(CAST({{ secrets.hex }} AS CHAR(26)) AS NUMBER)"}]
  captured:
    steps:
      - sql: "SELECT token, other FROM tokens WHERE id = {{ known.id }}"
        capture: seen
        assert: row.token == 'x' ~ api_key ~ secrets.url
      - check: seen.token == seen.other
  misused:
    steps:
      - check: secrets.url + 1
  shown:
    let: {all: "{{ [secrets.literal, api_key, secrets.url] | join(' ') }}"}
    steps: [{sql: "SELECT {{ all }}", assert: all | int == 1}]
invariants:
  none_is_shown:
    sql: "SELECT token, other, 'LiteralSecretOfTheFile' AS third FROM tokens"
    message: "there is {{ token }} and {{ other }} and {{ third }}"
load: {concurrency: 2, iterations: 60}
"#;

/// Nothing that the program said shows a secret.
#[track_caller]
fn assert_said_hidden(planted: &[Planted], name: &str, ended: &Ended) {
    assert_hidden(planted, &format!("{name}, stdout"), ended.stdout.as_bytes());
    assert_hidden(planted, &format!("{name}, stderr"), ended.stderr.as_bytes());
}

/// A run that writes every report to its folder.
fn run_with_reports(program: &Program, folder: &Path, path: &Path) -> Ended {
    let run = ["run", "--seed", "7", "--annotations", "github", text(path)];
    program.run_in(folder, &[&run, REPORTS.as_flattened()].concat())
}

/// Every command on a scenario, with every output searched.
///
/// Gives the table of the run, in one line.
fn search_everything(url: &str, scenario: &str) -> String {
    let planted = planted();
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(folder.path(), "leaks.yaml", scenario);
    let program = program().with("DB_URL", url);
    let ran = run_with_reports(&program, folder.path(), &path).expect_status(1);
    let shown = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let again = folder.path().join("again");
    std::fs::create_dir(&again).expect("a folder");
    let result = folder.path().join("r.json");
    let report = ["report", text(&result), "--annotations", "github"];
    let report = [&report, REPORTS[1..].as_flattened()].concat();
    let target = format!("db={url}");
    let said = [
        ("run", ran),
        ("report", program.run_in(&again, &report).expect_status(0)),
        ("the table of report", program.run(&["report", text(&result)]).expect_status(0)),
        ("explain", program.run(&["explain", text(&path)]).expect_status(0)),
        ("check", program.run(&["check", text(&path)]).expect_status(0)),
        ("check --connect", program.run(&["check", "--connect", text(&path)]).expect_status(0)),
        ("shrink", program.run(&["shrink", text(&result), "--budget", "5s"])),
        ("by --target", program.run(&["run", "--target", &target, text(&path)]).expect_status(1)),
    ];
    for (name, ended) in &said {
        assert_said_hidden(&planted, name, ended);
    }
    let first = REPORTS.iter().map(|[_, name]| folder.path().join(name));
    for path in first.chain(REPORTS[1..].iter().map(|[_, name]| again.join(name))) {
        assert_hidden(&planted, text(&path), &std::fs::read(&path).expect("a report"));
        assert_only_for_its_owner(&path);
    }
    assert_eq!(program.records(), 0);
    shown
}

#[track_caller]
fn assert_only_for_its_owner(path: &Path) {
    let mode = std::fs::metadata(path).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{}", path.display());
}

#[test]
fn nothing_shows_a_secret_on_postgresql() {
    let own = server(&[], 40);
    let url = own.url();
    sql(&own, "CREATE TABLE tokens (id serial PRIMARY KEY, token text UNIQUE, other text UNIQUE)");
    let url = url.replace("postgres://postgres@", &format!("postgres://postgres:{PASSWORD_IN_URL}@"));
    let scenario = SCENARIO.replace("CHAR(26)", "text").replace("NUMBER", "int");
    let shown = search_everything(&url, &scenario);
    assert!(shown.contains("invalid input syntax for type integer: \"***\""), "{shown}");
    assert!(shown.contains("there is *** and *** and ***"), "{shown}");
    // With the password as a parameter of the URL.
    let url = own.url() + &format!("&password={PASSWORD_IN_URL}");
    search_everything(&url, &scenario);
}

#[test]
fn nothing_shows_a_secret_on_mariadb() {
    let database = mysql(&[]);
    run_script(
        database.url(),
        &format!(
            "CREATE TABLE tokens (id int AUTO_INCREMENT PRIMARY KEY, token varchar(400) UNIQUE, other varchar(400) UNIQUE);
             CREATE USER me@localhost IDENTIFIED BY '{PASSWORD}';
             GRANT ALL ON *.* TO me@localhost;"
        ),
    );
    let url = database.url().replace("mysql://root@", &format!("mysql://me:{PASSWORD_IN_URL}@"));
    assert!(url.contains(PASSWORD_IN_URL), "{url}");
    let converted = "SELECT CAST(CAST({{ secrets.hex }} AS CHAR(26)) AS NUMBER)";
    let scenario = SCENARIO.replace(converted, "INSERT INTO tokens (id) VALUES ({{ secrets.hex }})");
    let shown = search_everything(&url, &scenario);
    assert!(shown.contains("Duplicate entry '***' for key 'token'"), "{shown}");
    assert!(shown.contains("Duplicate entry '***...' for key 'other'"), "{shown}");
}

/// What can't be reached or read is told without its password.
#[test]
fn mistakes_about_a_url_do_not_show_its_password() {
    let planted = planted();
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(folder.path(), "leaks.yaml", SCENARIO);
    let program = program();
    for url in [
        format!("postgres://me:{PASSWORD_IN_URL}@127.0.0.1:1/shop"),
        format!("postgres://me@127.0.0.1:1/shop?password={PASSWORD_IN_URL}"),
        format!("postgres://me:{PASSWORD_IN_URL}@127.0.0.1:port/shop"),
        format!("mysql://me:{PASSWORD_IN_URL}@127.0.0.1:1/shop"),
        format!("mysql://me:{PASSWORD_IN_URL}@[::/shop"),
        format!("mongodb://me:{PASSWORD_IN_URL}@127.0.0.1/shop"),
        format!("postgres://me:{PASSWORD_IN_URL}@192.0.2.1/shop"),
        format!("postgres://me:{PASSWORD_IN_URL}@127.0.0.1:1/shop_production"),
    ] {
        let target = format!("db={url}");
        let asked: [&[&str]; 8] = [
            &["run", text(&path)],
            &["check", "--connect", text(&path)],
            &["explain", text(&path)],
            &["probe", "--database", &url],
            &["run", "--target", &target, text(&path)],
            &["run", "--target", &url, text(&path)],
            &["clean", "--database", &url, &url],
            &["run", &url],
        ];
        for arguments in asked {
            let mut command = program.command(arguments);
            command.env("DB_URL", &url).env("DATABASE_URL", &url);
            let ended = Ended::of(command.output().expect("the program starts"));
            assert_said_hidden(&planted, &arguments.join(" "), &ended);
        }
    }
    let mut help = program.command(&["clean", "--help"]);
    help.env("DATABASE_URL", format!("postgres://me:{PASSWORD_IN_URL}@127.0.0.1/shop"));
    assert_hidden(&planted, "help", &help.output().expect("the program starts").stdout);
}

const REQUESTS: &str = r#"
version: 1
name: leaks
vars: {session_token: "${API_KEY}"}
secrets: {hook: "${HOOK}", hex: "${HEX}", long: "${LONG}", url: "${WEBHOOK}"}
targets:
  api:
    http: "URL"
    headers: {Authorization: "Bearer LiteralSecretOfTheFile", X-Api-Key: "{{ session_token }}"}
operations:
  echoed:
    steps:
      - http: POST /
        query: {token: "{{ secrets.hook }}"}
        body: {json: {hook: "{{ secrets.hook }}", long: "{{ secrets.long }}", list: ["{{ secrets.url }}"]}}
        sign: {scheme: stripe, secret: "{{ secrets.hex }}"}
  captured:
    steps:
      - http: POST /ok
        body: {form: {hook: "{{ secrets.hook }}", url: "{{ secrets.url }}"}}
        capture: {answered: body}
        assert: status == 200
      - check: answered == secrets.long
  template:
    steps:
      - http: POST /
        body: {text: "{\"a\": \"{{ secrets.hook }}\"", content_type: application/json}
  wrong_assert:
    steps: [{http: GET /ok, assert: "body == secrets.hook"}]
load: {concurrency: 2, iterations: 40}
"#;

#[test]
fn nothing_shows_a_secret_of_a_service() {
    // The answer repeats all that came, as a debug page does.
    let service = Service::start(|seen| {
        let mut page = format!("{} {}\n", seen.method, seen.path);
        seen.headers.iter().for_each(|(name, value)| page.push_str(&format!("{name}: {value}\n")));
        page.push_str(seen.text());
        answer(if seen.path.starts_with("/ok") { 200 } else { 500 }, page)
    });
    let planted = planted();
    let folder = tempfile::tempdir().expect("a folder");
    let url = service.url().replace("http://", &format!("http://postgres:{PASSWORD_IN_URL}@"));
    let path = file(folder.path(), "leaks.yaml", &REQUESTS.replace("URL", &url));
    let program = program();
    let ended = run_with_reports(&program, folder.path(), &path);
    let sent = service.seen();
    let authorization: Vec<&str> = sent.iter().map(|seen| seen.header("authorization")).collect();
    assert!(!authorization.is_empty(), "nothing was sent: {}\n{}", ended.stdout, ended.stderr);
    let explained = program.run(&["explain", text(&path)]);
    let checked = program.run(&["check", text(&path)]);
    for (name, ended) in [("run", &ended), ("explain", &explained), ("check", &checked)] {
        assert_said_hidden(&planted, name, ended);
    }
    for [_, name] in REPORTS {
        assert_hidden(&planted, name, &std::fs::read(folder.path().join(name)).expect("a report"));
    }
}

/// Processes below one, with what `/proc` tells of them.
fn below(process: u32, kind: &str) -> BTreeMap<u32, Vec<u8>> {
    let mut parents = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").expect("Linux").flatten() {
        let Ok(number) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        // NAME may hold brackets; the parent is the second field after it.
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)?.parse::<u32>().ok());
        parents.insert(number, parent.unwrap_or_default());
    }
    let is_below = |mut one: u32| {
        while let Some(parent) = parents.get(&one) {
            if *parent == process {
                return true;
            }
            one = *parent;
        }
        false
    };
    let read = |one: u32| (one, std::fs::read(format!("/proc/{one}/{kind}")).unwrap_or_default());
    parents.keys().copied().filter(|one| *one == process || is_below(*one)).map(read).collect()
}

/// A service that says that it is there, and waits to be ended.
const SERVICE: &str = "exec python3 -m http.server \"$PORT\" --bind 127.0.0.1";

/// While a run goes on: no secret in any argument, and in the environment only of the service that is started,
/// which needs the database and what its own caller gave it.
#[test]
fn processes_do_not_show_secrets() {
    let planted = planted();
    let own = server(&[], 40);
    let folder = tempfile::tempdir().expect("a folder");
    for database in ["embedded", "${DB_URL}"] {
        let scenario = format!(
            "version: 1\nname: processes\nsecrets: {{hook: \"${{HOOK}}\"}}\ntargets:\n  db: {{database: \"{database}\", \
             migrations: migrations}}\n  api: {{http: start, start: {{command: '{SERVICE}', ready: /}}}}\n\
             operations:\n  ask: {{steps: [{{http: GET /}}, {{sql: SELECT 1}}]}}\nload: {{concurrency: 1, duration: 1h}}\n"
        );
        file(folder.path(), "migrations/postgres/1.sql", "CREATE TABLE things (id int)");
        let path = file(folder.path(), "processes.yaml", &scenario);
        let url = own.url().replace("postgres@", &format!("postgres:{PASSWORD_IN_URL}@"));
        let program = program().with("DB_URL", &url).with("DATABASE_URL", &url);
        let said = std::fs::File::create(folder.path().join("stderr")).expect("a file");
        let mut command = program.command(&["run", text(&path)]);
        let child = command.stdout(said.try_clone().expect("a file")).stderr(said).spawn().expect("starts");
        let running = Running(child);
        let process = running.0.id();
        let is_service = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("http.server");
        let is_asked = || {
            std::fs::read_to_string(folder.path().join("stderr"))
                .is_ok_and(|text| text.contains("started api"))
        };
        wait_for("the service", || {
            is_asked() && below(process, "cmdline").values().any(|arguments| is_service(arguments))
        });
        let arguments = below(process, "cmdline");
        assert!(arguments.len() > 2, "{arguments:?}");
        let services: Vec<u32> =
            arguments.iter().filter(|(_, bytes)| is_service(bytes)).map(|(one, _)| *one).collect();
        for bytes in arguments.values() {
            assert_hidden(&planted, "arguments", bytes);
        }
        for (one, bytes) in below(process, "environ") {
            if one != process && !services.contains(&one) {
                assert_hidden(&planted, &format!("the environment of {one}"), &bytes);
            }
        }
        // By design: a service is told where its database is.
        let told = below(process, "environ");
        let told = services.iter().any(|one| String::from_utf8_lossy(&told[one]).contains("DATABASE_URL="));
        assert!(told, "the service must find its database");
        for entry in std::fs::read_dir(program.state.path()).expect("a folder").flatten() {
            assert_hidden(&planted, "the record", &std::fs::read(entry.path()).expect("readable"));
            assert_only_for_its_owner(&entry.path());
        }
        assert_eq!(program.records(), 1);
        signal(process, "-INT");
        wait_for("the end", || program.records() == 0);
    }
}

/// A shrunk scenario takes secrets from where the first one did.
#[test]
fn a_shrunk_scenario_does_not_hold_what_the_environment_said() {
    let planted = planted();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().expect("a folder");
    let read = |path: PathBuf| std::fs::read_to_string(path).expect("a shipped file");
    let tables = read(root.join("migrations/lost-update/postgres/0001_products.sql"));
    file(folder.path(), "migrations/lost-update/postgres/0001.sql", &tables);
    let scenario = read(root.join("scenarios/lost-update.yaml"))
        .replace("vars:", "secrets: {hook: \"${HOOK}\"}\nvars:")
        .replace("\ntargets:", "\nsecrets: {hook: \"${HOOK}\"}\ntargets:")
        .replace("WHERE id", "WHERE {{ secrets.hook }} <> 'x' AND id");
    let path = file(folder.path(), "scenarios/lost-update.yaml", &scenario);
    let result = folder.path().join("result.json");
    let program = program();
    program.run(&["run", text(&path), "--seed", "7", "--json", text(&result)]).expect_status(1);
    let race = folder.path().join("race.yaml");
    let shrunk = program.run(&["shrink", text(&result), "-o", text(&race)]).expect_status(0);
    assert_said_hidden(&planted, "shrink", &shrunk);
    assert_hidden(&planted, "the race", &std::fs::read(&race).expect("written"));
    assert_only_for_its_owner(&race);
    let raced = program.run(&["race", "--transcript", text(&race)]).expect_status(0);
    assert_hidden(&planted, "the transcript", raced.stdout.as_bytes());
}
