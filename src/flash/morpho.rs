//! The free flash loan of Morpho Blue and of Moolah: no fee, up to all the tokens that the contract holds.
//!
//! Neither guards it: other calls to the same contract, liquidations included, work while the loan is out.

use super::{
    FlashError, Lender, Offer, Refusal,
    abi::{IERC20, IMoolahLender},
    ask,
};
use crate::{
    fork::{ReadSet, TargetBlock, View},
    plan::{FlashKind, Step},
};
use alloy::primitives::{Address, U256};
use std::sync::Arc;

/// Which contract it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MorphoFlavour {
    /// Lends every token, always.
    Morpho,
    /// Can be paused, and keeps a list of tokens that it does not lend.
    Moolah,
}

/// One contract.
#[derive(Clone, Debug)]
pub struct MorphoLender {
    name: Arc<str>,
    address: Address,
    flavour: MorphoFlavour,
}

impl MorphoLender {
    /// The lender with this configured name at this address.
    #[must_use]
    pub fn new(name: &str, address: Address, flavour: MorphoFlavour) -> Self {
        Self { name: name.into(), address, flavour }
    }

    fn closed(&self, view: &View, block: &TargetBlock, token: Address, reads: &mut ReadSet) -> Result<Option<&'static str>, FlashError> {
        match self.flavour {
            MorphoFlavour::Morpho => Ok(None),
            MorphoFlavour::Moolah => {
                if ask(view, block, &self.name, self.address, &IMoolahLender::pausedCall {}, reads)? {
                    return Ok(Some("paused"));
                }
                let blacklisted = ask(view, block, &self.name, self.address, &IMoolahLender::flashLoanTokenBlacklistCall { token }, reads)?;
                Ok(blacklisted.then_some("token blacklisted"))
            }
        }
    }
}

impl Lender for MorphoLender {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn offer(&self, view: &View, block: &TargetBlock, token: Address, _amount: U256, reads: &mut ReadSet) -> Result<Offer, FlashError> {
        if let Some(reason) = self.closed(view, block, token, reads)? {
            return Err(Refusal::Closed { lender: Arc::clone(&self.name), reason }.into());
        }
        let available = ask(view, block, &self.name, token, &IERC20::balanceOfCall { account: self.address }, reads)?;
        Ok(Offer { available, fee: U256::ZERO })
    }

    fn step(&self, token: Address, amount: U256, max_fee: U256, inside: Vec<Step>) -> Step {
        let kind = match self.flavour {
            MorphoFlavour::Morpho => FlashKind::Morpho,
            MorphoFlavour::Moolah => FlashKind::Moolah,
        };
        Step::FlashLoan { kind, lender: self.address, token, amount, max_fee, inside }
    }
}
