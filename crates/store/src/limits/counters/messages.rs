//! The messages of one subject in the last 24 hours (docs/SPEC.md#messages). Each operation is O(1), amortised.

use std::collections::{HashMap, VecDeque};

use super::super::ask::Message;
use super::super::calendar::DAY_MS;
use super::log::insert;

/// The time in which messages are counted, in milliseconds.
pub(super) const WINDOW_MS: i64 = DAY_MS;

/// Time after the end of a chat's last request in which its message stays open, in milliseconds. Open WebUI asks for
/// title, tags and follow-ups after the answer has ended.
const OPEN_MS: i64 = 20_000;
/// Maximum number of requests without a message id that join a message. Open WebUI sends up to three.
const MOST_JOINED: u32 = 5;

/// A counted message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counted {
    at: i64,
    /// Its requests that run or were answered. Without any it is no message.
    requests: u32,
    /// Its requests without a message id, except the first.
    joined: u32,
}

/// The open message of a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Chat {
    mark: u64,
    running: u32,
    /// The end of its latest request.
    ended: i64,
}

/// A request's part in a message, until its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    mark: u64,
    chat: Option<u64>,
    joined: bool,
}

/// The counted messages and the open chats.
#[derive(Clone, Debug, Default)]
pub(super) struct Messages {
    /// Time and mark of each message, in order of time.
    log: VecDeque<(i64, u64)>,
    counted: HashMap<u64, Counted>,
    chats: HashMap<u64, Chat>,
    /// Chats whose last request has ended, in order of that end.
    ended: VecDeque<(i64, u64)>,
}

impl Messages {
    /// Returns messages that were stored. Their requests have ended.
    pub(super) fn stored(log: VecDeque<(i64, u64)>) -> Self {
        let counted = log.iter().map(|&(at, mark)| (mark, Counted { at, requests: 1, joined: 0 })).collect();
        Self { log, counted, ..Self::default() }
    }

    /// Returns the times and marks for storing them.
    pub(super) fn log(&self) -> &VecDeque<(i64, u64)> {
        &self.log
    }

    /// Removes what is older than 24 hours, and chats that are no longer open.
    pub(super) fn advance(&mut self, now: i64) {
        while let Some((_, mark)) = self.log.pop_front_if(|(at, _)| *at <= now - WINDOW_MS) {
            self.counted.remove(&mark);
        }
        while let Some((_, chat)) = self.ended.pop_front_if(|(at, _)| *at < now - OPEN_MS) {
            if self.chats.get(&chat).is_some_and(|chat| chat.running == 0 && chat.ended < now - OPEN_MS) {
                self.chats.remove(&chat);
            }
        }
        if self.chats.is_empty() {
            self.chats.shrink_to_fit();
        }
    }

    /// Returns the message that a request repeats or joins, and true if it joins it.
    fn known(&self, message: &Message, now: i64) -> Option<(u64, bool)> {
        if self.counted.contains_key(&message.mark) {
            return Some((message.mark, false));
        }
        let chat = self.chats.get(&message.chat.filter(|_| !message.is_named)?)?;
        let is_open = chat.running > 0 || chat.ended >= now - OPEN_MS;
        let counted = self.counted.get(&chat.mark).filter(|counted| is_open && counted.joined < MOST_JOINED);
        counted.map(|_| (chat.mark, true))
    }

    /// Returns true if the request would count as a message of its own.
    pub(super) fn is_new(&self, message: &Message, now: i64) -> bool {
        self.known(message, now).is_none()
    }

    /// Counts a request.
    pub(super) fn count(&mut self, message: &Message, now: i64) -> Part {
        let (mark, joined) = self.known(message, now).unwrap_or((message.mark, false));
        let log = &mut self.log;
        let counted = self.counted.entry(mark).or_insert_with(|| {
            insert(log, (now, mark));
            Counted { at: now, requests: 0, joined: 0 }
        });
        counted.requests += 1;
        counted.joined += u32::from(joined);
        if let Some(chat) = message.chat {
            let fresh = Chat { mark, running: 0, ended: now };
            let chat = self.chats.entry(chat).or_insert(fresh);
            if chat.mark != mark {
                *chat = fresh;
            }
            chat.running += 1;
        }
        Part { mark, chat: message.chat, joined }
    }

    /// Ends a request. One that was no message takes its mark with it, if it is the last one of its message.
    pub(super) fn end(&mut self, part: Part, is_message: bool, now: i64) {
        if let Some(chat) = part.chat
            && let Some(open) = self.chats.get_mut(&chat).filter(|open| open.mark == part.mark)
        {
            open.running = open.running.saturating_sub(1);
            open.ended = now;
            if open.running == 0 {
                self.ended.push_back((now, chat));
            }
        }
        if is_message {
            return;
        }
        let Some(counted) = self.counted.get_mut(&part.mark) else { return };
        counted.requests = counted.requests.saturating_sub(1);
        counted.joined = counted.joined.saturating_sub(u32::from(part.joined));
        if counted.requests == 0 {
            let at = counted.at;
            self.counted.remove(&part.mark);
            self.forget(at, part.mark);
        }
    }

    /// Removes a mark from the log. The log moves its shorter side, and a message is mostly undone soon.
    fn forget(&mut self, at: i64, mark: u64) {
        let first = self.log.partition_point(|(other, _)| *other < at);
        let found = self.log.iter().skip(first).position(|entry| *entry == (at, mark));
        if let Some(offset) = found {
            self.log.remove(first + offset);
        }
    }
}
