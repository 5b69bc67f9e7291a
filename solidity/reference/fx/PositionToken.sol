// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

/// The ERC-721 side of positions: who owns one. Its storage lies at a hash, outside the pool's own slots.
abstract contract PositionToken {
    error ERC721NonexistentToken(uint256 id);
    error ERC721IncorrectOwner(address from, uint256 id, address owner);
    error ERC721InsufficientApproval(address operator, uint256 id);
    error ERC721InvalidReceiver(address to);

    event Transfer(address indexed from, address indexed to, uint256 indexed id);
    event Approval(address indexed owner, address indexed approved, uint256 indexed id);
    event ApprovalForAll(address indexed owner, address indexed operator, bool approved);

    struct TokenStorage {
        mapping(uint256 => address) owners;
        mapping(address => uint256) counts;
        mapping(uint256 => address) approvals;
        mapping(address => mapping(address => bool)) operators;
    }

    string public constant name = "f(x) position";
    string public constant symbol = "xPOSITION";

    function ownerOf(uint256 id) public view returns (address owner) {
        owner = _tokens().owners[id];
        if (owner == address(0)) revert ERC721NonexistentToken(id);
    }

    function balanceOf(address owner) external view returns (uint256) {
        return _tokens().counts[owner];
    }

    function getApproved(uint256 id) external view returns (address) {
        ownerOf(id);
        return _tokens().approvals[id];
    }

    function isApprovedForAll(address owner, address operator) public view returns (bool) {
        return _tokens().operators[owner][operator];
    }

    function approve(address to, uint256 id) external {
        address owner = ownerOf(id);
        if (msg.sender != owner && !isApprovedForAll(owner, msg.sender)) revert ERC721InsufficientApproval(msg.sender, id);
        _tokens().approvals[id] = to;
        emit Approval(owner, to, id);
    }

    function setApprovalForAll(address operator, bool approved) external {
        _tokens().operators[msg.sender][operator] = approved;
        emit ApprovalForAll(msg.sender, operator, approved);
    }

    function transferFrom(address from, address to, uint256 id) external {
        TokenStorage storage tokens = _tokens();
        address owner = ownerOf(id);
        if (owner != from) revert ERC721IncorrectOwner(from, id, owner);
        if (to == address(0)) revert ERC721InvalidReceiver(to);
        if (msg.sender != owner && msg.sender != tokens.approvals[id] && !isApprovedForAll(owner, msg.sender)) {
            revert ERC721InsufficientApproval(msg.sender, id);
        }
        delete tokens.approvals[id];
        tokens.owners[id] = to;
        --tokens.counts[from];
        ++tokens.counts[to];
        emit Transfer(from, to, id);
    }

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == 0x01ffc9a7 || id == 0x80ac58cd;
    }

    function _mintPosition(address to, uint256 id) internal {
        TokenStorage storage tokens = _tokens();
        tokens.owners[id] = to;
        ++tokens.counts[to];
        emit Transfer(address(0), to, id);
    }

    function _tokens() private pure returns (TokenStorage storage tokens) {
        bytes32 slot = keccak256("harrier.reference.fx.positions");
        assembly ("memory-safe") {
            tokens.slot := slot
        }
    }
}
