//! What was measured: of what, called what, how much of which unit. As a table for people, as a line of JSON
//! for programs, and either against the JSON of an earlier run.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// One number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// A model, the firmware, the hot loops.
    pub of: String,
    /// What of it.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of this.
    pub unit: String,
    /// Whether another run of the same code gives the same.
    pub exact: bool,
    /// The value of an earlier run that this one is compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<f64>,
}

/// All numbers of a run; its fields are those of `--json`, in this order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The processor that was emulated.
    pub cpu: String,
    /// The kernel that was counted; `None` if nothing was counted.
    pub kernel: Option<String>,
    /// In the order of the table, those of one thing together.
    pub figures: Vec<Figure>,
}

impl Figure {
    /// A count.
    pub fn exact(of: &str, name: &str, value: f64, unit: &str) -> Self {
        Self {
            of: of.into(),
            name: name.into(),
            value,
            unit: unit.into(),
            exact: true,
            before: None,
        }
    }

    /// A measurement that is a little different each time.
    pub fn measured(of: &str, name: &str, value: f64, unit: &str) -> Self {
        Self {
            exact: false,
            ..Self::exact(of, name, value, unit)
        }
    }

    fn is_of_the_same(&self, other: &Self) -> bool {
        (&self.of, &self.name, &self.unit) == (&other.of, &other.name, &other.unit)
    }

    /// What became of it, in a column.
    fn change(&self) -> String {
        match self.before {
            None => "new".into(),
            // The JSON that it was read from may have cost it its last bit.
            Some(before) if (self.value - before).abs() <= before.abs() * 1e-12 => "same".into(),
            Some(0.0) => "was 0".into(),
            Some(before) => {
                let percent = (self.value / before - 1.0) * 100.0;
                format!("{percent:+.2} %, was {}", number(before))
            }
        }
    }
}

impl Report {
    /// Puts the values of an earlier run beside these; returns how many of them have no counterpart here.
    pub fn compare(&mut self, earlier: &Self) -> usize {
        let mut found = 0;
        for figure in &mut self.figures {
            let counterpart = earlier.figures.iter().find(|it| it.is_of_the_same(figure));
            figure.before = counterpart.map(|it| it.value);
            found += usize::from(counterpart.is_some());
        }
        earlier.figures.len() - found
    }

    /// The table that is printed.
    pub fn table(&self, compared: bool) -> String {
        let mut table = String::new();
        let mut of = "";
        for figure in &self.figures {
            if figure.of != of {
                let line = if of.is_empty() { "" } else { "\n" };
                of = &figure.of;
                let _ = writeln!(table, "{line}{of}");
            }
            let Figure {
                name,
                value,
                unit,
                exact,
                ..
            } = figure;
            let mark = if *exact { ' ' } else { '~' };
            let change = if compared {
                figure.change()
            } else {
                String::new()
            };
            let line = format!(
                "  {name:<34} {mark}{:>14} {unit:<24} {change}",
                number(*value)
            );
            let _ = writeln!(table, "{}", line.trim_end());
        }
        if self
            .figures
            .iter()
            .any(|figure| figure.unit.contains("instructions"))
        {
            let _ = write!(table, "\ninstructions were counted on one {}", self.cpu);
            let kernel = self.kernel.as_ref();
            let _ = writeln!(
                table,
                "{}",
                kernel.map_or(String::new(), |name| format!(", kernel {name}"))
            );
        }
        if self.figures.iter().any(|figure| !figure.exact) {
            table.push_str(
                "~ differs from run to run; of bare times on a shared machine only ratios taken in one run mean \
                 anything\n",
            );
        }
        table
    }
}

/// A count as it is, anything else to a thousandth.
fn number(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(figures: &[Figure]) -> Report {
        Report {
            cpu: "cortex-a76".into(),
            kernel: Some("dotprod".into()),
            figures: figures.into(),
        }
    }

    #[test]
    fn a_table_has_a_heading_for_each_thing_and_marks_what_is_not_exact() {
        let table = report(&[
            Figure::exact("tiny", "decode", 12.3456, "M instructions/token"),
            Figure::measured("tiny", "decode here", 7.0, "tokens/s"),
            Figure::exact("firmware", ".text", 1000.0, "bytes of flash"),
        ])
        .table(false);
        let lines: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(lines[0], ["tiny"]);
        assert_eq!(lines[1], ["decode", "12.346", "M", "instructions/token"]);
        assert_eq!(lines[2], ["decode", "here", "~", "7", "tokens/s"]);
        assert_eq!(lines[4], ["firmware"]);
        assert_eq!(lines[5], [".text", "1000", "bytes", "of", "flash"]);
        assert!(
            table.contains("counted on one cortex-a76, kernel dotprod\n"),
            "{table}"
        );
        assert!(table.lines().last().unwrap().starts_with("~ differs"));
    }

    #[test]
    fn an_earlier_run_is_read_back_and_compared() {
        let earlier = report(&[
            Figure::exact("tiny", "decode", 100.0, "M instructions/token"),
            Figure::exact("tiny", "arena", 64.0, "bytes"),
            Figure::exact("large", "decode", 5.0, "M instructions/token"),
            Figure::exact("loops", "q8_0", 0.0, "cycles/iteration"),
        ]);
        let line = serde_json::to_string(&earlier).unwrap();
        assert!(!line.contains('\n') && !line.contains("before"), "{line}");
        let earlier: Report = serde_json::from_str(&line).unwrap();

        let mut now = report(&[
            Figure::exact("tiny", "decode", 87.5, "M instructions/token"),
            Figure::exact("tiny", "arena", 64.0, "bytes"),
            Figure::exact("loops", "q8_0", 4.0, "cycles/iteration"),
            // Another unit is another figure.
            Figure::exact("loops", "q8_0", 4.0, "MACs/cycle"),
        ]);
        assert_eq!(now.compare(&earlier), 1);
        let table = now.table(true);
        for (name, change) in [
            ("decode", "-12.50 %, was 100"),
            ("arena", "same"),
            ("cycles/iteration", "was 0"),
            ("MACs/cycle", "new"),
        ] {
            let line = table.lines().find(|line| line.contains(name)).unwrap();
            assert!(line.ends_with(change), "{line}");
        }
        assert!(
            serde_json::to_string(&now)
                .unwrap()
                .contains(r#""before":100.0"#)
        );
    }
}
