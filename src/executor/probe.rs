//! Calls to `solidity/src/Probe.sol`, which asks a pool's own code what a swap would give.

use alloy::primitives::{Address, Bytes, I256, U256};
use alloy::sol_types::SolCall;

use super::abi::Probe;

/// Output that is not a quote.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{length} bytes of output are not a quote: {source}")]
pub struct QuoteError {
    /// How many bytes there were.
    pub length: usize,
    /// What decoding said.
    pub source: alloy::sol_types::Error,
}

/// Asks a Uniswap V3 pool; `amount_specified` is an exact input when positive, an exact output when negative.
pub fn quote_v3_call(pool: Address, zero_for_one: bool, amount_specified: I256) -> Bytes {
    Probe::quoteV3Call { pool, zeroForOne: zero_for_one, amountSpecified: amount_specified }.abi_encode().into()
}

/// The pool's amounts of its two tokens: positive is what it wants, negative what it pays.
pub fn decode_quote_v3(output: &[u8]) -> Result<(I256, I256), QuoteError> {
    let quote = Probe::quoteV3Call::abi_decode_returns(output)
        .map_err(|source| QuoteError { length: output.len(), source })?;
    Ok((quote.amount0, quote.amount1))
}

/// Asks a Uniswap V2 pair by its reserves, with its fee in units of 1e-6.
pub fn quote_v2_call(pair: Address, token_in: Address, amount_in: U256, fee_pips: u32) -> Bytes {
    let call =
        Probe::quoteV2Call { pair, tokenIn: token_in, amountIn: amount_in, feePips: U256::from(fee_pips) };
    call.abi_encode().into()
}

/// What the pair pays.
pub fn decode_quote_v2(output: &[u8]) -> Result<U256, QuoteError> {
    Probe::quoteV2Call::abi_decode_returns(output).map_err(|source| QuoteError { length: output.len(), source })
}

#[cfg(test)]
mod tests {
    use alloy::primitives::uint;
    use alloy::sol_types::SolValue;

    use super::*;

    #[test]
    fn quotes_come_back() {
        let (gain, pay) = (I256::try_from(5).unwrap(), I256::try_from(-3).unwrap());
        assert_eq!(decode_quote_v3(&(gain, pay).abi_encode()), Ok((gain, pay)));
        assert!(decode_quote_v3(&[0; 32]).is_err());
        assert_eq!(decode_quote_v2(&uint!(4_U256).abi_encode()), Ok(uint!(4_U256)));
    }
}
