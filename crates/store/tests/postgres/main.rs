//! The ledger's promises on PostgreSQL. `tests/external/postgres.sh` starts a server and runs this program with the
//! server's URL, as a superuser, in `LEDGER_TEST_POSTGRES`. Each promise gets its own database.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking and prints progress")]

#[path = "../ledger/suite/mod.rs"]
mod suite;

use callsign_core::secret::Secret;
use callsign_store::ledger::settings::{Settings, Store};
use callsign_store::state::{Access, Entries, StateError, StateStore};
use parking_lot::Mutex;
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
    let mut connection = PgConnection::connect(&format!("{server}/postgres")).await.unwrap();
    connection.execute("CREATE DATABASE state").await.unwrap();
    a_database_that_went_back_gets_the_entries_back(&format!("{server}/state")).await;
    println!("ok a database that went back gets the entries of the state back");
}

fn open(url: &str, access: Access) -> (StateStore, Mutex<Entries>) {
    let place = Place::new(Some(Store::Postgres(Secret::new(url))));
    // Without a copy in the data directory.
    let settings = Settings { data_dir: None, ..place.settings };
    (StateStore::new(&settings, None, access).unwrap(), Mutex::new(Entries::new(|_| true)))
}

fn bodies(entries: &Mutex<Entries>) -> Vec<String> {
    let mut bodies: Vec<_> = entries.lock().of("block").map(|entry| entry.body.to_string()).collect();
    bodies.sort();
    bodies
}

async fn a_database_that_went_back_gets_the_entries_back(url: &str) {
    let (mut command, of_command) = open(url, Access::Command);
    let failed = command.sync(&of_command, &|_| {}).await.failed;
    assert!(matches!(failed[..], [StateError::NotPrepared(_)]), "commands never migrate: {failed:?}");
    let ((mut one, of_one), (mut two, of_two)) = (open(url, Access::Server), open(url, Access::Server));
    let first = of_one.lock().add("block", "first");
    one.sync(&of_one, &|_| {}).await;
    two.sync(&of_two, &|_| {}).await;
    two.beat("two", "two").await;
    let mut connection = PgConnection::connect(url).await.unwrap();
    let save =
        "CREATE TABLE saved AS SELECT * FROM callsign_entries; CREATE TABLE mark AS SELECT * FROM callsign_mark;";
    connection.execute(save).await.unwrap();
    of_one.lock().lift("block", first);
    of_one.lock().add("block", "second");
    let (number, _) = one.sync(&of_one, &|_| {}).await.stored.unwrap();
    assert!(one.nodes().await[0].applied < number);
    two.sync(&of_two, &|_| {}).await;
    two.beat("two", "two").await;
    assert_eq!(one.nodes().await[0].applied, number);
    let restore = "DELETE FROM callsign_entries; INSERT INTO callsign_entries SELECT * FROM saved; \
                   UPDATE callsign_mark SET number = mark.number, token = mark.token FROM mark;";
    connection.execute(restore).await.unwrap();
    command.sync(&of_command, &|_| {}).await;
    assert_eq!(bodies(&of_command), ["first"]);
    of_command.lock().add("block", "third");
    command.sync(&of_command, &|_| {}).await;
    // The old copy was changed at once, so its number is the one that the servers know.
    two.sync(&of_two, &|_| {}).await;
    for (state, entries) in [(&mut one, &of_one), (&mut command, &of_command)] {
        state.sync(entries, &|_| {}).await;
        assert_eq!(bodies(entries), ["second", "third"]);
    }
}
