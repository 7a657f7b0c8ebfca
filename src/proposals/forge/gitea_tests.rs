use super::*;

fn gitea() -> Gitea {
    let place = Place::new("https://git.acme.example/acme/platform.git", None, None);
    Gitea::new(ForgeKind::Gitea, place.unwrap(), None, Topics::new())
}

fn draft(description: &str) -> Draft {
    Draft {
        title: "Mend the health path".to_owned(),
        description: description.to_owned(),
        source: "devenv/anna/billing-ab12cd".to_owned(),
        target: "main".to_owned(),
        draft: true,
    }
}

#[test]
fn a_push_to_refs_for_carries_everything_in_one_line_each() {
    let delivery = gitea().delivery(&draft("why\n\n- one\n- two\n"));
    assert_eq!(delivery.target, "refs/for/main");
    assert_eq!(
        delivery.options,
        [
            "topic=devenv/anna/billing-ab12cd",
            "title=WIP: Mend the health path",
            "force-push=true",
            "description=why / - one / - two",
        ]
    );
    assert!(delivery.creates);
    assert!(delivery.lost.unwrap().contains("one line"));
    assert_eq!(gitea().delivery(&draft("why\n")).lost, None);
    let long = gitea().delivery(&draft(&"é".repeat(40_000)));
    assert!(long.options.iter().all(|it| it.len() < 65_000));
    assert!(long.lost.unwrap().contains("last 20000 bytes"));
}

/// As in <https://github.com/go-gitea/gitea/pull/4716>, shown at <https://blog.gitea.com/release-of-1.7.0/>.
#[test]
fn the_hook_s_words_are_understood() {
    let lines = |text: &str| {
        text.lines()
            .map(|it| it.trim().to_owned())
            .collect::<Vec<_>>()
    };
    let heard = gitea().heard(&lines(
        "\nVisit the existing pull request:\n  https://git.acme.example/acme/platform/pulls/6\n\n\
         . Processing 1 references\nProcessed 1 references in total\n",
    ));
    let url = "https://git.acme.example/acme/platform/pulls/6";
    assert_eq!(heard.request.as_deref(), Some(url));
    let heard = gitea().heard(&lines(
        "\nCreate a new pull request for 'branch2/test':\n  \
         https://git.acme.example/acme/platform/compare/main...branch2%2Ftest\n",
    ));
    assert_eq!(heard.request, None);
    assert!(
        heard
            .offered
            .unwrap()
            .ends_with("/compare/main...branch2%2Ftest")
    );
    let heard = gitea().heard(&lines(
        "Visit the existing pull request:\n  https://evil.example/acme/platform/pulls/6\n",
    ));
    assert_eq!((heard.request, heard.foreign), (None, 1));
}

/// The example of `PullRequest`, <https://docs.gitea.com/api/#tag/repository/operation/repoGetPullRequest>.
#[test]
fn rest_s_shape_is_understood() {
    let shape = |state: &str, merged: bool| -> PullRequest {
        serde_json::from_value(json!({
            "id": 1, "url": "https://git.acme.example/acme/platform/pulls/6", "number": 6,
            "title": "string", "body": "string", "labels": [], "state": state,
            "is_locked": true, "comments": 0, "draft": false,
            "html_url": "https://git.acme.example/acme/platform/pulls/6", "mergeable": true,
            "merged": merged, "merged_at": "2019-08-24T14:15:22Z", "merge_commit_sha": "abc",
            "base": { "label": "main", "ref": "main", "repo": null, "repo_id": 0, "sha": "x" },
            "head": { "label": "anna/topic", "ref": "refs/pull/6/head", "repo_id": 0, "sha": "x" },
        }))
        .unwrap()
    };
    let known = |state, merged| gitea().known(shape(state, merged)).unwrap();
    assert_eq!(known("open", false).state, State::Open);
    assert_eq!(known("open", false).merged_as, None);
    assert_eq!(known("closed", false).state, State::Closed);
    assert_eq!(known("closed", true).state, State::Merged);
    assert_eq!(known("closed", true).merged_as.as_deref(), Some("abc"));
    assert!(shape("open", false).head.is("anna/topic"));
    let mut elsewhere = shape("open", false);
    elsewhere.html_url = "https://evil.example/pulls/6".to_owned();
    assert!(gitea().known(elsewhere).is_err());
}
