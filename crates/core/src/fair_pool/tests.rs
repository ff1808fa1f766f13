use proptest::prelude::*;

use super::*;

fn pool(capacity: u64) -> Arc<FairPool> {
    FairPool::new(capacity, RandomState::new())
}

/// Takes single units until the pool refuses.
fn greedy(pool: &Arc<FairPool>, who: &str, alone: u64) -> (FairShare, PoolError) {
    let mut share = pool.share(who, alone);
    loop {
        if let Err(error) = share.grow(1) {
            return (share, error);
        }
    }
}

#[test]
fn each_greedy_holder_leaves_its_part_of_what_is_free() {
    for (capacity, alone, expected) in [
        (16, 8, [8, 4, 2, 1]),
        (16, 12, [12, 3, 1, 0]),
        (4096, 512, [512, 448, 392, 343]),
        (4, 4, [4, 0, 0, 0]),
        (1, 1, [1, 0, 0, 0]),
    ] {
        let pool = pool(capacity);
        let shares = ["ada", "bob", "eve", "dan"].map(|who| greedy(&pool, who, alone));
        assert_eq!(shares.each_ref().map(|(share, _)| share.units()), expected, "{capacity} {alone}");
        assert_eq!(pool.used(), expected.iter().sum::<u64>());
        drop(shares);
        assert_eq!((pool.used(), pool.holders()), (0, 0));
    }
}

#[test]
fn a_holder_with_its_share_hears_so_and_another_hears_that_the_pool_is_full() {
    let pool = pool(2);
    let (ada, refused) = greedy(&pool, "ada", 2);
    assert_eq!((ada.units(), refused), (2, PoolError::Share));
    assert_eq!(greedy(&pool, "bob", 2).1, PoolError::Full);
    assert!(!ada.has_room(1) && ada.has_room(0));
    drop(ada);
    assert_eq!(pool.take("bob", 1, 3).unwrap_err(), PoolError::Full);
    assert_eq!(pool.take("bob", 1, 2).unwrap().units(), 2, "a holder without units gets what is free");
}

#[test]
fn shares_of_one_holder_count_together() {
    let pool = pool(10);
    let mut one = pool.take("ada", 5, 3).unwrap();
    let mut other = one.sibling();
    assert_eq!((other.grow(3), other.grow(2)), (Err(PoolError::Share), Ok(())));
    one.shrink(u64::MAX);
    one.shrink(1);
    assert_eq!((one.units(), other.units(), pool.used()), (0, 2, 2));
    assert!(other.grow(u64::MAX).is_err(), "no overflow");
    assert_eq!(other.grow(3), Ok(()));
}

#[test]
fn threads_neither_exceed_the_capacity_nor_lose_a_unit() {
    let pool = pool(3);
    let most = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for who in ["ada", "ada", "bob", "bob"] {
            let (pool, most) = (&pool, &most);
            scope.spawn(move || {
                for _ in 0..20_000 {
                    let _share = pool.take(who, 2, 1);
                    most.fetch_max(pool.used(), Ordering::Relaxed);
                }
            });
        }
    });
    assert!(most.into_inner() <= 3);
    assert_eq!((pool.used(), pool.holders()), (0, 0));
}

#[derive(Clone, Debug)]
enum Step {
    Take { who: usize, units: u64 },
    Shrink { who: usize, units: u64 },
    Leave { who: usize },
}

fn steps(holders: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..holders, 1..40_u64).prop_map(|(who, units)| Step::Take { who, units }),
        2 => (0..holders, 1..40_u64).prop_map(|(who, units)| Step::Shrink { who, units }),
        1 => (0..holders).prop_map(|who| Step::Leave { who }),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    /// Whatever `k` holders do, they leave the promised part free, apart from their first units, which need no share; and
    /// a holder without units gets what is free.
    #[test]
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn others_always_get_in(
        steps in steps(5),
        capacity in 100..2000_u64,
        quarters in 1..4_u64,
    ) {
        let alone = capacity * quarters / 4;
        let pool = pool(capacity);
        let mut shares: Vec<_> = (0..5).map(|who| pool.share(who, alone)).collect();
        // First units that exceeded the share.
        let mut exempt = [0_u64; 5];
        for step in steps {
            match step {
                Step::Take { who, units } => {
                    let (before, free) = (shares[who].units(), capacity - pool.used());
                    let taken = shares[who].grow(units).is_ok();
                    if before == 0 {
                        prop_assert_eq!(taken, units <= free, "a holder without units gets what is free");
                        exempt[who] = if taken { units } else { 0 };
                    }
                    if taken && before > 0 {
                        let (held, free) = (before + units, free - units);
                        prop_assert!(held <= alone && held * (capacity - alone) <= alone * free);
                    }
                }
                Step::Shrink { who, units } => shares[who].shrink(units),
                Step::Leave { who } => shares[who].shrink(u64::MAX),
            }
            let held: u64 = shares.iter().map(FairShare::units).sum();
            prop_assert_eq!(pool.used(), held);
            prop_assert!(held <= capacity);
            let holders = shares.iter().filter(|share| share.units() > 0).count();
            prop_assert_eq!(pool.holders(), holders);
            let promised = (0..holders).fold(capacity as f64, |free, _| free * (capacity - alone) as f64 / capacity as f64);
            let exempted: u64 = exempt.iter().sum();
            prop_assert!((capacity - held + exempted) as f64 + 1e-6 >= promised, "{held} of {capacity}");
        }
    }
}
