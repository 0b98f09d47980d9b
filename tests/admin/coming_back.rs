//! What an operator does to accounts while their owners could come back without a password.

use chat_proto::{Credential, ErrorCode, ResumeToken, feature};
use iocp_chat::client::{Client, Error, Timeouts};

use crate::{Data, process::ServerProcess};

async fn client(server: &ServerProcess) -> Client {
    let client = Client::connect_asking(server.address, Timeouts::default(), feature::RESUME).await;
    client.expect("it listens")
}

/// Logs in as kim, and stops the server: what there is to come back with.
async fn kept(data: &Data) -> ResumeToken {
    let server = ServerProcess::with_accounts(&data.folder, &[]);
    let password = Credential::Password(b"correct horse"[..].into());
    let (kim, _events) = client(&server).await.log_in("kim", password).await.expect("logged in");
    data.done(&["ctl", "stop"]);
    kim.welcome().resume_token.expect("it was asked for")
}

async fn come_back(data: &Data, token: ResumeToken) -> Result<(), Error> {
    let server = ServerProcess::with_accounts(&data.folder, &[]);
    let came = client(&server).await.resume(token).await.map(drop);
    data.done(&["ctl", "stop"]);
    came
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_could_come_back_cannot_with_another_password_or_once_disabled() {
    let data = Data::with(&[("kim", "user")]);
    let token = kept(&data).await;
    come_back(&data, token).await.expect("it is good over a stop");
    for commands in
        [&[["user", "passwd", "kim"]][..], &[["user", "disable", "kim"], ["user", "enable", "kim"]]]
    {
        let token = kept(&data).await;
        for [user, verb, kim] in commands {
            let more: &[_] = if *verb == "passwd" { &["--password-file", "-"] } else { &[] };
            let said = data.run_with(&[&[*user, *verb, *kim], more].concat(), b"correct horse\n");
            assert_eq!(said.code, Some(0), "{said:?}");
        }
        let refused = come_back(&data, token).await.expect_err("void");
        assert_eq!(refused.refusal(), Some(ErrorCode::ResumeInvalid.into()), "{commands:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_signed_in_is_put_out_when_they_get_another_password_or_are_disabled_or_deleted() {
    let data = Data::with(&[("boss", "admin"), ("kim", "user")]);
    let server = ServerProcess::with_accounts(&data.folder, &[]);
    for (command, done) in [
        (&["user", "passwd", "kim", "--password-file", "-"][..], "has another password"),
        (&["user", "disable", "kim"], "is disabled"),
        (&["user", "delete", "kim", "--yes"], "is deleted"),
    ] {
        data.done(&["user", "enable", "kim"]);
        let password = Credential::Password(b"correct horse"[..].into());
        let (kim, mut events) = client(&server).await.log_in("kim", password).await.expect("logged in");
        let said = data.run_with(command, b"correct horse\n");
        assert_eq!(said.out, format!("kim {done}\nkim was signed in, and is put out\n"), "{said:?}");
        while events.next().await.is_some() {}
        let token = kim.welcome().resume_token.expect("it was asked for");
        let refused = client(&server).await.resume(token).await.map(drop).expect_err("void");
        assert_eq!(refused.refusal(), Some(ErrorCode::ResumeInvalid.into()), "{done}");
    }
    // Who is not there is not put out.
    assert_eq!(data.done(&["user", "disable", "boss", "--force"]), "boss is disabled\n");
    data.done(&["ctl", "stop"]);
}
