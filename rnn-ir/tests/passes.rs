//! File tests of the passes: `passes/<pass>/<rule>.rir` shows the rule on the smallest graph that it fires on.

use rnn_ir::graph::{Graph, Verified};
use rnn_ir::passes::pipeline::{Settings, run_passes};
use rnn_ir::passes::{ALL, pass};
use rnn_ir::text::{parse, print};
use rnn_ir::verify::verify;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;

fn read(path: &Path) -> Verified {
    let text = std::fs::read_to_string(path).expect("the file is text");
    let graph = parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    verify(graph).unwrap_or_else(|found| panic!("{}: {found:?}", path.display()))
}

fn part(path: &Path, part: Option<&std::ffi::OsStr>) -> String {
    let part = part.and_then(|part| part.to_str());
    part.unwrap_or_else(|| panic!("{}", path.display()))
        .to_owned()
}

fn result_types(graph: &Graph) -> Vec<String> {
    let results = graph.results.iter();
    results
        .map(|result| format!("{}: {:?}", result.name, graph.nodes[result.node].ty))
        .collect()
}

#[test]
fn every_rule_fires_on_its_file() {
    let seen = Mutex::new(BTreeSet::new());
    insta::glob!("passes/*/*.rir", |path| {
        let graph = read(path);
        let name = part(path, path.parent().and_then(Path::file_name));
        let rule = part(path, path.file_stem());
        let pass = pass(&name).unwrap_or_else(|| panic!("no pass is called {name}"));
        let before = result_types(&graph);
        let outcome =
            run_passes(graph, &[pass], Settings::default()).unwrap_or_else(|e| panic!("{e}"));
        if name != "carry_state" {
            assert_eq!(result_types(&outcome.graph), before);
        }
        let counts = outcome.counts();
        let rules = (pass.rules)();
        for (fired, _) in counts.iter() {
            assert!(rules.contains(&fired), "{fired} is not listed");
        }
        if rules.contains(&rule.as_str()) {
            assert!(counts.of(&rule) > 0, "{rule} does not fire on its file");
            seen.lock().expect("no panic").insert(rule.clone());
        }
        let fired: Vec<String> = counts
            .iter()
            .map(|(rule, times)| format!("{rule} {times}"))
            .collect();
        let text = format!("; {}\n{}", fired.join(", "), print(&outcome.graph));
        insta::assert_snapshot!(text);
    });
    let seen = seen.into_inner().expect("no panic");
    for pass in ALL {
        for rule in (pass.rules)() {
            assert!(seen.contains(rule), "no file shows {rule}");
        }
    }
}
