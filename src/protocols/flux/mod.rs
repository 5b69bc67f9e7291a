//! Flux: vaults whose managers borrow against a bond, liquidated with the collateral first and the payment last.
//!
//! Of the protocol's interface only parts are public. What is documented, what this project chose and what is an extension is kept
//! apart by the marks `[D]`, `[R]` and `[X]` in the docs of each item, as in `solidity/reference/flux`, whose contracts stand in for the
//! protocol's. So far this folder has the formulas; reading and planning come with the adapter.

pub mod maths;
