//! The encoding's numbers, the same ones as in `solidity/src/Opcodes.sol`; the test below compares the two files.

/// A generic call to a listed target.
pub(super) const CALL: u8 = 1;
/// A liquidation that is paid after its callback.
pub(super) const LIQUIDATE: u8 = 2;
/// A flash loan.
pub(super) const FLASH: u8 = 3;
/// A swap of an exact input.
pub(super) const SWAP_IN: u8 = 4;
/// A swap for an exact output.
pub(super) const SWAP_OUT: u8 = 5;
/// Ether to WETH.
pub(super) const WRAP: u8 = 6;
/// WETH to ether.
pub(super) const UNWRAP: u8 = 7;
/// A check of what was gained.
pub(super) const ASSERT_GAINED: u8 = 8;

/// Kinds of lenders in a `FLASH` step.
pub(super) const FLASH_MORPHO: u8 = 0;
/// Moolah: Morpho with another callback.
pub(super) const FLASH_MOOLAH: u8 = 1;
/// ERC-3156.
pub(super) const FLASH_ERC3156: u8 = 2;
/// Balancer V2.
pub(super) const FLASH_BALANCER_V2: u8 = 3;
/// Balancer V3.
pub(super) const FLASH_BALANCER_V3: u8 = 4;
/// Aave V3.
pub(super) const FLASH_AAVE_V3: u8 = 5;
/// A Uniswap V2 pair.
pub(super) const FLASH_UNISWAP_V2: u8 = 6;
/// A Uniswap V3 pool.
pub(super) const FLASH_UNISWAP_V3: u8 = 7;

/// Kinds of pools in a swap step.
pub(super) const SWAP_UNISWAP_V3: u8 = 0;
/// A Uniswap V2 pair.
pub(super) const SWAP_UNISWAP_V2: u8 = 1;

/// Set in an amount's length byte: at most this much of what was gained.
pub(super) const GAINED: u8 = 0x80;

#[cfg(test)]
mod tests {
    /// `NAME = value` of every constant of a source text that lies between `prefix` and the name's end.
    fn constants(text: &str, prefix: &str) -> Vec<(String, u8)> {
        let mut found: Vec<(String, u8)> = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix(prefix))
            .filter_map(|line| line.trim_end_matches(';').split_once(" = "))
            .map(|(name, value)| {
                let name = name.split(':').next().unwrap_or(name).trim().to_owned();
                let digits = value.split(';').next().unwrap_or(value).trim();
                let number = match digits.strip_prefix("0x") {
                    Some(hex) => u8::from_str_radix(hex, 16),
                    None => digits.parse(),
                };
                (name, number.unwrap())
            })
            .collect();
        found.sort();
        found
    }

    #[test]
    fn solidity_and_rust_name_the_same_numbers() {
        let ours = include_str!("opcodes.rs");
        let ours = ours.split("#[cfg(test)]").next().unwrap();
        let mut theirs = constants(include_str!("../../solidity/src/Opcodes.sol"), "uint256 constant ");
        theirs.extend(constants(include_str!("../../solidity/src/Reader.sol"), "uint256 constant "));
        theirs.sort();
        let ours = constants(ours, "pub(super) const ");
        assert!(ours.len() > 15);
        assert_eq!(ours, theirs);
    }
}
