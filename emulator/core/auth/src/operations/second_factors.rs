//! Second factors as records: what requests may say of them, what is shown, and the credential between the two factors.
//! Must not know: text messages.

use super::Call;
use super::policy::Policy;
use crate::account::{Account, MfaEnrollment, is_phone_number};
use crate::code::{self, Code, PendingSignIn};
use crate::entropy::{Entropy, alphanumeric, base64url};
use crate::errors::Error;
use crate::schema::{Kind, Schema};
use crate::store::{Accounts, Store};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::HashSet;

/// Characters of a factor's id.
const ID: usize = 28;
/// Digits of a phone number that are shown.
const SHOWN_DIGITS: usize = 4;
/// Characters of a server's credential between two factors.
const CREDENTIAL: usize = 86;
/// What the official emulator writes into its own credentials.
const MARK: &str = "DO NOT MODIFY";

/// The shape of a factor in a request.
pub(super) const ENROLLMENT: Schema = &[
    ("displayName", Kind::Text),
    ("enrolledAt", Kind::Text),
    ("mfaEnrollmentId", Kind::Text),
    ("phoneInfo", Kind::Text),
    ("unobfuscatedPhoneInfo", Kind::Text),
];

/// A new factor's id, unlike those that are taken.
pub(super) fn new_id(entropy: &dyn Entropy, taken: &HashSet<String>) -> String {
    loop {
        let id = alphanumeric(entropy, ID);
        if !taken.contains(&id) {
            return id;
        }
    }
}

/// The factors that a request gives an account. `new_ids` draws ids; otherwise each has to bring its own. Of a phone
/// number that comes twice the first one counts.
pub(super) fn given(
    enrollments: Vec<MfaEnrollment>,
    new_ids: Option<&dyn Entropy>,
) -> Result<Vec<MfaEnrollment>, Error> {
    let mut ids = HashSet::new();
    let mut numbers = HashSet::new();
    let mut kept = Vec::new();
    for enrollment in enrollments {
        let number = enrollment.phone_info.clone().filter(|number| is_phone_number(number));
        let number = number.ok_or(Error::InvalidMfaPhoneNumber)?;
        if !numbers.insert(number.clone()) {
            continue;
        }
        let id = match new_ids {
            Some(entropy) => Some(new_id(entropy, &ids)),
            None => enrollment.mfa_enrollment_id.clone().filter(|id| !id.is_empty()),
        };
        let id = id.ok_or(Error::InvalidMfaEnrollmentId)?;
        if !ids.insert(id.clone()) {
            return Err(Error::DuplicateMfaEnrollmentId);
        }
        kept.push(MfaEnrollment { mfa_enrollment_id: Some(id), unobfuscated_phone_info: Some(number), ..enrollment });
    }
    Ok(kept)
}

/// Whether the account's owner has to show a second factor.
pub(super) fn are_wanted(policy: &Policy, account: &Account) -> bool {
    policy.sms_factors && has_any(account)
}

/// Whether the account has a second factor.
pub(super) fn has_any(account: &Account) -> bool {
    account.mfa_info.as_ref().is_some_and(|factors| !factors.is_empty())
}

/// Takes the factor of this id from the account.
pub(super) fn remove(
    store: &mut dyn Store,
    call: &Call<'_>,
    account: &mut Account,
    id: Option<&str>,
) -> Result<(), Error> {
    let factors = account.mfa_info.as_mut().ok_or(Error::MfaEnrollmentNotFound)?;
    let before = factors.len();
    factors.retain(|factor| factor.mfa_enrollment_id.as_deref() != id);
    if factors.len() == before {
        return Err(Error::MfaEnrollmentNotFound);
    }
    if let Some(id) = id {
        store.delete_totp_factor(call.scope, &account.local_id, id)?;
    }
    Ok(())
}

/// A factor as somebody may see it who has shown the first one only.
pub(super) fn shown(enrollment: &MfaEnrollment) -> MfaEnrollment {
    MfaEnrollment {
        phone_info: enrollment.unobfuscated_phone_info.as_deref().map(obfuscate),
        unobfuscated_phone_info: None,
        ..enrollment.clone()
    }
}

/// The number with all but its last four digits hidden.
pub(super) fn obfuscate(number: &str) -> String {
    let mut digits = number.chars().filter(char::is_ascii_digit).count();
    let hide = |letter: char| {
        if !letter.is_ascii_digit() {
            return letter;
        }
        digits -= 1;
        if digits < SHOWN_DIGITS { letter } else { '*' }
    };
    number.chars().map(hide).collect()
}

/// Who has shown the first factor, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pending {
    #[serde(rename = "_AuthEmulatorMfaPendingCredential")]
    mark: String,
    /// The account.
    pub(super) local_id: String,
    /// How the first factor was shown.
    pub(super) sign_in_provider: String,
    /// The account's project.
    pub(super) project_id: String,
    /// The account's tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tenant_id: Option<String>,
    /// The claims of the session.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) claims: Map<String, Value>,
}

/// The credential between two factors. The emulator's says everything itself; a server keeps what it stands for.
pub(super) fn pending(
    store: &mut dyn Store,
    call: &Call<'_>,
    account: &Account,
    provider: &str,
    claims: Map<String, Value>,
) -> Result<String, Error> {
    let pending = Pending {
        mark: MARK.to_owned(),
        local_id: account.local_id.clone(),
        sign_in_provider: provider.to_owned(),
        project_id: call.scope.project.clone(),
        tenant_id: call.scope.tenant.clone(),
        claims,
    };
    if call.emulator {
        // Text cannot fail to become JSON.
        return Ok(STANDARD.encode(serde_json::to_vec(&pending).unwrap_or_default()));
    }
    let credential = base64url(call.entropy, CREDENTIAL);
    let kept = PendingSignIn { credential: credential.clone(), pending: super::json(&pending), failures: 0 };
    code::keep(store, call.scope, kept, call.now, true)?;
    Ok(credential)
}

/// What a credential stands for.
pub(super) fn read_pending(
    store: &(impl Accounts + ?Sized),
    call: &Call<'_>,
    credential: &str,
) -> Result<Pending, Error> {
    let pending: Option<Pending> = if call.emulator {
        STANDARD.decode(credential).ok().and_then(|json| serde_json::from_slice(&json).ok())
    } else {
        let kept = code::find::<PendingSignIn>(store, call.scope, credential)?;
        let in_time = kept.filter(|(kept, issued)| issued.saturating_add(kept.lifetime()) > call.now);
        in_time.and_then(|(kept, _)| serde_json::from_value(kept.pending).ok())
    };
    let pending = pending.filter(|pending| !pending.mark.is_empty()).ok_or(Error::InvalidMfaPendingCredential)?;
    let tenant = call.scope.tenant.as_ref();
    if pending.project_id != call.scope.project
        || tenant.is_some_and(|tenant| pending.tenant_id.as_ref() != Some(tenant))
    {
        return Err(Error::ForeignMfaPendingCredential);
    }
    Ok(pending)
}

/// Counts that something wrong was shown with a credential; how often that was by now. An emulator does not count.
pub(super) fn count_failure(store: &mut dyn Store, call: &Call<'_>, credential: &str) -> Result<u32, Error> {
    if call.emulator {
        return Ok(0);
    }
    let kept = code::find::<PendingSignIn>(store, call.scope, credential)?;
    let (kept, issued) = kept.ok_or(Error::InvalidMfaPendingCredential)?;
    let failures = kept.failures + 1;
    code::put(store, call.scope, credential, &PendingSignIn { failures, ..kept }, issued)?;
    Ok(failures)
}

/// A server's credential is good for one sign-in.
pub(super) fn forget_pending(store: &mut dyn Store, call: &Call<'_>, credential: &str) -> Result<(), Error> {
    Ok(store.delete_code(call.scope, PendingSignIn::KIND, credential)?)
}

#[cfg(test)]
mod tests {
    use super::super::tests::House;
    use super::*;
    use crate::memory::Counting;

    fn factor(number: &str, id: &str) -> MfaEnrollment {
        MfaEnrollment {
            phone_info: Some(number.to_owned()).filter(|number| !number.is_empty()),
            mfa_enrollment_id: Some(id.to_owned()),
            ..MfaEnrollment::default()
        }
    }

    #[test]
    fn requests_are_checked() {
        for (factors, expected) in [
            (vec![factor("+1", "a"), factor("+2", "b")], Ok(2)),
            (vec![factor("+1", "a"), factor("+1", "a")], Ok(1)),
            (vec![factor("+1", "a"), factor("+2", "a")], Err(Error::DuplicateMfaEnrollmentId)),
            (vec![factor("+1", "")], Err(Error::InvalidMfaEnrollmentId)),
            (vec![factor("1", "a")], Err(Error::InvalidMfaPhoneNumber)),
            (vec![factor("", "a")], Err(Error::InvalidMfaPhoneNumber)),
        ] {
            assert_eq!(given(factors.clone(), None).map(|kept| kept.len()), expected, "{factors:?}");
        }
        let drawn = given(vec![factor("+1", ""), factor("+2", "")], Some(&Counting::default())).unwrap();
        assert_eq!(drawn.iter().map(|factor| factor.mfa_enrollment_id.as_ref().unwrap().len()).sum::<usize>(), 2 * ID);
    }

    #[test]
    fn numbers_are_hidden_but_for_their_end() {
        for (number, expected) in
            [("+15555550100", "+*******0100"), ("+1", "+1"), ("+1 (555) 0100", "+* (***) 0100"), ("", "")]
        {
            assert_eq!(obfuscate(number), expected);
        }
    }

    #[test]
    fn the_credential_is_the_emulators() {
        let mut house = House::new();
        let id = house.sign_up().0;
        let account = house.account(&id);
        let text = house.with_call(|store, call| pending(store, call, &account, "password", Map::new()).unwrap());
        let expected = r#"{"_AuthEmulatorMfaPendingCredential":"DO NOT MODIFY","localId":"ID","signInProvider":"password","projectId":"demo"}"#;
        let json = STANDARD.decode(text).unwrap();
        assert_eq!(std::str::from_utf8(&json), Ok(expected.replace("ID", &id).as_str()));
    }
}
