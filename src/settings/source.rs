//! Where a setting comes from: the environment, then the file `.env` of the working directory; for a secret also the file that `NAME_FILE` names.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;

use super::SettingsError;

/// Variables by name. An empty value counts as unset, as `NAME=` in a compose file means it.
pub struct Source {
    values: HashMap<String, OsString>,
}

impl Source {
    /// The environment of this process, and `.env` for what the environment does not set.
    pub fn process() -> Result<Self, SettingsError> {
        let mut values = HashMap::new();
        for (name, value) in dotenv()? {
            values.insert(name, OsString::from(value));
        }
        for (name, value) in std::env::vars_os() {
            if let Ok(name) = name.into_string() {
                values.insert(name, value);
            }
        }
        Ok(Self { values })
    }

    /// These variables and no others.
    pub fn of(variables: &[(&str, &str)]) -> Self {
        Self { values: variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(*value))).collect() }
    }

    pub fn text(&self, name: &str) -> Result<Option<&str>, SettingsError> {
        match self.values.get(name).filter(|value| !value.is_empty()) {
            None => Ok(None),
            Some(value) => value.to_str().map(Some).ok_or_else(|| SettingsError::new(name, "is not UTF-8 text")),
        }
    }

    /// The parsed value of `name`, or `default` when it is unset.
    pub fn read<T>(&self, name: &str, default: T, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<T, SettingsError> {
        match self.text(name)? {
            None => Ok(default),
            Some(text) => parse(text.trim()).map_err(|problem| SettingsError::new(name, problem)),
        }
    }

    /// The value of `name`, or what the file named by `NAME_FILE` holds, without its final line break.
    pub fn secret(&self, name: &str) -> Result<Option<String>, SettingsError> {
        let file_name = format!("{name}_FILE");
        match (self.text(name)?, self.text(&file_name)?) {
            (Some(_), Some(_)) => Err(SettingsError::new(&file_name, format!("is set beside {name}: set one of them"))),
            (Some(text), None) => Ok(Some(text.to_owned())),
            (None, None) => Ok(None),
            (None, Some(path)) => {
                let text =
                    fs::read_to_string(path).map_err(|error| SettingsError::new(&file_name, format!("cannot read `{path}`: {error}")))?;
                let text = text.trim_end_matches(['\r', '\n']);
                if text.is_empty() {
                    return Err(SettingsError::new(&file_name, format!("`{path}` is empty")));
                }
                Ok(Some(text.to_owned()))
            }
        }
    }
}

fn dotenv() -> Result<Vec<(String, String)>, SettingsError> {
    let lines = match dotenvy::from_path_iter(".env") {
        Ok(lines) => lines,
        Err(error) if error.not_found() => return Ok(Vec::new()),
        Err(error) => return Err(SettingsError::new(".env", error.to_string())),
    };
    lines.collect::<Result<_, _>>().map_err(|error| SettingsError::new(".env", dotenv_problem(&error)))
}

/// The parser's own words quote the whole line, which may hold a secret.
fn dotenv_problem(error: &dotenvy::Error) -> String {
    match error {
        dotenvy::Error::LineParse(line, _) => {
            let name = line.split('=').next().unwrap_or_default().trim();
            let is_name = name.len() < line.trim().len() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let which = if is_name { format!("the line of {name}") } else { "a line".to_owned() };
            format!("{which} cannot be read: write NAME=value, in quotes if the value has spaces")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_secret_comes_from_its_variable_or_from_a_file_but_not_from_both() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"from a file\n").unwrap();
        let path = file.path().to_str().unwrap();

        assert_eq!(Source::of(&[("X", "direct")]).secret("X").unwrap().as_deref(), Some("direct"));
        assert_eq!(Source::of(&[("X_FILE", path)]).secret("X").unwrap().as_deref(), Some("from a file"));
        assert_eq!(Source::of(&[]).secret("X").unwrap(), None);
        assert_eq!(Source::of(&[("X", "direct"), ("X_FILE", path)]).secret("X").unwrap_err().name, "X_FILE");
        assert_eq!(Source::of(&[("X_FILE", "/nowhere/at/all")]).secret("X").unwrap_err().name, "X_FILE");
    }

    #[test]
    fn an_unreadable_line_of_the_env_file_is_told_without_its_value() {
        let error = dotenvy::Error::LineParse("BETTER_AUTH_SECRET=hunter2 and more".into(), 26);
        assert_eq!(
            dotenv_problem(&error),
            "the line of BETTER_AUTH_SECRET cannot be read: write NAME=value, in quotes if the value has spaces"
        );
        assert!(!dotenv_problem(&dotenvy::Error::LineParse("hunter2".into(), 1)).contains("hunter2"));
    }
}
