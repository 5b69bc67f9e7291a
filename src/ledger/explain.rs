//! Predicted against realised: the first input that differed, or an alarm.

use super::rows::Inputs;
use alloy::primitives::I256;
use serde::Serialize;
use std::fmt;

/// An input that a result depends on, in the order in which they are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InputName {
    /// The parent's hash.
    ParentState,
    /// The block's timestamp.
    Timestamp,
    /// The block's base fee.
    BaseFee,
    /// Who gets the tips.
    FeeRecipient,
    /// The transactions before ours.
    TransactionsInFront,
}

impl InputName {
    /// All of them, in the order of comparison.
    pub const ALL: &'static [Self] = &[Self::ParentState, Self::Timestamp, Self::BaseFee, Self::FeeRecipient, Self::TransactionsInFront];

    /// The input's name in the ledger and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ParentState => "parent_state",
            Self::Timestamp => "timestamp",
            Self::BaseFee => "base_fee",
            Self::FeeRecipient => "fee_recipient",
            Self::TransactionsInFront => "transactions_in_front",
        }
    }
}

impl fmt::Display for InputName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a realised result stands to its prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The first input that differed, whether or not the profit does.
    pub differing_input: Option<InputName>,
    /// Whether the profit differs.
    pub profit_differs: bool,
}

impl Explanation {
    /// Whether the profit differs although no input does: then our model of the chain is wrong.
    #[must_use]
    pub const fn is_alarm(&self) -> bool {
        self.profit_differs && self.differing_input.is_none()
    }
}

/// Compares a prediction with what came. With equal inputs the profits must be equal to the wei.
#[must_use]
pub fn explain_difference(predicted: (&Inputs, I256), realised: (&Inputs, I256)) -> Explanation {
    let ((predicted, predicted_profit), (realised, realised_profit)) = (predicted, realised);
    let differs = |input: &InputName| match input {
        InputName::ParentState => predicted.parent_hash != realised.parent_hash,
        InputName::Timestamp => predicted.timestamp != realised.timestamp,
        InputName::BaseFee => predicted.base_fee != realised.base_fee,
        InputName::FeeRecipient => predicted.fee_recipient != realised.fee_recipient,
        InputName::TransactionsInFront => predicted.in_front != realised.in_front,
    };
    Explanation { differing_input: InputName::ALL.iter().copied().find(differs), profit_differs: predicted_profit != realised_profit }
}
