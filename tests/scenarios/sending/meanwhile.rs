//! What others did meanwhile: conflicts, pushes, merges.

use super::*;

/// What was not part of a merged proposal is never removed.
#[test]
fn what_is_not_part_of_a_merged_proposal_stays() {
    let sending = Sending::to(Vendor::GitLab);
    sending.run(&PROPOSE).ok();
    sending.forge().merge(1);
    sending.change("hostname: more\n");
    sending.run(&["sync"]).ok().says("it is kept");
    assert!(sending.folder.exists());
    let listed = sending.run(&["proposals", "--json"]).ok().json();
    assert_eq!(listed[0]["state"], "merged");
    assert_eq!(listed[0]["behind"], 2, "the squash and its merge");
}

/// A merge is noticed after a killed `propose`, later changes of the file, and a removed work tree;
/// changes are shown first.
#[test]
fn a_merge_is_noticed_although_the_command_was_killed_the_file_went_on_and_the_tree_is_gone() {
    let sending = Sending::to(Vendor::Plain);
    sending.run(&PROPOSE).ok();
    // Killed after the push.
    let record = format!("state/proposals/{}/billing.json", sending.company.platform);
    let record = sending.developer.home.path().join(record);
    let text = fs::read_to_string(&record).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value["sent"]["sending"] = value["sent"]["commit"].take();
    fs::write(&record, value.to_string()).unwrap();
    let branch = sending.forge().branches().pop().unwrap();
    let reference = sending.forge().git(&["rev-parse", &branch]);
    sending
        .forge()
        .git(&["update-ref", "refs/heads/main", &reference]);
    let definition = "containers/billing/container.yaml";
    let text = sending.company.on_main(definition);
    // The operator's clone has the merge before it goes on.
    sending.company.push("Something else");
    sending
        .company
        .write(definition, &text.replace("300MiB", "333MiB"));
    sending.company.push("Other memory");
    assert!(sending.company.on_main(definition).contains("333MiB"));
    fs::remove_dir_all(sending.folder.ancestors().nth(2).unwrap()).unwrap();
    let synced = sending.run(&["sync"]).ok();
    let at = |text: &str| {
        synced
            .stdout
            .find(text)
            .unwrap_or_else(|| panic!("{text}: {synced:?}"))
    };
    assert!(at("Other memory") < at("merged     your proposal for billing"));
    assert!(!record.exists());
}

/// A conflict is found before anything is sent; `edit --update` marks both sides.
#[test]
fn a_conflict_is_found_in_memory_and_both_sides_are_marked() {
    let sending = Sending::to(Vendor::GitLab);
    let definition = "containers/billing/container.yaml";
    let theirs = sending.company.on_main(definition) + "\nmemory: 400MiB\n";
    sending.company.write(definition, &theirs);
    sending.company.push("More memory");
    let conflict = sending.run(&PROPOSE).code(6);
    conflict.says(definition).says("--update");
    sending.nothing_is_left();
    sending
        .run(&["edit", "billing", "--update", "--print"])
        .code(3)
        .says("<<<<<<<");
    let file = sending.folder.join("container.yaml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("<<<<<<<") && text.contains("400MiB") && text.contains("300MiB"),
        "{text}"
    );
    fs::write(&file, theirs.replace("400MiB", "350MiB")).unwrap();
    // In a file that is no YAML, only a look for them finds the marks.
    let properties = sending
        .folder
        .join("configuration/recette/application.properties");
    let settled = fs::read_to_string(&properties).unwrap();
    let marked = "a=1\n<<<<<<< newest\nb=1\n=======\nb=2\n>>>>>>> proposal\n";
    fs::write(&properties, marked).unwrap();
    for command in [&["propose", "billing"][..], &["edit", "billing", "--print"]] {
        let place = "configuration/recette/application.properties:2";
        sending.run(command).code(3).says(place);
    }
    fs::write(&properties, settled).unwrap();
    sending.run(&["propose", "billing"]).ok();
    let source = sending.forge().requests()[0].source.clone();
    let sent = sending
        .forge()
        .git(&["show", &format!("{source}:{definition}")]);
    assert_eq!(sent.trim(), theirs.replace("400MiB", "350MiB").trim());
}

/// Somebody else's push to the branch is not overwritten.
#[test]
fn somebody_elses_push_to_the_branch_is_not_overwritten() {
    let sending = Sending::to(Vendor::GitLab);
    sending.run(&PROPOSE).ok();
    let branch = sending.forge().branches().pop().unwrap();
    let reference = format!("refs/heads/{branch}");
    let main = sending.forge().git(&["rev-parse", "main"]);
    sending.forge().git(&["update-ref", &reference, &main]);
    sending.change("hostname: billing\n");
    sending
        .run(&["propose", "billing"])
        .code(6)
        .says("somebody else changed");
    assert_eq!(sending.forge().git(&["rev-parse", &reference]), main);
    sending
        .with_token("GITLAB_TOKEN", &["abandon", "billing", "--yes"])
        .code(6)
        .says("--keep-request");
    assert_ne!(sending.forge().requests()[0].state, "closed");
    assert!(sending.folder.exists());
    sending
        .run(&["abandon", "billing", "--yes", "--keep-request"])
        .ok();
}

/// Only the container's folder is proposed or updated; files outside, new or ignored ones keep a
/// merged work tree.
#[test]
fn only_the_folder_is_proposed_and_nothing_beside_it_is_lost() {
    let sending = Sending::to(Vendor::GitLab);
    let tree = sending.folder.ancestors().nth(2).unwrap();
    let platform = tree.join("platform.yaml");
    let before = fs::read_to_string(&platform).unwrap();
    fs::write(&platform, format!("{before}# mine\n")).unwrap();
    let told = "only containers/billing/ is proposed; changed outside of it: platform.yaml";
    sending.run(&["edit", "billing", "--print"]).ok().says(told);
    sending.run(&PROPOSE).code(2).says("platform.yaml");
    sending.company.push("Something new");
    sending.run(&["sync"]).ok();
    let update = ["edit", "billing", "--update", "--print"];
    sending.run(&update).code(2).says("platform.yaml");
    assert!(fs::read_to_string(&platform).unwrap().contains("# mine"));
    fs::write(&platform, before).unwrap();
    sending.run(&PROPOSE).ok();
    sending.forge().merge(1);

    let exclude = tree.ancestors().nth(2).unwrap();
    let exclude = exclude.join("definitions.git/info/exclude");
    fs::create_dir_all(exclude.parent().unwrap()).unwrap();
    fs::write(exclude, "*.notes\n").unwrap();
    for path in ["containers/other/file", "containers/billing/my.notes"] {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "mine").unwrap();
        sending.run(&["sync"]).ok().says("it is kept");
        assert!(path.is_file());
        fs::remove_file(path).unwrap();
    }
    sending.run(&["sync"]).ok();
    assert!(!tree.exists());
}
