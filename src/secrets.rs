//! Where secrets stand: passwords in URLs, and values under names that say what they are.

use std::ops::Range;

/// Last words of names whose values aren't shown.
const NAMES: [&str; 11] = [
    "authorization",
    "cookie",
    "credential",
    "credentials",
    "passphrase",
    "passwd",
    "password",
    "pwd",
    "secret",
    "signature",
    "token",
];
/// Words that make a `key` one that isn't shown.
const KEYS: [&str; 5] = ["access", "api", "auth", "private", "secret"];
/// Parameters of a database's URL that hold passwords.
const PARAMETERS: [&str; 3] = ["password", "sslpassword", "passwd"];

/// True for a name like `password`, `api_key`, `X-Auth-Token` or `Authorization`.
pub fn is_secret_name(name: &str) -> bool {
    let lower = name.to_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [.., before, "key"] => KEYS.contains(before),
        [.., last] => NAMES.contains(last) || matches!(*last, "apikey" | "accesskey" | "authtoken"),
        [] => false,
    }
}

/// The byte range of `password` of each `scheme://user:password@host` and each `?password=…`.
pub fn passwords(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(scheme) = text[at..].find("://") {
        let start = at + scheme + 3;
        let is_end = |c: char| c.is_whitespace() || "\"'<>|\\`".contains(c);
        let url = &text[start..start + text[start..].find(is_end).unwrap_or(text.len() - start)];
        let authority = url.split(['/', '?', '#']).next().unwrap_or_default();
        if let Some(host) = authority.rfind('@')
            && let Some(colon) = authority[..host].find(':')
        {
            found.push(start + colon + 1..start + host);
        }
        found.extend(parameters(url).map(|place| start + place.start..start + place.end));
        at = start;
    }
    found.retain(|place| !place.is_empty());
    found
}

/// The values of the parameters of one URL that hold passwords.
fn parameters(url: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let query = url.find('?').map_or(url.len(), |mark| mark + 1);
    let mut at = query;
    url[query..].split('&').filter_map(move |pair| {
        let start = at;
        at += pair.len() + 1;
        let (name, value) = pair.split_once('=')?;
        PARAMETERS.contains(&name).then(|| start + name.len() + 1..start + name.len() + 1 + value.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_found_in_urls() {
        let found = |text: &'static str| -> Vec<&str> {
            passwords(text).into_iter().map(|place| &text[place]).collect()
        };
        assert_eq!(found("a postgres://me:s3c:r@t@host/db and http://host:80/"), ["s3c:r@t"]);
        assert_eq!(found("x://u@h/db?sslmode=off&password=hunter2&a=b y"), ["hunter2"]);
        assert_eq!(found("`x://u:one@h` x://u:two@h/?passwd=three"), ["one", "two", "three"]);
        assert_eq!(found("x://u:@h/ x://h/a?q=password x://"), [""; 0]);
    }

    #[test]
    fn names_say_that_their_values_are_secret() {
        for name in
            ["password", "DB_PASSWORD", "api_key", "X-Api-Key", "Authorization", "x-auth-token", "apikey"]
        {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["key", "idempotency-key", "tokens", "password_length", "foreign_key", "author", ""] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
