//! docker's `config.json`: one that is no JSON is warned of and ignored, as docker's own client does it.

use std::path::PathBuf;

use serde_json::Value;

use super::Session;

impl Session {
    /// The folder of docker's `config.json`, unless that is no JSON: then there is a warning, once.
    pub(super) fn docker_config(&self) -> Option<PathBuf> {
        let folder = self.home.environment.docker_config();
        let usable = self.docker_config.get_or_init(|| {
            folder.filter(|folder| {
                let file = folder.join("config.json");
                let problem = std::fs::read(&file).ok().and_then(|text| problem(&text));
                if let Some(problem) = &problem {
                    self.reporter.warn(&format!(
                        "{} is ignored, with the current context, logins and proxies in it: {problem}",
                        file.display()
                    ));
                }
                problem.is_none()
            })
        });
        usable.clone()
    }
}

/// Why a text is no JSON; without a word of it, which may be a password's.
fn problem(text: &[u8]) -> Option<String> {
    if text.iter().all(u8::is_ascii_whitespace) {
        return None;
    }
    let error = serde_json::from_slice::<Value>(text).err()?;
    let (line, column) = (error.line(), error.column());
    Some(format!("it is no JSON (line {line}, column {column})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_no_json_is_a_problem() {
        assert_eq!(problem(b" \n"), None);
        assert_eq!(problem(b"{\"auths\":{}}"), None);
        let wrong = problem(b"{\n  \"auth\": \"hunter2\n").unwrap();
        assert!(
            wrong.contains("line ") && !wrong.contains("hunter2"),
            "{wrong}"
        );
    }
}
