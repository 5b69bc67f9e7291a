//! The scenes with a searcher, each by itself: what landed is what was predicted, and the books close.

use harrier::devnet::rehearsal::{Accounts, fx};
use std::time::Duration;

async fn plays(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let played = fx::play(folder.path(), |scene| scene == name, |_| {}).await.unwrap();
    let simulations = played.ends.iter().filter_map(|end| end.batch.as_ref()).flat_map(|batch| &batch.candidates).map(|one| one.simulations);
    let most = simulations.max();
    let accounts = Accounts::of(played, Duration::ZERO);
    println!("{:#?}", accounts.scenarios);
    assert_eq!(accounts.scenarios.len(), 1);
    assert!(accounts.all_ok(), "{:#?} {:#?}", accounts.scenarios, accounts.books);
    assert_eq!(accounts.max_error_wei, "0");
    assert!(most.is_none_or(|most| most <= 16), "16 simulations a candidate at most, not {most:?}");
}

macro_rules! scenes {
    ($($test:ident $name:literal),+) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            plays($name).await;
        }
    )+};
}

scenes! {
    a_several_ticks_at_once "fx-a",
    b_two_locked_calls "fx-b",
    c_paid_in_notes "fx-c",
    d_notes_kept "fx-d",
    e_capped_by_notes "fx-e",
    f_the_reserve_pays "fx-f",
    g_under_water "fx-g",
    h_stable_repay "fx-h",
    i_a_trade_moves_the_price "fx-i",
    j_a_stale_feed "fx-j",
    k_a_tick_with_a_parent "fx-k",
    l_time_alone "fx-l",
    m_half_is_left "fx-m",
    n_filled_again "fx-n"
}

#[test]
fn every_scene_is_tested() {
    assert_eq!(fx::scenes().len(), 14);
}
