// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

// The encoding's numbers. src/executor/opcodes.rs has the same ones, and a test there compares the two files.

// Steps.
uint256 constant CALL = 1;
uint256 constant LIQUIDATE = 2;
uint256 constant FLASH = 3;
uint256 constant SWAP_IN = 4;
uint256 constant SWAP_OUT = 5;
uint256 constant WRAP = 6;
uint256 constant UNWRAP = 7;
uint256 constant ASSERT_GAINED = 8;

// Kinds of lenders in a FLASH step.
uint256 constant FLASH_MORPHO = 0;
uint256 constant FLASH_MOOLAH = 1;
uint256 constant FLASH_ERC3156 = 2;
uint256 constant FLASH_BALANCER_V2 = 3;
uint256 constant FLASH_BALANCER_V3 = 4;
uint256 constant FLASH_AAVE_V3 = 5;
uint256 constant FLASH_UNISWAP_V2 = 6;
uint256 constant FLASH_UNISWAP_V3 = 7;

// Kinds of pools in a SWAP_IN or SWAP_OUT step.
uint256 constant SWAP_UNISWAP_V3 = 0;
uint256 constant SWAP_UNISWAP_V2 = 1;
