//! Small contracts, byte by byte.

use alloy::primitives::{Address, U256};

pub(crate) const STOP: u8 = 0x00;
pub(crate) const ADD: u8 = 0x01;
pub(crate) const BALANCE: u8 = 0x31;
pub(crate) const CALLVALUE: u8 = 0x34;
pub(crate) const CALLDATALOAD: u8 = 0x35;
pub(crate) const CALLDATASIZE: u8 = 0x36;
pub(crate) const CALLDATACOPY: u8 = 0x37;
pub(crate) const COINBASE: u8 = 0x41;
pub(crate) const POP: u8 = 0x50;
pub(crate) const MSTORE: u8 = 0x52;
pub(crate) const SLOAD: u8 = 0x54;
pub(crate) const SSTORE: u8 = 0x55;
pub(crate) const GAS: u8 = 0x5a;
pub(crate) const PUSH0: u8 = 0x5f;
pub(crate) const PUSH1: u8 = 0x60;
pub(crate) const DUP1: u8 = 0x80;
pub(crate) const LOG1: u8 = 0xa1;
pub(crate) const CREATE2: u8 = 0xf5;
pub(crate) const CALL: u8 = 0xf1;
pub(crate) const RETURN: u8 = 0xf3;
pub(crate) const REVERT: u8 = 0xfd;
pub(crate) const INVALID: u8 = 0xfe;
pub(crate) const SELFDESTRUCT: u8 = 0xff;

/// Init code that leaves `runtime`.
pub(crate) fn init_code(runtime: &[u8]) -> Vec<u8> {
    let length = u16::try_from(runtime.len()).expect("short code").to_be_bytes();
    let copy = [0x61, length[0], length[1], PUSH1, 15, PUSH0, 0x39, 0x61, length[0], length[1], PUSH0, RETURN];
    [copy.as_slice(), &[STOP; 3], runtime].concat()
}

pub(crate) fn push(address: Address) -> Vec<u8> {
    [&[0x73], address.as_slice()].concat()
}

pub(crate) fn words(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| U256::from(*value).to_be_bytes::<32>()).collect()
}

/// `SSTORE(calldata[0], calldata[1])`.
pub(crate) const WRITER: &[u8] = &[PUSH1, 32, CALLDATALOAD, PUSH0, CALLDATALOAD, SSTORE, STOP];

/// Counts in slot 0, logs the count, writes calldata[1] to slot calldata[0] and passes what it was paid to the fee recipient.
pub(crate) fn worker() -> Vec<u8> {
    let count = [PUSH0, SLOAD, PUSH1, 1, ADD, DUP1, PUSH0, SSTORE, DUP1, PUSH0, MSTORE, PUSH1, 32, PUSH0, LOG1];
    let write = [PUSH1, 32, CALLDATALOAD, PUSH0, CALLDATALOAD, SSTORE];
    let pay = [PUSH0, PUSH0, PUSH0, PUSH0, CALLVALUE, COINBASE, GAS, CALL, POP, STOP];
    // The topic is the count, which stays on the stack below the two arguments of the log's data.
    let mut code = Vec::new();
    code.extend(count);
    code.extend(write);
    code.extend(pay);
    code
}

/// Writes slot 0 and then reverts, or halts, by the first byte of the input.
pub(crate) const FAILING: &[u8] = &[PUSH1, 5, PUSH0, SSTORE, PUSH0, CALLDATALOAD, PUSH1, 13, 0x57, PUSH0, PUSH0, REVERT, STOP, 0x5b, INVALID];

/// Creates a contract from its input by CREATE2 with salt 0, gives it what it was paid, and calls it.
pub(crate) const FACTORY: &[u8] = &[
    CALLDATASIZE,
    PUSH0,
    PUSH0,
    CALLDATACOPY,
    PUSH0,
    CALLDATASIZE,
    PUSH0,
    CALLVALUE,
    CREATE2, // address
    PUSH0,
    PUSH0,
    PUSH0,
    PUSH0,
    PUSH0,
    0x85,
    GAS,
    CALL,
    POP,
    POP,
    STOP,
];

/// Init code that writes slots 1 and 2 and leaves `runtime`.
fn writing_init_code(runtime: &[u8]) -> Vec<u8> {
    let writes = [PUSH1, 8, PUSH1, 1, SSTORE, PUSH1, 9, PUSH1, 2, SSTORE];
    let length = u8::try_from(runtime.len()).expect("short code");
    let start = u8::try_from(writes.len() + 10).expect("short code");
    [writes.as_slice(), &[PUSH1, length, PUSH1, start, PUSH0, 0x39, PUSH1, length, PUSH0, RETURN], runtime].concat()
}

/// Sends all it has to `heir`, and ends if it was made in the same transaction.
pub(crate) fn burner(heir: Address) -> Vec<u8> {
    [push(heir), vec![SELFDESTRUCT]].concat()
}

/// Init code of a contract that writes slots 1 and 2 while it is made and destroys itself when it is called, in favour of `heir`.
pub(crate) fn short_lived(heir: Address) -> Vec<u8> {
    writing_init_code(&burner(heir))
}

/// The same, but with an odd balance it stays and writes the time to slot 3.
pub(crate) fn fickle(heir: Address) -> Vec<u8> {
    let stays = 29;
    let odd = [0x47, PUSH1, 1, 0x16, PUSH1, stays, 0x57];
    writing_init_code(&[odd.as_slice(), &burner(heir), &[0x5b, 0x42, PUSH1, 3, SSTORE, STOP]].concat())
}

/// How many slots [`witness`] writes.
pub(crate) const WITNESSED: u64 = 16;

/// Writes what it sees of the block, of itself and of the account in calldata\[0\] to slots from 0 on.
pub(crate) fn witness() -> Vec<u8> {
    let of_account = |opcode: u8| vec![PUSH0, CALLDATALOAD, opcode];
    let block_hash = |back: u8| vec![PUSH1, back, 0x43, 0x03, 0x40];
    // TIMESTAMP, NUMBER, BASEFEE, COINBASE, PREVRANDAO, GASLIMIT, GASPRICE, BLOBBASEFEE, SELFBALANCE, CHAINID
    let words = [0x42, 0x43, 0x48, COINBASE, 0x44, 0x45, 0x3a, 0x4a, 0x47, 0x46].map(|opcode| vec![opcode]);
    // BALANCE, EXTCODESIZE, EXTCODEHASH of the account; BLOCKHASH of three blocks
    let more = [of_account(BALANCE), of_account(0x3b), of_account(0x3f), block_hash(1), block_hash(2), block_hash(40)];
    let seen = words.into_iter().chain(more).zip(0_u8..);
    let mut code = seen.flat_map(|(value, slot)| [value, vec![PUSH1, slot, SSTORE]].concat()).collect::<Vec<_>>();
    code.push(STOP);
    code
}

/// Returns the sum of slots 0 and 1, and the balance of itself.
pub(crate) const READER: &[u8] = &[PUSH0, SLOAD, PUSH1, 1, SLOAD, ADD, PUSH0, MSTORE, 0x30, BALANCE, PUSH1, 32, MSTORE, PUSH1, 64, PUSH0, RETURN];
