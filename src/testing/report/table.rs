//! Reports as a table.

use std::{fmt, time::Duration};

use super::Report;
use crate::rejection::Reason;

/// Several reports side by side, to be printed: the same load on different stacks, say.
///
/// Made by [`Report::beside`]. A report's own `Display` is the same table with one column, or with one for each load.
#[derive(Clone, Debug)]
pub struct Comparison<'a> {
    columns: Vec<(&'a str, &'a Report)>,
}

impl Report {
    /// Puts this report beside others, each with a title, to be printed as one table.
    ///
    /// ```
    /// # use plimsoll::{Stack, testing::{Load, Model, Simulation, simulate}};
    /// # let report = |rate| simulate(async || {
    /// #     let sim = Simulation::new(1);
    /// #     let server = sim.server(Model::knee());
    /// #     sim.load(Load::poisson(rate)).run(Stack::new().service(server), |_| ()).await
    /// # });
    /// # let (calm, busy) = (report(100.0), report(400.0));
    /// println!("{}", calm.beside("calm", [("busy", &busy)]));
    /// ```
    pub fn beside<'a>(
        &'a self,
        title: &'a str,
        others: impl IntoIterator<Item = (&'a str, &'a Self)>,
    ) -> Comparison<'a> {
        Comparison { columns: std::iter::once((title, self)).chain(others).collect() }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let loads = self.loads.iter().map(|load| (load.name, load));
        self.beside(self.name, loads).fmt(f)
    }
}

/// What stands in a cell; nothing where there is nothing to say.
type Cell = Option<String>;

impl fmt::Display for Comparison<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows();
        let label = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
        let titles = self.columns.iter().map(|(title, _)| title.chars().count());
        let cells = rows.iter().flat_map(|(_, cells)| cells.iter().flatten().map(String::len));
        let cell = titles.chain(cells).max().unwrap_or(0).max(10);

        write!(f, "{:label$}", "")?;
        self.columns.iter().try_for_each(|(title, _)| write!(f, "  {title:>cell$}"))?;
        for (label_of, cells) in rows {
            write!(f, "\n{label_of:label$}")?;
            cells.iter().try_for_each(|text| write!(f, "  {:>cell$}", text.as_deref().unwrap_or("–")))?;
        }
        writeln!(f)?;
        self.plots(f)
    }
}

impl Comparison<'_> {
    /// The rows that have something to say.
    fn rows(&self) -> Vec<(String, Vec<Cell>)> {
        let mut rows = Vec::new();
        let mut row = |label: &str, cell: &dyn Fn(&Report) -> Cell| {
            let cells: Vec<_> = self.columns.iter().map(|(_, report)| cell(report)).collect();
            if cells.iter().any(Option::is_some) {
                rows.push((label.to_owned(), cells));
            }
        };
        row("CUT SHORT: too much to play", &|report| report.is_cut_short().then(|| "yes".to_owned()));
        row("goodput, of the best possible", &|report| Some(percent(report.goodput())));
        row("requests", &|report| Some(count(report.requests())));
        row("  succeeded", &|report| Some(percent(report.success())));
        let classes = self.columns.iter().map(|(_, report)| report.classes().len()).max().unwrap_or(0);
        for class in 0..classes.min(256) {
            row(&format!("    of class {class}"), &|report| {
                let came = report.classes().get(class)?.0;
                (report.classes().len() > 1 && came > 0).then(|| percent(report.success_of_class(class as u8)))
            });
        }
        row("    of all tenants but 0", &|report| noisy(report).then(|| percent(report.success_of_the_quiet())));
        row("attempts", &|report| Some(count(report.attempts())));
        row("  a request", &|report| Some(format!("{:.2}", report.attempts_per_request())));
        row("  answered", &|report| Some(count(report.answered())));
        row("  refused", &|report| Some(count(report.refused())));
        for reason in Reason::ALL {
            row(&format!("    {reason}"), &|report| some(report.refused_for(*reason)));
        }
        row("  failed", &|report| some(report.failed()));
        row("  timed out", &|report| some(report.timed_out()));
        for (label, quantile) in [("latency, median", 0.5), ("latency, 99 %", 0.99)] {
            row(label, &|report| (report.answered() > 0).then(|| time(report.latency(quantile))));
        }
        row("time to refuse, 99 %", &|report| (report.refused() > 0).then(|| time(report.time_to_refuse(0.99))));
        row("work wasted", &|report| Some(percent(report.wasted())));
        row("most in flight at a server", &|report| Some(count(report.peak_in_flight() as u64)));
        rows
    }

    /// A line for each column: how many were answered, over the whole run.
    fn plots(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bins = self.columns.iter().map(|(_, report)| report.answers().count()).max().unwrap_or(0);
        let each = bins.div_ceil(WIDTH).max(1);
        let plots = self.columns.iter().map(|(_, report)| {
            let answers: Vec<_> = report.answers().map(|(_, answers)| u64::from(answers)).collect();
            answers.chunks(each).map(|bins| bins.iter().sum()).collect::<Vec<u64>>()
        });
        let plots: Vec<_> = plots.collect();
        let most = plots.iter().flatten().max().copied().unwrap_or(0);
        if most == 0 {
            return Ok(());
        }
        let rate = most as f64 / (each as f64 / 10.0);
        let step = Duration::from_millis(each as u64 * 100);
        writeln!(f, "answers over time: a column is {step:?}, the highest {rate:.0} a second")?;
        let label = self.columns.iter().map(|(title, _)| title.chars().count()).max().unwrap_or(0);
        for ((title, _), plot) in self.columns.iter().zip(&plots) {
            let bars: String =
                plot.iter().map(|answers| BARS[(answers * 8).div_ceil(most) as usize % BARS.len()]).collect();
            writeln!(f, "{title:label$}  {bars}")?;
        }
        Ok(())
    }
}

/// How many columns a plot has, at most.
const WIDTH: usize = 60;

const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Whether tenant 0 sends more than twice as much as others do.
fn noisy(report: &Report) -> bool {
    let [noisy, others @ ..] = report.tenants() else { return false };
    let sum: u64 = others.iter().map(|other| other.0).sum();
    sum > 0 && noisy.0.saturating_mul(others.len() as u64) > sum.saturating_mul(2)
}

fn some(number: u64) -> Cell {
    (number > 0).then(|| count(number))
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// With its thousands apart.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut apart = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            apart.push(',');
        }
        apart.push(digit);
    }
    apart
}

fn time(time: Duration) -> String {
    match time.as_secs_f64() * 1e3 {
        ms if ms >= 10_000.0 => format!("{:.1} s", ms / 1e3),
        ms => format!("{ms:.1} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        let counts = [0, 999, 1000, 1_234_567].map(count);
        assert_eq!(counts, ["0", "999", "1,000", "1,234,567"]);
        let times = [Duration::ZERO, Duration::from_micros(1234), Duration::from_secs(12)].map(time);
        assert_eq!(times, ["0.0 ms", "1.2 ms", "12.0 s"]);
    }
}
