//! What the tables of accounts keep, and keep apart.

use super::*;
use crate::auth::migrations::MIGRATIONS;
use crate::storage::{OpenFile, Storage};
use hearth_auth::account::{Passkey, ProviderUserInfo};
use hearth_auth::store::Keys as _;

fn open() -> OpenFile {
    Storage::memory().open("auth", MIGRATIONS).unwrap()
}

fn account(id: &str, change: impl FnOnce(&mut Account)) -> Account {
    let mut account = Account { local_id: id.to_owned(), created_at: Some("5".to_owned()), ..Account::default() };
    change(&mut account);
    account
}

#[test]
fn what_is_put_is_found_by_every_key_until_it_changes() {
    let file = open();
    let mut store = SqliteStore::on(&file.writer);
    let scope = Scope::project("demo");
    let google =
        ProviderUserInfo { provider_id: "g".to_owned(), raw_id: "1".to_owned(), ..ProviderUserInfo::default() };
    let full = account("a", |account| {
        account.email = Some("a@b".to_owned());
        account.phone_number = Some("+1".to_owned());
        account.disabled = Some(true);
        account.valid_since = Some("7".to_owned());
        account.upsert_provider(google);
    });
    store.put(&scope, &full).unwrap();
    let find = |store: &SqliteStore<'_>, scope: &Scope| {
        [
            store.by_local_id(scope, "a"),
            store.by_email(scope, "a@b"),
            store.by_phone_number(scope, "+1"),
            store.by_provider(scope, "g", "1"),
        ]
        .map(Result::unwrap)
    };
    assert_eq!(find(&store, &scope), [const { Some(()) }; 4].map(|_| Some(full.clone())));
    assert_eq!(store.standing(&scope, "a"), Ok(Some(Standing { disabled: true, valid_since: Some(7) })));
    for other in [Scope::project("other"), Scope { tenant: Some("t".to_owned()), ..scope.clone() }] {
        assert_eq!(find(&store, &other), [None, None, None, None], "{other:?}");
    }
    let bare = account("a", |_| {});
    store.put(&scope, &bare).unwrap();
    assert_eq!(find(&store, &scope), [Some(bare), None, None, None]);
    assert_eq!(store.standing(&scope, "a"), Ok(Some(Standing { disabled: false, valid_since: None })));
}

#[test]
fn what_firebase_keeps_unique_is_unique_in_its_scope() {
    let file = open();
    let mut store = SqliteStore::on(&file.writer);
    let scope = Scope::project("demo");
    let info = |raw: &str| ProviderUserInfo {
        provider_id: "g".to_owned(),
        raw_id: raw.to_owned(),
        ..ProviderUserInfo::default()
    };
    type Change = fn(&mut Account, ProviderUserInfo);
    for (name, change) in [
        ("email", (|account, _| account.email = Some("a@b".to_owned())) as Change),
        ("phone", |account, _| account.phone_number = Some("+1".to_owned())),
        ("provider", |account, info| account.upsert_provider(info)),
    ] {
        let [one, two] = ["1", "2"].map(|id| account(&format!("{name}{id}"), |account| change(account, info("1"))));
        store.put(&scope, &one).unwrap();
        assert!(store.put(&scope, &two).is_err(), "{name}");
        store.put(&Scope::project("other"), &two).unwrap();
    }
}

#[test]
fn only_anonymous_accounts_not_seen_for_long_are_purged() {
    let file = open();
    let mut store = SqliteStore::on(&file.writer);
    let scope = Scope::project("demo");
    for kept in [
        account("email", |account| account.email = Some("a@b".to_owned())),
        account("phone", |account| account.phone_number = Some("+1".to_owned())),
        account("custom", |account| account.custom_auth = Some(true)),
        account("seen", |account| account.last_login_at = Some("10".to_owned())),
        account("provider", |account| account.upsert_provider(ProviderUserInfo::default())),
    ] {
        store.put(&scope, &kept).unwrap();
    }
    for (id, seen) in [("old", "3"), ("older", "2"), ("oldest", "1")] {
        store.put(&scope, &account(id, |account| account.created_at = Some(seen.to_owned()))).unwrap();
    }
    store.put(&Scope::project("other"), &account("old", |_| {})).unwrap();
    let ids = |ids: &[&str]| Ok(ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>());
    for (before, limit, expect) in [
        (10, 2, ids(&["oldest", "older"])),
        (10, 9, ids(&["oldest", "older", "old"])),
        (3, 9, ids(&["oldest", "older"])),
        (1, 9, ids(&[])),
        (10, 0, ids(&[])),
    ] {
        assert_eq!(store.idle_anonymous(&scope, before, limit), expect, "{before} {limit}");
    }
}

#[test]
fn events_wait_for_each_receiver_until_they_are_forgotten() {
    let file = open();
    let mut store = SqliteStore::on(&file.writer);
    let event = |id: &str, tenant: Option<&str>| UserEvent {
        id: id.to_owned(),
        scope: Scope { tenant: tenant.map(str::to_owned), ..Scope::project("demo") },
        local_id: "u".to_owned(),
        at: 5,
        body: "{}".to_owned(),
    };
    let (first, second, third) = (event("1", None), event("2", Some("t")), event("3", None));
    for (receiver, event) in [("a", &first), ("b", &first), ("a", &second), ("c", &third)] {
        store.add_event(receiver, event).unwrap();
    }
    assert_eq!(store.events("a", 0, 9), Ok(vec![(1, first.clone()), (3, second.clone())]));
    assert_eq!(store.events("a", 0, 1), Ok(vec![(1, first.clone())]));
    assert_eq!(store.events("a", 1, 9), Ok(vec![(3, second)]));
    store.delete_event(1).unwrap();
    assert_eq!(store.events("b", 0, 9), Ok(vec![(2, first)]));
    let known = ["a", "b"].map(str::to_owned);
    assert_eq!(store.delete_events_for_others(&known), Ok(1));
    assert_eq!(store.events("c", 0, 9), Ok(Vec::new()));
    // Numbers are not used again, though the last ones are free.
    store.add_event("c", &third).unwrap();
    assert_eq!(store.events("c", 0, 9), Ok(vec![(5, third)]));
    assert_eq!(store.delete_events_for_others(&[]), Ok(3));
}

#[test]
fn refresh_tokens_end_with_their_account() {
    let file = open();
    file.writer.pragma_update(None, "foreign_keys", true).unwrap();
    let mut store = SqliteStore::on(&file.writer);
    let scope = Scope::project("demo");
    let extra_claims: serde_json::Map<_, _> = serde_json::from_str(r#"{"b":1,"a":2}"#).unwrap();
    let token = |id: &str| RefreshToken {
        scope: scope.clone(),
        local_id: id.to_owned(),
        provider: "anonymous".to_owned(),
        extra_claims: extra_claims.clone(),
        second_factor: None,
    };
    for id in ["a", "b"] {
        store.put(&scope, &account(id, |_| {})).unwrap();
    }
    let family = |id: &str, issued_at: Millis| Family {
        of: token(id),
        issued_at,
        seed: [1; 32],
        current: [2; 32],
        previous: Some(([3; 32], 9)),
    };
    let [one, two, three] = [[1; 32], [2; 32], [3; 32]];
    store.put_refresh_family(&one, &Family { previous: None, ..family("a", 5) }).unwrap();
    store.put_refresh_family(&one, &family("a", 5)).unwrap();
    store.put_refresh_family(&two, &family("a", 6)).unwrap();
    store.put_refresh_family(&three, &family("b", 5)).unwrap();
    assert_eq!(store.refresh_family(&one), Ok(Some(family("a", 5))));
    store.put(&scope, &account("a", |account| account.disabled = Some(true))).unwrap();
    assert!(store.refresh_family(&one).unwrap().is_some(), "a change of the account keeps its tokens");
    store.revoke_refresh_tokens(&scope, "a", 6).unwrap();
    assert_eq!(store.refresh_family(&one), Ok(None));
    assert_eq!(store.refresh_family(&two), Ok(Some(family("a", 6))));
    store.delete(&scope, "a").unwrap();
    assert_eq!(store.refresh_family(&two), Ok(None));
    assert!(store.refresh_family(&three).unwrap().is_some());
    store.delete_all(&scope).unwrap();
    assert_eq!(store.refresh_family(&three), Ok(None));
}

#[test]
fn every_look_up_uses_an_index() {
    let file = open();
    for (sql, index) in [
        ("SELECT record FROM account WHERE project = 1 AND tenant = 2 AND email = 3", "account_email"),
        ("SELECT record FROM account WHERE project = 1 AND tenant = 2 AND phone_number = 3", "account_phone_number"),
        (
            "SELECT local_id FROM account WHERE project = 1 AND tenant = 2 AND anonymous = 1 AND last_seen < 3
             ORDER BY last_seen LIMIT 4",
            "account_last_seen",
        ),
    ] {
        let plan: String =
            file.writer.query_row(&format!("EXPLAIN QUERY PLAN {sql}"), [], |row| row.get("detail")).unwrap();
        assert!(plan.contains(index), "{plan}");
    }
}

#[test]
fn what_is_known_of_a_passkey_goes_with_it() {
    let file = open();
    let mut store = SqliteStore::on(&file.writer);
    let scope = Scope::project("demo");
    let with = |id: &str, passkeys: &[&str]| {
        let named = |name: &&str| Passkey { credential_id: (*name).to_owned(), name: None };
        account(id, |account| account.passkey_info = Some(passkeys.iter().map(named).collect()))
    };
    let credential =
        Credential { public_key: vec![1, 2], sign_count: u32::MAX, backup_eligible: true, backed_up: false };
    assert!(store.put_passkey(&scope, "p", &credential).is_err(), "nobody has it");
    store.put(&scope, &with("a", &["p", "q"])).unwrap();
    assert_eq!(store.passkey(&scope, "p"), Ok(None), "it is only named");
    store.put_passkey(&scope, "p", &credential).unwrap();
    assert_eq!(store.passkey(&scope, "p"), Ok(Some(credential.clone())));
    let tenant = Scope { tenant: Some("t".to_owned()), ..scope.clone() };
    assert_eq!(store.passkey(&tenant, "p"), Ok(None));
    // It stays while the account has it, whatever else changes.
    store.put(&scope, &with("a", &["r", "p"])).unwrap();
    assert_eq!(store.passkey(&scope, "p"), Ok(Some(credential.clone())));
    let found = ["p", "q", "r"].map(|id| store.by_passkey(&scope, id).unwrap().is_some());
    assert_eq!(found, [true, false, true]);
    assert!(store.put(&scope, &with("b", &["p"])).is_err(), "another has it");
    store.put(&scope, &with("a", &[])).unwrap();
    store.put(&scope, &with("b", &["p"])).unwrap();
    assert_eq!(store.passkey(&scope, "p"), Ok(None), "it is another one now");
    store.put_passkey(&scope, "p", &credential).unwrap();
    store.delete(&scope, "b").unwrap();
    assert_eq!(store.passkey(&scope, "p"), Ok(None));
}

#[test]
fn settings_of_passkeys_go_with_their_tenant() {
    let file = open();
    let mut store = SqliteStore::on(&file.writer);
    let scope = Scope::project("demo");
    let tenant = Scope { tenant: Some("t".to_owned()), ..scope.clone() };
    let value = serde_json::json!({"rpId": "a.b"});
    for scope in [&scope, &tenant] {
        assert_eq!(store.passkey_config(scope), Ok(None));
        store.put_passkey_config(scope, &value).unwrap();
        store.put_passkey_config(scope, &value).unwrap();
        assert_eq!(store.passkey_config(scope), Ok(Some(value.clone())));
    }
    store.delete_tenant("demo", "t").unwrap();
    assert_eq!((store.passkey_config(&tenant), store.passkey_config(&scope)), (Ok(None), Ok(Some(value))));
}

#[test]
fn a_secret_is_kept_once() {
    let file = open();
    let mut store = SqliteStore::on(&file.writer);
    assert_eq!(store.secret("s"), Ok(None));
    store.keep_secret("s", &[1]).unwrap();
    assert!(store.keep_secret("s", &[2]).is_err());
    assert_eq!(store.secret("s"), Ok(Some(vec![1])));
}

#[test]
fn codes_of_a_kind_are_forgotten_by_themselves() {
    let file = open();
    let mut store = SqliteStore::on(&file.writer);
    let scope = Scope::project("demo");
    for (kind, issued) in [(Kind::UsedChallenge, 1), (Kind::UsedChallenge, 2), (Kind::Oob, 1)] {
        store.put_code(&scope, kind, &issued.to_string(), &Kept { issued, record: "{}".to_owned() }).unwrap();
    }
    store.delete_codes_of(&scope, Kind::UsedChallenge, 2).unwrap();
    let left = [Kind::UsedChallenge, Kind::Oob].map(|kind| store.codes(&scope, kind).unwrap().len());
    assert_eq!(left, [1, 1]);
}
