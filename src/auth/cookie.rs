//! The cookies of Better Auth: how they are named, signed, read and written.
//!
//! A signed value is `encodeURIComponent(value + "." + signature)`, the signature being the standard base64, with padding, of HMAC-SHA256 under the
//! bytes of the secret. Whatever is wrong with a cookie makes it no cookie; it is never an error.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::Sha256;

/// Seconds that a browser keeps the session cookie: as long as a fresh session lives.
pub const MAX_AGE_SECONDS: u64 = 7 * 24 * 3600;

/// What `encodeURIComponent` leaves alone besides letters and digits.
const COMPONENT: AsciiSet =
    NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'!').remove(b'~').remove(b'*').remove(b'\'').remove(b'(').remove(b')');

/// The base64 text of 32 bytes.
const SIGNATURE_CHARS: usize = 44;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    SessionToken,
    /// A copy of the session that an app with cookie caching believes for some minutes. This server only ever clears it.
    SessionData,
    /// Its value is the literal `true`: the session ends with the browser.
    DontRemember,
}

/// The secret and the names: all that is needed to read and write cookies.
#[derive(Clone)]
pub struct Cookies {
    secret: Vec<u8>,
    secure: bool,
}

impl Cookies {
    /// `secure` is for a server whose base URL is https: the names then begin with `__Secure-`, and no others are read.
    pub fn new(secret: &str, secure: bool) -> Self {
        Self { secret: secret.as_bytes().to_vec(), secure }
    }

    pub fn name(&self, name: Name) -> &'static str {
        match (name, self.secure) {
            (Name::SessionToken, false) => "better-auth.session_token",
            (Name::SessionToken, true) => "__Secure-better-auth.session_token",
            (Name::SessionData, false) => "better-auth.session_data",
            (Name::SessionData, true) => "__Secure-better-auth.session_data",
            (Name::DontRemember, false) => "better-auth.dont_remember",
            (Name::DontRemember, true) => "__Secure-better-auth.dont_remember",
        }
    }

    /// The signed value as it stands in a header.
    pub fn signed(&self, value: &str) -> String {
        let signature = BASE64_STANDARD.encode(self.mac(value).finalize().into_bytes());
        utf8_percent_encode(&format!("{value}.{signature}"), &COMPONENT).to_string()
    }

    /// The value of the first cookie of this name in a `Cookie` header, if its signature holds.
    pub fn read(&self, header: &str, name: Name) -> Option<String> {
        self.verified(&raw_value(header, self.name(name))?).map(str::to_owned)
    }

    /// True when a cookie of this name is there, whatever it is worth.
    pub fn is_present(&self, header: &str, name: Name) -> bool {
        raw_value(header, self.name(name)).is_some()
    }

    /// The `Set-Cookie` texts that begin a session. One that is not remembered ends with the browser and says so in a second cookie.
    pub fn set(&self, token: &str, remember: bool) -> Vec<String> {
        let max_age = remember.then_some(MAX_AGE_SECONDS);
        let mut cookies = vec![self.text(Name::SessionToken, &self.signed(token), max_age)];
        if !remember {
            cookies.push(self.text(Name::DontRemember, &self.signed("true"), None));
        }
        cookies
    }

    /// The `Set-Cookie` texts that end a session in the browser. All three, also those that were not sent: an app with cookie caching would go
    /// on believing `session_data`.
    pub fn clear(&self) -> [String; 3] {
        [Name::SessionToken, Name::SessionData, Name::DontRemember].map(|name| self.text(name, "", Some(0)))
    }

    fn text(&self, name: Name, value: &str, max_age: Option<u64>) -> String {
        let max_age = max_age.map_or_else(String::new, |seconds| format!("Max-Age={seconds}; "));
        let secure = if self.secure { "Secure; " } else { "" };
        format!("{}={value}; {max_age}Path=/; HttpOnly; {secure}SameSite=Lax", self.name(name))
    }

    fn verified<'a>(&self, signed: &'a str) -> Option<&'a str> {
        let (value, signature) = signed.rsplit_once('.')?;
        if value.is_empty() || signature.len() != SIGNATURE_CHARS {
            return None;
        }
        let signature = BASE64_STANDARD.decode(signature).ok()?;
        self.mac(value).verify_slice(&signature).ok().map(|()| value)
    }

    fn mac(&self, value: &str) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes keys of any length");
        mac.chain_update(value)
    }
}

fn raw_value<'a>(header: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let mut cookies = header.split(';').filter_map(|cookie| cookie.split_once('='));
    let (_, value) = cookies.find(|(key, _)| key.trim() == name)?;
    let value = value.trim();
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    // What does not decode stays as it is, and then has no valid signature.
    Some(percent_decode_str(value).decode_utf8().unwrap_or(Cow::Borrowed(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "test-secret-0123456789abcdefghijKLMNOPQRSTUVWXYZ";
    const TOKEN: &str = "OincZl43HtSwxXI11CwYsGGWKRle1Gq2";
    const WIRE: &str = "OincZl43HtSwxXI11CwYsGGWKRle1Gq2.6rbYZWAq4VSgWgdu0GK0MFdJoSDPY%2BQZd2U%2BOgiPbuI%3D";
    const VECTORS: [(&str, &str); 3] = [
        (TOKEN, WIRE),
        ("9VXXz85iunXb2UCZKipLCm8h36gDqR76", "9VXXz85iunXb2UCZKipLCm8h36gDqR76.x7G2g%2Bx1%2B1EB%2Fzfo1HcpVLJWExxZehnyRQB8XMzZpX8%3D"),
        ("true", "true.g75U06hNGCjdI96YgjL7ZFobr42zcbjsTb1jrj24afM%3D"),
    ];

    fn cookies() -> Cookies {
        Cookies::new(SECRET, false)
    }

    fn token_in(header: &str) -> Option<String> {
        cookies().read(header, Name::SessionToken)
    }

    #[test]
    fn values_are_signed_as_better_auth_signs_them() {
        for (value, wire) in VECTORS {
            assert_eq!(cookies().signed(value), wire);
            assert_eq!(token_in(&format!("better-auth.session_token={wire}")).as_deref(), Some(value));
        }
    }

    #[test]
    fn the_first_cookie_of_a_name_wins_even_when_it_is_worth_nothing() {
        let good = format!("better-auth.session_token={WIRE}");
        assert_eq!(token_in(&format!("a=b; {good}; better-auth.session_token=x")).as_deref(), Some(TOKEN));
        assert_eq!(token_in(&format!("better-auth.session_token=x;{good}")), None);
    }

    #[test]
    fn quotes_spaces_and_unencoded_values_are_read() {
        let plain = percent_decode_str(WIRE).decode_utf8_lossy().into_owned();
        for value in [format!("\"{WIRE}\""), format!("  {WIRE}  "), plain.clone(), format!("\"{plain}\"")] {
            assert_eq!(token_in(&format!(" x=1 ;  better-auth.session_token = {value} ; y")).as_deref(), Some(TOKEN), "{value}");
        }
    }

    #[test]
    fn a_value_may_hold_dots_and_is_split_at_the_last() {
        let wire = cookies().signed("a.b.c");
        assert_eq!(token_in(&format!("better-auth.session_token={wire}")).as_deref(), Some("a.b.c"));
    }

    #[test]
    fn a_signature_that_does_not_hold_is_no_session() {
        let unpadded = WIRE.replace("%3D", "");
        let altered = WIRE.replacen('O', "P", 1);
        let url_safe = WIRE.replace("%2B", "-");
        let foreign = Cookies::new("another", false).signed(TOKEN);
        for bad in ["", TOKEN, ".", &format!("{TOKEN}."), &unpadded, &altered, &url_safe, &foreign, "%", "%ff%fe.x", &cookies().signed("")]
        {
            assert_eq!(token_in(&format!("better-auth.session_token={bad}")), None, "{bad}");
        }
        assert_eq!(token_in(""), None);
        assert_eq!(token_in("better-auth.session_token"), None);
    }

    #[test]
    fn only_the_configured_name_is_read() {
        let secure = Cookies::new(SECRET, true);
        let header = format!("better-auth.session_token={WIRE}");
        assert_eq!(secure.read(&header, Name::SessionToken), None);
        assert_eq!(secure.read(&format!("__Secure-{header}"), Name::SessionToken).as_deref(), Some(TOKEN));
        assert_eq!(token_in(&format!("__Secure-{header}")), None);
    }

    #[test]
    fn attributes_have_their_order() {
        assert_eq!(
            cookies().set(TOKEN, true),
            [format!("better-auth.session_token={WIRE}; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax")]
        );
        assert_eq!(
            Cookies::new(SECRET, true).set(TOKEN, false),
            [
                format!("__Secure-better-auth.session_token={WIRE}; Path=/; HttpOnly; Secure; SameSite=Lax"),
                format!("__Secure-better-auth.dont_remember={}; Path=/; HttpOnly; Secure; SameSite=Lax", VECTORS[2].1),
            ]
        );
        assert_eq!(
            cookies().clear(),
            ["session_token", "session_data", "dont_remember"]
                .map(|name| format!("better-auth.{name}=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"))
        );
    }
}
