//! The scheduler with an engine that only takes time: who gets how much of it,
//! and who waits how long.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use uuid::Uuid;

use super::forecast;
use super::queue::tests::task;
use super::scheduler::Scheduler;
use crate::store::facts::Priority::{self, Bulk, Interactive};

/// A recording: its sound takes the engine as long as it is.
#[derive(Debug, Clone, Copy)]
struct Recording {
    owner: u8,
    priority: Priority,
    length_s: f64,
    /// Between two reports of progress.
    window_s: f64,
    /// To decode again a second that is transcribed.
    catch_up: f64,
    /// One of a few.
    model: u8,
}

impl Recording {
    fn bulk(owner: u8, length_s: f64) -> Recording {
        Recording {
            owner,
            priority: Bulk,
            length_s,
            window_s: 1.0,
            catch_up: 0.0,
            model: 0,
        }
    }

    fn interactive(owner: u8, length_s: f64) -> Recording {
        Recording {
            priority: Interactive,
            ..Recording::bulk(owner, length_s)
        }
    }
}

#[derive(Debug)]
struct Job {
    recording: Recording,
    arrived_s: f64,
    began_s: Option<f64>,
    ended_s: Option<f64>,
    done_s: f64,
}

/// When the engine is done with a window of a job.
#[derive(Debug)]
struct Turn {
    at_s: f64,
    id: Uuid,
    is_started: bool,
}

struct Simulation {
    scheduler: Scheduler,
    epoch: Instant,
    now_s: f64,
    exchange_s: f64,
    resident: u8,
    exchanges: usize,
    turns: Vec<Turn>,
    jobs: HashMap<Uuid, Job>,
    /// Engine seconds by owner and priority.
    served_s: HashMap<(u8, Priority), f64>,
    /// Every end of a task brings its like.
    refills: bool,
}

impl Simulation {
    fn new(slots: usize) -> Simulation {
        let mut scheduler = Scheduler::default();
        scheduler.slots.set_count(slots);
        Simulation {
            scheduler,
            epoch: Instant::now(),
            now_s: 0.0,
            exchange_s: 0.0,
            resident: 0,
            exchanges: 0,
            turns: Vec::new(),
            jobs: HashMap::new(),
            served_s: HashMap::new(),
            refills: false,
        }
    }

    fn now(&self) -> Instant {
        self.epoch + Duration::from_secs_f64(self.now_s)
    }

    fn arrive(&mut self, recording: Recording) -> Uuid {
        let mut new = task(&recording.owner.to_string(), recording.priority);
        new.wanted_model = Some(recording.model.to_string().into());
        new.workload.has_audio(recording.length_s);
        let id = new.id;
        self.scheduler.push(new, self.now());
        let job = Job {
            recording,
            arrived_s: self.now_s,
            began_s: None,
            ended_s: None,
            done_s: 0.0,
        };
        self.jobs.insert(id, job);
        id
    }

    fn begin(&mut self) {
        while let Some(id) = self.scheduler.begin_next(self.now()) {
            let job = self.jobs.get_mut(&id).unwrap();
            job.began_s.get_or_insert(self.now_s);
            let (model, done_s) = (job.recording.model, job.done_s);
            let now = self.now();
            self.scheduler.attempt(id, done_s, now);
            let mut at_s = self.now_s;
            if model != self.resident {
                at_s += self.exchange_s;
                self.resident = model;
                self.exchanges += 1;
            }
            self.turns.push(Turn {
                at_s,
                id,
                is_started: false,
            });
        }
    }

    /// Goes on to the next report of the engine, or to `until_s`.
    fn step(&mut self, until_s: f64) -> bool {
        self.begin();
        let next = self.turns.iter().enumerate();
        let next = next.min_by(|(_, one), (_, other)| one.at_s.total_cmp(&other.at_s));
        let Some((place, at_s)) = next.map(|(place, turn)| (place, turn.at_s)) else {
            self.now_s = until_s;
            return false;
        };
        if at_s > until_s {
            self.now_s = until_s;
            return false;
        }
        self.now_s = at_s;
        let now = self.now();
        let Turn { id, is_started, .. } = self.turns.swap_remove(place);
        let job = self.jobs.get_mut(&id).unwrap();
        let recording = job.recording;
        let mut catch_up_s = 0.0;
        if is_started {
            job.done_s = (job.done_s + recording.window_s).min(recording.length_s);
            if job.done_s >= recording.length_s {
                job.ended_s = Some(self.now_s);
                self.scheduler.end(id, Some(recording.length_s), now);
                if self.refills {
                    self.arrive(recording);
                }
                return true;
            }
            self.scheduler.advance(id, job.done_s, now);
            if self.scheduler.must_yield(id, now) {
                self.scheduler.put_back(id, now);
                return true;
            }
        } else {
            let model = recording.model.to_string();
            self.scheduler
                .started(id, &model, Some(recording.length_s), now);
            catch_up_s = job.done_s * recording.catch_up;
        }
        let window_s = recording.window_s.min(recording.length_s - job.done_s);
        let took_s = catch_up_s + window_s;
        let account = (recording.owner, recording.priority);
        *self.served_s.entry(account).or_default() += took_s;
        self.turns.push(Turn {
            at_s: self.now_s + took_s,
            id,
            is_started: true,
        });
        true
    }

    fn run(&mut self, until_s: f64) {
        while self.step(until_s) {}
    }

    fn served(&self, owner: u8) -> f64 {
        let of = |priority| self.served_s.get(&(owner, priority)).copied();
        of(Bulk).unwrap_or(0.0) + of(Interactive).unwrap_or(0.0)
    }

    fn served_to(&self, priority: Priority) -> f64 {
        let all = self.served_s.iter();
        all.filter(|((_, of), _)| *of == priority)
            .map(|(_, s)| s)
            .sum()
    }

    fn waited_s(&self, id: Uuid) -> f64 {
        let job = &self.jobs[&id];
        job.began_s.expect("it began") - job.arrived_s
    }
}

/// The shortest slice and a window of a second.
const SLICE_S: f64 = 10.0 + 1.0;

#[test]
fn a_thousand_tasks_of_one_delay_the_task_of_another_by_a_slice() {
    for length_s in [2.0, 5000.0] {
        for model in [0, 1] {
            let mut simulation = Simulation::new(1);
            for _ in 0..1000 {
                simulation.arrive(Recording::bulk(1, length_s));
            }
            simulation.run(333.3);
            let single = simulation.arrive(Recording {
                model,
                ..Recording::bulk(2, 5.0)
            });
            simulation.run(500.0);
            // Another model is not loaded at once.
            let limit_s = SLICE_S + 10.0 * f64::from(model);
            assert!(simulation.waited_s(single) <= limit_s, "{length_s} {model}");
            assert!(simulation.jobs[&single].ended_s.is_some());
        }
    }
}

#[test]
fn clients_that_wait_interrupt_bulk_tasks_after_a_window() {
    for owner in [1, 2] {
        let mut simulation = Simulation::new(1);
        simulation.arrive(Recording::bulk(1, 5000.0));
        simulation.run(100.5);
        let urgent = simulation.arrive(Recording::interactive(owner, 5.0));
        simulation.run(200.0);
        assert!(simulation.waited_s(urgent) <= 1.0, "{owner}");
    }
    // But not before an interrupted task has got further than it was.
    let mut simulation = Simulation::new(1);
    let long = simulation.arrive(Recording {
        catch_up: 0.1,
        ..Recording::bulk(1, 5000.0)
    });
    simulation.run(100.5);
    simulation.arrive(Recording::interactive(2, 5.0));
    simulation.run(110.0);
    let done_s = simulation.jobs[&long].done_s;
    let urgent = simulation.arrive(Recording::interactive(2, 5.0));
    simulation.run(200.0);
    assert!((15.0..25.0).contains(&simulation.waited_s(urgent)));
    assert!(simulation.jobs[&long].done_s > done_s + 8.0);
}

#[test]
fn api_clients_in_a_loop_leave_a_quarter_to_bulk_tasks() {
    for others in [1, 5] {
        // Of the same owner, and of others.
        let mut simulation = Simulation::new(1);
        simulation.refills = true;
        for client in 0..3 * others {
            simulation.arrive(Recording::interactive(client % others, 4.0));
        }
        simulation.arrive(Recording::bulk(0, 1e6));
        simulation.run(4000.0);
        let bulk_s = simulation.served_to(Bulk);
        assert!((950.0..1100.0).contains(&bulk_s), "{others}: {bulk_s}");
    }
    // One against another who does not wait: they share, and soon.
    let mut simulation = Simulation::new(1);
    simulation.refills = true;
    for _ in 0..3 {
        simulation.arrive(Recording::interactive(1, 4.0));
    }
    simulation.run(1000.0);
    let bulk = simulation.arrive(Recording::bulk(2, 1e6));
    simulation.run(3000.0);
    assert!(simulation.waited_s(bulk) <= 25.0);
    assert!((950.0..=1050.0).contains(&simulation.served(2)));
}

#[test]
fn two_slots_are_shared_too() {
    let mut simulation = Simulation::new(2);
    simulation.refills = true;
    for _ in 0..4 {
        simulation.arrive(Recording::bulk(1, 500.0));
    }
    simulation.run(100.5);
    let single = simulation.arrive(Recording::bulk(2, 500.0));
    simulation.run(2100.5);
    assert!(simulation.waited_s(single) <= SLICE_S);
    // One task of one owner can have no more than one slot.
    let (one_s, other_s) = (simulation.served(1), simulation.served(2));
    assert!((1900.0..=2010.0).contains(&other_s), "{one_s} {other_s}");
}

#[test]
fn owners_with_different_models_do_not_exchange_them_all_the_time() {
    let mut simulation = Simulation::new(1);
    simulation.refills = true;
    simulation.exchange_s = 20.0;
    for owner in [0, 1, 0, 1] {
        simulation.arrive(Recording {
            model: owner,
            ..Recording::bulk(owner, 3.0)
        });
    }
    simulation.run(10_000.0);
    let exchanges = simulation.exchanges;
    assert!((20..=80).contains(&exchanges), "{exchanges}");
    let difference_s = (simulation.served(0) - simulation.served(1)).abs();
    assert!(difference_s <= 200.0, "{difference_s}");
}

#[test]
fn the_forecast_says_when_an_interrupted_engine_is_free() {
    let mut simulation = Simulation::new(1);
    let known = task("x", Bulk).workload;
    simulation.scheduler.pace.observe_cost(&known, 10.0, 10.0);
    simulation.arrive(Recording::bulk(1, 1000.0));
    let behind = simulation.arrive(Recording::bulk(1, 7.0));
    simulation.run(0.5);
    let places = |simulation: &Simulation| {
        let places = forecast::places(&simulation.scheduler).into_iter();
        let of_place = |(task, place): (&super::queue::ScheduledTask, _)| {
            let super::progress::Place { ahead, wait } = place;
            (ahead, task.id, wait.unwrap().as_secs())
        };
        places.map(of_place).collect::<Vec<_>>()
    };
    assert_eq!(places(&simulation), [(0, behind, 1000)]);
    // Of another owner: after the slice.
    let other = simulation.arrive(Recording::bulk(2, 15.0));
    let [first, second] = places(&simulation)[..] else {
        panic!();
    };
    assert_eq!((first.1, second.1), (other, behind));
    assert!(first.2 <= 10 && second.2 >= 1010, "{first:?} {second:?}");
    // One who waits comes after the window.
    let urgent = simulation.arrive(Recording::interactive(1, 15.0));
    assert_eq!(places(&simulation)[0], (0, urgent, 0));
}

fn recordings(windows: std::ops::Range<f64>) -> impl Strategy<Value = Recording> {
    let lengths = prop_oneof![0.5..10.0, 0.5..400.0];
    let kinds = (0..4u8, any::<bool>(), 0..3u8);
    (kinds, lengths, windows, 0.0..0.02).prop_map(
        |((owner, is_bulk, model), length_s, window_s, catch_up)| Recording {
            owner,
            priority: if is_bulk { Bulk } else { Interactive },
            length_s,
            window_s,
            catch_up,
            model,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn owners_with_work_get_equal_shares(
        tasks in prop::collection::vec(recordings(0.5..8.0), 4..12),
        slots in 1..3usize,
    ) {
        let mut simulation = Simulation::new(slots);
        simulation.refills = true;
        for (index, one) in tasks.into_iter().enumerate() {
            // Enough of each for all slots, whatever they cost.
            for _ in 0..slots {
                let owner = index as u8 % 4;
                simulation.arrive(Recording { owner, priority: Bulk, model: 0, ..one });
            }
        }
        simulation.run(4000.0);
        let shares: Vec<f64> = (0..4).map(|owner| simulation.served(owner)).collect();
        let fair_s = shares.iter().sum::<f64>() / 4.0;
        for share in &shares {
            prop_assert!((share - fair_s).abs() <= 150.0, "{:?}", shares);
        }
    }

    #[test]
    fn every_task_begins_and_ends(
        tasks in prop::collection::vec((recordings(0.5..20.0), 0.0..60.0), 1..40),
        exchange_s in 0.0..20.0,
        slots in 1..3usize,
    ) {
        let mut simulation = Simulation::new(slots);
        simulation.exchange_s = exchange_s;
        let mut work_s = 0.0;
        for (one, pause_s) in tasks {
            let until_s = simulation.now_s + pause_s;
            simulation.run(until_s);
            simulation.arrive(one);
            work_s += one.length_s;
            // At every time everything has a place, each once.
            let places = forecast::places(&simulation.scheduler);
            prop_assert_eq!(places.len(), simulation.scheduler.queue.len());
        }
        // What is wasted by exchanging and catching up is no more than the work
        // and as much again.
        let until_s = simulation.now_s + 3.0 * work_s + 600.0;
        simulation.run(until_s);
        for job in simulation.jobs.values() {
            prop_assert!(job.ended_s.is_some(), "{:?}", job);
        }
        prop_assert_eq!(simulation.scheduler.queue.len(), 0);
    }

    #[test]
    fn a_new_owner_does_not_wait_for_long(
        crowd in prop::collection::vec(recordings(0.5..5.0), 1..30),
        one in recordings(0.5..5.0),
        after_s in 0.0..500.0,
    ) {
        let mut simulation = Simulation::new(1);
        simulation.refills = true;
        for other in crowd {
            simulation.arrive(Recording { model: 0, ..other });
        }
        simulation.run(after_s);
        let id = simulation.arrive(Recording { owner: 9, model: 0, ..one });
        simulation.run(after_s + 2000.0);
        // A slice for each of four owners, of which some are longer for what it
        // takes to catch up, and their lead where clients wait.
        prop_assert!(simulation.waited_s(id) <= 4.0 * (40.0 + 30.0), "{}", simulation.waited_s(id));
        let limit_s = if one.priority == Bulk { 0.2 } else { 0.15 } * 2000.0 - 200.0;
        let is_done = simulation.jobs[&id].ended_s.is_some();
        prop_assert!(is_done || simulation.served(9) >= limit_s, "{}", simulation.served(9));
    }

    #[test]
    fn interactive_tasks_never_have_all(
        tasks in prop::collection::vec(recordings(0.5..5.0), 1..20),
    ) {
        let mut simulation = Simulation::new(1);
        simulation.refills = true;
        for one in tasks {
            simulation.arrive(Recording { priority: Interactive, model: 0, ..one });
        }
        simulation.arrive(Recording::bulk(0, 1e6));
        simulation.run(4000.0);
        let bulk_s = simulation.served_to(Bulk);
        prop_assert!(bulk_s >= 1000.0 - 50.0, "{}", bulk_s);
    }

    #[test]
    fn the_forecast_is_what_happens(
        tasks in prop::collection::vec(recordings(100.0..101.0), 1..40),
    ) {
        let mut simulation = Simulation::new(1);
        let known = task("x", Bulk).workload;
        simulation.scheduler.pace.observe_cost(&known, 1.0, 1.0);
        let mut ids = Vec::new();
        for one in tasks {
            // No longer than a slice, and in one window.
            let length_s = one.length_s.min(9.0);
            ids.push(simulation.arrive(Recording { length_s, model: 0, ..one }));
        }
        let expected: Vec<_> = forecast::places(&simulation.scheduler)
            .into_iter()
            .map(|(task, place)| (task.id, place.wait.unwrap().as_secs_f64()))
            .collect();
        simulation.run(1e6);
        let mut happened: Vec<_> = ids.iter().map(|id| (*id, simulation.waited_s(*id))).collect();
        happened.sort_by(|(_, one), (_, other)| one.total_cmp(other));
        for ((id, wait_s), (other, other_s)) in happened.into_iter().zip(expected) {
            prop_assert_eq!(id, other);
            prop_assert!((wait_s - other_s).abs() < 0.001, "{} {}", wait_s, other_s);
        }
    }
}
