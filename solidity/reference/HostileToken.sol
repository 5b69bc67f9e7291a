// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {TestToken} from "./TestToken.sol";

/// A token that attacks while it is being transferred: it makes the calls that it was armed with, once each time the
/// watched account receives it, and remembers how each of them ended. With `insist` a failed call fails the transfer.
contract HostileToken is TestToken {
    struct Attack {
        address target;
        uint256 value;
        bytes data;
    }

    Attack[] private attacks;
    address public watched;
    bool public insist;
    uint256 public attempts;
    uint256 public successes;
    bytes public lastResult;
    bool private attacking;

    constructor(string memory name_, string memory symbol_, uint8 decimals_) TestToken(name_, symbol_, decimals_) {}

    receive() external payable {}

    /// What to do whenever `watched_` receives this token.
    function arm(address watched_, bool insist_, Attack[] calldata attacks_) external onlyOwner {
        watched = watched_;
        insist = insist_;
        delete attacks;
        for (uint256 i; i < attacks_.length; ++i) attacks.push(attacks_[i]);
    }

    function _move(address from, address to, uint256 amount) internal override {
        super._move(from, to, amount);
        if (to != watched || attacking) return;
        attacking = true;
        for (uint256 i; i < attacks.length; ++i) {
            (bool success, bytes memory result) = attacks[i].target.call{value: attacks[i].value}(attacks[i].data);
            attempts += 1;
            if (success) successes += 1;
            lastResult = result;
            if (!success && insist) {
                assembly ("memory-safe") {
                    revert(add(result, 32), mload(result))
                }
            }
        }
        attacking = false;
    }
}
