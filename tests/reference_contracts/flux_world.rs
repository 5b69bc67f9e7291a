//! The Flux reference contracts on one chain: a vault with its lenders, a manager, a liquidator, and positions opened by real calls.

use crate::evm::{ADMIN, Chain, mapped};
use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol,
    sol_types::{SolCall, SolEvent, SolValue},
};

sol! {
    #[derive(Debug)]
    struct Figures {
        uint256 minBondRatio;
        uint256 liquidationBuffer;
        uint256 liquidationProfitMargin;
        uint256 adlThreshold;
        uint256 adlUtilizationThreshold;
        uint256 yearlyRate;
    }

    #[derive(Debug)]
    struct Call { address target; bytes data; }

    interface IVault {
        function adl(address manager) external returns (uint256 repaid);
        function locked_borrow(uint256 amount) external;
        function locked_repay(uint256 amount) external;
        function locked_depositBond(uint256 amount) external;
        function locked_withdrawBond(uint256 amount) external;
        function locked_registerWrapper(address wrapper) external;
        function locked_depositToWrapper(address wrapper, bytes32 positionId, uint256 amount) external;
        function locked_withdrawFromWrapper(address wrapper, bytes32 positionId, uint256 amount) external;
        function trueDebt(address manager) external view returns (uint256);
        function positionValueUsd(address manager) external view returns (uint256);
        function bondOf(address manager) external view returns (uint256);
        function workingCapital(address manager) external view returns (uint256);
        function loans(address manager) external view returns (uint256 principal, uint256 interest, uint256 since);
        function managerCount() external view returns (uint256);
        function cash() external view returns (uint256);
        function totalDebt() external view returns (uint256);
        function totalAssets() external view returns (uint256);
        function totalSupply() external view returns (uint256);
        function convertToAssets(uint256 shares) external view returns (uint256);
        function deposit(uint256 assets, address receiver) external returns (uint256);

        #[derive(Debug)]
        event Liquidated(address indexed manager, address indexed liquidator, uint256 fractionWad, uint256 positionValueUsd, uint256 debtCleared, uint256 payment, uint256 badDebt);

        error PositionNotActive();
        error PositionNotLiquidatable();
        error PositionNotADLable();
        error InsufficientPayment();
        error InsufficientLiquidity();
    }

    interface IStrategy {
        function liquidationThreshold() external view returns (uint256);
        #[derive(Debug)]
        function evaluateLiquidation(address vault, address manager) external view returns (bool canLiquidate, uint256 minPayment, uint256 trueDebt, uint256 positionValueUsd);
        function evaluateADL(address vault, address manager) external view returns (bool canDeleverage, uint256 repay);
    }

    interface IScript {
        function unlock(address vault, Call[] calls) external;
        function liquidatePartial(address vault, address manager, uint256 fractionWad, address[] additionalWrappers, Call[] calls) external;
        function call(address target, bytes data) external returns (bytes memory);
        function minPayment() external view returns (uint256);
        function debt() external view returns (uint256);
    }

    interface IParts {
        function setOracle(address asset, address oracle) external;
        function addVault(address vault) external;
        function addWrapper(address wrapper) external;
        function getBalance(address account, address subaccount, bytes32 positionId) external view returns (uint256);
        function mint(address to, uint256 amount) external;
        function approve(address spender, uint256 amount) external returns (bool);
        function transfer(address to, uint256 amount) external returns (bool);
        function transferFrom(address from, address to, uint256 amount) external returns (bool);
        function balanceOf(address owner) external view returns (uint256);
    }
}

/// 1e18.
pub(crate) const ONE: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);
const NOW: u64 = 1_760_000_000;
const LOANS: U256 = U256::from_limbs([4, 0, 0, 0]);

/// The default figures: threshold 1.1, deleveraging at 1.2 and 95 %.
pub(crate) fn figures(margin: U256, yearly_rate: U256) -> Figures {
    let hundredths = |hundredths: u64| ONE * U256::from(hundredths) / U256::from(100);
    Figures {
        minBondRatio: hundredths(20),
        liquidationBuffer: hundredths(10),
        liquidationProfitMargin: margin,
        adlThreshold: hundredths(120),
        adlUtilizationThreshold: hundredths(95),
        yearlyRate: yearly_rate,
    }
}

/// A position to open.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Opening {
    pub(crate) bond: U256,
    pub(crate) working_capital: U256,
    pub(crate) debt: U256,
    /// Of the token in its wrapper.
    pub(crate) amount: U256,
    /// Of one whole token, once the position is open; before, it is as high as it takes.
    pub(crate) price: U256,
}

/// One vault and its people.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) chain: Chain,
    pub(crate) usdc: Address,
    pub(crate) token: Address,
    pub(crate) registry: Address,
    pub(crate) base_wrapper: Address,
    pub(crate) wrapper: Address,
    pub(crate) strategy: Address,
    pub(crate) vault: Address,
    pub(crate) manager: Address,
    pub(crate) liquidator: Address,
}

impl World {
    /// A vault of a base asset with so many decimals, and a collateral token.
    pub(crate) fn deploy(figures: &Figures, base_decimals: u8, token_decimals: u8) -> Self {
        let mut chain = Chain::new(NOW);
        let token = |chain: &mut Chain, name: &str, decimals: u8| {
            let name = name.to_owned();
            chain.deploy("TestToken", &(name.clone(), name, U256::from(decimals)).abi_encode_params())
        };
        let usdc = token(&mut chain, "base", base_decimals);
        let collateral = token(&mut chain, "collateral", token_decimals);
        let registry = chain.deploy("OracleRegistry", &[]);
        let factory = chain.deploy("FluxFactory", &registry.abi_encode());
        let base_wrapper = chain.deploy("BaseAssetWrapper", &(usdc, factory).abi_encode_params());
        let wrapper = chain.deploy("Erc20Wrapper", &(collateral, factory).abi_encode_params());
        let strategy = chain.deploy("FluxStrategy", &figures.abi_encode());
        let names = ("Flux".to_owned(), "FLUX".to_owned());
        let vault = chain.deploy("FluxVault", &(usdc, strategy, factory, base_wrapper, Address::ZERO, names.0, names.1).abi_encode_params());
        chain.must(ADMIN, factory, &IParts::addVaultCall { vault });
        chain.must(ADMIN, factory, &IParts::addWrapperCall { wrapper });
        let manager = chain.deploy("FluxScript", &factory.abi_encode());
        let liquidator = chain.deploy("FluxScript", &factory.abi_encode());
        let mut world = Self { chain, usdc, token: collateral, registry, base_wrapper, wrapper, strategy, vault, manager, liquidator };
        world.price(usdc, ONE);
        world
    }

    /// The usual one: 6 decimals and 18, no interest.
    pub(crate) fn usual(margin: U256) -> Self {
        Self::deploy(&figures(margin, U256::ZERO), 6, 18)
    }

    pub(crate) fn price(&mut self, asset: Address, price: U256) {
        let oracle = self.chain.deploy("FixedPriceOracle", &price.abi_encode());
        self.chain.must(ADMIN, self.registry, &IParts::setOracleCall { asset, oracle });
    }

    pub(crate) fn mint(&mut self, token: Address, to: Address, amount: U256) {
        self.chain.must(ADMIN, token, &IParts::mintCall { to, amount });
    }

    /// The lenders' deposit.
    pub(crate) fn lend(&mut self, amount: U256) {
        self.mint(self.usdc, ADMIN, amount);
        self.chain.must(ADMIN, self.usdc, &IParts::approveCall { spender: self.vault, amount });
        self.chain.must(ADMIN, self.vault, &IVault::depositCall { assets: amount, receiver: ADMIN });
    }

    pub(crate) fn to<C: SolCall>(&self, target: Address, call: &C) -> Call {
        Call { target, data: call.abi_encode().into() }
    }

    pub(crate) fn vault_call<C: SolCall>(&self, call: &C) -> Call {
        self.to(self.vault, call)
    }

    /// Deposits base asset that the executor has.
    pub(crate) fn preparing(&self, amount: U256) -> Vec<Call> {
        vec![
            self.to(self.usdc, &IParts::approveCall { spender: self.base_wrapper, amount }),
            self.vault_call(&IVault::locked_depositToWrapperCall { wrapper: self.base_wrapper, positionId: B256::ZERO, amount }),
        ]
    }

    /// Opens a position by real calls, while the collateral is worth more than anything; then its price is the one said.
    pub(crate) fn open(&mut self, who: Address, opening: &Opening) {
        self.price(self.token, U256::from(10).pow(U256::from(60)) / opening.amount);
        self.mint(self.usdc, who, opening.bond + opening.working_capital);
        self.mint(self.token, who, opening.amount);
        let mut calls = vec![
            self.to(self.usdc, &IParts::approveCall { spender: self.vault, amount: opening.bond }),
            self.to(self.token, &IParts::approveCall { spender: self.wrapper, amount: opening.amount }),
            self.vault_call(&IVault::locked_depositBondCall { amount: opening.bond }),
            self.vault_call(&IVault::locked_borrowCall { amount: opening.debt }),
            self.vault_call(&IVault::locked_withdrawFromWrapperCall { wrapper: self.base_wrapper, positionId: B256::ZERO, amount: opening.debt }),
            self.vault_call(&IVault::locked_registerWrapperCall { wrapper: self.wrapper }),
            self.vault_call(&IVault::locked_depositToWrapperCall { wrapper: self.wrapper, positionId: B256::ZERO, amount: opening.amount }),
        ];
        calls.extend(self.preparing(opening.working_capital));
        self.chain.must(ADMIN, who, &IScript::unlockCall { vault: self.vault, calls });
        self.price(self.token, opening.price);
    }

    /// Interest that is stored already: the one thing that is put in place, because no call leaves a chosen figure.
    pub(crate) fn store_interest(&mut self, interest: U256) {
        self.chain.put(self.vault, mapped(&self.manager, LOANS) + U256::ONE, interest);
    }

    /// A liquidation by these calls.
    pub(crate) fn run(&mut self, fraction: U256, calls: Vec<Call>) -> Result<IVault::Liquidated, Bytes> {
        let call = IScript::liquidatePartialCall { vault: self.vault, manager: self.manager, fractionWad: fraction, additionalWrappers: vec![], calls };
        let (_, logs) = self.chain.call(ADMIN, self.liquidator, &call)?;
        Ok(logs.iter().find_map(|log| IVault::Liquidated::decode_log(log).ok()).unwrap().data)
    }

    /// A liquidation that is paid with the liquidator's own base asset; what is seized stays in its ledgers.
    pub(crate) fn liquidate(&mut self, fraction: U256, payment: U256) -> Result<IVault::Liquidated, Bytes> {
        self.mint(self.usdc, self.liquidator, payment);
        self.run(fraction, self.preparing(payment))
    }

    pub(crate) fn evaluated(&self) -> IStrategy::evaluateLiquidationReturn {
        self.chain.ask(self.strategy, &IStrategy::evaluateLiquidationCall { vault: self.vault, manager: self.manager })
    }

    pub(crate) fn view<C: SolCall>(&self, call: &C) -> C::Return {
        self.chain.ask(self.vault, call)
    }

    pub(crate) fn cash(&self) -> U256 {
        self.view(&IVault::cashCall {})
    }

    pub(crate) fn total_debt(&self) -> U256 {
        self.view(&IVault::totalDebtCall {})
    }

    pub(crate) fn debt(&self, manager: Address) -> U256 {
        self.view(&IVault::trueDebtCall { manager })
    }

    pub(crate) fn value(&self, manager: Address) -> U256 {
        self.view(&IVault::positionValueUsdCall { manager })
    }

    /// Bond and working capital.
    pub(crate) fn holdings(&self, manager: Address) -> (U256, U256) {
        (self.view(&IVault::bondOfCall { manager }), self.view(&IVault::workingCapitalCall { manager }))
    }

    /// What lies in the wrapper.
    pub(crate) fn wrapped(&self, subaccount: Address) -> U256 {
        self.chain.ask(self.wrapper, &IParts::getBalanceCall { account: self.vault, subaccount, positionId: B256::ZERO })
    }

    pub(crate) fn balance(&self, owner: Address) -> U256 {
        self.chain.ask(self.usdc, &IParts::balanceOfCall { owner })
    }
}
