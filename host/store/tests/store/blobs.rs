// SPDX-License-Identifier: Apache-2.0

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use wythe_image::Digest;
use wythe_store::{BlobError, WriteBlobError};

use crate::support::{TestStore, entries, flip_a_byte};

#[test]
fn what_is_written_is_read_back() {
    let store = TestStore::new();
    let bytes: Vec<u8> = (0..1_000_000u32).flat_map(u32::to_le_bytes).collect();
    let mut writer = store.blob_writer().unwrap();
    for piece in bytes.chunks(77_777) {
        writer.write_all(piece).unwrap();
    }
    let (digest, length) = writer.finish(Some(Digest::of(&bytes))).unwrap();
    assert_eq!((digest, length), (Digest::of(&bytes), bytes.len() as u64));
    assert_eq!(store.read_blob(&digest).unwrap().unwrap(), bytes);
    let mut read = Vec::new();
    store.open_blob(&digest).unwrap().unwrap().read_to_end(&mut read).unwrap();
    assert_eq!(read, bytes);
    let path = store.blob_path(&digest).unwrap().unwrap();
    assert_eq!(path, store.directory().join("blobs/sha256").join(digest.hex()));
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o444);
    assert_eq!(entries(&store.directory().join("active")), [""; 0]);
}

#[test]
fn other_bytes_than_promised_are_refused_and_leave_nothing() {
    let store = TestStore::new();
    let mut writer = store.blob_writer().unwrap();
    writer.write_all(b"truth").unwrap();
    let expected = Digest::of(b"promise");
    let error = writer.finish(Some(expected)).unwrap_err();
    assert!(matches!(error, WriteBlobError::Mismatch { found, length: 5, .. } if found == Digest::of(b"truth")));
    assert_eq!(store.blob_path(&expected).unwrap(), None);
    assert_eq!(entries(&store.directory().join("blobs/sha256")), [""; 0]);
    assert_eq!(entries(&store.directory().join("active")), [""; 0]);
}

#[test]
fn a_writer_that_is_dropped_leaves_nothing() {
    let store = TestStore::new();
    let mut writer = store.blob_writer().unwrap();
    writer.write_all(b"half").unwrap();
    assert_eq!(entries(&store.directory().join("active")).len(), 1);
    drop(writer);
    assert_eq!(entries(&store.directory().join("active")), [""; 0]);
}

#[test]
fn writing_again_keeps_the_file_that_is_there() {
    use std::os::unix::fs::MetadataExt as _;
    let store = TestStore::new();
    let digest = store.put_blob(b"same").unwrap();
    let path = store.blob_path(&digest).unwrap().unwrap();
    let before = fs::metadata(&path).unwrap().ino();
    assert_eq!(store.put_blob(b"same").unwrap(), digest);
    assert_eq!(fs::metadata(&path).unwrap().ino(), before);
}

#[test]
fn damage_is_found_by_reading_and_healed_by_writing() {
    let store = TestStore::new();
    let digest = store.put_blob(b"content").unwrap();
    let path = store.blob_path(&digest).unwrap().unwrap();
    flip_a_byte(&path);
    let mut reader = store.open_blob(&digest).unwrap().unwrap();
    let error = io::copy(&mut reader, &mut io::sink()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(error.to_string().starts_with(&format!("blob {digest} is damaged")), "{error}");
    // Found once, it is forgotten, so that who needs it makes it again.
    assert_eq!(store.read_blob(&digest).unwrap(), None);
    store.put_blob(b"content").unwrap();
    assert_eq!(store.read_blob(&digest).unwrap().unwrap(), b"content");

    flip_a_byte(&path);
    assert!(matches!(store.read_blob(&digest), Err(BlobError::Damaged { .. })));
    store.put_blob(b"content").unwrap();
    flip_a_byte(&path);
    // Nobody has noticed the damage; writing does.
    store.put_blob(b"content").unwrap();
    assert_eq!(store.read_blob(&digest).unwrap().unwrap(), b"content");
}

#[test]
fn a_blob_of_another_length_or_without_a_record_is_none() {
    let store = TestStore::new();
    let digest = store.put_blob(b"content").unwrap();
    let path = store.blob_path(&digest).unwrap().unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(store.blob_path(&digest).unwrap(), None);
    fs::write(&path, b"").unwrap();
    assert_eq!(store.blob_path(&digest).unwrap(), None);
    let stranger = Digest::of(b"stranger");
    fs::write(path.with_file_name(stranger.hex()), b"stranger").unwrap();
    assert_eq!(store.blob_path(&stranger).unwrap(), None);
}

#[test]
fn the_empty_blob_is_a_blob() {
    let store = TestStore::new();
    let digest = store.put_blob(b"").unwrap();
    assert_eq!(store.read_blob(&digest).unwrap().unwrap(), b"");
}
