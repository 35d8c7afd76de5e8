//! Several bars under one job, and the one figure that they make.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{json, Value};

use crate::progress::JsonObject;

/// Bars of a kind that are told of.
const MAX_LISTED: usize = 32;
/// Bytes of a bar's name that are told of.
const MAX_NAME_BYTES: usize = 64;

/// The keys of metadata under which bars are told of.
const STEPS: &str = "steps";
const PARTS: &str = "parts";

/// Whether bars come one after the other or side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of the given part of the whole.
    Step,
    /// Of what steps leave of the whole, by its share of the weight of all parts.
    Part,
}

/// All bars of a job.
#[derive(Debug, Default)]
pub(in crate::net) struct Bars {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    steps: Row,
    parts: Row,
    /// The figure never falls, though each new part makes those that are there less of the whole.
    figure: f64,
}

/// Bars of one kind.
#[derive(Debug, Default)]
struct Row {
    /// By their numbers.
    bars: Vec<Bar>,
    count: u64,
    /// Of all of them together, those included that are not remembered any more.
    weight: f64,
    /// How much of that is done.
    done: f64,
    /// How many are not done.
    open: usize,
}

#[derive(Debug)]
struct Bar {
    number: u64,
    name: String,
    weight: f64,
    progress: f64,
    has_begun: bool,
}

impl Bars {
    /// Adds a bar, and gives its number.
    pub(super) fn add(&self, kind: Kind, name: &str, weight: f64) -> u64 {
        self.lock().row(kind).add(name, sane(weight))
    }

    /// Gives a bar another weight.
    pub(super) fn weigh(&self, kind: Kind, number: u64, weight: f64) {
        let mut state = self.lock();
        let row = state.row(kind);
        if let Some(bar) = row.bars.iter_mut().find(|bar| bar.number == number) {
            let change = sane(weight) - bar.weight;
            bar.weight += change;
            row.weight += change;
            row.done += change * bar.progress;
        }
    }

    /// A bar has come so far, which is finite; less than before is passed over. The name of the step that has begun with this.
    pub(super) fn set(&self, kind: Kind, number: u64, progress: f64) -> Option<String> {
        let begun = self.lock().row(kind).set(number, progress);
        begun.filter(|_| kind == Kind::Step)
    }

    /// How far the whole has come.
    pub(super) fn figure(&self) -> f64 {
        self.lock().figure()
    }

    /// What metadata tells of them: `steps` as `[name, progress, weight]` and `parts` as `[name, progress]`, as far as there are some.
    pub(in crate::net) fn fields(&self) -> JsonObject {
        let state = self.lock();
        let step = |bar: &Bar| json!([bar.name, told(bar.progress), told(bar.weight)]);
        let part = |bar: &Bar| json!([bar.name, told(bar.progress)]);
        let rows = [
            (STEPS, state.steps.list(step)),
            (PARTS, state.parts.list(part)),
        ];
        let rows = rows.into_iter().filter(|(_, list)| !list.is_empty());
        rows.map(|(key, list)| (key.to_owned(), Value::Array(list)))
            .collect()
    }

    /// Metadata that takes out what was told of bars.
    pub(in crate::net) fn no_fields() -> JsonObject {
        [STEPS, PARTS]
            .map(|key| (key.to_owned(), Value::Null))
            .into_iter()
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn row(&mut self, kind: Kind) -> &mut Row {
        match kind {
            Kind::Step => &mut self.steps,
            Kind::Part => &mut self.parts,
        }
    }

    fn figure(&mut self) -> f64 {
        // Steps that claim more than the whole share it.
        let steps = self.steps.done / self.steps.weight.max(1.0);
        let rest = (1.0 - self.steps.weight).max(0.0);
        // Weights that were taken back may leave a trace of themselves.
        let parts = match self.parts.weight > 1e-9 {
            true => rest * self.parts.done / self.parts.weight,
            false => 0.0,
        };
        self.figure = (steps + parts).clamp(self.figure, 1.0);
        self.figure
    }
}

impl Row {
    fn add(&mut self, name: &str, weight: f64) -> u64 {
        let number = self.count;
        self.count += 1;
        self.open += 1;
        self.weight += weight;
        let mut end = name.len().min(MAX_NAME_BYTES);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        self.bars.push(Bar {
            number,
            name: name[..end].to_owned(),
            weight,
            progress: 0.0,
            has_begun: false,
        });
        number
    }

    /// The bar's name, when it has begun with this.
    fn set(&mut self, number: u64, progress: f64) -> Option<String> {
        let index = self
            .bars
            .binary_search_by_key(&number, |bar| bar.number)
            .ok()?;
        let count = self.bars.len();
        let bar = &mut self.bars[index];
        let begun = (!bar.has_begun).then(|| bar.name.clone());
        bar.has_begun = true;
        let progress = progress.clamp(bar.progress, 1.0);
        self.open -= usize::from(progress >= 1.0 && bar.progress < 1.0);
        // A sum of many changes is not quite what it should be; the whole is the whole.
        self.done = match self.open {
            0 => self.weight,
            _ => self.done + (progress - bar.progress) * bar.weight,
        };
        bar.progress = progress;
        // Of very many only those are remembered that are not done.
        if progress >= 1.0 && count > MAX_LISTED {
            self.bars.remove(index);
        }
        begun
    }

    /// Those that are told of: all, or of too many those that are under way.
    fn list(&self, tell: impl Fn(&Bar) -> Value) -> Vec<Value> {
        let is_long = self.bars.len() > MAX_LISTED;
        let is_under_way = |bar: &&Bar| !is_long || bar.has_begun && bar.progress < 1.0;
        let bars = self.bars.iter().filter(is_under_way);
        bars.take(MAX_LISTED).map(tell).collect()
    }
}

/// A weight that counts for nothing where it is none.
fn sane(weight: f64) -> f64 {
    match weight.is_finite() {
        true => weight.max(0.0),
        false => 0.0,
    }
}

/// As much of a figure as people can see. What is not done is not told as done.
fn told(figure: f64) -> f64 {
    (figure * 1_000.0).floor() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn near(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-9
    }

    #[test]
    fn steps_weigh_what_they_say_and_parts_share_the_rest() {
        let bars = Bars::default();
        let parse = bars.add(Kind::Step, "parse", 0.2);
        let [one, other] = ["a", "b"].map(|name| bars.add(Kind::Part, name, 1.0));
        let figure_after = |kind, number, progress| {
            bars.set(kind, number, progress);
            bars.figure()
        };
        assert!(near(figure_after(Kind::Step, parse, 0.5), 0.1));
        assert!(near(figure_after(Kind::Part, one, 1.0), 0.5));
        assert!(near(figure_after(Kind::Step, parse, 1.0), 0.6));
        bars.weigh(Kind::Part, other, 3.0);
        // A quarter of the rest is done now, which is less than what was told.
        assert!(near(bars.figure(), 0.6));
        assert!(near(figure_after(Kind::Part, other, 1.0), 1.0));
    }

    #[test]
    fn the_first_news_of_a_step_says_that_it_has_begun() {
        let bars = Bars::default();
        let parse = bars.add(Kind::Step, "parse", 0.5);
        let file = bars.add(Kind::Part, "file", 1.0);
        assert_eq!(bars.set(Kind::Step, parse, 0.0).as_deref(), Some("parse"));
        assert_eq!(bars.set(Kind::Step, parse, 0.5), None);
        assert_eq!(bars.set(Kind::Part, file, 0.5), None);
    }

    #[test]
    fn bars_are_told_with_names_figures_and_weights() {
        let bars = Bars::default();
        assert!(bars.fields().is_empty());
        let parse = bars.add(Kind::Step, "parse", 0.2);
        bars.add(Kind::Step, "merge", 0.25);
        let file = bars.add(Kind::Part, &"é".repeat(40), 1.0);
        bars.set(Kind::Step, parse, 1.0);
        bars.set(Kind::Part, file, 0.999_9);
        let told = Value::Object(bars.fields());
        let name = "é".repeat(32);
        assert_eq!(
            told,
            json!({"steps": [["parse", 1.0, 0.2], ["merge", 0.0, 0.25]], "parts": [[name, 0.999]]})
        );
    }

    #[test]
    fn of_very_many_parts_those_under_way_are_told_and_all_count() {
        let bars = Bars::default();
        let parts: Vec<u64> = (0..1_000)
            .map(|number| bars.add(Kind::Part, &number.to_string(), 1.0))
            .collect();
        for part in &parts[..500] {
            bars.set(Kind::Part, *part, 1.0);
        }
        bars.set(Kind::Part, parts[600], 0.5);
        assert!(near(bars.figure(), 0.500_5));
        assert_eq!(
            Value::Object(bars.fields()),
            json!({"parts": [["600", 0.5]]})
        );
        for part in &parts[500..] {
            bars.set(Kind::Part, *part, 1.0);
        }
        assert!(near(bars.figure(), 1.0));
        assert_eq!(bars.lock().parts.bars.len(), MAX_LISTED);
    }

    #[test]
    fn weights_that_are_none_count_for_nothing() {
        let bars = Bars::default();
        for weight in [f64::NAN, f64::INFINITY, -1.0] {
            let bar = bars.add(Kind::Step, "step", weight);
            bars.set(Kind::Step, bar, 1.0);
        }
        let part = bars.add(Kind::Part, "part", f64::NAN);
        bars.set(Kind::Part, part, 1.0);
        assert!(near(bars.figure(), 0.0));
    }

    proptest! {
        #[test]
        fn the_figure_never_falls_and_ends_at_one(
            steps in proptest::collection::vec(0.0..0.4_f64, 0..4),
            parts in proptest::collection::vec(0.1..5.0_f64, 1..6),
            sets in proptest::collection::vec((any::<bool>(), 0..6_usize, 0.0..1.5_f64), 0..40),
        ) {
            let bars = Bars::default();
            let mut numbers = Vec::new();
            for weight in &steps {
                numbers.push((Kind::Step, bars.add(Kind::Step, "step", *weight)));
            }
            let mut last = 0.0;
            for (index, weight) in parts.iter().enumerate() {
                numbers.push((Kind::Part, bars.add(Kind::Part, "part", *weight)));
                for (is_ours, which, progress) in &sets {
                    if *is_ours == (index % 2 == 0) {
                        let (kind, number) = numbers[which % numbers.len()];
                        bars.set(kind, number, *progress);
                        let figure = bars.figure();
                        prop_assert!(figure >= last && figure <= 1.0);
                        last = figure;
                    }
                }
            }
            for (kind, number) in numbers {
                bars.set(kind, number, 1.0);
            }
            prop_assert!(near(bars.figure(), 1.0));
        }
    }
}
