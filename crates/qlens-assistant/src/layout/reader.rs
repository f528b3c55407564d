//! Somebody who reads: the pages of a text that may still grow, and the one that is looked at.

use super::{Measure, PageSize, Pages, PagesFull};

/// The pages of a text and the one that is looked at. The text itself lies elsewhere, and is given whole
/// to each call that needs it.
#[derive(Clone, Debug)]
pub struct Reader {
    pages: Pages,
    page: usize,
}

impl Reader {
    /// A reader of an empty text.
    pub const fn new(size: PageSize) -> Self {
        Self {
            pages: Pages::new(size),
            page: 0,
        }
    }

    /// The pages.
    pub const fn pages(&self) -> &Pages {
        &self.pages
    }

    /// The page that is looked at, from 0, always below the count.
    pub const fn page(&self) -> usize {
        self.page
    }

    /// Opens another text, or one that changed, at its first page. What has no page is not there.
    pub fn open(&mut self, text: &str, measure: &impl Measure) {
        self.page = 0;
        self.pages.clear();
        let _ = self.pages.extend(text, measure);
    }

    /// The text has grown. Who looks at the last page follows it.
    ///
    /// # Errors
    /// [`PagesFull`], as [`Pages::extend`].
    pub fn grow(&mut self, text: &str, measure: &impl Measure) -> Result<(), PagesFull> {
        let following = self.page + 1 == self.pages.count();
        let fits = self.pages.extend(text, measure);
        if following {
            self.show_last();
        }
        fits
    }

    /// Turns to the next page or the one before; returns whether there is one.
    pub fn turn(&mut self, forward: bool) -> bool {
        let page = if forward {
            (self.page + 1).min(self.pages.count() - 1)
        } else {
            self.page.saturating_sub(1)
        };
        core::mem::replace(&mut self.page, page) != page
    }

    /// Turns to the first page.
    pub fn show_first(&mut self) {
        self.page = 0;
    }

    /// Turns to the last page.
    pub fn show_last(&mut self) {
        self.page = self.pages.count() - 1;
    }

    /// Turns to the page that has byte `at` of the text; returns whether it is another one.
    pub fn show(&mut self, at: usize) -> bool {
        let page = (1..self.pages.count())
            .take_while(|&page| self.pages.start(page).is_some_and(|start| start <= at))
            .last()
            .unwrap_or_default();
        core::mem::replace(&mut self.page, page) != page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ten;

    impl Measure for Ten {
        fn advance(&self, _ch: char) -> u32 {
            10
        }
    }

    /// One line of three characters.
    const SIZE: PageSize = PageSize {
        width: 30,
        lines: 1,
    };

    #[test]
    fn the_page_that_has_a_byte_is_found() {
        let mut reader = Reader::new(SIZE);
        assert!(!reader.show(100), "an empty text has one page");
        reader.open("abc def 站站", &Ten);
        assert_eq!(reader.pages().count(), 3);
        for (at, page) in [(0, 0), (3, 0), (4, 1), (7, 1), (8, 2), (11, 2), (500, 2)] {
            reader.show(at);
            assert_eq!(reader.page(), page, "byte {at}");
        }
        assert!(reader.show(0) && !reader.show(1));
    }

    #[test]
    fn only_who_looks_at_the_last_page_follows() {
        let mut reader = Reader::new(SIZE);
        assert!(reader.grow("abc def", &Ten).is_ok());
        assert_eq!(reader.page(), 1);
        assert!(reader.turn(false) && !reader.turn(false));
        assert!(reader.grow("abc def ghi", &Ten).is_ok());
        assert_eq!(reader.page(), 0);
        assert!(reader.turn(true) && reader.turn(true) && !reader.turn(true));
        reader.show_first();
        assert_eq!(reader.page(), 0);
    }
}
