//! A chart as text: a row for each line, and below them what the hub tells.

use std::io::{self, Write};

use crate::chart::Chart;

/// Columns of a row, beside its name.
pub const COLUMNS: usize = 96;

const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub fn draw(chart: &Chart, out: &mut impl Write) -> io::Result<()> {
    for track in &chart.tracks {
        for (index, line) in track.lines.iter().enumerate() {
            let name = if index == 0 { track.name } else { "" };
            let row: String = line
                .columns
                .iter()
                .map(|column| step(*column, track.name))
                .collect();
            writeln!(out, "{name:<9} {row} {}", line.name)?;
        }
    }
    let end = format!("{:.1} s", chart.seconds);
    writeln!(out, "{:<9} 0{end:>width$}", "", width = COLUMNS - 1)?;
    for (seconds, label) in &chart.labels {
        writeln!(out, "{seconds:9.3} {label}")?;
    }
    Ok(())
}

fn step(column: Option<(f64, f64)>, track: &str) -> char {
    let Some((low, high)) = column else {
        return ' ';
    };
    // Sound is about its middle: what counts is how far it swings.
    let share = if track == "sound" { high - low } else { high };
    STEPS[((share * STEPS.len() as f64) as usize).min(STEPS.len() - 1)]
}
