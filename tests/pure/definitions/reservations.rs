//! Of several who want one version, exactly one gets it.

use devenv::definitions::{Reserved, Tag};
use devenv::error::Kind;
use devenv::model::name::{ContainerName, EnvironmentName, Version};

use super::over_both;
use super::server::Mood;
use super::world::{World, author, reservation};

over_both!(
    of_two_at_once_one_wins,
    the_same_token_resumes,
    a_dead_one_is_taken_over,
    giving_back,
    a_lost_answer_is_no_lost_tag,
    a_refusal_is_told,
    a_tag_made_by_hand_is_another_s,
    names_that_git_cannot_have,
);

fn version(text: &str) -> Tag {
    let container = ContainerName::new("billing").unwrap();
    Tag::Release(container, Version::new(text).unwrap())
}

async fn of_two_at_once_one_wins(world: World) {
    let (mut a, mut b) = (world.clone("a").await, world.clone("b").await);
    let base = a.head_id().unwrap();
    let (mine, yours) = (reservation("a", "1"), reservation("b", "1"));
    let (anna, bert) = (author("Anna"), author("Bert"));
    for number in 1..6 {
        let tag = Tag::Reference(number);
        let (first, second) = tokio::join!(
            a.reserve(&tag, base, &mine, &anna),
            b.reserve(&tag, base, &yours, &bert)
        );
        match (first.unwrap(), second.unwrap()) {
            (Reserved::Won(_), Reserved::Lost(holder)) => {
                assert_eq!(holder.reservation.as_ref(), Some(&mine));
                assert_eq!(holder.tagger.as_deref(), Some("Anna <Anna@acme.example>"));
                assert_eq!(holder.at, Some(anna.at));
                assert_eq!(holder.commit, Some(base));
            }
            (Reserved::Lost(holder), Reserved::Won(_)) => {
                assert_eq!(holder.reservation.as_ref(), Some(&yours));
            }
            both => panic!("{both:?}"),
        }
    }
    let tags = a.remote_tags("reference/").await.unwrap();
    let names: Vec<_> = tags.iter().map(|tag| tag.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "reference/1",
            "reference/2",
            "reference/3",
            "reference/4",
            "reference/5"
        ]
    );
    assert!(tags.iter().all(|tag| tag.commit == base));
}

async fn the_same_token_resumes(world: World) {
    let (mut a, mut b) = (world.clone("a").await, world.clone("b").await);
    let base = a.head_id().unwrap();
    let tag = version("1.4.2");
    let first = a
        .reserve(&tag, base, &reservation("t", "1"), &author("Anna"))
        .await
        .unwrap();
    assert!(
        matches!(&first, Reserved::Won(held) if !held.resumed),
        "{first:?}"
    );
    for definitions in [&mut a, &mut b] {
        let mut later = author("Anna");
        later.at += jiff::SignedDuration::from_secs(5);
        let again = definitions
            .reserve(&tag, base, &reservation("t", "1"), &later)
            .await
            .unwrap();
        assert!(
            matches!(&again, Reserved::Won(held) if held.resumed),
            "{again:?}"
        );
    }
    let other = b
        .reserve(&tag, base, &reservation("t", "2"), &author("Anna"))
        .await
        .unwrap();
    assert!(matches!(other, Reserved::Lost(_)), "{other:?}");
    let commit = b.commit_files(base, &[], "other", &author("Anna")).unwrap();
    let other = b
        .reserve(&tag, commit, &reservation("t", "1"), &author("Anna"))
        .await
        .unwrap();
    assert!(matches!(other, Reserved::Lost(_)), "{other:?}");
}

async fn a_dead_one_is_taken_over(world: World) {
    let (mut a, mut b) = (world.clone("a").await, world.clone("b").await);
    let base = a.head_id().unwrap();
    let tag = Tag::Sequence(EnvironmentName::new("production").unwrap(), 7);
    let Reserved::Won(dead) = a
        .reserve(&tag, base, &reservation("a", "1"), &author("Anna"))
        .await
        .unwrap()
    else {
        panic!("not won");
    };
    let Reserved::Lost(holder) = b
        .reserve(&tag, base, &reservation("b", "1"), &author("Bert"))
        .await
        .unwrap()
    else {
        panic!("not lost");
    };
    let taken = b
        .take_over(&tag, &holder, base, &reservation("b", "1"), &author("Bert"))
        .await
        .unwrap();
    assert!(matches!(taken, Reserved::Won(_)), "{taken:?}");
    // Somebody who saw the same dead holder comes too late.
    let late = a
        .take_over(&tag, &holder, base, &reservation("c", "1"), &author("Carl"))
        .await
        .unwrap();
    match late {
        Reserved::Lost(now) => assert_eq!(now.reservation, Some(reservation("b", "1"))),
        Reserved::Won(held) => panic!("{held:?}"),
    }
    assert!(
        !a.release(&dead).await.unwrap(),
        "the dead one gave back what is another's"
    );
    assert_eq!(a.remote_tags("production/").await.unwrap().len(), 1);
}

async fn giving_back(world: World) {
    let mut a = world.clone("a").await;
    let base = a.head_id().unwrap();
    let tag = version("1.0.0");
    let Reserved::Won(held) = a
        .reserve(&tag, base, &reservation("a", "1"), &author("Anna"))
        .await
        .unwrap()
    else {
        panic!("not won");
    };
    assert!(a.release(&held).await.unwrap());
    assert!(a.release(&held).await.unwrap(), "gone is given back");
    assert!(a.remote_tags("").await.unwrap().is_empty());
    let again = a
        .reserve(&tag, base, &reservation("b", "1"), &author("Bert"))
        .await
        .unwrap();
    assert!(matches!(again, Reserved::Won(_)));
}

async fn a_lost_answer_is_no_lost_tag(world: World) {
    let mut a = world.clone("a").await;
    let base = a.head_id().unwrap();
    world.server.mood(Mood::Forgetful);
    let won = a
        .reserve(
            &version("1.0.0"),
            base,
            &reservation("a", "1"),
            &author("Anna"),
        )
        .await;
    assert!(matches!(won, Ok(Reserved::Won(_))), "{won:?}");
    assert_eq!(a.remote_tags("release/billing/").await.unwrap().len(), 1);
}

async fn a_refusal_is_told(world: World) {
    let (mut a, mut b) = (world.clone("a").await, world.clone("b").await);
    let base = a.head_id().unwrap();
    a.reserve(
        &version("1.0.0"),
        base,
        &reservation("a", "1"),
        &author("Anna"),
    )
    .await
    .unwrap();
    world.hook("update", "echo 'no tags for you' >&2; exit 1");
    let error = b
        .reserve(
            &version("2.0.0"),
            base,
            &reservation("b", "1"),
            &author("Bert"),
        )
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Git);
    assert!(
        error.details().join("\n").contains("no tags for you"),
        "{error:?}"
    );
    let Reserved::Lost(holder) = b
        .reserve(
            &version("1.0.0"),
            base,
            &reservation("b", "1"),
            &author("Bert"),
        )
        .await
        .unwrap()
    else {
        panic!("not lost");
    };
    let error = b
        .take_over(
            &version("1.0.0"),
            &holder,
            base,
            &reservation("b", "1"),
            &author("Bert"),
        )
        .await
        .unwrap_err();
    assert!(
        error.details().join("\n").contains("no tags for you"),
        "{error:?}"
    );
}

async fn a_tag_made_by_hand_is_another_s(world: World) {
    let mut a = world.clone("a").await;
    let base = a.head_id().unwrap();
    world.git(&world.bare(), &["tag", "release/billing/1.0.0", "main"]);
    world.git(
        &world.bare(),
        &[
            "tag",
            "-a",
            "-m",
            "by \u{1b}hand",
            "release/billing/2.0.0",
            "main",
        ],
    );
    for (text, tagger) in [("1.0.0", None), ("2.0.0", Some("Anna <anna@acme.example>"))] {
        match a
            .reserve(
                &version(text),
                base,
                &reservation("a", "1"),
                &author("Anna"),
            )
            .await
            .unwrap()
        {
            Reserved::Lost(holder) => {
                assert_eq!(holder.tagger.as_deref(), tagger);
                assert_eq!(holder.reservation, None);
                assert_eq!(holder.commit, Some(base));
                assert!(!holder.message.contains('\u{1b}'));
            }
            Reserved::Won(held) => panic!("{held:?}"),
        }
    }
}

async fn names_that_git_cannot_have(world: World) {
    let mut a = world.clone("a").await;
    let base = a.head_id().unwrap();
    let release = EnvironmentName::new("reference").unwrap();
    for tag in [
        version("1..2"),
        version("1."),
        version("1.lock"),
        Tag::Sequence(release, 1),
    ] {
        let error = a
            .reserve(&tag, base, &reservation("a", "1"), &author("Anna"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Usage, "{tag}");
    }
}
