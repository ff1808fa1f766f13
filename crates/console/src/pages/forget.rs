//! Erases a user: a page that says what would be erased and asks for the user's id, and a page that says what was.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;
use maud::html;

use super::actions::Whom;
use super::layout::{NoPage, heading, page};
use super::text::{count, here, name};
use crate::answer::ApiError;
use crate::ask::tenant_of;
use crate::operator::Operator;
use crate::parameters::{Asks, Form, FromParameters, Parameters, Params};
use crate::roles::Caller;
use callsign_store::archive::reader;

/// `GET /user/forget`: counts what would be erased, and asks.
pub(super) async fn ask(State(operator): State<Arc<Operator>>, asked: Asks<Whom>) -> Result<Html<String>, NoPage> {
    let Params(whom) = asked?;
    let person = operator.person(&whom.id, whom.tenant.as_deref()).await?;
    let archives = archives(&operator, person.tenant.clone(), person.user.clone()).await?;
    let content = html! {
        (heading(&html! { "Forget " (name(&person.user)) "?" }, &html! {}))
        section.card {
            ul.plain {
                li { "The ledger has " (count(person.requests)) " requests that name this user. Their names are erased; the rows and all sums are kept." }
                li { @match archives {
                    Some(archives) => { (count(archives)) " archives are deleted." }
                    None => "There is no archive.",
                } }
                li { "Blocks and limits of this user stay in force, under a digest of the id." }
                li { "It cannot be undone." }
            }
        }
        form.card method="post" action=(here("/user/forget")) {
            input type="hidden" name="id" value=(person.user);
            input type="hidden" name="tenant" value=(tenant_of(&person));
            label { span { "Type the user's id to erase it" } input name="confirm" required autocomplete="off" spellcheck="false"; }
            button.danger { "Erase" }
        }
    };
    Ok(page("Forget", "/users", &content))
}

/// Counts the archives of a user; `None` if the archive is off. It opens each archive of the tenant.
async fn archives(operator: &Operator, tenant: Option<String>, user: String) -> Result<Option<u64>, NoPage> {
    let Some(place) = operator.deps.archive.clone() else { return Ok(None) };
    let search = move || reader::of_person(&place.directory, &place.password, tenant.as_deref(), &user);
    let found = tokio::task::spawn_blocking(search).await;
    let unreadable = || ApiError::Invalid("the archive cannot be read; see the log".to_owned());
    let found = found.ok().and_then(Result::ok).ok_or_else(unreadable)?;
    Ok(Some(found.paths.len() as u64))
}

/// The form that erases a user.
#[derive(Clone, Debug)]
pub(super) struct Confirmed {
    whom: Whom,
    confirm: String,
}

impl FromParameters for Confirmed {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let whom = Whom::read(parameters)?;
        Ok(Self { whom, confirm: parameters.text("confirm")?.unwrap_or_default() })
    }
}

/// `POST /user/forget`: erases the user.
pub(super) async fn forget(
    State(operator): State<Arc<Operator>>,
    caller: Caller,
    form: Result<Form<Confirmed>, ApiError>,
) -> Result<Html<String>, NoPage> {
    let Form(Confirmed { whom, confirm }) = form?;
    if confirm.trim() != whom.id.trim() {
        return Err(
            ApiError::Invalid("nothing is erased: confirm takes the user's id, to the letter".to_owned()).into()
        );
    }
    let erased = operator.forget(&whom.id, whom.tenant.as_deref(), caller.name()).await?;
    let content = html! {
        (heading(&html! { "Forgotten" }, &html! {}))
        p.notice role="status" {
            (count(erased.requests)) " requests no longer name the user, " (count(erased.identifiers)) " identifiers and "
            (count(erased.archives)) " archives are deleted. Sums are kept."
        }
        @if erased.unreadable > 0 {
            p.alert { (count(erased.unreadable)) " archives cannot be read (another password?) and are kept." }
        }
        p { a href=(here("/users")) { "All users" } }
    };
    Ok(page("Forgotten", "/users", &content))
}
