// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {Erc20} from "../Erc20.sol";
import {divUp, min} from "../Amounts.sol";
import {IFluxBaseWrapper, IFluxFactory, IFluxStrategy, IFluxVault, IFluxWrapper, IOracleRegistry} from "./IFlux.sol";

/// What a vault keeps of its lenders and managers, and the views of it. All [R] but the strategy's getter.
///
///   0..2 shares (Erc20)   3 cash   4 loans   5 bonds   6 wrappers of each manager
///   7 managers with a debt   8 where each is listed, counted from one
///
///     debt = principal + interest + principal * rate * seconds since the last touch, rounded up
///     value = bond + working capital + registered wrappers, each rounded down on its own
abstract contract FluxBooks is IFluxVault, Erc20 {
    /// In base asset; interest up to `since`.
    struct Loan {
        uint256 principal;
        uint256 interest;
        uint256 since;
    }

    uint256 internal constant WAD = 1e18;
    uint256 private constant YEAR = 31_536_000;

    /// Base asset of the lenders that is not lent out; bonds are apart.
    uint256 public cash;
    mapping(address => Loan) public loans;
    mapping(address => uint256) public bondOf;
    mapping(address => address[]) internal wrappers;
    address[] private managers;
    mapping(address => uint256) private listed;

    address public immutable asset;
    address public immutable STRATEGY;
    address public immutable factory;
    address public immutable baseAssetWrapper;

    constructor(address asset_, address strategy, address factory_, address baseAssetWrapper_) {
        asset = asset_;
        STRATEGY = strategy;
        factory = factory_;
        baseAssetWrapper = baseAssetWrapper_;
    }

    function trueDebt(address manager) public view returns (uint256) {
        Loan storage loan = loans[manager];
        return loan.principal + loan.interest + _accrued(loan);
    }

    function positionValueUsd(address manager) external view returns (uint256 value) {
        value = IOracleRegistry(IFluxFactory(factory).oracleRegistry()).getValueUSD(asset, bondOf[manager]);
        value += IFluxWrapper(baseAssetWrapper).getValue(address(this), manager, 0);
        address[] storage all = wrappers[manager];
        for (uint256 i; i < all.length; ++i) {
            value += IFluxWrapper(all[i]).getValue(address(this), manager, 0);
        }
    }

    function workingCapital(address manager) public view returns (uint256) {
        return IFluxWrapper(baseAssetWrapper).getBalance(address(this), manager, 0);
    }

    function wrappersOf(address manager) external view returns (address[] memory) {
        return wrappers[manager];
    }

    /// Managers are listed from their first debt until they have none.
    function managerCount() external view returns (uint256) {
        return managers.length;
    }

    function managerAt(uint256 index) external view returns (address) {
        return managers[index];
    }

    /// The sum of what each manager owes, to the unit.
    function totalDebt() public view returns (uint256 total) {
        for (uint256 i; i < managers.length; ++i) {
            total += trueDebt(managers[i]);
        }
    }

    function totalAssets() public view returns (uint256) {
        return cash + totalDebt();
    }

    /// Books the interest up to now.
    function _touch(address manager) internal returns (Loan storage loan) {
        loan = loans[manager];
        loan.interest += _accrued(loan);
        loan.since = block.timestamp;
    }

    function _raise(address manager, uint256 amount) internal {
        _touch(manager).principal += amount;
        if (amount != 0 && listed[manager] == 0) {
            managers.push(manager);
            listed[manager] = managers.length;
        }
        _changed(manager);
    }

    /// Lowers a touched loan.
    function _lower(address manager, uint256 principal, uint256 interest) internal {
        Loan storage loan = loans[manager];
        loan.principal -= principal;
        loan.interest -= interest;
        if (loan.principal == 0 && loan.interest == 0) _unlist(manager);
        _changed(manager);
    }

    /// Interest first, then principal.
    function _repay(address manager, uint256 amount) internal {
        Loan storage loan = _touch(manager);
        uint256 interest = min(amount, loan.interest);
        if (amount - interest > loan.principal) revert RepaymentAboveDebt();
        _lower(manager, amount - interest, interest);
        cash += amount;
    }

    function _changed(address manager) internal {
        Loan storage loan = loans[manager];
        emit PositionUpdated(manager, loan.principal, loan.interest, bondOf[manager]);
    }

    /// Base asset out of a manager's working capital, back into the vault.
    function _takeWorkingCapital(address manager, uint256 amount) internal {
        IFluxBaseWrapper(baseAssetWrapper).withdraw(address(this), manager, 0, amount, address(this));
    }

    function _accrued(Loan storage loan) private view returns (uint256) {
        if (loan.principal == 0) return 0;
        uint256 rate = IFluxStrategy(STRATEGY).yearlyRate();
        return divUp(loan.principal * rate * (block.timestamp - loan.since), YEAR * WAD);
    }

    function _unlist(address manager) private {
        uint256 place = listed[manager];
        if (place == 0) return;
        address last = managers[managers.length - 1];
        managers[place - 1] = last;
        listed[last] = place;
        listed[manager] = 0;
        managers.pop();
    }
}
