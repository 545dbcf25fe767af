//! The plots of the report.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use crate::{
    columns::Column,
    marks::Measure,
    run::Row,
    support::canvas::{BARE, Done, GRID, INK, OTHERS, PROTECTED, Plot, SOFT, WIDE, label, margins, mesh, mesh_by},
};

/// How a column is drawn: its colour, and the width of its line.
pub(super) fn pen(column: Column) -> (RGBColor, u32) {
    match column {
        Column::Bare => (BARE, 2),
        Column::Fifo => (OTHERS[4], 2),
        Column::Refusal => (OTHERS[0], 2),
        Column::Aimd => (OTHERS[1], 2),
        Column::Vegas => (OTHERS[2], 2),
        Column::Gradient => (OTHERS[3], 2),
        Column::Shedder => (PROTECTED, 1),
        Column::Oracle | Column::Parking => (SOFT, 1),
        Column::Plain => (INK, 1),
        _ => (PROTECTED, 3),
    }
}

/// Goodput by offered load, for every column.
pub(super) fn goodput(rows: &[Row], columns: &[Column]) -> Done<Option<Plot>> {
    let points: Vec<_> = rows.iter().filter_map(|row| Some((row.scenario.load?, row))).collect();
    if points.len() < 2 {
        return Ok(None);
    }
    let plot = Plot::draw(WIDE, |area| {
        let mut builder = ChartBuilder::on(area);
        let mut chart = margins(&mut builder, WIDE).build_cartesian_2d(-1.2..3.6, 0.0..108.0)?;
        let names = ("offered load, × capacity", "goodput");
        // Each step to the right is twice as much.
        mesh_by(&mut chart, names, (6, 6), |x| format!("{}", x.exp2()), |y| format!("{y:.0} %"))?;
        for column in columns.iter().filter(|column| !column.is_special()) {
            let (colour, width) = pen(*column);
            let line =
                points.iter().filter_map(|(load, row)| Some((load.log2(), row.cell(*column)?.mean(Measure::Goodput))));
            let line: Vec<_> = line.collect();
            chart.draw_series(LineSeries::new(line.iter().copied(), colour.stroke_width(width)))?;
            chart.draw_series(line.iter().map(|at| Circle::new(*at, 2 + width as i32 / 2, colour.filled())))?;
        }
        Ok(())
    })?;
    Ok(Some(plot))
}

/// How many bins of 100 ms make a point.
const BINS: usize = 3;

/// Answers over time, of the first seed, around what happens in it.
pub(super) fn over_time(row: &Row) -> Done<Option<Plot>> {
    let Some(event) = &row.scenario.event else { return Ok(None) };
    let shown = [Column::Bare, Column::Fifo, Column::Gradient, Column::Ours];
    let cells = row.cells.iter().filter(|cell| shown.contains(&cell.column));
    let lines = cells.filter_map(|cell| Some((cell.column, &cell.runs.first()?.answers)));
    let (from, to) = (row.scenario.window.start.as_secs_f64() - 1.0, row.scenario.window.end.as_secs_f64());
    let lines: Vec<(Column, Vec<(f64, f64)>)> = lines
        .map(|(column, answers)| {
            // Nothing is written down after the last answer.
            let rate = |index: usize| {
                let bins = answers.iter().skip(index * BINS).take(BINS);
                f64::from(bins.sum::<u32>()) / BINS as f64 * 10.0
            };
            let bins = 0..(to * 10.0) as usize / BINS;
            let points = bins.map(|index| ((index as f64 + 0.5) * BINS as f64 / 10.0, rate(index)));
            (column, points.filter(|(at, _)| *at > from).collect())
        })
        .collect();
    let most = lines.iter().flat_map(|(_, points)| points).map(|(_, rate)| *rate).fold(1.0, f64::max);
    let top = most * 1.15;
    let plot = Plot::draw(WIDE, |area| {
        let mut builder = ChartBuilder::on(area);
        let mut chart = margins(&mut builder, WIDE).build_cartesian_2d(from..to, 0.0..top)?;
        let (start, end) = (event.start.as_secs_f64(), event.end.as_secs_f64());
        chart.draw_series([Rectangle::new([(start, 0.0), (end, top)], GRID.mix(0.6).filled())])?;
        label(&mut chart, (f64::midpoint(start, end), top), (0, 14), &row.scenario.name, &SOFT, HPos::Center)?;
        mesh(&mut chart, ("seconds", "answers in time, per second"), (9, 6), |y| format!("{y:.0}"))?;
        for (column, points) in &lines {
            let (colour, width) = pen(*column);
            chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(width)))?;
        }
        Ok(())
    })?;
    Ok(Some(plot))
}
