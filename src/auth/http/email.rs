//! What counts as an e-mail address: the rule of the validator that Better Auth uses.

/// Bytes of an address; mail has no longer ones.
const BYTES_MAX: usize = 254;

pub fn is_email(text: &str) -> bool {
    text.len() <= BYTES_MAX && text.rsplit_once('@').is_some_and(|(local, domain)| is_local(local) && is_domain(domain))
}

fn is_local(local: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_'+-.".contains(&b);
    let ends_well = local.bytes().next_back().is_some_and(|b| b.is_ascii_alphanumeric() || b"_+-".contains(&b));
    local.bytes().all(allowed) && ends_well && !local.starts_with('.') && !local.contains("..")
}

fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        label.starts_with(|c: char| c.is_ascii_alphanumeric()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let Some((labels, top)) = domain.rsplit_once('.') else { return false };
    labels.split('.').all(is_label) && top.len() >= 2 && top.bytes().all(|b| b.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_judged_as_better_auth_judges_them() {
        for good in ["a@b.co", "First.Last+tag@sub.example-site.org", "o'neill@x.museum", "_-@a1.bc", "a@b-.co"] {
            assert!(is_email(good), "{good}");
        }
        let long = format!("{}@example.org", "a".repeat(250));
        for bad in [
            "",
            "a",
            "a@b",
            "@b.co",
            "a@.co",
            "a@b.c",
            "a@b.c0",
            ".a@b.co",
            "a.@b.co",
            "a..b@c.co",
            "a b@c.co",
            "ä@b.co",
            "a@-b.co",
            "a@b@c.co",
            "a'@b.co",
            &long,
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }
}
