// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {Owned} from "../Owned.sol";
import {IFluxExecutor, IFluxFactory, IFluxVault} from "./IFlux.sol";

/// A manager that is its own executor, for tests and the devnet: its owner opens a vault's lock with a list of calls, which it
/// makes when the vault calls back.
///
///     owner ──unlock / liquidate──▶ FluxScript ──▶ vault ──fluxUnlockCallback──▶ FluxScript ──call, call, …──▶ anything
contract FluxScript is Owned, IFluxExecutor {
    error NotTheVault();

    struct Call {
        address target;
        bytes data;
    }

    /// The vault whose lock was asked for.
    address private transient expected;
    /// What the last liquidation asked for.
    uint256 public minPayment;
    uint256 public debt;

    constructor(IFluxFactory factory) {
        factory.registerExecutor(address(this), address(this));
    }

    function unlock(IFluxVault vault, Call[] calldata calls) external onlyOwner {
        expected = address(vault);
        vault.unlock(abi.encode(calls));
        expected = address(0);
    }

    function liquidate(IFluxVault vault, address manager, address[] calldata additionalWrappers, Call[] calldata calls)
        external
        onlyOwner
    {
        expected = address(vault);
        vault.liquidate(manager, additionalWrappers, abi.encode(calls));
        expected = address(0);
    }

    function liquidatePartial(
        IFluxVault vault,
        address manager,
        uint256 fractionWad,
        address[] calldata additionalWrappers,
        Call[] calldata calls
    ) external onlyOwner {
        expected = address(vault);
        vault.liquidatePartial(manager, fractionWad, additionalWrappers, abi.encode(calls));
        expected = address(0);
    }

    /// A call outside of any lock.
    function call(address target, bytes calldata data) external onlyOwner returns (bytes memory) {
        return _call(target, data);
    }

    function fluxUnlockCallback(bytes calldata data) external {
        _run(data);
    }

    function fluxUnlockCallback(uint256 minPayment_, uint256 debt_, bytes calldata data) external {
        (minPayment, debt) = (minPayment_, debt_);
        _run(data);
    }

    function _run(bytes calldata data) private {
        if (msg.sender != expected) revert NotTheVault();
        Call[] memory calls = abi.decode(data, (Call[]));
        for (uint256 i; i < calls.length; ++i) {
            _call(calls[i].target, calls[i].data);
        }
    }

    /// What the target says is passed on.
    function _call(address target, bytes memory data) private returns (bytes memory answer) {
        bool ok;
        (ok, answer) = target.call(data);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
    }
}
