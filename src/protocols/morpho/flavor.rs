//! What differs between Morpho Blue and Moolah, in one place.

use alloy::primitives::{B256, FixedBytes, b256};
use serde::{Deserialize, Serialize};

/// Which of the two systems a contract is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flavor {
    /// Morpho Blue.
    MorphoBlue,
    /// Moolah by Lista DAO: lists, pause, minimum loan, brokers, prices by token.
    Moolah,
}

/// Where the contract keeps what; the numbers of its storage slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The account that gets fee shares.
    pub fee_recipient: u64,
    /// Positions by market, then account.
    pub position: u64,
    /// Totals by market.
    pub market: u64,
    /// Authorizations by owner, then agent.
    pub is_authorized: u64,
    /// The five words by market.
    pub params: u64,
    /// What only Moolah has.
    pub moolah: Option<MoolahLayout>,
}

/// Moolah's own storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoolahLayout {
    /// Liquidators by market: a set, empty for anyone.
    pub liquidation_whitelist: u64,
    /// The least loan's value, eight digits.
    pub min_loan_value: u64,
    /// Brokers by market.
    pub brokers: u64,
    /// The fee that a new market begins with.
    pub default_market_fee: u64,
    /// Whether the contract is paused.
    pub paused: B256,
}

impl Flavor {
    /// The storage layout.
    #[must_use]
    pub const fn layout(self) -> Layout {
        match self {
            Self::MorphoBlue => Layout { fee_recipient: 1, position: 2, market: 3, is_authorized: 6, params: 8, moolah: None },
            Self::Moolah => Layout {
                fee_recipient: 0,
                position: 1,
                market: 2,
                is_authorized: 5,
                params: 7,
                moolah: Some(MoolahLayout {
                    liquidation_whitelist: 8,
                    min_loan_value: 9,
                    brokers: 15,
                    default_market_fee: 12,
                    paused: b256!("0xcd5ed15c6e187e77e9aee88184c21f4f2182ab5827cb3b7e07fbedcd63f03300"),
                }),
            },
        }
    }

    /// The selector that `liquidate` calls back with: `onMorphoLiquidate` or `onMoolahLiquidate`, both `(uint256,bytes)`.
    #[must_use]
    pub const fn liquidate_callback(self) -> FixedBytes<4> {
        match self {
            Self::MorphoBlue => FixedBytes([0xcf, 0x7e, 0xa1, 0x96]),
            Self::Moolah => FixedBytes([0x86, 0x9f, 0x8a, 0x1b]),
        }
    }

    /// The selector that `flashLoan` calls back with.
    #[must_use]
    pub const fn flash_loan_callback(self) -> FixedBytes<4> {
        match self {
            Self::MorphoBlue => FixedBytes([0x31, 0xf5, 0x70, 0x72]),
            Self::Moolah => FixedBytes([0x13, 0xa1, 0xa5, 0x62]),
        }
    }

    /// The selector that `repay` calls back with.
    #[must_use]
    pub const fn repay_callback(self) -> FixedBytes<4> {
        match self {
            Self::MorphoBlue => FixedBytes([0x05, 0xb4, 0x59, 0x1c]),
            Self::Moolah => FixedBytes([0x5b, 0x66, 0xa6, 0x8d]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::keccak256;

    #[test]
    fn callbacks_have_the_selectors_of_their_signatures() {
        for (selector, signature) in [
            (Flavor::MorphoBlue.liquidate_callback(), "onMorphoLiquidate(uint256,bytes)"),
            (Flavor::Moolah.liquidate_callback(), "onMoolahLiquidate(uint256,bytes)"),
            (Flavor::MorphoBlue.flash_loan_callback(), "onMorphoFlashLoan(uint256,bytes)"),
            (Flavor::Moolah.flash_loan_callback(), "onMoolahFlashLoan(uint256,bytes)"),
            (Flavor::MorphoBlue.repay_callback(), "onMorphoRepay(uint256,bytes)"),
            (Flavor::Moolah.repay_callback(), "onMoolahRepay(uint256,bytes)"),
        ] {
            assert_eq!(selector.as_slice(), &keccak256(signature.as_bytes())[..4], "{signature}");
        }
    }
}
