//! Plays a whole row, on all cores there are.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use crate::{
    columns::Column,
    marks::{Mark, Measure},
    play::{Facts, play},
    scenarios::Scenario,
};

/// A scenario, and what became of it in each column.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) scenario: Scenario,
    pub(crate) cells: Vec<Cell>,
}

/// One column's runs, one for each seed.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) column: Column,
    /// The limit that it was told: for the oracle, the one that it found.
    pub(crate) limit: u32,
    pub(crate) runs: Vec<Facts>,
}

/// What the oracle tries, as multiples of what the server does best with: the best for a queue is a little above.
const LADDER: [f64; 7] = [0.75, 0.875, 1.0, 1.5, 2.0, 3.0, 5.0];
/// On how many seeds it tries.
const TRIALS: usize = 2;

impl Cell {
    /// The mean over all seeds.
    pub(crate) fn mean(&self, measure: Measure) -> f64 {
        self.runs.iter().map(|facts| facts.of(measure)).sum::<f64>() / self.runs.len() as f64
    }

    /// The worst of all seeds.
    pub(crate) fn worst(&self, measure: Measure) -> f64 {
        measure.worst(self.runs.iter().map(|facts| facts.of(measure)))
    }
}

impl Row {
    /// Plays it: all columns that concern it, each with its number of seeds.
    pub(crate) fn play(scenario: &Scenario, columns: &[Column], seeds: Option<u64>, threads: usize) -> Self {
        let best = scenario.best_limit;
        let seeds_of = |column: Column| match seeds {
            Some(seeds) => 1..=seeds,
            None if column.is_other() => 1..=scenario.seeds / 4,
            None => 1..=scenario.seeds,
        };
        let columns: Vec<_> =
            columns.iter().copied().filter(|column| !column.is_special() || scenario.also.contains(column)).collect();
        let plain = columns.iter().filter(|column| **column != Column::Oracle);
        let mut jobs: Vec<_> = plain.flat_map(|column| seeds_of(*column).map(|seed| (*column, best, seed))).collect();
        if columns.contains(&Column::Oracle) {
            let kinds = [(Column::Oracle, Some(best)), (Column::Parking, scenario.best_without_streams)];
            for (kind, best) in kinds {
                let limits = best.into_iter().flat_map(|best| LADDER.map(|times| (f64::from(best) * times) as u32));
                let trials = limits.flat_map(|limit| {
                    seeds_of(Column::Oracle).take(TRIALS).map(move |seed| (kind, limit.max(1), seed))
                });
                jobs.extend(trials);
            }
        }
        let mut cells: Vec<Cell> = Vec::new();
        for ((column, limit, _), facts) in jobs.iter().zip(all(&jobs, threads, scenario)) {
            match cells.iter_mut().find(|cell| cell.column == *column && cell.limit == *limit) {
                Some(cell) => cell.runs.push(facts),
                None => cells.push(Cell { column: *column, limit: *limit, runs: vec![facts] }),
            }
        }
        let is_oracle = |cell: &Cell| matches!(cell.column, Column::Oracle | Column::Parking);
        let (mut oracles, mut cells): (Vec<_>, Vec<_>) = cells.into_iter().partition(is_oracle);
        // Of equals the first: the smallest.
        oracles.sort_by(|a, b| b.mean(Measure::Goodput).total_cmp(&a.mean(Measure::Goodput)));
        if let Some(mut oracle) = oracles.into_iter().next() {
            let rest = seeds_of(Column::Oracle).skip(TRIALS).map(|seed| (oracle.column, oracle.limit, seed));
            oracle.runs.extend(all(&rest.collect::<Vec<_>>(), threads, scenario));
            cells.push(Cell { column: Column::Oracle, ..oracle });
        }
        Self { scenario: scenario.clone(), cells }
    }

    pub(crate) fn cell(&self, column: Column) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.column == column)
    }

    /// The marks that can be read off this row, and what was read.
    pub(crate) fn marks(&self) -> impl Iterator<Item = (Mark, f64)> {
        self.scenario.marks.iter().filter_map(|mark| Some((*mark, self.value(*mark)?)))
    }

    /// What is read for a mark.
    pub(crate) fn value(&self, mark: Mark) -> Option<f64> {
        let cell = self.cell(mark.column)?;
        match mark.measure {
            Measure::OfOracle => {
                let oracle = self.cell(Column::Oracle)?.mean(Measure::Goodput);
                Some(cell.mean(Measure::Goodput) / oracle.max(1e-9) * 100.0)
            }
            measure if mark.every_seed => Some(cell.worst(measure)),
            measure => Some(cell.mean(measure)),
        }
    }
}

/// Plays all jobs, and gives what became of them in their order.
fn all(jobs: &[(Column, u32, u64)], threads: usize, scenario: &Scenario) -> Vec<Facts> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..threads.clamp(1, jobs.len().max(1)) {
            scope.spawn(|| {
                while let Some((index, (column, limit, seed))) = {
                    let index = next.fetch_add(1, Relaxed);
                    jobs.get(index).map(|job| (index, *job))
                } {
                    let facts = play(scenario, column, limit, seed);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((index, facts));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, facts)| facts).collect()
}
