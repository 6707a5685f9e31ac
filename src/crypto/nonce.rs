//! Random bytes from the operating system, drawn in blocks: one system call a nonce costs more than the cipher.

use std::cell::RefCell;
use zeroize::Zeroize;

/// Bytes of a GCM nonce (96 bits).
pub const LEN: usize = 12;
const BLOCK: usize = LEN * 256;

struct Pool {
    bytes: [u8; BLOCK],
    used: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; BLOCK], used: BLOCK }) };
}

/// A nonce never handed out before by this process; random, so that processes need not agree on a counter.
pub fn fresh() -> [u8; LEN] {
    POOL.with_borrow_mut(|pool| {
        if pool.used == BLOCK {
            fill(&mut pool.bytes);
            pool.used = 0;
        }
        let mut nonce = [0; LEN];
        let end = pool.used + LEN;
        nonce.copy_from_slice(&pool.bytes[pool.used..end]);
        pool.bytes[pool.used..end].zeroize();
        pool.used = end;
        nonce
    })
}

/// `N` random bytes for keys and opaque ids.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

fn fill(bytes: &mut [u8]) {
    // Without randomness nothing may be sealed; there is no state to go on from.
    getrandom::fill(bytes).expect("the operating system provides random bytes");
}
