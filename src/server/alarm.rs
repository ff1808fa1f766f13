//! A timer that is cheap to move into the future.
//!
//! Moving a tokio timer takes a lock and a walk through its wheel; deadlines here move with every request. So the
//! timer stays where it is, fires early, and only then is set to the deadline that counts by that time.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// One timer, allocated when it is first needed.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Ready once `deadline` has passed; wakes the task by then.
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

    /// Wakes the task at least once per `period`, for a deadline that is not known yet but at least `period` away.
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
    async fn it_fires_at_the_deadline_wherever_the_timer_stood() {
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
    async fn a_beat_wakes_and_never_ends() {
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
