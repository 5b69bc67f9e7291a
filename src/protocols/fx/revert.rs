//! Why the contracts refuse, by name.

use crate::protocols::checked::Panic;
use alloy::primitives::U256;
use std::fmt;

macro_rules! reverts {
    ($($(#[$doc:meta])* $name:ident = $selector:literal, $text:literal;)+) => {
        /// Why a call reverts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum FxRevert {
            $($(#[$doc])* $name,)+
            /// A credit note's holder lacks notes to burn or to hand over.
            NotesInsufficient {
                /// What the holder has, in note units.
                balance: U256,
                /// What is needed, in note units.
                needed: U256,
            },
            /// Panic 0x11: below zero or beyond the type.
            Overflow,
            /// Panic 0x12: for example bad debt in a pool's last tick.
            DivisionByZero,
            /// No data: a ratio outside of the ticks, or no source for missing collateral.
            Empty,
        }

        impl FxRevert {
            /// The first four bytes of the revert data; none when there is no data.
            #[must_use]
            pub const fn selector(&self) -> Option<u32> {
                match self {
                    $(Self::$name => Some($selector),)+
                    Self::NotesInsufficient { .. } => Some(0xe450_d38c),
                    Self::Overflow | Self::DivisionByZero => Some(0x4e48_7b71),
                    Self::Empty => None,
                }
            }

            /// What revert data says; `None` for an error that is not the contracts' own.
            #[must_use]
            pub fn decode(data: &[u8]) -> Option<Self> {
                let Some(([a, b, c, d], arguments)) = data.split_first_chunk::<4>().map(|(selector, rest)| (*selector, rest)) else {
                    return data.is_empty().then_some(Self::Empty);
                };
                let word = |place: usize| arguments.get(place * 32..)?.first_chunk::<32>().map(|word| U256::from_be_bytes(*word));
                match u32::from_be_bytes([a, b, c, d]) {
                    $($selector => Some(Self::$name),)+
                    0xe450_d38c => Some(Self::NotesInsufficient { balance: word(1)?, needed: word(2)? }),
                    0x4e48_7b71 => match u64::try_from(word(0)?).ok()? {
                        0x11 => Some(Self::Overflow),
                        0x12 => Some(Self::DivisionByZero),
                        _ => None,
                    },
                    _ => None,
                }
            }

            /// The panic code, where the revert is a panic.
            #[must_use]
            pub const fn panic_code(&self) -> Option<u8> {
                match self {
                    Self::Overflow => Some(0x11),
                    Self::DivisionByZero => Some(0x12),
                    _ => None,
                }
            }
        }

        impl fmt::Display for FxRevert {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name => formatter.write_str($text),)+
                    Self::NotesInsufficient { balance, needed } => write!(formatter, "{needed} credit notes are needed and {balance} are held"),
                    Self::Overflow => formatter.write_str("panic 0x11: arithmetic overflow"),
                    Self::DivisionByZero => formatter.write_str("panic 0x12: division by zero"),
                    Self::Empty => formatter.write_str("reverted without data"),
                }
            }
        }
    };
}

reverts! {
    /// The tick or pool is below the rebalance ratio.
    RebalanceDebtRatioNotReached = 0xaa19_ba5c, "the rebalance ratio is not reached";
    /// The tick is liquidatable, or has no debt.
    RebalanceOnLiquidatableTick = 0xad8b_36e0, "the tick is liquidatable or empty";
    /// Long: a rebalance's budget below 1e18 raw.
    RebalanceDebtsTooSmall = 0x880c_bfe7, "the budget of a rebalance is too small";
    /// Long: a liquidation's budget below 1e18 raw.
    LiquidateDebtsTooSmall = 0x07a1_b463, "the budget of a liquidation is too small";
    /// Short: an argument below the pool's minimum raw debt.
    DebtsTooSmall = 0x9015_41d3, "below the pool's minimum debt";
    /// USDC would be used and may not be.
    StableRepayNotAllowed = 0xf179_a756, "USDC may not be used to repay";
    /// The base pool's `minCollOut`.
    InsufficientOutput = 0xca1d_512b, "less collateral than asked for";
    /// Neither fxUSD nor USDC.
    InvalidTokenIn = 0x60bd_8b61, "paid in a token that is not taken";
    /// A direct call while only the base pool may.
    CallerNotFxUsdSave = 0x9544_786b, "only the base pool may call";
    /// A second locked call in one transaction.
    PoolManagerLocked = 0x86e4_722b, "a second locked call in the transaction";
    /// Short liquidation: the whole pool is under water.
    UnderCollateral = 0x5cbe_4639, "the whole pool is under water";
    /// Redemption: the whole pool is under water at the redeem price.
    PoolUnderCollateral = 0x6fa8_dc89, "the whole pool is under water at the redeem price";
    /// The short pool has ended.
    PoolKilled = 0xef88_8d44, "the pool has ended";
    /// More notes than the pool has debt.
    RedeemExceedTotalDebt = 0xbdef_9df0, "more notes than debt";
    /// Redemption's `minColls`.
    InsufficientRedeemedCollateral = 0x794c_8858, "less redeemed than asked for";
    /// The manager is paused.
    EnforcedPause = 0xd93c_0665, "paused";
}

impl std::error::Error for FxRevert {}

impl From<Panic> for FxRevert {
    fn from(panic: Panic) -> Self {
        match panic {
            Panic::Overflow => Self::Overflow,
            Panic::DivisionByZero => Self::DivisionByZero,
        }
    }
}
