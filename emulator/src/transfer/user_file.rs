//! Lists of accounts as `firebase auth:export` writes and `firebase auth:import` reads them: JSON `{"users": […]}`, or
//! CSV of 52 columns without a heading.
//!
//! Password hashes and salts are base64 there. What we keep of a password is not one hash of one algorithm but says
//! itself how it was made; it is the base64 of that, which comes back as it was. Providers that the CSV has no columns
//! for are in the JSON only. (firebase.google.com/docs/cli/auth; the columns beyond those are the CLI's own.) Must not
//! know: where accounts are kept.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hearth_auth::password::says_how_it_was_made;
use serde_json::{Map, Value, json};
use std::io::{self, Write};
use std::path::Path;

/// What such a file can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// `{"users": […]}`.
    Json,
    /// A line to an account.
    Csv,
}

impl Format {
    /// What the name of a file says.
    pub fn of(file: &Path) -> Option<Self> {
        let extension = file.extension()?.to_str()?;
        [("json", Self::Json), ("csv", Self::Csv)]
            .into_iter()
            .find_map(|(name, format)| extension.eq_ignore_ascii_case(name).then_some(format))
    }
}

/// Fields that are exported as they are, in order; the second name is the file's.
const FIELDS: [(&str, &str); 13] = [
    ("localId", "localId"),
    ("email", "email"),
    ("emailVerified", "emailVerified"),
    ("passwordHash", "passwordHash"),
    ("salt", "salt"),
    ("displayName", "displayName"),
    ("photoUrl", "photoUrl"),
    ("lastLoginAt", "lastSignedInAt"),
    ("createdAt", "createdAt"),
    ("phoneNumber", "phoneNumber"),
    ("disabled", "disabled"),
    ("customAttributes", "customAttributes"),
    ("mfaInfo", "mfaInfo"),
];
const OF_PROVIDERS: [&str; 5] = ["providerId", "rawId", "email", "displayName", "photoUrl"];
/// The fields of the columns, where they are no provider's.
const COLUMNS: [(usize, &str); 12] = [
    (0, "localId"),
    (1, "email"),
    (2, "emailVerified"),
    (3, "passwordHash"),
    (4, "salt"),
    (5, "displayName"),
    (6, "photoUrl"),
    (23, "createdAt"),
    (24, "lastSignedInAt"),
    (25, "phoneNumber"),
    (26, "disabled"),
    (27, "customAttributes"),
];
/// Providers and their first columns: `rawId`, `email`, `displayName`, `photoUrl`.
const PROVIDERS: [(usize, &str); 10] = [
    (7, "google.com"),
    (11, "facebook.com"),
    (15, "twitter.com"),
    (19, "github.com"),
    (28, "apple.com"),
    (32, "microsoft.com"),
    (36, "gc.apple.com"),
    (40, "playgames.google.com"),
    (44, "linkedin.com"),
    (48, "yahoo.com"),
];
const WIDTH: usize = 52;

/// Writes a list.
pub struct Writer<'w> {
    out: &'w mut dyn Write,
    format: Format,
    is_first: bool,
}

impl<'w> Writer<'w> {
    /// Begins a list.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn begin(out: &'w mut dyn Write, format: Format) -> io::Result<Self> {
        match format {
            Format::Json => writeln!(out, "{{\"users\": [")?,
            Format::Csv => {}
        }
        Ok(Self { out, format, is_first: true })
    }

    /// Writes an account, which has the fields of the Identity Toolkit's.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&mut self, account: &Value) -> io::Result<()> {
        let user = exported(account);
        match self.format {
            Format::Json => {
                let separator = if self.is_first { "" } else { ",\n" };
                write!(self.out, "{separator}{:#}", Value::Object(user))?;
            }
            Format::Csv => writeln!(self.out, "{},", row(&user).join(","))?,
        }
        self.is_first = false;
        Ok(())
    }

    /// Ends the list.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn end(self) -> io::Result<()> {
        match self.format {
            Format::Json => writeln!(self.out, "]}}"),
            Format::Csv => Ok(()),
        }
    }
}

fn exported(account: &Value) -> Map<String, Value> {
    let mut user = Map::new();
    for (field, name) in FIELDS {
        if let Some(value) = account.get(field) {
            user.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(kept) = user.get("passwordHash").and_then(Value::as_str) {
        let hash = STANDARD.encode(kept);
        user.insert("passwordHash".to_owned(), hash.into());
        // It belongs to the hash in a way that is ours alone.
        if let Some(salt) = user.get("salt").and_then(Value::as_str) {
            let salt = STANDARD.encode(salt);
            user.insert("salt".to_owned(), salt.into());
        }
    }
    if let Some(infos) = account.get("providerUserInfo").and_then(Value::as_array) {
        let named = |info: &&Value| !matches!(text(info, "providerId"), "password" | "phone");
        let infos = infos.iter().filter(named).map(|info| {
            let fields = OF_PROVIDERS.iter().filter_map(|field| Some(((*field).to_owned(), info.get(*field)?.clone())));
            Value::Object(fields.collect())
        });
        user.insert("providerUserInfo".to_owned(), infos.collect());
    }
    user
}

fn row(user: &Map<String, Value>) -> Vec<String> {
    let mut row = vec![String::new(); WIDTH];
    let mut set = |column: usize, value: &Value| {
        if let Some(cell) = row.get_mut(column) {
            *cell = match value {
                Value::String(text) => escaped(text),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    value.to_string()
                }
            };
        }
    };
    for (column, field) in COLUMNS {
        if let Some(value) = user.get(field) {
            set(column, value);
        }
    }
    for info in user.get("providerUserInfo").and_then(Value::as_array).into_iter().flatten() {
        let first = PROVIDERS.iter().find(|(_, provider)| *provider == text(info, "providerId"));
        for (offset, field) in OF_PROVIDERS.iter().skip(1).enumerate() {
            if let (Some((first, _)), Some(value)) = (first, info.get(*field)) {
                set(first + offset, value);
            }
        }
    }
    row
}

fn escaped(text: &str) -> String {
    // What begins or ends with a space would lose it to a reader that trims.
    if text.contains([',', '"', '\n', '\r']) || text.trim() != text {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The accounts of a list, with the fields of the Identity Toolkit's upload.
///
/// # Errors
/// The first thing that is wrong, and where.
pub fn read(content: &[u8], format: Format) -> Result<Vec<Value>, String> {
    match format {
        Format::Json => read_json(content),
        Format::Csv => {
            let content = std::str::from_utf8(content).map_err(|error| error.to_string())?;
            let rows = rows(content.strip_prefix('\u{feff}').unwrap_or(content))?;
            let users = rows.into_iter().enumerate().map(|(index, row)| {
                uploaded(user_of(&row)).map_err(|problem| format!("line {}: {problem}", index + 1))
            });
            users.collect()
        }
    }
}

fn read_json(content: &[u8]) -> Result<Vec<Value>, String> {
    let mut whole: Value = serde_json::from_slice(content).map_err(|error| error.to_string())?;
    let Some(Value::Array(users)) = whole.get_mut("users").map(Value::take) else {
        return Err("expected {\"users\": […]}".to_owned());
    };
    let known = |key: &str| key == "providerUserInfo" || FIELDS.iter().any(|(_, name)| *name == key);
    let users = users.into_iter().enumerate().map(|(index, user)| {
        let Value::Object(user) = user else { return Err(format!("user {index}: not an object")) };
        if let Some(key) = user.keys().find(|key| !known(key)) {
            return Err(format!("user {index}: unsupported key {key:?}"));
        }
        uploaded(user).map_err(|problem| format!("user {index}: {problem}"))
    });
    users.collect()
}

fn user_of(row: &[String]) -> Map<String, Value> {
    let cell = |column: usize| row.get(column).map(|cell| cell.trim()).filter(|cell| !cell.is_empty());
    let mut user = Map::new();
    for (column, field) in COLUMNS {
        if let Some(cell) = cell(column) {
            let value = if matches!(field, "emailVerified" | "disabled") {
                Value::Bool(cell.eq_ignore_ascii_case("true"))
            } else {
                cell.into()
            };
            user.insert(field.to_owned(), value);
        }
    }
    let mut infos = Vec::new();
    for (first, provider) in PROVIDERS {
        if cell(first).is_none() {
            continue;
        }
        let mut info = Map::from_iter([("providerId".to_owned(), provider.into())]);
        for (offset, field) in OF_PROVIDERS.iter().skip(1).enumerate() {
            if let Some(cell) = cell(first + offset) {
                info.insert((*field).to_owned(), cell.into());
            }
        }
        infos.push(Value::Object(info));
    }
    user.insert("providerUserInfo".to_owned(), infos.into());
    user
}

/// As an upload has it.
fn uploaded(mut user: Map<String, Value>) -> Result<Value, String> {
    if let Some(time) = user.shift_remove("lastSignedInAt") {
        user.insert("lastLoginAt".to_owned(), time);
    }
    user.retain(|_, value| !value.is_null());
    let mut is_ours = false;
    if let Some(hash) = user.get("passwordHash") {
        let bytes = base64(hash).ok_or("the password's hash is not base64")?;
        if let Some(kept) = String::from_utf8(bytes).ok().filter(|kept| says_how_it_was_made(kept)) {
            user.insert("passwordHash".to_owned(), kept.into());
            is_ours = true;
        }
    }
    if let Some(salt) = user.get("salt") {
        let bytes = base64(salt).ok_or("the password's salt is not base64")?;
        if is_ours {
            user.insert("salt".to_owned(), json!(String::from_utf8_lossy(&bytes)));
        }
    }
    Ok(Value::Object(user))
}

fn base64(value: &Value) -> Option<Vec<u8>> {
    let text = value.as_str()?.replace('-', "+").replace('_', "/");
    let text = text.trim_end_matches('=');
    base64::engine::general_purpose::STANDARD_NO_PAD.decode(text).ok()
}

/// The rows of a CSV; empty lines are none. A quoted cell may hold commas, line breaks and doubled quotes.
fn rows(content: &str) -> Result<Vec<Vec<String>>, String> {
    let mut rows = Vec::new();
    let (mut row, mut cell, mut in_quotes) = (Vec::new(), String::new(), false);
    let mut characters = content.chars().peekable();
    loop {
        match characters.next() {
            None if in_quotes => return Err(format!("line {}: a quote is not closed", rows.len() + 1)),
            Some('"') if in_quotes && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            Some('"') if in_quotes => in_quotes = false,
            Some('"') if cell.trim().is_empty() => in_quotes = true,
            Some(',') if !in_quotes => row.push(std::mem::take(&mut cell)),
            Some('\r') if !in_quotes && characters.peek() == Some(&'\n') => {}
            end @ (None | Some('\n')) if !in_quotes => {
                row.push(std::mem::take(&mut cell));
                let row = std::mem::take(&mut row);
                if row.iter().any(|cell| !cell.trim().is_empty()) {
                    rows.push(row);
                }
                if end.is_none() {
                    return Ok(rows);
                }
            }
            Some(other) => cell.push(other),
            // In quotes it has been refused above.
            None => return Ok(rows),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Value {
        json!({
            "localId": "u1",
            "email": "a@b",
            "emailVerified": true,
            "passwordHash": "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA",
            "displayName": "Ada, \"Countess\"\nof L.",
            "lastLoginAt": "5",
            "createdAt": "4",
            "validSince": "1",
            "phoneNumber": "+1555",
            "disabled": false,
            "customAttributes": r#"{"admin":true,"s":"a,\"b\""}"#,
            "providerUserInfo": [
                {"providerId": "password", "rawId": "a@b"},
                {"providerId": "github.com", "rawId": "7", "email": "a@hub", "federatedId": "7"},
                {"providerId": "oidc.x", "rawId": "8"},
            ],
        })
    }

    fn written(format: Format) -> String {
        let mut out = Vec::new();
        let mut writer = Writer::begin(&mut out, format).unwrap();
        writer.write(&account()).unwrap();
        writer.write(&json!({"localId": "u2"})).unwrap();
        writer.end().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        for format in [Format::Json, Format::Csv] {
            let users = read(written(format).as_bytes(), format).unwrap();
            assert_eq!(users.len(), 2);
            assert_eq!(users[1]["localId"], "u2");
            for field in
                ["localId", "email", "emailVerified", "passwordHash", "displayName", "lastLoginAt", "createdAt"]
            {
                assert_eq!(users[0][field], account()[field], "{format:?} {field}");
            }
            for field in ["phoneNumber", "disabled", "customAttributes"] {
                assert_eq!(users[0][field], account()[field], "{format:?} {field}");
            }
            assert_eq!(
                users[0]["providerUserInfo"][0],
                json!({"providerId": "github.com", "rawId": "7", "email": "a@hub"})
            );
        }
    }

    #[test]
    fn the_forms_are_the_cli_s() {
        let json: Value = serde_json::from_str(&written(Format::Json)).unwrap();
        let user = json["users"][0].as_object().unwrap();
        let keys: Vec<_> = user.keys().map(String::as_str).collect();
        assert_eq!(keys.first(), Some(&"localId"));
        assert!(keys.contains(&"lastSignedInAt") && !keys.contains(&"validSince"));
        let hash = user["passwordHash"].as_str().unwrap();
        assert!(STANDARD.decode(hash).is_ok());
        assert_eq!(user["providerUserInfo"].as_array().unwrap().len(), 2);
        let csv = rows(&written(Format::Csv)).unwrap();
        assert_eq!(csv.iter().map(Vec::len).collect::<Vec<_>>(), [WIDTH + 1, WIDTH + 1]);
        assert_eq!((csv[0][19].as_str(), csv[0][20].as_str(), csv[0][26].as_str()), ("7", "a@hub", "false"));
    }

    #[test]
    fn hashes_of_others_stay_as_they_are() {
        let text = r#"{"users":[{"localId":"a","passwordHash":"V1/+","salt":"c2FsdA=="}]}"#;
        let users = read(text.as_bytes(), Format::Json).unwrap();
        assert_eq!(users, [json!({"localId": "a", "passwordHash": "V1/+", "salt": "c2FsdA=="})]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (format, text, problem) in [
            (Format::Json, "[]", "expected"),
            (Format::Json, "{", "EOF"),
            (Format::Json, r#"{"users":[{"localId":"a"},{"uid":"b"}]}"#, "user 1: unsupported key \"uid\""),
            (Format::Json, r#"{"users":[{"localId":"a","passwordHash":"*"}]}"#, "user 0: the password's hash"),
            (Format::Json, r#"{"users":[1]}"#, "user 0: not an object"),
            (Format::Csv, "a,b,true,*,", "line 1: the password's hash"),
            (Format::Csv, "a\nb,\"c", "line 2: a quote"),
        ] {
            let refused = read(text.as_bytes(), format).unwrap_err();
            assert!(refused.contains(problem), "{refused}");
        }
        assert_eq!(read(b"", Format::Csv), Ok(Vec::new()));
    }

    #[test]
    fn names_say_what_files_are() {
        for (name, format) in
            [("a.json", Some(Format::Json)), ("A.CSV", Some(Format::Csv)), ("a", None), ("a.txt", None)]
        {
            assert_eq!(Format::of(Path::new(name)), format, "{name}");
        }
    }
}
