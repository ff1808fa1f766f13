//! A timer whose deadline is cheap to postpone.
//!
//! Resetting a tokio timer takes a lock and a walk through its wheel, and the deadlines here move with every request.
//! So a later deadline leaves the timer armed for the earlier one. When the timer fires early, it is reset to the
//! deadline then in force.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// One timer, allocated on first use.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Returns `Ready` once `deadline` has passed; otherwise wakes the task at the deadline.
    pub(super) fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    /// Wakes the task at least once per `period`. Used while the deadline is unknown but at least `period` away.
    pub(super) fn beat(&mut self, cx: &mut Context<'_>, period: Duration) {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + period)));
        while sleep.as_mut().poll(cx).is_ready() {
            sleep.as_mut().reset(Instant::now() + period);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn it_fires_at_a_deadline_that_was_moved_later_or_earlier() {
        let start = Instant::now();
        let mut alarm = Alarm::default();
        let waiting = poll_fn(|cx| Poll::Ready(alarm.poll_until(cx, start + 5 * SECOND).is_pending())).await;
        assert!(waiting);
        poll_fn(|cx| alarm.poll_until(cx, start + 9 * SECOND)).await;
        assert_eq!(start.elapsed().as_secs(), 9, "moved later");
        assert!(poll_fn(|cx| Poll::Ready(alarm.poll_until(cx, start + 60 * SECOND).is_pending())).await);
        poll_fn(|cx| alarm.poll_until(cx, start + 12 * SECOND)).await;
        assert_eq!(start.elapsed().as_secs(), 12, "moved earlier");
    }

    #[tokio::test(start_paused = true)]
    async fn a_beat_wakes_the_task_once_per_period() {
        let start = Instant::now();
        let mut alarm = Alarm::default();
        let mut polls = 0;
        poll_fn(|cx| {
            alarm.beat(cx, SECOND);
            polls += 1;
            if polls == 4 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        assert_eq!(start.elapsed().as_secs(), 3);
    }
}
