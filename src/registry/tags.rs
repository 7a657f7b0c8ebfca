//! Lists that come in pages (`Link: <…>; rel="next"`, RFC 8288): tags, and referrers elsewhere.

use bytes::Bytes;
use reqwest::header::{HeaderMap, LINK};
use reqwest::{Method, Url};
use serde::Deserialize;

use super::Registry;
use super::call::Call;
use super::fault::Fault;
use super::host::same_server;
use crate::model::image::Repository;

/// The most tags that are listed.
const TAGS: usize = 100_000;
/// The largest page, in bytes.
const PAGE: u64 = 4 << 20;
/// The most pages one after another with nothing on them.
const EMPTY_PAGES: u32 = 3;
/// The most pages.
const PAGES: u64 = 1_000;

#[derive(Deserialize)]
struct Page {
    tags: Option<Vec<String>>,
}

impl Registry {
    /// All tags, in the registry's order; [`Fault::NotFound`] where there is no such repository.
    pub async fn tags(&self, repository: &Repository) -> Result<Vec<String>, Fault> {
        let mut call = self.call(Method::GET, repository, "tags/list", "pull")?;
        call.url.set_query(Some("n=1000"));
        self.list(call, TAGS, |body| {
            let page: Page = serde_json::from_slice(body)?;
            Ok(page.tags.unwrap_or_default())
        })
        .await
    }

    /// Reads page after page, `most` entries at most.
    pub(super) async fn list<T>(
        &self,
        mut call: Call,
        most: usize,
        entries: impl Fn(&Bytes) -> serde_json::Result<Vec<T>>,
    ) -> Result<Vec<T>, Fault> {
        let mut all = Vec::new();
        let mut nothing_new = 0;
        for _ in 0..PAGES {
            let (url, headers, body) = self.fetch(&call, PAGE).await?;
            let found = entries(&body).map_err(|error| Fault::Answer {
                what: call.what.clone(),
                text: error.to_string(),
            })?;
            nothing_new = if found.is_empty() { nothing_new + 1 } else { 0 };
            if nothing_new > EMPTY_PAGES {
                return Err(Fault::Answer {
                    what: call.what,
                    text: format!("more than {EMPTY_PAGES} pages with nothing on them"),
                });
            }
            all.extend(found);
            if all.len() > most {
                return Err(Fault::TooLarge {
                    what: format!("the list of {}", call.what),
                    limit: most as u64,
                });
            }
            let Some(link) = next(&headers) else {
                return Ok(all);
            };
            call.url = page(&url, &link, &call)?;
        }
        Err(Fault::TooLarge {
            what: format!("the list of {}", call.what),
            limit: PAGES,
        })
    }
}

/// The next page's address, which must be on the same server: the login goes with it.
fn page(from: &Url, link: &str, call: &Call) -> Result<Url, Fault> {
    let next = from
        .join(link)
        .ok()
        .filter(|next| same_server(next, &call.home));
    let Some(mut next) = next else {
        return Err(Fault::Answer {
            what: call.what.clone(),
            text: "the next page is on another server".to_owned(),
        });
    };
    let _ = next.set_scheme(call.url.scheme());
    Ok(next)
}

fn next(headers: &HeaderMap) -> Option<String> {
    headers.get_all(LINK).iter().find_map(|value| {
        value.to_str().ok()?.split(", ").find_map(|link| {
            let (address, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
            let is_next = parameters.split(';').any(|parameter| {
                let parameter = parameter.trim().to_ascii_lowercase();
                matches!(parameter.as_str(), "rel=next" | "rel=\"next\"")
            });
            is_next.then(|| address.to_owned())
        })
    })
}
