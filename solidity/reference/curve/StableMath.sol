// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {add, check, mul, scale, stop, sub} from "./Checked.sol";

// The StableSwap invariant in integers. Every product is checked, every division rounds down, a failure has no data.
//
//     Ann * S + D = Ann * D + D^(n+1) / (n^n * product of all x)       Ann = amp * n

/// The generations differ in how D's product is divided.
enum Kind {
    Ng, // q * D / x, at the end by n^n; amp times 100
    A100, // q * D / (x * n + 1); amp times 100
    A1 // q * D / (x * n); amp as it is; D without convergence is taken as it is
}

/// The factor by which `amp` is larger than A.
function precisionOf(Kind kind) pure returns (uint256) {
    return kind == Kind.A1 ? 1 : 100;
}

function getD(uint256[] memory xp, uint256 amp, Kind kind) pure returns (uint256 d) {
    uint256 n = xp.length;
    uint256 sum;
    for (uint256 k; k < n; ++k) {
        sum = add(sum, xp[k]);
    }
    if (sum == 0) return 0;
    d = sum;
    uint256 ann = mul(amp, n);
    uint256 p = precisionOf(kind);
    for (uint256 round; round < 255; ++round) {
        uint256 q = _product(xp, d, kind);
        uint256 last = d;
        uint256 top = mul(add(scale(ann, sum, p), mul(q, n)), d);
        d = top / add(scale(sub(ann, p), d, p), mul(n + 1, q));
        if (d > last ? d - last <= 1 : last - d <= 1) return d;
    }
    if (kind != Kind.A1) stop();
}

function _product(uint256[] memory xp, uint256 d, Kind kind) pure returns (uint256 q) {
    uint256 n = xp.length;
    q = d;
    for (uint256 k; k < n; ++k) {
        if (kind == Kind.Ng) q = scale(q, d, xp[k]);
        else q = scale(q, d, add(mul(xp[k], n), kind == Kind.A100 ? 1 : 0));
    }
    if (kind == Kind.Ng) q /= n ** n;
}

/// The new xp of coin j when coin i's becomes `x`.
function getY(uint256 i, uint256 j, uint256 x, uint256[] memory xp, uint256 amp, uint256 d, Kind kind)
    pure
    returns (uint256)
{
    check(i != j && i < xp.length && j < xp.length);
    uint256[] memory others = new uint256[](xp.length);
    for (uint256 k; k < xp.length; ++k) {
        others[k] = k == i ? x : xp[k];
    }
    return getYD(j, others, amp, d, kind);
}

/// The xp of coin j that gives the invariant `d` with all others as they are.
function getYD(uint256 j, uint256[] memory xp, uint256 amp, uint256 d, Kind kind) pure returns (uint256 y) {
    uint256 n = xp.length;
    check(j < n);
    uint256 ann = mul(amp, n);
    uint256 p = precisionOf(kind);
    uint256 c = d;
    uint256 sum;
    for (uint256 k; k < n; ++k) {
        if (k == j) continue;
        sum = add(sum, xp[k]);
        c = scale(c, d, mul(xp[k], n));
    }
    c = scale(mul(c, d), p, mul(ann, n));
    uint256 b = add(sum, scale(d, p, ann));
    y = d;
    for (uint256 round; round < 255; ++round) {
        uint256 last = y;
        uint256 bottom = sub(add(mul(2, y), b), d);
        check(bottom != 0);
        y = add(mul(y, y), c) / bottom;
        if (y > last ? y - last <= 1 : last - y <= 1) return y;
    }
    if (kind != Kind.A1) stop();
}

/// A between the two ends of a ramp.
function rampedA(uint256 from, uint256 to, uint256 start, uint256 end) view returns (uint256) {
    if (block.timestamp >= end) return to;
    uint256 elapsed = block.timestamp - start;
    if (to > from) return from + (to - from) * elapsed / (end - start);
    return from - (from - to) * elapsed / (end - start);
}

/// e^(x / 1e18) * 1e18; zero for very negative x.
function expWad(int256 x) pure returns (uint256) {
    unchecked {
        if (x <= -41446531673892822313) return 0;
        check(x < 135305999368893231589);
        int256 v = (x << 78) / int256(5 ** 18);
        int256 k = ((v << 96) / 54916777467707473351141471128 + 2 ** 95) >> 96;
        v -= k * 54916777467707473351141471128;
        int256 y = (((v + 1346386616545796478920950773328) * v) >> 96) + 57155421227552351082224309758442;
        int256 p = (((y + v - 94201549194550492254356042504812) * y) >> 96) + 28719021644029726153956944680412240;
        p = p * v + (4385272521454847904659076985693276 << 96);
        int256 q = (((v - 2855989394907223263936484059900) * v) >> 96) + 50020603652535783019961831881945;
        q = ((q * v) >> 96) - 533845033583426703283633433725380;
        q = ((q * v) >> 96) + 3604857256930695427073651918091429;
        q = ((q * v) >> 96) - 14423608567350463180887372962807573;
        q = ((q * v) >> 96) + 26449188498355588339934803723976023;
        return uint256(p / q) * 3822833074963236453042738258902158003155416615667 >> uint256(195 - k);
    }
}
