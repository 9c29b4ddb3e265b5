//! Accounts that are kept and forgotten one by one, and the events that tell of those that come and go.
//!
//! An event is written with the account, so that neither is kept without the other. Accounts that come by an import, and
//! those that go when all do, are told of to nobody, as in Firebase. Must not know: how events are delivered.

use super::Call;
use crate::account::Account;
use crate::errors::Error;
use crate::event::{Kind, UserEvent};
use crate::store::Store;

/// Keeps `account`, and tells of it if nobody had its id.
pub(super) fn keep(store: &mut dyn Store, call: &Call<'_>, account: &Account) -> Result<(), Error> {
    let is_told = !call.receivers.is_empty() && store.standing(call.scope, &account.local_id)?.is_none();
    store.put(call.scope, account)?;
    if is_told {
        tell(store, call, Kind::Created, account)?;
    }
    Ok(())
}

/// Forgets the account with this id, if there is one, and tells of it.
pub(super) fn forget(store: &mut dyn Store, call: &Call<'_>, local_id: &str) -> Result<(), Error> {
    let told = if call.receivers.is_empty() { None } else { store.by_local_id(call.scope, local_id)? };
    store.delete(call.scope, local_id)?;
    match told {
        Some(account) => tell(store, call, Kind::Deleted, &account),
        None => Ok(()),
    }
}

fn tell(store: &mut dyn Store, call: &Call<'_>, kind: Kind, account: &Account) -> Result<(), Error> {
    let event = UserEvent::new(kind, call.scope, account, call.now, call.entropy);
    for receiver in call.receivers {
        store.add_event(receiver, &event)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::House;
    use super::super::{
        Message, bulk, delete, import, oob, phone, sign_in_custom_token, sign_in_email_link, sign_in_idp,
        sign_in_password, sign_in_phone_number, sign_up, tenants, update,
    };
    use super::*;
    use crate::store::Accounts;
    use serde_json::{Value, json};

    const RECEIVER: &str = "somebody";

    /// What has been told since the event `after`: `create` or `delete` and the id, `*` for a drawn one.
    fn told(house: &House, after: &mut u64) -> Vec<String> {
        let events = house.store.events(RECEIVER, *after, usize::MAX).unwrap();
        let told = events.into_iter().map(|(number, event)| {
            *after = number;
            let body: Value = serde_json::from_str(&event.body).unwrap();
            assert_eq!((&body["eventId"], &body["data"]["uid"]), (&json!(event.id), &json!(event.local_id)));
            assert_eq!((&event.scope, event.at), (&house.scope, house.now));
            let what = body["eventType"].as_str().unwrap().rsplit('.').next().unwrap();
            let drawn = event.local_id.len() == 28;
            format!("{what} {}", if drawn { "*" } else { &event.local_id })
        });
        told.collect()
    }

    fn by_phone(house: &mut House) -> Result<(), Error> {
        let answer = house.call(false, phone::send, json!({"phoneNumber": "+1"}))?;
        let Some(Message::Text { code, .. }) = answer.messages.first() else { panic!("no message") };
        let body = json!({"sessionInfo": answer.body["sessionInfo"], "code": code});
        house.call(false, sign_in_phone_number::sign_in, body).map(drop)
    }

    fn by_link(house: &mut House) -> Result<(), Error> {
        let ask = json!({"requestType": "EMAIL_SIGNIN", "email": "link@b", "returnOobLink": true});
        let answer = house.call(true, oob::send, ask)?;
        let body = json!({"email": "link@b", "oobCode": answer.body["oobCode"]});
        house.call(false, sign_in_email_link::sign_in, body).map(drop)
    }

    fn by_provider(house: &mut House, claims: Value) -> Result<(), Error> {
        let post_body = format!("providerId=google.com&id_token={claims}");
        let body = json!({"requestUri": "http://localhost", "postBody": post_body});
        house.call(false, sign_in_idp::sign_in, body).map(drop)
    }

    /// What is done, how, and what is told of it.
    type Step = (&'static str, fn(&mut House) -> Result<(), Error>, &'static [&'static str]);

    const STEPS: &[Step] = &[
        ("anonymous", |h| h.call(false, sign_up::sign_up, json!({})).map(drop), &["create *"]),
        (
            "by password",
            |h| h.call(false, sign_up::sign_up, json!({"email": "p@b", "password": "secret"})).map(drop),
            &["create *"],
        ),
        (
            "by password, again",
            |h| h.call(false, sign_in_password::sign_in, json!({"email": "p@b", "password": "secret"})).map(drop),
            &[],
        ),
        (
            "refused",
            |h| {
                let taken = json!({"email": "p@b", "password": "secret"});
                assert_eq!(h.call(false, sign_up::sign_up, taken), Err(Error::EmailExists));
                Ok(())
            },
            &[],
        ),
        (
            "anonymous, then with a password",
            |h| {
                let token = h.sign_up().1;
                let upgrade = json!({"idToken": token, "email": "q@b", "password": "secret"});
                h.call(false, sign_up::sign_up, upgrade).map(drop)
            },
            &["create *"],
        ),
        ("by an admin", |h| h.call(true, sign_up::sign_up, json!({"localId": "admin"})).map(drop), &["create admin"]),
        (
            "an update",
            |h| h.call(true, update::update, json!({"localId": "admin", "disableUser": true})).map(drop),
            &[],
        ),
        (
            "by a custom token",
            |h| h.call(false, sign_in_custom_token::sign_in, json!({"token": r#"{"uid":"c"}"#})).map(drop),
            &["create c"],
        ),
        (
            "by a custom token, again",
            |h| h.call(false, sign_in_custom_token::sign_in, json!({"token": r#"{"uid":"c"}"#})).map(drop),
            &[],
        ),
        ("by phone", by_phone, &["create *"]),
        ("by phone, again", by_phone, &[]),
        ("by a link", by_link, &["create *"]),
        ("by a link, again", by_link, &[]),
        ("by a provider", |h| by_provider(h, json!({"sub": "1", "email": "g@b"})), &["create *"]),
        ("by a provider, again", |h| by_provider(h, json!({"sub": "1", "email": "g@b"})), &[]),
        ("by a provider, unconfirmed", |h| by_provider(h, json!({"sub": "2", "email": "p@b"})), &[]),
        (
            "imported",
            |h| {
                let users = json!({"users": [{"localId": "i"}, {"localId": "admin"}], "allowOverwrite": true});
                h.call(true, import::batch_create, users).map(drop)
            },
            &[],
        ),
        (
            "by themselves",
            |h| {
                let token = h.sign_up().1;
                h.call(false, delete::delete, json!({"idToken": token})).map(drop)
            },
            &["create *", "delete *"],
        ),
        ("by an admin", |h| h.call(true, delete::delete, json!({"localId": "admin"})).map(drop), &["delete admin"]),
        (
            "in a batch",
            |h| {
                h.call(true, sign_up::sign_up, json!({"localId": "off", "disabled": true}))?;
                // One is not disabled, one is nobody.
                let ids = json!({"localIds": ["c", "off", "nobody"]});
                h.call(true, bulk::batch_delete, ids).map(drop)
            },
            &["create off", "delete off"],
        ),
        (
            "in a batch, by force",
            |h| h.call(true, bulk::batch_delete, json!({"localIds": ["c", "i"], "force": true})).map(drop),
            &["delete c", "delete i"],
        ),
        (
            "purged",
            |h| {
                let later = h.now + 1;
                let gone = h.with_call(|store, call| bulk::delete_anonymous(store, call, later, 9))?;
                assert_eq!(gone, 1);
                Ok(())
            },
            &["delete *"],
        ),
        ("all at once", |h| h.call(true, bulk::delete_all, json!({})).map(drop), &[]),
    ];

    #[test]
    fn who_comes_and_goes_is_told_of_once() {
        let mut house = House::new();
        house.receivers = vec![RECEIVER.to_owned(), "another".to_owned()];
        let mut after = 0;
        for (what, step, expect) in STEPS {
            step(&mut house).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(told(&house, &mut after), *expect, "{what}");
        }
        let [mine, others] = [RECEIVER, "another"].map(|receiver| {
            let events = house.store.events(receiver, 0, usize::MAX).unwrap();
            events.into_iter().map(|(_, event)| event).collect::<Vec<_>>()
        });
        assert_eq!(mine, others, "everybody is told the same, by the same ids");
    }

    #[test]
    fn nothing_is_written_where_nobody_is_told() {
        let mut house = House::new();
        for (what, step, _) in STEPS {
            step(&mut house).unwrap_or_else(|error| panic!("{what}: {error}"));
        }
        assert_eq!(house.store.events(RECEIVER, 0, 1), Ok(Vec::new()));
    }

    #[test]
    fn a_tenants_users_are_told_of_until_the_tenant_goes() {
        let mut house = House::new();
        house.receivers = vec![RECEIVER.to_owned()];
        house.scope.tenant = Some("t".to_owned());
        let scope = house.scope.clone();
        house.with_call(|store, _| tenants::spring_up(store, &scope)).unwrap();
        house.call(true, sign_up::sign_up, json!({"localId": "u"})).unwrap();
        let mut after = 0;
        assert_eq!(told(&house, &mut after), ["create u"]);
        house.call(true, tenants::delete, json!({})).unwrap();
        assert_eq!(told(&house, &mut after), [""; 0]);
    }

    #[test]
    fn who_has_to_show_a_second_factor_has_come_already() {
        let mut house = House::new();
        house.receivers = vec![RECEIVER.to_owned()];
        let factor = json!([{"phoneInfo": "+15555550100"}]);
        let body = json!({"email": "a@b", "password": "secret", "mfaInfo": factor});
        house.call(false, sign_up::sign_up, body).unwrap();
        let mut after = 0;
        assert_eq!(told(&house, &mut after), ["create *"]);
    }
}
