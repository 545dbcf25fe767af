use ::http::{HeaderMap, HeaderName};

use crate::request::Priority;

const PRIORITY: HeaderName = HeaderName::from_static("priority");

/// The class of a request by its `Priority` field (RFC 9218), a dictionary of structured fields (RFC 9651). The last `u` of
/// all lines counts, as in any dictionary, though it be none that is understood, and then the urgency is the default one
/// (RFC 9218, section 4); other members are passed over.
pub(super) fn priority(headers: &HeaderMap) -> Priority {
    let lines = headers.get_all(PRIORITY).iter().filter_map(|line| line.to_str().ok());
    match lines.filter_map(urgency).next_back().flatten() {
        Some(0..=2) => Priority::Critical,
        None | Some(3) => Priority::Normal,
        Some(4..=6) => Priority::Sheddable,
        Some(_) => Priority::Background,
    }
}

/// The last urgency in a line, if there is one; `None` in it is none that is understood.
fn urgency(line: &str) -> Option<Option<u8>> {
    members(line)
        .filter_map(|member| {
            // A member may have parameters, of which the RFC knows none.
            let member = member.trim_matches([' ', '\t']).split(';').next()?;
            match member.split_once('=').unwrap_or((member, "")) {
                ("u", value) => Some(match value.as_bytes() {
                    [digit @ b'0'..=b'7'] => Some(digit - b'0'),
                    _ => None,
                }),
                _ => None,
            }
        })
        .last()
}

/// The members of a dictionary, between commas that are in no string.
fn members(line: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    line.split(move |letter: char| {
        let literal = std::mem::take(&mut escaped);
        match letter {
            '\\' if quoted && !literal => escaped = true,
            '"' if !literal => quoted = !quoted,
            ',' => return !quoted,
            _ => {}
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use ::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn read(lines: &[&str]) -> Priority {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(PRIORITY, line.parse().expect("a value"));
        }
        priority(&headers)
    }

    #[test]
    fn every_urgency_has_its_class() {
        let classes = ["u=0", "u=1", "u=2", "u=3", "u=4", "u=5", "u=6", "u=7"].map(|line| read(&[line]).level());
        assert_eq!(classes, [0, 0, 0, 1, 2, 2, 2, 3]);
        assert_eq!(read(&[]), Priority::Normal);
    }

    #[test]
    fn other_members_and_parameters_are_passed_over() {
        for line in ["u=7, i", "i, u=7", "i=?1,u=7;x=1", "a=\"u=0, \\\" u=0\",\tu=7", "n=(1 2), u=7", "u=0, u=7"] {
            assert_eq!(read(&[line]), Priority::Background, "{line}");
        }
        assert_eq!(read(&["u=0", "i", "u=7"]), Priority::Background, "lines are one dictionary");
    }

    /// Of `u=0, u=9` the first counted, as the second made no sense: but it is the one that the sender means.
    #[test]
    fn the_last_urgency_counts_though_it_be_none() {
        for last in ["u=9", "u=1.5", "u=x", "u", "u;x=1", "u=(1 2)", "u=\"0\""] {
            assert_eq!(read(&[&format!("u=0, {last}")]), Priority::Normal, "{last}");
            assert_eq!(read(&["u=0", last]), Priority::Normal, "{last}, on a line of its own");
            assert_eq!(read(&[&format!("{last}, u=0")]), Priority::Critical, "{last}, first");
        }
        assert_eq!(read(&["u=0", "i, v=9, uu=9, U=9"]), Priority::Critical, "other members say nothing of it");
    }

    #[test]
    fn junk_is_no_priority() {
        for junk in
            ["u", "u=", "u=8", "u=-1", "u=1.5", "u=00", "u=?1", "U=0", "uu=0", "0", "u = 0", "a=\"u=0", "a=\",u=0"]
        {
            assert_eq!(read(&[junk]), Priority::Normal, "{junk}");
        }
    }

    proptest! {
        #[test]
        fn whatever_stands_there_is_some_class(lines in prop::collection::vec(prop::collection::vec(128u8.., 0..40), 0..4)) {
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append(PRIORITY, HeaderValue::from_bytes(line).expect("opaque"));
            }
            prop_assert_eq!(priority(&headers), Priority::Normal);
        }

        #[test]
        fn a_string_cannot_smuggle_an_urgency(inside in "[ -~]{0,40}") {
            let inside = inside.replace('\\', "\\\\").replace('"', "\\\"");
            let line = format!("a=\"{inside}\"");
            prop_assert_eq!(read(&[line.as_str()]), Priority::Normal);
        }
    }
}
