//! The architecture, as tests: imports point downstairs, rooms do not know one another, thought stays pure, and every
//! third party's word has one home. Read from the source text.

use std::{fs, path::Path};

const GROUND: &[&str] =
    &["chance", "classify", "clock", "dead_letter", "error", "event", "rejection", "request", "settings"];
const CELLAR: &[&str] = &["sync"];
const MACHINERY: &[&str] = &["gate", "lift", "stats", "work"];
/// What speaks of gates or of statistics, and is not a room yet.
const LANDING: &[&str] = &["limit", "telemetry"];
/// Gates for keys, which tell of them.
const GALLERY: &[&str] = &["keyed"];
const ROOMS: &[&str] = &[
    "bulkhead",
    "circuit_breaker",
    "load_shed",
    "meter",
    "rate_limit",
    "retry",
    "shuffle_shard",
    "surge_queue",
    "timeout",
    "work_budget",
];
/// What knows all rooms.
const ATTIC: &[&str] = &["control"];
/// What looks over all that is in there.
const GABLE: &[&str] = &["lint"];
const ANNEXES: &[&str] = &["export", "guide", "http", "testing"];
/// gRPC is spoken over HTTP.
const BALCONY: &[&str] = &["grpc"];

/// The files of a room that hold plumbing; every other holds thought.
const PLUMBING: &[&str] = &[
    "mod",
    "contributors",
    "gate",
    "hall",
    "handle",
    "layer",
    "limiter",
    "newcomer",
    "service",
    "future",
    "state",
    "tries",
    "circuit",
    "evidence",
    "fleet",
    "flight",
    "news",
    "router",
    "search",
    "seeker",
    "snapshot",
    "spare",
    "waiting",
    "watch",
];

/// Thoughts outside of the rooms: those that several rooms share, and those of the annexes.
const THOUGHTS: &[&str] = &[
    "classify/health",
    "grpc/codes",
    "grpc/details",
    "grpc/pushback",
    "grpc/wire",
    "http/body_timeout/pace",
    "http/body_timeout/settings",
    "http/fields",
    "http/grpc_timeout",
    "http/judge",
    "http/priority",
    "http/quota/fields",
    "http/respond/grpc",
    "http/respond/hint",
    "http/respond/problem",
    "http/respond/settings",
    "http/time_left",
    "limit/pools",
    "limit/queue",
    "lint/look",
    "lint/rule",
    "lint/rules",
    "lint/warning",
    "work/ledger",
];

/// A file of the library: the module it belongs to, its own name, and its code without comments and tests.
struct File {
    module: String,
    name: String,
    path: String,
    code: String,
}

fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.ends_with("tests.rs") || path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let inside = path.strip_prefix(&root).expect("below src").with_extension("");
            let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            let text = fs::read_to_string(&path).expect("text");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let code = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
            found.push(File {
                module: parts[0].clone(),
                name: parts[parts.len() - 1].clone(),
                path: inside.display().to_string(),
                code,
            });
        }
    }
    assert!(found.len() > 40, "the source is where it was");
    found
}

fn floor(module: &str) -> usize {
    let floors = [
        GROUND,
        CELLAR,
        MACHINERY,
        LANDING,
        GALLERY,
        ROOMS,
        ATTIC,
        GABLE,
        ANNEXES,
        BALCONY,
        &["builder"],
        &["ready"],
        &["lib"],
    ];
    floors.iter().position(|floor| floor.contains(&module)).unwrap_or_else(|| panic!("{module} is on no floor"))
}

/// The modules of ours that a file names, in `use crate::{…}` and in paths.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in code.split("crate::").skip(1) {
        let group = match part.strip_prefix('{') {
            Some(_) => &part[..part.find("};").unwrap_or(part.len())],
            None => part,
        };
        let mut depth = 0;
        let mut word = String::new();
        for letter in group.chars() {
            match letter {
                '{' | '(' => depth += 1,
                '}' | ')' => depth -= 1,
                'a'..='z' | '_' if depth <= 1 => word.push(letter),
                _ => {
                    found.push(std::mem::take(&mut word));
                    if !group.starts_with('{') {
                        break;
                    }
                }
            }
        }
    }
    let known =
        [GROUND, CELLAR, MACHINERY, LANDING, GALLERY, ROOMS, ATTIC, GABLE, ANNEXES, BALCONY, &["builder", "ready"]]
            .concat();
    found.retain(|module| known.contains(&module.as_str()));
    found
}

#[test]
fn imports_point_downstairs_and_rooms_do_not_know_one_another() {
    for file in files().iter().filter(|file| !["lib", "builder"].contains(&file.module.as_str())) {
        for import in imports(&file.code) {
            let same_ground = floor(&import) == 0 && floor(&file.module) == 0;
            let downstairs = floor(&import) < floor(&file.module);
            // The ready-made stacks of an annex are on the roof, and have a door in it: `http::server()`.
            let door = import == "ready" && ["http/mod", "grpc/mod"].contains(&file.path.as_str());
            assert!(import == file.module || same_ground || downstairs || door, "{} imports {import}", file.path);
        }
    }
}

#[test]
fn a_word_has_one_home() {
    let homes: &[(&str, &[&str])] = &[
        ("tracing::", &["telemetry/"]),
        ("rand::", &["chance"]),
        ("governor::", &["rate_limit/"]),
        ("siphasher::", &["shuffle_shard/hash"]),
        ("Mutex", &["sync/"]),
        ("Waker", &["sync/", "gate/", "testing/"]),
        ("pin_project", &["future", "/body"]),
        ("Instant::now", &["clock"]),
        ("SystemTime", &["http/wall"]),
        ("httpdate", &["http/wall"]),
        ("http::", &["http/", "grpc/", "ready/http", "ready/grpc"]),
        ("metrics::", &["export/"]),
        ("opentelemetry::", &["export/"]),
        ("prometheus_client::", &["export/"]),
        ("serde_json::", &["export/"]),
        ("http_body", &["http/"]),
        ("tonic::", &["grpc/"]),
    ];
    for file in files() {
        for (word, homes) in homes {
            let foreign =
                file.code.lines().filter(|line| line.contains(word) && !line.contains(&format!("crate::{word}")));
            let at_home = homes.iter().any(|home| file.path.contains(home));
            assert!(at_home || foreign.count() == 0, "{} says {word}", file.path);
        }
    }
}

#[test]
fn thought_is_pure() {
    let thoughts = files().into_iter().filter(|file| {
        let has_thought = file.module == "keyed" || ROOMS.contains(&file.module.as_str());
        file.module == "stats"
            || has_thought && !PLUMBING.contains(&file.name.as_str())
            || THOUGHTS.contains(&file.path.as_str())
    });
    for file in thoughts {
        for word in
            ["tower", "futures", "tokio", "tracing", "Context<", "Poll<", "async ", "clock::now", "Moment", "emit("]
        {
            assert!(!file.code.contains(word), "{} says {word}", file.path);
        }
    }
}

/// A thought that moved was not held to anything any more, and nobody noticed.
#[test]
fn what_is_said_of_files_is_said_of_files_that_are_there() {
    let files = files();
    for thought in THOUGHTS {
        assert!(files.iter().any(|file| file.path == *thought), "{thought} is not there");
    }
    let in_rooms = |file: &&File| file.module == "keyed" || ROOMS.contains(&file.module.as_str());
    for plumbing in PLUMBING {
        assert!(files.iter().filter(in_rooms).any(|file| file.name == *plumbing), "no room has a {plumbing}");
    }
}

#[test]
fn nothing_panics_by_design_but_a_poll_after_the_end() {
    for file in files().iter().filter(|file| file.module != "testing") {
        for line in file.code.lines() {
            let excused = line.contains("polled after it ");
            let panics = ["panic!(", ".unwrap()", ".expect(", "unreachable!(", "assert!("];
            assert!(excused || !panics.iter().any(|word| line.contains(word)), "{}: {line}", file.path);
        }
    }
}

#[test]
fn the_pages_of_the_rooms_have_the_same_parts_in_the_same_order() {
    let parts = [
        "Why",
        "When to use it",
        "When not to",
        "What the caller sees",
        "Place in the stack",
        "Defaults",
        "Events",
        "Example",
        "How it decides",
    ];
    let rows =
        ["| it |", "| [`Reason`]", "| `retry_after` |", "| dispatched |", "| `poll_ready` |", "| cancel safety |"];
    for room in ROOMS.iter().chain(&["gate", "keyed"]) {
        let page = fs::read_to_string(format!("{}/src/{room}/mod.rs", env!("CARGO_MANIFEST_DIR"))).expect("a page");
        let headings = page.lines().filter_map(|line| line.strip_prefix("//! # "));
        let found: Vec<_> =
            headings.filter(|heading| heading.starts_with(char::is_uppercase) && !heading.contains("(")).collect();
        assert_eq!(found, parts, "{room}");
        let said: Vec<_> = rows.iter().filter_map(|row| page.find(row)).collect();
        assert!(said.len() == rows.len() && said.is_sorted(), "{room} does not say what the caller sees");
    }
}

/// One vocabulary: every event is in the table of some room's page, and in no other form.
#[test]
fn every_event_is_on_the_page_of_a_room() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut told = Vec::new();
    for room in ROOMS.iter().chain(&["gate", "keyed"]) {
        let page = fs::read_to_string(root.join(room).join("mod.rs")).expect("a page");
        let (_, events) = page.split_once("//! # Events\n").expect("events");
        let mut lines = events.lines();
        let head = [lines.next(), lines.next()];
        assert_eq!(head, [Some("//! | event | when |"), Some("//! |---|---|")], "{room}");
        for row in lines.take_while(|line| line.starts_with("//! |")) {
            let events: Vec<_> =
                row.split("](crate::Event::").skip(1).filter_map(|rest| rest.split(')').next()).collect();
            assert!(!events.is_empty(), "{room}: {row}");
            told.extend(events.into_iter().map(str::to_owned));
        }
    }
    let source = fs::read_to_string(root.join("event.rs")).expect("text");
    let (_, variants) = source.split_once("pub enum Event {\n").expect("the vocabulary");
    let variants = variants.lines().take_while(|line| *line != "}").filter(|line| !line.contains("///"));
    let variants: Vec<_> = variants.filter_map(|line| line.trim().split([' ', '(']).next()).collect();
    assert!(variants.len() > 20, "{variants:?}");
    for variant in variants {
        assert!(told.iter().any(|event| event == variant), "no room's page tells of {variant}");
    }
}

#[test]
fn the_floor_plan_leads_to_files_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lib = fs::read_to_string(root.join("lib.rs")).expect("text");
    let (_, plan) = lib.split_once("| I want to change").expect("the floor plan");
    let rows = plan.lines().take_while(|line| line.starts_with("//! |") || line.starts_with('…'));
    let named: Vec<_> = rows.flat_map(|row| row.split('`').skip(1).step_by(2)).collect();
    assert!(named.len() > 15, "{named:?}");
    for name in named {
        assert!(name == "settings.rs" || root.join(name).exists(), "{name} is not there");
    }
}

/// Rows of the same features, old and new, stood one below the other.
#[test]
fn no_table_of_the_front_pages_has_a_row_twice() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in ["README.md", "src/lib.rs"] {
        let text = fs::read_to_string(root.join(page)).expect("text");
        let lines = text.lines().map(|line| line.trim_start_matches("//! "));
        let mut heads = Vec::new();
        let mut tables = 0;
        for line in lines {
            match line.strip_prefix("| ").and_then(|row| row.split(" |").next()) {
                Some(head) => {
                    assert!(!heads.contains(&head), "{page}: {head} is there twice");
                    heads.push(head);
                }
                None if line.starts_with("|---") => tables += 1,
                None => heads.clear(),
            }
        }
        assert!(tables > 1, "{page} has tables");
    }
    let changes = fs::read_to_string(root.join("CHANGELOG.md")).expect("text");
    let heads: Vec<_> = changes.lines().filter_map(|line| line.strip_prefix("- **")?.split_once(": ")).collect();
    for (n, head) in heads.iter().enumerate() {
        assert!(!heads[..n].contains(head), "the changelog says twice: {head:?}");
    }
    assert!(heads.len() > 15, "{heads:?}");
}
