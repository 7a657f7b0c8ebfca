use super::*;

pub(crate) fn facts(wrong: &[&str]) -> Facts {
    let seen = |name: &str, reaches: &[&str]| {
        let seen = Seen {
            wrong: wrong.contains(&name).then(|| "is unhealthy".to_owned()),
            reaches: reaches.iter().map(|it| it.parse().unwrap()).collect(),
        };
        (name.parse().unwrap(), seen)
    };
    Facts {
        reference: Some(42),
        containers: BTreeMap::from([
            seen("ledger-db", &[]),
            seen("billing", &["ledger-db"]),
            seen("invoices", &["billing"]),
            seen("front", &[]),
        ]),
        ledger_age: Some(30),
        ledger_left: Some(30 * 86_400),
        disk: Some((5 << 30, 1 << 30)),
        ..Facts::default()
    }
}

#[test]
fn a_database_that_is_down_is_one_cause() {
    let mut facts = facts(&["ledger-db", "billing", "invoices"]);
    facts.routes = vec!["/billing of billing answers 503".to_owned()];
    facts.failed = Some("reference 43: no | space".to_owned());
    assert_eq!(facts.level(), Level::Critical);
    let line = facts.lines(Level::Critical);
    let text = line.split(" | ").next().unwrap();
    assert_eq!(
        text,
        "CRITICAL - ledger-db is unhealthy; 2 that need it are down too; reference 43: no   space"
    );
}

#[test]
fn what_expires_and_what_grows_is_told_with_its_numbers() {
    let mut facts = facts(&[]);
    facts.certificates = BTreeMap::from([(443, 3 * DAY + 5), (8443, 90 * DAY)]);
    facts.logs = Some((7 << 20, Some(1 << 30)));
    assert_eq!(facts.level(), Level::Warning);
    let line = facts.lines(Level::Warning);
    let (text, numbers) = line.split_once(" | ").unwrap();
    assert_eq!(
        text,
        "WARNING - the certificate of port 443 expires in 3 days; \
         logs grow by 1024 MB an hour: the disk is full in 5 hours"
    );
    let wanted = "'certificate_days'=3;14:;0: 'logs'=7340032B 'logs_per_hour'=1073741824B";
    assert!(numbers.ends_with(wanted), "{numbers}");
    facts.certificates.insert(443, -1);
    assert_eq!(facts.level(), Level::Critical);
    facts.certificates.clear();
    facts.logs = Some((7 << 20, Some(1 << 20)));
    assert_eq!(facts.level(), Level::Ok, "{:?}", facts.findings());
}

#[test]
fn what_is_added_by_hand_is_critical_where_it_is_not_mended() {
    let mut facts = facts(&[]);
    facts.intruders = vec!["debugging".to_owned()];
    assert_eq!(facts.level(), Level::Warning);
    facts.tells = true;
    assert_eq!(facts.level(), Level::Critical);
    facts.changing = true;
    assert_eq!(facts.level(), Level::Ok);
}

#[test]
fn a_first_roll_out_is_no_alarm() {
    let mut facts = Facts {
        changing: true,
        ..Facts::default()
    };
    assert_eq!(facts.level(), Level::Ok);
    facts.changing = false;
    assert_eq!(facts.level(), Level::Critical);
}

#[test]
fn containers_that_use_each_other_do_not_explain_each_other() {
    let mut circle = facts(&["billing", "invoices"]);
    let billing: ContainerName = "billing".parse().unwrap();
    let seen = circle.containers.get_mut(&billing).unwrap();
    seen.reaches.insert("invoices".parse().unwrap());
    assert_eq!(
        circle.causes(),
        ["billing is unhealthy", "1 that need it are down too"]
    );
    let mut beside = facts(&["front", "billing", "invoices"]);
    beside.containers.get_mut(&billing).unwrap().reaches =
        BTreeSet::from(["invoices".parse().unwrap()]);
    assert_eq!(
        beside.causes(),
        [
            "billing is unhealthy",
            "front is unhealthy",
            "1 that need it are down too"
        ]
    );
}

#[test]
fn what_is_replaced_now_is_no_alarm_nor_what_needs_it() {
    let mut facts = facts(&["ledger-db", "billing", "invoices", "front"]);
    let names = ["ledger-db", "billing", "invoices"];
    facts.excused = names.map(str::to_owned).into();
    assert_eq!(facts.causes(), ["front is unhealthy"]);
    facts.excused.clear();
    assert_eq!(facts.level(), Level::Critical);
}
