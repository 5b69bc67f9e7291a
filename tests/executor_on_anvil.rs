//! What Rust writes for the executor, run by the executor on a real node: deployed and injected are the same contract,
//! a plan's output and log say what the receiver got, and reverts have names.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test says what it expects")]

use alloy::{
    network::{ReceiptResponse, TransactionBuilder},
    node_bindings::{Anvil, AnvilInstance},
    primitives::{Address, Bytes, U256, address, bytes, uint},
    providers::{DynProvider, Provider, ProviderBuilder, ext::AnvilApi},
    rpc::types::{TransactionReceipt, TransactionRequest},
};
use harrier::{
    devnet::find_anvil,
    executor::{self, ExecutorConfig, GainedLog, Revert},
    plan::{Step, TxPlan},
};

const OWNER: Address = address!("00000000000000000000000000000000000a11ce");
const RECEIVER: Address = address!("0000000000000000000000000000000000007ea5");
const OPERATOR: Address = address!("0000000000000000000000000000000000000b0b");
const STRANGER: Address = address!("000000000000000000000000000000000000057a");
const BUILDER: Address = address!("000000000000000000000000000000000b111de4");
const FAUCET: Address = address!("0000000000000000000000000000000000faccee");
const INJECTED: Address = address!("00000000000000000000000000000000001e7ec7");
const ETHER: U256 = uint!(1000000000000000000_U256);

/// Sends one ether to whoever calls.
const FAUCET_CODE: Bytes = bytes!("5f5f5f5f670de0b6b3a7640000335af100");

struct Chain {
    _anvil: AnvilInstance,
    provider: DynProvider,
    config: ExecutorConfig,
    deployed: Address,
}

impl Chain {
    async fn start() -> Self {
        let anvil = Anvil::at(find_anvil().unwrap()).args(["--auto-impersonate", "--chain-id", "1337"]).try_spawn().unwrap();
        let provider = ProviderBuilder::new().connect_http(anvil.endpoint_url()).erased();
        for who in [OWNER, OPERATOR, FAUCET] {
            provider.anvil_set_balance(who, ETHER * U256::from(100)).await.unwrap();
        }
        for who in [RECEIVER, BUILDER] {
            provider.anvil_set_balance(who, U256::ONE).await.unwrap();
        }
        provider.anvil_set_code(FAUCET, FAUCET_CODE).await.unwrap();
        provider.anvil_set_coinbase(BUILDER).await.unwrap();
        let config = ExecutorConfig { owner: OWNER, receiver: RECEIVER, operators: vec![OPERATOR, STRANGER.create(7)], targets: vec![FAUCET] };

        let deployment = TransactionRequest::default().with_from(OWNER).with_deploy_code(executor::deployment(&config));
        let receipt = provider.send_transaction(deployment).await.unwrap().get_receipt().await.unwrap();
        let deployed = receipt.contract_address().unwrap();

        provider.anvil_set_code(INJECTED, executor::executor_artifact().runtime_code.clone()).await.unwrap();
        for (slot, value) in executor::storage(&config) {
            provider.anvil_set_storage_at(INJECTED, slot, value.into()).await.unwrap();
        }
        Self { _anvil: anvil, provider, config, deployed }
    }

    fn call(to: Address, from: Address, plan: &TxPlan) -> TransactionRequest {
        TransactionRequest::default().with_from(from).with_to(to).with_input(executor::encode(plan).unwrap()).with_gas_limit(1_000_000)
    }

    async fn output(&self, to: Address, plan: &TxPlan) -> Bytes {
        self.provider.call(Self::call(to, OPERATOR, plan)).await.unwrap()
    }

    async fn land(&self, to: Address, plan: &TxPlan) -> TransactionReceipt {
        self.provider.send_transaction(Self::call(to, OPERATOR, plan)).await.unwrap().get_receipt().await.unwrap()
    }

    async fn refusal(&self, from: Address, plan: &TxPlan) -> Revert {
        let error = self.provider.call(Self::call(self.deployed, from, plan)).await.unwrap_err();
        Revert::decode(&error.as_error_resp().and_then(|answer| answer.as_revert_data()).unwrap_or_default())
    }
}

/// Takes one ether from the faucet and pays a quarter of it to the builder.
fn plan() -> TxPlan {
    TxPlan {
        steps: vec![Step::Call { target: FAUCET, value: U256::ZERO, data: bytes!("00000000"), patches: vec![], approvals: vec![], callback: None }],
        sweep: vec![],
        profit_token: Address::ZERO,
        min_gain: ETHER * U256::from(3) / U256::from(4),
        builder_payment: ETHER / U256::from(4),
        blocks: (0, u64::MAX),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deployed_and_injected_are_the_same_contract() {
    let chain = Chain::start().await;
    let code = chain.provider.get_code_at(chain.deployed).await.unwrap();
    assert_eq!(code, executor::executor_artifact().runtime_code);
    for (slot, value) in executor::storage(&chain.config) {
        assert_eq!(chain.provider.get_storage_at(chain.deployed, slot).await.unwrap(), value, "slot {slot}");
    }

    let deployed = chain.land(chain.deployed, &plan()).await;
    let injected = chain.land(INJECTED, &plan()).await;
    assert!(deployed.status() && injected.status());
    assert_eq!(deployed.gas_used, injected.gas_used);
}

#[tokio::test(flavor = "multi_thread")]
async fn output_and_log_say_what_the_receiver_got() {
    let chain = Chain::start().await;
    let gain = ETHER * U256::from(3) / U256::from(4);
    assert_eq!(executor::decode_gain(&chain.output(chain.deployed, &plan()).await).unwrap(), gain);

    let receipt = chain.land(chain.deployed, &plan()).await;
    let logs: Vec<_> = receipt.logs().iter().filter_map(|log| executor::decode_gained_log(chain.deployed, &log.inner)).collect();
    assert_eq!(logs, vec![GainedLog { token: Address::ZERO, amount: gain }]);
    assert_eq!(chain.provider.get_balance(RECEIVER).await.unwrap(), gain + U256::ONE);
    assert!(chain.provider.get_balance(BUILDER).await.unwrap() > ETHER / U256::from(4));
    assert_eq!(chain.provider.get_balance(chain.deployed).await.unwrap(), U256::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_names() {
    let chain = Chain::start().await;
    assert_eq!(chain.refusal(STRANGER, &plan()).await, Revert::NotOperator);
    let greedy = TxPlan { min_gain: ETHER, ..plan() };
    let gained = ETHER * U256::from(3) / U256::from(4);
    assert_eq!(chain.refusal(OPERATOR, &greedy).await, Revert::GainTooLow { token: Address::ZERO, gained, least: ETHER });
    let late = TxPlan { blocks: (0, 0), ..plan() };
    assert!(matches!(chain.refusal(OPERATOR, &late).await, Revert::OutsideWindow { .. }));
    let unpaid = TxPlan { steps: vec![], min_gain: U256::ZERO, ..plan() };
    assert_eq!(chain.refusal(OPERATOR, &unpaid).await, Revert::PaymentNotCovered { available: U256::ZERO, payment: ETHER / U256::from(4) });
}
