//! One recorded run, and as many crashes of it as asked for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::appliance::{Engine, start};
use crate::states::{Builder, Crash, choose};
use crate::story::Story;
use crate::support::random::Random;
use crate::verify::{Claims, text_of, verify};
use crate::volume::{Base, Kind, Mounted, Recorded};
use crate::workload;

/// After so many violations the rest is more of the same.
pub const ENOUGH: usize = 20;

/// Every so many states the real engine is waited for.
const WITH_ENGINE_EVERY: usize = 20;

/// What came of a campaign.
#[derive(Debug, Default)]
pub struct Outcome {
    /// States that were checked.
    pub states: usize,
    /// What was wrong, with the way to see it again.
    pub violations: Vec<String>,
}

/// Records a run of this seed and checks that many states, or fewer if there
/// are `enough` violations before.
pub fn run(kind: Kind, seed: u64, states: usize, enough: usize) -> Outcome {
    let begun = Instant::now();
    let mut random = Random::new(seed);
    let volume = Recorded::new(kind, &mut random);
    let story = Story::new(Arc::clone(volume.recording()));
    let first = volume.recording().position();
    let mut daemon = start(volume.path(), Engine::Real);
    workload::run(&story, &mut daemon, &mut random);
    let texts = texts_of(&story);
    let recording = Arc::clone(volume.recording());
    let last = recording.position();
    daemon.kill9();
    let base = volume.unmount();
    let mut entries = recording.take();
    entries.truncate(last);
    println!(
        "{kind:?} seed {seed}: recorded {} uploads, {} transcripts, {} writes and flushes in {:.1?}",
        story.contents().len(),
        texts.len(),
        entries.len() - first,
        begun.elapsed()
    );
    let crashes = choose(
        &entries,
        &story.told_positions(),
        first,
        states,
        &mut random,
    );
    let run = Run {
        base,
        story,
        texts,
        seed,
    };
    let builder = Builder::new(entries, run.base.image());
    let begun = Instant::now();
    let outcome = run.check(builder, &crashes, enough, &mut random);
    println!(
        "{kind:?} seed {seed}: {} states in {:.1?}, {} violations",
        outcome.states,
        begun.elapsed(),
        outcome.violations.len()
    );
    outcome
}

/// What was recorded.
struct Run {
    base: Base,
    story: Story,
    texts: BTreeMap<Arc<[u8]>, String>,
    seed: u64,
}

impl Run {
    fn check(
        &self,
        mut builder: Builder,
        crashes: &[Crash],
        enough: usize,
        random: &mut Random,
    ) -> Outcome {
        let (kind, seed) = (self.base.kind, self.seed);
        let image = self.base.path("crashed");
        let mut outcome = Outcome::default();
        for (number, &crash) in crashes.iter().enumerate() {
            let loose = builder.build(crash, &image, random).expect("a crash state");
            let claims = Claims::at(&self.story, crash.point, self.texts.clone());
            let engine = match number % WITH_ENGINE_EVERY == WITH_ENGINE_EVERY - 1 {
                true => Engine::Real,
                false => Engine::Mute,
            };
            let violations = match Mounted::image(kind, &image, &self.base.path("crash")) {
                Ok(mounted) => verify(mounted.path(), claims, engine, random),
                Err(error) => vec![format!("the file system: {error}")],
            };
            outcome.states += 1;
            for violation in violations {
                let found_in =
                    format!("{kind:?} SEED={seed} {crash:?} ({loose} writes not covered)");
                println!("VIOLATION {found_in}: {violation}");
                outcome.violations.push(format!("{found_in}: {violation}"));
            }
            if outcome.violations.len() >= enough {
                break;
            }
        }
        outcome
    }
}

/// The transcripts of the recordings, by content.
fn texts_of(story: &Story) -> BTreeMap<Arc<[u8]>, String> {
    let contents = story.contents();
    let expected = story.expected(usize::MAX);
    let completed = expected.iter().filter_map(|(id, expected)| {
        let text = text_of(expected.completed.as_ref()?);
        Some((Arc::clone(&contents[id]), text))
    });
    completed.collect()
}
