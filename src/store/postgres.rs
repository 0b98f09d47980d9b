//! What only PostgreSQL needs: what a connection is told first, and a look at what we rely on.

use std::pin::Pin;

use sqlx::{AnyConnection, Executor as _, Row as _, pool::PoolConnectionMetadata, query};

use super::StoreError;

/// A commit returns when the disk has it, whatever the server's default; a statement ends before its asker gives up
/// ([`ANSWER_TIMEOUT`](super::ANSWER_TIMEOUT)); what a server that is gone has begun holds nobody up for long.
const SETTINGS: &str = "
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
    SET statement_timeout = '8s';
    SET idle_in_transaction_session_timeout = '15s';
";

const READ_ALL: &str = "
    DO $$ DECLARE name regclass; bytes bigint; BEGIN
        FOR name IN SELECT oid FROM pg_class
            WHERE relkind = 'r' AND relnamespace =
                (SELECT relnamespace FROM pg_class WHERE oid = 'schema_versions'::regclass) LOOP
            EXECUTE format('SELECT sum(length(line::text)) FROM %s AS line', name) INTO bytes;
        END LOOP;
    END $$";

/// Tells a new connection of a pool its settings.
pub fn after_connect(
    connection: &mut AnyConnection,
    _: PoolConnectionMetadata,
) -> Pin<Box<dyn Future<Output = sqlx::Result<()>> + Send + '_>> {
    Box::pin(async move { connection.execute(SETTINGS).await.map(drop) })
}

/// Refuses a database that cannot hold every name, or would damage those it cannot.
pub async fn check_ours(connection: &mut AnyConnection) -> Result<(), StoreError> {
    let row = query("SELECT current_setting('server_encoding')").fetch_one(connection).await?;
    let encoding: String = row.try_get(0)?;
    if encoding == "UTF8" {
        Ok(())
    } else {
        Err(StoreError::Unusable(format!("the PostgreSQL database is in {encoding}, and must be in UTF8")))
    }
}

/// Reads every row, of whatever tables its version has. Whether PostgreSQL's own files are whole, its `pg_amcheck`
/// tells.
pub async fn check(connection: &mut AnyConnection) -> Result<(), StoreError> {
    connection.execute(READ_ALL).await?;
    Ok(())
}
