//! The executor in Flux's register of executors, by the commands alone: deployed too early, refused, deployed again, registered once.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what it expects")]

mod shell;

use alloy::{
    primitives::{Address, Bytes, U256},
    providers::{Provider, ProviderBuilder, WsConnect},
    sol_types::SolValue,
};
use futures::StreamExt;
use harrier::{
    config::Config,
    devnet::{Artifact, Devnet, DevnetConfig, SearcherFacts, rehearsal::Stage},
};
use shell::Shell;
use std::path::Path;

alloy::sol! {
    function getExecutor(address manager) external view returns (address);
}

/// Creates a reference contract; its address.
async fn create(devnet: &Devnet, artifact: &str, arguments: Vec<u8>) -> Address {
    let deployer = devnet.deployer().unwrap();
    let code = [Artifact::own(artifact).unwrap().init_code.to_vec(), arguments].concat();
    let raw = devnet.signed(&deployer, None, U256::ZERO, code.into(), 8_000_000, 1).await.unwrap();
    let hash = devnet.send_public(raw).await.unwrap();
    devnet.build_block().await.unwrap();
    let receipt = devnet.provider().unwrap().get_transaction_receipt(hash).await.unwrap().unwrap();
    assert!(receipt.status(), "{artifact}");
    receipt.contract_address.unwrap()
}

/// A command beside a chain that builds a block for each transaction that it announces.
async fn run(devnet: &Devnet, shell: &Shell, arguments: &[&str]) -> (i32, String, String) {
    let provider = ProviderBuilder::new().connect_ws(WsConnect::new(devnet.ws_url())).await.unwrap();
    let mut announced = provider.subscribe_pending_transactions().await.unwrap().into_stream();
    let blocks = async {
        while announced.next().await.is_some() {
            devnet.build_block().await.unwrap();
        }
        std::future::pending().await
    };
    tokio::select! {
        ended = shell.run(arguments, true) => ended,
        never = blocks => never,
    }
}

struct Scene {
    stage: Stage,
    factory: Address,
    vault: Address,
}

impl Scene {
    /// An executor that was deployed before anybody thought of Flux.
    async fn set(folder: &Path) -> Self {
        let stage = Stage::set(DevnetConfig::default(), folder).await.unwrap();
        let devnet = &stage.devnet;
        let factory = create(devnet, "FluxFactory", Address::repeat_byte(1).abi_encode()).await;
        let usdc = devnet.contracts().tokens["USDC"].address;
        let words = (usdc, factory, factory, factory, Address::ZERO, "Flux USDC".to_owned(), "fUSDC".to_owned());
        let vault = create(devnet, "FluxVault", words.abi_encode_params()).await;
        Self { stage, factory, vault }
    }

    /// The program with this executor, and with Flux or without it.
    fn shell(&self, folder: &Path, executor: Option<Address>, with_flux: bool, more: &[(&str, &str)]) -> Shell {
        let ledger = folder.join("searcher.sqlite");
        let facts = SearcherFacts { executor, receiver: self.stage.receiver, ledger: &ledger };
        let flux = format!("{{ kind = \"flux\", contract = \"{}\", from_block = 0, markets = [\"{}\"] }}", self.factory, self.vault);
        let flux = with_flux.then(|| ("HARRIER__protocols__flux".to_owned(), flux));
        let overrides: Vec<_> = flux.into_iter().chain(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))).collect();
        let (config, _): (Config, _) = self.stage.devnet.searcher(&facts, &overrides).unwrap();
        let shell = Shell { file: folder.join("harrier.toml"), secrets: self.stage.devnet.secrets().unwrap() };
        std::fs::write(&shell.file, config.to_toml().unwrap()).unwrap();
        shell
    }

    async fn registered(&self, executor: Address) -> Address {
        self.stage.devnet.ask("the register", self.factory, &getExecutorCall { manager: executor }).await.unwrap()
    }

    /// Transactions of the operators so far.
    async fn sent(&self) -> u64 {
        let provider = self.stage.devnet.provider().unwrap();
        let mut sent = 0;
        for operator in self.stage.devnet.operators().unwrap() {
            sent += provider.get_transaction_count(operator.address()).await.unwrap();
        }
        sent
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_executor_registers_itself_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let scene = Scene::set(folder).await;
    let devnet = &scene.stage.devnet;
    let register = ["executor", "register-flux"];

    // Nothing to register with, and nobody to be registered.
    let early = scene.stage.executor;
    let (code, _, said) = run(devnet, &scene.shell(folder, Some(early), false, &[]), &register).await;
    assert!(code == 2 && said.contains("no protocol of kind \"flux\""), "{code} {said}");
    let (code, _, said) = run(devnet, &scene.shell(folder, None, true, &[]), &register).await;
    assert!(code == 2 && said.contains("executor.address is missing"), "{code} {said}");

    // That executor may not call the factory: its owner did not list what was not known.
    let (code, _, said) = run(devnet, &scene.shell(folder, Some(early), true, &[]), &register).await;
    assert!(code == 2 && said.contains(&format!("{} is not among the executor's call targets", scene.factory)), "{code} {said}");

    // The one that is deployed for Flux may; until it does, the status says what is missing.
    let (code, out, said) = run(devnet, &scene.shell(folder, None, true, &[]), &["executor", "deploy"]).await;
    assert_eq!(code, 0, "{said}");
    let executor: Address = out.trim().parse().unwrap();
    let shell = scene.shell(folder, Some(executor), true, &[]);
    let (code, out, said) = run(devnet, &shell, &["executor", "status"]).await;
    assert!(code == 3 && out.contains(&format!("register  flux {} missing", scene.factory)) && !out.contains("differs"), "{code} {out} {said}");

    // Only an operator may have it done.
    let stranger = [("HARRIER__operators__keys", "[\"env:HARRIER_OWNER\"]")];
    let (code, _, said) = run(devnet, &scene.shell(folder, Some(executor), true, &stranger), &register).await;
    let owner = devnet.owner().unwrap().address();
    assert!(code == 2 && said.contains(&format!("{owner}, the first of operators.keys, is not an operator")), "{code} {said}");
    assert_eq!((scene.sent().await, scene.registered(executor).await), (0, Address::ZERO), "nothing was sent so far");

    // Without a block it is not mined in time. It lands with the next one nevertheless.
    let shell = scene.shell(folder, Some(executor), true, &[]);
    let (code, _, said) = shell.run(&["executor", "register-flux", "--wait", "1"], true).await;
    assert!(code == 1 && said.contains("was not mined within 1s"), "{code} {said}");
    assert_eq!(scene.registered(executor).await, Address::ZERO);
    devnet.build_block().await.unwrap();
    assert_eq!((scene.sent().await, scene.registered(executor).await), (1, executor));

    // A second run has nothing to do, and the status has nothing to find.
    let done = format!("flux {} registered\n", scene.factory);
    let (code, out, said) = run(devnet, &shell, &register).await;
    assert_eq!((code, &out), (0, &done), "{said}");
    assert!(said.contains("nothing to do"), "{said}");
    assert_eq!(scene.sent().await, 1);
    let (code, out, said) = run(devnet, &shell, &["executor", "status"]).await;
    assert!(code == 0 && out.contains(&format!("register  {done}")), "{code} {out} {said}");

    // Another one, with blocks: sent, waited for, asked again.
    let (code, out, said) = run(devnet, &scene.shell(folder, None, true, &[]), &["executor", "deploy"]).await;
    assert_eq!(code, 0, "{said}");
    let second: Address = out.trim().parse().unwrap();
    let (code, out, said) = run(devnet, &scene.shell(folder, Some(second), true, &[]), &register).await;
    assert_eq!((code, out), (0, done), "{said}");
    assert!(said.contains("waiting to be mined"), "{said}");
    assert_eq!((scene.sent().await, scene.registered(second).await), (2, second));
    let held = devnet.provider().unwrap().get_balance(second).await.unwrap();
    assert_eq!((held, devnet.provider().unwrap().get_code_at(second).await.unwrap() == Bytes::new()), (U256::ZERO, false));
}
