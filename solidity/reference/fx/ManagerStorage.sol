// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {Access} from "./Access.sol";
import {FEE_PRECISION, PRECISION, field, withField} from "./Fields.sol";
import {IConfiguration, IPool, IRateProvider, IToken} from "./IFx.sol";

/// Slots 0 to 154 of both managers, their pause flag, their guard and their settings.
///
///    0 fee ratios   1 treasury   2 revenue pool   3 reserve pool   8 fees by pool   100 strategies (none here)
///  152 a pool's capacities and balances, two words      154 token rates
abstract contract ManagerStorage is Access {
    error ErrorPoolNotRegistered();
    error ErrorPoolAlreadyRegistered();
    error ErrorCollateralExceedCapacity();
    error ErrorDebtExceedCapacity();
    error ErrorTopLevelCall();
    error EnforcedPause();
    error ReentrancyGuardReentrantCall();

    event Operate(address indexed pool, uint256 indexed position, int256 colls, int256 debts, uint256 fees);
    event RegisterPool(address indexed pool);
    event UpdateReservePool(address indexed oldPool, address indexed newPool);
    event UpdateLiquidationExpenseRatio(uint256 oldRatio, uint256 newRatio);
    event UpdateRedeemFeeRatio(uint256 oldRatio, uint256 newRatio);
    event UpdateTokenRate(address indexed token, uint256 scalar, address provider);
    event Paused(address account);
    event Unpaused(address account);

    struct TokenRate {
        uint96 scalar;
        address rateProvider;
    }

    struct PoolWords {
        uint256 first;
        uint256 second;
    }

    struct ManagerLinks {
        address fxUSD;
        address configuration;
        address whitelist;
        mapping(address => bool) isRegistered;
    }

    /// The flag that OpenZeppelin's upgradeable `Pausable` uses.
    bytes32 private constant PAUSED = 0xcd5ed15c6e187e77e9aee88184c21f4f2182ab5827cb3b7e07fbedcd63f03300;

    uint256 private feeRatios; // slot 0
    address public treasury;
    address public openRevenuePool;
    address public reservePool;
    uint256[4] private gap4;
    mapping(address => uint256) internal fees; // slot 8: what liquidations and redemptions left in the manager
    uint256[91] private gap9;
    mapping(address => uint256) internal strategies; // slot 100
    uint256[51] private gap101;
    mapping(address => PoolWords) internal pools; // slot 152
    uint256 private gap153;
    mapping(address => TokenRate) public tokenRates; // slot 154

    bool private transient entered;

    modifier nonReentrant() {
        if (entered) revert ReentrancyGuardReentrantCall();
        entered = true;
        _;
        entered = false;
    }

    modifier whenNotPaused() {
        if (paused()) revert EnforcedPause();
        _;
    }

    modifier onlyRegistered(address pool) {
        if (!_links().isRegistered[pool]) revert ErrorPoolNotRegistered();
        _;
    }

    /// Only accounts may open positions, and contracts on the whitelist; without a whitelist anybody may.
    modifier onlyTopLevelCall() {
        address list = whitelist();
        if (list != address(0) && msg.sender.code.length > 0 && !IWhitelist(list).isWhitelisted(msg.sender)) {
            revert ErrorTopLevelCall();
        }
        _;
    }

    /// At most one locked call in a transaction, whichever manager it goes to.
    modifier locked() {
        IConfiguration(configuration()).lock();
        _;
    }

    function fxUSD() public view returns (address) {
        return _links().fxUSD;
    }

    function configuration() public view returns (address) {
        return _links().configuration;
    }

    function whitelist() public view returns (address) {
        return _links().whitelist;
    }

    function paused() public view returns (bool value) {
        bytes32 slot = PAUSED;
        assembly ("memory-safe") {
            value := and(sload(slot), 0xff)
        }
    }

    /// The part of a bonus that stays with the protocol, 1e9.
    function getLiquidationExpenseRatio() public view returns (uint256) {
        return field(feeRatios, 150, 30);
    }

    /// 1e9.
    function getRedeemFeeRatio() public view returns (uint256) {
        return field(feeRatios, 90, 30);
    }

    /// A leftover of the original's interface: there is no flash loan.
    function getFlashLoanFeeRatio() external view returns (uint256) {
        return field(feeRatios, 60, 30);
    }

    /// raw = token units * factor / 1e18.
    function getTokenScalingFactor(address token) public view returns (uint256) {
        TokenRate memory rate = tokenRates[token];
        return rate.scalar * (rate.rateProvider == address(0) ? PRECISION : IRateProvider(rate.rateProvider).getRate());
    }

    /// What liquidations and redemptions of a pool left in the manager, in collateral token units.
    function accumulatedPoolMiscFees(address pool) external view returns (uint256) {
        return fees[pool];
    }

    function pause(bool value) external onlyAdmin {
        bytes32 slot = PAUSED;
        assembly ("memory-safe") {
            sstore(slot, value)
        }
        if (value) emit Paused(msg.sender);
        else emit Unpaused(msg.sender);
    }

    function updateReservePool(address pool) external onlyAdmin {
        emit UpdateReservePool(reservePool, pool);
        reservePool = pool;
    }

    function updateLiquidationExpenseRatio(uint256 ratio) external onlyAdmin {
        emit UpdateLiquidationExpenseRatio(getLiquidationExpenseRatio(), ratio);
        feeRatios = withField(feeRatios, 150, 30, ratio);
    }

    function updateRedeemFeeRatio(uint256 ratio) external onlyAdmin {
        emit UpdateRedeemFeeRatio(getRedeemFeeRatio(), ratio);
        feeRatios = withField(feeRatios, 90, 30, ratio);
    }

    /// Without a provider the rate is 1.
    function updateTokenRate(address token, address provider) external onlyAdmin {
        uint96 scalar = uint96(10 ** (18 - IToken(token).decimals()));
        tokenRates[token] = TokenRate(scalar, provider);
        emit UpdateTokenRate(token, scalar, provider);
    }

    function updateWhitelist(address list) external onlyAdmin {
        _links().whitelist = list;
    }

    function _startManager(address fxUSD_, address configuration_, address treasury_, address revenuePool, address reserve)
        internal
    {
        ManagerLinks storage links = _links();
        links.fxUSD = fxUSD_;
        links.configuration = configuration_;
        treasury = treasury_;
        openRevenuePool = revenuePool;
        reservePool = reserve;
        feeRatios = withField(0, 150, 30, 0.1e9);
    }

    function _register(address pool) internal {
        ManagerLinks storage links = _links();
        if (links.isRegistered[pool]) revert ErrorPoolAlreadyRegistered();
        links.isRegistered[pool] = true;
        emit RegisterPool(pool);
    }

    /// Adds to a balance within its capacity, or takes from it.
    function _move(uint256 word, uint256 capacityWidth, uint256 balanceAt, uint256 balanceWidth, int256 change, bytes4 full)
        internal
        pure
        returns (uint256)
    {
        int256 balance = int256(field(word, balanceAt, balanceWidth)) + change;
        if (change > 0 && uint256(balance) > field(word, 0, capacityWidth)) {
            assembly ("memory-safe") {
                mstore(0, full)
                revert(0, 4)
            }
        }
        if (balance < 0) balance = 0; // rounding of the last unit
        return withField(word, balanceAt, balanceWidth, uint256(balance));
    }

    function _expense(uint256 bonus) internal view returns (uint256) {
        return bonus * getLiquidationExpenseRatio() / FEE_PRECISION;
    }

    function _links() internal pure returns (ManagerLinks storage links) {
        bytes32 slot = keccak256("harrier.reference.fx.manager.links");
        assembly ("memory-safe") {
            links.slot := slot
        }
    }
}

interface IWhitelist {
    function isWhitelisted(address account) external view returns (bool);
}
