// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {add, check, scale, sub, tokenIn, tokenOut} from "./Checked.sol";
import {ICoin} from "./NgState.sol";
import {Kind, getD, getY, rampedA} from "./StableMath.sol";

/// What the pools of the first generations share. Storage as in the original:
///
///   0 coins    1 admin balances or balances    2 fee    3 admin fee    6-9 the ramp of A    15 killed
abstract contract OldStableSwap {
    uint256 internal constant PRECISION = 1e18;
    uint256 internal constant FEE_DENOMINATOR = 1e10;
    uint256 private constant LOCK = 0xffffff;

    event TokenExchange(
        address indexed buyer, int128 sold_id, uint256 tokens_sold, int128 bought_id, uint256 tokens_bought
    );

    address[] internal allCoins; // slot 0
    uint256[] internal amounts;
    uint256 public fee; // 1e10
    uint256 public admin_fee; // 1e10
    address public owner;
    address internal token;
    uint256 public initial_A; // slot 6
    uint256 public future_A;
    uint256 public initial_A_time;
    uint256 public future_A_time;
    uint256[5] private gap10;
    bool private isKilled; // slot 15

    modifier nonreentrant() {
        uint256 held;
        assembly ("memory-safe") {
            held := sload(LOCK)
        }
        check(held == 0);
        assembly ("memory-safe") {
            sstore(LOCK, 1)
        }
        _;
        assembly ("memory-safe") {
            sstore(LOCK, 0)
        }
    }

    modifier onlyOwner() {
        check(msg.sender == owner);
        _;
    }

    constructor(address[] memory coins_, uint256 amp, uint256 fee_, uint256 adminFee) {
        allCoins = coins_;
        amounts = new uint256[](coins_.length);
        (fee, admin_fee, owner) = (fee_, adminFee, msg.sender);
        initial_A = future_A = amp;
    }

    /// Swaps stop, quotes go on.
    function kill_me() external onlyOwner {
        isKilled = true;
    }

    function unkill_me() external onlyOwner {
        isKilled = false;
    }

    function ramp_A(uint256 to, uint256 end) external onlyOwner {
        check(end > block.timestamp);
        (initial_A, future_A, initial_A_time, future_A_time) = (_amp(), to, block.timestamp, end);
    }

    function coins(uint256 k) external view returns (address) {
        check(k < allCoins.length);
        return allCoins[k];
    }

    function _kind() internal pure virtual returns (Kind);

    function _amp() internal view returns (uint256) {
        return rampedA(initial_A, future_A, initial_A_time, future_A_time);
    }

    function _notKilled() internal view {
        check(!isKilled);
    }

    /// xp of j that is left over, the product of the trade before fees and rates.
    function _gross(uint256[] memory xp, uint256 from, uint256 to, uint256 x) internal view returns (uint256) {
        uint256 amp = _amp();
        uint256 y = getY(from, to, x, xp, amp, getD(xp, amp, _kind()), _kind());
        return sub(sub(xp[to], y), 1);
    }

    function _scaled(uint256[] memory rates, uint256[] memory held) internal pure returns (uint256[] memory xp) {
        xp = new uint256[](held.length);
        for (uint256 k; k < held.length; ++k) {
            xp[k] = scale(rates[k], held[k], PRECISION);
        }
    }

    function _pair(int128 i, int128 j) internal view returns (uint256, uint256) {
        uint256 n = allCoins.length;
        check(i != j && i >= 0 && j >= 0 && uint128(i) < n && uint128(j) < n);
        return (uint128(i), uint128(j));
    }
}

/// The kind of stETH/ETH: coin 0 is ether, coin 1 a token whose balances may grow. Quotes equal swaps.
contract EthStableSwap is OldStableSwap {
    /// `amp`: A times 100.
    constructor(address[] memory coins_, uint256 amp, uint256 fee_, uint256 adminFee, address lpToken)
        payable
        OldStableSwap(coins_, amp, fee_, adminFee)
    {
        check(coins_.length == 2 && coins_[0] == 0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE);
        token = lpToken;
    }

    function lp_token() external view returns (address) {
        return token;
    }

    function A() external view returns (uint256) {
        return _amp() / 100;
    }

    function A_precise() external view returns (uint256) {
        return _amp();
    }

    function balances(uint256 k) external view returns (uint256) {
        check(k < 2);
        return _held(0)[k];
    }

    function admin_balances(uint256 k) external view returns (uint256) {
        check(k < 2);
        return amounts[k];
    }

    function get_dy(int128 i, int128 j, uint256 dx) external view returns (uint256) {
        (uint256 from, uint256 to) = _pair(i, j);
        uint256[] memory xp = _held(0);
        uint256 gross = _gross(xp, from, to, add(xp[from], dx));
        return sub(gross, scale(fee, gross, FEE_DENOMINATOR));
    }

    function exchange(int128 i, int128 j, uint256 dx, uint256 minDy) external payable nonreentrant returns (uint256 dy) {
        _notKilled();
        (uint256 from, uint256 to) = _pair(i, j);
        check(dx > 0 && msg.value == (from == 0 ? dx : 0));
        uint256[] memory xp = _held(msg.value);
        uint256 gross = _gross(xp, from, to, add(xp[from], dx));
        uint256 charged = scale(gross, fee, FEE_DENOMINATOR);
        dy = sub(gross, charged);
        if (dy < minDy) revert("Exchange resulted in fewer coins than expected");
        amounts[to] = add(amounts[to], scale(charged, admin_fee, FEE_DENOMINATOR));
        if (from == 0) {
            tokenOut(allCoins[1], msg.sender, dy);
        } else {
            tokenIn(allCoins[1], msg.sender, address(this), dx);
            (bool ok,) = msg.sender.call{value: dy}("");
            check(ok);
        }
        emit TokenExchange(msg.sender, i, dx, j, dy);
    }

    /// Liquidity for tests, without a token of it.
    function donate() external payable {}

    function _kind() internal pure override returns (Kind) {
        return Kind.A100;
    }

    function _held(uint256 justArrived) private view returns (uint256[] memory held) {
        held = new uint256[](2);
        held[0] = sub(sub(address(this).balance, amounts[0]), justArrived);
        held[1] = sub(ICoin(allCoins[1]).balanceOf(address(this)), amounts[1]);
    }
}

/// The kind of 3pool: `exchange` returns nothing, and a quote may be one unit above what the swap pays.
contract ThreeStableSwap is OldStableSwap {
    /// `amp`: A as it is.
    constructor(address[] memory coins_, uint256 amp, uint256 fee_, uint256 adminFee)
        OldStableSwap(coins_, amp, fee_, adminFee)
    {}

    function A() external view returns (uint256) {
        return _amp();
    }

    /// What is booked, without the admin part.
    function balances(uint256 k) external view returns (uint256) {
        check(k < allCoins.length);
        return amounts[k];
    }

    function admin_balances(uint256 k) external view returns (uint256) {
        check(k < allCoins.length);
        return sub(ICoin(allCoins[k]).balanceOf(address(this)), amounts[k]);
    }

    function get_dy(int128 i, int128 j, uint256 dx) external view returns (uint256) {
        (uint256 from, uint256 to) = _pair(i, j);
        uint256[] memory rates = _rates();
        uint256[] memory xp = _scaled(rates, amounts);
        uint256 gross = scale(_gross(xp, from, to, add(xp[from], scale(dx, rates[from], PRECISION))), PRECISION, rates[to]);
        return sub(gross, scale(fee, gross, FEE_DENOMINATOR));
    }

    function exchange(int128 i, int128 j, uint256 dx, uint256 minDy) external nonreentrant {
        _notKilled();
        (uint256 from, uint256 to) = _pair(i, j);
        check(dx > 0);
        uint256[] memory rates = _rates();
        uint256[] memory xp = _scaled(rates, amounts);
        uint256 arrived = _receive(from, dx);
        uint256 gross = _gross(xp, from, to, add(xp[from], scale(arrived, rates[from], PRECISION)));
        uint256 charged = scale(gross, fee, FEE_DENOMINATOR);
        uint256 dy = scale(sub(gross, charged), PRECISION, rates[to]);
        if (dy < minDy) revert("Exchange resulted in fewer coins than expected");
        uint256 admin = scale(scale(charged, admin_fee, FEE_DENOMINATOR), PRECISION, rates[to]);
        amounts[from] = add(amounts[from], arrived);
        amounts[to] = sub(sub(amounts[to], dy), admin);
        tokenOut(allCoins[to], msg.sender, dy);
        emit TokenExchange(msg.sender, i, dx, j, dy);
    }

    /// Books everything that lies here: liquidity for tests, without a token of it.
    function donate() external onlyOwner {
        amounts = new uint256[](allCoins.length);
        for (uint256 k; k < allCoins.length; ++k) {
            amounts[k] = ICoin(allCoins[k]).balanceOf(address(this));
        }
    }

    function _kind() internal pure override returns (Kind) {
        return Kind.A1;
    }

    function _rates() private view returns (uint256[] memory rates) {
        rates = new uint256[](allCoins.length);
        for (uint256 k; k < rates.length; ++k) {
            rates[k] = 10 ** (36 - uint256(ICoin(allCoins[k]).decimals()));
        }
    }

    /// Coin 2 alone may keep a fee on transfer; of the others the nominal amount is booked.
    function _receive(uint256 k, uint256 dx) private returns (uint256) {
        address coin = allCoins[k];
        uint256 before = ICoin(coin).balanceOf(address(this));
        tokenIn(coin, msg.sender, address(this), dx);
        return k == 2 ? sub(ICoin(coin).balanceOf(address(this)), before) : dx;
    }
}
