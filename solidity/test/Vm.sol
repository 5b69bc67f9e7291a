// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

/// The cheat codes that these tests use, by forge's names.
interface Vm {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    struct Gas {
        uint64 gasLimit;
        uint64 gasTotalUsed;
        uint64 gasMemoryUsed;
        int64 gasRefunded;
        uint64 gasRemaining;
    }

    function prank(address sender) external;
    function deal(address who, uint256 balance) external;
    function roll(uint256 number) external;
    function warp(uint256 timestamp) external;
    function coinbase(address who) external;
    function etch(address who, bytes calldata code) external;
    function load(address who, bytes32 slot) external view returns (bytes32);
    function store(address who, bytes32 slot, bytes32 value) external;
    function expectRevert(bytes calldata data) external;
    function expectRevert(bytes4 selector) external;
    function expectRevert() external;
    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
    function readFile(string calldata path) external view returns (string memory);
    function parseJsonBytes(string calldata json, string calldata key) external pure returns (bytes memory);
    function parseJsonString(string calldata json, string calldata key) external pure returns (string memory);
    function parseJsonUint(string calldata json, string calldata key) external pure returns (uint256);
    function keyExistsJson(string calldata json, string calldata key) external view returns (bool);
    function toString(uint256 value) external pure returns (string memory);
    function parseBytes(string calldata text) external pure returns (bytes memory);
    function assume(bool condition) external pure;
    function snapshotState() external returns (uint256);
    function revertToState(uint256 snapshot) external returns (bool);
    function lastCallGas() external view returns (Gas memory);
}

/// What every test has: cheat codes, comparisons that say what differed, and contracts from package files.
abstract contract Test {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    error Different(string what, uint256 got, uint256 expected);
    error NotSo(string what);

    event log_named_uint(string what, uint256 value);

    function same(string memory what, uint256 got, uint256 expected) internal pure {
        if (got != expected) revert Different(what, got, expected);
    }

    function same(string memory what, address got, address expected) internal pure {
        same(what, uint160(got), uint160(expected));
    }

    function so(string memory what, bool condition) internal pure {
        if (!condition) revert NotSo(what);
    }

    function bound(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + value % (high - low + 1);
    }

    /// Deploys creation code with constructor arguments.
    function create(bytes memory code, bytes memory arguments) internal returns (address made) {
        bytes memory all = bytes.concat(code, arguments);
        assembly ("memory-safe") {
            made := create(0, add(all, 32), mload(all))
        }
        so("deployed", made != address(0));
    }

    /// Creation code out of a package's artifact whose `bytecode` is a 0x string.
    function package(string memory path) internal view returns (bytes memory) {
        return vm.parseJsonBytes(vm.readFile(path), ".bytecode");
    }

    /// Deploys one of our own contracts from its committed artifact.
    function ours(string memory name, bytes memory arguments) internal returns (address) {
        return create(package(string.concat("artifacts/", name, ".json")), arguments);
    }
}
