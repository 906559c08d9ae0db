//! What `init` writes is checked and run as it is, in both languages, and so is what it proposes for the
//! tables of a database.

mod support;

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use support::{
    Ended, Program, TestDatabase, block_on, databases,
    http::{Service, answer},
    language_server::LanguageServer,
    number, run_script,
};

/// Runs deadheat in a folder.
fn run(folder: &Path, arguments: &[&str]) -> Ended {
    Program::new().run_in(folder, arguments)
}

#[test]
fn a_load_runs_on_every_kind_of_database_in_both_languages() {
    for (database, name) in [("embedded", "one"), ("embedded:mysql", "two"), ("sqlite:", "three")] {
        for toml in [false, true] {
            let folder = tempfile::tempdir().expect("a folder");
            let mut arguments = vec!["init", name, "--database", database, "--table", "wallets"];
            arguments.extend(toml.then_some("--toml"));
            run(folder.path(), &arguments).expect_status(0);
            let file = format!("{name}.{}", if toml { "toml" } else { "yaml" });
            run(folder.path(), &["check", "--connect", &file]).expect_status(0);
            let ended = run(folder.path(), &["run", "--quiet", &file]).expect_status(0);
            assert!(ended.stdout.contains("Verdict: pass"), "{}", ended.stdout);
        }
    }
}

#[test]
fn a_race_goes_as_it_says() {
    for flags in [&["init", "--race", "seats", "--table", "seats"][..], &["init", "--race", "--toml"]] {
        let folder = tempfile::tempdir().expect("a folder");
        run(folder.path(), flags).expect_status(0);
        let file = if flags.contains(&"--toml") { "scenario.toml" } else { "seats.yaml" };
        run(folder.path(), &["check", "--connect", file]).expect_status(0);
        let ended = run(folder.path(), &["race", "--quiet", file]).expect_status(0);
        assert!(ended.stdout.contains("2 times 10 from 100 left 90"), "{}", ended.stdout);
    }
}

#[test]
fn requests_reach_a_service() {
    let server = Service::start(|_| answer(200, "{}"));
    for toml in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let url = server.url();
        let mut arguments = vec!["init", "visits", "--http", &url];
        arguments.extend(toml.then_some("--toml"));
        run(folder.path(), &arguments).expect_status(0);
        let file = format!("visits.{}", if toml { "toml" } else { "yaml" });
        run(folder.path(), &["check", &file]).expect_status(0);
        // Nothing is shared that deadheat could see, and it says so.
        let ended = run(folder.path(), &["run", "--quiet", &file]).expect_status(4);
        assert!(ended.stdout.contains("Verdict: inconclusive"), "{}", ended.stdout);
        assert!(!folder.path().join("migrations").exists());
    }
}

#[test]
fn mistakes_are_said_and_nothing_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    run(folder.path(), &["init", "first"]).expect_status(0);
    let again = run(folder.path(), &["init", "first"]).expect_status(2);
    assert!(again.stderr.contains("first.yaml is there already"), "{}", again.stderr);
    for (arguments, said) in [
        (&["init", "a/b"][..], "`a/b` is no name for a scenario"),
        (&["init", "a.toml"], "the file's ending is added: `deadheat init a --toml`"),
        (&["init", "x", "--table", "Robert'); DROP"], "is no name for a table"),
        (&["init", "x", "--http", "http://h/\"x"], "can't stand in a scenario"),
        (&["init", "--from-db", "sqlite:nowhere.db"], "there is no file nowhere.db"),
        (&["init", "--from-db", "postgres://db.example.com/shop"], "db.example.com isn't this machine"),
        (&["init", "--race", "--http", "http://h"], "cannot be used with"),
    ] {
        let ended = run(folder.path(), arguments);
        assert!(ended.stderr.contains(said), "{arguments:?}: {}", ended.stderr);
        assert!(matches!(ended.status, Some(2 | 3)), "{arguments:?}");
    }
    assert!(!folder.path().join("x.yaml").exists());
}

/// `script` gives the program a terminal.
#[test]
fn in_a_terminal_it_asks() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = Program::new();
    let mut child = Command::new("script")
        .args(["-qec", &format!("{} init", env!("CARGO_BIN_EXE_deadheat")), "/dev/null"])
        .current_dir(folder.path())
        .env("DEADHEAT_STATE_DIR", program.state.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`script` is there");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(b"race\nembedded\nseats\nlast-seat\ntoml\n").expect("it listens");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("A table to work on [accounts]: "), "{said}");
    assert!(said.contains("wrote last-seat.toml"), "{said}");
    run(folder.path(), &["check", "last-seat.toml"]).expect_status(0);
}

#[test]
fn an_editor_finds_no_mistake_in_what_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in
        [&["init", "a"][..], &["init", "b", "--race"], &["init", "c", "--http", "http://[::1]:1"]]
    {
        run(folder.path(), arguments).expect_status(0);
    }
    let mut server = LanguageServer::start();
    for name in ["a", "b", "c"] {
        let path = folder.path().join(format!("{name}.yaml"));
        let text = std::fs::read_to_string(&path).expect("written");
        assert_eq!(server.open(&path, &text), Vec::<String>::new(), "{name}");
        let wrong = text.replacen("\ndescription:", "\ndescribtion:", 1);
        assert_eq!(server.open(&path.with_extension("other.yaml"), &wrong).len(), 1, "{name}");
    }
}

/// A shop whose tables stand in the order of the alphabet, which isn't that of its foreign keys: composite
/// keys, a join table, a reference to itself, a circle that may be left open, an enumeration where there is one.
fn tables(database: &TestDatabase) -> String {
    let (id, text, kind) = match database.dialect() {
        deadheat::dialect::Dialect::Postgres => {
            ("bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "text", "mood")
        }
        deadheat::dialect::Dialect::MySql => {
            ("bigint AUTO_INCREMENT PRIMARY KEY", "varchar(40)", "enum('calm', 'busy')")
        }
        deadheat::dialect::Dialect::Sqlite => ("integer PRIMARY KEY", "text", "text"),
    };
    let mood = match kind {
        "mood" => "CREATE TYPE mood AS ENUM ('calm', 'busy');",
        _ => "",
    };
    format!(
        "{mood}
        CREATE TABLE zones (code varchar(4) NOT NULL, region integer NOT NULL, PRIMARY KEY (code, region));
        CREATE TABLE users (id {id}, email {text} NOT NULL, mood {kind} NOT NULL, boss bigint,
            favourite bigint, born date NOT NULL, UNIQUE (email), FOREIGN KEY (boss) REFERENCES users (id));
        CREATE TABLE products (id {id}, name {text} NOT NULL, price numeric(10, 2) NOT NULL, seller bigint NOT NULL,
            added timestamp DEFAULT CURRENT_TIMESTAMP, FOREIGN KEY (seller) REFERENCES users (id));
        CREATE TABLE likes (user_id bigint NOT NULL, product_id bigint NOT NULL, PRIMARY KEY (user_id, product_id),
            FOREIGN KEY (user_id) REFERENCES users (id), FOREIGN KEY (product_id) REFERENCES products (id));
        CREATE TABLE deliveries (id {id}, code varchar(4) NOT NULL, region integer NOT NULL, buyer bigint NOT NULL,
            product bigint NOT NULL, note {text}, FOREIGN KEY (code, region) REFERENCES zones (code, region),
            FOREIGN KEY (buyer) REFERENCES users (id), FOREIGN KEY (product) REFERENCES products (id));"
    )
}

#[test]
fn the_tables_of_a_database_become_a_scenario_that_runs() {
    for database in databases() {
        let url = database.url();
        if let TestDatabase::File(_, url) = &database {
            let endpoint = deadheat::target::Endpoint::from_url(url).expect("a URL");
            block_on(deadheat::target::create_database_file(Path::new(&endpoint.host()))).expect("a file");
        }
        run_script(url, &tables(&database));
        let folder = tempfile::tempdir().expect("a folder");
        run(folder.path(), &["init", "ours", "--from-db", url]).expect_status(0);
        let text = std::fs::read_to_string(folder.path().join("ours.yaml")).expect("written");
        let place = text.lines().find(|line| line.contains("DATABASE_URL")).expect("a database");
        let shown = text.replace(place, "    database: …");
        insta::assert_snapshot!(format!("proposed_for_{}", database.dialect().name()), shown);

        let with = |arguments: &[&str]| {
            let program = match &database {
                TestDatabase::File(..) => Program::new(),
                TestDatabase::Server(..) => Program::new().with("DATABASE_URL", url),
            };
            program.run_in(folder.path(), arguments)
        };
        with(&["check", "--connect", "ours.yaml"]).expect_status(0);
        with(&["run", "--quiet", "ours.yaml"]).expect_status(0);
        assert_eq!(number(url, "SELECT count(*) FROM deliveries"), 0, "nothing stays");
    }
}
