// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {add, check, mul, scale, sub} from "./Checked.sol";
import {expWad, rampedA} from "./StableMath.sol";

interface ICoin {
    function balanceOf(address owner) external view returns (uint256);
    function decimals() external view returns (uint8);
}

interface IVault {
    function asset() external view returns (address);
    function convertToAssets(uint256 shares) external view returns (uint256);
}

/// Storage of a StableSwap-NG pool at the original's slots, balances, rates and the moving averages.
///
///    0 lock              1-9 stored balances      10, 11 fee, off-peg multiplier    12-15 the ramp of A
///   16-24 admin balances   25-33 packed prices    34 packed D                       35-37 windows, packed times
///   38-41 the pool's own token
///
/// What is immutable code in the original (coins, rates, oracles) lies at a hash here.
abstract contract NgState {
    uint256 internal constant PRECISION = 1e18;
    uint256 internal constant FEE_DENOMINATOR = 1e10;
    uint256 internal constant A_PRECISION = 100;
    uint256 internal constant MOST_COINS = 8;
    uint256 internal constant MOST_PRICE = 2e18;
    /// Half of every fee, 1e10.
    uint256 public constant admin_fee = 5e9;

    uint256 private constant FREE = 3;
    uint256 private constant HELD = 2;

    /// Types: 0 plain, 1 rate oracle, 2 rebasing, 3 ERC-4626. `oracles`: selector << 224 | address.
    struct Fixed {
        uint256 n;
        address[8] coins;
        uint256[8] multipliers;
        uint8[8] types;
        uint256[8] oracles;
        bool isRebasing;
        address owner;
    }

    uint256 private lockState; // slot 0
    uint256 private storedLength;
    uint256[8] internal stored; // 2 to 9, with the admin part
    uint256 public fee; // 10, 1e10
    uint256 public offpeg_fee_multiplier;
    uint256 public initial_A; // 12, all times 100
    uint256 public future_A;
    uint256 public initial_A_time;
    uint256 public future_A_time;
    uint256 private adminLength;
    uint256[8] private admins; // 17 to 24
    uint256 private pricesLength;
    uint256[8] private prices; // 26 to 33: low half the last price, high half its average
    uint256 private packedD; // 34
    uint256 public ma_exp_time;
    uint256 public D_ma_time;
    uint256 public ma_last_time; // 37: low half for prices, high half for D

    modifier nonreentrant() {
        check(lockState != HELD);
        lockState = HELD;
        _;
        lockState = FREE;
    }

    modifier guarded() {
        check(lockState != HELD);
        _;
    }

    modifier onlyOwner() {
        check(msg.sender == _fixed().owner);
        _;
    }

    function N_COINS() public view returns (uint256) {
        return _fixed().n;
    }

    function coins(uint256 k) external view returns (address) {
        check(k < N_COINS());
        return _fixed().coins[k];
    }

    /// Without the admin part.
    function balances(uint256 k) external view returns (uint256) {
        check(k < N_COINS());
        return _balances()[k];
    }

    function get_balances() external view returns (uint256[] memory) {
        return _balances();
    }

    function admin_balances(uint256 k) external view returns (uint256) {
        check(k < N_COINS());
        return admins[k];
    }

    function stored_rates() external view returns (uint256[] memory) {
        return _rates();
    }

    /// Rounded down to whole units of A.
    function A() public view returns (uint256) {
        return A_precise() / A_PRECISION;
    }

    function A_precise() public view returns (uint256) {
        return rampedA(initial_A, future_A, initial_A_time, future_A_time);
    }

    /// Of coin k + 1 in units of coin 0, as the last trade left it.
    function last_price(uint256 k) external view returns (uint256) {
        check(k + 1 < N_COINS());
        return uint128(prices[k]);
    }

    /// The stored average.
    function ema_price(uint256 k) external view returns (uint256) {
        check(k + 1 < N_COINS());
        return prices[k] >> 128;
    }

    /// The average as of now.
    function price_oracle(uint256 k) external view guarded returns (uint256) {
        check(k + 1 < N_COINS());
        return _average(prices[k], ma_exp_time, uint128(ma_last_time));
    }

    function D_oracle() external view guarded returns (uint256) {
        return _average(packedD, D_ma_time, ma_last_time >> 128);
    }

    function _start(
        address[] memory coins_,
        uint256[4] memory numbers, // A, fee, off-peg multiplier, price window
        uint8[] memory types,
        uint256[] memory oracles
    ) internal {
        Fixed storage it = _fixed();
        uint256 n = coins_.length;
        check(n >= 2 && n <= MOST_COINS && types.length == n && oracles.length == n);
        it.n = n;
        it.owner = msg.sender;
        for (uint256 k; k < n; ++k) {
            it.coins[k] = coins_[k];
            it.multipliers[k] = 10 ** (36 - ICoin(coins_[k]).decimals());
            it.types[k] = types[k];
            it.oracles[k] = oracles[k];
            if (types[k] == 2) it.isRebasing = true;
            if (k > 0) prices[k - 1] = PRECISION << 128 | PRECISION;
        }
        (storedLength, adminLength, pricesLength) = (n, n, n - 1);
        initial_A = future_A = numbers[0] * A_PRECISION;
        (fee, offpeg_fee_multiplier, ma_exp_time, D_ma_time) = (numbers[1], numbers[2], numbers[3], 62324);
        ma_last_time = block.timestamp << 128 | block.timestamp;
    }

    function _balances() internal view returns (uint256[] memory result) {
        Fixed storage it = _fixed();
        result = new uint256[](it.n);
        for (uint256 k; k < result.length; ++k) {
            uint256 all = it.isRebasing ? ICoin(it.coins[k]).balanceOf(address(this)) : stored[k];
            result[k] = sub(all, admins[k]);
        }
    }

    /// What turns a balance into 18 decimals and its coin's worth, times 1e18.
    function _rates() internal view returns (uint256[] memory result) {
        Fixed storage it = _fixed();
        result = new uint256[](it.n);
        for (uint256 k; k < result.length; ++k) {
            uint256 rate = it.multipliers[k];
            if (it.types[k] == 1 && it.oracles[k] != 0) {
                (bool ok, bytes memory answer) =
                    address(uint160(it.oracles[k])).staticcall(abi.encodePacked(bytes4(uint32(it.oracles[k] >> 224))));
                check(ok && answer.length == 32);
                rate = scale(rate, abi.decode(answer, (uint256)), PRECISION);
            } else if (it.types[k] == 3) {
                IVault vault = IVault(it.coins[k]);
                uint256 assets = vault.convertToAssets(10 ** uint256(ICoin(it.coins[k]).decimals()));
                rate = scale(rate, mul(assets, 10 ** (18 - ICoin(vault.asset()).decimals())), PRECISION);
            }
            result[k] = rate;
        }
    }

    function _xp(uint256[] memory rates, uint256[] memory held) internal pure returns (uint256[] memory result) {
        result = new uint256[](held.length);
        for (uint256 k; k < held.length; ++k) {
            result[k] = scale(rates[k], held[k], PRECISION);
        }
    }

    function _addAdmin(uint256 k, uint256 amount) internal {
        admins[k] = add(admins[k], amount);
    }

    /// Prices and D of the new state; averages move before the new values are stored, once a block.
    function _upkeep(uint256[] memory spot, uint256 d) internal {
        uint256 times = ma_last_time;
        for (uint256 k; k < spot.length; ++k) {
            if (spot[k] == 0) continue;
            uint256 price = spot[k] < MOST_PRICE ? spot[k] : MOST_PRICE;
            prices[k] = _average(prices[k], ma_exp_time, uint128(times)) << 128 | price;
        }
        _upkeepD(d);
        if (uint128(times) < block.timestamp) ma_last_time = ma_last_time >> 128 << 128 | block.timestamp;
    }

    function _upkeepD(uint256 d) internal {
        uint256 times = ma_last_time;
        packedD = _average(packedD, D_ma_time, times >> 128) << 128 | d;
        if (times >> 128 < block.timestamp) ma_last_time = block.timestamp << 128 | uint128(times);
    }

    /// The first deposit: D starts anew.
    function _restartD(uint256 d) internal {
        packedD = d << 128 | d;
        ma_last_time = block.timestamp << 128 | uint128(ma_last_time);
    }

    function _lastD() internal view returns (uint256) {
        return uint128(packedD);
    }

    function _average(uint256 packed, uint256 window, uint256 since) private view returns (uint256) {
        (uint256 last, uint256 average) = (uint128(packed), packed >> 128);
        if (since >= block.timestamp) return average;
        uint256 weight = expWad(-int256((block.timestamp - since) * PRECISION / window));
        return (last * (PRECISION - weight) + average * weight) / PRECISION;
    }

    function _fixed() internal pure returns (Fixed storage it) {
        bytes32 slot = keccak256("harrier.reference.curve.fixed");
        assembly ("memory-safe") {
            it.slot := slot
        }
    }

    // The ramp, for tests: the original's factory owner has it.

    event RampA(uint256 old_A, uint256 new_A, uint256 initial_time, uint256 future_time);
    event StopRampA(uint256 A, uint256 t);
    event ApplyNewFee(uint256 fee, uint256 offpeg_fee_multiplier);

    function ramp_A(uint256 to, uint256 end) external onlyOwner {
        uint256 now_ = A_precise();
        check(end > block.timestamp);
        (initial_A, future_A, initial_A_time, future_A_time) = (now_, to * A_PRECISION, block.timestamp, end);
        emit RampA(now_, to * A_PRECISION, block.timestamp, end);
    }

    function stop_ramp_A() external onlyOwner {
        uint256 now_ = A_precise();
        (initial_A, future_A, initial_A_time, future_A_time) = (now_, now_, block.timestamp, block.timestamp);
        emit StopRampA(now_, block.timestamp);
    }

    function set_new_fee(uint256 fee_, uint256 multiplier) external onlyOwner {
        (fee, offpeg_fee_multiplier) = (fee_, multiplier);
        emit ApplyNewFee(fee_, multiplier);
    }
}
