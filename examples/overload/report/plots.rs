//! The plots of how much was done, and how fast.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::Report;
use super::canvas::{ABOVE, BELOW, Done, Plot, Size, dots, label, line, margins, mesh, number, percent};
use super::canvas::{GRID, SOFT};
use super::colours::side;

pub(super) const LOAD: &str = "offered load, × capacity";
const NOBODY: &str = "no answers";
pub(super) const LOADS: std::ops::Range<f64> = 0.0..6.1;

/// Goodput against offered load: what the service is worth when too many come.
pub(super) fn goodput(report: &Report, size: Size) -> Done<Plot> {
    Plot::draw(size, |area| {
        let mut builder = ChartBuilder::on(area);
        let mut chart = margins(&mut builder, size).build_cartesian_2d(LOADS, 0.0..1.12)?;
        mesh(&mut chart, (LOAD, "goodput"), (7, 6), number, percent)?;
        for protected in [false, true] {
            let runs = report.steady(protected);
            let points: Vec<_> = runs.map(|run| (run.load, run.goodput)).collect();
            line(&mut chart, &points, side(protected), ABOVE)?;
            dots(&mut chart, &points, side(protected))?;
        }
        Ok(())
    })
}

/// The 99th percentile of answers in time against offered load.
pub(super) fn p99(report: &Report, size: Size) -> Done<Plot> {
    const TOP: f64 = 10_000.0;
    let fastest = report.runs.iter().filter_map(|run| run.p99_ms);
    let bottom = if fastest.fold(TOP, f64::min) < 10.0 { 1.0 } else { 10.0 };
    Plot::draw(size, |area| {
        let mut builder = ChartBuilder::on(area);
        let mut chart = margins(&mut builder, size).build_cartesian_2d(LOADS, (bottom..TOP).log_scale())?;
        mesh(&mut chart, (LOAD, "p99 latency"), (7, 4), number, |&y| {
            if y < 1000.0 { format!("{y:.0} ms") } else { format!("{:.0} s", y / 1000.0) }
        })?;
        for protected in [false, true] {
            let runs = report.steady(protected);
            let beside = if protected { ABOVE } else { BELOW };
            let points: Vec<_> = runs.filter_map(|r| Some((r.load, r.p99_ms?))).collect();
            line(&mut chart, &points, side(protected), beside)?;
            dots(&mut chart, &points, side(protected))?;
            for run in report.steady(protected).filter(|run| run.p99_ms.is_none()) {
                let (at, colour) = ((run.load, TOP), side(protected).colour);
                label(&mut chart, at, (0, 14), NOBODY, &colour, HPos::Center)?;
            }
        }
        Ok(())
    })
}

/// Attempts for each request against offered load: what the clients add to it.
pub(super) fn tries(report: &Report, size: Size) -> Done<Plot> {
    Plot::draw(size, |area| {
        let mut builder = ChartBuilder::on(area);
        let mut chart = margins(&mut builder, size).build_cartesian_2d(LOADS, 0.0..4.0)?;
        mesh(&mut chart, (LOAD, "tries per request"), (7, 5), number, number)?;
        for protected in [false, true] {
            let runs = report.steady(protected);
            let points: Vec<_> = runs.map(|run| (run.load, run.aside.attempts_each)).collect();
            line(&mut chart, &points, side(protected), ABOVE)?;
            dots(&mut chart, &points, side(protected))?;
        }
        Ok(())
    })
}

/// Goodput over time, before, in and after the spike.
pub(super) fn spike(report: &Report, size: Size) -> Done<Plot> {
    let plan = report.plans.iter().find(|plan| plan.name == "spike");
    let plan = plan.ok_or("no spike was played")?;
    let over = plan.lasts().as_secs_f64();
    let top = report.capacity * 1.35;
    Plot::draw(size, |area| {
        let mut builder = ChartBuilder::on(area);
        let mut chart = margins(&mut builder, size).build_cartesian_2d(0.0..over * 1.22, 0.0..top)?;
        if let Some((from, to, load)) = plan.spans().nth(1) {
            let (from, to) = (from.as_secs_f64(), to.as_secs_f64());
            let shade = Rectangle::new([(from, 0.0), (to, top)], GRID.mix(0.6).filled());
            chart.draw_series([shade])?;
            let words = format!("{load}× offered");
            let at = ((from + to) / 2.0, top);
            label(&mut chart, at, (0, 14), &words, &SOFT, HPos::Center)?;
        }
        let names = ("seconds", "answers in time, per second");
        mesh(&mut chart, names, (9, 6), number, number)?;

        let capacity = report.capacity;
        let dashes = [(0.0, capacity), (over, capacity)];
        let style = SOFT.stroke_width(1);
        chart.draw_series(DashedLineSeries::new(dashes, 4, 4, style))?;
        let at = (over, capacity);
        label(&mut chart, at, (8, 0), "capacity", &SOFT, HPos::Left)?;
        for protected in [false, true] {
            if let Some(run) = report.spike(protected) {
                line(&mut chart, &run.aside.timeline, side(protected), ABOVE)?;
            }
        }
        Ok(())
    })
}
