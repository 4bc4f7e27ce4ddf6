//! When an image was made, as it says itself.
//!
//! Owns where that is: in the config of an image; of an index in that of its first image. What an image says is its builder's
//! word: its tag may have got it at any time since.

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::error::Error;
use crate::oci::manifest::{Content, Manifest};
use crate::store::content::TagOrDigest;
use crate::store::{Source, StoredBlob};

/// The largest config that is read, in bytes.
const LARGEST_CONFIG: u64 = 4 * 1024 * 1024;

/// When the image `root` of `source` was made; none where it does not say.
pub async fn of(source: &Source, root: &Manifest) -> Result<Option<SystemTime>, Error> {
    if !root.is_index() {
        return of_image(source, root).await;
    }
    let first = root.children().find(|entry| !entry.is_attestation()).map(|entry| entry.digest.clone());
    let Some(first) = first else { return Ok(None) };
    let image = source.get_manifest(TagOrDigest::Digest(&first)).await?;
    of_image(source, &image).await
}

async fn of_image(source: &Source, image: &Manifest) -> Result<Option<SystemTime>, Error> {
    let Content::Image { config: Some(config), .. } = &image.content else { return Ok(None) };
    if !image.is_container() {
        return Ok(None);
    }
    let bytes = StoredBlob { store: source, descriptor: config }.bytes(LARGEST_CONFIG).await?;
    Ok(created(&bytes))
}

/// What a config says. The zero times of reproducible builds say nothing: year 1, the beginning of 1970, and the 1980 of zip.
fn created(config: &[u8]) -> Option<SystemTime> {
    #[derive(Deserialize)]
    struct Config {
        created: Option<String>,
    }
    const FIRST: Duration = Duration::from_secs(366 * 24 * 60 * 60 * 11);
    let config: Config = serde_json::from_slice(config).ok()?;
    let time = rfc3339(&config.created?)?;
    (time > SystemTime::UNIX_EPOCH + FIRST).then_some(time)
}

/// The first second that RFC 3339 has no words for.
const YEAR_10000: Duration = Duration::from_secs(253_402_300_800);

/// A time as RFC 3339 has it, with an offset or without; to the second.
fn rfc3339(text: &str) -> Option<SystemTime> {
    let (date_time, offset) =
        match text.char_indices().skip(19).find(|(_, letter)| matches!(letter, 'Z' | 'z' | '+' | '-')) {
            Some((at, _)) => text.split_at(at),
            None => return None,
        };
    let whole = humantime::parse_rfc3339_weak(date_time.get(..19)?).ok()?;
    let minutes = match offset.strip_prefix(['+', '-']) {
        None => 0,
        Some(offset_text) => {
            let (hours, minutes) = offset_text.split_once(':')?;
            let below = |text: &str, most: u64| text.parse::<u64>().ok().filter(|number| *number < most);
            below(hours, 24)? * 60 + below(minutes, 60)?
        }
    };
    let offset_time = Duration::from_secs(minutes * 60);
    let time = if offset.starts_with('+') { whole.checked_sub(offset_time) } else { whole.checked_add(offset_time) };
    // A year of five digits is no RFC 3339, and cannot be written as one again.
    time.filter(|time| *time < SystemTime::UNIX_EPOCH + YEAR_10000)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::created;

    #[test]
    fn the_time_of_a_config_is_read_and_a_zero_time_is_none() {
        let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        for (created_text, time) in [
            ("2024-01-02T03:04:05Z", at(1_704_164_645)),
            ("2024-01-02T03:04:05.123456789Z", at(1_704_164_645)),
            ("2024-01-02T05:04:05+02:00", at(1_704_164_645)),
            ("2024-01-01T22:04:05.1-05:00", at(1_704_164_645)),
            ("0001-01-01T00:00:00Z", None),
            ("1970-01-01T00:00:00Z", None),
            ("1970-01-01T00:00:01Z", None),
            ("1980-01-01T00:00:01Z", None),
            ("yesterday", None),
            ("2024-01-02", None),
            ("9999-12-31T23:59:59-01:00", None),
            ("2024-01-02T03:04:05-00:99999999999999", None),
            ("2024-01-02T03:04:05-00:18446744073709551615", None),
        ] {
            let config = format!(r#"{{"created":"{created_text}"}}"#);
            assert_eq!(created(config.as_bytes()), time, "{created_text}");
        }
        assert_eq!(created(b"{}"), None);
        assert_eq!(created(b"[]"), None);
    }
}
