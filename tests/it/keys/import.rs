//! `key import`: keys of the configuration become keys in the database.

use super::*;
use crate::support::proxy::ALICE_KEY;

const CONFIGURED: (&str, &str) =
    ("CALLSIGN_USER_KEYS", "alice=sk-cs-a-key-of-alice-0123456789,odd=a-key-without-the-prefix-01");
const APP: (&str, &str) = ("CALLSIGN_APP_KEY", "sk-cs-a-key-of-one-app-0123456789");

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_key_moves_and_its_callers_notice_nothing() {
    let rig = Rig::start("").await;
    let import = |line: &str| rig.command_with(line, &[CONFIGURED, APP]);
    let dry = import("key import");
    assert_eq!(dry.code, 1, "{dry:?}");
    assert_eq!(
        dry.out,
        "would import alice: user alice\n\
         left odd: it does not begin with sk-cs-, and only such keys are looked up in the database\n\
         left app: its name is reserved: give it another one with --key app --as NAME; statistics follow the name\n"
    );
    assert!(rig.command("key list --format csv").out.lines().count() == 1, "nothing is changed");
    let done = import("key import --key alice --yes");
    assert!(done.code == 0 && done.out.starts_with("imported alice: user alice\napplied by 1"), "{done:?}");
    let again = import("key import --key alice --yes");
    assert!(again.code == 0 && again.out == "left alice: the database has it already\n", "{again:?}");
    let app = import("key import --key app --as chat --yes");
    assert!(app.code == 0 && app.out.starts_with("imported app as chat: preset generic\n"), "{app:?}");
    assert_eq!(import("key import --as chat").code, 2);
    assert_eq!(import("key import --key nobody").code, 1);
    for said in [dry, done, again, app] {
        assert!(![said.out, said.err].concat().contains("sk-cs-a-key"), "no key is printed");
    }
    // A server without configured keys.
    let Rig { mock, callsign, directory } = rig;
    drop(callsign);
    until_free(directory.path()).await;
    let nothing = [("CALLSIGN_USER_KEYS", ""), ("CALLSIGN_APP_KEY", "")];
    let callsign = Rig::setup(&mock, &directory).set(&nothing).start();
    let rig = Rig { mock, callsign, directory };
    assert_eq!(rig.status(ALICE_KEY).await, 200);
    assert_eq!(rig.sent(), "alice");
    assert_eq!((rig.status(APP.1).await, rig.status("a-key-without-the-prefix-01").await), (200, 401));
}
