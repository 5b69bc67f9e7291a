//! What a person reads.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the command line prints")]

use alloy::primitives::U256;
use std::fmt::Display;

/// A line of output.
pub(super) fn line(text: impl Display) {
    println!("{text}");
}

/// One JSON object as a line.
pub(super) fn json(object: &impl serde::Serialize) {
    match serde_json::to_string(object) {
        Ok(text) => println!("{text}"),
        Err(error) => eprintln!("error: a line could not be written: {error}"),
    }
}

/// A line beside the output, which a script does not read.
pub(super) fn note(text: impl Display) {
    eprintln!("{text}");
}

/// An error with its causes, never with a backtrace.
pub(super) fn error(report: &eyre::Report) {
    eprintln!("error: {report}");
    for cause in report.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
}

/// An amount in whole tokens, six digits behind the point, rounded down.
pub(super) fn amount(units: U256, decimals: u8) -> String {
    let scale = U256::from(10).pow(U256::from(decimals));
    let (whole, rest) = (units / scale, units % scale);
    let micro = if decimals >= 6 { rest / U256::from(10).pow(U256::from(decimals - 6)) } else { rest * U256::from(10).pow(U256::from(6 - decimals)) };
    format!("{whole}.{micro:0>6}")
}

/// Wei as ether.
pub(super) fn ether(wei: U256) -> String {
    amount(wei, 18)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_six_digits_rounded_down() {
        assert_eq!(amount(U256::from(1_234_567_891_u64), 9), "1.234567");
        assert_eq!(amount(U256::from(5), 2), "0.050000");
        assert_eq!(ether(U256::from(999_999_999_999_u64)), "0.000000");
    }
}
