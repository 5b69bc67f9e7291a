//! Random programs: the recorded read set is the one that a search by brute force finds.
//!
//! ```text
//! program ─recorded run─▶ set        every facet of the world, changed: outcome another? ─▶ it must be in the set
//!                          └──────── each facet of the set, changed, alone or in a changed world: some outcome is another
//! ```
//!
//! Whatever a program reads is folded into a hash that it returns, so nothing that was read can fail to matter. Gas is a part of the outcome.

mod program;

use super::*;
use crate::fork::layer::LayerAccount;
use program::*;
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};

const OTHER_RECIPIENT: Address = addr(0xfd);
const SLOTS: u64 = 4;
/// Enough for every program, so that running out of gas never hides an opcode.
const GAS: u64 = 1_000_000_000;
/// Creations of one contract that the world has places for, those of worlds with another nonce included.
const PLACES: u64 = 24;

/// A world for three programs, with all accounts that they can reach.
fn world(programs: &[Vec<Step>; 3], balances: [u64; 3], slots: [u64; 16]) -> World {
    let delegation = code(&[&[0xef, 0x01, 0x00], C.as_slice()]);
    let mut world = World::default();
    for (level, who) in [A, B, C].into_iter().enumerate() {
        world = world.account(who, &program(level, &programs[level]), balances[level], 1);
    }
    world = world.account(DELEGATED, &delegation, 70, 1).account(PLAIN, &[], 9, 2);
    for (place, value) in slots.into_iter().enumerate() {
        let place = u64::try_from(place).unwrap();
        world = world.slot([A, B, C, DELEGATED][usize::try_from(place / SLOTS).unwrap()], place % SLOTS, value);
    }
    let made = [A, B, C, DELEGATED].into_iter().flat_map(|creator| {
        let salted =
            INIT.into_iter().flat_map(move |init| [0u8, 1].map(|salt| creator.create2(B256::with_last_byte(salt), alloy::primitives::keccak256(init))));
        (0..PLACES).map(move |nonce| creator.create(nonce)).chain(salted)
    });
    let precompile = Address::with_last_byte(SHA256);
    let absent = made.chain([ABSENT, OTHER_RECIPIENT, precompile, Address::ZERO]);
    absent.fold(world.account(FEE_RECIPIENT, &[], 5, 0), |world, address| world.account(address, &[], 0, 0))
}

/// A state and a block to run in.
#[derive(Clone)]
struct Setting {
    view: View,
    block: TargetBlock,
}

impl Setting {
    /// None where it asks for something that this world does not have: that is another outcome, too.
    fn outcome(&self) -> Option<CallOutcome> {
        self.view.call(&self.block, &call()).ok()
    }

    fn changed(&self, address: Address, change: LayerAccount, code: Option<Bytecode>) -> Self {
        let mut layer = Layer::default();
        layer.code.extend(code.map(|code| (code.hash_slow(), code)));
        layer.accounts.insert(address, change);
        Self { view: self.view.with_layer(Arc::new(layer)), block: self.block.clone() }
    }

    /// The same with an account in which there is nothing, but for its storage.
    fn blanked(&self, address: Address) -> Self {
        let change = LayerAccount { balance: Some(U256::ZERO), nonce: Some(0), code_hash: Some(KECCAK256_EMPTY), ..LayerAccount::default() };
        self.changed(address, change, None)
    }

    /// The same with another value of one facet, for several values.
    fn mutations(&self, facet: &Facet) -> Vec<Self> {
        let old = self.view.facet(facet).unwrap().unwrap_or_default();
        let numbers = |values: &[U256]| values.iter().copied().filter(|value| *value != old).collect::<Vec<_>>();
        let one = U256::ONE;
        match *facet {
            Facet::Slot(address, slot) => numbers(&[U256::ZERO, one, U256::from(2), old + U256::from(77)])
                .into_iter()
                .map(|value| self.changed(address, LayerAccount { slots: [(slot, value)].into_iter().collect(), ..LayerAccount::default() }, None))
                .collect(),
            Facet::Balance(address) => numbers(&[U256::ZERO, old + U256::from(77)])
                .into_iter()
                .map(|value| self.changed(address, LayerAccount { balance: Some(value), ..LayerAccount::default() }, None))
                .collect(),
            Facet::Nonce(address) => numbers(&[U256::ZERO, old + one, U256::from(u64::MAX)])
                .into_iter()
                .map(|value| self.changed(address, LayerAccount { nonce: Some(value.to()), ..LayerAccount::default() }, None))
                .collect(),
            // No key and no creation can put code where a precompile is.
            Facet::Code(address) if address == Address::with_last_byte(SHA256) => Vec::new(),
            // One of them shows what money it has: where gas of two places cancels out, it is what tells who was paid.
            Facet::Code(address) => {
                [Bytes::new(), Bytes::from_static(INIT[1]), Bytes::from_static(INIT[2]), code(&[&[0xef, 0x01, 0x00], PLAIN.as_slice()]).into()]
                    .into_iter()
                    .map(|bytes| (if bytes.is_empty() { KECCAK256_EMPTY } else { alloy::primitives::keccak256(&bytes) }, bytes))
                    .filter(|(hash, _)| U256::from_be_bytes(hash.0) != old)
                    .map(|(hash, bytes)| {
                        self.changed(address, LayerAccount { code_hash: Some(hash), ..LayerAccount::default() }, Some(Bytecode::new_raw(bytes)))
                    })
                    .collect()
            }
            Facet::Env(word) => vec![self.in_another_block(word)],
        }
    }

    fn in_another_block(&self, word: EnvWord) -> Self {
        let mut other = self.clone();
        let block = &mut other.block;
        match word {
            EnvWord::Timestamp => block.timestamp += 1,
            EnvWord::Number => block.number += 1,
            EnvWord::BaseFee => block.base_fee += 1,
            EnvWord::GasLimit => block.gas_limit += 1,
            EnvWord::Coinbase => block.fee_recipient = OTHER_RECIPIENT,
            EnvWord::PrevRandao => block.prev_randao = B256::repeat_byte(8),
            EnvWord::BlobBaseFee => block.excess_blob_gas += 100_000_000,
            EnvWord::BlockHash => {
                let head = Head { hash: B256::repeat_byte(1), parent_hash: B256::repeat_byte(2), ..head() };
                let store = self.view.generation().known();
                let mut fresh = Store::default();
                fresh.extend(&store);
                other.view = View::new(Arc::new(Generation::new(head, fresh, None)));
            }
        }
        other
    }
}

fn call() -> Call {
    Call { gas_limit: GAS, ..Call::new(A, Bytes::new()) }
}

const ENVIRONMENT: [EnvWord; 8] = [
    EnvWord::Timestamp,
    EnvWord::Number,
    EnvWord::BaseFee,
    EnvWord::GasLimit,
    EnvWord::Coinbase,
    EnvWord::PrevRandao,
    EnvWord::BlobBaseFee,
    EnvWord::BlockHash,
];

/// Runs the programs: what is recorded, and that nothing outside of it matters.
fn recorded(world: &World) -> Result<(Setting, ReadSet), TestCaseError> {
    let base = Setting { view: world.view(), block: block() };
    let mut reads = ReadSet::default();
    let outcome = base.view.call_recorded(&base.block, &call(), &mut reads).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let outcome = Some(outcome);
    prop_assert_eq!(&outcome, &base.outcome(), "recording changes nothing");
    let all = world.0.facets().chain(ENVIRONMENT.map(Facet::Env)).collect::<Vec<_>>();
    for facet in all.iter().filter(|facet| !reads.contains(facet)) {
        for mutation in base.mutations(facet) {
            prop_assert_eq!(&mutation.outcome(), &outcome, "{:?} changes the outcome unseen", facet);
        }
    }
    Ok((base, reads))
}

/// The same, and that everything recorded matters somewhere near.
fn compare(world: &World) -> Result<ReadSet, TestCaseError> {
    let (base, reads) = recorded(world)?;
    let rich = [A, B, C, DELEGATED]
        .into_iter()
        .fold(base.clone(), |setting, address| setting.changed(address, LayerAccount { balance: Some(U256::from(1_000)), ..LayerAccount::default() }, None));
    for facet in reads.iter() {
        let differs = |setting: &Setting| {
            let before = setting.outcome();
            setting.mutations(facet).iter().any(|mutation| mutation.outcome() != before)
        };
        // One beside it may have to be another, too: who is paid only matters where there is money.
        let found = [&base, &rich].into_iter().any(|base| {
            let mut blank = world.0.accounts().map(|(address, _)| base.blanked(*address));
            let mut beside = reads.iter().filter(|other| *other != facet).flat_map(|other| base.mutations(other));
            differs(base) || blank.any(|setting| differs(&setting)) || beside.any(|setting| differs(&setting))
        });
        prop_assert!(found, "{:?} is in the set and never matters", facet);
    }
    Ok(reads)
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 256, max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() }
}

/// Three programs, what their accounts have, and what is in their storage.
type Cast = ([Vec<Step>; 3], [u64; 3], [u64; 16]);

fn any_cast() -> impl Strategy<Value = Cast> {
    let programs = (prop::collection::vec(step(), 1..8), prop::collection::vec(step(), 0..6), prop::collection::vec(step(), 0..6));
    let balances = prop::array::uniform3(prop_oneof![Just(0u64), Just(3), Just(1_000)]);
    let slots = prop::array::uniform16(prop_oneof![Just(0u64), Just(1), 2u64..100]);
    (programs.prop_map(|(first, second, third)| visible([first, second, third])), balances, slots)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nothing_outside_the_recorded_set_matters((programs, balances, slots) in any_cast()) {
        recorded(&world(&programs, balances, slots))?;
    }
}

/// That a value matters is found by search, and no search finds every way in which two effects may cancel out: its cases are the same in
/// each run, so that it fails for a change of the program and for nothing else.
#[test]
fn the_recorded_set_is_what_brute_force_finds() {
    let mut runner = TestRunner::new_with_rng(config(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    runner.run(&any_cast(), |(programs, balances, slots)| compare(&world(&programs, balances, slots)).map(drop)).unwrap();
}

/// The set that a single program of `A` leaves, compared with the search; without the code of `A` itself.
fn set_of(steps: &[Step], others: [&[Step]; 2]) -> Vec<Facet> {
    let [second, third] = others.map(<[Step]>::to_vec);
    let world = world(&[steps.to_vec(), second, third], [1_000, 3, 0], [5; 16]);
    let mut facets = compare(&world).unwrap().iter().copied().filter(|facet| *facet != Facet::Code(A)).collect::<Vec<_>>();
    facets.sort();
    facets
}

fn sorted(mut facets: Vec<Facet>) -> Vec<Facet> {
    facets.sort();
    facets
}

#[test]
fn what_is_no_facet() {
    assert_eq!(set_of(&[Step::TransientStore(0), Step::TransientLoad(0), Step::Precompile], [&[], &[]]), vec![]);
    assert_eq!(set_of(&[Step::Fixed(0), Step::Fixed(1), Step::Fixed(2), Step::Fixed(3), Step::Fixed(4)], [&[], &[]]), vec![]);
}

#[test]
fn what_a_static_frame_may_not_do_reads_nothing() {
    let forbidden = [Step::Store(0, 1), Step::Create(0, 0), Step::Create2(0, 0, 0), Step::Call(0, 3, 1), Step::Destroy(0)];
    for step in forbidden {
        assert_eq!(set_of(&[Step::Call(3, 0, 0)], [&[step], &[]]), vec![Facet::Code(B)], "{step:?}");
    }
}

#[test]
fn only_a_call_follows_a_delegation() {
    for how in [1, 2, 3] {
        assert_eq!(set_of(&[Step::Ask(how, 3)], [&[], &[]]), vec![Facet::Code(DELEGATED)], "{how}");
    }
    for how in [0, 1, 2, 3] {
        assert_eq!(set_of(&[Step::Call(how, 2, 0)], [&[], &[]]), sorted(vec![Facet::Code(DELEGATED), Facet::Code(C)]), "{how}");
    }
}

#[test]
fn an_inner_revert_and_a_second_read_lose_nothing() {
    let slot = |address, slot: u64| Facet::Slot(address, U256::from(slot));
    let inner = [Step::Load(2), Step::Ask(0, 4), Step::Revert];
    let expected = sorted(vec![Facet::Code(B), slot(B, 2), Facet::Balance(ABSENT)]);
    assert_eq!(set_of(&[Step::Call(0, 0, 0)], [&inner, &[]]), expected);
    assert_eq!(set_of(&[Step::Call(0, 0, 0), Step::Call(0, 0, 0), Step::Call(3, 0, 0)], [&inner, &[]]), expected);
    assert_eq!(set_of(&[Step::Call(0, 0, 0), Step::Revert], [&inner, &[]]), expected);
}

#[test]
fn a_place_that_is_taken_is_a_facet() {
    let steps = [Step::Create2(3, 0, 0)];
    let place = A.create2(B256::ZERO, alloy::primitives::keccak256(INIT[3]));
    let taken = world(&[steps.to_vec(), vec![], vec![]], [0; 3], [5; 16]).account(place, &[op::STOP], 0, 1);
    let reads = compare(&taken).unwrap();
    assert!(reads.contains(&Facet::Code(place)) && reads.contains(&Facet::Nonce(place)), "{reads:?}");
    // Also where the creation fails by itself.
    let reverts = set_of(&[Step::Create2(1, 0, 0)], [&[], &[]]);
    let place = A.create2(B256::ZERO, alloy::primitives::keccak256(INIT[1]));
    assert_eq!(reverts, sorted(vec![Facet::Nonce(A), Facet::Code(place), Facet::Nonce(place)]));
}

#[test]
fn who_is_paid_matters_where_the_gas_of_two_payments_cancels_out() {
    // Whoever pays the new account first pays for it: the same gas, whether B had money or not. Only what the account then has differs.
    let (first, second) = ([Step::Call(0, 0, 0), Step::Call(0, 4, 1)], [Step::Destroy(1)]);
    assert!(set_of(&first, [&second, &[]]).contains(&Facet::Balance(B)));
    let poor = world(&[first.to_vec(), second.to_vec(), vec![]], [0; 3], [0; 16]);
    assert!(compare(&poor).unwrap().contains(&Facet::Balance(B)));
}

#[test]
fn who_touches_the_fee_recipient_depends_on_who_it_is() {
    let coinbase = Facet::Env(EnvWord::Coinbase);
    assert_eq!(set_of(&[Step::Ask(0, 6)], [&[], &[]]), sorted(vec![Facet::Balance(FEE_RECIPIENT), coinbase]));
    // Its code is assumed away, so only another recipient can change the answer.
    assert_eq!(set_of(&[Step::Ask(1, 6)], [&[], &[]]), vec![coinbase]);
}
