//! Files that git keeps as pointers of git-LFS.

use super::*;

/// Where a work tree holds the content, the pointer on the server stays; another pointer, or another
/// word on which files git-LFS keeps, is a change like any other.
#[test]
fn content_is_never_proposed_over_a_pointer() {
    let sending = Sending::to(Vendor::GitLab);
    let pointer = |digit: &str| {
        let oid = digit.repeat(64);
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 12\n")
    };
    let logo = "configuration/recette/logo.png";
    let on_main = format!("containers/billing/{logo}");
    sending.company.write(&on_main, &pointer("a"));
    sending.company.push("A logo");
    let update = ["edit", "billing", "--update", "--print"];
    sending.run(&["sync"]).ok();
    sending.run(&update).ok();
    let logo = sending.folder.join(logo);
    assert_eq!(fs::read_to_string(&logo).unwrap(), pointer("a"));
    fs::write(&logo, "real content").unwrap();
    for dry in [&["--dry-run"][..], &[]] {
        sending
            .run(&[&PROPOSE[..], dry].concat())
            .code(3)
            .says(&format!("{on_main} is kept by git-LFS"));
        sending.nothing_is_left();
    }
    fs::write(&logo, pointer("b")).unwrap();
    sending.run(&PROPOSE).ok();
    fs::write(&logo, "real content").unwrap();
    sending.run(&PROPOSE).code(3);
    let attributes = sending.folder.join(".gitattributes");
    fs::write(attributes, "*.png -filter\n").unwrap();
    sending.run(&PROPOSE).ok();
    let source = sending.forge().requests()[0].source.clone();
    let sent = sending
        .forge()
        .git(&["show", &format!("{source}:{on_main}")]);
    assert_eq!(sent, "real content");
}
