//! Reads the ledger's file with plain SQL, independently of callsign's reader.

use std::collections::HashMap;
use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row};

/// The rows of the ledger by message, and its totals.
pub(crate) struct Books {
    /// The number of rows of each message.
    rows: HashMap<String, usize>,
    /// Requests and nano-dollars in all rows, and in all sums.
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
        // Refusals (ending 3) are not counted; every other row is counted once per grain. Grain 2 is a month.
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

    /// Returns the number of surplus rows of messages with several rows.
    pub(crate) fn twice(&self) -> usize {
        self.rows.values().map(|count| count - 1).sum()
    }

    pub(crate) fn assert_sums(&self) {
        let [rows, sums] = self.counted;
        assert_eq!(rows, sums, "requests and nano-dollars of the rows, and of the sums");
    }
}
