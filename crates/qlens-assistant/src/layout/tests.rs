extern crate std;

use std::cell::Cell;
use std::string::{String, ToString};
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// Narrow characters are one pixel wide, wide ones two: a page is then a piece of text as one writes it.
struct Columns {
    measured: Cell<usize>,
}

impl Columns {
    fn new() -> Self {
        Self {
            measured: Cell::new(0),
        }
    }
}

impl Measure for Columns {
    fn advance(&self, ch: char) -> u32 {
        self.measured.set(self.measured.get() + 1);
        if is_wide(ch) { 2 } else { 1 }
    }
}

const fn size(width: u32, lines: u32) -> PageSize {
    PageSize { width, lines }
}

/// What a display shows that follows the steps: pages of lines of characters with their places.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shown {
    pages: Vec<Vec<Vec<(u32, char)>>>,
    starts: Vec<usize>,
}

impl Shown {
    fn new() -> Self {
        Self {
            pages: std::vec![Vec::new()],
            starts: std::vec![0],
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Page { start } => {
                self.pages.push(Vec::new());
                self.starts.push(start);
            }
            Step::Carry { line, x } => {
                let lines = self.pages.last_mut().expect("a page");
                let line = lines.get_mut(line as usize).expect("a line to take from");
                assert!(line.iter().any(|&(at, _)| at >= x), "nothing is carried");
                line.retain(|&(at, _)| at < x);
            }
            Step::Glyph { ch, line, x, .. } => {
                let lines = self.pages.last_mut().expect("a page");
                while lines.len() <= line as usize {
                    lines.push(Vec::new());
                }
                assert_eq!(lines.len(), line as usize + 1, "only the last line grows");
                let line = &mut lines[line as usize];
                assert!(
                    line.last().is_none_or(|&(last, _)| last < x),
                    "{line:?} {ch} {x}"
                );
                line.push((x, ch));
            }
        }
    }

    fn lines(&self) -> Vec<Vec<String>> {
        let text = |line: &Vec<(u32, char)>| line.iter().map(|&(_, ch)| ch).collect();
        self.pages
            .iter()
            .map(|lines| lines.iter().map(text).collect())
            .collect()
    }
}

/// Lays `text` out a piece at a time; a piece ends at each of these characters, counted from the start.
fn lay_out(text: &str, size: PageSize, ends: &[usize]) -> Shown {
    let mut shown = Shown::new();
    let mut breaker = Breaker::new(size, 0);
    let mut feed = |end: usize| {
        breaker.feed(&text[..end], &Columns::new(), &mut |step| {
            shown.take(step);
            true
        });
    };
    for &end in ends {
        feed(
            text.char_indices()
                .nth(end)
                .map_or(text.len(), |(at, _)| at),
        );
    }
    feed(text.len());
    shown
}

/// The lines of the pages of `text`; a page ends with `=`.
fn wrapped(text: &str, size: PageSize) -> String {
    let pages = lay_out(text, size, &[]).lines();
    let pages: Vec<String> = pages.iter().map(|lines| lines.join("|")).collect();
    pages.join("=")
}

#[test]
fn latin_breaks_after_spaces_which_hang() {
    assert_eq!(
        wrapped("the quick brown fox", size(9, 9)),
        "the quick|brown fox"
    );
    assert_eq!(wrapped("the quick   brown", size(9, 9)), "the quick|brown");
    assert_eq!(wrapped("the quick brown", size(10, 9)), "the quick |brown");
    assert_eq!(wrapped("the quick brown", size(8, 9)), "the |quick |brown");
}

#[test]
fn a_word_wider_than_the_line_breaks_anywhere() {
    assert_eq!(
        wrapped("incomprehensible", size(6, 9)),
        "incomp|rehens|ible"
    );
    assert_eq!(
        wrapped("an incomprehensible x", size(6, 9)),
        "an |incomp|rehens|ible x"
    );
}

#[test]
fn hyphens_inside_words_allow_a_break_and_others_do_not() {
    assert_eq!(
        wrapped("a well-known fact", size(8, 9)),
        "a well-|known |fact"
    );
    assert_eq!(
        wrapped("about -12 and x-1", size(8, 9)),
        "about |-12 and |x-1"
    );
    assert_eq!(
        wrapped("use --release now", size(8, 9)),
        "use |--releas|e now"
    );
}

/// A line knows nothing of the one before, so that a page can be laid out from its first character.
#[test]
fn a_hyphen_that_a_wide_word_left_at_the_start_of_a_line_allows_no_break() {
    assert_eq!(wrapped("aaa-\"aaa", size(3, 9)), "aaa|-\"a|aa");
    assert_eq!(wrapped("a aaa-\"aa", size(3, 9)), "a |aaa|-\"a|a");
}

#[test]
fn chinese_breaks_anywhere_but_around_its_punctuation() {
    assert_eq!(wrapped("三号站台银座线", size(6, 9)), "三号站|台银座|线");
    // A full stop takes its character along instead of beginning a line.
    assert_eq!(
        wrapped("三号站\u{3002}银座", size(6, 9)),
        "三号|站\u{3002}银|座"
    );
    assert_eq!(
        wrapped("三号站\u{300D}\u{3002}银座", size(6, 9)),
        "三号|站\u{300D}\u{3002}|银座"
    );
    // An opening bracket goes where its content goes.
    assert_eq!(
        wrapped("三号\u{300A}站台\u{300B}", size(6, 9)),
        "三号|\u{300A}站|台\u{300B}"
    );
    // Narrow stops after wide characters.
    assert_eq!(wrapped("三号站, 台", size(6, 9)), "三号|站, 台");
    assert_eq!(wrapped("三号(站台)线", size(6, 9)), "三号|(站台)|线");
}

#[test]
fn a_run_of_closing_punctuation_breaks_where_it_must() {
    let stops = "\u{3002}".repeat(7);
    assert_eq!(
        wrapped(&stops, size(6, 9)),
        "\u{3002}\u{3002}\u{3002}|\u{3002}\u{3002}\u{3002}|\u{3002}"
    );
}

#[test]
fn scripts_mix() {
    assert_eq!(
        wrapped("乘Ginza线到Ueno站", size(8, 9)),
        "乘Ginza|线到Ueno|站"
    );
    assert_eq!(wrapped("到Ueno。", size(7, 9)), "到|Ueno。");
}

#[test]
fn hard_breaks_keep_indentation_and_empty_lines() {
    assert_eq!(
        wrapped("if x {\n    y();\n\n}\n", size(10, 9)),
        "if x {|    y();||}"
    );
    assert_eq!(wrapped("a\r\nb\tc", size(10, 9)), "a|b\tc");
}

#[test]
fn controls_and_joiners_take_no_room() {
    assert_eq!(
        wrapped("a\u{0}b\u{200B}c\u{FE0F}d\u{FEFF}", size(4, 9)),
        "abcd"
    );
}

#[test]
fn pages_turn_when_their_lines_are_used_up() {
    assert_eq!(wrapped("a\nb\nc\nd\ne", size(9, 2)), "a|b=c|d=e");
    // Empty lines do not open a page, nor does a line break at the end.
    assert_eq!(wrapped("\n\na\nb\n\n\nc\nd\n\n", size(9, 2)), "a|b=c|d");
    // A word that is carried may be the one that opens the page.
    assert_eq!(wrapped("one two three", size(7, 1)), "one two=three");
    assert_eq!(wrapped("one twofold", size(7, 1)), "one =twofold");
}

#[test]
fn pages_know_their_text() {
    let text = "one two\nthree four five";
    let mut pages = Pages::new(size(7, 1));
    assert_eq!((pages.count(), pages.slice(text, 0)), (1, text));
    pages.extend(text, &Columns::new()).expect("few pages");
    let slices: Vec<&str> = (0..pages.count())
        .map(|page| pages.slice(text, page))
        .collect();
    assert_eq!(slices, ["one two\n", "three ", "four ", "five"]);
    assert_eq!(pages.slice(text, 4), "");
    assert_eq!(pages.start(4), None);
    pages.clear();
    assert_eq!(pages.count(), 1);
}

#[test]
fn more_pages_than_can_be_are_refused_and_stay_refused() {
    let text = "x\n".repeat(MAX_PAGES);
    let mut pages = Pages::new(size(9, 1));
    assert_eq!(pages.extend(&text, &Columns::new()), Ok(()));
    assert_eq!(pages.count(), MAX_PAGES);
    let more = text.clone() + "y";
    assert_eq!(pages.extend(&more, &Columns::new()), Err(PagesFull));
    assert_eq!(
        pages.extend(&(more + "\nz"), &Columns::new()),
        Err(PagesFull)
    );
    assert_eq!(pages.count(), MAX_PAGES);
    assert_eq!(PagesFull.to_string(), "the text needs more than 128 pages");
}

/// Pieces of what models write, so that random texts meet the rules' corners.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z]{1,12}",
        3 => " {1,3}",
        1 => "\n{1,3}",
        2 => "[三号站台银座线]{1,8}",
        2 => "[\u{3002}\u{FF0C}\u{300A}\u{300B}\u{300C}\u{300D}]{1,3}",
        2 => "[-().,!?\"'<>{}]{1,3}",
        1 => "[\u{200B}\u{FE0F}\r\t]",
        1 => any::<char>().prop_map(|ch| ch.to_string()),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// The pieces that a text comes in do not show in its layout.
    #[test]
    fn layout_does_not_depend_on_the_pieces(
        text in any_text(), width in 1u32..30, lines in 1u32..6,
        mut ends in prop::collection::vec(0usize..200, 0..40),
    ) {
        ends.sort_unstable();
        let at_once = lay_out(&text, size(width, lines), &[]);
        prop_assert_eq!(lay_out(&text, size(width, lines), &ends), at_once);
    }

    /// Nothing is lost, doubled, out of order or beyond the edge; no line begins with what may not.
    #[test]
    fn every_character_has_its_place(text in any_text(), width in 2u32..30, lines in 1u32..6) {
        let shown = lay_out(&text, size(width, lines), &[]);
        let visible = |ch: &char| !matches!(class::class(*ch), Class::Ignored | Class::Newline | Class::Space);
        let placed: String = shown.lines().concat().concat().chars().filter(visible).collect();
        let wanted: String = text.chars().filter(visible).collect();
        prop_assert_eq!(placed, wanted);
        for page in &shown.pages {
            prop_assert!(page.len() <= lines as usize);
            for line in page {
                for &(x, ch) in line {
                    prop_assert!(x + Columns::new().advance(ch) <= width, "{:?}", line);
                }
            }
        }
    }

    /// A page that is laid out by itself, from its start, is the page that the whole text has there.
    #[test]
    fn a_page_can_be_laid_out_alone(text in any_text(), width in 1u32..30, lines in 1u32..6) {
        let whole = lay_out(&text, size(width, lines), &[]);
        for (page, &start) in whole.starts.iter().enumerate() {
            let mut alone = Shown::new();
            let mut breaker = Breaker::new(size(width, lines), start);
            breaker.feed(&text, &Columns::new(), &mut |step| {
                let goes_on = !matches!(step, Step::Page { .. });
                if goes_on {
                    alone.take(step);
                }
                goes_on
            });
            prop_assert_eq!(&alone.pages[0], &whole.pages[page]);
        }
    }

    /// The cost of a text is proportional to its length, however small the pieces.
    #[test]
    fn cost_is_linear(text in any_text(), width in 1u32..30) {
        let columns = Columns::new();
        let mut pages = Pages::new(size(width, 10_000));
        for (at, ch) in text.char_indices() {
            prop_assert!(pages.extend(&text[..at + ch.len_utf8()], &columns).is_ok());
        }
        // Each character is measured when it comes, and once more if its word is carried.
        prop_assert!(columns.measured.get() <= 2 * text.chars().count());
    }
}
