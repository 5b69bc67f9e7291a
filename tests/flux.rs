//! Flux on a devnet, from what makes a manager liquidatable to bundles that land: each scene of `harrier demo` by itself. What landed is what was predicted,
//! to the wei, and the books close.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what it expects")]

use harrier::devnet::rehearsal::{Accounts, flux};
use std::time::Duration;

/// Full simulations that a candidate may take.
const BUDGET: usize = 16;

async fn plays(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let played = flux::play(folder.path(), |scene| scene == name, |_| {}).await.unwrap();
    let simulations = played.ends.iter().filter_map(|end| end.batch.as_ref()).flat_map(|batch| &batch.candidates).map(|one| one.simulations);
    let most = simulations.max();
    let accounts = Accounts::of(played, Duration::ZERO);
    assert_eq!(accounts.scenarios.len(), 1);
    assert!(accounts.all_ok(), "{:#?} {:#?}", accounts.scenarios, accounts.books);
    assert_eq!(accounts.max_error_wei, "0");
    assert!(most.is_none_or(|most| most <= BUDGET), "{most:?}");
}

macro_rules! scenes {
    ($($test:ident $name:literal),+) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                plays($name).await;
            }
        )+

        #[test]
        fn every_scene_is_tested() {
            let names: Vec<&str> = flux::scenes().iter().map(|scene| scene.name).collect();
            assert_eq!(names, [$($name),+]);
        }
    };
}

scenes! {
    a_the_documented_example "flux-a",
    b_three_margins "flux-b",
    c_the_healthy_side "flux-c",
    d_one_unit_at_the_threshold_and_at_one "flux-d",
    e_low_cash "flux-e",
    f_a_part_and_the_rest "flux-f",
    g_a_uniswap_position "flux-g",
    h_a_strategy_of_another_rule "flux-h",
    i_two_managers_at_once "flux-i",
    j_interest_alone "flux-j",
    k_attacked_from_outside "flux-k",
    l_a_wrapper_reverts "flux-l",
    m_a_rival_is_first "flux-m",
    n_a_wrapper_that_was_never_registered "flux-n",
    o_the_dead_zone_is_left_upwards "flux-o",
    p_a_keeper_deleverages "flux-p"
}
