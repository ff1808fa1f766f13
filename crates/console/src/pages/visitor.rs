//! The caller who looks at a page, for the frame of the page.

use std::future::Future;

use maud::{Markup, html};

use super::text::name;
use crate::roles::Caller;

tokio::task_local! {
    static VISITOR: Caller;
}

/// Renders a page for this caller.
pub(crate) async fn scope<T>(caller: Option<Caller>, answer: impl Future<Output = T>) -> T {
    match caller {
        Some(caller) => VISITOR.scope(caller, answer).await,
        None => answer.await,
    }
}

/// Renders who is signed in, and the button that ends the session. The session of a proxy is not callsign's to end.
pub(super) fn sign_out() -> Markup {
    let visitor = VISITOR.try_with(Clone::clone).ok();
    let by_proxy = visitor.as_ref().is_some_and(Caller::is_by_proxy);
    html! {
        @if let Some(visitor) = visitor.filter(|_| by_proxy) {
            span.visitor { (name(visitor.name())) }
        } @else {
            form method="post" action="/logout" { button.quiet { "Sign out" } }
        }
    }
}
