// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {PRECISION} from "./Fields.sol";

// Where a price can be read, each in one word:
//
//     255 ........ 96 | 95 ........ 32 | 31 ........ 0
//     where           | scale          | heartbeat, or the kind of an on-chain source

interface IAggregator {
    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80);
}

interface IStableSwap {
    function price_oracle(uint256 k) external view returns (uint256);
    function get_p(uint256 k) external view returns (uint256);
}

interface IUniswapV2Pair {
    function getReserves() external view returns (uint112, uint112, uint32);
}

interface IUniswapV3Pool {
    function slot0() external view returns (uint160, int24, uint16, uint16, uint16, uint8, bool);
}

/// A Chainlink answer times its scale, 1e18. "expired" when it is older than its heartbeat, "invalid" when not positive.
function readFeed(uint256 feed) view returns (uint256) {
    (, int256 answer,, uint256 updatedAt,) = IAggregator(address(uint160(feed >> 96))).latestRoundData();
    if (answer <= 0) revert("invalid");
    if (block.timestamp > updatedAt && block.timestamp - updatedAt > uint32(feed)) revert("expired");
    return uint256(answer) * uint64(feed >> 32);
}

/// How a source is read; each gives 1e18 times its scale. The scale is a power of ten that makes up for decimals.
enum SourceKind {
    Feed, // a Chainlink feed; the low 32 bits are its heartbeat
    CurveAverage, // the moving average of coin 1 in units of coin 0
    CurveSpot, // the marginal price of coin 1 in units of coin 0
    V2, // token 1 per token 0
    V2Inverse, // token 0 per token 1
    V3, // token 1 per token 0
    V3Inverse // token 0 per token 1
}

/// One factor of a price.
struct Source {
    SourceKind kind;
    uint256 word;
}

function readSource(Source memory source) view returns (uint256) {
    SourceKind kind = source.kind;
    if (kind == SourceKind.Feed) return readFeed(source.word);
    address where = address(uint160(source.word >> 96));
    uint256 scale = uint64(source.word >> 32);
    if (kind == SourceKind.CurveAverage) return IStableSwap(where).price_oracle(0) * scale;
    if (kind == SourceKind.CurveSpot) return IStableSwap(where).get_p(0) * scale;
    // Uniswap's pools count in token units: `scale` over `divisor` turns their ratio into 1e18.
    uint256 divisor = 10 ** uint256(uint32(source.word));
    if (kind == SourceKind.V2 || kind == SourceKind.V2Inverse) {
        (uint256 reserve0, uint256 reserve1,) = IUniswapV2Pair(where).getReserves();
        if (kind == SourceKind.V2Inverse) (reserve0, reserve1) = (reserve1, reserve0);
        return reserve1 * PRECISION * scale / reserve0 / divisor;
    }
    (uint160 root,,,,,,) = IUniswapV3Pool(where).slot0();
    // The square root's square, with 64 bits after the point.
    uint256 ratio = uint256(root) >> 32;
    ratio = ratio * ratio >> 64;
    if (kind == SourceKind.V3Inverse) return (1 << 64) * PRECISION * scale / ratio / divisor;
    return ratio * PRECISION / (1 << 64) * scale / divisor;
}

/// The product of all factors, 1e18.
function readPath(Source[] memory path) view returns (uint256 price) {
    price = PRECISION;
    for (uint256 i; i < path.length; ++i) {
        price = price * readSource(path[i]) / PRECISION;
    }
}
