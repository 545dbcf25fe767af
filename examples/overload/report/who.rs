//! The plots of who was answered: which classes, and which tenants.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::Report;
use super::canvas::{ABOVE, Done, Plot, Size, dots, label, line, margins, mesh, number, percent};
use super::colours::{CLASSES, side};
use super::plots::{LOAD, LOADS};
use crate::callers::NOISY;

/// Success of each class against offered load, protected. Bare, all have the same.
pub(super) fn classes(report: &Report, size: Size) -> Done<Plot> {
    Plot::draw(size, |area| {
        let mut builder = ChartBuilder::on(area);
        let mut chart = margins(&mut builder, size).build_cartesian_2d(LOADS, 0.0..1.12)?;
        mesh(&mut chart, (LOAD, "answered in time"), (7, 6), number, percent)?;

        let bare = side(false);
        let points = report.steady(false).filter_map(|run| Some((run.load, run.success.critical?)));
        let points: Vec<_> = points.collect();
        chart.draw_series(DashedLineSeries::new(points.iter().copied(), 4, 4, bare.colour.stroke_width(2)))?;
        if let Some(&middle) = points.iter().rev().nth(1) {
            label(&mut chart, middle, (0, -12), "bare, any class", &bare.colour, HPos::Center)?;
        }
        for (class, whose) in CLASSES.into_iter().enumerate() {
            let points = report.steady(true).filter_map(|run| Some((run.load, run.success.classes()[class]?)));
            let points: Vec<_> = points.collect();
            line(&mut chart, &points, whose, ABOVE)?;
            dots(&mut chart, &points, whose)?;
        }
        Ok(())
    })
}

/// Success of each tenant where one is noisy: a bar if protected, and a dot if bare.
pub(super) fn tenants(report: &Report, size: Size) -> Done<Plot> {
    let run = |protected| report.noisy(protected).ok_or("nobody was noisy");
    let (bare, protected) = (run(false)?.success.tenants, run(true)?.success.tenants);
    let numbered = |shares: &[Option<f64>]| -> Vec<_> {
        let shares = shares.iter().enumerate();
        shares.filter_map(|(tenant, share)| Some((tenant as f64 + 1.0, (*share)?))).collect()
    };
    let last = bare.len() as f64;
    Plot::draw(size, |area| {
        let mut builder = ChartBuilder::on(area);
        let mut chart = margins(&mut builder, size).build_cartesian_2d(0.5..last + 2.5, 0.0..1.12)?;
        let numbers = |&x: &f64| if x <= last { number(&x) } else { String::new() };
        mesh(&mut chart, ("tenant", "answered in time"), (bare.len() + 3, 6), numbers, percent)?;

        let bars = numbered(&protected);
        let style = side(true).colour.filled();
        chart.draw_series(bars.iter().map(|&(x, y)| Rectangle::new([(x - 0.3, 0.0), (x + 0.3, y)], style)))?;
        dots(&mut chart, &numbered(&bare), side(false))?;
        for (points, protected) in [(bars, true), (numbered(&bare), false)] {
            if let Some(&(_, y)) = points.last() {
                let whose = side(protected);
                label(&mut chart, (last + 0.5, y), (4, -12), whose.name, &whose.colour, HPos::Left)?;
            }
        }
        if let Some(share) = protected[NOISY as usize] {
            let at = (NOISY as f64 + 1.0, share);
            label(&mut chart, at, (4, -12), "noisy", &side(true).colour, HPos::Center)?;
        }
        Ok(())
    })
}
