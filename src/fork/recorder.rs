//! Read sets: the facets that a run read, taken by opcode.
//!
//! An opcode is noted before it runs, so a run that reverts leaves the same set as one that does not. What an opcode reads
//! depends at times on what it finds: a callee's delegation (EIP-7702), or whether an account is empty. That is resolved
//! after the run, from state that the run has loaded.

use super::{EnvWord, Facet, ReadSet, View};
use alloy::primitives::{
    Address, B256, KECCAK256_EMPTY, U256,
    map::{AddressSet, HashSet},
};
use revm::{
    Inspector,
    bytecode::opcode,
    context_interface::ContextTr,
    interpreter::{
        CreateInputs, CreateOutcome, Interpreter,
        interpreter_types::{InputsTr, Jumps},
    },
};

/// Collects what a run reads.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    facets: HashSet<Facet>,
    /// Accounts of which it mattered whether they are empty.
    emptiness: AddressSet,
    /// Contracts that read COINBASE or PREVRANDAO, in order.
    proposer_readers: Vec<Address>,
}

impl Recorder {
    pub(super) fn note(&mut self, facet: Facet) {
        self.facets.insert(facet);
    }

    pub(super) fn note_emptiness(&mut self, address: Address) {
        self.emptiness.insert(address);
    }

    /// Adds everything to `reads` and returns the contracts that read COINBASE or PREVRANDAO. Of `assumed`, the fee recipient
    /// that the run took as funded and without code, only the balance can have been read.
    pub(super) fn finish(self, view: &View, assumed: Option<Address>, reads: &mut ReadSet) -> Vec<Address> {
        let mut set = ReadSet::default();
        for facet in self.facets {
            set.insert(facet);
            let Facet::Code(address) = facet else { continue };
            let delegate = view.known_info(address).and_then(|info| info.code).and_then(|code| code.eip7702_address());
            if let Some(delegate) = delegate {
                set.insert(Facet::Code(delegate));
            }
        }
        for address in self.emptiness {
            set.insert(Facet::Code(address));
            // An account with code is not empty, whatever else it has.
            if view.known_info(address).is_none_or(|info| info.code_hash == KECCAK256_EMPTY) {
                set.insert(Facet::Balance(address));
                set.insert(Facet::Nonce(address));
            }
        }
        for facet in set.iter() {
            let unread = assumed.is_some() && facet.address() == assumed && !matches!(facet, Facet::Balance(_));
            if !unread {
                reads.insert(*facet);
            }
        }
        self.proposer_readers
    }

    fn env(&mut self, word: EnvWord) {
        self.facets.insert(Facet::Env(word));
    }

    fn proposer(&mut self, word: EnvWord, contract: Address) {
        self.env(word);
        if !self.proposer_readers.contains(&contract) {
            self.proposer_readers.push(contract);
        }
    }

    /// A call with code of another account, and perhaps with value. `receives` is false for CALLCODE, which pays itself.
    fn call(&mut self, from: Address, to: Address, value: U256, receives: bool) {
        self.facets.insert(Facet::Code(to));
        if !value.is_zero() {
            self.facets.insert(Facet::Balance(from));
            if receives {
                self.emptiness.insert(to);
            }
        }
    }
}

fn to_address(word: U256) -> Address {
    Address::from_word(B256::from(word))
}

impl<CTX: ContextTr> Inspector<CTX> for Recorder {
    fn step(&mut self, interpreter: &mut Interpreter, _context: &mut CTX) {
        let here = interpreter.input.target_address();
        let top = |place| interpreter.stack.peek(place).ok();
        match interpreter.bytecode.opcode() {
            opcode::SLOAD | opcode::SSTORE => {
                if let Some(slot) = top(0) {
                    self.facets.insert(Facet::Slot(here, slot));
                }
            }
            opcode::BALANCE => {
                if let Some(account) = top(0) {
                    self.facets.insert(Facet::Balance(to_address(account)));
                }
            }
            opcode::SELFBALANCE => {
                self.facets.insert(Facet::Balance(here));
            }
            opcode::EXTCODESIZE | opcode::EXTCODECOPY => {
                if let Some(account) = top(0) {
                    self.facets.insert(Facet::Code(to_address(account)));
                }
            }
            opcode::EXTCODEHASH => {
                if let Some(account) = top(0) {
                    self.emptiness.insert(to_address(account));
                }
            }
            opcode::CALL => {
                if let (Some(to), Some(value)) = (top(1), top(2)) {
                    self.call(here, to_address(to), value, true);
                }
            }
            opcode::CALLCODE => {
                if let (Some(to), Some(value)) = (top(1), top(2)) {
                    self.call(here, to_address(to), value, false);
                }
            }
            opcode::DELEGATECALL | opcode::STATICCALL => {
                if let Some(to) = top(1) {
                    self.call(here, to_address(to), U256::ZERO, false);
                }
            }
            opcode::CREATE | opcode::CREATE2 => {
                self.facets.insert(Facet::Nonce(here));
                if top(0).is_some_and(|value| !value.is_zero()) {
                    self.facets.insert(Facet::Balance(here));
                }
            }
            opcode::SELFDESTRUCT => {
                self.facets.insert(Facet::Balance(here));
                if let Some(heir) = top(0) {
                    self.emptiness.insert(to_address(heir));
                }
            }
            opcode::TIMESTAMP => self.env(EnvWord::Timestamp),
            opcode::NUMBER => self.env(EnvWord::Number),
            // The effective gas price follows the base fee.
            opcode::BASEFEE | opcode::GASPRICE => self.env(EnvWord::BaseFee),
            opcode::GASLIMIT => self.env(EnvWord::GasLimit),
            opcode::COINBASE => self.proposer(EnvWord::Coinbase, here),
            opcode::DIFFICULTY => self.proposer(EnvWord::PrevRandao, here),
            opcode::BLOBBASEFEE => self.env(EnvWord::BlobBaseFee),
            opcode::BLOCKHASH => self.env(EnvWord::BlockHash),
            _ => {}
        }
    }

    fn create_end(&mut self, _context: &mut CTX, _inputs: &CreateInputs, outcome: &mut CreateOutcome) {
        // What stood at the new address decides whether it can be created, and its balance is kept.
        if let Some(address) = outcome.address {
            self.facets.insert(Facet::Code(address));
            self.facets.insert(Facet::Nonce(address));
        }
    }
}
