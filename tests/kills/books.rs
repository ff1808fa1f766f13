//! Reads the ledger's file with plain SQL, independently of callsign's reader.

use std::collections::HashMap;
use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};

/// The rows of the ledger by message, and its totals.
pub(crate) struct Books {
    /// The number of rows of each message.
    rows: HashMap<String, usize>,
    /// Requests, refusals and nano-dollars in all rows, and in the sums of each width.
    counted: [(i64, i64, i64); 5],
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
        let mut counted = [(0, 0, 0); 5];
        // Refusals (ending 3) went nowhere, except after a timeout of the upstream.
        let of_rows = "SELECT COALESCE(SUM(CASE WHEN sent THEN 1 ELSE 0 END), 0), \
                    COALESCE(SUM(CASE WHEN sent THEN 0 ELSE count END), 0), COALESCE(SUM(cost), 0) FROM \
                    (SELECT (ending <> 3 OR error = 'upstream_timeout') AS sent, count, cost FROM requests \
                    WHERE ending IS NOT NULL)";
        let sums = (0..4).map(|grain| {
            format!(
                "SELECT COALESCE(SUM(requests), 0), COALESCE(SUM(refused), 0), COALESCE(SUM(cost), 0) FROM sums \
                 WHERE grain = {grain} \
                 OR ({grain} <> 0 AND grain = 0 AND bucket_us >= (SELECT folded_us FROM state))"
            )
        });
        for (count, query) in counted.iter_mut().zip(std::iter::once(of_rows.to_owned()).chain(sums)) {
            let row = sqlx::query(AssertSqlSafe(query)).fetch_one(&mut connection).await.unwrap();
            *count = (row.get(0), row.get(1), row.get(2));
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
        let [rows, sums @ ..] = self.counted;
        assert_eq!(sums, [rows; 4], "requests, refusals and nano-dollars of the sums of each width, and of the rows");
    }
}
