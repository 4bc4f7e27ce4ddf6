//! A part of a list, for one of several runners.
//!
//! Owns which image is in which part: each is in one, whoever computes it, and the parts are about equally large without
//! anything being asked. Pure.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;

use crate::engine::job::Job;
use crate::oci::reference::{ImageReference, Reference};
use crate::plan::list::version::Version;
use crate::text::quote::quote;

/// The most parts: what a matrix of GitHub's may have.
const MOST: usize = 256;

/// What one runner brings at most, by the plan: more is worth another one.
const BYTES_EACH: u64 = 4 << 30;

/// And so many images.
const IMAGES_EACH: usize = 100;

/// The most parts that are proposed: each job costs its start.
const MOST_PROPOSED: usize = 20;

/// Part `index` of `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which, from 0.
    index: usize,
    /// How many there are.
    of: usize,
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.of)
    }
}

impl Shard {
    /// Reads `I/N`. Whoever counts from 0 is understood too: `0/4` is `4/4`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(index, of)| {
            let number = |text: &str| text.trim().parse::<usize>().ok();
            Some((number(index)?, number(of)?))
        });
        match numbers {
            Some((index, of)) if (1..=MOST).contains(&of) && index <= of => {
                Ok(Self { index: (index + of - 1) % of, of })
            }
            Some((_, of)) if of > MOST => Err(format!("has more than {MOST} parts; write at most `1/{MOST}`")),
            _ => Err(format!("`{}` is not `I/N`, part I of N, such as `1/4`", quote(text))),
        }
    }

    /// All parts that are worth a runner each, for so much work.
    pub fn proposed(bytes: u64, images: usize) -> Vec<Self> {
        let by_bytes = usize::try_from(bytes.div_ceil(BYTES_EACH)).unwrap_or(MOST_PROPOSED);
        let of = by_bytes.max(images.div_ceil(IMAGES_EACH)).min(images).clamp(1, MOST_PROPOSED);
        (0..of).map(|index| Self { index, of }).collect()
    }

    /// Whether what is called so, and is known by nothing else, is in this part: the same for each runner, whatever else it knows.
    pub fn deals(self, name: &str) -> bool {
        let sum = name.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        sum % self.of == self.index
    }

    /// Which of the jobs are in this part.
    ///
    /// Images of one repository and variant are about as large as each other: they are dealt out in turns, one way and then
    /// the other, and what one source is copied to stays together, so that it is downloaded once.
    pub fn has(self, jobs: &[Job]) -> Vec<bool> {
        let mut sources: Vec<(String, &ImageReference)> =
            jobs.iter().map(|job| (job.source.to_string(), &job.source)).collect();
        sources.sort_by_cached_key(|(name, source)| {
            let version = source.tag().and_then(Version::of);
            let repository = source.registry().map_or_else(|| name.clone(), Reference::name);
            let variant = version.as_ref().map(|version| version.variant.clone());
            (repository, variant, version.map(|version| Reverse((version.numbers, version.rank))), name.clone())
        });
        sources.dedup_by(|one, other| one.0 == other.0);
        let part = |number: usize| {
            let (round, at) = (number / self.of, number % self.of);
            if round.is_multiple_of(2) { at } else { self.of - 1 - at }
        };
        let parts: HashMap<String, usize> =
            sources.into_iter().enumerate().map(|(number, (name, _))| (name, part(number))).collect();
        jobs.iter().map(|job| parts.get(&job.source.to_string()) == Some(&self.index)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Shard;
    use crate::environment::Environment;
    use crate::inputs::read;
    use crate::inputs::typed::Invocation;
    use crate::plan::Plan;
    use crate::store::layout::shared::Layouts;

    /// A plan over these sources, each for two targets.
    fn plan(sources: &[String]) -> Plan {
        let lines: Vec<String> = sources
            .iter()
            .flat_map(|source| [format!("{source} => a.test/{{name}}"), format!("{source} => b.test/{{name}}")])
            .collect();
        let list = lines.join("\n");
        let arguments = ["copy", "--images", list.as_str()].into_iter().map(Into::into).collect();
        match read(arguments, &Environment::from(&[][..])).unwrap() {
            Invocation::Run(inputs) | Invocation::Tags(inputs, _) | Invocation::Files(inputs, _) => {
                Plan::new(&inputs.request, &inputs.credentials, &[], &Layouts::default()).unwrap()
            }
            Invocation::Print(text) => panic!("{text}"),
        }
    }

    #[test]
    fn parts_are_read_and_numbers_that_are_none_are_told() {
        for (text, shown) in [("1/4", "1/4"), ("4/4", "4/4"), ("0/4", "4/4"), (" 2 / 3 ", "2/3"), ("1/1", "1/1")] {
            assert_eq!(Shard::parse(text).map(|shard| shard.to_string()).as_deref(), Ok(shown), "{text}");
        }
        for text in ["5/4", "1", "1/0", "a/b", "-1/4", "1/4/4", ""] {
            assert!(Shard::parse(text).unwrap_err().contains("is not `I/N`"), "{text}");
        }
        assert!(Shard::parse("1/1000").unwrap_err().contains("more than 256 parts"));
    }

    #[test]
    fn every_image_is_in_one_part_and_the_parts_are_equally_large() {
        // Sizes differ by variant, as they do in the wild.
        let variants = [("", 70_000_000_u64), ("-alpine", 20_000_000), ("-perl", 90_000_000), ("-slim", 12_000_000)];
        let mut sources = Vec::new();
        for repository in ["nginx", "redis", "quay.io/a/b"] {
            for (variant, size) in variants {
                sources
                    .extend((0..37).map(|patch| (format!("{repository}:1.{patch}{variant}"), size + patch * 10_000)));
            }
        }
        let names: Vec<String> = sources.iter().map(|(name, _)| name.clone()).collect();
        let plan = plan(&names);
        let total: u64 = sources.iter().map(|(_, size)| size).sum();
        for of in [2, 3, 4, 7] {
            let mut times = vec![0; plan.jobs.len()];
            for index in 1..=of {
                let shard = Shard::parse(&format!("{index}/{of}")).unwrap();
                let has = shard.has(&plan.jobs);
                // Both targets of a source.
                assert!(has.chunks(2).all(|pair| pair[0] == pair[1]), "{shard}");
                let bytes: u64 =
                    sources.iter().zip(has.chunks(2)).filter(|(_, has)| has[0]).map(|((_, size), _)| size).sum();
                let even = total / of;
                assert!(bytes.abs_diff(even) * 10 < even, "{shard}: {bytes} of {even}");
                times.iter_mut().zip(has).for_each(|(times, has)| *times += usize::from(has));
            }
            assert!(times.iter().all(|times| *times == 1), "{of}");
        }
        // In whatever order they are listed.
        let mut reversed = plan.jobs.clone();
        reversed.reverse();
        let shard = Shard::parse("2/4").unwrap();
        let mut of_reversed = shard.has(&reversed);
        of_reversed.reverse();
        assert_eq!(of_reversed, shard.has(&plan.jobs));
    }

    #[test]
    fn as_many_parts_are_proposed_as_the_work_is_worth() {
        for (bytes, images, of) in
            [(0, 0, 1), (1, 1, 1), (1 << 40, 3, 3), (1 << 40, 1_000, 20), (1, 250, 3), (9 << 30, 50, 3)]
        {
            let proposed: Vec<String> = Shard::proposed(bytes, images).iter().map(ToString::to_string).collect();
            assert_eq!(proposed.len(), of, "{bytes} {images}");
            assert_eq!(proposed[of - 1], format!("{of}/{of}"));
        }
    }
}
