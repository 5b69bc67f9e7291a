// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import "../src/Opcodes.sol";
import {StepRunner} from "../src/StepRunner.sol";
import {Callbacks} from "../src/Callbacks.sol";
import {CallbackStack} from "../src/CallbackStack.sol";
import {AaveLikePool, BalancerV2LikeVault, BalancerV3LikeVault, Erc3156Lender} from "./Lenders.sol";
import {Steps} from "./Steps.sol";
import {World} from "./World.sol";

/// Bob is liquidated with each lender's money. Morpho Blue, the Uniswap V2 pair and the V3 pool are the real ones.
contract FlashTest is World {
    uint256 private constant LOAN = 85 ether;
    address private lender;
    uint256 private kind;
    uint256 private fee;

    function setUp() public override {
        super.setUp();
        priceFallsTo(0.9e8);
    }

    /// Pays the liquidation out of the loan and sells what was seized.
    function inside() private view returns (bytes memory) {
        return bytes.concat(Steps.liquidate(named, BOB, 0, debtShares(BOB), 81 ether, ""), sellOnV3());
    }

    /// By the pool that is not locked by its own flash loan.
    function sellOnV3() private view returns (bytes memory) {
        if (kind != FLASH_UNISWAP_V3) return sellCollateral();
        return Steps.swapIn(SWAP_UNISWAP_V2, 3000, pair, address(col), address(weth), Steps.gained(Steps.ALL), 0);
    }

    function lends(uint256 kind_, address lender_, uint256 fee_) private {
        (kind, lender, fee) = (kind_, lender_, fee_);
        if (lender_ != address(morpho) && lender_ != pool && lender_ != pair) weth.transfer(lender_, 1_000 ether);
    }

    function works() private {
        uint256 before = weth.balanceOf(lender);
        uint256 gained = run(Steps.flash(kind, lender, address(weth), LOAN, fee, inside()));
        so("gain", gained > 10 ether);
        same("receiver", weth.balanceOf(RECEIVER), gained);
        // Morpho got the repaid debt as well.
        so("lender has its fee", weth.balanceOf(lender) >= before + fee);
        same("nothing approved", weth.allowance(address(executor), lender), 0);
        empty();
    }

    function refusesALowerMost(uint256 cost) private {
        expectRun(
            abi.encodeWithSelector(StepRunner.CostTooHigh.selector, cost, LOAN + fee - 1),
            Steps.flash(kind, lender, address(weth), LOAN, fee - 1, inside())
        );
    }

    function test_morpho() external {
        lends(FLASH_MORPHO, address(morpho), 0);
        works();
    }

    function test_moolahs_callback_is_not_morphos() external {
        lends(FLASH_MOOLAH, address(morpho), 0);
        expectRun(
            abi.encodeWithSelector(CallbackStack.UnexpectedCallback.selector, lender, bytes4(0x31f57072)),
            Steps.flash(kind, lender, address(weth), LOAN, fee, inside())
        );
    }

    function test_moolah() external {
        lends(FLASH_MOOLAH, address(new MoolahLikeLender()), 0);
        works();
    }

    function test_erc3156() external {
        lends(FLASH_ERC3156, address(new Erc3156Lender(0.01 ether)), 0.01 ether);
        refusesALowerMost(LOAN + fee);
        works();
    }

    function test_a_lender_that_does_not_call_back_is_found_out() external {
        Erc3156Lender silent = new Erc3156Lender(0);
        silent.setSilent(true);
        lends(FLASH_ERC3156, address(silent), 0);
        // It can't even pull: the approval is given in the callback.
        bytes memory steps = Steps.flash(kind, lender, address(weth), LOAN, fee, inside());
        vm.expectRevert();
        this.runFromOutside(0, 0, both(), steps);
        // And a lender that does not care is found out by the promise that it broke.
        CarelessLender careless = new CarelessLender();
        expectRun(
            StepRunner.CallbackMissing.selector, Steps.flash(kind, address(careless), address(weth), LOAN, fee, inside())
        );
    }

    function test_aave() external {
        lends(FLASH_AAVE_V3, address(new AaveLikePool()), LOAN * 5 / 10_000);
        refusesALowerMost(LOAN + fee);
        works();
    }

    function test_balancer_v2() external {
        lends(FLASH_BALANCER_V2, address(new BalancerV2LikeVault(7)), 7);
        refusesALowerMost(LOAN + fee);
        works();
    }

    function test_balancer_v3() external {
        BalancerV3LikeVault vault = new BalancerV3LikeVault();
        lends(FLASH_BALANCER_V3, address(vault), 0);
        vault.sync(address(weth));
        works();
    }

    function test_uniswap_v3() external {
        lends(FLASH_UNISWAP_V3, pool, LOAN * 500 / 1e6);
        refusesALowerMost(LOAN + fee);
        works();
    }

    function test_uniswap_v2() external {
        // 0.3 % of what is given back, rounded up.
        lends(FLASH_UNISWAP_V2, pair, LOAN * 1000 / 997 + 1 - LOAN);
        works();
        // One wei less is the pair's refusal, not ours.
        borrow(STRANGER, 100 ether, 77 ether);
        priceFallsTo(0.88e8);
        bytes memory other = Steps.liquidate(named, STRANGER, 0, debtShares(STRANGER), 81 ether, "");
        expectRun(
            abi.encodeWithSignature("Error(string)", "UniswapV2: K"),
            Steps.flash(kind, lender, address(weth), LOAN, fee - 1, bytes.concat(other, sellCollateral()))
        );
    }

    function test_loans_nest() external {
        Erc3156Lender second = new Erc3156Lender(3);
        lends(FLASH_ERC3156, address(second), 3);
        bytes memory inner = Steps.flash(kind, lender, address(weth), LOAN, fee, inside());
        uint256 gained = run(Steps.flash(FLASH_MORPHO, address(morpho), address(weth), 1 ether, 0, inner));
        same("receiver", weth.balanceOf(RECEIVER), gained);
        empty();
    }

    /// Somebody else takes a loan in the executor's name while ours is announced.
    function test_initiators_are_checked() external {
        Impostor impostor = new Impostor();
        lends(FLASH_ERC3156, address(impostor), 0);
        expectRun(
            abi.encodeWithSelector(Callbacks.WrongInitiator.selector, address(impostor)),
            Steps.flash(kind, lender, address(weth), LOAN, fee, inside())
        );
        lends(FLASH_AAVE_V3, address(impostor), 0);
        expectRun(
            abi.encodeWithSelector(Callbacks.WrongInitiator.selector, address(impostor)),
            Steps.flash(kind, lender, address(weth), LOAN, fee, inside())
        );
        lends(FLASH_UNISWAP_V2, address(impostor), 0);
        expectRun(
            abi.encodeWithSelector(Callbacks.WrongInitiator.selector, address(impostor)),
            Steps.flash(kind, lender, address(weth), LOAN, fee, inside())
        );
    }

    function test_the_loan_must_be_what_was_asked_for() external {
        Impostor impostor = new Impostor();
        lends(FLASH_BALANCER_V2, address(impostor), 0);
        expectRun(
            abi.encodeWithSelector(Callbacks.WrongLoan.selector, address(weth), LOAN - 1),
            Steps.flash(kind, lender, address(weth), LOAN, fee, inside())
        );
        impostor.setToken(address(col));
        expectRun(
            abi.encodeWithSelector(Callbacks.WrongLoan.selector, address(col), LOAN - 1),
            Steps.flash(kind, lender, address(weth), LOAN, fee, inside())
        );
    }
}

/// Lends nothing and says that all is well.
contract CarelessLender {
    function flashLoan(address, address, uint256, bytes calldata) external pure returns (bool) {
        return true;
    }
}

/// Moolah's flash loan: Morpho's with another callback.
contract MoolahLikeLender {
    function flashLoan(address token, uint256 assets, bytes calldata data) external {
        (bool sent,) = token.call(abi.encodeWithSignature("transfer(address,uint256)", msg.sender, assets));
        (bool called,) = msg.sender.call(abi.encodeWithSignature("onMoolahFlashLoan(uint256,bytes)", assets, data));
        (bool pulled,) = token.call(
            abi.encodeWithSignature("transferFrom(address,address,uint256)", msg.sender, address(this), assets)
        );
        require(sent && called && pulled, "loan");
    }
}

/// Calls back in its own name, or with a loan that nobody asked for.
contract Impostor {
    address private token;

    function setToken(address token_) external {
        token = token_;
    }

    function token0() external pure returns (address) {
        return address(0);
    }

    function flashLoan(address receiver, address asset, uint256 amount, bytes calldata data) external returns (bool) {
        Callbacks(receiver).onFlashLoan(address(this), asset, amount, 0, data);
        return true;
    }

    function flashLoanSimple(address receiver, address asset, uint256 amount, bytes calldata params, uint16) external {
        Callbacks(receiver).executeOperation(asset, amount, 0, address(this), params);
    }

    function swap(uint256 amount0, uint256 amount1, address to, bytes calldata data) external {
        Callbacks(to).uniswapV2Call(address(this), amount0, amount1, data);
    }

    function flashLoan(address recipient, address[] calldata tokens, uint256[] calldata amounts, bytes calldata data)
        external
    {
        address[] memory lent = new address[](1);
        uint256[] memory less = new uint256[](1);
        (lent[0], less[0]) = (token == address(0) ? tokens[0] : token, amounts[0] - 1);
        Callbacks(recipient).receiveFlashLoan(lent, less, new uint256[](1), data);
    }
}
