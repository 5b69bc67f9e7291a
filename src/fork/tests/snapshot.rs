//! The snapshot's file: what is written reads back, has one form, and nothing that is damaged or hostile gets through.

use super::{super::snapshot::*, *};
use alloy::primitives::{keccak256, map::HashMap as Map};
use proptest::prelude::*;
use std::{collections::BTreeMap, path::Path};

const CHAIN: u64 = 31_337;
/// Places in the file, see `docs/snapshots.md`.
const VERSION_AT: usize = 8;
const CHAIN_AT: usize = 12;
const LENGTHS_AT: usize = HEADER - 32 - 16;
const CHECKSUM_AT: usize = HEADER - 32;
const HEADER: usize = 272;

fn snapshot(world: &World) -> Snapshot {
    let sections = [("replay/morpho_blue".to_owned(), Bytes::from_static(b"{}")), ("a".to_owned(), Bytes::new())];
    Snapshot::of(CHAIN, world.view().generation(), sections.into_iter().collect())
}

fn world() -> World {
    World::default()
        .account(addr(1), &[op::PUSH0, op::STOP], 7, 1)
        .account(addr(2), &[], 0, 0)
        .account(addr(3), &[op::PUSH0, op::STOP], u64::MAX, 2)
        .slot(addr(1), 0, 0)
        .slot(addr(1), 9, 1)
        .slot(addr(3), 2, 5)
}

/// The same file with other bytes at a place, and a checksum that fits: what somebody would send who knows the format.
fn forged(bytes: &[u8], at: usize, new: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + new.len()].copy_from_slice(new);
    sealed(bytes)
}

fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = keccak256([&bytes[..CHECKSUM_AT], &bytes[HEADER..]].concat());
    bytes[CHECKSUM_AT..HEADER].copy_from_slice(sum.as_slice());
    bytes
}

/// A file with this content under a right header.
fn with_content(content: &[u8]) -> Vec<u8> {
    let packed = zstd::bulk::compress(content, 3).unwrap();
    let mut bytes = snapshot(&world()).encode().unwrap();
    bytes.truncate(HEADER);
    bytes[LENGTHS_AT..LENGTHS_AT + 8].copy_from_slice(&(content.len() as u64).to_be_bytes());
    bytes[LENGTHS_AT + 8..LENGTHS_AT + 16].copy_from_slice(&(packed.len() as u64).to_be_bytes());
    bytes.extend(packed);
    sealed(bytes)
}

fn known(snapshot: &Snapshot) -> Map<Facet, U256> {
    snapshot.state().facets().map(|facet| (facet, snapshot.state().value(&facet).unwrap())).collect()
}

#[test]
fn what_is_written_reads_back_and_runs_without_a_node() {
    let written = snapshot(&world());
    let bytes = written.encode().unwrap();
    let read = Snapshot::decode(&bytes, CHAIN).unwrap();
    assert_eq!((read.head(), known(&read)), (written.head(), known(&written)));
    assert_eq!(read.section("replay/morpho_blue").unwrap().as_ref(), b"{}");
    assert_eq!((read.has_code(&addr(1)), read.has_code(&addr(2)), read.has_code(&addr(9))), (Some(true), Some(false), None));
    assert_eq!(read.encode().unwrap(), bytes, "one form only");

    let fork = Fork::from_snapshot(&read, ForkOptions::default()).unwrap();
    let (view, mut reads) = (fork.view(), ReadSet::default());
    assert_eq!(view.storage(addr(1), U256::from(9), &mut reads).unwrap(), U256::ONE);
    assert_eq!(view.code(addr(3)).unwrap().as_ref(), [op::PUSH0, op::STOP]);
    let lacking = view.storage(addr(1), U256::from(8), &mut reads).unwrap_err();
    assert!(matches!(lacking, ForkError::NotStored { .. }) && lacking.to_string().contains("is not in the snapshot"), "{lacking}");
    assert!(matches!(view.account(addr(9)), Err(ForkError::NotStored { .. })));
}

#[tokio::test]
async fn a_fork_of_a_snapshot_stays_where_it_is() {
    let snapshot = snapshot(&world());
    let fork = Fork::from_snapshot(&snapshot, ForkOptions::default()).unwrap();
    let next = Head { number: snapshot.head().number + 1, hash: B256::repeat_byte(7), parent_hash: snapshot.head().hash, ..snapshot.head().clone() };
    assert!(matches!(fork.roll(&next).await, Err(ForkError::NoNode)));
    let mut wanted = ReadSet::default();
    wanted.insert(Facet::Slot(addr(5), U256::ZERO));
    fork.prefetch(&wanted).await.unwrap();
    fork.prefetch_call(&Call::new(addr(5), Bytes::new())).await.unwrap();
    fork.retain(0, |_| false).await;
    assert_eq!(fork.head().hash, snapshot.head().hash);
    assert_eq!(fork.view().account(addr(1)).unwrap().nonce, 1, "nothing was dropped that nobody could give again");
}

#[test]
fn a_file_cut_anywhere_is_an_error_that_says_so() {
    let bytes = snapshot(&world()).encode().unwrap();
    for length in 0..bytes.len() {
        let error = Snapshot::decode(&bytes[..length], CHAIN).unwrap_err();
        assert!(matches!(error, SnapshotError::Length { found, expected } if found == length as u64 && found < expected), "{length}: {error}");
        assert!(error.to_string().contains("cut off"), "{error}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(matches!(Snapshot::decode(&longer, CHAIN), Err(SnapshotError::Length { found, expected }) if found == expected + 1));
}

#[test]
fn every_flipped_bit_is_an_error() {
    let bytes = snapshot(&world()).encode().unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            let error = Snapshot::decode(&damaged, CHAIN).unwrap_err();
            let expected = match at {
                0..VERSION_AT => matches!(error, SnapshotError::NotASnapshot { .. }),
                VERSION_AT..CHAIN_AT => matches!(error, SnapshotError::Version { .. }),
                _ if (LENGTHS_AT + 8..CHECKSUM_AT).contains(&at) => matches!(error, SnapshotError::Length { .. } | SnapshotError::Limit { .. }),
                _ => matches!(error, SnapshotError::Checksum { .. }),
            };
            assert!(expected, "byte {at}, bit {bit}: {error}");
        }
    }
}

#[test]
fn another_magic_version_or_chain_is_named() {
    let bytes = snapshot(&world()).encode().unwrap();
    let said = |bytes: &[u8], chain| Snapshot::decode(bytes, chain).unwrap_err().to_string();
    assert_eq!(said(b"# Harrier\n\nnot a snapshot", CHAIN), "this is no snapshot: it begins with 2320486172726965, a snapshot begins with 89484152534e500a");
    assert_eq!(
        said(&forged(&bytes, VERSION_AT, &9_u32.to_be_bytes()), CHAIN),
        "the snapshot has format version 9, this program reads version 1: take it again"
    );
    assert_eq!(said(&bytes, 1), "the snapshot is of chain 31337, the configuration is for chain 1");
}

#[test]
fn nothing_is_taken_beyond_the_limits() {
    let bytes = snapshot(&world()).encode().unwrap();
    // Promises that no content keeps.
    let promised = forged(&bytes, LENGTHS_AT, &(MOST_CONTENT + 1).to_be_bytes());
    assert!(matches!(Snapshot::decode(&promised, CHAIN), Err(SnapshotError::Limit { what: "bytes of content", .. })));
    let promised = forged(&bytes, LENGTHS_AT, &MOST_CONTENT.to_be_bytes());
    assert!(matches!(Snapshot::decode(&promised, CHAIN), Err(SnapshotError::Content { place: "content", .. })));
    let promised = forged(&bytes, LENGTHS_AT + 8, &u64::MAX.to_be_bytes());
    assert!(matches!(Snapshot::decode(&promised, CHAIN), Err(SnapshotError::Limit { what: "bytes", .. })));
    // A bomb: a few kilobytes that unpack to far more than was announced.
    let mut bomb = with_content(&vec![0; 64 << 20]);
    bomb[LENGTHS_AT..LENGTHS_AT + 8].copy_from_slice(&1_000_u64.to_be_bytes());
    assert!(matches!(Snapshot::decode(&sealed(bomb), CHAIN), Err(SnapshotError::Content { place: "content", .. })));
    // What would not be read is not written.
    let long = World::default().account(addr(1), &vec![op::STOP; (1 << 20) + 1], 0, 0);
    assert!(matches!(snapshot(&long).encode(), Err(SnapshotError::Limit { what: "bytes of one code", .. })));
    let many = (0..300).map(|number| (number.to_string(), Bytes::new())).collect::<BTreeMap<_, _>>();
    assert!(matches!(Snapshot::of(CHAIN, world().view().generation(), many).encode(), Err(SnapshotError::Limit { what: "sections", .. })));
}

#[test]
fn content_out_of_order_or_with_bytes_too_many_is_refused() {
    let address = |byte: u8| [&[0x94_u8][..], &[byte; 20]].concat();
    let list = |items: &[Vec<u8>]| {
        let payload = items.concat();
        let mut out = Vec::new();
        alloy::rlp::Header { list: true, payload_length: payload.len() }.encode(&mut out);
        out.extend(payload);
        out
    };
    let account = |byte| list(&[address(byte), vec![0x80], vec![0x80], [&[0xa0_u8][..], KECCAK256_EMPTY.as_slice()].concat()]);
    let content = |accounts: &[Vec<u8>], slots: &[Vec<u8>]| list(&[list(&[]), list(accounts), list(slots), list(&[]), list(&[])]);
    assert!(Snapshot::decode(&with_content(&content(&[account(1), account(2)], &[])), CHAIN).is_ok());
    for (accounts, slots) in [
        (vec![account(2), account(1)], vec![]),
        (vec![account(1), account(1)], vec![]),
        (vec![list(&[address(1)])], vec![]),
        (vec![vec![0xc1, 0xc1]], vec![]),
        (vec![], vec![list(&[address(1), list(&[])])]),
        (vec![], vec![list(&[address(1), list(&[vec![0x01]])])]),
        (vec![], vec![list(&[address(1), list(&[vec![0x02], vec![0x01], vec![0x01], vec![0x01]])])]),
    ] {
        let error = Snapshot::decode(&with_content(&content(&accounts, &slots)), CHAIN).unwrap_err();
        assert!(matches!(error, SnapshotError::Content { .. }), "{error}");
    }
    let more = [content(&[], &[]), vec![0x80]].concat();
    assert!(matches!(Snapshot::decode(&with_content(&more), CHAIN), Err(SnapshotError::Content { place: "content", .. })));
}

#[test]
fn a_file_is_replaced_as_a_whole_and_its_folder_must_exist() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("block.snapshot");
    std::fs::write(&path, b"what was there before").unwrap();
    let size = snapshot(&world()).write(&path).unwrap();
    assert_eq!(size, std::fs::metadata(&path).unwrap().len());
    assert_eq!(known(&Snapshot::read(&path, CHAIN).unwrap()), known(&snapshot(&world())));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays behind");
    let nowhere = folder.path().join("nowhere/block.snapshot");
    let error = snapshot(&world()).write(&nowhere).unwrap_err();
    assert!(matches!(error, SnapshotError::Write { .. }) && error.to_string().contains("nowhere"), "{error}");
    assert!(matches!(Snapshot::read(&nowhere, CHAIN), Err(SnapshotError::Read { .. })));
    assert!(matches!(Snapshot::read(Path::new("/dev/null"), CHAIN), Err(SnapshotError::Length { found: 0, .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_state_reads_back_and_its_order_does_not_matter(
        accounts in proptest::collection::btree_map(any::<[u8; 20]>(), (any::<[u8; 32]>(), any::<u64>(), proptest::collection::vec(any::<u8>(), 0..60)), 0..20),
        slots in proptest::collection::vec((any::<[u8; 20]>(), any::<[u8; 32]>(), any::<[u8; 32]>()), 0..60),
        hashes in proptest::collection::btree_map(0_u64..900, any::<[u8; 32]>(), 0..8),
        sections in proptest::collection::btree_map("[a-z/]{0,20}", proptest::collection::vec(any::<u8>(), 0..200), 0..4),
    ) {
        let slots: BTreeMap<_, _> = slots.into_iter().map(|(address, slot, value)| ((address, slot), value)).collect();
        let fill = |turned: bool| {
            let mut store = Store::default();
            let turn = |mut keys: Vec<usize>| { if turned { keys.reverse() }; keys };
            let all: Vec<_> = accounts.iter().collect();
            for place in turn((0..all.len()).collect()) {
                let (address, (balance, nonce, code)) = all[place];
                // What begins like a delegation and is none can't be on a chain.
                let code = if code.starts_with(&[0xef]) { Bytecode::default() } else { Bytecode::new_raw(Bytes::copy_from_slice(code)) };
                let code_hash = if code.is_empty() { KECCAK256_EMPTY } else { code.hash_slow() };
                let info = AccountInfo { balance: U256::from_be_bytes(*balance), nonce: *nonce, code_hash, account_id: None, code: Some(code) };
                store.insert_account(Address::from(*address), info);
            }
            let all: Vec<_> = slots.iter().collect();
            for place in turn((0..all.len()).collect()) {
                let ((address, slot), value) = all[place];
                store.insert_slot(Address::from(*address), U256::from_be_bytes(*slot), U256::from_be_bytes(*value));
            }
            for (number, hash) in &hashes {
                store.insert_block_hash(*number, B256::from(*hash));
            }
            let sections = sections.iter().map(|(name, bytes)| (name.clone(), Bytes::copy_from_slice(bytes))).collect();
            Snapshot::of(CHAIN, &Generation::new(head(), store, None), sections)
        };
        let bytes = fill(false).encode().unwrap();
        prop_assert_eq!(&fill(true).encode().unwrap(), &bytes);
        let read = Snapshot::decode(&bytes, CHAIN).unwrap();
        prop_assert_eq!(known(&read), known(&fill(false)));
        prop_assert_eq!(read.head(), &head());
        for (name, section) in &sections {
            prop_assert_eq!(read.section(name).unwrap().as_ref(), section.as_slice());
        }
        prop_assert_eq!(read.encode().unwrap(), bytes);
    }

    #[test]
    fn no_content_makes_it_panic(content in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Snapshot::decode(&with_content(&content), CHAIN).is_err());
    }
}
