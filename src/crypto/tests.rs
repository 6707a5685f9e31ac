use crate::backup::{BackupKey, Opener, Sealer};
use crate::datakey::DataKey;
use crate::master::{self, MasterKeys};
use crate::receipt::{ReceiptKey, verify_hex};
use crate::tenant::{Field, Place, TenantCipher};
use crate::{Error, aead, nonce};
use zeroize::Zeroizing;

const ONE: &str = "one:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const TWO: &str = "two:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

fn place(row: &[u8]) -> Place<'_> {
    Place { field: Field::Comment, row }
}

/// NIST's GCM test case 14 (256-bit key of zeros, one block of zeros).
#[test]
fn the_cipher_is_aes_256_gcm() {
    let record = hex::decode(concat!(
        "000000000000000000000000",
        "cea7403d4d606b6e074ec5d3baf39d18",
        "d0d1c8a799996bf0265b98b5d48ab919"
    ))
    .expect("hex");
    let opened = aead::Cipher::new(&[0; 32]).open(&record, b"").expect("opens");
    assert_eq!(opened.as_slice(), [0; 16]);
}

#[test]
fn a_field_opens_only_in_its_tenant_table_column_and_row() {
    let key = DataKey::generate(1);
    let cipher = TenantCipher::new("t1", &key);
    let sealed = cipher.seal(place(b"7"), b"reviewed the plan");
    assert_eq!(cipher.open(place(b"7"), &sealed).expect("opens").as_slice(), b"reviewed the plan");

    assert_eq!(cipher.open(place(b"8"), &sealed), Err(Error::Refused));
    let elsewhere = Place { field: Field::TagName, ..place(b"7") };
    assert_eq!(cipher.open(elsewhere, &sealed), Err(Error::Refused));
    let other_tenant = TenantCipher::new("t2", &key);
    assert_eq!(other_tenant.open(place(b"7"), &sealed), Err(Error::Refused));
}

#[test]
fn every_changed_byte_is_noticed() {
    let cipher = TenantCipher::new("t", &DataKey::generate(3));
    let sealed = cipher.seal(place(b"7"), b"x");
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(cipher.open(place(b"7"), &changed).is_err(), "byte {at}");
        assert!(cipher.open(place(b"7"), &sealed[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn the_key_version_is_in_the_record_and_named_when_it_is_another() {
    let old = TenantCipher::new("t", &DataKey::generate(1)).seal(place(b"7"), b"x");
    let new = TenantCipher::new("t", &DataKey::generate(2));
    assert_eq!(new.open(place(b"7"), &old), Err(Error::UnknownKeyVersion(1)));
}

#[test]
fn the_newest_version_seals_and_all_open() {
    let (one, two) = (DataKey::generate(1), DataKey::generate(2));
    let before = TenantCipher::new("t", &one);
    let after = TenantCipher::of_versions("t", &[one, two]).expect("two versions");
    let (old, new) = (before.seal(place(b"7"), b"x"), after.seal(place(b"7"), b"x"));
    assert_eq!(after.open(place(b"7"), &old).expect("opens").as_slice(), b"x");
    assert_eq!(before.open(place(b"7"), &new), Err(Error::UnknownKeyVersion(2)));
    assert!(after.is_current(&new) && !after.is_current(&old));
    assert_eq!(before.digest("group", "staff"), after.digest("group", "staff"), "digests stay comparable");
    assert!(TenantCipher::of_versions("t", &[]).is_none());
}

/// Cut off, reordered, doubled, from another file, with another header: nothing of it opens.
#[test]
fn chunks_open_only_in_their_file_and_place() {
    let key = BackupKey(Zeroizing::new([7; 32]));
    let seal = |header: &[u8], chunks: &[&[u8]]| -> Vec<Vec<u8>> {
        let mut sealer = Sealer::new(&key, header);
        chunks.iter().enumerate().map(|(at, chunk)| sealer.seal(chunk, at + 1 == chunks.len())).collect()
    };
    let open = |header: &[u8], chunks: &[(&Vec<u8>, bool)]| -> Result<Vec<u8>, Error> {
        let mut opener = Opener::new(&key, header);
        let mut out = Vec::new();
        for (chunk, last) in chunks {
            out.extend_from_slice(&opener.open(chunk, *last)?);
        }
        Ok(out)
    };
    let file = seal(b"header one", &[b"a", b"b", b"c"]);
    let other = seal(b"header two", &[b"a", b"b", b"c"]);
    let all = [(&file[0], false), (&file[1], false), (&file[2], true)];
    assert_eq!(open(b"header one", &all).expect("opens"), b"abc");
    let bad: [&[(&Vec<u8>, bool)]; 7] = [
        &[(&file[0], false), (&file[1], true)],
        &[(&file[0], true)],
        &[(&file[1], false), (&file[0], false), (&file[2], true)],
        &[(&file[0], false), (&file[0], false)],
        &[(&other[0], false)],
        &[(&file[0], false), (&other[1], false)],
        &[(&file[0], false), (&file[1], false), (&file[2], false)],
    ];
    for chunks in bad {
        assert_eq!(open(b"header one", chunks), Err(Error::Refused));
    }
    assert_eq!(open(b"header two", &all), Err(Error::Refused));
}

#[test]
fn a_data_key_unwraps_for_its_tenant_with_any_configured_master_key() {
    let first = MasterKeys::parse(ONE).expect("keys");
    let key = DataKey::generate(1);
    let wrapped = key.wrap(&first, "t");
    assert_eq!(master::key_id(&wrapped), Ok("one"));

    let rotated = MasterKeys::parse(&format!("{TWO},{ONE}")).expect("keys");
    assert_eq!(rotated.current_id(), "two");
    let again = DataKey::unwrap(&rotated, "t", 1, &wrapped).expect("unwraps");
    assert_eq!(again.key, key.key);

    assert_eq!(DataKey::unwrap(&rotated, "u", 1, &wrapped).err(), Some(Error::Refused));
    assert_eq!(DataKey::unwrap(&rotated, "t", 2, &wrapped).err(), Some(Error::Refused));
    let without = MasterKeys::parse(TWO).expect("keys");
    let refused = DataKey::unwrap(&without, "t", 1, &wrapped).err();
    assert_eq!(refused, Some(Error::UnknownMasterKey("one".into())));
}

#[test]
fn malformed_master_keys_say_what_is_wrong() {
    let message = |text: &str| MasterKeys::parse(text).expect_err("refused").to_string();
    assert!(message("").contains("no master key"));
    assert!(message("justakey").contains("id:base64"));
    assert!(message("a:AAAA").contains("3 bytes, not 32"));
    assert!(message("a:%%%").contains("not base64"));
    assert!(message(&format!("{ONE},{ONE}")).contains("twice"));
    assert!(message("no spaces:AAAA").contains("key id"));
}

#[test]
fn nothing_prints_a_key() {
    let keys = MasterKeys::parse(TWO).expect("keys");
    let data = DataKey { version: 1, key: Zeroizing::new([1; 32]) };
    let cipher = TenantCipher::new("t", &data);
    let receipt = ReceiptKey::from_seed(&Zeroizing::new([1; 32]));
    let printed = format!("{keys:?} {data:?} {cipher:?} {receipt:?}");
    assert!(!printed.contains("AQEB") && !printed.contains("1, 1") && !printed.contains("0101"), "{printed}");
}

#[test]
fn digests_differ_by_tenant_and_purpose() {
    let key = DataKey::generate(1);
    let (a, b) = (TenantCipher::new("a", &key), TenantCipher::new("a", &DataKey::generate(1)));
    assert_eq!(a.digest("group", "staff"), a.digest("group", "staff"));
    assert_ne!(a.digest("group", "staff"), a.digest("role", "staff"));
    assert_ne!(a.digest("group", "staff"), b.digest("group", "staff"));
}

#[test]
fn nonces_do_not_repeat() {
    let mut seen = std::collections::HashSet::new();
    assert!((0..10_000).all(|_| seen.insert(nonce::fresh())));
}

#[test]
fn a_receipt_verifies_with_the_public_key_and_not_when_changed() {
    let key = ReceiptKey::from_seed(&Zeroizing::new([9; 32]));
    let signature = key.sign_hex(b"wiped");
    assert_eq!(verify_hex(&key.public_hex(), b"wiped", &signature), Ok(()));
    assert_eq!(verify_hex(&key.public_hex(), b"kept", &signature), Err(Error::Refused));
    let other = ReceiptKey::from_seed(&Zeroizing::new([8; 32]));
    assert_eq!(verify_hex(&other.public_hex(), b"wiped", &signature), Err(Error::Refused));
}
