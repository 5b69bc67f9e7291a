// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {IFluxFactory, IOracleRegistry} from "./IFlux.sol";
import {amountsOf, rootAt} from "./UniswapV3Amounts.sol";
import {WrapperLedger} from "./WrapperLedger.sol";

interface IUniswapV3Factory {
    function getPool(address token0, address token1, uint24 fee) external view returns (address);
}

interface IUniswapV3Pool {
    function slot0() external view returns (uint160, int24, uint16, uint16, uint16, uint8, bool);
}

interface IPositionManager {
    struct Decrease {
        uint256 tokenId;
        uint128 liquidity;
        uint256 amount0Min;
        uint256 amount1Min;
        uint256 deadline;
    }

    struct Collect {
        uint256 tokenId;
        address recipient;
        uint128 amount0Max;
        uint128 amount1Max;
    }

    function factory() external view returns (address);
    function ownerOf(uint256 tokenId) external view returns (address);
    function transferFrom(address from, address to, uint256 tokenId) external;
    function positions(uint256 tokenId)
        external
        view
        returns (
            uint96 nonce,
            address operator,
            address token0,
            address token1,
            uint24 fee,
            int24 tickLower,
            int24 tickUpper,
            uint128 liquidity,
            uint256 feeGrowthInside0,
            uint256 feeGrowthInside1,
            uint128 tokensOwed0,
            uint128 tokensOwed1
        );
    function decreaseLiquidity(Decrease calldata) external payable returns (uint256 amount0, uint256 amount1);
    function collect(Collect calldata) external payable returns (uint256 amount0, uint256 amount1);
}

/// Uniswap V3 positions as collateral, each an NFT whose id is the position's. [R]
///
///     liquidity, range ──┐
///     pool's root price ─┴▶ amounts of both tokens ──+ tokens owed──▶ registry ──▶ USD, each token rounded down on its own
///
/// The pool that a position belongs to says what is in it, so a swap there moves its value. Position zero stands for all of a
/// subaccount's. An NFT can't be divided: while there is one, only all of the ledger can be transferred.
contract UniswapV3Wrapper is WrapperLedger {
    error OnlyOne();
    error NothingToClaim();
    error NotYours();
    error Indivisible();

    /// What a position is made of, as far as it has a value.
    struct Holding {
        address token0;
        address token1;
        uint256 amount0;
        uint256 amount1;
    }

    mapping(uint256 => bool) public booked; // slot 3: owned inside
    IUniswapV3Factory private immutable pools;

    /// The underlying asset is the position manager.
    constructor(address positionManager, IFluxFactory factory_) WrapperLedger(positionManager, factory_) {
        pools = IUniswapV3Factory(IPositionManager(positionManager).factory());
    }

    function getValue(address account, address subaccount, bytes32 positionId) external view returns (uint256 value) {
        if (positionId != 0) return getBalance(account, subaccount, positionId) == 0 ? 0 : valueOf(uint256(positionId));
        bytes32[] memory ids = positionsOf(account, subaccount);
        for (uint256 i; i < ids.length; ++i) {
            value += valueOf(uint256(ids[i]));
        }
    }

    /// USD of one NFT.
    function valueOf(uint256 tokenId) public view returns (uint256) {
        Holding memory held = holdingOf(tokenId);
        IOracleRegistry registry = _registry();
        return registry.getValueUSD(held.token0, held.amount0) + registry.getValueUSD(held.token1, held.amount1);
    }

    /// What one NFT holds at its pool's price, with what is owed to it already; fees that nobody has updated are left out.
    function holdingOf(uint256 tokenId) public view returns (Holding memory held) {
        uint24 fee;
        int24 lower;
        int24 upper;
        uint128 liquidity;
        uint128 owed0;
        uint128 owed1;
        (,, held.token0, held.token1, fee, lower, upper, liquidity,,, owed0, owed1) =
            IPositionManager(underlyingAsset).positions(tokenId);
        (uint160 root,,,,,,) = IUniswapV3Pool(pools.getPool(held.token0, held.token1, fee)).slot0();
        (held.amount0, held.amount1) = amountsOf(liquidity, root, rootAt(lower), rootAt(upper));
        held.amount0 += owed0;
        held.amount1 += owed1;
    }

    function deposit(address account, address subaccount, bytes32 positionId, uint256 amount, address from)
        external
        onlyVault(account)
    {
        if (amount != 1) revert OnlyOne();
        IPositionManager(underlyingAsset).transferFrom(from, address(this), uint256(positionId));
        _claim(account, subaccount, positionId);
    }

    function withdraw(address account, address subaccount, bytes32 positionId, uint256 amount, address to)
        external
        onlyVault(account)
    {
        if (amount != 1) revert OnlyOne();
        _debit(account, subaccount, positionId, 1);
        booked[uint256(positionId)] = false;
        IPositionManager(underlyingAsset).transferFrom(address(this), to, uint256(positionId));
    }

    /// By the NFT's id; the position's id is the same, or zero.
    function claim(address account, address subaccount, bytes32 positionId, uint256 tokenId) external onlyVault(account) {
        if (positionId != 0 && uint256(positionId) != tokenId) revert NothingToClaim();
        _claim(account, subaccount, bytes32(tokenId));
    }

    /// Takes liquidity out of a position and collects all that is owed to it: `data` is (token id, liquidity).
    function customInteraction(address account, address subaccount, bytes calldata data, address to)
        external
        onlyVault(account)
    {
        (uint256 tokenId, uint128 liquidity) = abi.decode(data, (uint256, uint128));
        if (getBalance(account, subaccount, bytes32(tokenId)) == 0) revert NotYours();
        IPositionManager manager = IPositionManager(underlyingAsset);
        if (liquidity != 0) manager.decreaseLiquidity(IPositionManager.Decrease(tokenId, liquidity, 0, 0, block.timestamp));
        manager.collect(IPositionManager.Collect(tokenId, to, type(uint128).max, type(uint128).max));
    }

    function ledgerTransferFraction(address account, address from, address to, uint256 fractionWad)
        external
        onlyVault(account)
    {
        bytes32[] memory ids = positionsOf(account, from);
        if (ids.length != 0 && fractionWad != WAD) revert Indivisible();
        for (uint256 i; i < ids.length; ++i) {
            _debit(account, from, ids[i], 1);
            _credit(account, to, ids[i], 1);
        }
    }

    function _claim(address account, address subaccount, bytes32 id) private {
        bool mine = IPositionManager(underlyingAsset).ownerOf(uint256(id)) == address(this);
        if (!mine || booked[uint256(id)]) revert NothingToClaim();
        booked[uint256(id)] = true;
        _credit(account, subaccount, id, 1);
    }
}
