//! The fork against a real node.

mod chain;
mod code;
mod equality;
mod rolling;
mod trouble;
