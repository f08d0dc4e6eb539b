// SPDX-License-Identifier: Apache-2.0
//! The fixtures in `tests/keys` were made with GnuPG: `trusted` has an RSA key with a signing subkey and an Ed25519 key
//! that is valid in 2025 only; `stranger` signed with a key of neither.
use super::*;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../tests/keys/", $name)).as_slice()
    };
}

fn trusted() -> Keyring {
    Keyring::parse(fixture!("trusted.gpg")).unwrap()
}

fn refusal(bytes: &[u8]) -> String {
    verify(bytes, &trusted()).unwrap_err().to_string()
}

fn edited(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.contains(from), "the fixture has {from:?}");
    text.replacen(from, to, 1).into_bytes()
}

#[test]
fn good_signatures_give_back_the_signed_text() {
    let signed = String::from_utf8(fixture!("signed.txt").to_vec()).unwrap().replace("space \t \n", "space\n");
    for text in [fixture!("rsa.txt"), fixture!("ed.txt"), fixture!("three.txt")] {
        assert_eq!(verify(text, &trusted()).unwrap(), signed);
    }
}

#[test]
fn an_armored_keyring_is_the_same_keyring() {
    let armored = Keyring::parse(fixture!("trusted.asc")).unwrap();
    assert_eq!(armored.fingerprints(), trusted().fingerprints());
    assert!(verify(fixture!("three.txt"), &armored).is_ok());
}

#[test]
fn the_keys_of_the_archive_are_those_of_its_list() {
    let keyring = Keyring::parse(include_bytes!("../../keys/debian-archive-keyring.gpg")).unwrap();
    let list = include_str!("../../keys/README.md");
    let listed: Vec<_> =
        list.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|it| it.0).collect();
    assert_eq!(keyring.fingerprints(), listed);
}

#[test]
fn a_changed_text_does_not_fit() {
    for text in [fixture!("rsa.txt"), fixture!("ed.txt"), fixture!("three.txt")] {
        for (from, to) in [("bookworm", "trixie"), ("Origin: Debian\n", "Origin: Debian\n\n"), ("last\n", "")] {
            let refusal = refusal(&edited(text, from, to));
            assert!(refusal.ends_with("does not fit its text"), "{refusal}");
        }
    }
}

#[test]
fn every_flipped_byte_of_a_signature_is_noticed() {
    let text = std::str::from_utf8(fixture!("ed.txt")).unwrap();
    let start = text.find("\n\niHU").or_else(|| text.find("\n\ni")).unwrap() + 2;
    let end = text.find("\n=").unwrap();
    let mut refused = 0;
    for position in start..end {
        if text.as_bytes()[position] != b'\n' {
            let mut bytes = text.as_bytes().to_vec();
            bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
            // The unhashed name of the key may change without harm, as long as the key is still found by it.
            refused += usize::from(verify(&bytes, &trusted()).is_err());
        }
    }
    assert!(refused * 100 >= (end - start) * 85, "{refused} of {}", end - start);
}

#[test]
fn signatures_that_do_not_count_are_told() {
    let rsa = "the signature by key 56C4BF5EA119B3665202C0690F919DD75C9AEFAA";
    let table = [
        (
            fixture!("stranger.txt"),
            "it is signed by keys that are not trusted: 3C5087F52EC33754BD8363A24EFF521DF02B9D88".to_owned(),
        ),
        (fixture!("sha1.txt"), format!("{rsa} uses a digest that is too weak")),
        (
            fixture!("expired.txt"),
            "the signature by key 75BBFB0387B20D747AB243833DB9A430A56BAE24 was made after the key had expired"
                .to_owned(),
        ),
    ];
    for (text, expected) in table {
        assert_eq!(refusal(text), expected);
    }
}

#[test]
fn a_revoked_key_signs_nothing() {
    assert_eq!(
        Keyring::parse(fixture!("revoked.gpg")).unwrap_err(),
        VerifyError::Malformed("it has no key that can be used")
    );
}

#[test]
fn text_beside_the_signed_part_is_refused() {
    let text = fixture!("rsa.txt");
    let begin = "-----BEGIN PGP SIGNED MESSAGE-----\n";
    let table = [
        (edited(text, begin, &format!("Codename: sid\n{begin}")), "it does not begin with a signed message"),
        (edited(text, begin, ""), "it does not begin with a signed message"),
        (edited(text, "Hash: SHA512\n", "Hash: SHA512\nCodename: sid\n"), "its signed message has an unknown header"),
        (edited(text, "Hash: SHA512\n", "Hash: SHA512\n Codename: sid\n"), "its signed message has an unknown header"),
        ([text, b"Codename: sid\n"].concat(), "it has text after its signature"),
        ([text, text].concat(), "it has text after its signature"),
        (edited(text, "- - a line", "- a\n-b"), "a dash is not escaped"),
        (edited(text, "stable\n", "stable\r\n"), "it has control characters"),
        (edited(text, "-----END PGP SIGNATURE-----\n", ""), "its armor does not end"),
        (edited(text, "-----BEGIN PGP SIGNATURE-----\n", ""), "a dash is not escaped"),
        (edited(text, "\n\niQ", "\n\n*Q"), "its armor is not base64"),
        (b"\xff".to_vec(), "it is not UTF-8"),
        (Vec::new(), "it does not begin with a signed message"),
    ];
    for (bytes, expected) in table {
        assert_eq!(refusal(&bytes), expected, "{}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn a_text_without_a_signature_is_not_signed() {
    let text = std::str::from_utf8(fixture!("rsa.txt")).unwrap();
    let start = text.find("\n\niQ").unwrap() + 2;
    let bare = format!("{}{}", &text[..start], &text[text.find("-----END").unwrap()..]);
    assert_eq!(refusal(bare.as_bytes()), "it has no signature that can be read");
}

#[test]
fn cut_and_mutated_input_never_panics() {
    for bytes in [fixture!("trusted.gpg"), fixture!("revoked.gpg")] {
        for position in 0..bytes.len() {
            drop(Keyring::parse(&bytes[..position]));
            let mut mutated = bytes.to_vec();
            mutated[position] ^= 0xff;
            drop(Keyring::parse(&mutated));
        }
    }
    for position in 0..fixture!("three.txt").len() {
        drop(verify(&fixture!("three.txt")[..position], &trusted()));
    }
}
