//! Wipes what finished calls have left on the stack.
//!
//! The allocator wipes freed memory, but nothing wipes a stack frame. A digest keeps the last block of its input in its
//! frame, so a password that was digested would stay there until another call overwrites it.

use std::hint::black_box;

use zeroize::Zeroize;

/// How far below the caller the stack is wiped, in bytes: deeper than a login and its reads go.
const DEPTH: usize = 256 * 1024;

/// Wipes what earlier calls of the caller have left on the stack.
#[inline(never)]
#[allow(clippy::large_stack_arrays, reason = "it is the stack that is wiped; the main thread has megabytes of it")]
pub fn wipe() {
    let mut left = [0_u8; DEPTH];
    black_box(&mut left).zeroize();
    black_box(&left);
}
