//! Which ticks have debt: one bit a tick, 256 a word. `TickBitmap` of the contracts.

use alloy::primitives::U256;
use std::collections::BTreeMap;

/// The words that are not zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TickBitmap {
    words: BTreeMap<i8, U256>,
}

/// Where a tick's bit is: the word, and the bit in it from the least significant.
#[must_use]
pub const fn place(tick: i16) -> (i8, u8) {
    let [high, low] = tick.to_be_bytes();
    (i8::from_be_bytes([high]), low)
}

/// The tick at a place.
#[must_use]
pub const fn tick_at(word: i8, bit: u8) -> i16 {
    let [high] = word.to_be_bytes();
    i16::from_be_bytes([high, bit])
}

impl TickBitmap {
    /// The bitmap of these words.
    pub fn new(words: impl IntoIterator<Item = (i8, U256)>) -> Self {
        Self { words: words.into_iter().filter(|(_, word)| !word.is_zero()).collect() }
    }

    /// A word.
    #[must_use]
    pub fn word(&self, word: i8) -> U256 {
        self.words.get(&word).copied().unwrap_or_default()
    }

    /// Whether a tick has debt.
    #[must_use]
    pub fn has(&self, tick: i16) -> bool {
        let (word, bit) = place(tick);
        self.word(word).bit(usize::from(bit))
    }

    /// Sets or clears a tick's bit.
    pub fn set(&mut self, tick: i16, has_debt: bool) {
        let (word, bit) = place(tick);
        let mut value = self.word(word);
        value.set_bit(usize::from(bit), has_debt);
        if value.is_zero() {
            self.words.remove(&word)
        } else {
            self.words.insert(word, value)
        };
    }

    /// The next tick with debt at or below `tick` in its word, else the word's first tick. `nextDebtPositionWithinOneWord`.
    #[must_use]
    pub fn next_within_word(&self, tick: i16) -> (i16, bool) {
        let (word, bit) = place(tick);
        let up_to = self.word(word) << (255 - usize::from(bit));
        match u8::try_from(up_to.leading_zeros()).ok().and_then(|distance| bit.checked_sub(distance)) {
            Some(found) if !up_to.is_zero() => (tick_at(word, found), true),
            _ => (tick_at(word, 0), false),
        }
    }

    /// The highest tick with debt at or below `tick`.
    #[must_use]
    pub fn at_or_below(&self, tick: i16) -> Option<i16> {
        let (own, _) = place(tick);
        self.words.range(..=own).rev().find_map(|(word, _)| {
            let from = if *word == own { tick } else { tick_at(*word, u8::MAX) };
            let (found, has_debt) = self.next_within_word(from);
            has_debt.then_some(found)
        })
    }

    /// The highest tick with debt below `tick`.
    #[must_use]
    pub fn below(&self, tick: i16) -> Option<i16> {
        tick.checked_sub(1).and_then(|next| self.at_or_below(next))
    }

    /// All ticks with debt, the highest first.
    pub fn ticks(&self) -> impl Iterator<Item = i16> + '_ {
        std::iter::successors(self.at_or_below(i16::MAX), |tick| self.below(*tick))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_come_highest_first_across_words_and_below_zero() {
        let mut bitmap = TickBitmap::default();
        let ticks = [5_500, 256, 255, 0, -1, -256, -257, -32_767];
        for tick in ticks {
            bitmap.set(tick, true);
        }
        assert_eq!(bitmap.ticks().collect::<Vec<_>>(), ticks);
        assert_eq!(place(-1), (-1, 255));
        assert_eq!(place(-257), (-2, 255));
        bitmap.set(0, false);
        assert!(!bitmap.has(0) && bitmap.has(-1));
        assert_eq!(bitmap.below(255), Some(-1));
        assert_eq!(bitmap.below(-32_767), None);
        assert_eq!(bitmap.below(i16::MIN), None);
        let same = TickBitmap::new((i8::MIN..=i8::MAX).map(|word| (word, bitmap.word(word))));
        assert_eq!(same, bitmap);
    }
}
