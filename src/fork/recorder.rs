//! Read sets: the facets that a run read, taken by opcode.
//!
//! ```text
//! opcode ─▶ facets ─────────────────────────────┐
//!        ─▶ callees: their delegates as well ────┼─ finish ─▶ read set
//!        ─▶ emptiness: code, else all three ─────┘
//! ```
//!
//! An opcode is noted before it runs, so a run that reverts leaves the same set as one that does not. What an opcode reads
//! depends at times on what it finds: a callee's delegation (EIP-7702), or whether an account is empty. That is resolved
//! after the run, from state that the run has loaded. What a static frame may not do ends it before anything is read.

use super::{EnvWord, Facet, ReadSet, View};
use alloy::primitives::{
    Address, B256, KECCAK256_EMPTY, U256,
    map::{AddressSet, HashSet},
};
use revm::{
    Inspector,
    bytecode::opcode,
    context_interface::{ContextTr, JournalTr},
    interpreter::{
        CreateInputs, CreateOutcome, Interpreter,
        interpreter_types::{InputsTr, Jumps, RuntimeFlag},
    },
};

/// Collects what a run reads.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    facets: HashSet<Facet>,
    /// Accounts whose code was to run.
    callees: AddressSet,
    /// Accounts of which it mattered whether they are empty.
    emptiness: AddressSet,
    /// Contracts that read COINBASE or PREVRANDAO, in order.
    proposer_readers: Vec<Address>,
}

impl Recorder {
    pub(super) fn note(&mut self, facet: Facet) {
        self.facets.insert(facet);
    }

    /// An account whose code runs, or the code that it delegates to.
    pub(super) fn note_callee(&mut self, address: Address) {
        self.callees.insert(address);
    }

    pub(super) fn note_emptiness(&mut self, address: Address) {
        self.emptiness.insert(address);
    }

    /// Adds everything to `reads` and returns the contracts that read COINBASE or PREVRANDAO. Of `assumed`, the fee recipient
    /// that the run took as funded and without code, only the balance can have been read; but the value depends on who that
    /// is, because another block's recipient is warm and assumed, and this one is not any more.
    pub(super) fn finish(mut self, view: &View, assumed: Option<Address>, reads: &mut ReadSet) -> Vec<Address> {
        for address in self.callees {
            self.facets.insert(Facet::Code(address));
            let delegate = view.known_info(address).and_then(|info| info.code).and_then(|code| code.eip7702_address());
            if let Some(delegate) = delegate {
                self.facets.insert(Facet::Code(delegate));
            }
        }
        for address in self.emptiness {
            self.facets.insert(Facet::Code(address));
            // An account with code is not empty, whatever else it has.
            if view.known_info(address).is_none_or(|info| info.code_hash == KECCAK256_EMPTY) {
                self.facets.insert(Facet::Balance(address));
                self.facets.insert(Facet::Nonce(address));
            }
        }
        for facet in self.facets {
            let of_assumed = assumed.is_some() && facet.address() == assumed;
            if of_assumed {
                reads.insert(Facet::Env(EnvWord::Coinbase));
            }
            if !of_assumed || matches!(facet, Facet::Balance(_)) {
                reads.insert(facet);
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
    /// No code can stand where a precompile is.
    fn call(&mut self, from: Address, to: Address, value: U256, receives: bool, is_precompile: bool) {
        if !is_precompile {
            self.callees.insert(to);
        }
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
    fn step(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        let here = interpreter.input.target_address();
        let top = |place| interpreter.stack.peek(place).ok();
        let may_change = !interpreter.runtime_flag.is_static();
        let is_precompile = |address: &Address| context.journal_ref().precompile_addresses().contains(address);
        match interpreter.bytecode.opcode() {
            code @ (opcode::SLOAD | opcode::SSTORE) => {
                if let Some(slot) = top(0).filter(|_| may_change || code == opcode::SLOAD) {
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
                if let (Some(to), Some(value)) = (top(1).map(to_address), top(2))
                    && (may_change || value.is_zero())
                {
                    self.call(here, to, value, true, is_precompile(&to));
                }
            }
            opcode::CALLCODE => {
                if let (Some(to), Some(value)) = (top(1).map(to_address), top(2)) {
                    self.call(here, to, value, false, is_precompile(&to));
                }
            }
            opcode::DELEGATECALL | opcode::STATICCALL => {
                if let Some(to) = top(1).map(to_address) {
                    self.call(here, to, U256::ZERO, false, is_precompile(&to));
                }
            }
            opcode::CREATE | opcode::CREATE2 if may_change => {
                self.facets.insert(Facet::Nonce(here));
                if top(0).is_some_and(|value| !value.is_zero()) {
                    self.facets.insert(Facet::Balance(here));
                }
            }
            opcode::SELFDESTRUCT if may_change => {
                self.facets.insert(Facet::Balance(here));
                // Without money the heir gets nothing, and nothing depends on what it is.
                let is_poor = context.journal_mut().load_account(here).is_ok_and(|account| account.data.info.balance.is_zero());
                if let Some(heir) = interpreter.stack.peek(0).ok().filter(|_| !is_poor) {
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

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        // What stands at the new address decides whether anything can be created there. Its balance is kept and is a facet
        // only if somebody asks for it. The creator is loaded: it runs, or has paid for the transaction.
        if let Ok(creator) = context.journal_mut().load_account(inputs.caller()) {
            let place = inputs.created_address(creator.data.info.nonce);
            self.facets.insert(Facet::Code(place));
            self.facets.insert(Facet::Nonce(place));
        }
        None
    }
}
