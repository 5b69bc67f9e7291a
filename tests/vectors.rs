//! Golden data read from the deployed contracts: one test a file and category, every case to the last unit, reverts included.
//!
//! `tests/vectors/*.json` is where they come from, or the folder that `HARRIER_VECTORS` names. There a category may be absent,
//! which is reported; here the list is fixed. A category that is there and empty fails.

#![allow(clippy::panic, reason = "a case that fails says so")]

#[path = "fx_budgets/brute.rs"]
mod brute;
#[path = "vectors/flux.rs"]
mod flux;
#[path = "vectors/fx.rs"]
mod fx;
#[path = "vectors/fx_cases.rs"]
mod fx_cases;
#[path = "vectors/fx_positions.rs"]
mod fx_positions;
#[path = "vectors/fx_sizing.rs"]
mod fx_sizing;
#[path = "vectors/fx_storage.rs"]
mod fx_storage;
#[path = "vectors/fx_tick.rs"]
mod fx_tick;
#[path = "vectors/harness.rs"]
mod harness;
#[path = "vectors/moolah.rs"]
mod moolah;
#[path = "vectors/moolah_cases.rs"]
mod moolah_cases;
#[path = "vectors/moolah_replay.rs"]
mod moolah_replay;
#[path = "vectors/moolah_shapes.rs"]
mod moolah_shapes;

/// Declares the tests: name, file, category, and what runs one case.
macro_rules! vectors {
    ($($name:ident = $file:literal / $category:literal => $case:path;)+) => {
        $(
            #[test]
            fn $name() {
                harness::run($file, $category, $case);
            }
        )+
    };
}

vectors! {
    flux_thresholds = "flux" / "thresholds" => flux::thresholds;
    flux_position_value = "flux" / "position_value" => flux::position_value;
    flux_evaluate = "flux" / "evaluate" => flux::evaluation;
    flux_partial = "flux" / "partial" => flux::parts;
    flux_adl = "flux" / "adl" => flux::adl;
    flux_true_debt = "flux" / "true_debt" => flux::true_debt;
    flux_share_price = "flux" / "share_price" => flux::shares;
    flux_capital_free = "flux" / "capital_free" => flux::capital_free;
    fx_storage_long = "fx" / "storage/slots" => fx_storage::pool_slot;
    fx_storage_short = "fx" / "storageShort/slots" => fx_storage::pool_slot;
    fx_storage_managers = "fx" / "storageManagers" => fx_storage::manager_slot;
    fx_calls = "fx" / "cases" => fx::call;
    fx_transaction_lock = "fx" / "transactionLock" => fx::transaction_lock;
    fx_ratio_at_tick = "fx" / "tickMath/ratioAtTick" => fx_tick::ratio_at_tick;
    fx_tick_at_ratio = "fx" / "tickMath/tickAtRatio" => fx_tick::tick_at_ratio;
    fx_tick_for_shares = "fx" / "tickMath/tickForShares" => fx_tick::tick_for_shares;
    fx_bitmap = "fx" / "tickMath/bitmap" => fx_tick::bitmap;
    fx_sizing_scan = "fx" / "sizingScan" => fx_sizing::scan;
    fx_sizing_scan_underwater = "fx" / "sizingScanUnderwater" => fx_sizing::scan;
    fx_positions = "fx" / "storage" => fx_positions::positions;
    moolah_market_id = "moolah" / "market_id" => moolah::market_id;
    moolah_event_replay = "moolah" / "event_replay" => moolah_replay::event_replay;
    moolah_liquidation = "moolah" / "liquidation" => moolah::liquidation;
    moolah_interest_rate_model = "moolah" / "interest_rate_model" => moolah::interest_rate_model;
    moolah_pre_liquidation = "moolah" / "pre_liquidation" => moolah::pre_liquidation;
    moolah_pre_liquidation_create = "moolah" / "pre_liquidation_create" => moolah::pre_liquidation_create;
}
