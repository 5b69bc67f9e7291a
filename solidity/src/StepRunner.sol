// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {CallbackStack} from "./CallbackStack.sol";
import {Configuration} from "./Configuration.sol";
import {ETHER, Holdings} from "./Holdings.sol";
import {
    ASSERT_GAINED,
    CALL,
    FLASH,
    FLASH_AAVE_V3,
    FLASH_BALANCER_V2,
    FLASH_BALANCER_V3,
    FLASH_ERC3156,
    FLASH_MOOLAH,
    FLASH_MORPHO,
    FLASH_UNISWAP_V2,
    FLASH_UNISWAP_V3,
    LIQUIDATE,
    SWAP_IN,
    SWAP_OUT,
    SWAP_UNISWAP_V2,
    SWAP_UNISWAP_V3,
    UNWRAP,
    WRAP
} from "./Opcodes.sol";
import {Malformed, Reader, readerOf} from "./Reader.sol";
import {
    IAaveV3Pool,
    IBalancerV2Vault,
    IBalancerV3Vault,
    ICallbacks,
    IERC3156Lender,
    IMorpho,
    IUniswapV2Pair,
    IUniswapV3Pool,
    IWETH
} from "./Interfaces.sol";

/// Runs steps one after the other. Each reads its own bytes to the last one and leaves the callback stack as high as
/// it found it.
abstract contract StepRunner is Configuration, CallbackStack, Holdings {
    bytes32 private constant NO_DATA = keccak256("");
    uint160 private constant LOWEST_SQRT_PRICE = 4295128739 + 1;
    uint160 private constant HIGHEST_SQRT_PRICE = 1461446703485210103287273052203988822378723970342 - 1;
    uint256 private constant PIPS = 1e6;

    error UnknownStep(uint256 opcode);
    error UnknownKind(uint256 kind);
    error TargetNotListed(address target);
    error PatchOutOfBounds(uint256 offset);
    error CallbackMissing();
    error CostTooHigh(uint256 cost, uint256 most);
    error OutputTooLow(uint256 received, uint256 least);
    error GainTooLow(address token, uint256 gained, uint256 least);
    error WrongWrap();

    function _run(bytes calldata steps) internal {
        Reader memory all = readerOf(steps);
        uint256 before = height;
        while (all.more()) {
            uint256 opcode = all.read(1);
            Reader memory step = readerOf(all.slice(all.read(3)));
            if (opcode == LIQUIDATE) _liquidate(step);
            else if (opcode == SWAP_IN) _swapIn(step);
            else if (opcode == SWAP_OUT) _swapOut(step);
            else if (opcode == CALL) _call(step);
            else if (opcode == FLASH) _flash(step);
            else if (opcode == WRAP) _wrap(step);
            else if (opcode == UNWRAP) _unwrap(step);
            else if (opcode == ASSERT_GAINED) _assertGained(step);
            else revert UnknownStep(opcode);
            if (step.more()) revert Malformed();
            if (height != before) revert CallbackMissing();
        }
    }

    /// The next amount of a step, of `token`.
    function _amount(Reader memory step, address token) private view returns (uint256 value) {
        bool gained;
        (value, gained) = step.amount();
        if (gained) value = _gainedAtMost(token, value);
    }

    function _call(Reader memory step) private {
        address target = step.account();
        if (!targets[target]) revert TargetNotListed(target);
        uint256 value = step.number();

        uint256 approvals = step.read(1);
        Reader memory revocations = Reader(step.at, step.end);
        for (uint256 i; i < approvals; ++i) {
            address token = step.account();
            address spender = step.account();
            _approve(token, spender, _amount(step, token));
        }

        bytes memory data = _callData(step, target);
        (bool success, bytes memory result) = target.call{value: value}(data);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(result, 32), mload(result))
            }
        }

        for (uint256 i; i < approvals; ++i) {
            address token = revocations.account();
            address spender = revocations.account();
            revocations.amount();
            _revoke(token, spender);
        }
    }

    /// The call's bytes with all arguments filled in, and its callback announced.
    function _callData(Reader memory step, address target) private returns (bytes memory data) {
        uint256 patches = step.read(1);
        Reader memory patch = Reader(step.at, step.end);
        for (uint256 i; i < patches; ++i) {
            step.read(20);
            step.number();
            step.read(3);
        }

        data = step.slice(step.read(3));
        for (uint256 i; i < patches; ++i) {
            address token = patch.account();
            uint256 value = _gainedAtMost(token, patch.number());
            uint256 offset = patch.read(3);
            // Behind the selector and with all its 32 bytes inside the data.
            if (offset + 36 > data.length) revert PatchOutOfBounds(offset);
            assembly ("memory-safe") {
                mstore(add(add(data, 36), offset), value)
            }
        }

        if (step.read(1) == 0) return data;
        bytes4 selector = bytes4(uint32(step.read(4)));
        address owed = step.account();
        uint256 most = step.number();
        bytes calldata inside = step.rest();
        _announce(target, selector, keccak256(inside), owed, most, 0);
        // The last argument's tail: length, bytes, padding to a whole word.
        data = bytes.concat(data, bytes32(inside.length), inside, new bytes((32 - (inside.length & 31)) & 31));
    }

    function _liquidate(Reader memory step) private {
        IMorpho lender = IMorpho(step.account());
        bytes4 callback = bytes4(uint32(step.read(4)));
        IMorpho.MarketParams memory market;
        market.loanToken = step.account();
        market.collateralToken = step.account();
        market.oracle = step.account();
        market.irm = step.account();
        market.lltv = step.number();
        address borrower = step.account();
        uint256 seized = step.number();
        uint256 shares = step.number();
        uint256 most = step.number();
        bytes calldata inside = step.rest();
        if (inside.length == 0) {
            // Without data there is no callback: the payment is pulled at once, from what is here.
            _approve(market.loanToken, address(lender), most);
        } else {
            _announce(address(lender), callback, keccak256(inside), market.loanToken, most, 0);
        }
        lender.liquidate(market, borrower, seized, shares, inside);
        _revoke(market.loanToken, address(lender));
    }

    function _flash(Reader memory step) private {
        uint256 kind = step.read(1);
        address lender = step.account();
        address token = step.account();
        uint256 amount = step.number();
        uint256 most = amount + step.number();
        bytes calldata inside = step.rest();
        bytes32 commitment = keccak256(inside);

        if (kind == FLASH_MORPHO || kind == FLASH_MOOLAH) {
            bytes4 callback = kind == FLASH_MORPHO ? ICallbacks.onMorphoFlashLoan.selector : ICallbacks.onMoolahFlashLoan.selector;
            _announce(lender, callback, commitment, token, most, amount);
            IMorpho(lender).flashLoan(token, amount, inside);
            _revoke(token, lender);
        } else if (kind == FLASH_ERC3156) {
            _announce(lender, ICallbacks.onFlashLoan.selector, commitment, token, most, amount);
            IERC3156Lender(lender).flashLoan(address(this), token, amount, inside);
            _revoke(token, lender);
        } else if (kind == FLASH_AAVE_V3) {
            _announce(lender, ICallbacks.executeOperation.selector, commitment, token, most, amount);
            IAaveV3Pool(lender).flashLoanSimple(address(this), token, amount, inside, 0);
            _revoke(token, lender);
        } else if (kind == FLASH_BALANCER_V2) {
            _announce(lender, ICallbacks.receiveFlashLoan.selector, commitment, token, most, amount);
            address[] memory tokens = new address[](1);
            uint256[] memory amounts = new uint256[](1);
            tokens[0] = token;
            amounts[0] = amount;
            IBalancerV2Vault(lender).flashLoan(address(this), tokens, amounts, inside);
        } else if (kind == FLASH_BALANCER_V3) {
            _announce(lender, ICallbacks.onBalancerV3Unlock.selector, commitment, token, most, amount);
            IBalancerV3Vault(lender).unlock(abi.encodeCall(ICallbacks.onBalancerV3Unlock, (inside)));
        } else if (kind == FLASH_UNISWAP_V2) {
            _announce(lender, ICallbacks.uniswapV2Call.selector, commitment, token, most, amount);
            bool first = IUniswapV2Pair(lender).token0() == token;
            IUniswapV2Pair(lender).swap(first ? amount : 0, first ? 0 : amount, address(this), inside);
        } else if (kind == FLASH_UNISWAP_V3) {
            _announce(lender, ICallbacks.uniswapV3FlashCallback.selector, commitment, token, most, amount);
            bool first = IUniswapV3Pool(lender).token0() == token;
            IUniswapV3Pool(lender).flash(address(this), first ? amount : 0, first ? 0 : amount, inside);
        } else {
            revert UnknownKind(kind);
        }
    }

    function _swapIn(Reader memory step) private {
        uint256 kind = step.read(1);
        uint256 fee = step.read(3);
        address pool = step.account();
        address tokenIn = step.account();
        address tokenOut = step.account();
        uint256 amountIn = _amount(step, tokenIn);
        uint256 least = step.number();
        uint256 received;
        // Nothing to sell is no failure by itself; the least output decides.
        if (amountIn != 0) {
            uint256 before = _balance(tokenOut, address(this));
            if (kind == SWAP_UNISWAP_V3) {
                if (amountIn > uint256(type(int256).max)) revert CostTooHigh(amountIn, uint256(type(int256).max));
                _swapV3(pool, tokenIn, tokenOut, int256(amountIn), amountIn);
            } else if (kind == SWAP_UNISWAP_V2) {
                (uint256 reserveIn, uint256 reserveOut) = _reserves(pool, tokenIn, tokenOut);
                _transfer(tokenIn, pool, amountIn);
                // What the pair sees, so that a fee on the transfer does not break the swap.
                uint256 paid = (_balance(tokenIn, pool) - reserveIn) * (PIPS - fee);
                _swapV2(pool, tokenIn, tokenOut, paid * reserveOut / (reserveIn * PIPS + paid));
            } else {
                revert UnknownKind(kind);
            }
            received = _balance(tokenOut, address(this)) - before;
        }
        if (received < least) revert OutputTooLow(received, least);
    }

    function _swapOut(Reader memory step) private {
        uint256 kind = step.read(1);
        uint256 fee = step.read(3);
        address pool = step.account();
        address tokenIn = step.account();
        address tokenOut = step.account();
        uint256 amountOut = step.number();
        uint256 most = step.number();
        uint256 before = _balance(tokenOut, address(this));
        if (kind == SWAP_UNISWAP_V3) {
            if (amountOut > uint256(type(int256).max)) revert OutputTooLow(0, amountOut);
            _swapV3(pool, tokenIn, tokenOut, -int256(amountOut), most);
        } else if (kind == SWAP_UNISWAP_V2) {
            (uint256 reserveIn, uint256 reserveOut) = _reserves(pool, tokenIn, tokenOut);
            if (amountOut >= reserveOut) revert OutputTooLow(reserveOut, amountOut);
            uint256 amountIn = reserveIn * amountOut * PIPS / ((reserveOut - amountOut) * (PIPS - fee)) + 1;
            if (amountIn > most) revert CostTooHigh(amountIn, most);
            _transfer(tokenIn, pool, amountIn);
            _swapV2(pool, tokenIn, tokenOut, amountOut);
        } else {
            revert UnknownKind(kind);
        }
        uint256 received = _balance(tokenOut, address(this)) - before;
        if (received < amountOut) revert OutputTooLow(received, amountOut);
    }

    /// The pool sends first and asks for its payment in the callback. No price limit: amounts are the limit.
    function _swapV3(address pool, address tokenIn, address tokenOut, int256 specified, uint256 most) private {
        _announce(pool, ICallbacks.uniswapV3SwapCallback.selector, NO_DATA, tokenIn, most, 0);
        bool zeroForOne = tokenIn < tokenOut;
        IUniswapV3Pool(pool).swap(
            address(this), zeroForOne, specified, zeroForOne ? LOWEST_SQRT_PRICE : HIGHEST_SQRT_PRICE, ""
        );
    }

    function _swapV2(address pair, address tokenIn, address tokenOut, uint256 amountOut) private {
        bool zeroForOne = tokenIn < tokenOut;
        IUniswapV2Pair(pair).swap(zeroForOne ? 0 : amountOut, zeroForOne ? amountOut : 0, address(this), "");
    }

    function _reserves(address pair, address tokenIn, address tokenOut)
        private
        view
        returns (uint256 reserveIn, uint256 reserveOut)
    {
        (reserveIn, reserveOut,) = IUniswapV2Pair(pair).getReserves();
        if (tokenIn > tokenOut) (reserveIn, reserveOut) = (reserveOut, reserveIn);
    }

    function _wrap(Reader memory step) private {
        address weth = step.account();
        uint256 amount = _amount(step, ETHER);
        if (amount == 0) return;
        uint256 before = _balance(weth, address(this));
        IWETH(weth).deposit{value: amount}();
        if (_balance(weth, address(this)) != before + amount) revert WrongWrap();
    }

    function _unwrap(Reader memory step) private {
        address weth = step.account();
        uint256 amount = _amount(step, weth);
        if (amount == 0) return;
        uint256 before = address(this).balance;
        IWETH(weth).withdraw(amount);
        if (address(this).balance != before + amount) revert WrongWrap();
    }

    function _assertGained(Reader memory step) private view {
        address token = step.account();
        uint256 least = step.number();
        uint256 gained = _gained(token);
        if (gained < least) revert GainTooLow(token, gained, least);
    }
}
