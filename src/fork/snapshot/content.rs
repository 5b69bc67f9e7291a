//! The packed part, in RLP: code, accounts, slots, hashes of blocks, sections. All of it sorted, each thing once.
//!
//! ```text
//! [[code..], [[address, balance, nonce, code hash]..], [[address, [slot, value, slot, value..]]..], [[number, hash]..], [[name, bytes]..]]
//! ```

use super::{super::store::Store, SnapshotError, within};
use alloy::{
    primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256},
    rlp::{Decodable, Encodable, Error as RlpError, Header},
};
use revm::state::{AccountInfo, Bytecode};
use std::collections::BTreeMap;

/// Most accounts.
const MOST_ACCOUNTS: u64 = 1_000_000;
/// Most slots of all accounts.
const MOST_SLOTS: u64 = 4_000_000;
/// Most different codes.
const MOST_CODES: u64 = 65_536;
/// Most bytes of one code; the chain's own limit is 24,576, and may be raised.
const MOST_CODE: u64 = 1 << 20;
/// Most hashes of blocks: what BLOCKHASH and the history contract reach.
const MOST_HASHES: u64 = 8_192;
/// Most sections.
const MOST_SECTIONS: u64 = 256;
/// Most bytes of a section's name.
const MOST_NAME: u64 = 256;

/// Code, accounts, slots, hashes of blocks, sections.
pub(super) fn encode(state: &Store, sections: &BTreeMap<String, Bytes>) -> Result<Vec<u8>, SnapshotError> {
    let mut accounts = state.accounts().collect::<Vec<_>>();
    accounts.sort_unstable_by_key(|(address, _)| **address);
    within("accounts", accounts.len(), MOST_ACCOUNTS)?;
    let mut code = BTreeMap::new();
    for (_, account) in &accounts {
        if let Some(known) = account.code.as_ref().filter(|code| !code.is_empty()).or_else(|| state.code(&account.code_hash)) {
            code.insert(account.code_hash, known.original_byte_slice());
        }
    }
    within("codes", code.len(), MOST_CODES)?;
    for bytes in code.values() {
        within("bytes of one code", bytes.len(), MOST_CODE)?;
    }
    let mut slots = BTreeMap::<Address, BTreeMap<U256, U256>>::new();
    for (address, slot, value) in state.slots() {
        slots.entry(address).or_default().insert(slot, value);
    }
    within("slots", slots.values().map(BTreeMap::len).sum(), MOST_SLOTS)?;
    let hashes = state.block_hashes().collect::<BTreeMap<_, _>>();
    within("hashes of blocks", hashes.len(), MOST_HASHES)?;
    within("sections", sections.len(), MOST_SECTIONS)?;
    for name in sections.keys() {
        within("bytes of a section's name", name.len(), MOST_NAME)?;
    }

    let mut payload = Vec::new();
    list(&mut payload, |out| code.values().for_each(|bytes| bytes.encode(out)));
    list(&mut payload, |out| {
        for (address, account) in accounts {
            list(out, |out| {
                address.encode(out);
                account.balance.encode(out);
                account.nonce.encode(out);
                account.code_hash.encode(out);
            });
        }
    });
    list(&mut payload, |out| {
        for (address, slots) in slots {
            list(out, |out| {
                address.encode(out);
                list(out, |out| {
                    for (slot, value) in slots {
                        slot.encode(out);
                        value.encode(out);
                    }
                });
            });
        }
    });
    list(&mut payload, |out| {
        for (number, hash) in hashes {
            list(out, |out| {
                number.encode(out);
                hash.encode(out);
            });
        }
    });
    list(&mut payload, |out| {
        for (name, bytes) in sections {
            list(out, |out| {
                name.encode(out);
                bytes.encode(out);
            });
        }
    });
    let mut content = Vec::new();
    list(&mut content, |out| out.extend(payload));
    Ok(content)
}

/// A list of what `items` writes.
fn list(out: &mut Vec<u8>, items: impl FnOnce(&mut Vec<u8>)) {
    let mut payload = Vec::new();
    items(&mut payload);
    Header { list: true, payload_length: payload.len() }.encode(out);
    out.extend(payload);
}

/// The inverse. Nothing is allocated by a promised count: what is not in the bytes is not there.
pub(super) fn decode(content: &[u8]) -> Result<(Store, BTreeMap<String, Bytes>), SnapshotError> {
    let mut rest = content;
    let mut parts = open("content", &mut rest)?;
    ended("content", rest)?;
    let mut state = Store::default();
    code(open("code", &mut parts)?, &mut state)?;
    accounts(open("accounts", &mut parts)?, &mut state)?;
    storage(open("slots", &mut parts)?, &mut state)?;
    hashes(open("hashes of blocks", &mut parts)?, &mut state)?;
    let sections = sections(open("sections", &mut parts)?)?;
    ended("content", parts)?;
    Ok((state, sections))
}

fn code(mut items: &[u8], state: &mut Store) -> Result<(), SnapshotError> {
    let mut order = Order::new("codes", MOST_CODES);
    while !items.is_empty() {
        let bytes = Header::decode_bytes(&mut items, false).map_err(wrong("code"))?;
        within("bytes of one code", bytes.len(), MOST_CODE)?;
        let hash = keccak256(bytes);
        order.next(hash)?;
        let analysed = Bytecode::new_raw_checked(Bytes::copy_from_slice(bytes))
            .map_err(|error| SnapshotError::Content { place: "code", reason: format!("{hash} is malformed: {error}") })?;
        state.insert_code(hash, analysed);
    }
    Ok(())
}

fn accounts(mut items: &[u8], state: &mut Store) -> Result<(), SnapshotError> {
    let mut order = Order::new("accounts", MOST_ACCOUNTS);
    while !items.is_empty() {
        let mut item = open("accounts", &mut items)?;
        let address = order.next(read::<Address>("accounts", &mut item)?)?;
        let (balance, nonce) = (read("accounts", &mut item)?, read("accounts", &mut item)?);
        let code_hash = read::<B256>("accounts", &mut item)?;
        ended("accounts", item)?;
        let code = if code_hash == KECCAK256_EMPTY { Some(Bytecode::default()) } else { state.code(&code_hash).cloned() };
        state.insert_account(address, AccountInfo { balance, nonce, code_hash, account_id: None, code });
    }
    Ok(())
}

fn storage(mut items: &[u8], state: &mut Store) -> Result<(), SnapshotError> {
    let mut order = Order::new("slots", MOST_SLOTS);
    let mut count = 0_u64;
    while !items.is_empty() {
        let mut item = open("slots", &mut items)?;
        let address = order.next(read::<Address>("slots", &mut item)?)?;
        let mut pairs = open("slots", &mut item)?;
        ended("slots", item)?;
        let mut slots = Order::new("slots", MOST_SLOTS);
        if pairs.is_empty() {
            return Err(SnapshotError::Content { place: "slots", reason: format!("{address} is there without one") });
        }
        while !pairs.is_empty() {
            let slot = slots.next(read::<U256>("slots", &mut pairs)?)?;
            let value = read("slots", &mut pairs)?;
            count = count.saturating_add(1);
            if count > MOST_SLOTS {
                return Err(SnapshotError::Limit { what: "slots", found: count, most: MOST_SLOTS });
            }
            state.insert_slot(address, slot, value);
        }
    }
    Ok(())
}

fn hashes(mut items: &[u8], state: &mut Store) -> Result<(), SnapshotError> {
    let mut order = Order::new("hashes of blocks", MOST_HASHES);
    while !items.is_empty() {
        let mut item = open("hashes of blocks", &mut items)?;
        let number = order.next(read::<u64>("hashes of blocks", &mut item)?)?;
        let hash = read("hashes of blocks", &mut item)?;
        ended("hashes of blocks", item)?;
        state.insert_block_hash(number, hash);
    }
    Ok(())
}

fn sections(mut items: &[u8]) -> Result<BTreeMap<String, Bytes>, SnapshotError> {
    let mut order = Order::new("sections", MOST_SECTIONS);
    let mut sections = BTreeMap::new();
    while !items.is_empty() {
        let mut item = open("sections", &mut items)?;
        let name = Header::decode_str(&mut item).map_err(wrong("sections"))?.to_owned();
        within("bytes of a section's name", name.len(), MOST_NAME)?;
        let bytes = Header::decode_bytes(&mut item, false).map_err(wrong("sections"))?;
        ended("sections", item)?;
        sections.insert(order.next(name)?, Bytes::copy_from_slice(bytes));
    }
    Ok(sections)
}

/// Each thing once, in order, and not more than there may be.
struct Order<T> {
    place: &'static str,
    most: u64,
    count: u64,
    last: Option<T>,
}

impl<T: Ord + Clone> Order<T> {
    const fn new(place: &'static str, most: u64) -> Self {
        Self { place, most, count: 0, last: None }
    }

    fn next(&mut self, item: T) -> Result<T, SnapshotError> {
        self.count = self.count.saturating_add(1);
        if self.count > self.most {
            return Err(SnapshotError::Limit { what: self.place, found: self.count, most: self.most });
        }
        if self.last.as_ref().is_some_and(|last| *last >= item) {
            return Err(SnapshotError::Content { place: self.place, reason: "they are not in order, or one is there twice".to_owned() });
        }
        self.last = Some(item.clone());
        Ok(item)
    }
}

fn open<'a>(place: &'static str, items: &mut &'a [u8]) -> Result<&'a [u8], SnapshotError> {
    Header::decode_bytes(items, true).map_err(wrong(place))
}

fn read<T: Decodable>(place: &'static str, item: &mut &[u8]) -> Result<T, SnapshotError> {
    T::decode(item).map_err(wrong(place))
}

fn ended(place: &'static str, rest: &[u8]) -> Result<(), SnapshotError> {
    if rest.is_empty() { Ok(()) } else { Err(SnapshotError::Content { place, reason: format!("{} bytes too many", rest.len()) }) }
}

fn wrong(place: &'static str) -> impl Fn(RlpError) -> SnapshotError {
    move |error| SnapshotError::Content { place, reason: error.to_string() }
}
