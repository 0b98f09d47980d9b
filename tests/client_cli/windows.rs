//! Arguments as Windows gives them: UTF-16 that may be broken.

use std::{ffi::OsString, os::windows::ffi::OsStringExt};

use super::endings::not_text_is_a_usage_error;

#[test]
fn half_a_surrogate_pair_in_an_argument_or_a_variable_is_a_usage_error() {
    not_text_is_a_usage_error(&OsString::from_wide(&[0x6b, 0x69, 0x6d, 0xd83d]));
}
