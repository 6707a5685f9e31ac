//! What a server keeps of a password (RFC 5802, `SCRAM-SHA-256`): made here, so that the password itself never stands
//! in a statement, which servers may log.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// PostgreSQL's own default.
const ITERATIONS: u32 = 4096;

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// The verifier of a password of ASCII characters.
pub(super) fn verifier(password: &str, salt: &[u8; 16]) -> String {
    let mut block = mac(password.as_bytes(), &[salt, &1_u32.to_be_bytes()]);
    let mut salted = block;
    for _ in 1..ITERATIONS {
        block = mac(password.as_bytes(), &[&block]);
        salted.iter_mut().zip(block).for_each(|(sum, byte)| *sum ^= byte);
    }
    let stored = Sha256::digest(mac(&salted, &[b"Client Key"]));
    let server = mac(&salted, &[b"Server Key"]);
    let text = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
    format!("SCRAM-SHA-256${ITERATIONS}:{}${}:{}", text(salt), text(&stored), text(&server))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;

    /// As PostgreSQL 15.18 made it (`SELECT rolpassword FROM pg_authid`).
    #[test]
    fn a_verifier_is_what_postgresql_makes() {
        let made = "SCRAM-SHA-256$4096:814Sl0ALwlxzdwBr7Ch1Jg==$BBR2kiPTMAmuzkDgdSjOH3GXmRreCLRCEwK+vKrKyd0=:74z+exFPj\
                    d0gjaDihzNb3vpfE0ahlPCO6T34YeMkMkE=";
        let salt = BASE64_STANDARD.decode("814Sl0ALwlxzdwBr7Ch1Jg==").expect("base64");
        assert_eq!(super::verifier("opensesame", &salt.try_into().expect("16 bytes")), made);
    }
}
