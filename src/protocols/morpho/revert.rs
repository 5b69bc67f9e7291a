//! Why the contracts refuse, by name. The native maths returns these, and revert data decodes to them, so both can be compared.

use crate::protocols::checked;
use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol_types::{Panic, Revert, SolError, SolValue},
};
use std::fmt;

macro_rules! reverts {
    (
        requires { $($(#[$rdoc:meta])* $require:ident = $text:literal),+ $(,)? }
        customs { $($(#[$cdoc:meta])* $custom:ident = $selector:literal),+ $(,)? }
    ) => {
        /// Why a call to the market contract, or to one around it, reverts.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum MorphoRevert {
            $($(#[$rdoc])* $require,)+
            $($(#[$cdoc])* $custom,)+
            /// Panic 0x11: an amount beyond debt, collateral or 256 bits.
            Overflow,
            /// Panic 0x12: a price or quote of zero was divided by.
            DivisionByZero,
            /// Any other Solidity panic.
            OtherPanic(U256),
            /// A pre-liquidation of more shares than its close factor allows.
            PreLiquidationTooLarge {
                /// Shares asked for.
                repaid: U256,
                /// Shares allowed.
                repayable: U256,
            },
            /// A role is needed that the caller lacks.
            RoleMissing {
                /// The caller.
                account: Address,
                /// The role.
                role: B256,
            },
            /// A `require` with another text, for example from a token.
            OtherRequire(String),
            /// No data at all.
            Empty,
            /// Data that nobody here knows, kept as it came.
            Unknown(Bytes),
        }

        impl MorphoRevert {
            /// The `require` text, where the revert is one.
            fn text(&self) -> Option<&str> {
                match self {
                    $(Self::$require => Some($text),)+
                    Self::OtherRequire(text) => Some(text),
                    _ => None,
                }
            }

            /// The selector of an error without arguments, where the revert is one.
            const fn plain_selector(&self) -> Option<u32> {
                match self {
                    $(Self::$custom => Some($selector),)+
                    _ => None,
                }
            }

            fn from_text(text: String) -> Self {
                match text.as_str() {
                    $($text => Self::$require,)+
                    _ => Self::OtherRequire(text),
                }
            }

            const fn from_plain_selector(selector: u32) -> Option<Self> {
                match selector {
                    $($selector => Some(Self::$custom),)+
                    _ => None,
                }
            }

            const fn custom_name(&self) -> Option<&'static str> {
                match self {
                    $(Self::$custom => Some(stringify!($custom)),)+
                    _ => None,
                }
            }
        }
    };
}

reverts! {
    requires {
        /// The market does not exist.
        MarketNotCreated = "market not created",
        /// Both or neither of two amounts were given.
        InconsistentInput = "inconsistent input",
        /// The position is solvent.
        HealthyPosition = "position is healthy",
        /// Moolah: what remains is below the minimum loan and still insolvent.
        UnhealthyPosition = "position is unhealthy",
        /// The token reverts on a transfer.
        TransferReverted = "transfer reverted",
        /// The token answers false on a transfer.
        TransferReturnedFalse = "transfer returned false",
        /// Not enough allowance or balance, or the token reverts.
        TransferFromReverted = "transferFrom reverted",
        /// The token answers false on a pull.
        TransferFromReturnedFalse = "transferFrom returned false",
        /// There is no code at the token's address.
        NoCode = "no code",
        /// An amount does not fit the storage.
        MaxUint128Exceeded = "max uint128 exceeded",
        /// An amount of zero.
        ZeroAssets = "zero assets",
        /// The account did not authorize the caller.
        Unauthorized = "unauthorized",
        /// The position would be insolvent after the call.
        InsufficientCollateral = "insufficient collateral",
        /// The market has not that much to lend or give back.
        InsufficientLiquidity = "insufficient liquidity",
        /// Moolah: the market's list of liquidators does not hold the caller.
        NotLiquidationWhitelist = "not liquidation whitelist",
        /// Moolah: the token may not be borrowed in a flash loan.
        TokenBlacklisted = "token blacklisted",
        /// Moolah: only the market's broker may do this.
        NotBroker = "not broker",
        /// Moolah: only the token's provider may do this.
        NotProvider = "not provider",
        /// Moolah: the market's list does not hold the account.
        NotWhitelist = "not whitelist",
        /// Moolah: the remaining loan would be below the minimum.
        RemainBorrowTooLow = "remain borrow too low",
        /// Moolah: the remaining supply would be below the minimum.
        RemainSupplyTooLow = "remain supply too low",
    }
    customs {
        /// The contract is paused.
        EnforcedPause = 0xd93c_0665,
        /// A guarded function was entered twice.
        ReentrantCall = 0x3ee5_aeb5,
        /// A stock oracle outside trading hours.
        StockMarketClosed = 0x7f47_b105,
        /// Only Moolah may call this.
        OnlyMoolah = 0xfeaf_553d,
        /// A liquidator contract's swap failed.
        SwapFailed = 0x81ce_ff30,
        /// The public liquidator does not serve this market.
        NotWhitelisted = 0x584a_7938,
        /// The public liquidator's swap returned no more than the debt.
        NoProfit = 0xe39a_afee,
        /// The broker's list does not hold the caller.
        NotBrokerWhitelist = 0x0363_186d,
        /// The broker wants whole multiples of 1e6 shares.
        InvalidRepaidShares = 0xd6ec_e6dc,
        /// The broker serves another market, or both or neither amounts were given.
        InvalidMarketId = 0x0641_7a60,
        /// The broker does not know the account.
        InvalidUser = 0xfd68_4c3b,
        /// The broker has no market yet.
        MarketNotSet = 0x4aec_5ac7,
        /// Only Moolah may call the broker here.
        NotMoolah = 0x8452_e1fa,
        /// Pre-liquidation: the market itself would liquidate.
        LiquidatablePosition = 0xf782_66a2,
        /// Pre-liquidation: below its band.
        NotPreLiquidatablePosition = 0x0bb9_a651,
        /// Pre-liquidation: both or neither of two amounts were given.
        PreInconsistentInput = 0xf073_2dd7,
        /// Pre-liquidation: the market does not exist.
        NonexistentMarket = 0x766f_4d98,
        /// Pre-liquidation: the band must begin below the market's loan-to-value.
        PreLltvTooHigh = 0xf058_6c23,
        /// Pre-liquidation: the close factor falls.
        PreLcfDecreasing = 0x1bc4_f823,
        /// Pre-liquidation: the first close factor is above one.
        PreLcfTooHigh = 0x143f_f1d8,
        /// Pre-liquidation: the first incentive is below one.
        PreLifTooLow = 0x26c4_8f60,
        /// Pre-liquidation: the incentive falls.
        PreLifDecreasing = 0x5076_92f4,
        /// Pre-liquidation: the incentive would pay more than the collateral is worth.
        PreLifTooHigh = 0x31af_f753,
    }
}

const PRE_LIQUIDATION_TOO_LARGE: u32 = 0x44bb_1e75;
const ROLE_MISSING: u32 = 0xe251_7d3f;
const OVERFLOW: u64 = 0x11;
const DIVISION_BY_ZERO: u64 = 0x12;

impl MorphoRevert {
    /// Names revert data; what nobody here knows is kept raw.
    #[must_use]
    pub fn decode(data: &[u8]) -> Self {
        if data.is_empty() {
            return Self::Empty;
        }
        Self::decode_known(data).unwrap_or_else(|| Self::Unknown(Bytes::copy_from_slice(data)))
    }

    fn decode_known(data: &[u8]) -> Option<Self> {
        let (selector, arguments) = data.split_first_chunk::<4>()?;
        if *selector == Revert::SELECTOR {
            return Revert::abi_decode_raw(arguments).ok().map(|revert| Self::from_text(revert.reason));
        }
        if *selector == Panic::SELECTOR {
            return Panic::abi_decode_raw(arguments).ok().map(|panic| Self::from_panic(panic.code));
        }
        match u32::from_be_bytes(*selector) {
            PRE_LIQUIDATION_TOO_LARGE => {
                <(U256, U256)>::abi_decode(arguments).ok().map(|(repaid, repayable)| Self::PreLiquidationTooLarge { repaid, repayable })
            }
            ROLE_MISSING => <(Address, B256)>::abi_decode(arguments).ok().map(|(account, role)| Self::RoleMissing { account, role }),
            plain if arguments.is_empty() => Self::from_plain_selector(plain),
            _ => None,
        }
    }

    fn from_panic(code: U256) -> Self {
        if code == U256::from(OVERFLOW) {
            Self::Overflow
        } else if code == U256::from(DIVISION_BY_ZERO) {
            Self::DivisionByZero
        } else {
            Self::OtherPanic(code)
        }
    }

    /// The exact revert data.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        if let Some(text) = self.text() {
            return Revert::from(text.to_owned()).abi_encode().into();
        }
        if let Some(selector) = self.plain_selector() {
            return selector.to_be_bytes().into();
        }
        match self {
            Self::Overflow => panic_data(U256::from(OVERFLOW)),
            Self::DivisionByZero => panic_data(U256::from(DIVISION_BY_ZERO)),
            Self::OtherPanic(code) => panic_data(*code),
            Self::PreLiquidationTooLarge { repaid, repayable } => with_selector(PRE_LIQUIDATION_TOO_LARGE, &(*repaid, *repayable).abi_encode()),
            Self::RoleMissing { account, role } => with_selector(ROLE_MISSING, &(*account, *role).abi_encode()),
            Self::Unknown(data) => data.clone(),
            _ => Bytes::new(),
        }
    }
}

fn panic_data(code: U256) -> Bytes {
    Panic { code }.abi_encode().into()
}

fn with_selector(selector: u32, arguments: &[u8]) -> Bytes {
    [selector.to_be_bytes().as_slice(), arguments].concat().into()
}

impl fmt::Display for MorphoRevert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = self.text().or_else(|| self.custom_name()) {
            return f.write_str(text);
        }
        match self {
            Self::Overflow => f.write_str("panic 0x11: an amount beyond debt, collateral or 256 bits"),
            Self::DivisionByZero => f.write_str("panic 0x12: a price of zero was divided by"),
            Self::OtherPanic(code) => write!(f, "panic {code:#x}"),
            Self::PreLiquidationTooLarge { repaid, repayable } => write!(f, "{repaid} shares are more than the {repayable} that the close factor allows"),
            Self::RoleMissing { account, role } => write!(f, "{account} lacks the role {role}"),
            Self::Unknown(data) => write!(f, "unknown revert data {data}"),
            _ => f.write_str("reverted without data"),
        }
    }
}

impl std::error::Error for MorphoRevert {}

impl From<checked::Panic> for MorphoRevert {
    fn from(panic: checked::Panic) -> Self {
        match panic {
            checked::Panic::Overflow => Self::Overflow,
            checked::Panic::DivisionByZero => Self::DivisionByZero,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::{address, b256, hex, keccak256};

    fn selector_of(signature: &str) -> u32 {
        let hash = keccak256(signature.as_bytes());
        u32::from_be_bytes(hash[..4].try_into().unwrap())
    }

    #[test]
    fn named_errors_have_the_selectors_of_their_signatures() {
        let wrong: Vec<_> = [
            (MorphoRevert::EnforcedPause, "EnforcedPause()"),
            (MorphoRevert::ReentrantCall, "ReentrancyGuardReentrantCall()"),
            (MorphoRevert::StockMarketClosed, "StockMarketClosed()"),
            (MorphoRevert::OnlyMoolah, "OnlyMoolah()"),
            (MorphoRevert::SwapFailed, "SwapFailed()"),
            (MorphoRevert::NotWhitelisted, "NotWhitelisted()"),
            (MorphoRevert::NoProfit, "NoProfit()"),
            (MorphoRevert::NotBrokerWhitelist, "NotLiquidationWhitelist()"),
            (MorphoRevert::InvalidRepaidShares, "InvalidRepaidShares()"),
            (MorphoRevert::InvalidMarketId, "InvalidMarketId()"),
            (MorphoRevert::InvalidUser, "InvalidUser()"),
            (MorphoRevert::MarketNotSet, "MarketNotSet()"),
            (MorphoRevert::NotMoolah, "NotMoolah()"),
            (MorphoRevert::LiquidatablePosition, "LiquidatablePosition()"),
            (MorphoRevert::NotPreLiquidatablePosition, "NotPreLiquidatablePosition()"),
            (MorphoRevert::PreInconsistentInput, "InconsistentInput()"),
            (MorphoRevert::NonexistentMarket, "NonexistentMarket()"),
            (MorphoRevert::PreLltvTooHigh, "PreLltvTooHigh()"),
            (MorphoRevert::PreLcfDecreasing, "PreLCFDecreasing()"),
            (MorphoRevert::PreLcfTooHigh, "PreLCFTooHigh()"),
            (MorphoRevert::PreLifTooLow, "PreLIFTooLow()"),
            (MorphoRevert::PreLifDecreasing, "PreLIFDecreasing()"),
            (MorphoRevert::PreLifTooHigh, "PreLIFTooHigh()"),
        ]
        .into_iter()
        .filter(|(revert, signature)| revert.plain_selector() != Some(selector_of(signature)))
        .map(|(_, signature)| format!("{signature} is {:#x}", selector_of(signature)))
        .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        assert_eq!(PRE_LIQUIDATION_TOO_LARGE, selector_of("PreLiquidationTooLarge(uint256,uint256)"));
        assert_eq!(ROLE_MISSING, selector_of("AccessControlUnauthorizedAccount(address,bytes32)"));
    }

    #[test]
    fn what_a_contract_says_survives_the_round_trip() {
        for revert in [
            MorphoRevert::HealthyPosition,
            MorphoRevert::TransferFromReverted,
            MorphoRevert::OtherRequire("BEP20: frozen".into()),
            MorphoRevert::StockMarketClosed,
            MorphoRevert::Overflow,
            MorphoRevert::DivisionByZero,
            MorphoRevert::OtherPanic(U256::from(0x32)),
            MorphoRevert::PreLiquidationTooLarge { repaid: U256::from(7), repayable: U256::from(6) },
            MorphoRevert::RoleMissing {
                account: address!("0x00000000000000000000000000000000000000a1"),
                role: b256!("0x00000000000000000000000000000000000000000000000000000000000000b2"),
            },
            MorphoRevert::Empty,
        ] {
            assert_eq!(MorphoRevert::decode(&revert.encode()), revert);
        }
    }

    #[test]
    fn strange_data_is_kept_as_it_came() {
        for data in [&hex!("dead")[..], &hex!("deadbeef01"), &hex!("d93c066500"), &hex!("08c379a0ff"), &hex!("4e487b71")] {
            assert_eq!(MorphoRevert::decode(data), MorphoRevert::Unknown(Bytes::copy_from_slice(data)));
            assert_eq!(MorphoRevert::decode(data).encode(), Bytes::copy_from_slice(data));
        }
    }
}
