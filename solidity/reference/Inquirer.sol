// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

/// What the inquirer creates: a contract that does nothing.
contract Nothing {}

/// Asks everything that a value can be computed from, one kind a function: for tests of read sets.
contract Inquirer {
    error Answered(bool success, bytes answer);

    uint256 public note;

    receive() external payable {}

    function setNote(uint256 note_) external {
        note = note_;
    }

    function codeSize(address account) external view returns (uint256) {
        return account.code.length;
    }

    function codeHash(address account) external view returns (bytes32) {
        return account.codehash;
    }

    /// The first 32 bytes of an account's code.
    function codeStart(address account) external view returns (bytes32 start) {
        assembly {
            extcodecopy(account, 0, 0, 32)
            start := mload(0)
        }
    }

    function balance(address account) external view returns (uint256) {
        return account.balance;
    }

    /// A call of another contract; its failure is an answer too.
    function ask(address target, bytes calldata input) public view returns (bool success, bytes memory answer) {
        (success, answer) = target.staticcall(input);
    }

    function askTwice(address target, bytes calldata input) external view returns (bool, bytes memory) {
        ask(target, input);
        return ask(target, input);
    }

    /// As `ask`, but nothing is left of it.
    function askAndRevert(address target, bytes calldata input) external view {
        (bool success, bytes memory answer) = ask(target, input);
        revert Answered(success, answer);
    }

    /// By a precompile.
    function digest(bytes calldata input) external pure returns (bytes32) {
        return sha256(input);
    }

    /// By transient storage, which is empty before every transaction.
    function remembered(uint256 value) external returns (uint256 before, uint256 afterwards) {
        assembly {
            before := tload(7)
            tstore(7, value)
            afterwards := tload(7)
        }
    }

    /// The hash of a block before this one.
    function ancestor(uint256 back) external view returns (bytes32) {
        return blockhash(block.number - back);
    }

    /// Creates a contract.
    function create() external returns (address) {
        return address(new Nothing());
    }

    /// Sends one wei.
    function pay(address payable to) external returns (bool success) {
        (success,) = to.call{value: 1}("");
    }
}
