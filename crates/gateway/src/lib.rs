//! The request path: accepts connections, forwards requests to OpenRouter, relays the answers.
//!
//! ```text
//! client ─► server ─► proxy ─► upstream ─► OpenRouter
//! client ◄─ server ◄─ relay ◄─ upstream ◄─ OpenRouter
//!                       └─► record ─► metrics, log, limits, archive, ledger
//! ```
//!
//! Start with [`proxy`]: its function `Proxy::respond` is the pipeline, one line per step. `docs/CODE_TOUR.md` follows
//! one request through it.
//!
//! | module | purpose | must not |
//! |---|---|---|
//! | [`server`] | accepts connections; HTTP/1.1, HTTP/2, TLS; connection limits, timeouts, drain | interpret a request |
//! | [`proxy`] | runs the steps of a request in their order, with one configuration snapshot | keep anything about a caller after its request |
//! | [`upstream`] | the pooled client for OpenRouter, the outgoing body, the upload state | follow a redirect; repeat a request that may have left |
//! | [`relay`] | passes the response on, frame by frame | parse, join or buffer frames |
//! | [`record`] | gathers what each step learns of a request, and reports its end once | hold prompts, replies or credentials, apart from what an archive encrypts |
//! | [`error`] | turns each failure into a response in the caller's dialect | show a value from outside |
//! | `job_error` | the errors of video jobs | |
//! | [`account`] | the OpenRouter keys that pay, and OpenRouter's refusals of them | know callers |
//! | `catalogue` | cached lists of OpenRouter's catalogue | hold an answer to a caller with their own key |
//! | `redirect` | decides which of OpenRouter's redirects are relayed | follow one |
//! | [`pending`] | the queue of requests whose cost is looked up later | look anything up |
//! | [`prices`] | estimates the cost of a request from list prices | fetch them |
//! | [`random`] | random bytes for ids and boundaries | |
//! | [`issuers`] | fetches and refreshes the signing keys of token issuers | decide if a token is valid |
//! | [`shed`] | limits requests in flight, in all and per caller | queue a request |
//! | [`audit`] | reads a sample of sent bodies again with a second parser | delay a request |
//! | [`openrouter`] | queries OpenRouter's generation records, accounts and list prices for callsign itself | take part in the path of a request |

pub mod account;
pub mod audit;
mod catalogue;
pub mod error;
pub mod issuers;
mod job_error;
pub mod openrouter;
pub mod pending;
pub mod prices;
pub mod proxy;
pub mod random;
pub mod record;
mod redirect;
pub mod relay;
pub mod server;
pub mod shed;
pub mod upstream;
