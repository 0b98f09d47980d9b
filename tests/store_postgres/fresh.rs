//! A PostgreSQL database of a test's own.

use std::sync::{
    LazyLock,
    atomic::{AtomicU32, Ordering},
};

use iocp_chat::store::Place;
use sqlx::{Connection as _, PgConnection, raw_sql};

use crate::server::Server;

/// One server for all, as starting one takes seconds. It ends with this process, whose end of a pipe it holds.
pub static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

/// A database of a test's own.
pub struct Fresh {
    /// Where it is.
    pub place: Place,
    url: String,
}

/// A database of a test's own, on the server that all share.
pub async fn fresh() -> Fresh {
    fresh_on(&SERVER, "UTF8").await
}

/// One on this server, in this encoding.
pub async fn fresh_on(server: &Server, encoding: &str) -> Fresh {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("chat{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let mut connection = PgConnection::connect(&server.url("postgres")).await.expect("it listens");
    let create = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}'");
    raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut connection).await.expect("a database");
    connection.close().await.expect("closed");
    let url = server.url(&name);
    Fresh { place: Place::postgres(&url).expect("a place"), url }
}

impl Fresh {
    /// What a process of its own finds it by.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Somebody who knows SQL and not the store.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.expect("it listens")
    }
}
