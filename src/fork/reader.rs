//! Reads of many facets at one block, in few requests.
//!
//! | what | first choice | where the node lacks it |
//! | --- | --- | --- |
//! | slots | `eth_getStorageValues` | batches of `eth_getStorageAt` |
//! | balances, code hashes | one `eth_call` of a probe that a state override puts in place | batches of `eth_getBalance`, `eth_getCode` |
//! | nonces | batches of `eth_getTransactionCount` | |
//! | code | batches of `eth_getCode`, only where the hash is new | |
//! | what a call touches | `debug_traceCall` with `prestateTracer`, values included | `eth_createAccessList` |
//!
//! Everything is pinned by the block's hash and bounded in size. Proofs (`eth_getProof`) are not used: they cost a node much
//! more than a read, and a forked anvil answers them from the accounts it happens to hold, so it calls others empty.

use super::{ForkError, prefetch::Touched};
use alloy::{
    eips::BlockId,
    network::AnyNetwork,
    primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U64, U256, address, bytes, keccak256, map::HashMap},
    providers::{Provider, RootProvider},
    rpc::{client::BatchRequest, types::trace::geth::PreStateMode},
    transports::{RpcError, TransportError},
};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use std::sync::atomic::{AtomicU8, Ordering};

/// Bounds of single requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// Calls in a JSON-RPC batch.
    pub batch: usize,
    /// Slots in one `eth_getStorageValues`; nodes take 1024.
    pub slots: usize,
    /// Accounts in one call of the probe; 1,000 cost less than 5 million gas.
    pub accounts: usize,
    /// Requests in flight.
    pub in_flight: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self { batch: 200, slots: 1024, accounts: 1000, in_flight: 4 }
    }
}

/// An account as the node has it; code only where it was asked for because its hash is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AccountRead {
    pub(super) balance: U256,
    pub(super) nonce: u64,
    pub(super) code_hash: B256,
    pub(super) code: Option<Bytes>,
}

/// Whether the node has a method: unknown until it was tried once.
#[derive(Debug, Default)]
struct Support(AtomicU8);

impl Support {
    const MISSING: u8 = 1;
    const PRESENT: u8 = 2;

    fn is_missing(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::MISSING
    }

    fn is_unknown(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn set(&self, present: bool) {
        self.0.store(if present { Self::PRESENT } else { Self::MISSING }, Ordering::Relaxed);
    }
}

/// Where the probe stands for the length of a call; nobody has the key to this address.
const PROBE_AT: Address = address!("c0dE0000000000000000000000000000C0DE0001");
/// For each 32-byte word of the input, an address: its balance and its code hash.
const PROBE: Bytes = bytes!("5f5b80361115602157803580318260011b523f8160011b602001526020016001565b60011b5ff3");
/// Gas for each account asked, cold access and input included, with room to spare.
const PROBE_GAS: u64 = 12_000;

/// Asks one node for many facets.
#[derive(Debug)]
pub(super) struct NodeReader {
    provider: RootProvider<AnyNetwork>,
    limits: RequestLimits,
    storage_values: Support,
    probe: Support,
    prestate: Support,
    access_lists: Support,
}

impl NodeReader {
    pub(super) fn new(provider: RootProvider<AnyNetwork>, limits: RequestLimits) -> Self {
        let at_least_one = |limit: usize| limit.max(1);
        let limits = RequestLimits {
            batch: at_least_one(limits.batch),
            slots: at_least_one(limits.slots),
            accounts: at_least_one(limits.accounts),
            in_flight: at_least_one(limits.in_flight),
        };
        Self { provider, limits, storage_values: Support::default(), probe: Support::default(), prestate: Support::default(), access_lists: Support::default() }
    }

    /// The values of slots, in the order asked.
    pub(super) async fn slots(&self, at: B256, wanted: &[(Address, U256)]) -> Result<Vec<U256>, ForkError> {
        let Some(first) = wanted.chunks(self.limits.slots).next() else { return Ok(Vec::new()) };
        if self.storage_values.is_unknown() {
            // Asked once, alone: then all requests know which way to go.
            match self.storage_values(at, first).await {
                Ok(_) => self.storage_values.set(true),
                Err(error) if is_refusal(&error) => self.storage_values.set(false),
                Err(error) => return Err(node_error("storage values", at, &error)),
            }
        }
        if self.storage_values.is_missing() {
            let calls = wanted.iter().map(|(address, slot)| (*address, B256::from(*slot), BlockId::from(at))).collect::<Vec<_>>();
            return self.batched("eth_getStorageAt", at, &calls).await;
        }
        let requests = wanted.chunks(self.limits.slots).map(|chunk| self.storage_values(at, chunk)).collect();
        let answers: Vec<Vec<U256>> = self.all(requests).await.map_err(|error| node_error("storage values", at, &error))?;
        Ok(answers.into_iter().flatten().collect())
    }

    /// Accounts, in the order asked. With each comes the code hash that is known, if any: code is fetched where it differs.
    pub(super) async fn accounts(&self, at: B256, wanted: &[(Address, Option<B256>)]) -> Result<Vec<AccountRead>, ForkError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let addresses = wanted.iter().map(|(address, _)| *address).collect::<Vec<_>>();
        let by_address = addresses.iter().map(|address| (*address, BlockId::from(at))).collect::<Vec<_>>();
        let nonces = self.batched::<_, U64>("eth_getTransactionCount", at, &by_address);
        let (nonces, heads) = futures::future::try_join(nonces, self.balances_and_code(at, &addresses, &by_address)).await?;
        let mut reads = nonces
            .into_iter()
            .zip(heads)
            .map(|(nonce, (balance, code_hash, code))| AccountRead { balance, nonce: nonce.to(), code_hash, code })
            .collect::<Vec<_>>();
        let is_new = |read: &AccountRead, known: &Option<B256>| read.code_hash != KECCAK256_EMPTY && *known != Some(read.code_hash);
        let unknown = wanted
            .iter()
            .zip(&reads)
            .filter(|((_, known), read)| read.code.is_none() && is_new(read, known))
            .map(|((address, _), _)| (*address, BlockId::from(at)))
            .collect::<Vec<_>>();
        let mut fetched = self.batched::<_, Bytes>("eth_getCode", at, &unknown).await?.into_iter();
        for ((address, known), read) in wanted.iter().zip(&mut reads) {
            if !is_new(read, known) {
                read.code = None;
            } else if read.code.is_none() {
                let code = fetched.next().unwrap_or_default();
                if keccak256(&code) != read.code_hash {
                    let reason = format!("its code does not have the hash {} that the node gave", read.code_hash);
                    return Err(ForkError::Node { what: format!("account {address}"), block: at, reason });
                }
                read.code = Some(code);
            }
        }
        Ok(reads)
    }

    /// What a call would touch: with values where the node's tracer tells them, as keys where it makes access lists, and nothing
    /// where it does neither or can't run the call. Which of them it does is asked once.
    pub(super) async fn touched(&self, at: B256, request: &serde_json::Value) -> Result<Touched, ForkError> {
        if !self.prestate.is_missing() {
            let tracer = json!({ "tracer": "prestateTracer" });
            match self.provider.client().request::<_, PreStateMode>("debug_traceCall", (request, BlockId::from(at), tracer)).await {
                Ok(state) => {
                    self.prestate.set(true);
                    return Ok(Touched::State(state));
                }
                // A node that did it before has something against this call only.
                Err(error) if is_refusal(&error) && self.prestate.is_unknown() => self.prestate.set(false),
                Err(RpcError::ErrorResp(_)) => return Ok(Touched::Keys(Vec::new())),
                Err(error) => return Err(node_error("a prestate", at, &error)),
            }
        }
        if self.access_lists.is_missing() {
            return Ok(Touched::Keys(Vec::new()));
        }
        self.access_list(at, request).await.map(Touched::Keys)
    }

    async fn access_list(&self, at: B256, request: &serde_json::Value) -> Result<Vec<(Address, Vec<B256>)>, ForkError> {
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer {
            access_list: Vec<Entry>,
        }
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Entry {
            address: Address,
            storage_keys: Vec<B256>,
        }
        let answer: Result<Answer, _> = self.provider.client().request("eth_createAccessList", (request, BlockId::from(at))).await;
        match answer {
            Ok(answer) => {
                self.access_lists.set(true);
                Ok(answer.access_list.into_iter().map(|entry| (entry.address, entry.storage_keys)).collect())
            }
            Err(error) if is_refusal(&error) && self.access_lists.is_unknown() => {
                self.access_lists.set(false);
                Ok(Vec::new())
            }
            // The call can't run: there is nothing to read ahead.
            Err(RpcError::ErrorResp(_)) => Ok(Vec::new()),
            Err(error) => Err(node_error("an access list", at, &error)),
        }
    }

    async fn storage_values(&self, at: B256, wanted: &[(Address, U256)]) -> Result<Vec<U256>, TransportError> {
        let mut request = HashMap::<Address, Vec<B256>>::default();
        for (address, slot) in wanted {
            request.entry(*address).or_default().push(B256::from(*slot));
        }
        let answer: HashMap<Address, Vec<B256>> = self.provider.client().request("eth_getStorageValues", (&request, BlockId::from(at))).await?;
        let mut values = HashMap::<(Address, B256), U256>::default();
        for (address, slots) in request {
            let given = answer.get(&address).map(Vec::as_slice).unwrap_or_default();
            values.extend(slots.into_iter().zip(given).map(|(slot, value)| ((address, slot), U256::from_be_bytes(value.0))));
        }
        let ordered = wanted.iter().map(|(address, slot)| values.get(&(*address, B256::from(*slot))).copied());
        ordered.collect::<Option<Vec<_>>>().ok_or_else(|| alloy::transports::TransportErrorKind::custom_str("fewer values than were asked"))
    }

    /// Balance and code hash, and the code itself where that is how the hash was found.
    async fn balances_and_code(
        &self,
        at: B256,
        addresses: &[Address],
        by_address: &[(Address, BlockId)],
    ) -> Result<Vec<(U256, B256, Option<Bytes>)>, ForkError> {
        if self.probe.is_unknown() {
            let first = addresses.chunks(self.limits.accounts).next().unwrap_or_default();
            match self.probe(at, first).await {
                Ok(answer) => self.probe.set(answer.is_some()),
                Err(error) if is_refusal(&error) => self.probe.set(false),
                Err(error) => return Err(node_error("balances and code hashes", at, &error)),
            }
        }
        if self.probe.is_missing() {
            let balances = self.batched::<_, U256>("eth_getBalance", at, by_address);
            let codes = self.batched::<_, Bytes>("eth_getCode", at, by_address);
            let (balances, codes) = futures::future::try_join(balances, codes).await?;
            return Ok(balances.into_iter().zip(codes).map(|(balance, code)| (balance, keccak256(&code), Some(code))).collect());
        }
        let requests = addresses.chunks(self.limits.accounts).map(|chunk| self.probe(at, chunk)).collect();
        let answers = self.all(requests).await.map_err(|error| node_error("balances and code hashes", at, &error))?;
        let answers = answers.into_iter().collect::<Option<Vec<_>>>().ok_or_else(|| ForkError::Node {
            what: "balances and code hashes".to_owned(),
            block: at,
            reason: "the node ignored the state override that it took before".to_owned(),
        })?;
        Ok(answers.into_iter().flatten().map(|(balance, hash)| (balance, hash, None)).collect())
    }

    /// One call of the probe. None if the answer is not the probe's: it reports on itself last, so an override that was
    /// ignored shows.
    async fn probe(&self, at: B256, addresses: &[Address]) -> Result<Option<Vec<(U256, B256)>>, TransportError> {
        let asked = addresses.iter().chain(std::iter::once(&PROBE_AT));
        let input = asked.flat_map(|address| address.into_word().0).collect::<Bytes>();
        let count = u64::try_from(addresses.len()).unwrap_or(u64::MAX);
        let gas = PROBE_GAS.saturating_mul(count.saturating_add(10));
        let call = json!({ "to": PROBE_AT, "input": input, "gas": U64::from(gas) });
        let overrides = json!({ PROBE_AT.to_string(): { "code": PROBE } });
        let answer: Bytes = self.provider.client().request("eth_call", (call, BlockId::from(at), overrides)).await?;
        let mut words = answer.chunks_exact(32).map(B256::from_slice);
        let mut pairs = Vec::with_capacity(addresses.len());
        while let (Some(balance), Some(hash)) = (words.next(), words.next()) {
            // An account with nothing in it has no hash; to us it is one without code.
            let hash = if hash.is_zero() { KECCAK256_EMPTY } else { hash };
            pairs.push((U256::from_be_bytes(balance.0), hash));
        }
        let genuine = pairs.pop().is_some_and(|(_, hash)| hash == keccak256(&PROBE)) && pairs.len() == addresses.len();
        Ok(genuine.then_some(pairs))
    }

    /// One method for many parameters, in batches of bounded size.
    async fn batched<P, R>(&self, method: &'static str, at: B256, calls: &[P]) -> Result<Vec<R>, ForkError>
    where
        P: alloy::rpc::json_rpc::RpcSend,
        R: alloy::rpc::json_rpc::RpcRecv,
    {
        let requests = calls.chunks(self.limits.batch).map(|chunk| self.batch(method, chunk)).collect();
        let answers: Vec<Vec<R>> = self.all(requests).await.map_err(|error| node_error(method, at, &error))?;
        Ok(answers.into_iter().flatten().collect())
    }

    /// All answers in order, with a bounded number of requests in flight.
    async fn all<T>(&self, requests: Vec<impl Future<Output = Result<T, TransportError>>>) -> Result<Vec<T>, TransportError> {
        stream::iter(requests).buffered(self.limits.in_flight).try_collect().await
    }

    async fn batch<P, R>(&self, method: &'static str, calls: &[P]) -> Result<Vec<R>, TransportError>
    where
        P: alloy::rpc::json_rpc::RpcSend,
        R: alloy::rpc::json_rpc::RpcRecv,
    {
        let client = self.provider.client();
        let mut batch = BatchRequest::new(client);
        let waiters = calls.iter().map(|call| batch.add_call::<P, R>(method, call)).collect::<Result<Vec<_>, _>>()?;
        batch.send().await?;
        futures::future::try_join_all(waiters).await
    }
}

/// Whether the node answered that it does not do this, rather than not answering or failing at it.
pub(super) fn is_refusal(error: &TransportError) -> bool {
    let RpcError::ErrorResp(answer) = error else { return false };
    let message = answer.message.to_lowercase();
    let says_so = ["not supported", "unsupported", "does not exist/is not available", "method not found", "not whitelisted"];
    matches!(answer.code, -32601 | -32602 | -32004) || says_so.iter().any(|words| message.contains(words))
}

fn node_error(what: &str, at: B256, error: &TransportError) -> ForkError {
    ForkError::Node { what: what.to_owned(), block: at, reason: error.to_string() }
}
