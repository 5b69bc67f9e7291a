//! The cases of `moolah.json` that are one call each.

use crate::{
    harness::{Outcome, equal},
    moolah_cases::{
        CreateCase, CurveCase, FixedCase, HealthExpected, LiquidationCase, MarketIdCase, PreLiquidationCase, Price, RateCase, RateExpected, Whitelist,
    },
    moolah_shapes::compare,
};
use alloy::primitives::U256;
use harrier::protocols::morpho::{
    Flavor, MarketParams, MarketState, MorphoRevert, Position,
    maths::{
        accrual::accrue,
        health::{debt, incentive_factor, is_healthy, max_borrow, trigger_price},
        liquidation::{Guards, LiquidateCall, LiquidationSize},
        pre_liquidation::{PreLiquidationParams, pre_liquidate},
        rate_model::{Rate, RateBounds, adaptive_curve, moolah_curve, moolah_fixed},
    },
};

pub(crate) fn market_id(case: &MarketIdCase) -> Outcome {
    equal("market id", &MarketParams::from(&case.market_params).id(), &case.id())
}

pub(crate) fn liquidation(case: &LiquidationCase) -> Outcome {
    let (flavor, now) = (Flavor::from(case.protocol), case.now.seconds()?);
    let is_pair = matches!(case.price, Price::Pair { .. });
    equal("two prices for Moolah, one for Morpho Blue", &is_pair, &(flavor == Flavor::Moolah))?;
    let rate = (!case.irm_zero).then_some(case.borrow_rate_per_second.0);
    let position = case.position.position()?;

    let mut market = case.market.state()?;
    let accrual = accrue(&mut market, now, rate);
    let expected = &case.expect.accrue;
    compare("accrual", &accrual, expected.ok, expected.revert.as_ref(), |accrual| {
        let theirs = expected.market.as_ref().ok_or("accrual: no market is expected")?;
        equal("market after accrual", &market, &theirs.state()?)?;
        let event = accrual.map(|accrual| (rate.unwrap_or_default(), accrual.interest, accrual.fee_shares));
        let theirs = expected.event.as_ref().map(|event| (event.prev_borrow_rate.0, event.interest.0, event.fee_shares.0));
        equal("accrual's event", &event, &theirs)
    })?;

    let price = case.price.price();
    match &case.expect.health {
        None => equal("no health, because accrual", &expected.ok, &false)?,
        Some(expected) => health(&market, &position, case, &price, expected)?,
    }

    let guards = Guards {
        paused: case.paused,
        caller_excluded: case.liquidation_whitelist == Some(Whitelist::Other),
        min_loan: case.price.min_loan(case.min_loan_value.0).map_err(|revert| format!("minimum loan: {revert}"))?,
        payer_balance: case.liquidator_loan_balance.map(|balance| balance.0),
    };
    let size = LiquidationSize::from(case.call);
    let call = LiquidateCall { market: &market, position: &position, lltv: case.lltv.0, now, rate_per_second: rate, price, size, guards };
    let done = call.run();
    let expected = &case.expect.liquidate;
    compare("liquidation", &done, expected.ok, expected.revert.as_ref(), |done| {
        for (what, ours, theirs) in [
            ("seized assets", done.seized_assets, expected.seized_assets),
            ("repaid assets", done.repaid_assets, expected.repaid_assets),
            ("repaid shares", done.repaid_shares, expected.repaid_shares),
            ("bad debt assets", done.bad_debt_assets, expected.bad_debt_assets),
            ("bad debt shares", done.bad_debt_shares, expected.bad_debt_shares),
        ] {
            equal(what, &Some(ours), &theirs.map(|figure| figure.0))?;
        }
        equal("the callback's amount", &case.callback.then_some(done.repaid_assets), &expected.callback_repaid_assets.map(|figure| figure.0))
    })?;

    let (market, position) = done.map_or((market, position), |done| (done.market, done.position));
    equal("market afterwards", &market, &case.expect.after.market.state()?)?;
    equal("position afterwards", &position, &case.expect.after.position.position()?)
}

fn health(market: &MarketState, position: &Position, case: &LiquidationCase, price: &Result<U256, MorphoRevert>, expected: &HealthExpected) -> Outcome {
    let min_loan = case.price.min_loan(case.min_loan_value.0).map_err(|revert| format!("minimum loan: {revert}"))?;
    if let Some(theirs) = expected.min_loan {
        equal("minimum loan", &min_loan, &theirs.0)?;
    }
    let lltv = case.lltv.0;
    let ours = price.clone().and_then(|price| {
        let owed = debt(market, position)?;
        Ok((price, owed, max_borrow(position.collateral, price, lltv)?, is_healthy(market, position, price, lltv)?, incentive_factor(lltv)?))
    });
    compare("health", &ours, expected.ok.unwrap_or(true), expected.revert.as_ref(), |(price, owed, most, healthy, incentive)| {
        equal("price", &Some(*price), &expected.collateral_price.map(|figure| figure.0))?;
        equal("debt", &Some(*owed), &expected.borrow_assets_up.map(|figure| figure.0))?;
        equal("max borrow", &Some(*most), &expected.max_borrow.map(|figure| figure.0))?;
        equal("health", &Some(*healthy), &expected.is_healthy)?;
        equal("incentive", &Some(*incentive), &expected.liquidation_incentive_factor.map(|figure| figure.0))?;
        // The trigger price must say the same as the contract's test.
        let trigger = trigger_price(*owed, position.collateral, lltv).map_err(|revert| format!("trigger price: {revert}"))?;
        equal("trigger price is met", &Some(!trigger.is_met(*price)), &expected.is_healthy)
    })
}

pub(crate) fn interest_rate_model(case: &RateCase) -> Outcome {
    match case {
        RateCase::AdaptiveCurveIrm(case) => curve(case, |market, case, elapsed| adaptive_curve(market, case.start_rate_at_target.0, elapsed)),
        RateCase::MoolahInterestRateModel(case) => curve(case, |market, case, elapsed| {
            let bounds = RateBounds { cap: case.rate_cap.0, min_cap: case.min_cap.0, floor: case.rate_floor.0 };
            moolah_curve(market, case.start_rate_at_target.0, elapsed, &bounds)
        }),
        RateCase::MoolahFixedRateIrm(case) => fixed(case),
    }
}

fn curve(case: &CurveCase, model: fn(&MarketState, &CurveCase, u64) -> Result<Rate, MorphoRevert>) -> Outcome {
    let market = MarketState {
        total_supply_assets: case.total_supply_assets.narrow()?,
        total_borrow_assets: case.total_borrow_assets.narrow()?,
        ..MarketState::default()
    };
    let RateExpected { ok, revert, avg_borrow_rate, end_rate_at_target } = &case.expect;
    let rate = model(&market, case, case.elapsed.seconds()?);
    compare("rate", &rate, *ok, revert.as_ref(), |rate| {
        equal("average rate", &Some(rate.average), &avg_borrow_rate.map(|figure| figure.0))?;
        equal("rate at target", &Some(rate.end_at_target), &end_rate_at_target.map(|figure| figure.0))
    })
}

fn fixed(case: &FixedCase) -> Outcome {
    let bounds = RateBounds { cap: case.rate_cap.0, min_cap: case.min_cap.0, floor: case.rate_floor.0 };
    let rate = Ok(moolah_fixed(case.stored_rate.0, &bounds));
    compare("rate", &rate, case.expect.ok, case.expect.revert.as_ref(), |rate| equal("rate", &Some(*rate), &case.expect.avg_borrow_rate.map(|figure| figure.0)))
}

pub(crate) fn pre_liquidation(case: &PreLiquidationCase) -> Outcome {
    let params = PreLiquidationParams { pre_lltv: case.pre_lltv.0, lcf1: case.pre_lcf1.0, lcf2: case.pre_lcf2.0, lif1: case.pre_lif1.0, lif2: case.pre_lif2.0 };
    let (position, size, now) = (case.position.position()?, LiquidationSize::from(case.call), case.now.seconds()?);
    let mut market = case.market.state()?;
    let accrued = accrue(&mut market, now, Some(case.borrow_rate_per_second.0));
    let price = case.price.0;
    // The contract looks at its input before it adds interest.
    let done = match accrued {
        Err(revert) if size.check().is_ok() => Err(revert),
        _ => pre_liquidate(&market, &position, case.lltv.0, price, price, &params, case.authorized, size),
    };
    let expected = &case.expect;
    compare("pre-liquidation", &done, expected.ok, expected.revert.as_ref(), |done| {
        equal("repaid assets", &Some(done.repaid_assets), &expected.repaid_assets.map(|figure| figure.0))?;
        equal("repaid shares", &Some(done.repaid_shares), &expected.repaid_shares.map(|figure| figure.0))?;
        equal("seized assets", &Some(done.seized_assets), &expected.seized_assets.map(|figure| figure.0))?;
        let theirs = expected.position_after.as_ref().ok_or("no position is expected")?;
        equal("position afterwards", &done.position, &theirs.position()?)
    })
}

pub(crate) fn pre_liquidation_create(case: &CreateCase) -> Outcome {
    let [pre_lltv, lcf1, lcf2, lif1, lif2] = case.params.map(|figure| figure.0);
    let params = PreLiquidationParams { pre_lltv, lcf1, lcf2, lif1, lif2 };
    compare("creation", &params.check(case.lltv.0), case.expect.ok, case.expect.revert.as_ref(), |()| Ok(()))
}
