//! People who borrow from a vault, each through a script that is its own executor.
//!
//! ```text
//! world.manager("alice").bond(usdc).borrows(usdc).holds("WETH", wei).opens().await ─▶ FluxManager
//!
//! block 1   ether for alice, bond and collateral for the script-to-be, an NFT minted to it
//! block 2   alice creates the script, and opens the vault's lock with everything in one call
//! ```

use super::{
    FluxVault, FluxWorld,
    abi::{Nft, Script, ScriptCall, Vault},
};
use crate::devnet::{
    DevnetError, Receipt,
    abi::{MintParams, PositionManager, SpotPool, Token},
    acts::{Acts, POCKET_MONEY},
    artifacts::Artifact,
    people::Person,
};
use alloy::{
    primitives::{Address, B256, U256, aliases::I24, aliases::U24},
    sol_types::{SolCall, SolEvent, SolValue},
};

/// Gas limit of opening a position.
const OPEN_GAS: u64 = 3_000_000;
/// Gas limit of minting a Uniswap position.
const MINT_GAS: u64 = 1_000_000;
/// Ticks between which a position of the devnet's pools may lie.
const SPACING: i32 = 10;

/// What a manager keeps in a wrapper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The wrapper.
    pub wrapper: Address,
    /// The position in it: zero for tokens, the NFT's number otherwise.
    pub id: B256,
    /// Units of the token; 1 for an NFT.
    pub amount: U256,
    /// Whether the vault counts it.
    pub is_registered: bool,
}

/// Somebody who has borrowed.
#[derive(Clone, Debug)]
pub struct FluxManager {
    /// Who.
    pub owner: Person,
    /// The manager, as the vault knows it.
    pub script: Address,
    /// From which vault.
    pub vault: FluxVault,
    /// The bond, in units of USDC.
    pub bond: U256,
    /// What was borrowed, in units of USDC.
    pub debt: U256,
    /// What lies in wrappers.
    pub held: Vec<Held>,
}

/// What somebody is going to keep in a wrapper.
#[derive(Clone, Debug)]
enum Holding {
    Tokens {
        wrapper: String,
        amount: U256,
        is_registered: bool,
    },
    /// A Uniswap position that buys ether with USDC, from and to so many hundredths of a percent below the market, nearly.
    Bid {
        usdc: U256,
        from: i32,
        to: i32,
    },
}

#[derive(Clone, Debug)]
struct Part {
    name: String,
    vault: Option<FluxVault>,
    bond: U256,
    debt: U256,
    keeps: U256,
    holdings: Vec<Holding>,
}

/// A story of managers that has not happened yet.
#[derive(Debug)]
pub struct FluxStory<'a> {
    world: FluxWorld<'a>,
    parts: Vec<Part>,
}

/// One call of the vault under its lock.
pub(super) fn locked<C: SolCall>(vault: &FluxVault, call: &C) -> ScriptCall {
    ScriptCall { target: vault.address, data: call.abi_encode().into() }
}

impl<'a> FluxWorld<'a> {
    /// Begins a story: somebody who will borrow from the standard vault until said otherwise.
    #[must_use]
    pub fn manager(&self, name: &str) -> FluxStory<'a> {
        FluxStory { world: *self, parts: Vec::new() }.manager(name)
    }
}

impl FluxStory<'_> {
    /// Somebody else comes in; what follows is about them.
    #[must_use]
    pub fn manager(mut self, name: &str) -> Self {
        let part = Part { name: name.to_owned(), vault: None, bond: U256::ZERO, debt: U256::ZERO, keeps: U256::ZERO, holdings: Vec::new() };
        self.parts.push(part);
        self
    }

    fn last(mut self, change: impl FnOnce(&mut Part)) -> Self {
        if let Some(part) = self.parts.last_mut() {
            change(part);
        }
        self
    }

    /// The vault.
    #[must_use]
    pub fn of(self, vault: &FluxVault) -> Self {
        self.last(|part| part.vault = Some(vault.clone()))
    }

    /// The bond, in units of USDC.
    #[must_use]
    pub fn bond(self, usdc: U256) -> Self {
        self.last(|part| part.bond = usdc)
    }

    /// The debt, in units of USDC.
    #[must_use]
    pub fn borrows(self, usdc: U256) -> Self {
        self.last(|part| part.debt = usdc)
    }

    /// What of the debt stays as working capital, in units of USDC. The rest is paid out.
    #[must_use]
    pub fn keeps(self, usdc: U256) -> Self {
        self.last(|part| part.keeps = usdc)
    }

    /// Tokens in a wrapper that the vault counts.
    #[must_use]
    pub fn holds(self, wrapper: &str, amount: U256) -> Self {
        let wrapper = wrapper.to_owned();
        self.last(|part| part.holdings.push(Holding::Tokens { wrapper, amount, is_registered: true }))
    }

    /// Tokens in a wrapper that was not registered: they don't count.
    #[must_use]
    pub fn hides(self, wrapper: &str, amount: U256) -> Self {
        let wrapper = wrapper.to_owned();
        self.last(|part| part.holdings.push(Holding::Tokens { wrapper, amount, is_registered: false }))
    }

    /// A Uniswap position that buys ether with so many units of USDC, from and to so many hundredths of a percent below today's market, nearly.
    #[must_use]
    pub fn bids(self, usdc: U256, from: i32, to: i32) -> Self {
        self.last(|part| part.holdings.push(Holding::Bid { usdc, from, to }))
    }

    /// Lets it happen, in two blocks.
    ///
    /// # Errors
    /// When one of them is refused.
    pub async fn opens(self) -> Result<Vec<FluxManager>, DevnetError> {
        let Self { world, parts } = self;
        let (devnet, flux) = (world.devnet, world.flux);
        let deployer = devnet.deployer()?;
        let usdc = devnet.contracts().token("USDC")?.address;
        let mut acts = Acts::new(devnet);
        let mut managers = Vec::new();
        for part in &parts {
            let owner = Person::named(&part.name);
            let script = owner.address().create(devnet.front().next_nonce(owner.address()).await?);
            let vault = match &part.vault {
                Some(vault) => vault.clone(),
                None => flux.vault("standard")?.clone(),
            };
            acts.pay(&deployer, &owner, POCKET_MONEY).await?;
            acts.call(&deployer, "bond", usdc, &Token::transferCall { to: script, amount: part.bond }, 200_000).await?;
            for holding in &part.holdings {
                match holding {
                    Holding::Tokens { wrapper, amount, .. } => {
                        let token = flux.wrapper(wrapper)?.underlying;
                        acts.call(&deployer, "collateral", token, &Token::transferCall { to: script, amount: *amount }, 200_000).await?;
                    }
                    Holding::Bid { usdc, from, to } => {
                        let params = world.bid(*usdc, [*from, *to], script).await?;
                        acts.call(&deployer, "Uniswap position", devnet.contracts().position_manager, &PositionManager::mintCall { params }, MINT_GAS).await?;
                    }
                }
            }
            managers.push(FluxManager { owner, script, vault, bond: part.bond, debt: part.debt, held: Vec::new() });
        }
        let receipts = acts.mined().await?;
        for (part, manager) in parts.iter().zip(&mut managers) {
            manager.held = world.held_by(part, manager.script, &receipts)?;
            acts.create(&manager.owner, "script", &Artifact::own("FluxScript")?, flux.factory.abi_encode()).await?;
            let call = Script::unlockCall { vault: manager.vault.address, calls: world.opening(manager, part.keeps)? };
            acts.call(&manager.owner, "position", manager.script, &call, OPEN_GAS).await?;
        }
        acts.mined().await?;
        Ok(managers)
    }
}

impl FluxWorld<'_> {
    /// The calls with which a position is opened.
    fn opening(&self, manager: &FluxManager, keeps: U256) -> Result<Vec<ScriptCall>, DevnetError> {
        let vault = &manager.vault;
        let usdc = self.devnet.contracts().token("USDC")?.address;
        let approve =
            |token: Address, spender: Address, amount: U256| ScriptCall { target: token, data: Token::approveCall { spender, amount }.abi_encode().into() };
        let mut calls = vec![
            approve(usdc, vault.address, manager.bond),
            locked(vault, &Vault::locked_depositBondCall { amount: manager.bond }),
            locked(vault, &Vault::locked_borrowCall { amount: manager.debt }),
        ];
        let paid_out = manager.debt.checked_sub(keeps).ok_or(DevnetError::Range("a working capital"))?;
        let base = self.flux.base_wrapper;
        calls.push(locked(vault, &Vault::locked_withdrawFromWrapperCall { wrapper: base, positionId: B256::ZERO, amount: paid_out }));
        let nfts = self.flux.wrapper("Uniswap V3")?;
        for held in &manager.held {
            if held.wrapper == nfts.address {
                calls.push(ScriptCall { target: nfts.underlying, data: Nft::approveCall { to: nfts.address, id: held.id.into() }.abi_encode().into() });
            } else {
                let wrapper = self.flux.wrappers.iter().find(|wrapper| wrapper.address == held.wrapper);
                let token = wrapper.ok_or_else(|| DevnetError::Unknown(format!("wrapper {}", held.wrapper)))?.underlying;
                calls.push(approve(token, held.wrapper, held.amount));
            }
            if held.is_registered {
                calls.push(locked(vault, &Vault::locked_registerWrapperCall { wrapper: held.wrapper }));
            }
            calls.push(locked(vault, &Vault::locked_depositToWrapperCall { wrapper: held.wrapper, positionId: held.id, amount: held.amount }));
        }
        Ok(calls)
    }

    /// What a part's holdings became.
    fn held_by(&self, part: &Part, script: Address, receipts: &[Receipt]) -> Result<Vec<Held>, DevnetError> {
        let nfts = self.flux.wrapper("Uniswap V3")?;
        let logs = receipts.iter().flat_map(|receipt| &receipt.logs).filter(|log| log.inner.address == nfts.underlying);
        let mut minted = logs.filter_map(|log| Nft::Transfer::decode_log(&log.inner).ok()).filter(|told| told.to == script).map(|told| told.id);
        let mut held = Vec::new();
        for holding in &part.holdings {
            held.push(match holding {
                Holding::Tokens { wrapper, amount, is_registered } => {
                    Held { wrapper: self.flux.wrapper(wrapper)?.address, id: B256::ZERO, amount: *amount, is_registered: *is_registered }
                }
                Holding::Bid { .. } => {
                    let id = minted.next().ok_or_else(|| DevnetError::Unknown(format!("Uniswap position of {}", part.name)))?;
                    Held { wrapper: nfts.address, id: id.into(), amount: U256::from(1), is_registered: true }
                }
            });
        }
        Ok(held)
    }

    /// A position in the pool of WETH and USDC wholly below the market, a tick being a hundredth of a percent.
    async fn bid(&self, usdc: U256, [from, to]: [i32; 2], recipient: Address) -> Result<MintParams, DevnetError> {
        let (weth, dollar) = (self.devnet.contracts().token("WETH")?.address, self.devnet.contracts().token("USDC")?.address);
        let pool = self.devnet.contracts().pool_of(weth, dollar)?;
        let tick = self.devnet.ask("tick", pool.address, &SpotPool::slot0Call {}).await?.tick.as_i32();
        // The pool's price is that of token 0: cheaper ether is a lower tick, or a higher one.
        let (lower, upper) =
            if pool.token0 == weth { (tick.saturating_sub(to), tick.saturating_sub(from)) } else { (tick.saturating_add(from), tick.saturating_add(to)) };
        let aligned = |tick: i32| I24::try_from(tick.div_euclid(SPACING).saturating_mul(SPACING)).map_err(|_| DevnetError::Range("a tick"));
        let (amount0, amount1) = if pool.token0 == weth { (U256::ZERO, usdc) } else { (usdc, U256::ZERO) };
        Ok(MintParams {
            token0: pool.token0,
            token1: pool.token1,
            fee: U24::from(pool.fee),
            tickLower: aligned(lower)?,
            tickUpper: aligned(upper)?,
            amount0Desired: amount0,
            amount1Desired: amount1,
            amount0Min: U256::ZERO,
            amount1Min: U256::ZERO,
            recipient,
            deadline: U256::MAX,
        })
    }
}
