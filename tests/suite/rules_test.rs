//! `rules:test`, through the binary.

use hearth_tests::process::Process;
use serde_json::Value;
use std::fs;
use std::path::Path;

const BINARY: &str = env!("CARGO_BIN_EXE_hearth-under-test");

/// Its exit code, and what it printed.
async fn run(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let (status, output) = Process::start(BINARY, &[&["rules:test"], arguments].concat(), folder).ended().await;
    (status.code().expect("an exit code"), output)
}

/// The blocks of this language in the page that describes files of cases.
fn examples(language: &str) -> Vec<String> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rules-test.md")).unwrap();
    let blocks = page.split("```").skip(1).step_by(2);
    blocks.filter_map(|block| Some(block.strip_prefix(language)?.strip_prefix('\n')?.to_owned())).collect()
}

#[tokio::test]
async fn the_example_of_the_page_comes_out_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let [rules, cases, consoles] = ["json", "yaml", "console"].map(examples);
    fs::write(folder.path().join("database.rules.json"), &rules[0]).unwrap();
    assert_eq!((cases.len(), consoles.len()), (2, 2));
    for (number, name) in ["notes.cases.yaml", "mistaken.cases.yaml"].into_iter().enumerate() {
        fs::write(folder.path().join(name), &cases[number]).unwrap();
        let (code, output) = run(folder.path(), &[name]).await;
        assert_eq!(
            (usize::try_from(code), format!("$ hearth rules:test {name}\n{output}")),
            (Ok(number), consoles[number].clone())
        );
    }
    // Each verdict is one that could be missed: the contrary of every expectation fails.
    let contrary = cases[0].replace("expect: allow", "expect: DENY").replace("expect: deny", "expect: allow");
    fs::write(folder.path().join("contrary.yaml"), contrary.replace("DENY", "deny")).unwrap();
    let (code, output) = run(folder.path(), &["contrary.yaml"]).await;
    assert!(code == 1 && output.ends_with("✗  11 of 11 cases came out otherwise than expected.\n"), "{output}");
}

#[tokio::test]
async fn what_comes_out_otherwise_is_shown_with_the_rule_that_decided() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("some")).unwrap();
    let cases = "rules:\n  notes:\n    $owner:\n      .read: auth.uid == $owner\n      .write: auth != null\ncases:\n\
                 - {read: /notes/a, auth: {uid: b}, expect: allow}\n- name: nobody else writes\n  write: /notes/a\n  \
                 value: 1\n  auth: {uid: b}\n  expect: deny\n- {read: /, expect: deny}\n";
    fs::write(folder.path().join("some/a.yaml"), cases).unwrap();
    let (code, output) = run(folder.path(), &["some/*.yaml", "some/a.yaml"]).await;
    assert_eq!(code, 1, "{output}");
    for expect in [
        "✗  some/a.yaml:7  read /notes/a as {\"uid\":\"b\"}\n",
        "     - allow, as expected\n     + deny, by the rules\n",
        ".read at /notes/$owner (4:14) is false",
        "auth.uid is \"b\"",
        "✗  some/a.yaml:8  nobody else writes\n     write /notes/a as {\"uid\":\"b\"}\n     - deny, as expected\n",
        ".write at /notes/$owner (5:15) is true",
        "\n✗  2 of 3 cases came out otherwise than expected.\n",
    ] {
        assert!(output.contains(expect), "{expect} in\n{output}");
    }
    assert!(!output.contains("read /,"), "{output}");

    let (code, output) = run(folder.path(), &["some/a.yaml", "--format", "json"]).await;
    let report: Value = serde_json::from_str(&output).unwrap();
    assert_eq!((code, &report["passed"], &report["failed"], &report["unusable"]), (1, &1.into(), &2.into(), &0.into()));
    let cases = &report["files"][0]["cases"];
    assert_eq!((&cases[0]["line"], &cases[0]["found"], &cases[2]["passed"]), (&7.into(), &"deny".into(), &true.into()));
    assert!(cases[0]["why"][0].is_object() && cases[2]["why"][0].is_null(), "{report:#}");

    let (code, output) = run(folder.path(), &["some/a.yaml", "--format", "junit"]).await;
    assert_eq!(code, 1);
    assert!(output.contains("<testsuite name=\"some/a.yaml\" tests=\"3\" failures=\"2\" errors=\"0\">"), "{output}");
    assert!(output.contains("name=\"read /notes/a as {&quot;uid&quot;:&quot;b&quot;}\""), "{output}");
    assert_eq!(output.matches("<failure").count(), 2, "{output}");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named_and_the_others_run() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("good.json", r#"{"rules": {".read": true}, "cases": [{"read": "/", "expect": "allow"}]}"#);
    write("wrong.json", "{\"rules\": {\".read\": \"auth.uid = 1\"},\n \"cases\": [{\"read\": \"/\"}]}");
    write("lost.json", r#"{"rules": "nowhere.json", "cases": []}"#);
    write("rules.json", r#"{"rules": {".raed": true}}"#);
    write("broken.json", r#"{"rules": "rules.json", "cases": []}"#);
    let files = ["good.json", "wrong.json", "lost.json", "broken.json", "missing.json"];
    let (code, output) = run(folder.path(), &files).await;
    assert_eq!(code, 2, "{output}");
    for expect in [
        "wrong.json:1:31: ",
        "wrong.json:2:12: \"expect\" is missing: allow or deny\n",
        "nowhere.json: there is no such file\n",
        "rules.json:1:12: \".raed\" is unknown",
        "missing.json: there is no such file\n",
        "✔  1 case came out as expected.\n✗  4 files could not be run.\n",
    ] {
        assert!(output.contains(expect), "{expect} in\n{output}");
    }
    let (code, output) = run(folder.path(), &["wrong.json", "good.json", "--format", "junit"]).await;
    assert!(code == 2 && output.contains("errors=\"1\"") && output.contains("tests=\"1\" failures=\"0\" errors=\"0\""));
    let (code, output) = run(folder.path(), &["none-*.json"]).await;
    assert!(code == 2 && output.contains("none-*.json: there is no such file"), "{output}");
}
