//! Forge Remote: invocation tokens, the key set that signs them, the modules that they are given to.

pub mod invocation;
pub mod keys;
pub mod modules;
