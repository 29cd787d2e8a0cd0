//! Settings: which of two goes first, and how a secret is read from its file.

use super::*;

fn root() -> Command {
    let setting = |long: &'static str, env: &'static str| Arg::new(long).long(long).env(env);
    let serve = Command::new("serve")
        .arg(setting("listen", "T_LISTEN"))
        .arg(setting("url", "T_URL").hide_env_values(true))
        .arg(setting("key", "T_KEY").hide_env_values(true).conflicts_with("key-file"))
        .arg(setting("key-file", "T_KEY_FILE"))
        .arg(setting("quiet", "T_QUIET").action(ArgAction::SetTrue));
    Command::new("daybook").subcommand(serve).subcommand(Command::new("other"))
}

fn words(list: &[&str]) -> Vec<OsString> {
    list.iter().map(OsString::from).collect()
}

fn gathered(given: &[&str], file: &str, environment: &[(&str, &str)]) -> Result<Vec<String>> {
    let environment: BTreeMap<&str, &str> = environment.iter().copied().collect();
    let environment = |name: &str| environment.get(name).map(|value| (*value).to_owned());
    let settings = Settings::on(&root(), words(given), &parse(file).map_err(Failure::Settings)?, &environment)?;
    Ok(settings.arguments.into_iter().skip(1).map(|word| word.into_string().unwrap()).collect())
}

#[test]
fn the_command_line_goes_before_the_environment_and_that_before_the_file() {
    let file = "# ours\nT_LISTEN = \"127.0.0.1:1\"\nT_QUIET=true\n";
    assert_eq!(gathered(&["daybook", "serve"], file, &[]).unwrap(), ["serve", "--listen=127.0.0.1:1", "--quiet"]);
    assert_eq!(gathered(&["daybook", "serve"], file, &[("T_LISTEN", "x")]).unwrap(), ["serve", "--quiet"]);
    let given = ["daybook", "serve", "--listen=y", "--quiet"];
    assert_eq!(gathered(&given, file, &[]).unwrap(), ["serve", "--listen=y", "--quiet"]);
    assert_eq!(gathered(&["daybook", "other"], file, &[]).unwrap(), ["other"], "of another command");
    let before = ["daybook", "serve", "--", "x"];
    assert_eq!(gathered(&before, "T_QUIET=true", &[]).unwrap(), ["serve", "--quiet", "--", "x"]);
    assert_eq!(gathered(&["daybook", "serve"], "T_QUIET=false", &[]).unwrap(), ["serve"]);
}

#[test]
fn a_secret_is_read_from_the_file_that_is_named_for_it() {
    let path = std::env::temp_dir().join(format!("daybook-secret-{}", std::process::id()));
    std::fs::write(&path, "postgres://secret\n").unwrap();
    let path = path.to_str().unwrap();
    let serve = ["daybook", "serve"];
    assert_eq!(gathered(&serve, "", &[("T_URL_FILE", path)]).unwrap(), ["serve", "--url=postgres://secret"]);
    let file = format!("T_URL_FILE={path}");
    assert_eq!(gathered(&serve, &file, &[]).unwrap(), ["serve", "--url=postgres://secret"]);
    assert_eq!(gathered(&serve, &file, &[("T_URL", "x")]).unwrap(), ["serve"]);
    // Where the file is a setting of its own, it is left to that; and one of the two is enough.
    let file = format!("T_KEY_FILE={path}");
    assert_eq!(gathered(&serve, &file, &[]).unwrap(), ["serve".to_owned(), format!("--key-file={path}")]);
    assert_eq!(gathered(&serve, &file, &[("T_KEY", "x")]).unwrap(), ["serve"]);
    assert_eq!(
        gathered(&["daybook", "serve", "--key-file", "f"], "T_KEY=x", &[]).unwrap(),
        ["serve", "--key-file", "f"]
    );
    std::fs::remove_file(path).unwrap();
    assert!(gathered(&serve, "", &[("T_URL_FILE", path)]).is_err(), "a file that is not there");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (file, words) in [
        ("T_LISTEN", "no NAME=value"),
        ("T_LISTEN=1\nT_LISTEN=2", "says again"),
        ("T_QUIET=perhaps", "takes true or false"),
    ] {
        let refused = gathered(&["daybook", "serve"], file, &[]).unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
    }
    assert!(known(&root()).contains("T_URL_FILE") && !known(&root()).contains("T_LISTEN_FILE"));
}
