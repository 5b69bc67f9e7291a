// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {field, withField} from "./Fields.sol";
import {PoolStorage} from "./PoolStorage.sol";
import {MIN_TICK, NO_TICK, tickOf} from "./TickMath.sol";

/// Ticks, their nodes and the bitmap.
///
/// A tick's positions share one node. When the tick is rebalanced, liquidated or redeemed, its node is closed with the part
/// that is left of it and a pointer to the node that took the rest in; the tick gets a new, empty node:
///
///     tick 5193 ─ node 1 ──┐ closed: 0.55 of the collateral, 0.52 of the debt
///     tick 5161 ─ node 2 ◀─┘ parent
///     tick 5193 ─ node 3   empty, no bit
abstract contract PoolTicks is PoolStorage {
    event TickMovement(int16 oldTick, int16 newTick, uint256 collShares, uint256 debtShares, uint256 price);

    uint256 private constant ONE_X60 = 1 << 60;

    /// The shares of a tick's present node.
    function _tickShares(int256 tick) internal view returns (uint256 colls, uint256 debts) {
        uint256 value = tickTreeData[tickData[tick]].value;
        return (field(value, 0, 128), field(value, 128, 128));
    }

    /// The highest tick with debt that is no higher than `from`; `NO_TICK` when there is none.
    function _nextTick(int256 from) internal view returns (int256) {
        while (from >= MIN_TICK) {
            (int256 next, bool has) = _nextInWord(from);
            if (has) return next;
            from = next - 1;
        }
        return NO_TICK;
    }

    /// The highest set bit at or below `from` in its word, or else the word's lowest tick.
    function _nextInWord(int256 from) internal view returns (int256 next, bool has) {
        uint256 bit = uint256(from) & 255;
        uint256 word = tickBitmap[int8(from >> 8)] & (type(uint256).max >> (255 - bit));
        if (word == 0) return (from - int256(bit), false);
        uint256 highest;
        for (uint256 width = 128; width > 0; width >>= 1) {
            if (word >> width != 0) {
                word >>= width;
                highest += width;
            }
        }
        return (from - int256(bit) + int256(highest), true);
    }

    function _flip(int256 tick) internal {
        tickBitmap[int8(tick >> 8)] ^= 1 << (uint256(tick) & 255);
    }

    /// Adds shares to the tick they belong to.
    function _addToTick(uint256 colls, uint256 debts) internal returns (int256 tick, uint48 node) {
        tick = tickOf(colls, debts);
        node = tickData[tick];
        if (node == 0) node = _newNode(tick);
        (uint256 oldColls, uint256 oldDebts) = _tickShares(tick);
        _setValue(node, oldColls + colls, oldDebts + debts);
        if (oldDebts == 0) {
            _flip(tick);
            if (tick > getTopTick()) _setTopTick(tick);
        }
    }

    /// Takes a position's shares out of the tick that holds them now.
    function _takeFromTick(uint48 node, uint256 colls, uint256 debts) internal {
        uint256 value = tickTreeData[node].value;
        uint256 debtsLeft = field(value, 128, 128) - debts;
        _setValue(node, field(value, 0, 128) - colls, debtsLeft);
        if (debtsLeft > 0) return;
        int256 tick = _nodeTick(tickTreeData[node].metadata);
        _flip(tick);
        if (tick == getTopTick()) _setTopTick(_nextTick(tick));
    }

    /// Closes a tick's node after `colls` and `debts` shares were taken from it; what is left moves to its own tick.
    function _moveTick(int256 tick, uint256 colls, uint256 debts, uint256 price) internal {
        uint48 node = tickData[tick];
        (uint256 collsBefore, uint256 debtsBefore) = _tickShares(tick);
        uint256 collsLeft = collsBefore - colls;
        uint256 debtsLeft = debtsBefore - debts;
        _newNode(tick);
        _flip(tick);

        uint256 metadata = tickTreeData[node].metadata;
        metadata = withField(metadata, 64, 64, collsLeft * ONE_X60 / collsBefore);
        metadata = withField(metadata, 128, 64, debtsLeft * ONE_X60 / debtsBefore);
        int256 newTick = NO_TICK;
        if (debtsLeft > 0) {
            uint48 parent;
            (newTick, parent) = _addToTick(collsLeft, debtsLeft);
            metadata = withField(metadata, 0, 48, parent);
        }
        tickTreeData[node].metadata = metadata;
        if (tick == getTopTick() && newTick != tick) _setTopTick(_nextTick(tick));
        emit TickMovement(int16(tick), int16(newTick), collsLeft, debtsLeft, price);
    }

    /// A position's shares now, and the node that holds them: ratios multiplied up to the node without a parent.
    function _currentShares(Position memory position) internal view returns (uint256 colls, uint256 debts, uint48 node) {
        node = position.nodeId;
        (colls, debts) = (position.colls, position.debts);
        if (node == 0) return (colls, debts, node);
        (uint256 collRatio, uint256 debtRatio) = (ONE_X60, ONE_X60);
        while (true) {
            uint256 metadata = tickTreeData[node].metadata;
            collRatio = collRatio * field(metadata, 64, 64) >> 60;
            debtRatio = debtRatio * field(metadata, 128, 64) >> 60;
            uint48 parent = uint48(field(metadata, 0, 48));
            if (parent == 0) break;
            node = parent;
        }
        return (colls * collRatio >> 60, debts * debtRatio >> 60, node);
    }

    function _newNode(int256 tick) private returns (uint48 node) {
        node = _takeNodeId();
        uint256 metadata = withField(0, 48, 16, uint16(int16(tick)));
        metadata = withField(metadata, 64, 64, ONE_X60);
        tickTreeData[node].metadata = withField(metadata, 128, 64, ONE_X60);
        tickData[tick] = node;
    }

    function _nodeTick(uint256 metadata) private pure returns (int256) {
        return int16(uint16(field(metadata, 48, 16)));
    }

    function _setValue(uint48 node, uint256 colls, uint256 debts) private {
        tickTreeData[node].value = withField(withField(0, 0, 128, colls), 128, 128, debts);
    }
}
