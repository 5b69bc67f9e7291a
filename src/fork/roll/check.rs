//! A few reads at the new head that a way's result must agree with, and those that replace what it can't know.

use super::{
    Changes, NewValue,
    questions::{Questions, Reading},
};
use crate::{
    chain::Head,
    fork::{Facet, ForkError, store::Store},
};
use alloy::{
    eips::{
        eip2935::HISTORY_STORAGE_ADDRESS, eip4788::BEACON_ROOTS_ADDRESS, eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
        eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
    },
    primitives::{Address, map::HashMap},
};

/// Contracts whose slots the chain itself writes, at the start of each block (the first two) or at its end.
pub(super) const SYSTEM: [Address; 4] =
    [BEACON_ROOTS_ADDRESS, HISTORY_STORAGE_ADDRESS, WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS];

/// Facets that are read again to see whether a way told the truth.
const SAMPLES: usize = 8;

/// Every slot of the system contracts that is known.
pub(super) fn system_slots(known: &Store) -> Vec<Facet> {
    SYSTEM.iter().flat_map(|address| known.slots_of(address).map(|(slot, _)| Facet::Slot(*address, slot))).collect()
}

/// A few facets that are known and that the block came near to: changed slots, and all three facets of changed accounts, so
/// that a change which the way overlooked is seen too. Which ones depends on the block, so that in time all are.
pub(super) fn samples(known: &Store, changes: &Changes, head: &Head) -> Vec<Facet> {
    let mut near = Vec::new();
    for NewValue { facet, .. } in &changes.values {
        let Some(address) = facet.address() else { continue };
        near.extend([*facet, Facet::Balance(address), Facet::Nonce(address), Facet::Code(address)].into_iter().filter(|facet| known.value(facet).is_some()));
    }
    near.sort_unstable();
    near.dedup();
    let always = Some(Facet::Balance(head.fee_recipient)).filter(|facet| known.value(facet).is_some());
    let [a, b, c, d, ..] = head.hash.0;
    let start = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or_default();
    let step = near.len().div_ceil(SAMPLES).max(1);
    let offset = start.checked_rem(step).unwrap_or_default();
    near.into_iter().skip(offset).step_by(step).chain(always).collect()
}

/// Reads `unknowable` and `samples` in one go. The first replace what the changes say of them, the others must agree with it.
pub(super) async fn settle(
    way: &'static str,
    questions: &Questions,
    known: &Store,
    changes: &mut Changes,
    (unknowable, samples): (&[Facet], &[Facet]),
    head: &Head,
) -> Result<(), ForkError> {
    let samples = samples.iter().filter(|sample| !unknowable.contains(sample)).copied().collect::<Vec<_>>();
    let wanted = unknowable.iter().chain(&samples).copied().collect::<Vec<_>>();
    let mut readings = questions.facets(head.hash, &wanted).await?.into_iter();
    replace(changes, unknowable, readings.by_ref().take(unknowable.len()));
    let new = changes.values.iter().map(|value| (value.facet, value.new)).collect::<HashMap<_, _>>();
    for (facet, reading) in samples.iter().zip(readings) {
        let said = new.get(facet).copied().or_else(|| known.value(facet));
        if said != Some(reading.value) {
            let reason = format!("{facet:?} at block {} is {} at the node and not {said:?}", head.hash, reading.value);
            return Err(ForkError::Roll { way, reason });
        }
    }
    Ok(())
}

/// Puts what was read into the changes, whatever they said of it.
pub(super) fn replace(changes: &mut Changes, facets: &[Facet], readings: impl IntoIterator<Item = Reading>) {
    let places = changes.values.iter().enumerate().map(|(place, value)| (value.facet, place)).collect::<HashMap<_, _>>();
    for (facet, Reading { value, code }) in facets.iter().zip(readings) {
        match places.get(facet).and_then(|place| changes.values.get_mut(*place)) {
            Some(entry) => entry.new = value,
            None => changes.values.push(NewValue { facet: *facet, old: None, new: value }),
        }
        if let Some(code) = code {
            changes.code.insert(value.into(), code);
        }
    }
}
