//! What the admin's HTTP answers to a request.

use std::net::IpAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS},
    http::uri::Authority,
};
use serde_json::{Value, json};

use super::{LIVE, READY};
use crate::{
    host::ctl,
    metrics,
    server::{NotReady, OfHost, Operator},
};

/// The name of this machine, beside its loopback addresses.
const LOCALHOST: &str = "localhost";

/// Answers a request for one of the four pages there are.
pub async fn answer<B>(request: &Request<B>, operator: &Operator, host: OfHost) -> Response<Full<Bytes>> {
    if let Err(status) = check_host(request) {
        return plain(status, "this is told to programs on this machine: ask by a loopback address\n");
    }
    let path = request.uri().path();
    if !matches!(path, "/metrics" | LIVE | READY | "/statusz") {
        return plain(
            StatusCode::NOT_FOUND,
            "there are /metrics, /healthz/live, /healthz/ready and /statusz\n",
        );
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n");
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match path {
        LIVE => live(operator.is_live()),
        READY => ready(&operator.not_ready()),
        "/statusz" => page(StatusCode::OK, JSON, line(&status_of(operator).await)),
        _ => page(StatusCode::OK, metrics::CONTENT_TYPE, metrics::text(operator.scrape(host).await)),
    }
}

const JSON: &str = "application/json";

fn live(live: bool) -> Response<Full<Bytes>> {
    page(status(live), JSON, line(&json!({ "live": live })))
}

fn ready(reasons: &[NotReady]) -> Response<Full<Bytes>> {
    let reasons: Vec<_> = reasons.iter().map(|reason| reason.word()).collect();
    let ready = reasons.is_empty();
    page(status(ready), JSON, line(&json!({ "ready": ready, "reasons": reasons })))
}

/// As `ctl status --json` tells it, but for who it is that reads slowest: any program on this machine may ask.
async fn status_of(operator: &Operator) -> Value {
    let mut record = ctl::status_record(&operator.status().await);
    record["slowest"] = record["slowest"].get("lines").map_or(Value::Null, |lines| json!({ "lines": lines }));
    record
}

fn status(well: bool) -> StatusCode {
    if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// Whether a request is for this machine by one of its own names. A page of somebody else's, whose name leads here, is
/// read by a browser as if it were that name's: it is told nothing (DNS rebinding).
fn check_host<B>(request: &Request<B>) -> Result<(), StatusCode> {
    let mut named = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (named.next(), named.next()) else { return Err(StatusCode::BAD_REQUEST) };
    let host = match request.uri().authority() {
        // A target that names a host itself goes before the field (RFC 9112, 3.2.2).
        Some(target) => target.clone(),
        None => Authority::try_from(host.as_bytes()).map_err(|_| StatusCode::BAD_REQUEST)?,
    };
    let name = host.host().trim_start_matches('[').trim_end_matches(']');
    let loopback = name.parse().is_ok_and(|address: IpAddr| address.to_canonical().is_loopback());
    if loopback || name.eq_ignore_ascii_case(LOCALHOST) {
        Ok(())
    } else {
        Err(StatusCode::MISDIRECTED_REQUEST)
    }
}

fn line(record: &Value) -> String {
    record.to_string() + "\n"
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    page(status, "text/plain; charset=utf-8", text.into())
}

fn page(status: StatusCode, content_type: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let fields: [(HeaderName, &'static str); 3] =
        [(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    for (name, value) in fields {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::{config::Config, server::Server};

    fn asked(method: &Method, path: &str, host: Option<&str>) -> Request<()> {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        request.body(()).expect("a request")
    }

    async fn told(server: &Server, request: &Request<()>) -> (u16, String) {
        let response = answer(request, server.operator(), OfHost::default()).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.expect("it is whole").to_bytes();
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    async fn get(server: &Server, path: &str) -> (u16, String) {
        told(server, &asked(&Method::GET, path, Some("127.0.0.1:11090"))).await
    }

    fn server() -> Server {
        Server::start(&Config::default(), Vec::new(), None).expect("a server without sockets starts")
    }

    #[tokio::test]
    async fn only_this_machines_own_names_lead_here() {
        let server = server();
        for host in ["localhost", "LocalHost:11090", "127.0.0.1", "127.1.2.3:1", "[::1]:11090"] {
            assert_eq!(told(&server, &asked(&Method::GET, LIVE, Some(host))).await.0, 200, "{host}");
        }
        for host in
            ["chat.example", "localhost.example:11090", "127.0.0.1.example", "192.0.2.1", "0.0.0.0", "[::]"]
        {
            assert_eq!(told(&server, &asked(&Method::GET, LIVE, Some(host))).await.0, 421, "{host}");
        }
        for host in [None, Some(""), Some("a b"), Some("[::1")] {
            assert_eq!(told(&server, &asked(&Method::GET, LIVE, host)).await.0, 400, "{host:?}");
        }
        for (target, status) in [("http://localhost:11090", 200), ("http://rebound.example", 421)] {
            let request = asked(&Method::GET, &format!("{target}{LIVE}"), Some("localhost"));
            assert_eq!(told(&server, &request).await.0, status, "{target}");
        }
        let mut twice = asked(&Method::GET, LIVE, Some("localhost"));
        twice.headers_mut().append(HOST, HeaderValue::from_static("localhost"));
        assert_eq!(told(&server, &twice).await.0, 400, "which of the two?");
    }

    #[tokio::test]
    async fn there_are_four_pages_to_read() {
        let server = server();
        assert_eq!(get(&server, LIVE).await, (200, "{\"live\":true}\n".into()));
        assert_eq!(get(&server, READY).await, (200, "{\"ready\":true,\"reasons\":[]}\n".into()));
        let (status, page) = get(&server, "/statusz").await;
        let record: Value = serde_json::from_str(&page).expect("JSON");
        assert_eq!((status, &record["state"], &record["sessions"]), (200, &"open".into(), &0.into()));
        assert!(get(&server, "/metrics?all").await.1.contains("chat_rooms 0\n"));
        for path in ["/", "/metrics/", "/healthz", "/debug", "/../metrics"] {
            assert_eq!(get(&server, path).await.0, 404, "{path}");
        }
        for method in [Method::POST, Method::DELETE, Method::OPTIONS] {
            let response =
                answer(&asked(&method, "/metrics", Some("[::1]")), server.operator(), OfHost::default())
                    .await;
            assert_eq!(
                (response.status().as_u16(), &response.headers()[ALLOW]),
                (405, &"GET, HEAD".parse().expect("a value"))
            );
        }
    }

    #[tokio::test]
    async fn a_draining_server_lives_and_is_not_ready() {
        let server = server();
        server.operator().drain(true);
        assert_eq!(get(&server, LIVE).await.0, 200);
        assert_eq!(get(&server, READY).await, (503, "{\"ready\":false,\"reasons\":[\"draining\"]}\n".into()));
        server.operator().drain(false);
        assert_eq!(get(&server, READY).await.0, 200);
    }
}
