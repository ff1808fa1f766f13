//! What stands in the ledger's file, read past callsign's own reader.

use std::collections::HashMap;
use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row};

/// The rows by message.
pub(crate) struct Books {
    /// How many rows each message has.
    rows: HashMap<String, usize>,
    /// Requests and nano-dollars over all rows, and over all sums.
    counted: [(i64, i64); 2],
}

impl Books {
    pub(crate) async fn read(data: &Path) -> Self {
        let options = SqliteConnectOptions::new().filename(data.join("ledger.db")).read_only(true);
        let mut connection: SqliteConnection = options.connect().await.unwrap();
        let mut rows = HashMap::new();
        let query = "SELECT message FROM requests WHERE ending = 0";
        for row in sqlx::query(query).fetch_all(&mut connection).await.unwrap() {
            *rows.entry(row.get(0)).or_default() += 1;
        }
        let mut counted = [(0, 0); 2];
        // Refused ones are no requests; every other row has been counted once in each grain. 2 is a month.
        for (count, query) in counted.iter_mut().zip([
            "SELECT COUNT(*), COALESCE(SUM(cost), 0) FROM requests WHERE ending IS NOT NULL AND ending <> 3",
            "SELECT COALESCE(SUM(requests), 0), COALESCE(SUM(cost), 0) FROM sums WHERE grain = 2",
        ]) {
            let row = sqlx::query(query).fetch_one(&mut connection).await.unwrap();
            *count = (row.get(0), row.get(1));
        }
        connection.close().await.unwrap();
        Self { rows, counted }
    }

    pub(crate) fn has(&self, message: &str) -> bool {
        self.rows.contains_key(message)
    }

    /// Rows of a message that has one already.
    pub(crate) fn twice(&self) -> usize {
        self.rows.values().map(|count| count - 1).sum()
    }

    pub(crate) fn assert_sums(&self) {
        let [rows, sums] = self.counted;
        assert_eq!(rows, sums, "requests and nano-dollars of the rows, and of the sums");
    }
}
