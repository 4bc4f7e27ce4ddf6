//! Plain lists: every line a reference, as the input `images` has them.

use crate::plan::find::found::{Collector, Kind, Reading, Settings, Written};
use crate::plan::images;
use crate::plan::list::yaml::Place;
use crate::text::blank::trimmed;

/// Reads a list; a text of which a line is no reference is none.
pub fn read(text: &str, settings: &Settings) -> Reading {
    let mut collector = Collector::new(text, settings);
    collector.begin(Kind::Plain);
    let mut offset = 0;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let place = Place { line: number, column: 1 };
        let Ok(images) = images::of_line(line).collect::<Result<Vec<_>, _>>() else {
            let mut none = Collector::new(text, settings);
            none.note(place, "is of no kind that names images: it is no list, whose every line is an image");
            return none.reading;
        };
        for (image, _) in images.iter().filter(|(image, _)| image.registry().is_some()) {
            // Between commas several stand on a line, and none is written anew.
            let bare = trimmed(line);
            let at = line.find(bare).map(|at| offset + at..offset + at + bare.len());
            let written = at.filter(|_| images.len() == 1 && !bare.contains("=>")).map(Written::Whole);
            collector.image(place, &image.to_string(), written);
        }
        offset += line.len();
    }
    collector.reading
}
