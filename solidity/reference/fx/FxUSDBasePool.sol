// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {Access} from "./Access.sol";
import {divUp, min, pullToken} from "../Amounts.sol";
import {PRECISION} from "./Fields.sol";
import {ILongManager, IToken} from "./IFx.sol";
import {readFeed} from "./Feeds.sol";

/// fxBASE: fxUSD and USDC of depositors, with which anybody may rebalance or liquidate long pools, paying what was used
/// afterwards in either token.
///
///     caller ──liquidate──▶ FxUSDBasePool ──its own fxUSD, then USDC──▶ PoolManager ──collateral──▶ caller
///     caller ──tokenIn worth what was used──▶ FxUSDBasePool      (after the collateral, without a callback)
///
///   0 strategies (none here)    50 fxUSD    51 USDC, as of the last operation
contract FxUSDBasePool is Access {
    error ErrInvalidTokenIn();
    error ErrorInsufficientOutput();
    error ErrorInsufficientShares();
    error ReentrancyGuardReentrantCall();

    event Rebalance(
        address indexed caller, address indexed tokenIn, uint256 tokenUsed, uint256 colls, uint256 fxUSDUsed, uint256 stableUsed
    );
    event Deposit(address indexed caller, address indexed receiver, address indexed tokenIn, uint256 amount, uint256 shares);
    event Transfer(address indexed from, address indexed to, uint256 value);

    /// As OpenZeppelin's upgradeable token lays it out; total supply is the third slot.
    struct Shares {
        mapping(address => uint256) balances;
        mapping(address => mapping(address => uint256)) allowances;
        uint256 totalSupply;
    }

    struct Links {
        address manager;
        address yieldToken;
        address stableToken;
        uint256 stableScale;
        uint256 stableFeed;
    }

    string public constant name = "fxUSD Save";
    string public constant symbol = "fxBASE";
    uint8 public constant decimals = 18;

    mapping(address => uint256) internal strategies; // slot 0
    uint256[49] private gap1;
    uint256 public totalYieldToken; // slot 50
    uint256 public totalStableToken;

    bool private transient entered;

    modifier nonReentrant() {
        if (entered) revert ReentrancyGuardReentrantCall();
        entered = true;
        _;
        entered = false;
    }

    /// `stableFeed` is the encoded USDC/USD feed.
    function initialize(address manager, address fxUSD, address stable, uint256 stableFeed) external once {
        uint256 scale = 10 ** (18 - IToken(stable).decimals());
        Links storage links = _links();
        (links.manager, links.yieldToken, links.stableToken) = (manager, fxUSD, stable);
        (links.stableScale, links.stableFeed) = (scale, stableFeed);
        (bool ok,) = stable.call(abi.encodeWithSelector(0x095ea7b3, manager, type(uint256).max));
        require(ok, "approve");
    }

    function yieldToken() external view returns (address) {
        return _links().yieldToken;
    }

    function stableToken() external view returns (address) {
        return _links().stableToken;
    }

    function totalSupply() public view returns (uint256) {
        return _shares().totalSupply;
    }

    function balanceOf(address owner) external view returns (uint256) {
        return _shares().balances[owner];
    }

    /// USD per unit of USDC, scaled so that raw USD = amount * price / 1e18.
    function getStableTokenPriceWithScale() public view returns (uint256) {
        Links storage links = _links();
        return readFeed(links.stableFeed) * links.stableScale;
    }

    /// Shares for fxUSD or USDC, at what all of it is worth.
    function deposit(address receiver, address tokenIn, uint256 amount, uint256 minShares)
        external
        nonReentrant
        returns (uint256 shares)
    {
        Links storage links = _links();
        uint256 price = getStableTokenPriceWithScale();
        uint256 held = totalYieldToken + _refresh() * price / PRECISION;
        uint256 value = amount;
        if (tokenIn == links.stableToken) value = amount * price / PRECISION;
        else if (tokenIn != links.yieldToken) revert ErrInvalidTokenIn();
        Shares storage all = _shares();
        shares = held == 0 ? value : value * all.totalSupply / held;
        if (shares < minShares) revert ErrorInsufficientShares();
        _receive(tokenIn, amount);
        all.totalSupply += shares;
        all.balances[receiver] += shares;
        emit Transfer(address(0), receiver, shares);
        emit Deposit(msg.sender, receiver, tokenIn, amount, shares);
    }

    function rebalance(address pool, int16 tick, address tokenIn, uint256 maxAmount, uint256 minCollOut)
        external
        nonReentrant
        returns (uint256 tokenUsed, uint256 colls)
    {
        (uint256 maxFxUSD, uint256 maxStable) = _offer(tokenIn, maxAmount);
        uint256 fxUSDUsed;
        uint256 stableUsed;
        (colls, fxUSDUsed, stableUsed) = _manager().rebalance(pool, msg.sender, tick, maxFxUSD, maxStable);
        tokenUsed = _settle(tokenIn, colls, minCollOut, fxUSDUsed, stableUsed);
    }

    function rebalance(address pool, address tokenIn, uint256 maxAmount, uint256 minCollOut)
        external
        nonReentrant
        returns (uint256 tokenUsed, uint256 colls)
    {
        (uint256 maxFxUSD, uint256 maxStable) = _offer(tokenIn, maxAmount);
        uint256 fxUSDUsed;
        uint256 stableUsed;
        (colls, fxUSDUsed, stableUsed) = _manager().rebalance(pool, msg.sender, maxFxUSD, maxStable);
        tokenUsed = _settle(tokenIn, colls, minCollOut, fxUSDUsed, stableUsed);
    }

    function liquidate(address pool, address tokenIn, uint256 maxAmount, uint256 minCollOut)
        external
        nonReentrant
        returns (uint256 tokenUsed, uint256 colls)
    {
        (uint256 maxFxUSD, uint256 maxStable) = _offer(tokenIn, maxAmount);
        uint256 fxUSDUsed;
        uint256 stableUsed;
        (colls, fxUSDUsed, stableUsed) = _manager().liquidate(pool, msg.sender, maxFxUSD, maxStable);
        tokenUsed = _settle(tokenIn, colls, minCollOut, fxUSDUsed, stableUsed);
    }

    /// What the pool itself offers to the manager for a caller's maximum: its fxUSD first, USDC for the rest.
    function _offer(address tokenIn, uint256 maxAmount) private returns (uint256 maxFxUSD, uint256 maxStable) {
        Links storage links = _links();
        bool isStable = tokenIn == links.stableToken;
        if (!isStable && tokenIn != links.yieldToken) revert ErrInvalidTokenIn();
        uint256 stable = _refresh();
        uint256 price = getStableTokenPriceWithScale();
        uint256 value = isStable ? maxAmount * price / PRECISION : maxAmount;
        uint256 own = totalYieldToken;
        if (value < own) return (value, 0);
        return (own, min((value - own) * PRECISION / price, stable));
    }

    /// Books what was used and pulls its worth from the caller.
    function _settle(address tokenIn, uint256 colls, uint256 minCollOut, uint256 fxUSDUsed, uint256 stableUsed)
        private
        returns (uint256 tokenUsed)
    {
        totalYieldToken -= fxUSDUsed;
        totalStableToken -= stableUsed;
        uint256 price = getStableTokenPriceWithScale();
        tokenUsed = fxUSDUsed + stableUsed * price / PRECISION;
        if (tokenIn == _links().stableToken) tokenUsed = divUp(tokenUsed * PRECISION, price);
        if (colls < minCollOut) revert ErrorInsufficientOutput();
        _receive(tokenIn, tokenUsed);
        emit Rebalance(msg.sender, tokenIn, tokenUsed, colls, fxUSDUsed, stableUsed);
    }

    function _receive(address token, uint256 amount) private {
        pullToken(token, msg.sender, address(this), amount);
        if (token == _links().stableToken) totalStableToken += amount;
        else totalYieldToken += amount;
    }

    /// USDC that is really there.
    function _refresh() private returns (uint256 stable) {
        stable = IToken(_links().stableToken).balanceOf(address(this));
        totalStableToken = stable;
    }

    function _manager() private view returns (ILongManager) {
        return ILongManager(_links().manager);
    }

    function _links() private pure returns (Links storage links) {
        bytes32 slot = keccak256("harrier.reference.fx.base.links");
        assembly ("memory-safe") {
            links.slot := slot
        }
    }

    function _shares() private pure returns (Shares storage shares) {
        assembly ("memory-safe") {
            shares.slot := 0x52c63247e1f47db19d5ce0460030c497f067ca4cebf71ba98eeadabe20bace00
        }
    }
}
