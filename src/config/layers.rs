//! Merges file, environment and flags over the defaults.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::error::ConfigError;
use super::raw::Raw;
use super::settings::DEFAULT_PATH;

/// The command-line flags; they take precedence over everything else.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `listen`
    pub listen: Vec<String>,
    /// `state_dir`
    pub state_dir: Option<PathBuf>,
    /// `models_dir`
    pub models_dir: Option<PathBuf>,
    /// `transcribe.model`
    pub model: Option<String>,
}

/// Merges all layers.
pub(super) fn merge(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
    flags: &Flags,
) -> Result<Raw, ConfigError> {
    // The defaults contain every key, so any other key is unknown.
    let mut table = match Value::try_from(Raw::default()) {
        Ok(Value::Table(table)) => table,
        _ => unreachable!("a struct serialises to a table"),
    };
    let path = file.unwrap_or(Path::new(DEFAULT_PATH));
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let given: Table =
                text.parse()
                    .map_err(|error: toml::de::Error| ConfigError::Syntax {
                        path: path.into(),
                        message: error.to_string().trim_end().replace('\n', " "),
                    })?;
            overlay_file(&mut table, given, &path.display().to_string())?;
        }
        Err(error) if file.is_none() && error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            return Err(ConfigError::Read {
                path: path.into(),
                error,
            });
        }
    }
    overlay_environment(&mut table, environment)?;
    overlay_flags(&mut table, flags);
    table
        .try_into()
        .map_err(|error: toml::de::Error| ConfigError::Value {
            key: "configuration".into(),
            message: error.message().to_owned(),
        })
}

fn overlay_file(table: &mut Table, given: Table, origin: &str) -> Result<(), ConfigError> {
    for (key, value) in given {
        match (table.get(&key), value) {
            (Some(Value::Table(_)), Value::Table(section)) => {
                for (inner, value) in section {
                    set(table, Some(&key), &inner, value, origin)?;
                }
            }
            (_, value) => set(table, None, &key, value, origin)?,
        }
    }
    Ok(())
}

fn overlay_environment(
    table: &mut Table,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<(), ConfigError> {
    let sections: Vec<String> = table
        .iter()
        .filter(|(_, value)| value.is_table())
        .map(|(name, _)| name.clone())
        .collect();
    for (name, text) in environment {
        let Some(name) = name.strip_prefix("SCRIBED_") else {
            continue;
        };
        let name = name.to_lowercase();
        let section = sections
            .iter()
            .find_map(|section| Some((section, name.strip_prefix(section)?.strip_prefix('_')?)));
        match section {
            Some((section, key)) => {
                let default = table[section].get(key).cloned();
                set(
                    table,
                    Some(section),
                    key,
                    parse(default, text),
                    "environment",
                )?;
            }
            // Other programs use variables with this prefix too.
            None if table.contains_key(&name) => {
                let default = table.get(&name).cloned();
                set(table, None, &name, parse(default, text), "environment")?;
            }
            None => {}
        }
    }
    Ok(())
}

fn overlay_flags(table: &mut Table, flags: &Flags) {
    let path = |path: &PathBuf| Value::String(path.to_string_lossy().into_owned());
    if !flags.listen.is_empty() {
        let listen = flags.listen.iter().cloned().map(Value::String).collect();
        table.insert("listen".into(), Value::Array(listen));
    }
    if let Some(dir) = &flags.state_dir {
        table.insert("state_dir".into(), path(dir));
    }
    if let Some(dir) = &flags.models_dir {
        table.insert("models_dir".into(), path(dir));
    }
    if let (Some(model), Some(Value::Table(section))) = (&flags.model, table.get_mut("transcribe"))
    {
        section.insert("model".into(), Value::String(model.clone()));
    }
}

/// Parses an environment variable as a value of the default's type. Text that
/// cannot be parsed stays a string, which [`set`] rejects.
fn parse(default: Option<Value>, text: String) -> Value {
    match default {
        Some(Value::Integer(_)) => text.parse().map_or(Value::String(text), Value::Integer),
        Some(Value::Boolean(_)) => text.parse().map_or(Value::String(text), Value::Boolean),
        Some(Value::Array(_)) => Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Value::String(item.into()))
                .collect(),
        ),
        _ => Value::String(text),
    }
}

fn set(
    table: &mut Table,
    section: Option<&str>,
    key: &str,
    value: Value,
    origin: &str,
) -> Result<(), ConfigError> {
    let known = known_keys(table);
    let full = section.map_or(key.to_owned(), |section| format!("{section}.{key}"));
    let target = match section {
        None => Some(table),
        Some(section) => table.get_mut(section).and_then(Value::as_table_mut),
    };
    match target.and_then(|target| target.get_mut(key)) {
        Some(old) if old.same_type(&value) => {
            *old = value;
            Ok(())
        }
        Some(old) => Err(ConfigError::Value {
            key: full,
            message: format!(
                "must be of type {}, not {}",
                old.type_str(),
                value.type_str()
            ),
        }),
        None => Err(ConfigError::UnknownKey {
            origin: origin.into(),
            nearest: nearest(&full, &known),
            key: full,
        }),
    }
}

fn known_keys(table: &Table) -> Vec<String> {
    let mut keys = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(section) => {
                keys.extend(section.keys().map(|inner| format!("{key}.{inner}")));
            }
            _ => keys.push(key.clone()),
        }
    }
    keys
}

fn nearest(key: &str, known: &[String]) -> Option<String> {
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(key, candidate), candidate))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness > 0.7)
        .map(|(_, candidate)| candidate.clone())
}

#[cfg(test)]
mod tests {
    use super::super::raw::validate;
    use super::*;
    use crate::http::headers::cors::Origins;
    use crate::http::headers::location::BaseUrl;

    fn load(
        file: &str,
        environment: &[(&str, &str)],
        flags: &Flags,
    ) -> Result<super::super::Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scribed.toml");
        std::fs::write(&path, file).unwrap();
        let environment = environment.iter().map(|(k, v)| ((*k).into(), (*v).into()));
        merge(Some(&path), environment, flags)
            .and_then(validate)
            .map_err(|error| {
                error
                    .to_string()
                    .replace(&path.display().to_string(), "FILE")
            })
    }

    #[test]
    fn flags_override_environment_overrides_file_overrides_defaults() {
        let file = "listen = ['127.0.0.1:1']\nstate_dir = '/file'\n[upload]\nmax_size = '1GiB'\nidle_expiry = '1h'";
        let environment = [
            ("SCRIBED_LISTEN", "127.0.0.1:2, [::1]:2"),
            ("SCRIBED_STATE_DIR", "/environment"),
            ("SCRIBED_UPLOAD_MAX_SIZE", "2GiB"),
            ("SCRIBED_UPLOAD_INGEST_THREADS", "3"),
            ("SCRIBED_HTTP_BASE_URL", "https://notes.example/scribed/"),
            ("SCRIBED_HTTP_CORS_ORIGINS", ""),
            ("SCRIBED_HTTP_TRUSTED_PROXIES", "127.0.0.1, fd00::/8"),
            ("SCRIBED_HTTP_STATIC_DIR", "/srv/notes"),
            ("SCRIBED_HTTP_STATIC_ROOT", "true"),
            ("SCRIBED_TRANSCRIBE_LANGUAGE", "nb-NO"),
            ("SCRIBED_TOKEN", "another program's"),
            ("HOME", "/root"),
        ];
        let flags = Flags {
            state_dir: Some("/flag".into()),
            model: Some("base".into()),
            ..Flags::default()
        };
        let config = load(file, &environment, &flags).unwrap();
        assert_eq!(config.listen.len(), 2);
        assert_eq!(config.state_dir, Path::new("/flag"));
        assert_eq!(config.upload.max_size_bytes, 2 << 30);
        assert_eq!(config.upload.idle_expiry.as_secs(), 3600);
        assert_eq!(config.upload.ingest_threads, 3);
        let base_url = BaseUrl::parse("https://notes.example/scribed");
        assert_eq!(Ok(config.http.base_url), base_url);
        assert_eq!(config.http.origins, Origins::These(Vec::new()));
        let proxies = ["127.0.0.1/32", "fd00::/8"].map(|proxy| proxy.parse().unwrap());
        assert_eq!(config.http.trusted_proxies.0, proxies);
        assert!(config.http.static_root);
        assert_eq!(config.transcribe.model, "base");
        assert_eq!(config.transcribe.language.as_deref(), Some("no"));
        assert_eq!(config.models_dir, Path::new("/var/lib/scribed-models"));
    }

    #[test]
    fn errors_name_the_key_and_the_fix() {
        let cases = [
            (
                "listn = ['127.0.0.1:1']",
                "FILE: unknown key `listn`; did you mean `listen`?",
            ),
            (
                "[upload]\nmaxsize = '1'",
                "FILE: unknown key `upload.maxsize`; did you mean `upload.max_size`?",
            ),
            ("[zzz]\nq = 1", "FILE: unknown key `zzz`"),
            (
                "listen = '127.0.0.1:1'",
                "`listen`: must be of type array, not string",
            ),
            ("listen = []", "`listen`: needs at least one address"),
            (
                "listen = ['host']",
                "`listen`: `host` is not an address; write ADDRESS:PORT, for example 127.0.0.1:8000 or [::1]:8000",
            ),
            (
                "[http]\ncors_origins = ['https://notes.example', 'notes.example/']",
                "`http.cors_origins`: `notes.example/` is not an origin; write one like https://app.example or http://192.168.1.5:3000, or * for all",
            ),
            (
                "[http]\nbase_url = 'notes.example'",
                "`http.base_url`: `notes.example` does not begin with http:// or https://; write one like https://notes.example or https://notes.example/scribed",
            ),
            (
                "[http]\ntrusted_proxies = ['127.0.0.1', 'nginx']",
                "`http.trusted_proxies`: `nginx` is not a network; write one like 192.168.0.0/16 or fd00::/8, or an address",
            ),
            (
                "[http]\nstatic_root = true",
                "`http.static_root`: needs the directory of a front end in http.static_dir",
            ),
            (
                "[http]\nheader_timeout = '0s'",
                "`http.header_timeout`: must be longer than zero",
            ),
            (
                "[upload]\nmax_size = 'much'",
                "`upload.max_size`: `much` is not a size; write one like 500MiB or 5GiB",
            ),
            (
                "[upload]\ningest_threads = 0",
                "`upload.ingest_threads`: 0 is not between 1 and 64",
            ),
            (
                "[auth]\nmode = 'open'",
                "`auth.networks`: mode = \"open\" needs at least one network, for example [\"192.168.0.0/16\"]",
            ),
            (
                "[auth]\nmode = 'open'\nnetworks = ['lan']",
                "`auth.networks`: `lan` is not a network; write one like 192.168.0.0/16 or fd00::/8, or an address",
            ),
            (
                "[callbacks]\nallow = ['https://nas']",
                "`callbacks.allow`: `https://nas` is not a host; write one like notes.example, 192.168.1.20:8080, [fd00::5]:8080, notes.example:* or *.notes.example",
            ),
            (
                "[retention]\ntranscripts = 'until-transcribed'",
                "`retention.transcripts`: `until-transcribed` is not a duration (expected number at 0); write one like 60s or 10min",
            ),
            (
                "[transcribe]\nlanguage = 'englisch'",
                "`transcribe.language`: `englisch` is not a language Whisper knows; did you mean `english` (en)?",
            ),
            (
                "[transcribe]\nunknown_model = 'x'",
                "`transcribe.unknown_model`: `x` is neither `resident` nor `reject`",
            ),
        ];
        for (file, message) in cases {
            assert_eq!(
                load(file, &[], &Flags::default()).unwrap_err(),
                message,
                "{file}"
            );
        }
        let typo = load("", &[("SCRIBED_UPLOAD_MAXSIZE", "1")], &Flags::default()).unwrap_err();
        assert_eq!(
            typo,
            "environment: unknown key `upload.maxsize`; did you mean `upload.max_size`?"
        );
        let syntax = load("listen = [", &[], &Flags::default()).unwrap_err();
        assert!(syntax.starts_with("FILE is not valid TOML"), "{syntax}");
    }
}
