//! Every counter of a server, under the name it is told by.

use super::{Family, Histogram, Metrics, StoreMetrics};

impl Metrics {
    /// All of them. What each means, `docs/METRICS.md` says at more length.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        [self.coming_and_going(), self.lines(), self.history(), self.tls_and_config()].concat()
    }

    fn coming_and_going(&self) -> Vec<Family> {
        vec![
            Family::counter_by(
                "chat_connections_accepted_total",
                "Connections accepted, those that were turned away among them.",
                &self.accepted,
            ),
            Family::counter("chat_accept_errors_total", "Errors of accept().", &self.accept_errors),
            Family::counter_by(
                "chat_disconnects_total",
                "Connections that have ended, by why.",
                &self.disconnects,
            ),
            Family::counter(
                "chat_connections_cut_total",
                "Connections that were due a goodbye and did not take it.",
                &self.cut,
            ),
            Family::counter_by(
                "chat_rejects_total",
                "Requests and connections refused, by the code of the protocol.",
                &self.rejects,
            ),
            Family::counter(
                "chat_logins_total",
                "Sessions signed in, resumed ones among them.",
                &self.logins,
            ),
            Family::counter_by(
                "chat_auth_attempts_total",
                "Attempts to come in, by how and what came of them.",
                &self.auth_attempts,
            ),
            Family::counter_by(
                "chat_resume_attempts_total",
                "Sessions that were to go on by another connection, by what came of it.",
                &self.resume_attempts,
            ),
            Family::counter_by(
                "chat_rate_limited_total",
                "Packets and connections refused because they came too fast.",
                &self.rate_limited,
            ),
        ]
    }

    fn lines(&self) -> Vec<Family> {
        let traffic = &self.traffic;
        let mut messages =
            Family::count("chat_messages_received_total", "Packets of people who are logged in.", 0);
        messages.samples = traffic.message_samples();
        vec![
            messages,
            Family::count(
                "chat_messages_delivered_total",
                "Lines of conversations written to a socket: one line to a hundred people is a hundred.",
                traffic.delivered(),
            ),
            Family::count("chat_socket_writes_total", "Writes to the sockets of people.", traffic.writes()),
            Family::count(
                "chat_bytes_received_total",
                "Bytes read from the sockets of people.",
                traffic.bytes_received(),
            ),
            Family::count(
                "chat_bytes_sent_total",
                "Bytes written to the sockets of people.",
                traffic.bytes_sent(),
            ),
            Family::counter(
                "chat_lines_missed_total",
                "Lines that slow or returning readers were told they missed.",
                &self.missed,
            ),
            Family::counter_by(
                "chat_slow_consumers_total",
                "What readers led to that take too little.",
                &self.slow_consumers,
            ),
            Family::histogram(
                "chat_broadcast_fanout_seconds",
                "One turn of the fan-out: up to 256 commands applied, and what was said published.",
                &self.fan_out_seconds,
            ),
            Family::histogram(
                "chat_fanout_wait_seconds",
                "How long a question waits for the fan-out, asked once a second and at each scrape.",
                &self.fan_out_wait_seconds,
            ),
        ]
    }

    fn history(&self) -> Vec<Family> {
        vec![
            Family::histogram(
                "chat_history_write_seconds",
                "One batch of lines written to the history, or an attempt at it.",
                &self.history_write_seconds,
            ),
            Family::counter("chat_history_lines_total", "Lines written to the history.", &self.history_lines),
            Family::counter(
                "chat_history_gap_lines_total",
                "Lines that the history did not get, written down as a gap.",
                &self.history_gap_lines,
            ),
        ]
    }

    fn tls_and_config(&self) -> Vec<Family> {
        vec![
            Family::counter(
                "chat_tls_handshakes_total",
                "TLS handshakes that succeeded.",
                &self.tls_handshakes,
            ),
            Family::counter_by(
                "chat_tls_handshake_failures_total",
                "TLS handshakes that failed, by why.",
                &self.tls_failures,
            ),
            Family::counter(
                "chat_misdirected_connections_total",
                "Connections that spoke another protocol than the port's.",
                &self.misdirected,
            ),
            Family::of_gauge(
                "chat_tls_certificate_expiry_timestamp_seconds",
                "When the certificate expires, in seconds since 1970; 0: there is none.",
                &self.certificate_expiry,
            ),
            Family::counter(
                "chat_config_reloads_total",
                "Reloads of the configuration that took effect.",
                &self.config_reloads,
            ),
            Family::counter(
                "chat_config_reload_failures_total",
                "Reloads of the configuration that were refused, so that it stayed as it was.",
                &self.config_reload_failures,
            ),
            Family::of_gauge(
                "chat_config_last_reload_success",
                "1 if the last reload of the configuration took effect, else 0.",
                &self.config_reload_success,
            ),
            Family::of_gauge(
                "chat_config_last_reload_timestamp_seconds",
                "When the configuration last took effect, in seconds since 1970.",
                &self.config_reload_time,
            ),
        ]
    }
}

impl StoreMetrics {
    /// All of them.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        vec![
            Family::histogram("chat_db_seconds", "One statement answered by the database.", &self.seconds),
            Family::counter_by(
                "chat_db_errors_total",
                "Statements that failed, by what ailed the database.",
                &self.errors,
            ),
            Family::counter("chat_db_commits_total", "Changes committed to the database.", &self.commits),
            Family::gauge(
                "chat_db_writable",
                "1 unless the last change that was to be made could not be.",
                1 - self.write_fails.get().min(1),
            ),
        ]
    }
}

/// What is counted of hashing passwords.
#[must_use]
pub fn hashing(waiting: usize, seconds: &Histogram) -> Vec<Family> {
    vec![
        Family::gauge(
            "chat_password_hash_queue_length",
            "Passwords that are hashed or wait for it.",
            waiting as u64,
        ),
        Family::histogram("chat_password_hash_seconds", "One password hashed or compared.", seconds),
    ]
}
