use tar::EntryType;

use super::*;

/// A layer of files with their modes and contents; `-> x` is a hard link to `x`.
fn layer(files: &[(&str, u32, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, mode, content) in files {
        let mut header = tar::Header::new_gnu();
        let target = content.strip_prefix("-> ");
        if let Some(target) = target {
            header.set_entry_type(EntryType::Link);
            header.set_link_name(target).unwrap();
        }
        let content = target.map_or(*content, |_| "");
        header.set_size(content.len() as u64);
        header.set_mode(*mode);
        // As only a hostile archive has it: the crate refuses `..` when it writes a path.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        builder.append(&header, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn tree(layers: &[&[(&str, u32, &str)]]) -> Tree {
    let mut tree = Tree::default();
    for (index, files) in layers.iter().enumerate() {
        tree.lay(&mut &layer(files)[..], index > 0).unwrap();
    }
    tree
}

fn setuid(tree: &Tree) -> Vec<&str> {
    let files = tree.files.iter();
    let above = files.filter(|(_, held)| held.is_setuid && held.is_above);
    above.map(|(path, _)| path.as_str()).collect()
}

fn unread(tree: &Tree) -> Vec<&str> {
    let unread = tree.files.values().flat_map(|held| &held.found.unread);
    unread.map(String::as_str).collect()
}

const STATUS: &str = "var/lib/dpkg/status";

fn packages(tree: &Tree) -> Vec<String> {
    let found = tree.files.values().flat_map(|held| &held.found.packages);
    found.map(ToString::to_string).collect()
}

#[test]
fn an_upper_layer_replaces_and_removes() {
    let old = (STATUS, 0o644, "Package: a\nVersion: 1\n");
    let new = ("./var/lib/dpkg/status", 0o644, "Package: a\nVersion: 2\n");
    assert_eq!(packages(&tree(&[&[old], &[new]])), ["a 2"]);
    for removal in [
        "var/lib/dpkg/.wh.status",
        "var/lib/.wh.dpkg",
        "var/.wh..wh..opq",
        ".wh.var",
        "var",
    ] {
        let tree = tree(&[&[old], &[(removal, 0o644, "")]]);
        assert!(packages(&tree).is_empty(), "{removal}");
    }
    // A whiteout beside the file means the layer below.
    let both = [new, ("var/lib/dpkg/.wh.status", 0o644, "")];
    assert_eq!(packages(&tree(&[&[old], &both])), ["a 2"]);
    let both = [("var/.wh..wh..opq", 0o644, ""), new];
    assert_eq!(packages(&tree(&[&[old], &both])), ["a 2"]);
}

#[test]
fn programs_of_another_user_are_known_by_their_mode() {
    let tree = tree(&[
        &[
            ("bin/su", 0o4755, ""),
            ("bin/a", 0o755, ""),
            ("bin/gone", 0o6755, ""),
        ],
        &[
            ("bin/wall", 0o2755, ""),
            ("bin/a", 0o4755, ""),
            ("bin/.wh.gone", 0o644, ""),
        ],
    ]);
    assert_eq!(setuid(&tree), ["bin/a", "bin/wall"]);
}

#[test]
fn a_replaced_program_is_the_upper_layer_s() {
    let su = ("bin/su", 0o4755, "");
    assert!(setuid(&tree(&[&[su], &[("bin/a", 0o755, "")]])).is_empty());
    assert_eq!(setuid(&tree(&[&[su], &[su]])), ["bin/su"]);
    assert!(setuid(&tree(&[&[su], &[su], &[("bin/.wh.su", 0o644, "")]])).is_empty());
}

#[test]
fn a_hard_link_is_what_it_leads_to() {
    let base = [("bin/su", 0o4755, ""), ("bin/a", 0o755, "")];
    let linked = |files: &[(&str, u32, &str)]| {
        let tree = tree(&[&base, files]);
        let found = setuid(&tree).into_iter().map(str::to_owned);
        found.collect::<Vec<_>>()
    };
    assert_eq!(linked(&[("opt/x", 0o755, "-> ./bin/su")]), ["opt/x"]);
    assert_eq!(linked(&[("opt/x", 0o755, "-> /bin/su")]), ["opt/x"]);
    assert!(linked(&[("opt/x", 0o755, "-> bin/a")]).is_empty());
    assert!(linked(&[("opt/x", 0o755, "-> bin/unknown")]).is_empty());
    // The link's mode is the file's.
    let both = linked(&[("opt/x", 0o4755, "-> bin/a")]);
    assert_eq!(both, ["bin/a", "opt/x"]);
    // It leads to the file that had the name before.
    let moved = [("opt/x", 0o755, "-> bin/su"), ("bin/su", 0o755, "")];
    assert_eq!(linked(&moved), ["opt/x"]);
    let removed = [("opt/x", 0o755, "-> bin/su"), ("bin/.wh.su", 0o644, "")];
    assert_eq!(linked(&removed), ["opt/x"]);
    // A link in a layer leads to what the layer itself has.
    let own = [("bin/b", 0o2755, ""), ("bin/c", 0o755, "-> bin/b")];
    assert_eq!(linked(&own), ["bin/b", "bin/c"]);
}

#[test]
fn a_list_under_a_second_name_is_read_or_told() {
    let text = "Package: a\nVersion: 1\n";
    let of_distroless = "var/lib/dpkg/status.d/a";
    let link = (STATUS, 0o644, "-> var/lib/dpkg/status.d/a");
    let layers: [&[_]; 3] = [
        &[(of_distroless, 0o644, text)],
        &[link],
        &[("var/lib/dpkg/.wh.status.d", 0o644, "")],
    ];
    let linked = tree(&layers);
    assert_eq!(packages(&linked), ["a 1"]);
    assert!(unread(&linked).is_empty());
    let hidden = tree(&[&[("opt/a", 0o644, text), (STATUS, 0o644, "-> opt/a")]]);
    assert_eq!(unread(&hidden), ["/var/lib/dpkg/status"]);
    let jar = tree(&[&[("opt/a", 0o644, ""), ("opt/a.jar", 0o644, "-> opt/a")]]);
    assert_eq!(unread(&jar), ["/opt/a.jar"]);
    let other = tree(&[&[("a.jar", 0o644, ""), (STATUS, 0o644, "-> a.jar")]]);
    assert_eq!(unread(&other), ["/a.jar", "/var/lib/dpkg/status"]);
}

#[test]
fn lists_without_end_are_refused() {
    let mut small = Tree {
        budget: Budget::new(0, 1000),
        ..Tree::default()
    };
    let names: Vec<String> = (0..9)
        .map(|it| format!("var/lib/dpkg/status.d/{it}"))
        .collect();
    let text = "Package: a\nVersion: 1\n";
    let files: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), 0o644, text))
        .collect();
    let error = small.lay(&mut &layer(&files)[..], false).unwrap_err();
    let text = error.chain().join(" ");
    assert!(text.contains("take more than 256 MiB"), "{text}");
    let mut names = Tree {
        budget: Budget::new(0, 1000),
        ..Tree::default()
    };
    let files = [("bin/su", 0o4755, ""); 9];
    assert!(names.lay(&mut &layer(&files)[..], false).is_err());
}

#[test]
fn hostile_names_lead_nowhere() {
    let text = "Package: evil\nVersion: 1\n";
    let tree = tree(&[&[
        ("../var/lib/dpkg/status", 0o644, text),
        ("x/../var/lib/dpkg/status", 0o644, text),
        ("/", 0o4755, ""),
    ]]);
    assert!(packages(&tree).is_empty());
    let mut link = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(EntryType::Symlink);
    header.set_size(0);
    link.append_link(&mut header, STATUS, "/etc/shadow")
        .unwrap();
    let mut tree = Tree::default();
    tree.lay(&mut &link.into_inner().unwrap()[..], false)
        .unwrap();
    assert!(tree.files.is_empty());
}
