//! Where the server's log goes: standard error, or files and the Event Log of a service.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, Layer, Registry, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{LogConfig, LogFormat};

/// A part of what is logged goes here.
type Sink = Box<dyn Layer<Registry> + Send + Sync>;

/// Logs to standard error, from now until the process ends.
pub fn to_stderr(config: &LogConfig) {
    let colour =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    start(config, lines(config, colour, io::stderr), None);
}

/// Logs to a file a day in this folder, of which the newest 14 are kept, and to the Event Log. What is logged
/// when the returned guard is gone, is lost.
#[cfg(windows)]
pub fn to_folder(
    config: &LogConfig,
    folder: &std::path::Path,
    events: super::service::EventLayer,
) -> Result<impl Sized + use<>, super::exit::Failure> {
    use tracing_appender::{
        non_blocking::NonBlockingBuilder,
        rolling::{RollingFileAppender, Rotation},
    };
    let failure = |error: &dyn std::fmt::Display| {
        super::exit::Failure::running(&format!("no log can be kept in {}", folder.display()), error)
    };
    // Or the appender complains to standard error, which a service has not.
    std::fs::create_dir_all(folder).map_err(|error| failure(&error))?;
    let file = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("chat-server")
        .filename_suffix("log")
        .max_log_files(14)
        .build(folder)
        .map_err(|error| failure(&error))?;
    // A slow disk loses lines of the log, never the time of those who chat.
    let (writer, guard) = NonBlockingBuilder::default().lossy(true).thread_name("log").finish(file);
    start(config, lines(config, false, writer), Some(Box::new(events)));
    Ok(guard)
}

fn lines<W>(config: &LogConfig, colour: bool, writer: W) -> Sink
where
    W: for<'w> tracing_subscriber::fmt::MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colour).with_target(false);
    match config.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    }
}

/// Logs every panic from now on, and tells it to `also`: it is a defect, and the only trace of it.
pub fn tell_panics(also: impl Fn(&std::panic::PanicHookInfo<'_>) + Send + Sync + 'static) {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!(event = "panic", %panic, "a part of the server failed");
        also(panic);
        default(panic);
    }));
}

fn start(config: &LogConfig, lines: Sink, events: Option<Sink>) {
    // The settings were checked, level included. A log that is already there stays.
    let filter = EnvFilter::new(&config.level);
    let _ = tracing_subscriber::registry().with(lines.and_then(events).with_filter(filter)).try_init();
}

#[cfg(test)]
mod tests {
    use std::{
        panic::catch_unwind,
        sync::{Arc, Mutex},
    };

    use super::*;
    use crate::config::Config;

    #[test]
    fn a_panic_is_logged_and_told() {
        let (log, told) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(String::new())));
        let also = Arc::clone(&told);
        tell_panics(move |panic| also.lock().expect("whole").push_str(&panic.to_string()));
        let writer = Mutex::new(SharedLog(Arc::clone(&log)));
        let subscriber = tracing_subscriber::registry().with(lines(&Config::default().log, false, writer));
        let caught = tracing::subscriber::with_default(subscriber, || catch_unwind(|| panic!("impossible")));
        assert!(caught.is_err());
        let log = String::from_utf8(log.lock().expect("whole").clone()).expect("text");
        assert!(log.contains(r#"event="panic""#) && log.contains("impossible"), "{log}");
        assert!(told.lock().expect("whole").contains("impossible"));
    }

    struct SharedLog(Arc<Mutex<Vec<u8>>>);

    impl io::Write for SharedLog {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("whole").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
