//! One round: random steps, then what must be true in the end.

use crate::caller::{self, SPENDERS, spender_id};
use crate::change::{change, until_all};
use crate::checks;
use crate::cluster::{Cluster, NODES};
use crate::figures::Figures;
use crate::kind::Kind;
use crate::postgres::Template;
use crate::random::Random;
use crate::support::within;
use crate::{PEOPLE, faults};

/// Steps of a round.
const STEPS: usize = 25;

/// The state of a person, as far as the commands told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Blocked,
    Free,
    /// A change failed, and may have happened.
    Unclear,
}

pub(crate) async fn run(kind: Kind, template: Option<&Template>, random: &mut Random, figures: &mut Figures) {
    let mut cluster = Cluster::start(kind, template).await;
    let mut callers = caller::start_all(&cluster.board);
    let mut known = [Known::Free; PEOPLE];
    for _ in 0..STEPS {
        match random.below(12) {
            0..=5 => change(&mut cluster, random, &mut known, figures).await,
            6 => {
                figures.kills += 1;
                cluster.kill(random.below(NODES));
            }
            7 | 8 => cluster.start_node(random.below(NODES)).await,
            9 => {
                figures.outages += 1;
                faults::take_away(&mut cluster, random);
            }
            10 => faults::bring_back(&mut cluster).await,
            _ => {
                figures.old_copies += 1;
                faults::go_back(&mut cluster, random).await;
            }
        }
        cluster.board.assert_fine();
    }
    cluster.start_everything().await;
    for (person, known) in known.into_iter().enumerate().filter(|(_, known)| *known != Known::Unclear) {
        until_all(&cluster, person, known == Known::Blocked).await;
        figures.checks += NODES;
    }
    until_budgets_are_spent(&cluster).await;
    if kind == Kind::RedisGoesBack {
        faults::go_back(&mut cluster, random).await;
        until_budgets_are_spent(&cluster).await;
    }
    cluster.board.stop();
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    cluster.board.assert_fine();
    checks::no_row_is_missing(&cluster).await;
    checks::budgets_hold(&cluster, figures);
    let seen = cluster.board.seen();
    figures.requests += seen.requests;
    figures.finished += seen.finished.len();
    figures.blocked += seen.blocked;
    figures.over_budget += seen.over_budget.values().sum::<usize>();
    figures.to_enforce = figures.to_enforce.max(seen.to_enforce);
}

/// Waits until a budget has refused each spender from now on, twice: one refusal may be older.
async fn until_budgets_are_spent(cluster: &Cluster) {
    let refused = |spender| cluster.board.seen().over_budget.get(&spender_id(spender)).copied().unwrap_or_default();
    for spender in 0..SPENDERS {
        let before = refused(spender);
        let wait = async {
            while refused(spender) < before + 2 {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        within(&format!("the end of the budget of spender {spender}"), wait).await;
    }
}
