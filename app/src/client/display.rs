//! How far an import is, on standard error: a bar that is drawn anew on a terminal, now
//! and then a line elsewhere.

use std::io::{self, Write};

use super::following::State;

/// Cells of the bar.
const BAR_CELLS: usize = 20;
/// Widest line on a terminal: one that wrapped could not be drawn anew.
const MAX_COLUMNS: usize = 79;
/// Without a terminal there is a line for each tenth.
const TENTHS: f64 = 10.0;

/// Shows one import. When it is dropped, the terminal's line is empty again.
pub struct Display {
    name: String,
    is_terminal: bool,
    /// Step and tenth of the last line, where there is no terminal.
    last: Option<(String, u8)>,
    is_drawn: bool,
}

impl Display {
    pub fn new(name: &str, is_terminal: bool) -> Display {
        Display {
            name: name.to_owned(),
            is_terminal,
            last: None,
            is_drawn: false,
        }
    }

    pub fn show(&mut self, state: &State) {
        // An import does not fail because nobody can read how far it is.
        let _ = self.write(state, &mut io::stderr().lock());
    }

    fn write(&mut self, state: &State, out: &mut impl Write) -> io::Result<()> {
        if self.is_terminal {
            self.is_drawn = true;
            write!(out, "\r\x1b[K{}", bar(&self.name, state))?;
            return out.flush();
        }
        let tenth = (state.progress * TENTHS) as u8;
        let now = (state.step.clone(), tenth);
        if self.last.as_ref() != Some(&now) {
            self.last = Some(now);
            writeln!(out, "{}: {}", self.name, words(state))?;
        }
        Ok(())
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if self.is_drawn {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn bar(name: &str, state: &State) -> String {
    let full = (state.progress.clamp(0.0, 1.0) * BAR_CELLS as f64) as usize;
    let bar = "#".repeat(full) + &"-".repeat(BAR_CELLS - full);
    let line = format!("[{bar}] {}  {name}", words(state));
    line.chars().take(MAX_COLUMNS).collect()
}

/// `40 %, Reading rows, 12000 rows, 8 s left`
fn words(state: &State) -> String {
    let mut words = vec![format!("{:.0} %", (state.progress * 100.0).floor())];
    if !state.step.is_empty() {
        words.push(state.step.clone());
    }
    words.extend(state.rows.map(|rows| format!("{rows} rows")));
    words.extend(state.eta_seconds.map(time_left));
    words.join(", ")
}

fn time_left(seconds: u64) -> String {
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s left"),
        (minutes, seconds) => format!("{minutes} min {seconds} s left"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(progress: f64, step: &str) -> State {
        State {
            progress,
            step: step.to_owned(),
            rows: Some(1200),
            eta_seconds: Some(65),
        }
    }

    fn shown(is_terminal: bool, states: &[State]) -> String {
        let mut display = Display::new("scan.csv", is_terminal);
        let mut out = Vec::new();
        for state in states {
            display.write(state, &mut out).unwrap();
        }
        display.is_drawn = false;
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_terminal_gets_one_line_that_is_drawn_anew() {
        let text = shown(true, &[state(0.0, "Reading"), state(0.5, "Reading")]);
        assert_eq!(
            text,
            "\r\x1b[K[--------------------] 0 %, Reading, 1200 rows, 1 min 5 s left  scan.csv\
             \r\x1b[K[##########----------] 50 %, Reading, 1200 rows, 1 min 5 s left  scan.csv"
        );
        let long = "x".repeat(300);
        assert_eq!(bar(&long, &state(1.0, "")).chars().count(), MAX_COLUMNS);
    }

    #[test]
    fn elsewhere_there_is_a_line_for_each_step_and_tenth() {
        let states = [
            state(0.41, "Reading"),
            state(0.42, "Reading"),
            state(0.5, "Reading"),
            state(0.5, "Saving"),
        ];
        let text = shown(false, &states);
        let starts: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split(", 1200").next())
            .collect();
        assert_eq!(
            starts,
            [
                "scan.csv: 41 %, Reading",
                "scan.csv: 50 %, Reading",
                "scan.csv: 50 %, Saving"
            ]
        );
        assert!(!text.contains('\x1b'));
    }
}
