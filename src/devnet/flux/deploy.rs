//! Deploying Flux: what the vaults share, then each vault with its lenders' money.

use super::{
    FluxContracts, FluxVault, FluxWrapper,
    abi::{Factory, Registry, Shares},
    terms::{Keeper, Terms},
};
use crate::devnet::{
    DevnetError, abi::Token, acts::POCKET_MONEY, artifacts::Artifact, chain::Chain, contracts::Contracts, deploy::units, hands::Hands, market, people::Person,
};
use alloy::{
    primitives::{Address, U256},
    sol_types::SolValue,
};

/// Seconds for which a feed's answer counts: long enough for a demo without its own updates.
const HEARTBEAT: u64 = 86_400;
/// Prices: the token and its feed, in USD.
const PRICES: [(&str, &str); 3] = [("USDC", "USDC/USD"), ("WETH", "ETH/USD"), ("WBTC", "BTC/USD")];
/// What the rival's executor has, in whole USDC.
const RIVAL_CAPITAL: u64 = 2_000_000;
/// Gas of a set-up call of Flux.
const GAS: u64 = 300_000;

/// Whose deposits the vaults lend.
pub(super) fn lender() -> Person {
    Person::named("a lender of flux")
}

/// Who has to do with Flux.
pub(in crate::devnet) struct Cast<'a> {
    /// Who deploys and owns it.
    pub(in crate::devnet) deployer: &'a Person,
    /// Who owns the searcher's executor, or will.
    pub(in crate::devnet) owner: &'a Person,
    /// Who liquidates, too.
    pub(in crate::devnet) rival: &'a Person,
}

/// Deploys everything, the usual vaults and these. `router` is Uniswap's, where it is there already.
pub(in crate::devnet) async fn deploy(
    chain: &Chain,
    contracts: &Contracts,
    cast: &Cast<'_>,
    vaults: &[Terms],
    router: Option<Address>,
) -> Result<FluxContracts, DevnetError> {
    let (by, rival) = (cast.deployer, cast.rival);
    let since = chain.head().number;
    let mut hands = Hands::new(chain);
    let usdc = contracts.token("USDC")?.address;
    let router = match router {
        Some(router) => router,
        None => market::open(&mut hands, by, contracts).await?,
    };
    let registry = hands.create(by, "OracleRegistry", &Artifact::own("OracleRegistry")?, Vec::new()).await?;
    let factory = hands.create(by, "FluxFactory", &Artifact::own("FluxFactory")?, registry.abi_encode()).await?;
    hands.settle().await?;
    let oracle_code = Artifact::own("AggregatorOracle")?;
    for (symbol, feed) in PRICES {
        let arguments = (contracts.feed(feed)?.address, U256::from(HEARTBEAT)).abi_encode();
        let oracle = hands.create(by, "AggregatorOracle", &oracle_code, arguments).await?;
        hands.call(by, "price", registry, Registry::setOracleCall { asset: contracts.token(symbol)?.address, oracle }, GAS).await?;
    }
    let base_wrapper = hands.create(by, "BaseAssetWrapper", &Artifact::own("BaseAssetWrapper")?, (usdc, factory).abi_encode()).await?;
    let (weth, wbtc) = (contracts.token("WETH")?.address, contracts.token("WBTC")?.address);
    let kinds = [
        ("WETH", "Erc20Wrapper", weth),
        ("WBTC", "Erc20Wrapper", wbtc),
        ("Uniswap V3", "UniswapV3Wrapper", contracts.position_manager),
        ("blind WETH", "BlindWrapper", weth),
    ];
    let mut wrappers = Vec::new();
    for (name, kind, underlying) in kinds {
        let address = hands.create(by, name, &Artifact::own(kind)?, (underlying, factory).abi_encode()).await?;
        hands.call(by, "wrapper", factory, Factory::addWrapperCall { wrapper: address }, GAS).await?;
        wrappers.push(FluxWrapper { name: name.to_owned(), address, underlying });
    }
    let script = hands.create(rival, "the rival's executor", &Artifact::own("FluxScript")?, factory.abi_encode()).await?;
    let capital = Token::transferCall { to: script, amount: units(RIVAL_CAPITAL, 6) };
    hands.call(by, "capital of the rival", usdc, capital, GAS).await?;
    let lender = lender();
    hands.fund(lender.address(), POCKET_MONEY).await?;
    hands.settle().await?;
    let mut flux = FluxContracts {
        factory,
        registry,
        base_wrapper,
        wrappers,
        vaults: Vec::new(),
        lender: lender.address(),
        rival: script,
        router,
        since,
        ready_at: since,
    };
    let executor = cast.owner.address().create(chain.node().nonce(cast.owner.address()).await?);
    for terms in Terms::usual().iter().chain(vaults) {
        let keeper = match terms.keeper {
            Keeper::Anyone => Address::ZERO,
            Keeper::Account(account) => account,
            Keeper::Executor => executor,
        };
        let first_block = terms.patience.map(|patience| chain.head().number.saturating_add(patience.blocks));
        let (code, arguments) = terms.strategy(first_block.unwrap_or_default())?;
        let strategy = hands.create(by, "strategy", &code, arguments).await?;
        let vault = FluxVault { name: terms.name.clone(), address: Address::ZERO, strategy, is_standard: terms.patience.is_none(), first_block };
        flux.vaults.push(create(&mut hands, by, (&flux, usdc), vault, keeper, terms.lent).await?);
    }
    flux.ready_at = chain.head().number;
    Ok(flux)
}

/// A vault that its factory knows, with its lenders' money in it, in whole USDC.
async fn create(
    hands: &mut Hands<'_>,
    by: &Person,
    (flux, usdc): (&FluxContracts, Address),
    vault: FluxVault,
    keeper: Address,
    lent: u64,
) -> Result<FluxVault, DevnetError> {
    let names = (format!("Flux {}", vault.name), format!("flux-{}", vault.name));
    let arguments = (usdc, vault.strategy, flux.factory, flux.base_wrapper, keeper, names.0, names.1).abi_encode_params();
    let address = hands.create(by, "vault", &Artifact::own("FluxVault")?, arguments).await?;
    let lender = lender();
    let assets = units(lent, 6);
    hands.call(by, "vault of the factory", flux.factory, Factory::addVaultCall { vault: address }, GAS).await?;
    hands.call(by, "lender's money", usdc, Token::transferCall { to: lender.address(), amount: assets }, GAS).await?;
    hands.settle().await?;
    hands.call(&lender, "approval of the lender", usdc, Token::approveCall { spender: address, amount: U256::MAX }, GAS).await?;
    hands.call(&lender, "deposit", address, Shares::depositCall { assets, receiver: lender.address() }, GAS).await?;
    hands.settle().await?;
    Ok(FluxVault { address, ..vault })
}
