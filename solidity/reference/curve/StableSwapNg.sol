// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {add, check, scale, sub} from "./Checked.sol";
import {NgLiquidity} from "./NgLiquidity.sol";
import {Kind, getY} from "./StableMath.sol";

/// A Curve StableSwap-NG pool of two to eight coins, to the unit like the original: swaps, quotes, deposits, averages.
///
///     exchange:           pulls dx, swaps what arrived
///     exchange_received:  swaps everything that lies in the pool unbooked; anybody may
///
/// The quotes use A without its last two digits, as the original's view contract does: they are wrong while A ramps.
contract StableSwapNg is NgLiquidity {
    event TokenExchange(
        address indexed buyer, int128 sold_id, uint256 tokens_sold, int128 bought_id, uint256 tokens_bought
    );

    /// `numbers`: A, fee (1e10), off-peg multiplier (1e10), window of the price average (seconds / ln 2).
    constructor(address[] memory coins_, uint256[4] memory numbers, uint8[] memory types, uint256[] memory oracles) {
        _start(coins_, numbers, types, oracles);
    }

    function exchange(int128 i, int128 j, uint256 dx, uint256 minDy) external nonreentrant returns (uint256) {
        return _exchange(i, j, dx, minDy, msg.sender, false);
    }

    function exchange(int128 i, int128 j, uint256 dx, uint256 minDy, address receiver)
        external
        nonreentrant
        returns (uint256)
    {
        return _exchange(i, j, dx, minDy, receiver, false);
    }

    function exchange_received(int128 i, int128 j, uint256 dx, uint256 minDy) external nonreentrant returns (uint256) {
        return _exchange(i, j, dx, minDy, msg.sender, true);
    }

    function exchange_received(int128 i, int128 j, uint256 dx, uint256 minDy, address receiver)
        external
        nonreentrant
        returns (uint256)
    {
        return _exchange(i, j, dx, minDy, receiver, true);
    }

    /// What selling `dx` of coin i gives; exact unless A ramps.
    function get_dy(int128 i, int128 j, uint256 dx) external view returns (uint256) {
        (uint256 from, uint256 to) = _pair(i, j);
        uint256[] memory rates = _rates();
        uint256[] memory xp = _xp(rates, _balances());
        uint256 amp = A() * A_PRECISION;
        uint256 x = add(xp[from], scale(dx, rates[from], PRECISION));
        uint256 y = getY(from, to, x, xp, amp, _d(xp, amp), Kind.Ng);
        uint256 gross = sub(sub(xp[to], y), 1);
        uint256 charged = scale(_dynamicFee(add(xp[from], x) / 2, add(xp[to], y) / 2, fee), gross, FEE_DENOMINATOR);
        return scale(sub(gross, charged), PRECISION, rates[to]);
    }

    /// About what must be sold for `dy` of coin j: with the fee of the present state.
    function get_dx(int128 i, int128 j, uint256 dy) external view returns (uint256) {
        (uint256 from, uint256 to) = _pair(i, j);
        uint256[] memory rates = _rates();
        uint256[] memory xp = _xp(rates, _balances());
        uint256 amp = A() * A_PRECISION;
        uint256 wanted = add(scale(dy, rates[to], PRECISION), 1);
        uint256 gross = scale(wanted, FEE_DENOMINATOR, FEE_DENOMINATOR - _dynamicFee(xp[from], xp[to], fee));
        uint256 x = getY(to, from, sub(xp[to], gross), xp, amp, _d(xp, amp), Kind.Ng);
        return scale(sub(x, xp[from]), PRECISION, rates[from]);
    }

    /// The fee at the present point, 1e10; not that of a trade.
    function dynamic_fee(int128 i, int128 j) external view returns (uint256) {
        (uint256 from, uint256 to) = _pair(i, j);
        uint256[] memory xp = _xp(_rates(), _balances());
        return _dynamicFee(xp[from], xp[to], fee);
    }

    /// The marginal price of coin k + 1 in units of coin 0.
    function get_p(uint256 k) external view returns (uint256) {
        uint256[] memory xp = _xp(_rates(), _balances());
        check(k + 1 < xp.length);
        uint256 amp = A_precise();
        return _spot(xp, amp, _d(xp, amp))[k];
    }

    function _exchange(int128 i, int128 j, uint256 dx, uint256 minDy, address receiver, bool already)
        private
        returns (uint256 dy)
    {
        (uint256 from, uint256 to) = _pair(i, j);
        check(dx > 0 && receiver != address(0) && !(already && _fixed().isRebasing));
        uint256[] memory rates = _rates();
        uint256[] memory xp = _xp(rates, _balances());
        dx = _receive(from, dx, already);
        dy = _swap(rates, xp, from, to, add(xp[from], scale(dx, rates[from], PRECISION)));
        if (dy < minDy) revert("Exchange resulted in fewer coins than expected");
        _send(to, receiver, dy);
        emit TokenExchange(msg.sender, i, dx, j, dy);
    }

    /// Fees, and the averages with the fee-free point.
    function _swap(uint256[] memory rates, uint256[] memory xp, uint256 from, uint256 to, uint256 x)
        private
        returns (uint256 dy)
    {
        uint256 amp = A_precise();
        uint256 d = _d(xp, amp);
        uint256 y = getY(from, to, x, xp, amp, d, Kind.Ng);
        uint256 gross = sub(sub(xp[to], y), 1);
        uint256 charged = scale(_dynamicFee(add(xp[from], x) / 2, add(xp[to], y) / 2, fee), gross, FEE_DENOMINATOR);
        dy = scale(sub(gross, charged), PRECISION, rates[to]);
        _addAdmin(to, scale(scale(charged, admin_fee, FEE_DENOMINATOR), PRECISION, rates[to]));
        (xp[from], xp[to]) = (x, y);
        _upkeep(_spot(xp, amp, d), d);
    }

    function _pair(int128 i, int128 j) private view returns (uint256, uint256) {
        uint256 n = N_COINS();
        check(i != j && i >= 0 && j >= 0 && uint128(i) < n && uint128(j) < n);
        return (uint128(i), uint128(j));
    }
}
