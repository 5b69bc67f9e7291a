//! Encoded plans against the bytes that `solidity/test/Encoding.t.sol` expects too (both read the same file), and
//! refusals.

use alloy::primitives::{Address, Bytes, FixedBytes, U256, hex, uint};
use alloy::sol_types::SolCall;
use proptest::prelude::*;

use super::super::abi::Executor;
use super::*;
use crate::plan::{Approval, Callback, IsolatedLiquidation, Patch};

const FIXTURE: &str = include_str!("../../solidity/test/fixtures/steps.json");

const fn account(byte: u8) -> Address {
    Address::with_last_byte(byte)
}

fn exact(value: u64) -> Amount {
    Amount::Exact(U256::from(value))
}

fn liquidation(inside: Vec<Step>) -> IsolatedLiquidation {
    IsolatedLiquidation {
        lender: account(0x10),
        callback: FixedBytes(hex!("cf7ea196")),
        loan_token: account(0x11),
        collateral_token: account(0x12),
        oracle: account(0x13),
        irm: account(0x14),
        lltv: uint!(860000000000000000_U256),
        borrower: account(0x15),
        seized_assets: U256::ZERO,
        repaid_shares: uint!(0x123456_U256),
        most_to_pay: U256::MAX,
        inside,
    }
}

fn sell_all() -> Step {
    Step::SwapExactIn {
        kind: SwapKind::UniswapV3,
        pool: account(0x20),
        token_in: account(0x12),
        token_out: account(0x11),
        amount: Amount::Gained { cap: U256::MAX },
        min_out: uint!(1000_U256),
    }
}

/// One example of every kind of step, by the names of the fixture.
fn examples() -> Vec<(&'static str, Step)> {
    vec![
        ("liquidate", Step::Liquidate(liquidation(vec![sell_all()]))),
        (
            "flash",
            Step::FlashLoan {
                kind: FlashKind::UniswapV3,
                lender: account(0x20),
                token: account(0x11),
                amount: uint!(1000000_U256),
                max_fee: uint!(500_U256),
                inside: vec![Step::AssertGained { token: account(0x11), min: uint!(1000000_U256) }],
            },
        ),
        ("swap_in", sell_all()),
        (
            "swap_in_v2",
            Step::SwapExactIn {
                kind: SwapKind::UniswapV2 { fee_pips: 3000 },
                pool: account(0x21),
                token_in: account(0x12),
                token_out: account(0x11),
                amount: Amount::Gained { cap: U256::ZERO },
                min_out: U256::ZERO,
            },
        ),
        (
            "swap_out",
            Step::SwapExactOut {
                kind: SwapKind::UniswapV3,
                pool: account(0x20),
                token_in: account(0x12),
                token_out: account(0x11),
                amount_out: uint!(256_U256),
                max_in: uint!(255_U256),
            },
        ),
        ("wrap", Step::Wrap { weth: account(0x30), amount: Amount::Gained { cap: uint!(7_U256) } }),
        ("unwrap", Step::Unwrap { weth: account(0x30), amount: exact(1_000_000_000) }),
        ("assert_gained", Step::AssertGained { token: account(0x11), min: U256::ZERO }),
        (
            "call",
            Step::Call {
                target: account(0x40),
                value: uint!(1_U256),
                data: {
                    let mut data = hex!("a0807d34").to_vec();
                    data.extend(U256::from(0x41).to_be_bytes::<32>());
                    data.extend(U256::ZERO.to_be_bytes::<32>());
                    data.extend(U256::from(96).to_be_bytes::<32>());
                    data.into()
                },
                patches: vec![Patch { token: account(0x11), cap: uint!(0xffff_U256), offset: 32 }],
                approvals: vec![
                    Approval { token: account(0x11), spender: account(0x42), amount: exact(5) },
                    Approval { token: account(0x12), spender: account(0x40), amount: Amount::Gained { cap: uint!(6_U256) } },
                ],
                callback: Some(Callback { selector: FixedBytes(hex!("f1471868")), token: account(0x11), most_to_pay: uint!(9_U256), inside: vec![sell_all()] }),
            },
        ),
    ]
}

fn plan(steps: Vec<Step>) -> TxPlan {
    TxPlan { steps, sweep: vec![], profit_token: account(0x11), min_gain: uint!(10_U256), builder_payment: U256::ZERO, blocks: (5, 7) }
}

#[test]
fn every_step_is_what_the_solidity_side_writes() {
    let fixture: serde_json::Value = serde_json::from_str(FIXTURE).unwrap();
    let examples = examples();
    assert_eq!(fixture.as_object().unwrap().len(), examples.len());
    for (name, step) in examples {
        let expected = fixture.get(name).and_then(|v| v.as_str()).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(hex::encode_prefixed(encode_steps(&[step]).unwrap()), expected, "{name}");
    }
}

#[test]
fn a_plan_carries_its_header_and_tracks_every_token() {
    let mut plan = plan(examples().into_iter().map(|(_, step)| step).collect());
    plan.sweep = vec![account(0x77), account(0x11)];
    let call = Executor::executeCall::abi_decode(&encode(&plan).unwrap()).unwrap();
    assert_eq!((call.firstBlock, call.lastBlock), (5, 7));
    assert_eq!((call.minGain, call.builderPayment), (uint!(10_U256), U256::ZERO));
    assert_eq!(call.tokens, vec![account(0x11), account(0x77), account(0x12), account(0x30)]);
    assert_eq!(call.steps, Bytes::from(encode_steps(&plan.steps).unwrap()));
}

#[test]
fn ether_is_listed_only_when_it_is_named() {
    let wrap = Step::AssertGained { token: Address::ZERO, min: uint!(1_U256) };
    let mut plan = plan(vec![wrap]);
    assert_eq!(tokens(&plan), vec![account(0x11)]);
    plan.profit_token = Address::ZERO;
    assert_eq!(tokens(&plan), vec![Address::ZERO]);
}

#[test]
fn what_the_executor_would_refuse_is_refused_here() {
    let both = IsolatedLiquidation { seized_assets: U256::ONE, ..liquidation(vec![]) };
    assert!(matches!(encode_steps(&[Step::Liquidate(both)]), Err(EncodeError::LiquidationMode { .. })));
    let none = IsolatedLiquidation { repaid_shares: U256::ZERO, ..liquidation(vec![]) };
    assert!(matches!(encode_steps(&[Step::Liquidate(none)]), Err(EncodeError::LiquidationMode { .. })));

    let reversed = TxPlan { blocks: (8, 7), ..plan(vec![]) };
    assert_eq!(encode(&reversed), Err(EncodeError::NoBlocks { first: 8, last: 7 }));

    let loan = Step::FlashLoan { kind: FlashKind::Morpho, lender: account(1), token: account(2), amount: U256::MAX, max_fee: U256::ONE, inside: vec![] };
    assert!(matches!(encode_steps(&[loan]), Err(EncodeError::Repayment { .. })));

    let free = SwapKind::UniswapV2 { fee_pips: 1_000_000 };
    let swap = Step::SwapExactOut { kind: free, pool: account(1), token_in: account(2), token_out: account(3), amount_out: U256::ONE, max_in: U256::ONE };
    assert_eq!(encode_steps(&[swap]), Err(EncodeError::PoolFee { fee_pips: 1_000_000 }));
}

fn call(data: Vec<u8>, offset: u32) -> Step {
    Step::Call {
        target: account(1),
        value: U256::ZERO,
        data: data.into(),
        patches: vec![Patch { token: account(2), cap: U256::MAX, offset }],
        approvals: vec![],
        callback: None,
    }
}

#[test]
fn a_call_needs_a_selector_and_a_step_three_bytes_of_size() {
    assert_eq!(encode_steps(&[call(vec![1, 2, 3], 0)]), Err(EncodeError::NoSelector { length: 3 }));
    let huge = Step::Call { target: account(1), value: U256::ZERO, data: vec![0; 1 << 24].into(), patches: vec![], approvals: vec![], callback: None };
    assert!(matches!(encode_steps(&[huge]), Err(EncodeError::TooLarge { .. })));
    let approval = Approval { token: account(1), spender: account(2), amount: exact(1) };
    let many = Step::Call { target: account(1), value: U256::ZERO, data: vec![0; 4].into(), patches: vec![], approvals: vec![approval; 256], callback: None };
    assert_eq!(encode_steps(&[many]), Err(EncodeError::TooMany { what: "approvals", count: 256 }));
}

/// Reads a number or amount as `Reader.sol` does: (flag, value, bytes used).
fn read_amount(bytes: &[u8]) -> (bool, U256, usize) {
    let gained = bytes[0] & 0x80 != 0;
    let size = usize::from(bytes[0] & 0x7f);
    assert!(size <= 32);
    let value = if gained && size == 0 { U256::MAX } else { U256::from_be_slice(&bytes[1..=size]) };
    (gained, value, size + 1)
}

proptest! {
    #[test]
    fn amounts_come_back(words in prop::array::uniform4(any::<u64>()), shift in 0_usize..256, gained in any::<bool>()) {
        let value = U256::from_limbs(words) >> shift;
        let amount = if gained { Amount::Gained { cap: value } } else { Amount::Exact(value) };
        let bytes = encode_steps(&[Step::Wrap { weth: account(1), amount }]).unwrap();
        let read = read_amount(&bytes[24..]);
        prop_assert_eq!(read, (gained, value, bytes.len() - 24));
        prop_assert_eq!(usize::from(bytes[3]), bytes.len() - 4);
    }

    #[test]
    fn a_patch_never_touches_the_selector_or_the_end(length in 0_usize..200, offset in 0_u32..300) {
        let fits = length >= 4 && usize::try_from(offset).unwrap() + 36 <= length;
        prop_assert_eq!(encode_steps(&[call(vec![0; length], offset)]).is_ok(), fits);
    }
}

#[test]
fn selectors_of_the_flavours_are_those_that_the_executor_answers() {
    let abi = &super::super::executor_artifact().abi;
    for (selector, name) in [
        (hex!("cf7ea196"), "onMorphoLiquidate"),
        (hex!("869f8a1b"), "onMoolahLiquidate"),
        (hex!("31f57072"), "onMorphoFlashLoan"),
        (hex!("13a1a562"), "onMoolahFlashLoan"),
    ] {
        assert_eq!(abi.function(name).and_then(|f| f.first()).unwrap().selector(), selector, "{name}");
    }
    let flux: Vec<_> = abi.function("fluxUnlockCallback").unwrap().iter().map(|f| f.selector()).collect();
    assert!(flux.contains(&FixedBytes(hex!("2d63f6aa"))) && flux.contains(&FixedBytes(hex!("f1471868"))));
}
