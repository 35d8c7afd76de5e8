//! Tokens of sessions: how they begin, hold and end.

use super::*;
use crate::serve::testing::endpoint;
use pulsewheel::progress::SessionOptions;

fn pass(session: &SessionInfo, owns: bool) -> Pass {
    Pass {
        id: session.id,
        number: session.number,
        owns,
    }
}

fn session() -> SessionInfo {
    let mut endpoint = endpoint();
    let options = SessionOptions::default();
    let id = endpoint.progress().create_session(options).unwrap();
    endpoint.progress().info(id).unwrap()
}

#[test]
fn tokens_end_with_their_session_and_with_their_time() {
    let mut endpoint = endpoint();
    let id = Uuid::from_u128(7);
    let mut new_session = || {
        let mut sessions = endpoint.progress();
        if sessions.session_status(id).is_ok() {
            sessions.complete_session(id, Default::default()).unwrap();
            sessions.cleanup(id).unwrap();
        }
        let options = SessionOptions::default();
        sessions.create_session_with_id(id, options).unwrap();
        sessions.info(id).unwrap()
    };
    let (first, second) = (new_session(), new_session());
    let mut tokens = SessionTokens::default();
    let owner = tokens.issue_owner(&first, |_| true).unwrap();
    let share = tokens.share(&first, 0, Some(5), |_| true).unwrap();
    for token in [&owner, &share.token] {
        assert!(SessionTokens::is_alike(token), "{token}");
        assert!(!SessionTokens::is_alike(&token[1..]));
        assert!(!SessionTokens::is_alike(&token[..40]));
    }
    let find = |tokens: &SessionTokens, token: &str, now_ms| {
        tokens.find(token, now_ms, |_| Some(first.clone()))
    };
    assert_eq!(find(&tokens, &owner, 9), Some((pass(&first, true), None)));
    let seen = Some((pass(&first, false), Some(5)));
    assert_eq!(find(&tokens, &share.token, 4), seen);
    assert_eq!(find(&tokens, &share.token, 5), None);
    for (token, session) in [(&owner, Some(second.clone())), (&owner, None)] {
        assert_eq!(tokens.find(token, 0, |_| session.clone()), None);
    }
    for guess in [
        owner.replacen("o-", "s-", 1),
        share.token.replacen("s-", "o-", 1),
        format!("{owner}x"),
        format!("o-{}-", id.simple()),
        String::new(),
    ] {
        assert_eq!(find(&tokens, &guess, 0), None, "{guess}");
    }
    for session in [&first, &second] {
        assert_eq!(tokens.renew_share(session, 7, 4), Ok(None));
    }
    assert_eq!(tokens.renew_share(&second, share.id, 4), Ok(None));
    assert_eq!(tokens.renew_share(&first, share.id, 5), Ok(None), "expired");
    let renewed = tokens.renew_share(&first, share.id, 4).unwrap().unwrap();
    assert_eq!(find(&tokens, &share.token, 4), None);
    assert_eq!(find(&tokens, &renewed, 4), seen);
    assert!(!tokens.revoke(&second, share.id));
    assert!(tokens.revoke(&first, share.id));
    assert!(!tokens.revoke(&first, share.id));
    assert_eq!(find(&tokens, &share.token, 0), None);
    let renewed = tokens.issue_owner(&first, |_| true).unwrap();
    assert_eq!(find(&tokens, &owner, 0), None);
    assert!(find(&tokens, &renewed, 0).is_some());
    tokens.issue_owner(&second, |_| true).unwrap();
    assert_eq!(find(&tokens, &renewed, 0), None);
}

#[test]
fn tokens_come_back_from_what_was_written_down() {
    let mut endpoint = endpoint();
    let options = SessionOptions::default();
    let id = endpoint.progress().create_session(options).unwrap();
    let session = endpoint.progress().info(id).unwrap();
    let mut tokens = SessionTokens::default();
    let owner = tokens.issue_owner(&session, |_| true).unwrap();
    let share = tokens.share(&session, 0, Some(5), |_| true).unwrap();
    let text = tokens.text(id).unwrap();
    assert!(!text.contains(&owner) && !text.contains(&share.token));

    let mut restored = SessionTokens::default();
    restored.restore(&session, "damaged");
    let find = |tokens: &SessionTokens, token: &str, now_ms| {
        tokens.find(token, now_ms, |_| Some(session.clone()))
    };
    assert_eq!(find(&restored, &owner, 0), None);
    restored.restore(&session, &text);
    assert_eq!(
        find(&restored, &owner, 9),
        Some((pass(&session, true), None))
    );
    let seen = Some((pass(&session, false), Some(5)));
    assert_eq!(find(&restored, &share.token, 4), seen);
    assert_eq!(find(&restored, &share.token, 5), None);
    assert_eq!(restored.text(id), Some(text));
}

#[test]
fn tokens_of_sessions_that_are_gone_are_let_go_of() {
    let mut tokens = SessionTokens::default();
    let mut session = session();
    for number in 0..1_000 {
        session.id = Uuid::from_u128(number);
        tokens
            .issue_owner(&session, |id| id.as_u128() + 10 > number)
            .unwrap();
        assert!(tokens.of.len() <= FEW_SESSIONS);
    }
}

#[test]
fn a_session_is_shared_so_often_and_no_more() {
    let mut tokens = SessionTokens::default();
    let session = session();
    for _ in 0..MAX_SHARES {
        tokens.share(&session, 0, Some(5), |_| true).unwrap();
    }
    let refused = tokens.share(&session, 4, None, |_| true);
    assert_eq!(refused.err().map(|error| error.status), Some(429));
    assert!(tokens.share(&session, 5, None, |_| true).is_ok());
}

#[test]
fn an_owner_and_all_together_have_so_many_shares_and_no_more() {
    let mut endpoint = endpoint();
    let mut tokens = SessionTokens::default();
    let mut new_session = |owner: &str| {
        let options = SessionOptions {
            owner: Some(owner.to_owned()),
            ..SessionOptions::default()
        };
        let id = endpoint.progress().create_session(options).unwrap();
        endpoint.progress().info(id).unwrap()
    };
    let owners = ["Ann", "Bob", "Cem", "Dan"];
    let sessions = owners.map(|owner| [(); 10].map(|()| new_session(owner)));
    let sessions = sessions.as_flattened();
    let info = |id: Uuid| sessions.iter().find(|session| session.id == id).cloned();
    let refusal = |tokens: &SessionTokens, owner| {
        let refused = tokens.check_room(Some(owner), info).err();
        refused.map(|error| error.status)
    };
    for (number, session) in sessions.iter().enumerate() {
        assert_eq!(refusal(&tokens, session.owner().unwrap()), None);
        for _ in 0..MAX_SHARES {
            let expires_ms = (number == 0).then_some(5);
            tokens.share(session, 0, expires_ms, |_| true).unwrap();
        }
    }
    assert_eq!(refusal(&tokens, "Ann"), Some(429));
    assert_eq!(refusal(&tokens, "Eve"), Some(503));
    assert!(tokens.forget_expired(4).is_empty());
    assert_eq!(tokens.forget_expired(5), [sessions[0].id]);
    assert_eq!(refusal(&tokens, "Ann"), None);
    assert_eq!(refusal(&tokens, "Bob"), Some(429));
    assert_eq!(refusal(&tokens, "Eve"), None);
    let none_is_known = tokens.check_room(Some("Bob"), |_| None);
    assert!(none_is_known.is_ok());
}
