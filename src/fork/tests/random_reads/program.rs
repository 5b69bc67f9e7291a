//! Programs: what one may do, and its code.
//!
//! ```text
//! steps ─▶ code: each step leaves one word, which is folded into the hash that the program returns
//! ```

use super::super::*;
use proptest::prelude::*;

/// Contracts in the order in which they may call each other.
pub(super) const A: Address = addr(0x11);
pub(super) const B: Address = addr(0x22);
pub(super) const C: Address = addr(0x55);
/// An account that delegates to `C`.
pub(super) const DELEGATED: Address = addr(0x44);
pub(super) const ABSENT: Address = addr(0x33);
/// Money and a nonce, no code.
pub(super) const PLAIN: Address = addr(0x66);
pub(super) const FEE_RECIPIENT: Address = addr(0xfe);
pub(super) const SHA256: u8 = 2;

/// Init codes: nothing, one that reverts, one whose gas depends so much on its balance that
/// a creation that fails and takes 63 of 64 parts of the gas does not hide it, one that leaves a byte of code.
pub(super) const INIT: [&[u8]; 4] = [
    &[],
    &[op::PUSH0, op::PUSH0, op::REVERT],
    &[op::PUSH0, op::SELFBALANCE, op::PUSH1, 12, op::SHL, op::MSTORE, op::STOP],
    &[op::PUSH1, 1, op::PUSH0, op::RETURN],
];
/// Folds the top of the stack into the word at memory 0.
const FOLD: &[u8] = &[op::PUSH1, 32, op::MSTORE, op::PUSH1, 64, op::PUSH0, op::KECCAK256, op::PUSH0, op::MSTORE];

const WORDS: [(EnvWord, u8); 7] = [
    (EnvWord::Timestamp, op::TIMESTAMP),
    (EnvWord::Number, op::NUMBER),
    (EnvWord::BaseFee, op::BASEFEE),
    (EnvWord::GasLimit, op::GASLIMIT),
    (EnvWord::Coinbase, op::COINBASE),
    (EnvWord::PrevRandao, op::DIFFICULTY),
    (EnvWord::BlobBaseFee, op::BLOBBASEFEE),
];

/// One step of a program.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Load(u8),
    Store(u8, u8),
    TransientLoad(u8),
    TransientStore(u8),
    /// BALANCE, EXTCODESIZE, EXTCODEHASH or a word of EXTCODECOPY of an account of the pool.
    Ask(u8, usize),
    OwnBalance,
    /// CALL, CALLCODE, DELEGATECALL or STATICCALL, with this value where it can have one.
    Call(u8, usize, u8),
    Precompile,
    Create(usize, u8),
    Create2(usize, u8, u8),
    Word(usize),
    BlockHash(u8),
    /// The address, the caller, what was sent: fixed, no facets.
    Fixed(u8),
    Destroy(usize),
    Revert,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let value = prop_oneof![3 => Just(0u8), 1 => 1u8..9];
    prop_oneof![
        4 => (0u8..4).prop_map(Step::Load),
        2 => (0u8..4, 0u8..3).prop_map(|(slot, value)| Step::Store(slot, value)),
        1 => (0u8..2).prop_map(Step::TransientLoad),
        1 => (0u8..2).prop_map(Step::TransientStore),
        5 => (0u8..4, 0usize..8).prop_map(|(how, who)| Step::Ask(how, who)),
        1 => Just(Step::OwnBalance),
        8 => (0u8..4, 0usize..6, value.clone()).prop_map(|(how, who, value)| Step::Call(how, who, value)),
        1 => Just(Step::Precompile),
        2 => (0usize..4, value.clone()).prop_map(|(init, value)| Step::Create(init, value)),
        2 => (0usize..4, 0u8..2, value).prop_map(|(init, salt, value)| Step::Create2(init, salt, value)),
        1 => (0usize..7).prop_map(Step::Word),
        1 => (0u8..2).prop_map(Step::BlockHash),
        1 => (0u8..6).prop_map(Step::Fixed),
        1 => (0usize..2).prop_map(Step::Destroy),
        1 => Just(Step::Revert),
    ]
}

/// What a static frame may not do takes all its gas, and nothing is left that could show what it read before. So programs are
/// called statically only where none does such a thing; the rule itself has a test of its own.
pub(super) fn visible(programs: [Vec<Step>; 3]) -> [Vec<Step>; 3] {
    let changes = |step: &Step| match step {
        Step::Store(..) | Step::TransientStore(_) | Step::Create(..) | Step::Create2(..) | Step::Destroy(_) => true,
        Step::Call(how, _, value) => *how == 0 && *value > 0,
        _ => false,
    };
    if !programs.iter().skip(1).flatten().any(changes) {
        return programs;
    }
    programs.map(|steps| steps.into_iter().map(|step| if let Step::Call(3, who, value) = step { Step::Call(2, who, value) } else { step }).collect())
}

/// Code of one contract; `level` says whom it may call: only contracts behind it, so that no run is endless.
pub(super) fn program(level: usize, steps: &[Step]) -> Vec<u8> {
    let mut code = Vec::new();
    for step in steps {
        let folded: Vec<u8> = match *step {
            Step::Load(slot) => vec![op::PUSH1, slot, op::SLOAD],
            Step::Store(slot, value) => vec![op::PUSH1, value, op::PUSH1, slot, op::SSTORE, op::PUSH0],
            Step::TransientLoad(slot) => vec![op::PUSH1, slot, op::TLOAD],
            Step::TransientStore(slot) => vec![op::PUSH1, 7, op::PUSH1, slot, op::TSTORE, op::PUSH0],
            Step::Ask(how, who) => {
                let place = A.create(1);
                let pool = [A, B, C, DELEGATED, ABSENT, PLAIN, FEE_RECIPIENT, place];
                // Where something was created, nothing of before decides whether it is empty.
                match (how, pool[who]) {
                    (2, who) if who != place => [push(who), vec![op::EXTCODEHASH]].concat(),
                    (3, who) => [&[op::PUSH1, 32, op::PUSH0, op::PUSH1, 64], push(who).as_slice(), &[op::EXTCODECOPY, op::PUSH1, 64, op::MLOAD]].concat(),
                    (1, who) => [push(who), vec![op::EXTCODESIZE]].concat(),
                    (_, who) => [push(who), vec![op::BALANCE]].concat(),
                }
            }
            Step::OwnBalance => vec![op::SELFBALANCE],
            Step::Call(how, who, value) => {
                let pool: &[Address] = match level {
                    0 => &[B, C, DELEGATED, ABSENT, PLAIN, FEE_RECIPIENT],
                    1 => &[C, DELEGATED, ABSENT, PLAIN, FEE_RECIPIENT],
                    _ => &[ABSENT, PLAIN, FEE_RECIPIENT],
                };
                let gas: u32 = [100_000_000, 10_000_000, 0][level];
                let (opcode, value) =
                    [(op::CALL, Some(value)), (op::CALLCODE, Some(value)), (op::DELEGATECALL, None), (op::STATICCALL, None)][usize::from(how)];
                let value = value.map_or_else(Vec::new, |value| vec![op::PUSH1, value]);
                let call = [
                    &[op::PUSH0, op::PUSH0, op::PUSH0, op::PUSH0],
                    value.as_slice(),
                    &push(pool[who % pool.len()]),
                    &[op::PUSH4],
                    &gas.to_be_bytes(),
                    &[opcode],
                ];
                // What came back is folded before the success.
                let result = [&[op::PUSH0, op::PUSH1, 96, op::MSTORE], copied_result().as_slice(), &[op::PUSH1, 96, op::MLOAD]].concat();
                [call.concat(), result, FOLD.to_vec()].concat()
            }
            Step::Precompile => {
                vec![op::PUSH1, 32, op::PUSH1, 64, op::PUSH1, 32, op::PUSH0, op::PUSH1, SHA256, op::GAS, op::STATICCALL, op::POP, op::PUSH1, 64, op::MLOAD]
            }
            Step::Create(init, value) => [stored(INIT[init]), vec![op::PUSH1, size(INIT[init]), op::PUSH1, 64, op::PUSH1, value, op::CREATE]].concat(),
            Step::Create2(init, salt, value) => {
                [stored(INIT[init]), vec![op::PUSH1, salt, op::PUSH1, size(INIT[init]), op::PUSH1, 64, op::PUSH1, value, op::CREATE2]].concat()
            }
            Step::Word(word) => vec![WORDS[word].1],
            Step::BlockHash(back) => vec![op::PUSH2, 3, 232 - back, op::BLOCKHASH],
            Step::Fixed(which) => vec![[op::ADDRESS, op::CALLER, op::ORIGIN, op::CALLVALUE, op::CHAINID, op::RETURNDATASIZE][usize::from(which)]],
            Step::Destroy(heir) => {
                // Nothing is returned: what was read before shows in the gas of memory.
                code.extend([op::PUSH0, op::PUSH0, op::MLOAD, op::PUSH2, 0xff, 0xff, op::AND, op::MSTORE]);
                code.extend([push([ABSENT, PLAIN][heir]), vec![op::SELFDESTRUCT]].concat());
                return code;
            }
            Step::Revert => {
                code.extend([op::PUSH1, 32, op::PUSH0, op::REVERT]);
                return code;
            }
        };
        code.extend(folded);
        code.extend(FOLD);
    }
    code.extend([op::PUSH1, 32, op::PUSH0, op::RETURN]);
    code
}

/// The first word of the return data, as far as there is one, at memory 96.
fn copied_result() -> Vec<u8> {
    // min(RETURNDATASIZE, 32) is 32 or what there is: all our programs return a word or nothing.
    vec![op::RETURNDATASIZE, op::PUSH0, op::PUSH1, 96, op::RETURNDATACOPY]
}

/// Puts an init code of at most 32 bytes to memory 64.
fn stored(init: &[u8]) -> Vec<u8> {
    let mut word = [0; 32];
    word[..init.len()].copy_from_slice(init);
    [&[op::PUSH32], word.as_slice(), &[op::PUSH1, 64, op::MSTORE]].concat()
}

fn size(init: &[u8]) -> u8 {
    u8::try_from(init.len()).unwrap()
}
