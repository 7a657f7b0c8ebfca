//! The company's own certificate authorities: whether the file that the settings name holds them. Who
//! speaks without TLS would never notice.

use jiff::Timestamp;

use super::registry::SOON;
use crate::doctor::finding::Observation;
use crate::doctor::world::World;
use crate::network::tls::ServerCertificate;

/// Looks.
pub(in crate::doctor) fn look(world: &World<'_>) -> Vec<Observation> {
    let Some(file) = &world.session.home.settings.extra_ca.value else {
        return vec![Observation::ok("none besides the system's (`extra_ca`)")];
    };
    let found = match world.session.home.own_authorities() {
        Ok(found) => found,
        Err(error) => return vec![Observation::error(&error)],
    };
    let read = found.iter().map(|it| ServerCertificate::parse(it));
    let place = format!("`extra_ca` ({})", file.display());
    judge(&place, &read.collect::<Vec<_>>(), world.session.home.now())
}

fn judge(place: &str, found: &[Option<ServerCertificate>], now: Timestamp) -> Vec<Observation> {
    let each = found.iter().map(|certificate| match certificate {
        Some(certificate) => judge_one(place, certificate, now),
        None => Observation::fail(format!("{place} holds something that is no certificate"))
            .advise("ask for the authority's certificate again, in PEM"),
    });
    each.collect()
}

fn judge_one(place: &str, certificate: &ServerCertificate, now: Timestamp) -> Observation {
    let day = |time: Timestamp| time.strftime("%Y-%m-%d").to_string();
    let subject = &certificate.subject;
    let (from, until) = (day(certificate.from), day(certificate.until));
    if certificate.until <= now {
        return Observation::fail(format!("`{subject}` in {place} has ended on {until}"))
            .advise("ask for the authority's new certificate; is this machine's clock right?");
    }
    if certificate.from > now {
        return Observation::fail(format!("`{subject}` in {place} is valid only from {from}"))
            .advise("is this machine's clock right?");
    }
    let days = (certificate.until.as_second() - now.as_second()) / 86_400;
    let text = format!("`{subject}` in {place} is valid until {until}");
    if days < SOON {
        Observation::warn(text).advise("ask for the authority's new certificate")
    } else {
        Observation::ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    #[test]
    fn each_is_valid_for_a_time() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let known = Some(ServerCertificate {
            subject: "Acme CA".to_owned(),
            issuer: "Acme CA".to_owned(),
            from: at("2026-01-01T00:00:00Z"),
            until: at("2027-01-01T00:00:00Z"),
        });
        let judged = |now: &str| judge("x", std::slice::from_ref(&known), at(now)).remove(0);
        assert_eq!(judged("2026-06-01T00:00:00Z").verdict, Verdict::Ok);
        assert_eq!(judged("2026-12-25T00:00:00Z").verdict, Verdict::Warn);
        let ended = judged("2027-06-01T00:00:00Z");
        assert_eq!(ended.verdict, Verdict::Fail);
        assert!(ended.seen.contains("ended on 2027-01-01"), "{}", ended.seen);
        let early = judged("2025-06-01T00:00:00Z");
        assert_eq!(early.verdict, Verdict::Fail);
        assert!(early.advice[0].contains("clock"));
        let strange = judge("x", &[None], at("2026-06-01T00:00:00Z"));
        assert_eq!(strange[0].verdict, Verdict::Fail);
    }
}
