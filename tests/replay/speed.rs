//! The figure `roll_replay_real`, run by hand: `cargo test --release --test replay -- --ignored --nocapture`.

#[path = "../../benches/figures/replay.rs"]
mod figure;

#[test]
#[ignore = "a measurement, to be run alone and in release"]
fn roll_replay_real() {
    let Some(folder) = crate::folder() else { return };
    let figure::RollReplay { ratio, ours, checked, plain, gas } = figure::roll_replay_real(&folder).unwrap();
    println!("ours {ours:?}, with the header's claims {checked:?}, plain revm {plain:?}, ratio {ratio:.3}, {gas} gas");
}
