//! Faults of the stores: outages, lost memory, old copies.

use std::time::Instant;

use crate::checks;
use crate::cluster::Cluster;
use crate::kind::Kind;
use crate::random::Random;

/// Kills one of the stores.
pub(crate) fn take_away(cluster: &mut Cluster, random: &mut Random) {
    match &mut cluster.postgres {
        Some(postgres) if random.below(2) == 0 => postgres.kill(),
        _ => cluster.redis.kill(),
    }
}

/// Starts the stores that were killed.
pub(crate) async fn bring_back(cluster: &mut Cluster) {
    cluster.redis.restart();
    if let Some(postgres) = &mut cluster.postgres {
        postgres.restart().await;
    }
}

/// Takes a copy of the store that goes back in this round, or starts it with the latest copy, or without data.
pub(crate) async fn go_back(cluster: &mut Cluster, random: &mut Random) {
    let mut written = Instant::now();
    if cluster.kind.has_postgres() {
        // One of the stores must know what was spent and finished. Rows may still be in a killed node's spill file.
        written = checks::until_rows_are_written(cluster).await;
    }
    let which = random.below(3);
    if cluster.kind != Kind::PostgresGoesBack {
        match which {
            0 => return cluster.redis.save(),
            1 => cluster.redis.restore(),
            _ => cluster.redis.empty(),
        }
        cluster.redis_losses += 1;
        return;
    }
    let Some(postgres) = &mut cluster.postgres else { return };
    let since = match which {
        0 => {
            cluster.postgres_copied = written;
            return postgres.save().await;
        }
        1 => {
            postgres.restore().await;
            cluster.postgres_copied
        }
        _ => {
            postgres.empty().await;
            cluster.began
        }
    };
    cluster.postgres_losses.push((since, Instant::now()));
}
