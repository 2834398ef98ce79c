//! Seeded fuzzing on stable Rust: the short form is a test, the long form is the same test for longer (docs/abuse.md).
//!
//! A target is a function of bytes that panics when a property does not hold, and says whether it took the input for valid.
//! Inputs are made from valid ones by changes, because random bytes get no further than the first check; what a target took
//! is changed further. cargo-fuzz would count covered branches instead, and needs a nightly compiler.
//!
//! `HOLDFAST_FUZZ_SEED` (1) decides every input; `HOLDFAST_FUZZ_SECONDS` (none: a fixed number of cases) how long it goes on.

mod dice;
mod mutate;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use dice::Dice;
pub use mutate::mutated;

/// Cases of the short form.
const CASES: u64 = 4_000;
/// Taken inputs that are kept to be changed further.
const KEPT: usize = 512;

/// Something that takes bytes from strangers.
#[derive(Debug, Clone)]
pub struct Target<'a> {
    /// The folder of its regressions: `fuzzing/regressions/<name>/`.
    pub name: &'a str,
    /// Inputs that it takes, and some that it must not.
    pub corpus: Vec<Vec<u8>>,
    /// What inputs are made of: put in at any place.
    pub words: &'a [&'a str],
}

impl Target<'_> {
    /// Tries the regressions, the corpus, then changed inputs. `accepts` is true for an input that it took.
    ///
    /// # Panics
    /// With the first input that does not hold; it is kept under `target/fuzz/`. Also when nothing was taken, or nothing refused:
    /// then the target proves nothing.
    pub fn run(&self, accepts: impl Fn(&[u8]) -> bool) {
        let seed = number("HOLDFAST_FUZZ_SEED").unwrap_or(1);
        let until = number("HOLDFAST_FUZZ_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let mut dice = Dice::new(seed);
        let mut pool = self.corpus.clone();
        let (mut taken, mut refused, mut cases) = (0_u64, 0_u64, 0_u64);
        let mut count = |accepted: bool| if accepted { taken += 1 } else { refused += 1 };
        for input in regressions(self.name).iter().chain(&self.corpus) {
            count(self.tried(input, seed, &accepts));
        }
        while until.map_or(cases < CASES, |until| Instant::now() < until) {
            let input = mutated(&pool, self.words, &mut dice);
            let accepted = self.tried(&input, seed, &accepts);
            if accepted && input.len() < 16_384 {
                if pool.len() < self.corpus.len() + KEPT {
                    pool.push(input);
                } else {
                    let place = self.corpus.len() + dice.below(KEPT);
                    pool[place] = input;
                }
            }
            count(accepted);
            cases += 1;
        }
        assert!(taken > 0 && refused > 0, "{}: {taken} inputs were taken and {refused} refused: it proves nothing", self.name);
    }

    fn tried(&self, input: &[u8], seed: u64, accepts: &impl Fn(&[u8]) -> bool) -> bool {
        catch_unwind(AssertUnwindSafe(|| accepts(input))).unwrap_or_else(|panic| {
            let kept = keep(self.name, input);
            eprintln!(
                "{} does not hold (seed {seed}) for {:?}\nkept in {}: move it to fuzzing/regressions/{}/ once it is mended",
                self.name,
                String::from_utf8_lossy(input),
                kept.display(),
                self.name
            );
            resume_unwind(panic)
        })
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// Inputs that once did not hold, in the order of their names.
fn regressions(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/regressions")).join(name);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path()).collect();
    files.sort();
    files.iter().filter_map(|file| std::fs::read(file).ok()).collect()
}

fn keep(name: &str, input: &[u8]) -> PathBuf {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/fuzz"));
    let hash = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let file = folder.join(format!("{name}-{hash:016x}"));
    // The panic that follows names the input as well.
    let _ = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&file, input));
    file
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn target(corpus: &[&str]) -> Target<'static> {
        Target { name: "itself", corpus: corpus.iter().map(|text| text.as_bytes().to_vec()).collect(), words: &["<", ">"] }
    }

    #[test]
    fn the_same_seed_makes_the_same_inputs() {
        let inputs = || {
            let seen = RefCell::new(Vec::new());
            target(&["<a>", "b"]).run(|input| {
                seen.borrow_mut().push(input.to_vec());
                input.starts_with(b"<")
            });
            seen.into_inner()
        };
        assert_eq!(inputs(), inputs());
    }

    #[test]
    fn a_planted_mistake_is_found() {
        // Takes a doubled bracket for valid, which it says never to do.
        let target = target(&["<a>", "b"]);
        let found = catch_unwind(AssertUnwindSafe(|| {
            target.run(|input| {
                assert!(!input.windows(2).any(|pair| pair == b"<<"), "doubled");
                input.starts_with(b"<")
            });
        }));
        assert!(found.is_err());
    }

    #[test]
    #[should_panic(expected = "it proves nothing")]
    fn a_target_that_refuses_everything_proves_nothing() {
        target(&["a"]).run(|_| false);
    }
}
