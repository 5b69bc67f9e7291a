//! Uniswap quotes by our path against the amounts in the blocks' own `Swap` events.
//!
//! Comparable is the first event of a pool in its transaction: there the pool stands as it stood before the transaction. Of those
//! all V3 quotes must be equal, as an exact input or an exact output. A V2 pair leaves it to the trader how much of what he could have
//! he takes: the quote must be equal, or the input the smallest that buys the output; those who take less are counted, and
//! nobody gets more.

use crate::{blocks, recorded};
use alloy::{
    primitives::{Address, I256, Log, U256, map::HashSet},
    sol,
    sol_types::{SolCall, SolEvent},
};
use harrier::{
    fork::{Call, Facet, Hardfork, Layer, ReadSet, TargetBlock, View},
    venues::{PROBE, Probe},
};
use std::sync::Arc;

mod v2 {
    alloy::sol! {
        #[derive(Debug)]
        event Swap(address indexed sender, uint256 amount0In, uint256 amount1In, uint256 amount0Out, uint256 amount1Out, address indexed to);
        event Sync(uint112 reserve0, uint112 reserve1);
        function token0() external view returns (address);
        function token1() external view returns (address);
    }
}
mod v3 {
    alloy::sol! {
        #[derive(Debug)]
        event Swap(address indexed sender, address indexed recipient, int256 amount0, int256 amount1, uint160 sqrtPriceX96, uint128 liquidity, int24 tick);
    }
}
sol! {
    function quoteV2(address pair, address tokenIn, uint256 amountIn, uint256 feePips) external view returns (uint256 amountOut);
    function quoteV3(address pool, bool zeroForOne, int256 amountSpecified) external returns (int256 amount0, int256 amount1);
}

fn probe() -> Probe {
    Probe::new(harrier::executor::probe_artifact().runtime_code.clone())
}

/// Asks on a view; a slot that the record lacks can only be one of the probe's own (nobody ever paid it), so it is zero. If it were another
/// one the amounts would not come out equal.
fn ask<C: SolCall>(view: &View, block: &TargetBlock, to: Address, call: &C) -> Option<C::Return> {
    // The probe is compiled for Shanghai and later; amounts depend on no rule that changed with it.
    let block = TargetBlock { hardfork: block.hardfork.max(Hardfork::Shanghai), ..block.clone() };
    let mut patch = Vec::new();
    for _ in 0..8 {
        let view = view.with_layer(Arc::new(Layer::patch_slots(&patch)));
        let mut reads = ReadSet::default();
        match view.call_recorded(&block, &Call::new(to, call.abi_encode().into()), &mut reads) {
            Ok(outcome) => return if outcome.success { C::abi_decode_returns(&outcome.output).ok() } else { None },
            Err(_) => patch.extend(reads.iter().filter_map(|facet| match facet {
                Facet::Slot(address, slot) if view.facet(facet).is_err() => Some((*address, *slot, U256::ZERO)),
                _ => None,
            })),
        }
    }
    None
}

/// How an event stands to what the pair would have paid for its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paid {
    /// All of it; or the input is the smallest that buys this output.
    Equal,
    /// The trader took less than the pair would have paid.
    Less,
    /// More than the quote: the quote is wrong, or the pair has no fee of 0.3 %.
    More,
}

fn v2_paid(view: &View, block: &TargetBlock, pair: Address, swap: &v2::Swap) -> Paid {
    let zero_for_one = swap.amount1In.is_zero();
    let (amount_in, amount_out) = if zero_for_one { (swap.amount0In, swap.amount1Out) } else { (swap.amount1In, swap.amount0Out) };
    let token_in = if zero_for_one { ask(view, block, pair, &v2::token0Call {}) } else { ask(view, block, pair, &v2::token1Call {}) };
    let token_in = token_in.expect("the pair knows its tokens");
    let quote = |amount| ask(view, block, PROBE, &quoteV2Call { pair, tokenIn: token_in, amountIn: amount, feePips: U256::from(3000) }).expect("a quote");
    let whole = quote(amount_in);
    // A router that buys an exact output pays one unit more than the smallest input where that divides evenly.
    let smallest = |less: u64| whole >= amount_out && quote(amount_in - U256::from(less)) < amount_out;
    if whole == amount_out || smallest(1) || smallest(2) {
        Paid::Equal
    } else if amount_out < whole {
        // Searchers round what they take to fit it into fewer bytes, and fees on transfer are rounded by the token.
        assert!(amount_out * U256::from(1000) > whole * U256::from(999), "V2 pair {pair}: {amount_out} of {whole} taken");
        Paid::Less
    } else {
        Paid::More
    }
}

/// Whether the pool's own swap takes and gives what the event says, as an exact input or an exact output.
fn v3_is_equal(view: &View, block: &TargetBlock, pool: Address, swap: &v3::Swap) -> bool {
    let zero_for_one = swap.amount0.is_positive();
    let (paid, received) = if zero_for_one { (swap.amount0, swap.amount1) } else { (swap.amount1, swap.amount0) };
    let equal = |specified: I256| {
        ask(view, block, PROBE, &quoteV3Call { pool, zeroForOne: zero_for_one, amountSpecified: specified })
            .is_some_and(|quote| (quote.amount0, quote.amount1) == (swap.amount0, swap.amount1))
    };
    equal(paid) || equal(received)
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    events: u32,
    comparable: u32,
    equal: u32,
    less: u32,
}

#[test]
fn quotes_are_what_the_pools_paid() {
    if recorded().is_none() {
        return;
    }
    let probe = probe();
    let (mut two, mut three) = (Count::default(), Count::default());
    for recorded_block in blocks() {
        let block = &recorded_block.block;
        let view = View::new(recorded_block.generation.clone());
        let whole = view.execute_block(block).unwrap();
        for (place, tx) in whole.txs.iter().enumerate() {
            let logs = &tx.outcome.logs;
            let is_swap = |log: &Log| matches!(log.topics().first(), Some(topic) if *topic == v2::Swap::SIGNATURE_HASH || *topic == v3::Swap::SIGNATURE_HASH);
            if !logs.iter().any(is_swap) {
                continue;
            }
            let before = probe.on(&view.with_layer(view.execute_before(block, place).unwrap().layer));
            let mut seen = HashSet::<Address>::default();
            for (index, log) in logs.iter().enumerate() {
                let pool = log.address;
                if let Ok(swap) = v2::Swap::decode_log(log) {
                    two.events += 1;
                    // The pair tells its new reserves right before the swap.
                    let sync = index
                        .checked_sub(1)
                        .map(|earlier| &logs[earlier])
                        .is_some_and(|log| log.address == pool && log.topics()[0] == v2::Sync::SIGNATURE_HASH);
                    let earlier = logs[..index.saturating_sub(1)].iter().any(|log| log.address == pool);
                    let one_sided = swap.amount0In.is_zero() != swap.amount1In.is_zero() && swap.amount0Out.is_zero() != swap.amount1Out.is_zero();
                    if sync && !earlier && one_sided {
                        two.comparable += 1;
                        match v2_paid(&before, &block.target, pool, &swap) {
                            Paid::Equal => two.equal += 1,
                            Paid::Less => two.less += 1,
                            Paid::More => panic!("block {} transaction {place}: V2 pair {pool} paid more than quoted: {swap:?}", block.target.number),
                        }
                    }
                } else if let Ok(swap) = v3::Swap::decode_log(log) {
                    three.events += 1;
                    if !seen.contains(&pool) {
                        three.comparable += 1;
                        let equal = v3_is_equal(&before, &block.target, pool, &swap);
                        three.equal += u32::from(equal);
                        if !equal {
                            println!("block {} transaction {place}: V3 pool {pool} paid something else: {swap:?}", block.target.number);
                        }
                    }
                }
                seen.insert(pool);
            }
        }
    }
    println!("V2 {two:?}, V3 {three:?}");
    assert_eq!(three, Count { events: 87, comparable: 87, equal: 87, less: 0 });
    assert_eq!(two, Count { events: 219, comparable: 210, equal: 191, less: 19 });
}
