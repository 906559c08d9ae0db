use super::*;

fn summary(run_id: &str) -> Summary {
    Summary {
        run_id: run_id.to_owned(),
        scenario: "payments".to_owned(),
        file: "payments.yaml".to_owned(),
        started_at: "2026-11-25T10:00:00Z".to_owned(),
        verdict: "pass".to_owned(),
        seed: u64::MAX,
        operations: 5000,
        throughput: 3591.2,
        latency_p95: None,
    }
}

fn ids(kept: &[Kept]) -> Vec<&str> {
    kept.iter().map(|one| one.summary.run_id.as_str()).collect()
}

#[tokio::test]
async fn what_is_kept_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = super::super::path(folder.path());
    let mut store = Store::open(&path, Limits::default()).await.expect("made");
    store.keep(&summary("a"), "{\"a\": 1}", Some("main")).await.expect("kept");
    store.keep(&summary("b"), "{\"b\": 1}", None).await.expect("kept");
    let webhooks = Summary { scenario: "webhooks".to_owned(), ..summary("w") };
    store.keep(&webhooks, "{\"w\": 1}", Some("main")).await.expect("kept");
    store.close().await;
    let mut store = Store::open(&path, Limits::default()).await.expect("there");
    let list = store.list().await.expect("readable");
    assert_eq!(ids(&list), ["w", "b", "a"]);
    assert_eq!(list[2], Kept { summary: summary("a"), baselines: vec!["main".to_owned()] });
    assert_eq!(store.find("b").await.expect("found"), ["{\"b\": 1}"]);
    assert_eq!(store.find("main").await.expect("found"), ["{\"a\": 1}", "{\"w\": 1}"]);
    assert!(store.find("nobody").await.expect("looked").is_empty());
    // The name moves on to the later run of the scenario.
    store.keep(&summary("c"), "{\"c\": 1}", Some("main")).await.expect("kept");
    assert_eq!(store.find("main").await.expect("found"), ["{\"w\": 1}", "{\"c\": 1}"]);
    assert_eq!(store.forget("main").await.expect("forgotten"), 2);
    assert!(store.find("main").await.expect("looked").is_empty());
    assert_eq!(store.forget("c").await.expect("forgotten"), 1);
    assert_eq!(ids(&store.list().await.expect("readable")), ["w", "b", "a"]);
}

#[tokio::test]
async fn old_runs_go_and_baselines_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = super::super::path(folder.path());
    let limits = Limits { runs: 3, bytes: 100_000, run_bytes: 50_000, baselines: 2 };
    let mut store = Store::open(&path, limits).await.expect("made");
    store.keep(&summary("first"), "{}", Some("main")).await.expect("kept");
    for number in 0..5 {
        store.keep(&summary(&format!("r{number}")), "{}", None).await.expect("kept");
    }
    assert_eq!(ids(&store.list().await.expect("readable")), ["r4", "r3", "r2", "first"]);
    // Text that can't be packed: a large run drives the older ones out.
    let mut random: u64 = 1;
    let mut noise = String::new();
    while noise.len() < 60_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.push_str(&format!("{random:016x}"));
    }
    for number in 0..4 {
        store.keep(&summary(&format!("large{number}")), &noise, None).await.expect("kept");
    }
    let list = store.list().await.expect("readable");
    assert_eq!(ids(&list), ["large3", "large2", "first"]);
    assert!(std::fs::metadata(&path).expect("there").len() < 200_000, "the file shrinks");
    let too_large = store.keep(&summary("huge"), &noise.repeat(3), None).await.expect_err("refused");
    assert!(matches!(too_large, HistoryError::TooLarge { .. }), "{too_large}");
    store.keep(&summary("s"), "{}", Some("second")).await.expect("kept");
    let full = store.keep(&summary("t"), "{}", Some("third")).await.expect_err("refused");
    assert_eq!(full.to_string(), "2 baselines are kept already");
    assert!(store.find("t").await.expect("looked").is_empty(), "all or nothing");
}

#[tokio::test]
async fn a_foreign_file_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = super::super::path(folder.path());
    std::fs::create_dir(path.parent().expect("a folder")).expect("made");
    for bytes in [b"not a database, but long enough to have a header of one".as_slice(), &[0xff; 4096]] {
        std::fs::write(&path, bytes).expect("written");
        let error = Store::open(&path, Limits::default()).await.expect_err("refused");
        assert!(matches!(error, HistoryError::Foreign { .. }), "{error}");
        assert_eq!(std::fs::read(&path).expect("there"), bytes);
    }
    std::fs::remove_file(&path).expect("removed");
    let mut store = Store::open(&path, Limits::default()).await.expect("made");
    run(&mut store.connection, "PRAGMA user_version = 9").await.expect("set");
    let error = Store::open(&path, Limits::default()).await.expect_err("refused");
    assert!(error.to_string().contains("later deadheat (version 9)"), "{error}");
    run(&mut store.connection, "PRAGMA application_id = 7").await.expect("set");
    let error = Store::open(&path, Limits::default()).await.expect_err("refused");
    assert!(matches!(error, HistoryError::Foreign { .. }), "{error}");
}

#[tokio::test]
async fn many_at_once_wait_for_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = super::super::path(folder.path());
    let writers = (0..8).map(|number| {
        let path = path.clone();
        tokio::spawn(async move {
            let mut store = Store::open(&path, Limits::default()).await.expect("opened");
            for turn in 0..4 {
                store.keep(&summary(&format!("{number}-{turn}")), "{}", None).await.expect("kept");
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("no panic");
    }
    let mut store = Store::open(&path, Limits::default()).await.expect("opened");
    assert_eq!(store.list().await.expect("readable").len(), 32);
}
