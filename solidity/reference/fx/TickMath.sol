// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

// Ticks of an f(x) pool: a tick is a power of 1.0015, a ratio is debt shares per collateral share times 2^96.

// The first and the last tick; one below the first means "no tick".
int256 constant MIN_TICK = -32767;
int256 constant MAX_TICK = 32767;
int16 constant NO_TICK = -32768;

uint256 constant ONE_X96 = 1 << 96;
// The smallest and the largest ratio with a tick; others revert without data.
uint256 constant MIN_RATIO = 37075071;
uint256 constant MAX_RATIO = 169307877264527972847801929085841449095838922544595;

// Scale of the powers by which `tickAt` divides.
uint256 constant POWER_SCALE = 1e26;

/// 2^128 / 1.0015^(2^bit), as the contracts have them.
function downFactor(uint256 bit) pure returns (uint256) {
    if (bit == 0) return 0xff9dd7de423466c20352b1246ce4856f;
    if (bit == 1) return 0xff3bd55f4488ad277531fa1c725a66d0;
    if (bit == 2) return 0xfe78410fd6498b73cb96a6917f853259;
    if (bit == 3) return 0xfcf2d9987c9be178ad5bfeffaa123273;
    if (bit == 4) return 0xf9ef02c4529258b057769680fc6601b3;
    if (bit == 5) return 0xf402d288133a85a17784a411f7aba082;
    if (bit == 6) return 0xe895615b5beb6386553757b0352bda90;
    if (bit == 7) return 0xd34f17a00ffa00a8309940a15930391a;
    if (bit == 8) return 0xae6b7961714e20548d88ea5123f9a0ff;
    if (bit == 9) return 0x76d6461f27082d74e0feed3b388c0ca1;
    if (bit == 10) return 0x372a3bfe0745d8b6b19d985d9a8b85bb;
    if (bit == 11) return 0x0be32cbee48979763cf7247dd7bb539d;
    if (bit == 12) return 0x8d4f70c9ff4924dac37612d1e2921e;
    if (bit == 13) return 0x4e009ae5519380809a02ca7aec77;
    return 0x17c45e641b6e95dee056ff10;
}

/// 1.0015^(2^bit) times 1e26.
function upPower(uint256 bit) pure returns (uint256) {
    if (bit == 14) return 4626198540796508716348404308351034442;
    if (bit == 13) return 21508599537851153911767490449162;
    if (bit == 12) return 46377364670549310883002866648;
    if (bit == 11) return 2153540449365864845468344760;
    if (bit == 10) return 464062544207767844008185024;
    if (bit == 9) return 215421109505955298802281577;
    if (bit == 8) return 146772309890508740607270614;
    if (bit == 7) return 121149622323187099817270416;
    if (bit == 6) return 110067989135437147685980801;
    if (bit == 5) return 104913292358707887270979599;
    if (bit == 4) return 102427189924701091191840927;
    if (bit == 3) return 101206318935480056907421312;
    if (bit == 2) return 100601351350506250000000000;
    if (bit == 1) return 100300225000000000000000000;
    return 100150000000000000000000000;
}

/// The ratio of `tick` times 2^96, rounded up from tick 0 on and down below it.
function ratioAt(int256 tick) pure returns (uint256) {
    uint256 magnitude = uint256(tick < 0 ? -tick : tick);
    if (magnitude > uint256(MAX_TICK)) _stop();
    // The first factor replaces: 2^128 / 1.0015 exactly as given.
    uint256 value = magnitude & 1 == 0 ? 1 << 128 : downFactor(0);
    for (uint256 bit = 1; bit < 15; ++bit) {
        if (magnitude >> bit & 1 == 1) value = value * downFactor(bit) >> 128;
    }
    if (tick < 0) return value >> 32;
    value = type(uint256).max / value;
    return (value >> 32) + (value & 0xffffffff == 0 ? 0 : 1);
}

/// The tick of a ratio, about the last one whose ratio is no larger, and that tick's ratio as far as the division left it:
/// a unit or so off `ratioAt`. Reverts without data when the ratio is outside the range of ticks.
function tickAt(uint256 ratio) pure returns (int256 tick, uint256 perfect) {
    if (ratio < MIN_RATIO || ratio > MAX_RATIO) _stop();
    bool isBelowOne = ratio < ONE_X96;
    uint256 value = isBelowOne ? ONE_X96 * POWER_SCALE / ratio : ratio * POWER_SCALE / ONE_X96;
    uint256 bits;
    for (uint256 left = 15; left > 0; --left) {
        uint256 power = upPower(left - 1);
        if (value >= power) {
            bits |= 1 << (left - 1);
            value = value * POWER_SCALE / power;
        }
    }
    tick = isBelowOne ? -int256(bits) - 1 : int256(bits);
    perfect = isBelowOne ? ratio * value / upPower(0) : ratio * POWER_SCALE / value;
}

/// The tick that holds these shares: the first whose ratio is at least theirs. Division by zero without collateral.
function tickOf(uint256 collShares, uint256 debtShares) pure returns (int256 tick) {
    uint256 ratio = debtShares * ONE_X96 / collShares;
    (tick,) = tickAt(ratio);
    // The smallest ratio of all is given one tick too low, where the table ends.
    if (tick < MIN_TICK || ratioAt(tick) < ratio) ++tick;
}

/// Reverts without data.
function _stop() pure {
    assembly ("memory-safe") {
        revert(0, 0)
    }
}
