// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import "../src/Opcodes.sol";
import {Steps} from "./Steps.sol";
import {Test} from "./Vm.sol";

/// The same examples as src/executor/encode_tests.rs, against the same file: so what Rust writes is what the
/// other tests here show the contract to read.
contract EncodingTest is Test {
    string private fixture = vm.readFile("test/fixtures/steps.json");

    function check(string memory name, bytes memory step) private view {
        bytes memory expected = vm.parseJsonBytes(fixture, string.concat(".", name));
        so(name, keccak256(step) == keccak256(expected));
    }

    function account(uint160 number) private pure returns (address) {
        return address(number);
    }

    function sellAll() private pure returns (bytes memory) {
        return Steps.swapIn(
            SWAP_UNISWAP_V3, 0, account(0x20), account(0x12), account(0x11), Steps.gained(Steps.ALL), 1000
        );
    }

    function test_liquidate() external view {
        Steps.Market memory market = Steps.Market(
            account(0x10), 0xcf7ea196, account(0x11), account(0x12), account(0x13), account(0x14), 860000000000000000
        );
        check("liquidate", Steps.liquidate(market, account(0x15), 0, 0x123456, Steps.ALL, sellAll()));
    }

    function test_flash() external view {
        bytes memory inside = Steps.assertGained(account(0x11), 1000000);
        check("flash", Steps.flash(FLASH_UNISWAP_V3, account(0x20), account(0x11), 1000000, 500, inside));
    }

    function test_swaps() external view {
        check("swap_in", sellAll());
        check(
            "swap_in_v2",
            Steps.swapIn(SWAP_UNISWAP_V2, 3000, account(0x21), account(0x12), account(0x11), Steps.gained(0), 0)
        );
        check("swap_out", Steps.swapOut(SWAP_UNISWAP_V3, 0, account(0x20), account(0x12), account(0x11), 256, 255));
    }

    function test_wrap_and_assert() external view {
        check("wrap", Steps.wrap(account(0x30), Steps.gained(7)));
        check("unwrap", Steps.unwrap(account(0x30), Steps.exact(1000000000)));
        check("assert_gained", Steps.assertGained(account(0x11), 0));
    }

    function test_call() external view {
        check(
            "call",
            Steps.call(
                account(0x40),
                1,
                2,
                bytes.concat(
                    Steps.approval(account(0x11), account(0x42), Steps.exact(5)),
                    Steps.approval(account(0x12), account(0x40), Steps.gained(6))
                ),
                1,
                Steps.patch(account(0x11), 0xffff, 32),
                abi.encodePacked(bytes4(0xa0807d34), uint256(0x41), uint256(0), uint256(96)),
                Steps.callback(0xf1471868, account(0x11), 9, sellAll())
            )
        );
    }
}
