//! What is at the foot of a person's terminal while a run goes on: how far it is.
//!
//! Owns where those lines end, and that none is left behind. Draws on standard error, where the console has it draw; never prints
//! anything that stays.

use std::io::{self, Write as _};
use std::sync::{Arc, Mutex};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, TermLike};

use crate::observe::progress::{ImageProgress, Snapshot};
use crate::sync::LockExt as _;
use crate::text::sanitise;
use crate::text::units::size;

/// Characters of an image's name; a longer one is nobody's.
const NAME: usize = 1000;

/// How often it is drawn in a second, at most.
const DRAWN: u8 = 20;

/// Columns at the right that words leave free: a terminal writes `^C` where the cursor is, and breaks a line that is full; the
/// half above would stay there.
const FREE: usize = 3;

/// The columns of the terminal that the log goes to.
pub fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stderr()).map(|(width, _)| usize::from(width.0)).filter(|width| *width > 0)
}

/// Standard error, with the cursor left behind the last word of what is drawn, and not at the end of a line filled with blanks.
#[derive(Debug, Default)]
struct Foot {
    drawn: Mutex<Drawn>,
}

/// What is drawn at once.
#[derive(Debug, Default)]
struct Drawn {
    text: String,
    /// The line is at its end; what is written then is another.
    is_full: bool,
}

impl Drawn {
    fn write(&mut self, text: &str) {
        // What fills a line up.
        if text.bytes().all(|byte| byte == b' ') {
            self.is_full = true;
            return;
        }
        if std::mem::take(&mut self.is_full) {
            self.text.push('\n');
        }
        self.text.push_str(text);
    }

    fn control(&mut self, sequence: &str) {
        self.is_full = false;
        self.text.push_str(sequence);
    }
}

impl Foot {
    fn move_cursor(&self, by: usize, letter: char) {
        let sequence = if by > 0 { format!("\u{1b}[{by}{letter}") } else { String::new() };
        self.drawn.locked().control(&sequence);
    }
}

impl TermLike for Foot {
    fn width(&self) -> u16 {
        terminal_width().and_then(|width| u16::try_from(width).ok()).unwrap_or(80)
    }

    fn height(&self) -> u16 {
        terminal_size::terminal_size_of(io::stderr()).map_or(24, |(_, height)| height.0)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'A');
        Ok(())
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'B');
        Ok(())
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'C');
        Ok(())
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'D');
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        let mut drawn = self.drawn.locked();
        drawn.control(text);
        drawn.control("\n");
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.drawn.locked().write(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.drawn.locked().control("\r\u{1b}[2K");
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let text = std::mem::take(&mut self.drawn.locked().text);
        let mut stream = io::stderr();
        stream.write_all(text.as_bytes())?;
        stream.flush()
    }
}

/// What is at the foot of the terminal: a bar for the whole run, and above it a line for each of few images.
pub struct Bars {
    all: MultiProgress,
    whole: ProgressBar,
    images: Vec<(String, ProgressBar)>,
}

impl Bars {
    /// None is drawn yet.
    pub fn new() -> Self {
        let foot = ProgressDrawTarget::term_like_with_hz(Box::new(Foot::default()), DRAWN);
        let all = MultiProgress::with_draw_target(foot);
        // In thousandths of the work.
        let whole = all.add(ProgressBar::new(1000).with_style(style("{bar:24} {msg}")));
        Self { all, whole, images: Vec::new() }
    }

    /// What `print` prints stands above them.
    pub fn beside(&self, print: impl FnOnce()) {
        self.all.suspend(print);
    }

    /// Shows how far the run is, and each of few images.
    pub fn show(&mut self, view: &Snapshot, images: &[Arc<ImageProgress>]) {
        let room = terminal_width().unwrap_or(80).saturating_sub(BESIDE + FREE);
        self.images.retain(|(name, bar)| {
            let is_under_way = images.iter().any(|image| image.name == *name);
            if !is_under_way {
                bar.finish_and_clear();
                self.all.remove(bar);
            }
            is_under_way
        });
        for image in images {
            let known = self.images.iter().position(|(name, _)| *name == image.name);
            let at = known.unwrap_or_else(|| {
                let style = style("{bar:24} {msg}");
                let bar = self.all.insert_before(&self.whole, ProgressBar::new(0).with_style(style));
                self.images.push((image.name.clone(), bar));
                self.images.len() - 1
            });
            if let Some((_, bar)) = self.images.get(at) {
                let (sent, all) = image.bytes();
                bar.set_length(all);
                bar.set_position(sent);
                bar.set_message(beside_bar(&format!("{} of {}", size(sent), size(all)), &image.name, room));
            }
        }
        self.whole.set_message(beginning(&view.describe().unwrap_or_default(), room));
        self.whole.set_position(view.permille());
    }

    /// They are gone.
    pub fn end(&self) {
        for (_, bar) in &self.images {
            bar.finish_and_clear();
        }
        self.whole.finish_and_clear();
    }
}

/// Columns of a line that are not for its words: the bar, and a blank.
const BESIDE: usize = 24 + 1;

/// What stands beside the bar of an image: what of it has moved, and of its name the end, which tells it from others.
fn beside_bar(moved: &str, name: &str, room: usize) -> String {
    let (name, left) = (sanitise::one_line(name, NAME), room.saturating_sub(moved.chars().count() + 2));
    let letters = name.chars().count();
    if letters <= left {
        return format!("{moved}  {name}");
    }
    let end: String = name.chars().skip(letters - left.saturating_sub(1)).collect();
    // Of less nobody could tell what it is.
    if left < 8 { beginning(moved, room) } else { format!("{moved}  …{end}") }
}

/// As much of a text as there is room for.
fn beginning(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

fn style(template: &str) -> indicatif::ProgressStyle {
    use indicatif::ProgressStyle;
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("━╸─")
}

#[cfg(test)]
mod tests {
    use super::{beginning, beside_bar};

    #[test]
    fn what_stands_beside_a_bar_never_reaches_the_end_of_the_line() {
        let name = "registry.example.com/team/application:1.27";
        assert_eq!(beside_bar("1 KiB of 2 KiB", name, 80), format!("1 KiB of 2 KiB  {name}"));
        assert_eq!(beside_bar("1 KiB of 2 KiB", name, 36), "1 KiB of 2 KiB  …am/application:1.27");
        assert_eq!(beside_bar("1 KiB of 2 KiB", name, 20), "1 KiB of 2 KiB");
        assert_eq!(beginning("1 of 3 images, 16.5 MiB sent", 20), "1 of 3 images, 16.5…");
        for room in 0..60 {
            assert!(beside_bar("1 KiB of 2 KiB", name, room).chars().count() <= room.max(1), "{room}");
        }
    }
}
