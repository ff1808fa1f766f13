//! callsign: an OpenAI-compatible reverse proxy that gives every OpenRouter request its caller's sign.
//!
//! An app points its base URL at callsign. callsign finds out who is calling, removes every identifier that the client
//! put in, writes those that the operator's valves allow, and relays OpenRouter's answer byte for byte. This page is the
//! map; `docs/ARCHITECTURE.md` is the longer walk.
//!
//! # The way of one request
//!
//! ```text
//! client ─► server ─► endpoint ─► caller ─► identifiers ─► rewrite ─► upstream ─► relay ─► client
//!           accept,   which       who is    valves,        body and   pool, TLS,  bytes as
//!           patience, route, its  calling   formats,       headers    time-outs   they come
//!           drain     fields                limits                                └─► observe
//! ```
//!
//! [`proxy`] is the room to read first: one async function with one line per step. Each step takes what the step before
//! gave it as a plain value and gives a plain value; nothing travels in request extensions or globals, and nothing flows
//! back. A step that refuses returns a small error of its own; [`error`] alone turns it into a response.
//!
//! # The rooms
//!
//! | room | is for | never |
//! |---|---|---|
//! | [`server`] | accept loop, HTTP/1.1 and HTTP/2, TLS, time-outs of a connection, cap, drain | looks into a request |
//! | [`endpoint`] | the table of exposed paths: dialect, fields written, fields removed | looks at headers or bodies |
//! | [`caller`] | credential and identity headers → who is calling | knows valves or formats; remembers a user; fetches |
//! | [`issuers`] | keeps the keys of token issuers fresh, beside the requests | decides whether a token is good |
//! | [`identifiers`] | who is calling → what is said about them | knows how the caller was found out |
//! | [`rewrite`] | body and headers, both ways: blank, append, stream | knows HTTP bodies, sockets or callers |
//! | [`upstream`] | the pooled client; what goes out, and what became of an upload | follows a redirect; repeats what may have left |
//! | [`relay`] | the answer, frame by frame, and its one end | parses, joins or holds what it relays |
//! | [`proxy`] | the steps in their order, over one immutable snapshot of the configuration | decides what a room decides |
//! | [`error`] | every failure → a response in the caller's dialect | logs, or shows a value from outside |
//! | [`observe`] | the account of each request: metrics and one log line | names a user, a prompt or a credential |
//! | [`ledger`] | one durable row per request; sums, users and identifiers; answers from them | makes a request wait for a disk |
//! | [`archive`] | one encrypted file per request, for abuse reports; retention; reads them back | makes a request wait; stages clear text on a disk |
//! | [`limits`] | how much each caller may use, and who is stopped; in memory or in a shared store | names whom it counts; makes the end of a request wait |
//! | [`config`] | the table of settings; four layers; every problem at once | reads the process's environment by itself |
//! | [`shed`] | limits on what is carried at once: connections, requests, a caller's share | waits; remembers who has nothing open |
//! | [`secret`] | the redacting types | prints what it holds |
//! | [`admin`] | the operator's port: health, metrics, admin API, dashboard | is reached from the data port |
//! | `selftest` | a real callsign between this machine and a stand-in, for `check` and `test-mapping` | says what is right |
//! | [`mock`] | an OpenRouter in this process, for `--demo` and the tests | knows callsign's other rooms |
//! | [`records`] | OpenRouter's own records, asked for by the operator | is waited for by a request |
//! | [`whois`] | who stands behind an identifier, by the ledger or by the formats alone | writes anything |
//! | [`cli`] | the command line, one file per command | decides anything about a request |
//! | [`run`] | puts the rooms together | |
//!
//! [`caller`], [`identifiers`] and [`rewrite`] are pure: they know `http` and `bytes`, but neither hyper, axum nor tokio.
//! Only [`server`], [`upstream`], [`relay`], [`issuers`], [`config`] and the operator's side touch sockets or files.
//!
//! # Words
//!
//! **caller** who the credential proves · **preset** the headers that an app's identity arrives in · **identifier** what is
//! written into a request · **valve** an operator's switch for one identifier · **format** how it is written ·
//! **endpoint** a route and the fields that it may carry · **dialect** OpenAI's or Anthropic's shape · **blank** overwrite
//! with spaces · **reserve** the length kept for what is appended · **verdict** what became of an upload · **snapshot** one
//! immutable configuration · **ledger** the durable record of requests · **generation** OpenRouter's name for one answered request.

pub mod cli;
pub mod config;
mod json_members;
mod key_material;
pub mod reload;
pub mod run;
mod selftest;
