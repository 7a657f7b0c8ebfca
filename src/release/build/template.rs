//! The proxy's templates: every `.j2` file, rendered with a reference.
//!
//! A template sees the fields of `reference.yaml` and `routes`: a list of
//! `{container, host (or none), path, port, members}`, longest path first; `members` are the names of
//! the container's copies, as many as any environment runs, or its own alone. It can include only files of its
//! own folder, and it cannot run for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

use crate::definitions::TreeFile;
use crate::error::{Error, Kind as ErrorKind, Place, Result};
use crate::model::container::Kind;
use crate::model::members;
use crate::model::reference::Reference;
use crate::model::text::HostName;
use crate::model::visible::visible;
use crate::model::yaml;

/// How a template's name ends.
pub const SUFFIX: &str = ".j2";
/// How many steps one template may take; a platform of a thousand routes takes some 100 000.
const FUEL: u64 = 5_000_000;
/// The largest result of one template, in bytes.
const LARGEST: usize = 8 * 1024 * 1024;

/// One route, as templates see it.
#[derive(Serialize)]
struct RouteContext<'a> {
    container: &'a str,
    host: Option<&'a str>,
    path: &'a str,
    port: u16,
    members: Vec<String>,
}

/// Refuses templates beside a definition that is not the proxy's. `folder` is for the message.
pub fn refuse_outside_proxy(folder: &str, kind: Kind, files: &[TreeFile]) -> Result<()> {
    let template = files.iter().find(|file| file.path.ends_with(SUFFIX));
    match template.filter(|_| kind != Kind::Proxy) {
        None => Ok(()),
        Some(file) => Err(Error::at(
            ErrorKind::Definitions,
            Place::file(format!("{folder}/{}", file.path)),
            "only the proxy has templates",
        )
        .hint("what differs per environment belongs into configuration/<environment>/")),
    }
}

/// Renders the templates among `files`; each gives a file of its name without `.j2`, the others
/// stay. `folder` names the place in errors: file and line. Fails with
/// [`crate::error::Kind::Definitions`] on what a template does wrong, and where its result's name
/// is taken.
pub fn render(folder: &str, files: &[TreeFile], reference: &Reference) -> Result<Vec<TreeFile>> {
    let texts: BTreeMap<String, String> = files
        .iter()
        .filter_map(|file| {
            Some((
                file.path.clone(),
                String::from_utf8(file.bytes.clone()).ok()?,
            ))
        })
        .collect();
    let context = context(reference)?;
    let environment = environment(texts.clone());
    let mut taken: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let mut rendered = Vec::with_capacity(files.len());
    for file in files {
        let Some(path) = file.path.strip_suffix(SUFFIX) else {
            rendered.push(file.clone());
            continue;
        };
        let source = format!("{folder}/{}", file.path);
        if path.is_empty() || path.ends_with('/') || !taken.insert(path) {
            let text = format!("its result `{path}` would replace another file");
            return Err(Error::at(
                ErrorKind::Definitions,
                Place::file(source),
                &text,
            ));
        }
        if !texts.contains_key(&file.path) {
            let text = "not UTF-8 text";
            return Err(Error::at(ErrorKind::Definitions, Place::file(source), text));
        }
        let bytes = one(&environment, &file.path, &context)
            .map_err(|error| explain(folder, &file.path, &texts, &error))?;
        rendered.push(TreeFile {
            path: path.to_owned(),
            executable: file.executable,
            bytes,
        });
    }
    Ok(rendered)
}

fn context(reference: &Reference) -> Result<Value> {
    let bug = |error| Error::bug("cannot hand a reference to templates").because(error);
    let mut context = serde_json::to_value(reference).map_err(bug)?;
    let routes: Vec<_> = reference
        .routes()
        .into_iter()
        .map(|(name, route, port)| RouteContext {
            container: name.as_str(),
            host: route.host.as_ref().map(HostName::as_str),
            path: route.prefix(),
            port,
            members: members::names(name, reference.containers[name].run.most()),
        })
        .collect();
    context["routes"] = serde_json::to_value(routes).map_err(bug)?;
    Ok(Value::from(Serde(context)))
}

fn environment(texts: BTreeMap<String, String>) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
    // The default delimiters are valid.
    environment.set_syntax(syntax.unwrap_or_default());
    environment.set_auto_escape_callback(|name| {
        let name = name.strip_suffix(SUFFIX).unwrap_or(name);
        let markup = [".html", ".htm", ".xml"];
        if markup.iter().any(|ending| name.ends_with(ending)) {
            AutoEscape::Html
        } else {
            AutoEscape::None
        }
    });
    environment.set_loader(move |name| Ok(texts.get(name).cloned()));
    environment
}

fn one(
    environment: &Environment<'_>,
    name: &str,
    context: &Value,
) -> std::result::Result<Vec<u8>, minijinja::Error> {
    let template = environment.get_template(name)?;
    let mut output = Limited(Vec::new());
    template.render_captured_to(context.clone(), &mut output)?;
    Ok(output.0)
}

/// A result that cannot grow without end.
struct Limited(Vec<u8>);

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LARGEST {
            return Err(io::Error::other(format!(
                "its result is larger than {LARGEST} bytes"
            )));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The innermost cause: where an included file is wrong, that file and line.
fn explain(
    folder: &str,
    name: &str,
    texts: &BTreeMap<String, String>,
    error: &minijinja::Error,
) -> Error {
    let mut inner = error;
    while let Some(cause) =
        std::error::Error::source(inner).and_then(|cause| cause.downcast_ref::<minijinja::Error>())
    {
        inner = cause;
    }
    let name = inner.name().unwrap_or(name);
    let line = inner.line().unwrap_or(1);
    let mut what = inner.kind().to_string();
    let because = std::error::Error::source(inner).map(ToString::to_string);
    for more in inner.detail().map(str::to_owned).into_iter().chain(because) {
        what.push_str(": ");
        what.push_str(&more);
    }
    let place = Place::line(format!("{folder}/{name}"), line);
    let error = Error::at(ErrorKind::Definitions, place, &visible(&what));
    match texts.get(name) {
        Some(text) => error.detail(yaml::snippet(text, line, 1)),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::reference::tests::{container, reference};

    fn file(path: &str, text: &str) -> TreeFile {
        TreeFile {
            path: path.to_owned(),
            executable: false,
            bytes: text.as_bytes().to_vec(),
        }
    }

    fn rendered(files: &[TreeFile]) -> Result<Vec<(String, String)>> {
        let reference = reference(&[
            container("billing", &["customers"], &[]),
            container("customers", &[], &[]),
        ]);
        let files = render("containers/front", files, &reference)?;
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ok(files
            .into_iter()
            .map(|file| (file.path, text(file.bytes)))
            .collect())
    }

    fn refused(files: &[TreeFile], wanted: &str) {
        let error = rendered(files).unwrap_err();
        assert!(error.to_string().contains(wanted), "{wanted:?}: {error}");
        assert_eq!(error.kind(), crate::error::Kind::Definitions);
    }

    #[test]
    fn routes_longest_first_and_the_reference_around_them() {
        let files = [
            file("Dockerfile", "FROM x"),
            file(
                "routes.conf.j2",
                "# {{ platform }} {{ number }}\n{% for route in routes %}\
                 {{ route.container }} {{ route.host or '-' }} {{ route.path }} {{ route.port }} \
                 {{ containers[route.container].version }}\n{% endfor %}",
            ),
        ];
        let files = rendered(&files).unwrap();
        assert_eq!(files[0], ("Dockerfile".to_owned(), "FROM x".to_owned()));
        assert_eq!(files[1].0, "routes.conf");
        assert_eq!(
            files[1].1,
            "# acme 7\ncustomers - /customers 8080 1.0\nbilling - /billing 8080 1.0\n"
        );
    }

    #[test]
    fn what_is_undefined_is_an_error_with_its_line() {
        refused(
            &[file("a.j2", "{{ platform }}\n{{ platfrom }}\n")],
            "containers/front/a.j2:2: undefined value",
        );
        refused(
            &[file("a.j2", "\n\n{% if x\n")],
            "containers/front/a.j2:3: syntax error",
        );
    }

    #[test]
    fn includes_stay_in_the_folder() {
        let files = [
            file("a.j2", "{% include 'b.j2' %}!"),
            file("b.j2", "{{ number }}"),
        ];
        assert_eq!(rendered(&files).unwrap()[0].1, "7!");
        refused(
            &[file("a.j2", "{% include '../other/b' %}")],
            "containers/front/a.j2:1: template not found",
        );
        refused(
            &[file("a.j2", "{% include '/etc/passwd' %}")],
            "template not found",
        );
        refused(
            &[
                file("a.j2", "{% include 'b.j2' %}"),
                file("b.j2", "\n{{ x }}"),
            ],
            "containers/front/b.j2:2: undefined value",
        );
    }

    #[test]
    fn nothing_runs_for_ever() {
        let busy = "{% for a in range(9999) %}{% for b in range(9999) %}{% set c = b %}{% endfor %}{% endfor %}";
        refused(&[file("a.j2", busy)], "out of fuel");
        let big = "{% for a in range(9000) %}{{ '0123456789' * 1000 }}{% endfor %}";
        refused(&[file("a.j2", big)], "larger than");
    }

    #[test]
    fn markup_is_escaped() {
        let files = [
            file("a.html.j2", "{{ '<b>' }}"),
            file("a.conf.j2", "{{ '<b>' }}"),
        ];
        let files = rendered(&files).unwrap();
        assert_eq!(
            (files[0].1.as_str(), files[1].1.as_str()),
            ("&lt;b&gt;", "<b>")
        );
    }

    #[test]
    fn a_result_replaces_nothing_and_only_the_proxy_has_templates() {
        refused(
            &[file("a.conf", ""), file("a.conf.j2", "")],
            "a.conf.j2: its result `a.conf` would replace",
        );
        refused(&[file(".j2", "")], "would replace");
        let files = [file("a.conf.j2", "")];
        assert!(refuse_outside_proxy("containers/billing", Kind::App, &files).is_err());
        assert!(refuse_outside_proxy("containers/front", Kind::Proxy, &files).is_ok());
    }
}
