// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {add, check, div, mul, scale, sub, tokenIn, tokenOut} from "./Checked.sol";
import {ICoin} from "./NgState.sol";
import {NgToken} from "./NgToken.sol";
import {Kind, getD, getYD} from "./StableMath.sol";

/// Deposits and withdrawals, and what they share with swaps: tokens in and out, the dynamic fee, spot prices.
abstract contract NgLiquidity is NgToken {
    event AddLiquidity(
        address indexed provider, uint256[] token_amounts, uint256[] fees, uint256 invariant, uint256 token_supply
    );
    event RemoveLiquidity(address indexed provider, uint256[] token_amounts, uint256[] fees, uint256 token_supply);
    event RemoveLiquidityOne(
        address indexed provider, int128 token_id, uint256 token_amount, uint256 coin_amount, uint256 token_supply
    );

    /// What runs along during a deposit or withdrawal.
    struct Change {
        uint256[] rates;
        uint256 amp;
        uint256 d0;
        uint256 d1;
        uint256 baseFee;
    }

    function get_virtual_price() external view guarded returns (uint256) {
        return scale(_d(_xp(_rates(), _balances()), A_precise()), PRECISION, supply);
    }

    function add_liquidity(uint256[] calldata amounts, uint256 minMint) external returns (uint256) {
        return add_liquidity(amounts, minMint, msg.sender);
    }

    function add_liquidity(uint256[] calldata amounts, uint256 minMint, address receiver)
        public
        nonreentrant
        returns (uint256 minted)
    {
        check(receiver != address(0) && amounts.length == N_COINS());
        Change memory change = _begin();
        uint256[] memory old = _balances();
        uint256[] memory arrived = new uint256[](old.length);
        uint256[] memory now_ = new uint256[](old.length);
        for (uint256 k; k < old.length; ++k) {
            check(supply > 0 || amounts[k] > 0);
            if (amounts[k] > 0) arrived[k] = _receive(k, amounts[k], false);
            now_[k] = add(old[k], arrived[k]);
        }
        change.d1 = _d(_xp(change.rates, now_), change.amp);
        check(change.d1 > change.d0);
        uint256[] memory fees = new uint256[](old.length);
        uint256 invariant = change.d1;
        if (supply == 0) {
            minted = change.d1;
            _restartD(change.d1);
        } else {
            for (uint256 k; k < old.length; ++k) {
                fees[k] = _depositFee(change, k, old[k], now_[k]);
                _addAdmin(k, scale(fees[k], admin_fee, FEE_DENOMINATOR));
                now_[k] = sub(now_[k], fees[k]);
            }
            uint256[] memory xp = _xp(change.rates, now_);
            invariant = _d(xp, change.amp);
            minted = scale(supply, sub(invariant, change.d0), change.d0);
            _upkeep(_spot(xp, change.amp, invariant), invariant);
        }
        if (minted < minMint) revert("Slippage screwed you");
        _mint(receiver, minted);
        emit AddLiquidity(msg.sender, arrived, fees, invariant, supply);
    }

    /// Of every coin its part, without a fee.
    function remove_liquidity(uint256 burned, uint256[] calldata minAmounts)
        external
        nonreentrant
        returns (uint256[] memory amounts)
    {
        uint256[] memory held = _balances();
        check(burned > 0 && minAmounts.length == held.length);
        uint256 all = supply;
        amounts = new uint256[](held.length);
        for (uint256 k; k < held.length; ++k) {
            amounts[k] = scale(held[k], burned, all);
            if (amounts[k] < minAmounts[k]) revert("Withdrawal resulted in fewer coins than expected");
            _send(k, msg.sender, amounts[k]);
        }
        _burn(msg.sender, burned);
        uint256 last = _lastD();
        _upkeepD(sub(last, scale(last, burned, all)));
        emit RemoveLiquidity(msg.sender, amounts, new uint256[](held.length), supply);
    }

    function remove_liquidity_one_coin(uint256 burned, int128 i, uint256 minReceived)
        external
        nonreentrant
        returns (uint256 received)
    {
        check(burned > 0 && i >= 0 && uint128(i) < N_COINS());
        uint256 k = uint128(i);
        Change memory change = _begin();
        uint256[] memory xp;
        uint256 charged;
        (received, charged, xp) = _withdrawal(change, burned, k);
        if (received < minReceived) revert("Not enough coins removed");
        _addAdmin(k, scale(charged, admin_fee, FEE_DENOMINATOR));
        _burn(msg.sender, burned);
        _send(k, msg.sender, received);
        emit RemoveLiquidityOne(msg.sender, i, burned, received, supply);
        _upkeep(_spot(xp, change.amp, change.d1), change.d1);
    }

    function calc_withdraw_one_coin(uint256 burned, int128 i) external view returns (uint256 received) {
        check(i >= 0 && uint128(i) < N_COINS());
        (received,,) = _withdrawal(_begin(), burned, uint128(i));
    }

    function _begin() private view returns (Change memory change) {
        uint256 n = N_COINS();
        change.rates = _rates();
        change.amp = A_precise();
        change.d0 = _d(_xp(change.rates, _balances()), change.amp);
        change.baseFee = fee * n / (4 * (n - 1));
    }

    /// On the difference from a deposit in the pool's own proportions.
    function _depositFee(Change memory change, uint256 k, uint256 old, uint256 now_) private view returns (uint256) {
        uint256 ideal = scale(change.d1, old, change.d0);
        uint256 difference = ideal > now_ ? ideal - now_ : now_ - ideal;
        uint256 xs = scale(change.rates[k], add(old, now_), PRECISION);
        uint256 ys = add(change.d0, change.d1) / change.rates.length;
        return scale(_dynamicFee(xs, ys, change.baseFee), difference, FEE_DENOMINATOR);
    }

    /// Also gives the fee, in the coin's units, and the xp after it.
    function _withdrawal(Change memory change, uint256 burned, uint256 i)
        private
        view
        returns (uint256 received, uint256 charged, uint256[] memory xp)
    {
        xp = _xp(change.rates, _balances());
        change.d1 = sub(change.d0, scale(burned, change.d0, supply));
        uint256 y = getYD(i, xp, change.amp, change.d1, Kind.Ng);
        uint256 ys = add(change.d0, change.d1) / (2 * xp.length);
        uint256[] memory reduced = new uint256[](xp.length);
        for (uint256 k; k < xp.length; ++k) {
            uint256 kept = scale(xp[k], change.d1, change.d0);
            uint256 expected = k == i ? sub(kept, y) : sub(xp[k], kept);
            uint256 average = k == i ? add(xp[k], y) / 2 : xp[k];
            reduced[k] = sub(xp[k], scale(_dynamicFee(average, ys, change.baseFee), expected, FEE_DENOMINATOR));
        }
        received = sub(reduced[i], getYD(i, reduced, change.amp, change.d1, Kind.Ng));
        received = scale(sub(received, 1), PRECISION, change.rates[i]);
        charged = sub(scale(sub(xp[i], y), PRECISION, change.rates[i]), received);
        xp[i] = y;
    }

    function _d(uint256[] memory xp, uint256 amp) internal pure returns (uint256) {
        return getD(xp, amp, Kind.Ng);
    }

    /// The fee grows as the two coins drift apart, 1e10.
    function _dynamicFee(uint256 a, uint256 b, uint256 base) internal view returns (uint256) {
        uint256 multiplier = offpeg_fee_multiplier;
        if (multiplier <= FEE_DENOMINATOR) return base;
        uint256 both = mul(add(a, b), add(a, b));
        uint256 bottom = add(scale(mul(multiplier - FEE_DENOMINATOR, 4), mul(a, b), both), FEE_DENOMINATOR);
        return scale(multiplier, base, bottom);
    }

    /// Marginal prices of coins 1 … in units of coin 0.
    function _spot(uint256[] memory xp, uint256 amp, uint256 d) internal pure returns (uint256[] memory prices) {
        uint256 n = xp.length;
        uint256 ann = mul(amp, n);
        uint256 dr = d / n ** n;
        for (uint256 k; k < n; ++k) {
            dr = scale(dr, d, xp[k]);
        }
        uint256 a0 = scale(ann, xp[0], A_PRECISION);
        prices = new uint256[](n - 1);
        for (uint256 k = 1; k < n; ++k) {
            prices[k - 1] = div(mul(PRECISION, add(a0, scale(dr, xp[0], xp[k]))), add(a0, dr));
        }
    }

    /// What really arrived. `already` takes everything that lies in the pool unbooked.
    function _receive(uint256 k, uint256 amount, bool already) internal returns (uint256 arrived) {
        address coin = _fixed().coins[k];
        uint256 before = already ? stored[k] : ICoin(coin).balanceOf(address(this));
        if (!already) tokenIn(coin, msg.sender, address(this), amount);
        arrived = sub(ICoin(coin).balanceOf(address(this)), before);
        if (already) check(arrived >= amount);
        stored[k] = add(stored[k], arrived);
    }

    function _send(uint256 k, address to, uint256 amount) internal {
        if (_fixed().isRebasing) stored[k] = sub(ICoin(_fixed().coins[k]).balanceOf(address(this)), amount);
        else stored[k] = sub(stored[k], amount);
        tokenOut(_fixed().coins[k], to, amount);
    }
}
