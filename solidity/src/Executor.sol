// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {CallbackStack} from "./CallbackStack.sol";
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
    IERC20,
    IERC3156Lender,
    IMorpho,
    IUniswapV2Pair,
    IUniswapV3Pool,
    IWETH
} from "./Interfaces.sol";

/// Carries out plans: takes loans, liquidates, swaps, repays, and sends what is gained to one receiver.
///
///   execute ─▶ window ─▶ steps ──call──▶ lender, protocol, pool
///                          ▲                    │ callback: announced caller, name and bytes only
///                          └──── steps inside ◀─┘
///            ─▶ sweep to the receiver ─▶ gain >= minGain ─▶ builder's payment
///
/// The owner decides who receives, who operates and which contracts generic calls may reach. Operators can change
/// none of that. The contract is empty between plans. There is no delegatecall, and there are no immutables: the same
/// code serves every chain and every owner, also as an overlay in a simulation.
///
/// Encoding of steps, all packed (see Reader for number and amount); docs/executor.md tells the reasons:
///
///   step:      opcode (1) | size of the payload (3) | payload
///   CALL       target (20) | value number
///              | count (1) of approvals: token (20), spender (20), amount
///              | count (1) of patches: token (20), cap number, offset behind the selector (3)
///              | size (3) | selector and arguments
///              | 0 (1), or 1 (1) | callback's selector (4) | token (20) | most number | steps inside
///   LIQUIDATE  lender (20) | callback's selector (4) | loan token, collateral token, oracle, irm (20 each)
///              | lltv number | borrower (20) | seized number | shares number | most number | steps inside
///   FLASH      kind (1) | lender (20) | token (20) | number | most fee number | steps inside
///   SWAP_IN    kind (1) | fee in 1e-6 (3) | pool, token in, token out (20 each) | amount in | least out number
///   SWAP_OUT   kind (1) | fee in 1e-6 (3) | pool, token in, token out (20 each) | out number | most in number
///   WRAP, UNWRAP     weth (20) | amount
///   ASSERT_GAINED    token (20) | least number
contract Executor is CallbackStack, Holdings {
    // ---------------------------------------------------------------- storage: slots 0 to 4, see src/executor/slots.rs

    address public owner; // slot 0
    address public pendingOwner; // slot 1
    address public receiver; // slot 2
    mapping(address => bool) public operators; // slot 3
    mapping(address => bool) public targets; // slot 4

    bool private transient entered;

    /// The most gas that the block's fee recipient gets with its payment.
    uint256 public constant PAYMENT_GAS = 50_000;

    bytes32 private constant ERC3156_OK = keccak256("ERC3156FlashBorrower.onFlashLoan");
    bytes32 private constant NO_DATA = keccak256("");
    uint160 private constant LOWEST_SQRT_PRICE = 4295128739 + 1;
    uint160 private constant HIGHEST_SQRT_PRICE = 1461446703485210103287273052203988822378723970342 - 1;
    uint256 private constant PIPS = 1e6;

    // ---------------------------------------------------------------- errors and events

    error NotOwner();
    error NotPendingOwner();
    error NotOperator();
    error BadAddress();
    error Reentered();
    error OutsideWindow(uint256 blockNumber);
    error UnknownStep(uint256 opcode);
    error UnknownKind(uint256 kind);
    error TargetNotListed(address target);
    error PatchOutOfBounds(uint256 offset);
    error CallbackMissing();
    error WrongInitiator(address initiator);
    error WrongLoan(address token, uint256 amount);
    error CostTooHigh(uint256 cost, uint256 most);
    error OutputTooLow(uint256 received, uint256 least);
    error GainTooLow(address token, uint256 gained, uint256 least);
    error WrongWrap();
    error PaymentNotCovered(uint256 available, uint256 payment);
    error PaymentFailed();
    error UnexpectedEther();

    event OwnershipOffered(address indexed to);
    event OwnershipTaken(address indexed by);
    event ReceiverSet(address indexed receiver);
    event OperatorSet(address indexed operator, bool allowed);
    event TargetSet(address indexed target, bool listed);
    /// What a plan brought to the receiver.
    event Gained(address indexed token, uint256 amount);

    // ---------------------------------------------------------------- configuration: the owner's

    constructor(address owner_, address receiver_, address[] memory operators_, address[] memory targets_) {
        if (owner_ == address(0)) revert BadAddress();
        owner = owner_;
        emit OwnershipTaken(owner_);
        _setReceiver(receiver_);
        for (uint256 i; i < operators_.length; ++i) _setOperator(operators_[i], true);
        for (uint256 i; i < targets_.length; ++i) _setTarget(targets_[i], true);
    }

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

    // ---------------------------------------------------------------- a plan

    /// Carries out `steps`, sends what was gained of `tokens` (and of ether) to the receiver, and pays the builder.
    /// @param firstBlock, lastBlock the blocks in which the plan may run
    /// @param minGain the least of tokens[0] that must reach the receiver
    /// @param builderPayment wei for the block's fee recipient, out of ether gained by the steps
    /// @param tokens all tokens whose gains the steps use or leave, the profit token first; address 0 is ether
    /// @return gained what reached the receiver of tokens[0], without what the executor held before
    function execute(
        uint64 firstBlock,
        uint64 lastBlock,
        uint256 minGain,
        uint256 builderPayment,
        address[] calldata tokens,
        bytes calldata steps
    ) external returns (uint256 gained) {
        if (!operators[msg.sender]) revert NotOperator();
        if (entered) revert Reentered();
        entered = true;
        if (block.number < firstBlock || block.number > lastBlock) revert OutsideWindow(block.number);

        address to = receiver;
        address profitToken;
        uint256 atReceiver;
        if (tokens.length != 0) {
            profitToken = tokens[0];
            atReceiver = _balance(profitToken, to);
        }
        _track(ETHER);
        for (uint256 i; i < tokens.length; ++i) _track(tokens[i]);

        _run(steps);

        _sweep(tokens, to, builderPayment);
        if (tokens.length != 0) {
            // What lay here before the plan went along, but was not gained by it.
            uint256 base = atReceiver + _before(profitToken);
            uint256 reached = _balance(profitToken, to);
            gained = reached > base ? reached - base : 0;
            if (reached < base) revert GainTooLow(profitToken, 0, minGain);
        }
        if (gained < minGain) revert GainTooLow(profitToken, gained, minGain);
        emit Gained(profitToken, gained);

        _untrack(ETHER);
        for (uint256 i; i < tokens.length; ++i) _untrack(tokens[i]);
        if (builderPayment != 0) {
            (bool paid,) = block.coinbase.call{value: builderPayment, gas: PAYMENT_GAS}("");
            if (!paid) revert PaymentFailed();
        }
        entered = false;
    }

    /// Everything of the listed tokens goes to the receiver, and ether when it was gained or is listed; the
    /// builder's payment stays until the end. Ether that was only donated can't make a plan fail.
    function _sweep(address[] calldata tokens, address to, uint256 builderPayment) private {
        bool sendEther;
        for (uint256 i; i < tokens.length; ++i) {
            address token = tokens[i];
            if (token == ETHER) {
                sendEther = true;
                continue;
            }
            uint256 amount = _balance(token, address(this));
            if (amount != 0) _transfer(token, to, amount);
        }
        uint256 etherGained = _gained(ETHER);
        if (etherGained < builderPayment) revert PaymentNotCovered(etherGained, builderPayment);
        if (etherGained > builderPayment) sendEther = true;
        uint256 etherLeft = address(this).balance - builderPayment;
        if (sendEther && etherLeft != 0) {
            (bool sent,) = to.call{value: etherLeft}("");
            if (!sent) revert TransferFailed(ETHER);
        }
    }

    /// Ether comes from WETH and from protocols, and only while a plan runs.
    receive() external payable {
        if (!entered) revert UnexpectedEther();
    }

    // ---------------------------------------------------------------- steps

    function _run(bytes calldata steps) private {
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
            bytes4 callback = kind == FLASH_MORPHO ? this.onMorphoFlashLoan.selector : this.onMoolahFlashLoan.selector;
            _announce(lender, callback, commitment, token, most, amount);
            IMorpho(lender).flashLoan(token, amount, inside);
            _revoke(token, lender);
        } else if (kind == FLASH_ERC3156) {
            _announce(lender, this.onFlashLoan.selector, commitment, token, most, amount);
            IERC3156Lender(lender).flashLoan(address(this), token, amount, inside);
            _revoke(token, lender);
        } else if (kind == FLASH_AAVE_V3) {
            _announce(lender, this.executeOperation.selector, commitment, token, most, amount);
            IAaveV3Pool(lender).flashLoanSimple(address(this), token, amount, inside, 0);
            _revoke(token, lender);
        } else if (kind == FLASH_BALANCER_V2) {
            _announce(lender, this.receiveFlashLoan.selector, commitment, token, most, amount);
            address[] memory tokens = new address[](1);
            uint256[] memory amounts = new uint256[](1);
            tokens[0] = token;
            amounts[0] = amount;
            IBalancerV2Vault(lender).flashLoan(address(this), tokens, amounts, inside);
        } else if (kind == FLASH_BALANCER_V3) {
            _announce(lender, this.onBalancerV3Unlock.selector, commitment, token, most, amount);
            IBalancerV3Vault(lender).unlock(abi.encodeCall(this.onBalancerV3Unlock, (inside)));
        } else if (kind == FLASH_UNISWAP_V2) {
            _announce(lender, this.uniswapV2Call.selector, commitment, token, most, amount);
            bool first = IUniswapV2Pair(lender).token0() == token;
            IUniswapV2Pair(lender).swap(first ? amount : 0, first ? 0 : amount, address(this), inside);
        } else if (kind == FLASH_UNISWAP_V3) {
            _announce(lender, this.uniswapV3FlashCallback.selector, commitment, token, most, amount);
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
        _announce(pool, this.uniswapV3SwapCallback.selector, NO_DATA, tokenIn, most, 0);
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

    // ---------------------------------------------------------------- callbacks
    // Each begins with _accept: an announced caller, this name, exactly the announced bytes, once.

    function onMorphoLiquidate(uint256 repaid, bytes calldata data) external {
        _pulledAfter(_accept(data), repaid, data);
    }

    function onMoolahLiquidate(uint256 repaid, bytes calldata data) external {
        _pulledAfter(_accept(data), repaid, data);
    }

    function onMorphoFlashLoan(uint256 assets, bytes calldata data) external {
        _pulledAfter(_accept(data), assets, data);
    }

    function onMoolahFlashLoan(uint256 assets, bytes calldata data) external {
        _pulledAfter(_accept(data), assets, data);
    }

    function onFlashLoan(address initiator, address token, uint256 amount, uint256 fee, bytes calldata data)
        external
        returns (bytes32)
    {
        Expected memory loan = _accept(data);
        _checkLoan(loan, initiator, token, amount);
        _pulledAfter(loan, amount + fee, data);
        return ERC3156_OK;
    }

    function executeOperation(address asset, uint256 amount, uint256 premium, address initiator, bytes calldata data)
        external
        returns (bool)
    {
        Expected memory loan = _accept(data);
        _checkLoan(loan, initiator, asset, amount);
        _pulledAfter(loan, amount + premium, data);
        return true;
    }

    function receiveFlashLoan(
        address[] calldata tokens,
        uint256[] calldata amounts,
        uint256[] calldata fees,
        bytes calldata data
    ) external {
        Expected memory loan = _accept(data);
        // The vault names no initiator: what it lends must at least be what was asked for.
        if (tokens.length != 1) revert WrongLoan(address(0), 0);
        _checkLoan(loan, address(this), tokens[0], amounts[0]);
        _sentAfter(loan, amounts[0] + fees[0], data);
    }

    /// The Balancer V3 vault calls back with the bytes that its `unlock` was given.
    function onBalancerV3Unlock(bytes calldata data) external {
        Expected memory loan = _accept(data);
        IBalancerV3Vault(msg.sender).sendTo(loan.token, address(this), loan.principal);
        _sentAfter(loan, loan.principal, data);
        IBalancerV3Vault(msg.sender).settle(loan.token, loan.principal);
    }

    /// A pair names no fee, so the plan's figure is paid in full and the pair checks it.
    function uniswapV2Call(address sender, uint256 amount0, uint256 amount1, bytes calldata data) external {
        Expected memory loan = _accept(data);
        _checkLoan(loan, sender, loan.token, amount0 + amount1);
        _sentAfter(loan, loan.most, data);
    }

    function uniswapV3FlashCallback(uint256 fee0, uint256 fee1, bytes calldata data) external {
        Expected memory loan = _accept(data);
        // One side was borrowed, so the other side's fee is zero.
        _sentAfter(loan, loan.principal + fee0 + fee1, data);
    }

    function uniswapV3SwapCallback(int256 amount0, int256 amount1, bytes calldata data) external {
        Expected memory payment = _accept(data);
        int256 owed = amount0 > amount1 ? amount0 : amount1;
        if (owed < 0) owed = 0;
        _sentAfter(payment, uint256(owed), data);
    }

    /// Flux `unlock`: what is owed is settled by the steps inside.
    function fluxUnlockCallback(bytes calldata data) external {
        _accept(data);
        _run(data);
    }

    /// Flux `liquidate`: the steps inside prepare the payment as working capital, the vault checks and takes it.
    function fluxUnlockCallback(uint256 minPayment, uint256, bytes calldata data) external {
        Expected memory payment = _accept(data);
        if (minPayment > payment.most) revert CostTooHigh(minPayment, payment.most);
        _run(data);
    }

    function _checkLoan(Expected memory loan, address initiator, address token, uint256 amount) private view {
        if (initiator != address(this)) revert WrongInitiator(initiator);
        if (token != loan.token || amount != loan.principal) revert WrongLoan(token, amount);
    }

    /// Steps inside, then the caller may pull what it is owed; the step that called takes the rest back.
    function _pulledAfter(Expected memory debt, uint256 cost, bytes calldata inside) private {
        if (cost > debt.most) revert CostTooHigh(cost, debt.most);
        _run(inside);
        _approve(debt.token, msg.sender, cost);
    }

    /// Steps inside, then the caller is paid.
    function _sentAfter(Expected memory debt, uint256 cost, bytes calldata inside) private {
        if (cost > debt.most) revert CostTooHigh(cost, debt.most);
        _run(inside);
        _transfer(debt.token, msg.sender, cost);
    }
}
