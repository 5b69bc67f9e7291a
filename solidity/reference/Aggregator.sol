// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {Owned} from "./Owned.sol";

/// A price feed as Chainlink's aggregators look to their readers: rounds with an answer and a time, written by a
/// transmitter in a transaction of its own. It can be made to revert, as a feed does that is paused or retired.
contract Aggregator is Owned {
    struct Round {
        int192 answer;
        uint64 updatedAt;
    }

    error NotTransmitter();
    error NoRound();
    error AnswerTooLarge();
    error FeedStopped();

    event AnswerUpdated(int256 indexed current, uint256 indexed roundId, uint256 updatedAt);
    event NewRound(uint256 indexed roundId, address indexed startedBy, uint256 startedAt);

    uint8 public immutable decimals;
    string public description;
    uint256 public constant version = 4;
    address public transmitter;
    bool public stopped;
    uint80 public latestRound;
    mapping(uint80 => Round) private rounds;

    constructor(uint8 decimals_, string memory description_, address transmitter_, int256 answer) {
        decimals = decimals_;
        description = description_;
        transmitter = transmitter_;
        _write(answer);
    }

    function setTransmitter(address transmitter_) external onlyOwner {
        transmitter = transmitter_;
    }

    /// While stopped every read reverts.
    function setStopped(bool stopped_) external onlyOwner {
        stopped = stopped_;
    }

    /// The owner's or the transmitter's new answer, in units of 10^-decimals.
    function transmit(int256 answer) external {
        if (msg.sender != transmitter && msg.sender != owner) revert NotTransmitter();
        _write(answer);
    }

    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
    {
        return getRoundData(latestRound);
    }

    function getRoundData(uint80 id) public view returns (uint80, int256, uint256, uint256, uint80) {
        if (stopped) revert FeedStopped();
        Round memory round = rounds[id];
        if (round.updatedAt == 0) revert NoRound();
        return (id, round.answer, round.updatedAt, round.updatedAt, id);
    }

    function latestAnswer() external view returns (int256) {
        if (stopped) revert FeedStopped();
        return rounds[latestRound].answer;
    }

    function latestTimestamp() external view returns (uint256) {
        if (stopped) revert FeedStopped();
        return rounds[latestRound].updatedAt;
    }

    function _write(int256 answer) private {
        if (answer != int192(answer)) revert AnswerTooLarge();
        uint80 id = latestRound + 1;
        latestRound = id;
        rounds[id] = Round(int192(answer), uint64(block.timestamp));
        emit NewRound(id, msg.sender, block.timestamp);
        emit AnswerUpdated(answer, id, block.timestamp);
    }
}
