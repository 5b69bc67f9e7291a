// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {Owned} from "./Owned.sol";

interface IFeed {
    function transmit(int256 answer) external;
}

/// A transmitter of several feeds that writes all of them in one transaction, as reporters of pull oracles do.
contract Reporter is Owned {
    error LengthsDiffer();

    function report(address[] calldata feeds, int256[] calldata answers) external onlyOwner {
        if (feeds.length != answers.length) revert LengthsDiffer();
        for (uint256 i; i < feeds.length; ++i) {
            IFeed(feeds[i]).transmit(answers[i]);
        }
    }
}
