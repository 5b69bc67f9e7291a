//! Simulated equals mined: gas, status, logs, and every balance, nonce, code and slot, to the wei.

use crate::{
    chain::{Chain, FEE_RECIPIENT, blocking, number},
    code,
};
use alloy::{
    primitives::{TxKind, U256},
    signers::local::PrivateKeySigner,
};
use eyre::Result;
use harrier::fork::{SimTx, TargetBlock, TxStatus, View};
use std::sync::Arc;

/// Simulates on the head, mines the same, compares all there is.
async fn assert_equal(chain: &Chain, view: View, txs: Vec<SimTx>) -> Result<Vec<TxStatus>> {
    let block = TargetBlock::after(view.head(), &Chain::rules());
    let simulated = {
        let (view, block, txs) = (view.clone(), block.clone(), txs.clone());
        blocking(move || view.execute(&block, &txs)).await??
    };
    let paid_before = chain.fresh(&harrier::fork::Facet::Balance(FEE_RECIPIENT), view.head().hash).await?;
    let mined = chain.send_and_mine(&txs).await?;
    assert_eq!((mined.number, mined.timestamp, mined.base_fee), (block.number, block.timestamp, block.base_fee));
    assert_eq!(mined.excess_blob_gas, block.excess_blob_gas);
    for (tx, outcome) in txs.iter().zip(&simulated.txs) {
        let receipt = chain.receipt(tx).await?;
        assert_eq!(receipt.success, outcome.status == TxStatus::Success, "{outcome:?}");
        assert_eq!(receipt.gas_used, outcome.gas_used, "{outcome:?}");
        assert_eq!(receipt.logs, outcome.logs);
    }
    assert_eq!(mined.gas_used, simulated.txs.iter().map(|tx| tx.gas_used).sum::<u64>());
    let after = view.with_layer(simulated.layer.clone());
    let diff = view.diff(&simulated.layer)?;
    assert!(!diff.is_empty());
    for change in diff.iter() {
        assert_eq!(chain.fresh(&change.facet, mined.hash).await?, change.new, "{:?}", change.facet);
        assert_eq!(after.facet(&change.facet)?, Some(change.new));
    }
    for address in simulated.layer.addresses() {
        let account = after.account(*address)?;
        assert_eq!(chain.fresh(&harrier::fork::Facet::Balance(*address), mined.hash).await?, account.balance, "{address}");
        assert_eq!(chain.fresh(&harrier::fork::Facet::Nonce(*address), mined.hash).await?, U256::from(account.nonce), "{address}");
    }
    let gained = simulated.txs.iter().map(|tx| tx.fee_recipient_gain).sum::<U256>();
    let paid_after = chain.fresh(&harrier::fork::Facet::Balance(FEE_RECIPIENT), mined.hash).await?;
    assert_eq!(paid_after - paid_before, gained);
    Ok(simulated.txs.into_iter().map(|tx| tx.status).collect())
}

async fn scenario() -> Result<(Chain, Vec<SimTx>)> {
    let chain = Chain::start().await?;
    let worker = chain.deploy(&code::worker()).await?;
    let failing = chain.deploy(code::FAILING).await?;
    let factory = chain.deploy(code::FACTORY).await?;
    // The fee recipient is funded, as the assumption says.
    chain.send_and_mine(&[chain.sign(9, TxKind::Call(FEE_RECIPIENT), 1, vec![])]).await?;
    let heir = alloy::primitives::Address::repeat_byte(0x77);
    let authority = PrivateKeySigner::random();
    let to = TxKind::Call;
    let txs = vec![
        chain.sign(1, to(worker), 1_000_000_007, code::words(&[7, 1])),
        chain.sign(2, to(worker), 5, code::words(&[7, 0])), // a refund
        chain.sign(1, to(worker), 0, code::words(&[8, 3])),
        chain.sign(3, to(alloy::primitives::Address::repeat_byte(0x42)), 123, vec![]),
        chain.sign(3, to(failing), 0, code::words(&[0])),
        chain.sign(3, to(failing), 0, code::words(&[1])),
        chain.sign(4, TxKind::Create, 0, code::init_code(code::READER)),
        chain.sign(4, to(factory), 99, code::short_lived(heir)),
        chain.sign(4, to(factory), 0, code::init_code(code::WRITER)),
        chain.delegate(5, &authority, worker),
        chain.sign(5, to(authority.address()), 3, code::words(&[1, 2])),
        chain.delegate(5, &authority, alloy::primitives::Address::ZERO),
    ];
    Ok((chain, txs))
}

#[tokio::test(flavor = "multi_thread")]
async fn simulated_equals_mined() -> Result<()> {
    let (chain, txs) = scenario().await?;
    let fork = chain.fork().await?;
    let statuses = assert_equal(&chain, fork.view(), txs).await?;
    assert_eq!(statuses.iter().filter(|status| **status == TxStatus::Success).count(), 10);
    assert!(matches!(statuses[4], TxStatus::Reverted) && matches!(statuses[5], TxStatus::Halted(_)), "{statuses:?}");
    Ok(())
}

/// As above on a runtime with a single thread, where the blocking thread depends on it.
#[tokio::test]
async fn simulated_equals_mined_on_one_thread() -> Result<()> {
    let (chain, txs) = scenario().await?;
    let fork = chain.fork().await?;
    assert_equal(&chain, fork.view(), txs).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn block_after_block_on_one_rolling_fork() -> Result<()> {
    let chain = Chain::start().await?;
    let worker = chain.deploy(&code::worker()).await?;
    chain.send_and_mine(&[chain.sign(9, TxKind::Call(FEE_RECIPIENT), 1, vec![])]).await?;
    let fork = chain.fork().await?;
    for round in 0..8_u64 {
        let txs = (0..=round).map(|n| chain.sign(usize::try_from(n % 5).unwrap(), TxKind::Call(worker), n, code::words(&[n % 3 + 1, round]))).collect();
        assert_equal(&chain, fork.view(), txs).await?;
        fork.roll(&chain.head().await?).await?;
        chain.assert_fresh(&fork.view()).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulation_thread_outside_the_runtime() -> Result<()> {
    let (chain, txs) = scenario().await?;
    let fork = Arc::new(chain.fork().await?);
    let view = fork.view();
    let block = TargetBlock::after(view.head(), &Chain::rules());
    let (done, answer) = tokio::sync::oneshot::channel();
    let thread = std::thread::spawn(move || done.send(view.execute(&block, &txs)));
    assert_eq!(answer.await??.txs.len(), 12);
    assert!(thread.join().is_ok());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_fee_recipient_is_taken_as_funded() -> Result<()> {
    let chain = Chain::start().await?;
    let worker = chain.deploy(&code::worker()).await?;
    let nobody = alloy::primitives::Address::repeat_byte(0x55);
    let fork = chain.fork().await?;
    let run = |fee_recipient| {
        let view = fork.view();
        let tx = chain.sign(1, TxKind::Call(worker), 10, code::words(&[1, 1]));
        let block = TargetBlock { fee_recipient, ..TargetBlock::after(view.head(), &Chain::rules()) };
        blocking(move || view.execute(&block, &[tx]).map(|execution| (view.with_layer(execution.layer).account(fee_recipient), execution.txs)))
    };
    let (funded, _) = (run(chain.person(8).address()).await??, chain.forget_nonces().await?);
    let (empty, _) = (run(nobody).await??, chain.forget_nonces().await?);
    assert_eq!(funded.1, empty.1);
    let account = empty.0?;
    assert_eq!((account.balance, account.nonce), (empty.1[0].fee_recipient_gain, 0));
    // Mined by an empty recipient the same costs 25,000 gas more: the assumption, not a mistake.
    let _: serde_json::Value = chain.request("anvil_setCoinbase", (nobody,)).await?;
    let tx = chain.sign(1, TxKind::Call(worker), 10, code::words(&[1, 1]));
    let mined = chain.send_and_mine(std::slice::from_ref(&tx)).await?;
    assert_eq!(chain.head_at(number(mined.number)).await?.fee_recipient, nobody);
    assert_eq!(chain.receipt(&tx).await?.gas_used, empty.1[0].gas_used + 25_000);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn base_fees_of_blocks_of_any_fullness() -> Result<()> {
    let chain = Chain::start_with(&["--gas-limit", "2000000"]).await?;
    let burner = chain.deploy(&[0x5b, PUSH0_JUMP[0], PUSH0_JUMP[1]]).await?;
    for fullness in [0, 1, 2, 2, 0, 1, 1, 2, 2, 2, 0, 0] {
        let head = chain.head().await?;
        let predicted = TargetBlock::after(&head, &Chain::rules());
        let txs = (0..fullness).map(|n| chain.sign(n, TxKind::Call(burner), 0, vec![])).collect::<Vec<_>>();
        let mined = chain.send_and_mine(&txs).await?;
        assert_eq!(
            (mined.number, mined.timestamp, mined.base_fee, mined.gas_limit),
            (predicted.number, predicted.timestamp, predicted.base_fee, predicted.gas_limit)
        );
        assert!(TargetBlock::after_blocks(&head, &Chain::rules(), 2).base_fee >= TargetBlock::after(&mined, &Chain::rules()).base_fee);
    }
    Ok(())
}

/// An endless loop: burns all the gas it gets.
const PUSH0_JUMP: [u8; 2] = [code::PUSH0, 0x56];
