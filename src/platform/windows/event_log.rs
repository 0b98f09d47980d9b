//! Writing to the Windows Event Log.

use std::{io, ptr};

use windows_sys::Win32::{
    Foundation::HANDLE,
    System::EventLog::{
        DeregisterEventSource, EVENTLOG_ERROR_TYPE, EVENTLOG_INFORMATION_TYPE, EVENTLOG_WARNING_TYPE,
        RegisterEventSourceW, ReportEventW,
    },
};

/// Characters of one text that the Event Log takes; the rest is cut off.
/// Source: `ReportEventW`, 31,839 characters a string.
const TEXT_MAX: usize = 31_839;

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// As it should be.
    Information,
    /// Somebody should look at it some day.
    Warning,
    /// Somebody should look at it now.
    Error,
}

/// A name under which events are written.
#[derive(Debug)]
pub struct EventSource(HANDLE);

// SAFETY: the handle names a connection to the event log service, which any thread may use, also at once; it is
// made and closed once, by the one owner.
unsafe impl Send for EventSource {}
// SAFETY: as for `Send`; `ReportEventW` takes the handle by value and changes nothing behind it.
unsafe impl Sync for EventSource {}

impl EventSource {
    /// Connects to the event log of this machine. The name need not be registered: then the events are written,
    /// and shown without a text of their own.
    pub fn open(name: &str) -> io::Result<Self> {
        let name = wide(name);
        // SAFETY: the name is UTF-16 that ends in a zero and lives for the whole call; no server means this one.
        let handle = unsafe { RegisterEventSourceW(ptr::null(), name.as_ptr()) };
        if handle.is_null() { Err(io::Error::last_os_error()) } else { Ok(Self(handle)) }
    }

    /// Writes one event with one text, which is all of its message.
    pub fn report(&self, kind: EventKind, id: u32, text: &str) -> io::Result<()> {
        let kind = match kind {
            EventKind::Information => EVENTLOG_INFORMATION_TYPE,
            EventKind::Warning => EVENTLOG_WARNING_TYPE,
            EventKind::Error => EVENTLOG_ERROR_TYPE,
        };
        let text = wide(text);
        let texts = [text.as_ptr()];
        // SAFETY: the handle is open; there is one text, UTF-16 that ends in a zero, which lives with its array
        // for the whole call; there is no user and no data.
        let done =
            unsafe { ReportEventW(self.0, kind, 0, id, ptr::null_mut(), 1, 0, texts.as_ptr(), ptr::null()) };
        if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl Drop for EventSource {
    fn drop(&mut self) {
        // SAFETY: the handle is open and closed here alone. A failure leaves nothing to do.
        unsafe { DeregisterEventSource(self.0) };
    }
}

/// UTF-16 that ends at the first zero, cut to what the Event Log takes.
fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().take_while(|unit| *unit != 0).take(TEXT_MAX).chain([0]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_written_from_any_thread_whatever_its_text() {
        let source = EventSource::open("iocp-chat test").expect("everybody may write to Application");
        let long = "x".repeat(100_000);
        std::thread::scope(|threads| {
            for text in ["서버", "", "a\0b", &long] {
                let source = &source;
                threads.spawn(move || source.report(EventKind::Information, 1, text).expect("written"));
            }
        });
    }

    #[test]
    fn a_text_ends_in_a_zero_and_has_no_other() {
        assert_eq!(wide("a\0b"), [u16::from(b'a'), 0]);
        assert_eq!(wide(&"x".repeat(100_000)).len(), TEXT_MAX + 1);
    }
}
