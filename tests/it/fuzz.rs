//! The corpus of the fuzzer, replayed: what was ever found stays fixed.

use std::path::Path;

#[path = "../fuzz/targets.rs"]
mod targets;

#[test]
fn every_target_holds_for_its_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    for (name, target) in targets::ALL {
        let mut inputs = 0;
        for entry in std::fs::read_dir(corpus.join(name)).unwrap_or_else(|_| panic!("a corpus for {name}")) {
            target(&std::fs::read(entry.unwrap().path()).unwrap());
            inputs += 1;
        }
        assert!(inputs > 1, "{name} has a corpus");
    }
    let folders = std::fs::read_dir(corpus).unwrap().count();
    assert_eq!(folders, targets::ALL.len(), "no corpus without a target");
}
