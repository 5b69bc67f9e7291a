//! A protocol that is funded in one way only, and a policy that lets everything through: the gain is all that differs.

use alloy::primitives::{Address, U256};
use harrier::{
    engine::{Measure, Policy},
    fork::{ReadSet, TargetBlock, View},
    plan::{MarketId, Opportunity, ProtocolId, Size, Skip, Step, TargetKey},
    protocols::{ActionLog, Discoverer, Funding, LogSource, MarketReading, Protocol, ProtocolError, Read, TargetReading, Terms, Way},
};
use std::sync::Arc;

/// The same protocol, funded in one way.
#[derive(Debug)]
pub(crate) struct Funded(pub(crate) Arc<dyn Protocol>, pub(crate) &'static [Funding]);

impl Protocol for Funded {
    fn id(&self) -> &ProtocolId {
        self.0.id()
    }
    fn log_sources(&self) -> Vec<LogSource> {
        self.0.log_sources()
    }
    fn discoverer(&self) -> Box<dyn Discoverer> {
        self.0.discoverer()
    }
    fn funding(&self) -> &'static [Funding] {
        self.1
    }
    fn acted_on(&self, market: MarketId, key: TargetKey) -> Vec<ActionLog> {
        self.0.acted_on(market, key)
    }
    fn contracts(&self) -> Vec<Address> {
        self.0.contracts()
    }
    fn call_targets(&self) -> Vec<Address> {
        self.0.call_targets()
    }
    fn reverted(&self, output: &[u8]) -> Option<Skip> {
        self.0.reverted(output)
    }
    fn read_market(&self, view: &View, block: &TargetBlock, market: MarketId) -> Result<Read<MarketReading>, ProtocolError> {
        self.0.read_market(view, block, market)
    }
    fn parameters(&self, market: &MarketReading) -> Vec<(&'static str, String)> {
        self.0.parameters(market)
    }
    fn read_target(&self, view: &View, block: &TargetBlock, market: MarketId, key: TargetKey) -> Result<Read<TargetReading>, ProtocolError> {
        self.0.read_target(view, block, market, key)
    }
    fn target_facets(&self, market: MarketId, key: TargetKey) -> ReadSet {
        self.0.target_facets(market, key)
    }
    fn confirm(
        &self,
        view: &View,
        block: &TargetBlock,
        market: &MarketReading,
        target: (MarketId, TargetKey),
        caller: Address,
    ) -> Result<Read<Vec<Opportunity>>, ProtocolError> {
        self.0.confirm(view, block, market, target, caller)
    }
    fn terms(
        &self,
        view: &View,
        block: &TargetBlock,
        market: &MarketReading,
        opportunity: &Opportunity,
        size: Size,
    ) -> Result<Result<Terms, Skip>, ProtocolError> {
        self.0.terms(view, block, market, opportunity, size)
    }
    fn steps(&self, market: &MarketReading, opportunity: &Opportunity, size: Size, terms: &Terms, way: Way, convert: Vec<Step>) -> Result<Vec<Step>, Skip> {
        self.0.steps(market, opportunity, size, terms, way, convert)
    }
}

/// Everything is admitted, nobody is paid: the gain is all that differs.
#[derive(Debug)]
pub(crate) struct Free;

impl Policy for Free {
    fn admits(&self, _: &Opportunity, _: Option<U256>, _: u128) -> Result<(), Skip> {
        Ok(())
    }
    fn worthwhile(&self, _: &Opportunity, _: Option<U256>, _: u128, _: U256) -> Result<(), Skip> {
        Ok(())
    }
    fn allows_chore(&self, _: &Opportunity, _: Option<U256>, _: u128) -> Result<(), Skip> {
        Ok(())
    }
    fn measure(&self) -> Measure {
        Measure::Transaction
    }
    fn builder_payment(&self, _: U256) -> U256 {
        U256::ZERO
    }
    fn min_gain(&self, _: U256, gas_wei: U256) -> Result<U256, Skip> {
        Ok(gas_wei)
    }
}
