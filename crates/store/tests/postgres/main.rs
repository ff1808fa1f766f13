//! The ledger's promises on PostgreSQL. `tests/external/postgres.sh` starts a server and runs this program with the
//! server's URL, as a superuser, in `LEDGER_TEST_POSTGRES`. Each promise gets its own database.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking and prints progress")]

#[path = "../ledger/suite/mod.rs"]
mod suite;

use callsign_core::secret::Secret;
use callsign_store::ledger::settings::Store;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

use suite::place::Place;

#[expect(clippy::disallowed_methods, reason = "the script passes the server's URL")]
fn server() -> String {
    std::env::var("LEDGER_TEST_POSTGRES").expect("LEDGER_TEST_POSTGRES is not set; run tests/external/postgres.sh")
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let server = server();
    for (number, (name, promise)) in suite::ALL.iter().enumerate() {
        let mut connection = PgConnection::connect(&format!("{server}/postgres")).await.unwrap();
        connection.execute(AssertSqlSafe(format!("CREATE DATABASE ledger_{number}"))).await.unwrap();
        connection.close().await.unwrap();
        promise(Place::new(Some(Store::Postgres(Secret::new(format!("{server}/ledger_{number}")))))).await;
        println!("ok {name}");
    }
    println!("{} promises kept on PostgreSQL", suite::ALL.len());
}
