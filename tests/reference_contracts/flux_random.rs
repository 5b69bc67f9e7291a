//! Our maths against the Flux reference contracts on random positions: debts, values, payments, parts, deleveraging, the dead zone's end.

use crate::{
    evm::ADMIN,
    flux_world::{IStrategy, IVault, ONE, Opening, World, figures},
};
use alloy::primitives::U256;
use harrier::protocols::flux::maths::{
    DeleverageRules, Holdings, Loan, Numeraire, Partial, Pool, Rules, deleverage, evaluate, partial, price_at_one, seconds_to_one, share_price, threshold,
    value,
};
use proptest::{prelude::*, test_runner::TestRunner};
use std::cell::Cell;

/// What is drawn. Amounts of the base asset are in its units, `token_price` follows from a health.
#[derive(Clone, Debug)]
struct Drawn {
    base: Numeraire,
    token_decimals: u8,
    margin: U256,
    rate: U256,
    debt: U256,
    /// Of the debt, in thousandths: bond, working capital, stored interest, lenders' deposit.
    shares: [u64; 4],
    amount: U256,
    health_thousandths: u64,
    seconds: u64,
    fraction: U256,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let base = (prop_oneof![Just(6_u8), Just(8), Just(18)], 1_u64..200_000_000_000);
    let shares = (0_u64..300, 0_u64..300, 0_u64..100, prop_oneof![1_000_u64..1_050, 1_000_u64..1_200]);
    let terms = (0_u64..=200_000_000_000_000_000, 0_u64..1_000_000_000_000_000_000);
    let token = (prop_oneof![Just(6_u8), Just(8), Just(18)], 1_u128..1_000_000_000_000_000_000_000_000);
    let seconds = prop_oneof![0_u64..100_000_000, 0_u64..100_000];
    let fraction = prop_oneof![1_u64..1_000_000_000_000_000_000, 1_u64..1_000, Just(500_000_000_000_000_000_u64)];
    (base, shares, terms, token, 1_u128..1_000_000_000_000_000, prop_oneof![0_u64..1_400, 1_080_u64..1_250], seconds, fraction).prop_map(
        |((decimals, price), (bond, capital, interest, lent), (margin, rate), (token_decimals, amount), debt, health_thousandths, seconds, fraction)| Drawn {
            base: Numeraire { price: U256::from(price) * U256::from(10_000_000_000_000_u64), decimals },
            token_decimals,
            margin: U256::from(margin),
            rate: U256::from(rate),
            // Up to a thousand million whole units.
            debt: U256::from(debt) * U256::from(10).pow(U256::from(decimals - 6)),
            shares: [bond, capital, interest, lent],
            amount: U256::from(amount),
            health_thousandths,
            seconds,
            fraction: U256::from(fraction),
        },
    )
}

/// One drawn position, opened, and what is known of it without asking the contracts.
struct Opened {
    world: World,
    base: Numeraire,
    rules: Rules,
    rate: U256,
    loan: Loan,
    seconds: u64,
    holdings: Holdings,
    amount: U256,
    token_price: U256,
    token_decimals: u8,
}

impl Opened {
    fn new(drawn: &Drawn) -> Self {
        let terms = figures(drawn.margin, drawn.rate);
        let rules = Rules { threshold: threshold(terms.minBondRatio, terms.liquidationBuffer).unwrap(), profit_margin: drawn.margin };
        let mut world = World::deploy(&terms, drawn.base.decimals, drawn.token_decimals);
        let [bond, working_capital, interest, lent] = drawn.shares.map(|share| drawn.debt * U256::from(share) / U256::from(1_000));
        let holdings = Holdings { bond, working_capital };
        world.price(world.usdc, drawn.base.price);
        world.lend(lent.max(drawn.debt));
        // The token makes up what the base assets leave open of the drawn health.
        let wanted = drawn.base.debt_usd(drawn.debt).unwrap() * U256::from(drawn.health_thousandths) / U256::from(1_000);
        let short = wanted.saturating_sub(value(bond + working_capital, drawn.base.price, drawn.base.decimals).unwrap());
        let token_price = short * U256::from(10).pow(U256::from(drawn.token_decimals)) / drawn.amount;
        world.open(world.manager, &Opening { bond, working_capital, debt: drawn.debt, amount: drawn.amount, price: token_price });
        world.store_interest(interest);
        world.chain.now += drawn.seconds;
        let loan = Loan { principal: drawn.debt, interest };
        Self {
            world,
            base: drawn.base,
            rules,
            rate: drawn.rate,
            loan,
            seconds: drawn.seconds,
            holdings,
            amount: drawn.amount,
            token_price,
            token_decimals: drawn.token_decimals,
        }
    }

    /// Debt, value and what they lead to are the contracts'; returns debt and value.
    fn evaluation(&self) -> Result<(U256, U256), TestCaseError> {
        let debt = self.loan.true_debt(self.rate, self.seconds).unwrap();
        let of_base = |amount| value(amount, self.base.price, self.base.decimals).unwrap();
        let of_token = value(self.amount, self.token_price, self.token_decimals).unwrap();
        let worth = of_base(self.holdings.bond) + of_base(self.holdings.working_capital) + of_token;
        let theirs = self.world.evaluated();
        prop_assert_eq!((theirs.trueDebt, theirs.positionValueUsd), (debt, worth));
        let ours = evaluate(worth, debt, &self.rules, &self.base).unwrap();
        prop_assert_eq!((theirs.canLiquidate, theirs.minPayment), (ours.can_liquidate, ours.min_payment));
        prop_assert_eq!(self.world.total_debt(), debt);
        let (assets, shares) = (self.world.view(&IVault::totalAssetsCall {}), self.world.view(&IVault::totalSupplyCall {}));
        prop_assert_eq!(assets, self.world.cash() + debt);
        prop_assert_eq!(Some(self.world.view(&IVault::convertToAssetsCall { shares: ONE })), share_price(assets, shares).unwrap());
        Ok((debt, worth))
    }

    /// A fraction of a liquidation.
    fn part(&mut self, fraction: U256) -> Result<(), TestCaseError> {
        let (debt, worth) = self.evaluation()?;
        let full = evaluate(worth, debt, &self.rules, &self.base).unwrap();
        let owed = Loan { principal: self.loan.principal, interest: debt - self.loan.principal };
        let part = partial(&self.holdings, &owed, full.min_payment, fraction).unwrap();
        let of_token = Partial::of_wrapper(self.amount, fraction).unwrap();
        let (cash, seized, wrapped) = (self.world.cash(), self.world.holdings(self.world.liquidator), self.world.wrapped(self.world.liquidator));
        let event = self.world.liquidate(fraction, part.payment).unwrap();
        prop_assert_eq!((event.positionValueUsd, event.payment, event.badDebt), (worth, part.payment, part.bad_debt));
        prop_assert_eq!(event.debtCleared, part.cleared.principal + part.cleared.interest);
        prop_assert_eq!(self.world.cash(), cash + part.payment);
        let now = self.world.holdings(self.world.liquidator);
        prop_assert_eq!((now.0 - seized.0, now.1 - seized.1), (part.seized.bond, part.seized.working_capital));
        prop_assert_eq!(self.world.wrapped(self.world.liquidator), wrapped + of_token);
        prop_assert_eq!(self.world.debt(self.world.manager), part.debt_left);
        self.loan = Loan { principal: owed.principal - part.cleared.principal, interest: owed.interest - part.cleared.interest };
        self.seconds = 0;
        self.holdings.bond -= part.seized.bond;
        self.holdings.working_capital -= part.seized.working_capital;
        self.amount -= of_token;
        Ok(())
    }

    /// Deleveraging does what we say, or is refused where we say so; whether it was done.
    fn deleveraged(&mut self, debt: U256, worth: U256) -> Result<bool, TestCaseError> {
        let hundredths = |hundredths: u64| ONE * U256::from(hundredths) / U256::from(100);
        let rules = DeleverageRules { health_threshold: hundredths(120), utilisation_threshold: hundredths(95), liquidation_threshold: self.rules.threshold };
        let pool = Pool { total_assets: self.world.view(&IVault::totalAssetsCall {}), total_debt: self.world.total_debt() };
        let ours = deleverage(worth, debt, &self.holdings, &pool, &rules, &self.base).unwrap();
        let (vault, manager) = (self.world.vault, self.world.manager);
        let theirs = self.world.chain.ask(self.world.strategy, &IStrategy::evaluateADLCall { vault, manager });
        prop_assert_eq!((theirs.canDeleverage, theirs.repay), (!ours.repaid.is_zero(), ours.repaid));
        let done = self.world.chain.call(ADMIN, vault, &IVault::adlCall { manager });
        prop_assert_eq!(done.is_ok(), theirs.canDeleverage);
        let left = (self.holdings.bond - ours.from.bond, self.holdings.working_capital - ours.from.working_capital);
        prop_assert_eq!(self.world.holdings(manager), left);
        prop_assert_eq!(self.world.debt(manager), debt - ours.repaid);
        prop_assert_eq!(self.world.view(&IVault::totalAssetsCall {}), pool.total_assets);
        Ok(theirs.canDeleverage)
    }

    /// The dead zone ends in the second, and at the price, that we say.
    fn dead_zone(&self, worth: U256, seen: &mut Seen) -> Result<(), TestCaseError> {
        let underwater = |world: &World| {
            let theirs = world.evaluated();
            theirs.positionValueUsd < self.base.debt_usd(theirs.trueDebt).unwrap()
        };
        if let Some(seconds) = seconds_to_one(worth, &self.loan, self.rate, &self.base).unwrap().and_then(|seconds| u64::try_from(seconds).ok())
            && seconds > 0
            && seconds < 1 << 40
        {
            let mut world = self.world.clone();
            world.chain.now = world.chain.now - self.seconds + seconds;
            prop_assert!(underwater(&world));
            world.chain.now -= 1;
            prop_assert!(!underwater(&world));
            seen.seconds += 1;
        }
        let debt_usd = self.base.debt_usd(self.world.debt(self.world.manager)).unwrap();
        let of_token = value(self.amount, self.token_price, self.token_decimals).unwrap();
        if let Some(price) = price_at_one(self.amount, self.token_decimals, worth - of_token, debt_usd).unwrap() {
            let mut world = self.world.clone();
            world.price(world.token, price);
            prop_assert!(underwater(&world));
            world.price(world.token, price + U256::ONE);
            prop_assert!(!underwater(&world));
            seen.prices += 1;
        }
        Ok(())
    }
}

/// How often each thing was put to the contracts.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    parts: u32,
    wholes: u32,
    bad_debts: u32,
    deleveraged: u32,
    refused: u32,
    seconds: u32,
    prices: u32,
}

#[test]
fn maths_are_the_contracts() {
    let seen = Cell::new(Seen::default());
    let run = |drawn: Drawn| {
        let mut opened = Opened::new(&drawn);
        let (debt, worth) = opened.evaluation()?;
        let mut count = seen.get();
        opened.dead_zone(worth, &mut count)?;
        if opened.world.evaluated().canLiquidate {
            count.bad_debts += u32::from(opened.world.evaluated().minPayment < debt);
            opened.part(drawn.fraction)?;
            count.parts += 1;
            // What is left may be liquidated still, up to the roundings of very little.
            if opened.world.evaluated().canLiquidate {
                opened.part(ONE)?;
                count.wholes += 1;
                prop_assert_eq!(opened.world.view(&IVault::managerCountCall {}), U256::ZERO);
                prop_assert_eq!(opened.world.balance(opened.world.vault), opened.world.cash() + opened.world.holdings(opened.world.liquidator).0);
            }
        } else if opened.deleveraged(debt, worth)? {
            count.deleveraged += 1;
        } else {
            count.refused += 1;
        }
        seen.set(count);
        Ok(())
    };
    TestRunner::new(ProptestConfig::with_cases(256)).run(&drawn(), run).unwrap();
    let Seen { parts, wholes, bad_debts, deleveraged, refused, seconds, prices } = seen.get();
    assert!([parts, wholes, bad_debts, deleveraged, refused, seconds, prices].iter().all(|count| *count >= 4), "{:?}", seen.get());
}
