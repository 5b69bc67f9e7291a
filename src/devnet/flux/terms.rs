//! What a vault is created with: its strategy's figures, its lenders' money, who may deleverage.

use super::abi::Figures;
use crate::devnet::{ArtifactError, artifacts::Artifact};
use alloy::{
    primitives::{Address, U256},
    sol_types::SolValue,
};

/// A hundredth of a percent, 1e18 is one.
const BASIS_POINT: u64 = 100_000_000_000_000;
/// The bond that a manager needs at least, by debt: with the buffer the threshold is 110 %.
const MIN_BOND: u64 = 2_000;
/// How far below full bond a position may fall.
const BUFFER: u64 = 1_000;
/// The health below which a keeper may deleverage.
const ADL_HEALTH: u64 = 12_000;
/// An account without a key.
const NOBODY: Address = Address::repeat_byte(0xad);
/// The utilisation above which it may.
const ADL_UTILISATION: u64 = 9_500;

/// A strategy of another rule than the formulas'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Nothing may be liquidated before so many blocks are mined, counted from when the vault is created.
    pub blocks: u64,
    /// From then on also what is healthy, where it is worth less than this many whole dollars.
    pub least_dollars: u64,
}

/// Who may deleverage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// Anybody.
    Anyone,
    /// One account.
    Account(Address),
    /// The searcher's executor: the first contract that the executor's owner creates.
    Executor,
}

/// What a vault is created with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Its name on this devnet.
    pub name: String,
    /// What a liquidator keeps of a position under water, in hundredths of a percent, 2,000 at most.
    pub margin: u64,
    /// Interest a year in hundredths of a percent.
    pub yearly_rate: u64,
    /// What lenders deposit, in whole USDC.
    pub lent: u64,
    /// A rule of its own.
    pub patience: Option<Patience>,
    /// Who may deleverage.
    pub keeper: Keeper,
}

impl Terms {
    /// The vaults that every devnet with Flux has.
    pub(super) fn usual() -> [Self; 4] {
        let named = Self::named;
        [named("standard"), named("interest-free").yearly_rate(0), named("altruistic").margin(0), named("generous").margin(2_000)]
    }

    /// One million of deposits, a margin of 1 %, interest of 10 % a year, nobody to deleverage, until said otherwise.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), margin: 100, yearly_rate: 1_000, lent: 1_000_000, patience: None, keeper: Keeper::Account(NOBODY) }
    }

    /// A margin in hundredths of a percent.
    #[must_use]
    pub fn margin(self, basis_points: u64) -> Self {
        Self { margin: basis_points, ..self }
    }

    /// Interest a year in hundredths of a percent.
    #[must_use]
    pub fn yearly_rate(self, basis_points: u64) -> Self {
        Self { yearly_rate: basis_points, ..self }
    }

    /// Deposits in whole USDC.
    #[must_use]
    pub fn lent(self, dollars: u64) -> Self {
        Self { lent: dollars, ..self }
    }

    /// A strategy of another rule.
    #[must_use]
    pub fn patience(self, blocks: u64, least_dollars: u64) -> Self {
        Self { patience: Some(Patience { blocks, least_dollars }), ..self }
    }

    /// Who may deleverage.
    #[must_use]
    pub fn keeper(self, keeper: Keeper) -> Self {
        Self { keeper, ..self }
    }

    /// The strategy's code and its arguments; a patient one begins with this block.
    pub(super) fn strategy(&self, first_block: u64) -> Result<(Artifact, Vec<u8>), ArtifactError> {
        let part = |basis_points: u64| U256::from(basis_points).saturating_mul(U256::from(BASIS_POINT));
        let figures = Figures {
            minBondRatio: part(MIN_BOND),
            liquidationBuffer: part(BUFFER),
            liquidationProfitMargin: part(self.margin),
            adlThreshold: part(ADL_HEALTH),
            adlUtilizationThreshold: part(ADL_UTILISATION),
            yearlyRate: part(self.yearly_rate),
        };
        Ok(match self.patience {
            None => (Artifact::own("FluxStrategy")?, figures.abi_encode()),
            Some(Patience { least_dollars, .. }) => {
                let least = U256::from(least_dollars).saturating_mul(U256::from(10_000 * BASIS_POINT));
                (Artifact::own("PatientStrategy")?, (figures, U256::from(first_block), least).abi_encode())
            }
        })
    }
}
