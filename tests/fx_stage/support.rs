//! A devnet with f(x), calls on somebody's behalf with the data of their revert, and the rival's tokens.

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol_types::SolCall,
};
use harrier::devnet::{BlockReport, Devnet, DevnetConfig, NodeError, Receipt, abi::Token, fx::FxPool};
use serde_json::json;

pub(crate) const GWEI: u128 = 1_000_000_000;

pub(crate) async fn devnet() -> Devnet {
    Devnet::start(DevnetConfig { fx: true, ..DevnetConfig::default() }).await.unwrap()
}

pub(crate) fn units(whole: u64, decimals: u32) -> U256 {
    U256::from(whole) * U256::from(10).pow(U256::from(decimals))
}

/// A debt ratio in thousandths, 1e18 is one.
pub(crate) fn thousandths(ratio: u64) -> U256 {
    units(ratio, 15)
}

/// What a call would return at the newest block, or the data of its revert.
pub(crate) async fn called<C: SolCall>(devnet: &Devnet, from: Address, to: Address, call: &C) -> Result<C::Return, Bytes> {
    let request = json!({"from": from, "to": to, "data": Bytes::from(call.abi_encode())});
    match devnet.node().call::<_, Bytes>("eth_call", (request, "latest")).await {
        Ok(output) => Ok(C::abi_decode_returns(&output).unwrap()),
        Err(NodeError::Refused { data, message, .. }) => {
            let data = data.unwrap_or_else(|| panic!("{message}"));
            Err(serde_json::from_str(data.get()).unwrap())
        }
        Err(error) => panic!("{error}"),
    }
}

/// The data of `Error(string)`.
pub(crate) fn words(text: &str) -> Bytes {
    use alloy::sol_types::{Revert, SolError};
    Revert::from(text).abi_encode().into()
}

/// Mines a block with these signed transactions, and looks that each of them succeeded.
pub(crate) async fn mined(devnet: &Devnet, raws: Vec<Bytes>) -> Vec<Receipt> {
    let mut hashes: Vec<B256> = Vec::new();
    for raw in raws {
        hashes.push(devnet.send_public(raw).await.unwrap());
    }
    let report = devnet.build_block().await.unwrap();
    succeeded(&report, &hashes);
    devnet.node().newest_receipts().await.unwrap()
}

pub(crate) fn succeeded(report: &BlockReport, hashes: &[B256]) {
    for hash in hashes {
        let place = report.txs.iter().position(|tx| tx == hash).unwrap_or_else(|| panic!("{hash} is not in the block"));
        assert!(report.succeeded[place], "{hash} failed");
    }
}

/// Somebody's call as a signed transaction.
pub(crate) async fn signed<C: SolCall>(devnet: &Devnet, by: &harrier::devnet::Person, to: Address, call: &C) -> Bytes {
    devnet.signed(by, Some(to), U256::ZERO, call.abi_encode().into(), 8_000_000, GWEI).await.unwrap()
}

/// Gives the rival a short pool's debt token and lets the short manager take it.
pub(crate) async fn rival_owns(devnet: &Devnet, pool: &FxPool, amount: U256) {
    let (deployer, rival) = (devnet.deployer().unwrap(), devnet.rival().clone());
    let gift = signed(devnet, &deployer, pool.owed, &Token::transferCall { to: rival.address(), amount }).await;
    let approval = signed(devnet, &rival, pool.owed, &Token::approveCall { spender: pool.manager, amount: U256::MAX }).await;
    mined(devnet, vec![gift, approval]).await;
}
