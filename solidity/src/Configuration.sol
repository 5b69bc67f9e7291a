// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

/// Who owns the executor, who operates it, who receives its gains and what its generic calls may reach.
/// Only the owner changes any of it. First base of the executor, so its variables are the slots 0 to 4 that
/// src/executor/storage.rs writes into simulations.
abstract contract Configuration {
    address public owner; // slot 0
    address public pendingOwner; // slot 1
    address public receiver; // slot 2
    mapping(address => bool) public operators; // slot 3
    mapping(address => bool) public targets; // slot 4

    error NotOwner();
    error NotPendingOwner();
    error BadAddress();

    event OwnershipOffered(address indexed to);
    event OwnershipTaken(address indexed by);
    event ReceiverSet(address indexed receiver);
    event OperatorSet(address indexed operator, bool allowed);
    event TargetSet(address indexed target, bool listed);

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner();
        _;
    }

    /// First step of a hand-over; the new owner takes it by `acceptOwnership`. Zero takes an offer back.
    function transferOwnership(address to) external onlyOwner {
        pendingOwner = to;
        emit OwnershipOffered(to);
    }

    function acceptOwnership() external {
        if (msg.sender != pendingOwner) revert NotPendingOwner();
        owner = msg.sender;
        pendingOwner = address(0);
        emit OwnershipTaken(msg.sender);
    }

    function setReceiver(address to) external onlyOwner {
        _setReceiver(to);
    }

    function setOperator(address operator, bool allowed) external onlyOwner {
        _setOperator(operator, allowed);
    }

    function setTarget(address target, bool listed) external onlyOwner {
        _setTarget(target, listed);
    }

    function _configure(address owner_, address receiver_, address[] memory operators_, address[] memory targets_)
        internal
    {
        if (owner_ == address(0)) revert BadAddress();
        owner = owner_;
        emit OwnershipTaken(owner_);
        _setReceiver(receiver_);
        for (uint256 i; i < operators_.length; ++i) _setOperator(operators_[i], true);
        for (uint256 i; i < targets_.length; ++i) _setTarget(targets_[i], true);
    }

    function _setReceiver(address to) private {
        // The executor as its own receiver would keep what it gains.
        if (to == address(0) || to == address(this)) revert BadAddress();
        receiver = to;
        emit ReceiverSet(to);
    }

    function _setOperator(address operator, bool allowed) private {
        if (operator == address(0)) revert BadAddress();
        operators[operator] = allowed;
        emit OperatorSet(operator, allowed);
    }

    function _setTarget(address target, bool listed) private {
        if (target == address(0) || target == address(this)) revert BadAddress();
        targets[target] = listed;
        emit TargetSet(target, listed);
    }
}
