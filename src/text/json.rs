//! Data as one line of JSON.

use serde::Serialize;

/// JSON that cannot fail: for data without maps of odd keys and without foreign `Serialize`.
pub fn to_line<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}
