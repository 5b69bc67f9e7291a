//! What random blocks are made of: accounts, contracts, and transactions that do to them whatever a chain can do.

use crate::{
    chain::{Chain, FEE_RECIPIENT},
    code,
};
use alloy::{
    eips::{
        eip2935::HISTORY_STORAGE_ADDRESS, eip4788::BEACON_ROOTS_ADDRESS, eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
        eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
    },
    primitives::{Address, B256, TxKind, U256, keccak256},
    signers::local::PrivateKeySigner,
};
use eyre::Result;
use harrier::fork::{Facet, ReadSet, SimTx};

/// A small generator, so that a failure can be run again from its seed.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) const fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    pub(crate) fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let place = self.below(u64::try_from(choices.len()).unwrap());
        &choices[usize::try_from(place).unwrap()]
    }
}

/// People who send; the last two also delegate their accounts.
const SENDERS: u64 = 6;
/// Accounts that a fickle contract leaves its money to, one contract for each.
const HEIRS: u8 = 12;
/// Slots of the contracts that write where they are told.
const SLOTS: u64 = 8;

/// Contracts that the chain itself writes.
pub(crate) const SYSTEM: [Address; 4] =
    [BEACON_ROOTS_ADDRESS, HISTORY_STORAGE_ADDRESS, WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS];

/// Everything that random blocks play with.
pub(crate) struct Players {
    writer: Address,
    worker: Address,
    failing: Address,
    factory: Address,
    witness: Address,
    burner: Address,
    /// Keys of accounts that send nothing, but delegate.
    authorities: Vec<PrivateKeySigner>,
    /// Accounts without code.
    strangers: Vec<Address>,
    /// What is watched from the beginning.
    pub(crate) watched: ReadSet,
}

const fn heir(place: u8) -> Address {
    Address::repeat_byte(0x70 + place)
}

impl Players {
    pub(crate) async fn deploy(chain: &Chain) -> Result<Self> {
        let mut players = Self {
            writer: chain.deploy(code::WRITER).await?,
            worker: chain.deploy(&code::worker()).await?,
            failing: chain.deploy(code::FAILING).await?,
            factory: chain.deploy(code::FACTORY).await?,
            witness: chain.deploy(&code::witness()).await?,
            burner: chain.deploy(&code::burner(heir(0))).await?,
            authorities: (1..=3).map(|byte| PrivateKeySigner::from_bytes(&B256::repeat_byte(byte))).collect::<Result<_, _>>()?,
            strangers: (0x40..0x48).map(Address::repeat_byte).collect(),
            watched: ReadSet::default(),
        };
        let senders = (0..SENDERS).map(|who| chain.person(usize::try_from(who).unwrap()).address()).collect::<Vec<_>>();
        let authorities = players.authorities.iter().map(PrivateKeySigner::address).collect::<Vec<_>>();
        let fickle = (0..HEIRS).map(|place| players.created(&code::fickle(heir(place)))).collect::<Vec<_>>();
        let lasting = players.created(&code::init_code(code::READER));
        let contracts = [players.writer, players.worker, players.failing, players.factory, players.witness, players.burner, lasting];
        let accounts = [contracts.as_slice(), &senders, &authorities, &fickle, &players.strangers, &[FEE_RECIPIENT]].concat();
        for account in accounts.into_iter().chain((0..HEIRS).map(heir)) {
            players.watched.insert(Facet::Balance(account));
        }
        let mut slots = |account: Address, count: u64| (0..count).for_each(|slot| players.watched.insert(Facet::Slot(account, U256::from(slot))));
        contracts.iter().chain(&senders).chain(&authorities).for_each(|account| slots(*account, SLOTS));
        fickle.iter().for_each(|account| slots(*account, 5));
        slots(players.witness, code::WITNESSED);
        // Whatever the chain itself writes.
        for system in SYSTEM {
            slots(system, 20);
        }
        Ok(players)
    }

    /// Where the factory makes a contract with this init code.
    fn created(&self, init_code: &[u8]) -> Address {
        self.factory.create2(B256::ZERO, keccak256(init_code))
    }

    /// Who may get the tips: an account that exists, one that may not, a contract, a sender.
    pub(crate) fn fee_recipient(&self, chain: &Chain, random: &mut Random) -> Address {
        *random.of(&[FEE_RECIPIENT, FEE_RECIPIENT, self.strangers[7], self.writer, chain.person(1).address()])
    }

    /// A transaction; what it creates at an address of its own is told to `created`.
    pub(crate) fn transaction(&self, chain: &Chain, random: &mut Random, created: &mut Vec<Address>) -> SimTx {
        let who = usize::try_from(random.below(SENDERS)).unwrap();
        let words = code::words(&[random.below(SLOTS), random.below(4)]);
        let call = TxKind::Call;
        match random.below(24) {
            0 | 1 => chain.sign(who, call(*random.of(&self.strangers)), random.below(100), vec![]),
            // Money for a contract that may exist one day.
            2 => chain.sign(who, call(self.created(&code::fickle(heir(u8::try_from(random.below(12)).unwrap())))), random.below(3), vec![]),
            3..=5 => chain.sign(who, call(self.writer), 0, words),
            6 | 7 => chain.sign(who, call(self.worker), random.below(50), words),
            8 => chain.sign(who, call(self.failing), 0, code::words(&[random.below(2)])),
            9 | 10 => chain.sign(who, call(self.factory), random.below(9), code::fickle(heir(u8::try_from(random.below(12)).unwrap()))),
            11 => chain.sign(who, call(self.factory), random.below(9), code::short_lived(*random.of(&self.strangers))),
            12 => chain.sign(who, call(self.factory), random.below(9), code::init_code(code::READER)),
            13 => {
                let runtime = *random.of(&[code::READER, code::WRITER]);
                let tx = chain.sign(who, TxKind::Create, 0, code::init_code(runtime));
                created.push(tx.signer().create(alloy::consensus::Transaction::nonce(tx.inner())));
                tx
            }
            14 | 15 => {
                let delegates = [self.writer, self.worker, self.burner, Address::ZERO, Address::ZERO];
                chain.delegate(who, random.of(&self.authorities), *random.of(&delegates))
            }
            16 => {
                let authority = usize::try_from(SENDERS - 1 - random.below(2)).unwrap();
                let delegate = *random.of(&[self.writer, self.worker, Address::ZERO]);
                if authority == who { chain.sign(who, call(self.writer), 0, words) } else { chain.delegate(who, chain.person(authority), delegate) }
            }
            17 | 18 => chain.sign(who, call(random.of(&self.authorities).address()), random.below(2), words),
            19 => chain.sign(who, call(chain.person(usize::try_from(SENDERS - 1 - random.below(2)).unwrap()).address()), 1, words),
            20 if random.below(3) == 0 => chain.blob(who, *random.of(&[self.writer, self.worker]), random.below(7)),
            20..=22 => {
                let seen = *random.of(&[self.strangers[0], self.worker, self.authorities[0].address(), self.created(&code::fickle(heir(1)))]);
                chain.sign(who, call(self.witness), random.below(3), seen.into_word().to_vec())
            }
            _ => chain.sign(who, call(*random.of(&self.strangers)), 0, vec![]),
        }
    }

    /// A block of up to ten of them, mined some seconds after the last one. Now and then somebody else proposes it.
    pub(crate) async fn block(&self, chain: &Chain, random: &mut Random, created: &mut Vec<Address>) -> Result<harrier::chain::Head> {
        if random.below(10) == 0 {
            let recipient = self.fee_recipient(chain, random);
            let _: serde_json::Value = chain.request("anvil_setCoinbase", (recipient,)).await?;
        }
        for _ in 0..random.below(11) {
            chain.send(&self.transaction(chain, random, created)).await?;
        }
        chain.mine(1 + random.below(30)).await
    }
}
